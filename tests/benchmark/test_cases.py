"""The cases of ``dnll bench`` are steps of real algorithms, told apart by what they add."""

from pathlib import Path

import pytest
import torch

from dnll_plugin.benchmark import cases, timing
from dnll_plugin.benchmark.report import PARTS, describe_calls, draw, part, table
from dnll_plugin.benchmark.timing import STAGES, Timings

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
TINY = ("img_size=8", "batch_size=4", "uratio=2", "eval_batch_size=500")


def test_a_config_is_measured_beside_the_toolboxs_algorithms() -> None:
    found = cases.list_cases(DIGITS, TINY)
    assert [case.name for case in found] == ["dnll_dual", "fixmatch", "flexmatch", "meanteacher"]


def test_standard_cases_resolve() -> None:
    from dnll_plugin.settings.resolve import resolve

    for case in cases.standard_cases():
        settings = resolve(case.config, [*case.overrides, *cases.MEASURED])
        assert settings["dataset"] == "digits"


@pytest.mark.parametrize(
    ("own", "passes"),
    [
        (("algorithm=dnll_dual", "roles=mutual"), [True, True, False, False]),
        (("algorithm=dnll_dual", "roles=alternate"), [True, False, False, False]),
        (("algorithm=dnll_meanteacher", "negative_source=teacher"), [True, False]),
        (("algorithm=fixmatch",), [True]),
    ],
    ids=str,
)
def test_a_floor_has_the_passes_of_the_step(
    tmp_path: Path, own: tuple[str, ...], passes: list[bool]
) -> None:
    from dnll_plugin.benchmark.passes import recorded
    from dnll_plugin.training.passes import find_nets

    subject = cases.prepare(cases.Case("", DIGITS, (*TINY, *own)), tmp_path)
    algorithm = subject.algorithm
    algorithm.call_hook("before_run")
    algorithm.epoch = 0
    batch = algorithm.process_batch(**next(timing.endless(algorithm)))
    with recorded(find_nets(algorithm)) as found:
        timing.step(algorithm, batch)
    assert [call.gradient for call in found] == passes


def test_measuring_leaves_the_weights_alone(tmp_path: Path) -> None:
    subject = cases.prepare(cases.Case("", DIGITS, TINY), tmp_path)
    before = [parameter.clone() for parameter in subject.algorithm.model.parameters()]
    timings = timing.measure(subject.algorithm, rounds=2, warmup=1)
    assert {stage: len(times) for stage, times in timings.rounds.items()} == dict.fromkeys(
        STAGES, 2
    )
    assert all(map(torch.equal, before, subject.algorithm.model.parameters()))
    assert not (tmp_path / "metrics.jsonl").exists()


def test_only_an_iteration_looks_at_the_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm = cases.prepare(cases.Case("", DIGITS, TINY), tmp_path).algorithm
    batch = algorithm.process_batch(**next(timing.begin(algorithm)))
    looks: list[int] = []
    hook = algorithm.hooks_dict["FiniteHook"]
    monkeypatch.setattr(hook, "look_at_gradients", lambda algorithm: looks.append(algorithm.it))
    timing.step(algorithm, batch)
    assert looks == []
    timing.iteration(algorithm, batch)
    timing.step(algorithm, batch)
    assert len(looks) == 1


def test_ratios_are_taken_round_by_round() -> None:
    timings = Timings({"floor": [1.0, 10.0, 100.0], "step": [2.0, 20.0, 200.0]})
    assert timings.ratio("step", "floor") == (2.0, 0.0)


def test_picture_and_parts(tmp_path: Path) -> None:
    row = {"algorithm": "a", "net": "n", "batch": "1 + 7"}
    row |= dict(zip((f"{stage}_ms" for stage in STAGES), (5.0, 6.0, 5.5, 9.0), strict=True))
    assert [part(row, *PARTS[name]) for name in PARTS] == [5.0, 1.0, 0.0, 3.5]
    draw([row, row], tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_says_where_calls_of_the_device_were_not_counted() -> None:
    row = {"algorithm": "a", "net": "n", "batch": "1 + 7"}
    row |= dict.fromkeys([f"{stage}_ms" for stage in STAGES], 1.0)
    for ratio in ("step_over_floor", "iteration_over_step"):
        row |= {ratio: 1.0, f"{ratio}_spread": 0.0}
    assert len(table([row]).columns) == 9
    rows = [row | {"kernel_launches": number, "synchronisations": number} for number in (None, 7)]
    launches = next(column for column in table(rows).columns if column.header == "launches")
    assert list(launches.cells) == ["not counted", "7"]
    assert describe_calls(0) == "0"
