"""What is predicted of an image, and the files that hold it."""

import csv
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.errors import InputError
from dnll_plugin.prediction.rows import Row, describe_rows, rule_out, writer


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
    assert describe_rows(["a.png", "b.png"], p, ["ant", "bee", "cat", "dog"], 0.9) == [
        Row("a.png", "bee", 0.5, ("ant", "dog")),
        Row("b.png", "cat", pytest.approx(0.97), ()),
    ]


ROWS = [Row("é, b.png", "bee", 0.51234, ("ant", "dog")), Row("c.png", "cat", 1.0, ())]


def test_csv(tmp_path):
    with writer(tmp_path / "o.csv") as write:
        for row in ROWS:
            write(row)
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["file", "label", "confidence", "not"],
            ["é, b.png", "bee", "0.5123", "ant;dog"],
            ["c.png", "cat", "1.0000", ""],
        ]


def test_json_lines(tmp_path):
    with writer(tmp_path / "o.jsonl") as write:
        for row in ROWS:
            write(row)
    lines = (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {
        **{"file": "é, b.png", "label": "bee", "confidence": 0.5123, "not": ["ant", "dog"]}
    }
    assert len(lines) == 2


def test_the_file_is_whole_or_as_it_was(tmp_path):
    out = tmp_path / "o.csv"
    out.write_text("before")
    with pytest.raises(AttributeError), writer(out) as write:
        write("no row")
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be written"), writer(tmp_path / "no" / "o.csv"):
        pass
