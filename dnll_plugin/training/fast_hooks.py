"""Hooks of the toolbox that compute the same numbers in a fraction of the time.

``dnll train`` puts them in the place of the toolbox's own, unless ``fast_hooks`` is false.
"""

from collections.abc import Iterable

import torch
from semilearn.algorithms.flexmatch.utils import FlexMatchThresholdingHook
from semilearn.core.hooks import EMAHook, Hook
from torch import Tensor, nn

from dnll_plugin.protocols import ToolboxAlgorithm


class SharedEMA:
    """The toolbox's ``EMA``, whose averages are the parameters of the averaged model themselves.

    The toolbox keeps the averages beside that model, loops over parameters in Python and loads two
    state dicts a step to copy them. Here one step is three calls for all parameters together.

    Args:
        model: The model that is trained.
        average: The model that holds the averages: the same structure, on the same device.
        decay: Momentum of the average, in [0, 1).
    """

    def __init__(self, model: nn.Module, average: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters: list[Tensor] = list(model.parameters())
        self.shadow: list[Tensor] = list(average.parameters())
        self.buffers = pair_by_dtype(average.buffers(), model.buffers())
        self.backup: list[Tensor] = []

    @torch.no_grad()
    def register(self) -> None:
        """Starts the averages at the model's weights."""
        torch._foreach_copy_(self.shadow, self.parameters)

    @torch.no_grad()
    def update(self) -> None:
        """Averages the weights, in the toolbox's order of operations; buffers are copied."""
        torch._foreach_mul_(self.shadow, self.decay)
        torch._foreach_add_(self.shadow, list(torch._foreach_mul(self.parameters, 1 - self.decay)))
        for shadow, buffers in self.buffers:
            torch._foreach_copy_(shadow, buffers)

    def apply_shadow(self) -> None:
        """Lets the model compute with the averages until :meth:`restore`."""
        self.backup = [parameter.data for parameter in self.parameters]
        for parameter, average in zip(self.parameters, self.shadow, strict=True):
            parameter.data = average.data

    def restore(self) -> None:
        """Gives the model its own weights back."""
        for parameter, own in zip(self.parameters, self.backup, strict=True):
            parameter.data = own
        self.backup = []


class FastEMAHook(EMAHook):
    """The toolbox's hook over :class:`SharedEMA`."""

    def before_run(self, algorithm: ToolboxAlgorithm) -> None:
        algorithm.ema = SharedEMA(algorithm.model, algorithm.ema_model, algorithm.ema_m)
        if not algorithm.resume:
            algorithm.ema.register()

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        algorithm.ema.update()


class CountingFlexMatchHook(FlexMatchThresholdingHook):
    """FlexMatch's thresholds (arXiv:2110.08263) from counts that are kept up to date.

    The toolbox counts the pseudo-labels of the whole unlabeled set on the host at each step; here
    only the rows of the batch are counted anew, on the device and without synchronising.
    """

    def __init__(self, original: FlexMatchThresholdingHook) -> None:
        self.num_classes = original.num_classes
        self.thresh_warmup = original.thresh_warmup
        self.classwise_acc = original.classwise_acc
        self.ulb_dest_len = original.ulb_dest_len
        self.selected_label = original.selected_label

    @property
    def selected_label(self) -> Tensor:
        """Integer (N,): the last confident pseudo-label of each unlabeled image, -1 for none."""
        return self._labels[:-1]

    @selected_label.setter
    def selected_label(self, labels: Tensor) -> None:
        self._labels = torch.cat((labels, labels.new_zeros(1)))  # one place for what is not kept
        self._place = torch.empty_like(self._labels)
        self.counts = torch.bincount(labels + 1, minlength=self.num_classes + 1)

    def to(self, device: torch.device) -> None:
        if self.counts.device != device:
            self.selected_label = self.selected_label.to(device)
        self.classwise_acc = self.classwise_acc.to(device)

    @torch.no_grad()
    def masking(
        self,
        algorithm: ToolboxAlgorithm,
        logits_x_ulb: Tensor,
        idx_ulb: Tensor,
        softmax_x_ulb: bool = True,
        *args: object,
        **kwargs: object,
    ) -> Tensor:
        """Mask (U,) of the rows whose confidence exceeds the threshold of their class."""
        self.to(logits_x_ulb.device)
        probs = logits_x_ulb.detach()
        if softmax_x_ulb:
            probs = algorithm.compute_prob(probs)
        confidence, label = probs.max(dim=-1)
        progress = self.classwise_acc[label]
        mask = confidence.ge(algorithm.p_cutoff * (progress / (2.0 - progress)))
        self.keep(idx_ulb, label, confidence.ge(algorithm.p_cutoff))
        self.update()
        return mask.to(confidence.dtype)

    def keep(self, idx_ulb: Tensor, label: Tensor, confident: Tensor) -> None:
        """Keeps the labels of the confident rows, and counts the images that they change."""
        rows = torch.arange(len(idx_ulb), device=idx_ulb.device)
        self._place[idx_ulb] = rows
        once = (self._place[idx_ulb] == rows).long()  # an image may be in a batch more than once
        self.counts.index_add_(0, self._labels[idx_ulb] + 1, -once)
        self._labels[torch.where(confident, idx_ulb, self.ulb_dest_len)] = label
        self.counts.index_add_(0, self._labels[idx_ulb] + 1, once)

    @torch.no_grad()
    def update(self, *args: object, **kwargs: object) -> None:
        """Share of each class among the kept labels, relative to the most frequent one."""
        highest = self.counts.max() if self.thresh_warmup else self.counts[1:].max()
        # of counts below 2^24 float32 has the bits of the toolbox's float64, which MPS lacks
        shares = self.counts[1:].to(self.classwise_acc.dtype) / highest.clamp(min=1)
        begun = self.counts.max() < self.ulb_dest_len
        self.classwise_acc = torch.where(begun, shares, self.classwise_acc)


def use_fast_hooks(algorithm: ToolboxAlgorithm) -> None:
    """Replaces the hooks of an algorithm that have a faster equivalent here."""
    for hook in list(algorithm._hooks):
        if type(hook) is EMAHook:
            swap_hook(algorithm, hook, FastEMAHook())
        elif type(hook) is FlexMatchThresholdingHook:
            swap_hook(algorithm, hook, CountingFlexMatchHook(hook))


def swap_hook(algorithm: ToolboxAlgorithm, old: Hook, new: Hook) -> None:
    """Puts a hook in the place, and under the name, of another."""
    new.name, new.priority = old.name, old.priority
    algorithm._hooks[algorithm._hooks.index(old)] = new
    algorithm.hooks_dict[old.name] = new


def pair_by_dtype(
    to: Iterable[Tensor], from_: Iterable[Tensor]
) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Lists of tensors and of those to copy into them, one of each dtype.

    A GPU copies a list in a few kernels where all have one dtype, else tensor by tensor.
    """
    pairs: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for target, source in zip(to, from_, strict=True):
        targets, sources = pairs.setdefault(target.dtype, ([], []))
        targets.append(target)
        sources.append(source)
    return list(pairs.values())
