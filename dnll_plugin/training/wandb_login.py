"""The hook that sends curves to Weights & Biases."""

from semilearn.core.hooks import WANDBHook

from dnll_plugin.errors import InputError
from dnll_plugin.protocols import ToolboxAlgorithm


class LoginHook(WANDBHook):
    """The toolbox's hook, which says in one line what to do where nobody is logged in."""

    def before_run(self, algorithm: ToolboxAlgorithm) -> None:
        """Begins the run there.

        Raises:
            InputError: If wandb has no key, or refuses the one that it has.
        """
        import wandb

        try:
            super().before_run(algorithm)
        except (wandb.errors.UsageError, wandb.errors.AuthenticationError) as error:
            raise InputError(
                f"use_wandb: {error} Log in by `wandb login`, or set the environment variable "
                "WANDB_MODE=offline"
            ) from error
