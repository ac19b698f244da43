"""What is predicted of an image."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.prediction.rows import Row, describe_rows, mark_unknown, rule_out


@st.composite
def probabilities(draw):
    rows, classes = draw(st.integers(1, 5)), draw(st.integers(2, 12))
    seed, scale = draw(st.integers(0, 1000)), draw(st.sampled_from([0.0, 0.5, 3.0, 20.0]))
    logits = torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * scale
    return logits.double().softmax(dim=1)


THRESHOLDS = st.floats(0.01, 1.0)


@given(probabilities(), THRESHOLDS)
def test_what_it_surely_is_not_has_at_most_the_probability_of_a_wrong_label(p, threshold):
    chosen = rule_out(p, threshold)
    assert ((p * chosen).sum(dim=1) <= 1 - threshold + 1e-12).all()
    assert not chosen.gather(1, p.argmax(dim=1, keepdim=True)).any()


@given(probabilities(), THRESHOLDS)
def test_nothing_is_listed_where_the_label_reaches_the_threshold(p, threshold):
    sure = p.max(dim=1).values >= threshold
    assert not rule_out(p, threshold)[sure].any()


@given(probabilities(), THRESHOLDS)
def test_the_list_is_as_long_as_it_can_be(p, threshold):
    for row, chosen in zip(p, rule_out(p, threshold), strict=True):
        if row.max() < threshold:
            smallest_left = row[~chosen].min()
            assert row[chosen].sum() + smallest_left > 1 - threshold - 1e-12
            assert (row[chosen] <= smallest_left).all()


def test_two_classes_have_nothing_to_list():
    assert not rule_out(torch.tensor([[0.6, 0.4], [0.95, 0.05]]), 0.9).any()


def test_the_rows_of_a_batch():
    p = torch.tensor([[0.04, 0.5, 0.41, 0.05], [0.01, 0.01, 0.97, 0.01]], dtype=torch.float64)
    names = ["ant", "bee", "cat", "dog"]
    assert describe_rows(["a.png", "b.png"], p, names, 0.9) == [
        Row("a.png", "bee", 0.5, ("ant", "dog"), dict(zip(names, p[0].tolist(), strict=True))),
        Row("b.png", "cat", 0.97, (), dict(zip(names, p[1].tolist(), strict=True))),
    ]


def test_a_row_is_unknown_above_the_threshold_and_keeps_its_class():
    rows = [Row(f"{name}.png", "bee", 0.5, (), {}) for name in "abc"]
    marked = mark_unknown(rows, torch.tensor([0.2, 0.5, 0.7], dtype=torch.float64), 0.5)
    assert [row.known for row in marked] == [True, True, False]
    assert [row.unknown_score for row in marked] == [0.2, 0.5, 0.7]
    assert {row.label for row in marked} == {"bee"}
