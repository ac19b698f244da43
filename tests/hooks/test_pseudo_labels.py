from types import SimpleNamespace

import torch

from dnll_plugin.hooks.pseudo_labels import PseudoLabelHook

ALONE = SimpleNamespace(distributed=False, world_size=1)
LABELED = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
WEAK = torch.tensor([[3.0, 0.0], [2.0, 0.0], [0.1, 0.0]])


def test_the_threshold_is_relative_to_the_confidence_on_labeled_images():
    surer = PseudoLabelHook(cutoff=0.5).find(ALONE, "teacher", LABELED * 9, WEAK)
    less = PseudoLabelHook(cutoff=0.5).find(ALONE, "teacher", LABELED * 0.1, WEAK)
    confidence = surer.logits.exp().amax(dim=1)
    torch.testing.assert_close(less.logits, surer.logits)
    assert surer.sure.equal(confidence >= 0.5)
    mean = torch.softmax(LABELED * 0.1, dim=1).amax(dim=1).mean()
    assert less.sure.equal(confidence >= 0.5 * mean)


def test_the_average_of_many_steps_counts_and_each_generator_has_its_own():
    hook = PseudoLabelHook(cutoff=0.95)
    for _ in range(500):
        hook.find(ALONE, "left", LABELED, WEAK)
    once = PseudoLabelHook(cutoff=0.95)
    once.find(ALONE, "left", LABELED, -WEAK)
    aligned = hook.find(ALONE, "left", LABELED, -WEAK)
    assert not torch.allclose(aligned.logits, once.find(ALONE, "left", LABELED, -WEAK).logits)
    other = hook.find(ALONE, "right", LABELED, -WEAK)
    torch.testing.assert_close(
        other.logits, PseudoLabelHook(cutoff=0.95).find(ALONE, "right", LABELED, -WEAK).logits
    )


def test_it_goes_on_from_a_checkpoint():
    hook, resumed = PseudoLabelHook(cutoff=0.95), PseudoLabelHook(cutoff=0.95)
    hook.find(ALONE, "teacher", LABELED, WEAK)
    resumed.load_state_dict(hook.state_dict(), torch.device("cpu"))
    for rows in (-WEAK, WEAK):
        one = hook.find(ALONE, "teacher", LABELED, rows)
        other = resumed.find(ALONE, "teacher", LABELED, rows)
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
