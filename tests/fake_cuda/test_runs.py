"""``dnll train`` on the counterfeit device: it goes on, also elsewhere; two ranks do not wait."""

import json
import socket
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
COMMON = (
    *("img_size=8", "batch_size=6", "uratio=2", "num_workers=0", "eval_batch_size=900"),
    *("num_train_iter=12", "epoch=4", "num_eval_iter=6", "num_log_iter=3", "use_tensorboard=false"),
)

STRONG = ("ulb_views=weak_strong", "negative_sampling=below_average")

RESUMED = {
    "dnll_dual": ("net=cnn3",),
    "on device": ("net=cnn3", "data_on=device"),
    "pseudo-labels": ("net=cnn3", "algorithm=dnll_meanteacher", *STRONG),
    "no negatives": ("net=cnn3_one_head", "algorithm=dnll_fixmatch", "negative_weight=0"),
    "dnll_flexmatch": ("net=cnn3_one_head", "algorithm=dnll_flexmatch"),
    "amp": ("net=cnn3", "algorithm=lc_meanteacher", "amp=true"),
    "shrinkmatch": ("net=cnn3_one_head", "algorithm=shrinkmatch"),
    "crmatch": ("net=wrn_28_2", "img_size=32", "algorithm=crmatch"),
    "crmatch, amp": ("net=wrn_28_2", "img_size=32", "algorithm=crmatch", "amp=true"),
}
"""Settings of runs that are interrupted and go on."""

ELSEWHERE = {
    "from cuda to cpu": ("cuda", "cpu"),
    "from cpu to cuda": ("cpu", "cuda"),
    "from cpu to cuda, amp": ("cpu", "cuda", "amp=true"),
}

STRICT = (*COMMON, "num_train_iter=20", "epoch=1", "num_eval_iter=20", "num_log_iter=20")
RANKS = {
    "mutual": ("net=cnn3",),
    "alternate": ("net=cnn3_one_head", "roles=alternate", "data_on=device"),
    "pseudo-labels": ("net=cnn3_one_head", "algorithm=dnll_meanteacher", *STRONG),
    "dnll_flexmatch": ("net=cnn3_one_head", "algorithm=dnll_flexmatch"),
}


def command(folder: Path, name: str, *settings: str) -> list[str]:
    own = ["--c", str(DIGITS), "--save_dir", str(folder), "--save_name", name]
    return [*own, "--set", *settings]


def interrupted(folder: Path, name: str, first: str, then: str, *settings: str) -> list[dict]:
    """The jobs of a run that begins on one device, and goes on on another or the same."""
    begun = command(folder, name, *COMMON, *settings, f"device={first}")
    on = command(folder, name, *COMMON, *settings, f"device={then}")
    return [{"arguments": begun, "stop_at": 4}, {"arguments": ["--resume", *on]}]


@pytest.fixture(scope="module")
def runs(work, tmp_path_factory):
    """The folder of the runs, and the exit codes of each one's two parts."""
    folder = tmp_path_factory.mktemp("runs")
    jobs = [
        *(interrupted(folder, name, "cuda", "cuda", *own) for name, own in RESUMED.items()),
        *(
            interrupted(folder, name, *devices[:2], "net=cnn3", *devices[2:])
            for name, devices in ELSEWHERE.items()
        ),
    ]
    results = work([job for pair in jobs for job in pair])[0]
    pairs = zip(results[::2], results[1::2], strict=True)
    return folder, dict(zip((*RESUMED, *ELSEWHERE), pairs, strict=True))


@pytest.mark.parametrize("name", [*RESUMED, *ELSEWHERE])
def test_a_run_goes_on(runs, name):
    folder, results = runs
    assert results[name] == ({"code": 143}, {"code": 0})
    assert json.loads((folder / name / "result.json").read_text())["iterations"] == 12
    log = (folder / name / "log.txt").read_text()
    assert "going on from step 4" in log
    assert ("not exactly" in log) == (name in ELSEWHERE)


def test_two_ranks_wait_for_nothing_between_log_steps(work, tmp_path):
    """Load, step, backward, update: of steps 4 to 15, but for what torch's SyncBatchNorm reads."""
    ports = []
    for _ in RANKS:
        with socket.create_server(("127.0.0.1", 0)) as found:
            ports.append(found.getsockname()[1])
    jobs = [
        {
            "arguments": command(tmp_path, name, *STRICT, *settings, "device=cuda"),
            "strict": (4, 16),
            "port": port,
        }
        for (name, settings), port in zip(RANKS.items(), ports, strict=True)
    ]
    first, second = work(jobs, ranks=2)
    assert first == second == [{"code": 0}] * len(RANKS), (first, second)


def test_bench_says_that_it_could_not_count(work, tmp_path):
    """CUPTI, which sees no GPU here, does not start: the profiler only warns, and records none."""
    file = tmp_path / "bench.json"
    options = ["--c", str(DIGITS), "--rounds", "2", "--json", str(file)]
    tiny = ("device=cuda", "img_size=8", "batch_size=4", "uratio=1", "net=cnn3")
    assert work([{"bench": [*options, "--set", *tiny]}]) == [[{"code": 0}]]
    for row in json.loads(file.read_text()):
        assert row["kernel_launches"] is row["synchronisations"] is None
