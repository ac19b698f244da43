"""What logits say of the classes, computed once however many losses and choices need it.

Pure, on any device, without host synchronisation. N rows, K classes.
"""

from functools import cached_property

import torch
from torch import Tensor


class Prediction:
    """Logits (N, K) with their probabilities, each computed where it is first asked for.

    Half precisions are computed in float32. On a GPU a small tensor costs a kernel launch whatever
    its size: parts of one prediction share what is computed of it.

    Args:
        logits: (N, K), of any floating dtype.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self.whole: Prediction | None = None
        self.rows = slice(None)

    @classmethod
    def of(cls, given: "Tensor | Prediction") -> "Prediction":
        """The prediction of some logits; one that is given stays what it is."""
        return given if isinstance(given, cls) else cls(given)  # type: ignore[arg-type]

    def __getitem__(self, rows: slice) -> "Prediction":
        """The prediction of some rows, of what is computed of all."""
        part = Prediction(self.logits[rows])
        part.whole, part.rows = self, rows
        return part

    @cached_property
    def probabilities(self) -> Tensor:
        """Softmax over classes, (N, K)."""
        if self.whole is not None:
            return self.whole.probabilities[self.rows]
        return full_precision_softmax(self.logits)

    @cached_property
    def log_probabilities(self) -> Tensor:
        """Logarithm of the softmax, (N, K)."""
        if self.whole is not None:
            return self.whole.log_probabilities[self.rows]
        return torch.log_softmax(self.logits, dim=1, dtype=full_precision(self.logits))

    @cached_property
    def most_likely(self) -> tuple[Tensor, Tensor]:
        """The probability (N,) of each row's most likely class, and that class, integer (N,)."""
        if self.whole is not None:
            confidence, label = self.whole.most_likely
            return confidence[self.rows], label[self.rows]
        confidence, label = self.probabilities.max(dim=1)
        return confidence, label

    def __len__(self) -> int:
        return len(self.logits)


def full_precision(tensor: Tensor) -> torch.dtype:
    """float32 for half precisions, else the dtype of the tensor."""
    return torch.promote_types(tensor.dtype, torch.float32)


def full_precision_softmax(logits: Tensor) -> Tensor:
    """Softmax over classes of (N, K) logits, in float32 when they are in a half precision."""
    return torch.softmax(logits, dim=1, dtype=full_precision(logits))
