"""Which settings each algorithm of a comparison gets, and what is refused before a run starts."""

import os
from pathlib import Path

import pytest

from dnll_plugin.comparison.plan import Request
from dnll_plugin.comparison.planning import plan, plan_in_child
from dnll_plugin.comparison.published import AS_MANY_AS_LABELS, LOSS_WEIGHT, PUBLISHED
from dnll_plugin.comparison.variants import list_variants
from dnll_plugin.errors import InputError
from dnll_plugin.settings import resolve as settings
from dnll_plugin.settings.toolbox_keys import ToolboxKeys, algorithm_arguments

CHECKOUT = os.environ.get("USB_CHECKOUT")

CONFIG = {
    **{"algorithm": "dnll_dual", "dataset": "digits", "num_classes": 10, "num_labels": 20},
    **{"net": "cnn3", "epoch": 4, "num_train_iter": 20, "lr": 0.05, "negative_weight": 5},
    **{"ulb_loss_ratio": 0.7, "data_dir": "there"},
}


@pytest.fixture
def ask(tmp_path):
    """A request; keywords replace its parts, ``config`` those of the config file."""

    def make(*algorithms, config=(), variants=(), **changes):
        file = tmp_path / "c.yaml"
        written = {**CONFIG, **dict(config)}
        file.write_text("".join(f"{key}: {value}\n" for key, value in written.items()))
        request = {
            **{"config": file, "variants": list_variants(algorithms, variants)},
            **{"seeds": (0, 1), "overrides": ()},
            **{"data_dir": None, "runs": tmp_path / "runs", **changes},
        }
        return Request(**request)

    return make


def resolved(run):
    """The settings that ``dnll train`` makes of the run's arguments."""
    options = dict(word[2:].split("=", 1) for word in run.arguments if word.startswith("--c="))
    overrides = run.arguments[run.arguments.index("--set") + 1 :]
    return settings.resolve(Path(options["c"]), overrides, seed=run.seed)


def test_there_is_a_run_for_each_algorithm_and_seed_in_a_folder_of_its_own(ask, tmp_path):
    got = plan(ask("dnll_dual", "supervised"))
    assert [run.name for run in got.runs] == [
        *("dnll_dual_0", "dnll_dual_1", "supervised_0", "supervised_1")
    ]
    run = got.runs[3]
    assert (run.algorithm, run.seed, run.iterations) == ("supervised", 1, 20)
    assert run.folder.path == tmp_path / "runs" / "supervised_1"
    assert {"--resume", "--seed=1", f"--save_dir={tmp_path / 'runs'}"} <= set(run.arguments)


def test_the_configs_own_keys_are_for_its_algorithm_only(ask):
    got = plan(ask("dnll_dual", "dnll_meanteacher", "fixmatch"))
    assert got.own["dnll_dual"]["negative_weight"] == (5, "config")
    assert got.own["dnll_dual"][LOSS_WEIGHT] == (0.7, "config")
    assert got.own["dnll_meanteacher"]["negative_weight"] == (None, "default")
    assert got.own["fixmatch"][LOSS_WEIGHT] == (1, "default")
    assert "lr_schedule" not in got.own["dnll_dual"]
    by_name = {run.name: resolved(run) for run in got.runs}
    assert by_name["dnll_dual_0"].negative_weight == 5
    assert by_name["dnll_meanteacher_0"].negative_weight is None
    assert by_name["fixmatch_0"].lr == by_name["dnll_dual_0"].lr == 0.05


def test_another_algorithm_gets_its_published_keys(ask):
    got = plan(ask("meanteacher", "simmatch", config={"num_labels": 40}))
    assert got.own["meanteacher"][LOSS_WEIGHT] == (50, "published config")
    assert got.own["simmatch"]["K"] == (40, "published config")


def test_an_algorithm_with_negatives_gets_the_published_keys_of_its_base(ask):
    got = plan(ask("freematch", "dnll_freematch", "dnll_meanteacher"))
    ours, base = got.own["dnll_freematch"], got.own["freematch"]
    assert {key: ours[key] for key in base} == base
    assert ours["ent_loss_ratio"] == (0.001, "published config")
    assert ours["negative_weight"] == (1, "default")
    assert ours["negative_late_epoch"] == (None, "default")
    assert got.own["dnll_meanteacher"][LOSS_WEIGHT] == (1, "default")


def test_set_beats_everything_for_all_that_have_the_key(ask):
    got = plan(ask("dnll_dual", "dnll_meanteacher", overrides=("negative_weight=9", "lr=0.2")))
    assert got.own["dnll_dual"]["negative_weight"] == (9, "--set")
    assert got.own["dnll_meanteacher"]["negative_weight"] == (9, "--set")
    assert got.shared["lr"] == 0.2
    assert {resolved(run).negative_weight for run in got.runs} == {9}


def test_shared_settings_are_those_of_every_algorithm_but_not_of_one_run(ask):
    got = plan(ask("dnll_dual", "fixmatch"))
    assert {"lr", "num_labels", "batch_size", "uratio", "ema_m", "net"} <= got.shared.keys()
    assert not got.shared.keys() & {"seed", "save_name", "algorithm", "T", "roles", LOSS_WEIGHT}


