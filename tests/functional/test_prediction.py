import pytest
import torch

from dnll_plugin.functional import prediction
from dnll_plugin.functional.prediction import Prediction


def test_parts_have_the_numbers_of_their_rows() -> None:
    logits = torch.randn(6, 4, dtype=torch.float64)
    part = Prediction(logits)[2:5]
    assert len(part) == 3
    assert torch.equal(part.logits, logits[2:5])
    assert torch.allclose(part.probabilities, logits[2:5].softmax(dim=1))
    assert torch.allclose(part.log_probabilities, logits[2:5].log_softmax(dim=1))
    confidence, label = part.most_likely
    assert torch.allclose(confidence, logits[2:5].softmax(dim=1).amax(dim=1))
    assert torch.equal(label, logits[2:5].argmax(dim=1))


def test_half_precision_is_computed_in_float32() -> None:
    half = Prediction(torch.randn(2, 3).half())
    assert half.probabilities.dtype == half.log_probabilities.dtype == torch.float32


def test_softmax_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = prediction.full_precision_softmax

    def counting(logits: torch.Tensor) -> torch.Tensor:
        calls.append(len(logits))
        return original(logits)

    monkeypatch.setattr(prediction, "full_precision_softmax", counting)
    whole = Prediction(torch.randn(6, 4))
    for part in (whole[:2], whole[2:], Prediction.of(whole)):
        _ = part.probabilities, part.most_likely
    assert calls == [6]
