"""Every algorithm of the plugin, one row each.

Commands that import neither torch nor the toolbox read it, so this module imports neither.
"""

from dataclasses import dataclass

_PACKAGE = "dnll_plugin.algorithms"

PAIR = ("ensemble", "left", "right")
"""The models of a trained pair of submodels that can predict, the default first."""

_TEACHER = ("teacher", "student")


@dataclass(frozen=True)
class Algorithm:
    """What is known of an algorithm without importing it.

    Attributes:
        name: Its name in a config.
        module: The module whose import registers it with the toolbox.
        submodels: The models of a trained run that can predict, the default first; where
            ``negative_source`` is ``peer`` they are those of a pair instead.
        base: The toolbox's algorithm that learns negative labels too; None for a class of its own.
        negative_sources: With ``base``: what its ``negative_source`` may be, the default first.
        newest_only: With ``base``: whether only the newest toolbox has it.
        open_set: Whether it is made for unlabeled images of no class, and has a method
            ``score_unknown`` that tells them.
    """

    name: str
    module: str
    submodels: tuple[str, ...] = ("model",)
    base: str | None = None
    negative_sources: tuple[str, ...] = ()
    newest_only: bool = False
    open_set: bool = False


def _over(
    base: str, *, sources: tuple[str, ...] = ("self", "peer"), newest_only: bool = False
) -> Algorithm:
    module = f"{_PACKAGE}.negative_mixin"
    return Algorithm(
        f"dnll_{base}",
        module,
        base=base,
        negative_sources=sources,
        newest_only=newest_only,
    )


_ROWS = (
    Algorithm("dnll_dual", f"{_PACKAGE}.dual", PAIR),
    Algorithm("dnll_meanteacher", f"{_PACKAGE}.meanteacher", _TEACHER),
    Algorithm("lc_meanteacher", f"{_PACKAGE}.lc_meanteacher", _TEACHER),
    Algorithm("shrinkmatch", f"{_PACKAGE}.shrinkmatch"),
    Algorithm("fullmatch", f"{_PACKAGE}.fullmatch"),
    Algorithm("fullflex", f"{_PACKAGE}.fullmatch"),
    Algorithm("iomatch", f"{_PACKAGE}.iomatch", open_set=True),
    Algorithm("openmatch", f"{_PACKAGE}.openmatch", open_set=True),
    _over("adamatch"),
    _over("comatch", sources=("self",)),  # it wraps its net, so that there is no pair of them
    _over("dash"),
    _over("defixmatch"),
    _over("fixmatch"),
    _over("flexmatch"),
    _over("freematch"),
    _over("pseudolabel"),
    _over("refixmatch", newest_only=True),
    _over("sequencematch", newest_only=True),
    _over("simmatch", sources=("self",)),  # as comatch
    _over("softmatch"),
    _over("uda"),
)

OWN_ALGORITHMS: dict[str, Algorithm] = {row.name: row for row in _ROWS}
"""The algorithms of the plugin, and of those who extend it, by name."""


def add_algorithm(row: Algorithm) -> None:
    """Adds an algorithm from outside of this package to :data:`OWN_ALGORITHMS`.

    Raises:
        ValueError: If there is another one of this name.
    """
    if OWN_ALGORITHMS.setdefault(row.name, row) != row:
        raise ValueError(f"there is an algorithm {row.name!r} already; give yours another name")


def is_own(name: str) -> bool:
    """Whether an algorithm is the plugin's, rather than one of the toolbox's."""
    return name in OWN_ALGORITHMS