@pytest.mark.parametrize(
    ("algorithms", "overrides", "message"),
    [
        (("fixmach",), (), "--algorithms: unknown name 'fixmach'; did you mean 'fixmatch'"),
        (("fixmatch",), ("seed=3",), "--set seed: give --seeds instead"),
        (("fixmatch",), ("algorithm=uda",), "--set algorithm: give --algorithms instead"),
        (("fixmatch",), ("leaning_rate=3",), "leaning_rate: unknown key"),
    ],
)
def test_wrong_requests_are_refused(ask, algorithms, overrides, message):
    with pytest.raises(InputError) as error:
        plan(ask(*algorithms, overrides=overrides))
    assert str(error.value).startswith(message)


def test_a_run_with_other_settings_is_refused_before_anything_starts(ask):
    request = ask("fixmatch")
    run = plan(request).runs[1]
    run.folder.path.mkdir(parents=True)
    run.folder.config.write_text("algorithm: fixmatch\nlr: 0.05\nseed: 1\ndata_dir: there\n")
    assert plan(ask("fixmatch", data_dir="elsewhere")).runs[1].name == "fixmatch_1"
    with pytest.raises(InputError, match=r"lr: the run in .*fixmatch_1 has 0.05, not 0.1; give"):
        plan(ask("fixmatch", config={"lr": 0.1}))


@pytest.mark.slow
def test_a_plan_and_an_error_come_back_from_the_child(ask):
    assert plan_in_child({"": ask("fixmatch")}) == [plan(ask("fixmatch"))]
    with pytest.raises(InputError, match="--algorithms: unknown name"):
        plan_in_child({"": ask("nonsuch")})


def test_published_keys_are_keys_of_their_algorithm_and_differ_from_its_defaults():
    for algorithm, keys in PUBLISHED.items():
        arguments = algorithm_arguments()[algorithm]
        for key, value in keys.items():
            if key == LOSS_WEIGHT:
                assert value != ToolboxKeys.model_fields[key].default
            else:
                assert arguments[key].default != value


@pytest.mark.skipif(CHECKOUT is None, reason="set USB_CHECKOUT to a checkout of the toolbox")
def test_published_keys_are_those_of_the_toolboxs_configs():
    for algorithm, arguments in algorithm_arguments().items():
        folder = Path(str(CHECKOUT)) / "config/classic_cv" / algorithm
        for file in folder.glob(f"{algorithm}_cifar10_*.yaml"):
            written = settings.read_yaml(file)
            defaults = {key: argument.default for key, argument in arguments.items()}
            defaults[LOSS_WEIGHT] = 1.0
            expected = {**defaults, **PUBLISHED.get(algorithm, {})}
            for key in expected.keys() & written.keys():
                in_words = expected[key] == AS_MANY_AS_LABELS
                value = written["num_labels"] if in_words else expected[key]
                assert written[key] == value, (file.name, key)


def test_a_variant_is_the_algorithm_with_its_own_settings(ask):
    written = ("dnll_dual:negative_weight=1|2", "long:algorithm=fixmatch,num_train_iter=40,T=0.7")
    got = plan(ask("fixmatch", variants=written, overrides=("negative_weight=9", "T=0.6")))
    by_name = {run.name: resolved(run) for run in got.runs if run.seed == 0}
    assert by_name["dnll_dual-negative_weight=1_0"].negative_weight == 1
    assert by_name["dnll_dual-negative_weight=2_0"].negative_weight == 2
    assert (by_name["long_0"].T, by_name["long_0"].num_train_iter) == (0.7, 40)
    assert by_name["fixmatch_0"].T == 0.6
    assert got.own["long"]["T"] == (0.7, "--variant")
    assert got.shared["num_train_iter"] == 20
    assert {run.variant: run.iterations for run in got.runs}["long"] == 40


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("a:algorithm=fixmach,T=1", "--variant a: unknown name 'fixmach'; did you mean"),
        ("a:algorithm=fixmatch,seed=1", "--variant a: seed: give --seeds instead"),
        ("a:algorithm=fixmatch,lr=q", "--variant a: lr: must be a number above 0, got 'q'"),
        ("a:algorithm=fixmatch,roles=mutual", "--variant a: roles: fixmatch does not read it"),
    ],
)
def test_wrong_variants_are_refused(ask, written, message):
    with pytest.raises(InputError) as error:
        plan(ask("fixmatch", variants=(written,)))
    assert str(error.value).startswith(message)


def test_settings_of_the_files_algorithm_are_not_checked_if_it_is_not_compared(ask):
    overrides = ("negative_source=peer",)
    got = plan(ask("fixmatch", "dnll_fixmatch", overrides=overrides))
    assert got.own["dnll_fixmatch"]["negative_source"] == ("peer", "--set")
    with pytest.raises(InputError, match="negative_source"):
        plan(ask("dnll_dual", overrides=overrides))


def test_longer_runs_are_known_by_their_settings(ask):
    got = plan(ask("dnll_dual", "fixmatch", variants=("long:algorithm=fixmatch,epoch=1",)))
    work = {run.variant: run.work for run in got.runs}
    assert work["dnll_dual"] == 2 * work["fixmatch"] == 2 * work["long"] > 0


def test_settings_are_resolved_once_a_variant_whatever_the_seeds(ask, monkeypatch):
    calls = []
    resolve = settings.resolve
    monkeypatch.setattr(settings, "resolve", lambda *a, **k: calls.append(a) or resolve(*a, **k))
    got = plan(ask("fixmatch", "uda", seeds=tuple(range(5))))
    assert len(got.runs) == 10
    assert len(calls) == 2
