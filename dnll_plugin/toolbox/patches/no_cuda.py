"""The toolbox where there is no CUDA: training on the host, or a word to whoever cannot train."""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from dnll_plugin.toolbox.patches.change import replace


def there_is_no_cuda() -> bool:
    """Whether CUDA cannot be used in this process."""
    import torch

    return not torch.cuda.is_available()


AT_WORK = (
    *("__init__", "load_model", "warmup", "train", "process_batch", "train_step", "evaluate"),
)
"""Methods of algorithms, in which they call ``.cuda()``; no other method is called from outside."""

TRAINER_AT_WORK = ("__init__", "fit", "evaluate", "predict")


def run_on_the_host() -> None:
    """Sends what the toolbox at work sends to CUDA to MPS or the CPU, mixed precision too."""
    import torch
    from torch.nn.parallel import DistributedDataParallel

    from dnll_plugin.toolbox.patches import redirection

    host = torch.device("mps" if redirection.available()["mps"] else "cpu")

    def send_model_cuda(args: Namespace, model: Any, clip_batch: bool = True) -> Any:
        model = model.to(host)
        if not args.distributed:
            return model
        if clip_batch and args.gpu is not None:
            args.batch_size //= torch.cuda.device_count()
        return DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=True)

    replace("send_model_cuda", "semilearn.core.utils.misc", lambda original: send_model_cuda)
    replace("autocast", "semilearn.core.algorithmbase", lambda _: redirection.autocast(host, True))
    redirect_methods(import_module("semilearn.lighting.trainer").Trainer, TRAINER_AT_WORK, host)
    redirect_algorithms(import_module("semilearn.core").AlgorithmBase, host)


def redirect_methods(cls: type, names: Iterable[str], device: Any) -> None:
    """Makes methods that a class defines work with their CUDA calls sent to a device."""
    from dnll_plugin.toolbox.patches.redirection import redirect_within

    for name in names:
        if name in vars(cls):
            setattr(cls, name, redirect_within(vars(cls)[name], device))


def redirect_algorithms(base: Any, device: Any) -> None:
    """Does so for a class of algorithms and all of its subclasses, those of later on too."""

    def __init_subclass__(cls: type, **options: object) -> None:
        super(base, cls).__init_subclass__(**options)
        redirect_methods(cls, AT_WORK, device)

    base.__init_subclass__ = classmethod(__init_subclass__)
    classes = [base]
    for cls in classes:
        redirect_methods(cls, AT_WORK, device)
        classes += [subclass for subclass in cls.__subclasses__() if subclass not in classes]


def train_py_cannot_run() -> bool:
    """Whether this is the toolbox's ``train.py`` on a machine on which it divides by zero."""
    import torch

    return Path(sys.argv[0]).name == "train.py" and torch.cuda.device_count() == 0


def point_to_dnll_train() -> None:
    """Makes ``train.py`` end, once it opens its config, with a line that says what to run."""

    def wrap(original: Callable[..., Any]) -> Any:
        def over_write_args_from_file(args: Namespace, yml: str) -> None:
            raise SystemExit(
                f"train.py needs a CUDA device, and there is none; run: dnll train --c "
                f"{yml or 'FILE'}"
            )

        return over_write_args_from_file

    replace("over_write_args_from_file", "semilearn.core.utils.misc", wrap)
