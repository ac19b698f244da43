"""One algorithm of the toolbox in several processes, each with its share of every batch."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from semilearn.core.hooks import Hook, ParamUpdateHook
from torch import Tensor, nn
from torch.autograd import Variable

from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.training.fast_hooks import CountingFlexMatchHook, swap_hook
from dnll_plugin.training.ranks import Ranks

BUCKET_BYTES = 25 * 2**20
"""Size of the gradients that are sent together: worth the start of a message, as in torch's DDP."""


class GradientAverage:
    """Averages the gradients of all ranks while backward is still at work.

    As ``DistributedDataParallel`` does, but for algorithms that make several passes before one
    backward, and use some heads and submodels in some steps only. DDP would look for unused
    parameters in each step, and the host would wait to read which ones no rank has used; here what
    has no gradient is left out. So all ranks must take the same step: the same parameters have a
    gradient in all of them, though for other rows.

    Args:
        parameters: Of the model, on its device.
        world_size: Number of ranks.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], world_size: int) -> None:
        self.world_size = world_size
        self.bucket: list[Tensor] = []
        self.bucket_bytes = 0
        self.sent: list[tuple[dist.Work, Tensor, list[Tensor]]] = []
        self.is_at_work = False
        self.handles = [
            parameter.register_post_accumulate_grad_hook(self.take) for parameter in parameters
        ]

    @torch.no_grad()
    def take(self, parameter: Tensor) -> None:
        """Called in backward for each parameter as soon as its gradient is complete."""
        if not self.is_at_work:
            self.is_at_work = True
            Variable._execution_engine.queue_callback(self.finish)  # at the end of backward
        gradient = parameter.grad
        assert gradient is not None
        if self.bucket and self.bucket[0].dtype != gradient.dtype:
            self.send()
        self.bucket.append(gradient)
        self.bucket_bytes += gradient.nbytes
        if self.bucket_bytes >= BUCKET_BYTES:
            self.send()

    def send(self) -> None:
        """Starts to add up the gradients of the bucket."""
        flat = torch.cat([gradient.reshape(-1) for gradient in self.bucket]).div_(self.world_size)
        work = dist.all_reduce(flat, async_op=True)
        self.sent.append((work, flat, self.bucket))
        self.bucket, self.bucket_bytes = [], 0

    @torch.no_grad()
    def finish(self) -> None:
        """Puts the averages in the place of the gradients; on a GPU, the host waits for nothing."""
        self.is_at_work = False
        if self.bucket:
            self.send()
        sent, self.sent = self.sent, []
        for work, flat, gradients in sent:
            work.wait()
            parts = flat.split([gradient.numel() for gradient in gradients])
            averages = [part.view_as(one) for part, one in zip(parts, gradients, strict=True)]
            torch._foreach_copy_(gradients, averages)


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

    Each tells the others at the start of a step, and hears of it at the start of the next, so that
    none waits for the answer. That another process has ended is noticed there too.

    Args:
        interruption: Tells the number of the signal that came to this process, None for none.
        ranks: The processes of the run.
    """

    def __init__(self, interruption: Any, ranks: Ranks) -> None:
        super().__init__()
        self.interruption = interruption
        self.ranks = ranks
        self.number = 0
        self.answer: Callable[[], int] = lambda: 0

    def before_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        self.number = self.answer()
        self.answer = self.ranks.start_max(self.interruption() or 0)

    def after_run(self, algorithm: ToolboxAlgorithm) -> None:
        self.answer()

    def agreed(self) -> int | None:
        """The number of the signal that the run ends at, None for none."""
        if self.ranks.world_size == 1:
            return self.interruption()
        if self.number:
            self.answer()  # nothing is on its way when the processes part
        return self.number or None


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

    The algorithm keeps the bare model, so that checkpoints, averages and attributes are those of a
    single process.

    Args:
        model: The model that is trained, on its device; the ranks start with that of rank 0.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, 0)
        self.average = GradientAverage(model.parameters(), dist.get_world_size())
