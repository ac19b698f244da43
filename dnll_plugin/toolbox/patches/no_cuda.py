"""The toolbox where there is no CUDA: training on the host, or a word to whoever cannot train."""

import sys
from pathlib import Path
from typing import Any

from dnll_plugin.toolbox.patches.change import replace


def there_is_no_cuda() -> bool:
    """Whether CUDA cannot be used in this process."""
    import torch

    return not torch.cuda.is_available()


def run_on_the_host() -> None:
    """Sends what the toolbox sends to CUDA to MPS or the CPU instead, mixed precision too."""
    import torch
    from torch.nn.parallel import DistributedDataParallel

    from dnll_plugin.toolbox.patches import redirection

    host = torch.device("mps" if redirection.available()["mps"] else "cpu")
    redirection.redirect(host)

    def send_model_cuda(args: Any, model: Any, clip_batch: bool = True) -> Any:
        model = model.to(redirection.current())
        if not args.distributed:
            return model
        if clip_batch and args.gpu is not None:
            args.batch_size //= torch.cuda.device_count()
        return DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=True)

    replace("send_model_cuda", "semilearn.core.utils.misc", lambda original: send_model_cuda)
    replace("autocast", "semilearn.core.algorithmbase", lambda _: redirection.autocast(host, True))
    torch.distributed.init_process_group = _without_nccl(torch.distributed.init_process_group)


def _without_nccl(init_process_group: Any) -> Any:
    """All published configs name the backend nccl, which needs CUDA."""

    def init(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
        init_process_group("gloo" if backend == "nccl" else backend, *args, **kwargs)

    return init


def train_py_cannot_run() -> bool:
    """Whether this is the toolbox's ``train.py`` on a machine on which it divides by zero."""
    import torch

    return Path(sys.argv[0]).name == "train.py" and torch.cuda.device_count() == 0


def point_to_dnll_train() -> None:
    """Makes ``train.py`` end, once it opens its config, with a line that says what to run."""

    def wrap(original: Any) -> Any:
        def over_write_args_from_file(args: Any, yml: str) -> None:
            raise SystemExit(
                f"train.py needs a CUDA device, and there is none; run: dnll train --c "
                f"{yml or 'FILE'}"
            )

        return over_write_args_from_file

    replace("over_write_args_from_file", "semilearn.core.utils.misc", wrap)
