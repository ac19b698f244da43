"""The hook that says which submodels learn in a step."""

from semilearn.core.hooks import Hook

from dnll_plugin.nets.pair import SIDES
from dnll_plugin.protocols import ToolboxAlgorithm


class RoleSwapHook(Hook):
    """Gives the submodels their roles: generator or learner of negative labels.

    ``mutual``: both learn and both generate, at every iteration (the authors' code).
    ``alternate``: one generates and the other learns; the roles swap every iteration, left learns
    at even ones, right at odd ones (arXiv:2301.03976, section 3). Each gets half of the updates.

    Roles are a function of the iteration, so that a resumed run continues them.

    Args:
        roles: ``mutual`` or ``alternate``.

    Raises:
        ValueError: If ``roles`` is neither.
    """

    def __init__(self, roles: str) -> None:
        super().__init__()
        if roles not in ("mutual", "alternate"):
            raise ValueError(f"roles must be 'mutual' or 'alternate', got {roles!r}")
        self.roles = roles

    def learners(self, algorithm: ToolboxAlgorithm) -> tuple[str, ...]:
        """The submodels that learn in the current iteration: ``left``, ``right`` or both."""
        if self.roles == "mutual":
            return SIDES
        return (SIDES[algorithm.it % 2],)

    def updates(self, iterations: int) -> dict[str, int]:
        """Number of updates that each submodel got in the first ``iterations`` iterations."""
        if self.roles == "mutual":
            return dict.fromkeys(SIDES, iterations)
        return {"left": (iterations + 1) // 2, "right": iterations // 2}
