"""One algorithm of the toolbox in several processes, each with its share of every batch."""

from typing import Any

import torch
import torch.distributed as dist
from semilearn.core.hooks import Hook, ParamUpdateHook
from torch import Tensor, nn

from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.training.fast_hooks import CountingFlexMatchHook, swap_hook
from dnll_plugin.training.ranks import Ranks


class Loss(nn.Module):
    """What ``DistributedDataParallel`` sees: the model's parameters, and the loss as its output.

    DDP prepares to average gradients from the output of its one forward pass. Algorithms make
    several passes before one backward, and use some heads and submodels in some steps only; but
    from the loss DDP finds exactly the parameters that have a gradient. The algorithm keeps the
    bare model, so that checkpoints, averages and attributes are those of a single process.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        device = next(model.parameters()).device
        self.unused = nn.Parameter(torch.zeros((), device=device))  # DDP warns where there is none

    def forward(self, loss: Tensor) -> Tensor:
        return loss


class BuffersHook(Hook):
    """Gives all ranks the buffers of rank 0 after each update, before they are averaged.

    Without a GPU there is no batch norm over all ranks: each has statistics of its own rows.
    """

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        buffers = [buffer for buffer in algorithm.model.buffers() if buffer.is_floating_point()]
        if not buffers:
            return
        flat = torch.cat([buffer.reshape(-1) for buffer in buffers])
        dist.broadcast(flat, 0)
        sizes = [buffer.numel() for buffer in buffers]
        for buffer, values in zip(buffers, flat.split(sizes), strict=True):
            buffer.copy_(values.view_as(buffer))


class AgreementHook(Hook):
    """Lets all ranks end at the same step when a signal comes to any of them.

    They agree at the start of a step, once its batch is there. So none waits in the step for one
    whose data or checkpoint took long.

    Args:
        interruption: Tells the number of the signal that came to this process, None for none.
        ranks: The processes of the run.
    """

    def __init__(self, interruption: Any, ranks: Ranks) -> None:
        super().__init__()
        self.interruption = interruption
        self.ranks = ranks
        self.number = 0

    def before_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        self.number = self.ranks.all_reduce_max(self.interruption() or 0)

    def agreed(self) -> int | None:
        """The number of the signal that the run ends at, None for none."""
        return (self.number or None) if self.ranks.world_size > 1 else self.interruption()


def distribute(algorithm: ToolboxAlgorithm, ranks: Ranks) -> None:
    """Makes algorithms, one in each process, train the same model on their shares of each batch.

    To be called in all processes at the same time.

    Args:
        algorithm: Built for ``ranks``, on its device.
        ranks: The processes of the run.
    """
    if ranks.world_size == 1:
        return
    if next(algorithm.model.parameters()).is_cuda:
        algorithm.model = nn.SyncBatchNorm.convert_sync_batchnorm(algorithm.model)
        algorithm.ema_model = nn.SyncBatchNorm.convert_sync_batchnorm(algorithm.ema_model)
    else:
        algorithm.register_hook(BuffersHook(), "BuffersHook", "VERY_HIGH")
    masking = algorithm.hooks_dict.get("MaskingHook")
    if isinstance(masking, CountingFlexMatchHook):
        swap_hook(algorithm, masking, SharedFlexMatchHook(masking))
    swap_hook(algorithm, algorithm.hooks_dict["ParamUpdateHook"], AveragingHook(algorithm.model))


class SharedFlexMatchHook(CountingFlexMatchHook):
    """FlexMatch's thresholds from the pseudo-labels of all ranks, as of one large batch."""

    def keep(self, idx_ulb: Tensor, label: Tensor, confident: Tensor) -> None:
        super().keep(gather_rows(idx_ulb), gather_rows(label), gather_rows(confident.long()).bool())


def gather_rows(rows: Tensor) -> Tensor:
    """The rows (N, ...) of every rank, in the order in which they were dealt."""
    shares = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, rows.contiguous())
    return torch.stack(shares, dim=1).flatten(0, 1)


class AveragingHook(ParamUpdateHook):
    """The toolbox's update of the weights, with the average of the ranks' gradients.

    Args:
        model: The model that is trained, on its device; the ranks start with that of rank 0.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.parallel = nn.parallel.DistributedDataParallel(
            Loss(model), broadcast_buffers=False, find_unused_parameters=True
        )

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        algorithm.out_dict["loss"] = self.parallel(algorithm.out_dict["loss"])
        super().after_train_step(algorithm)
