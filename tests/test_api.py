"""The commands as functions, in the process of a notebook."""

import pytest

import dnll_plugin
from dnll_plugin.errors import InputError

SHORT = {
    **{"num_train_iter": 6, "epoch": 3, "num_eval_iter": 3, "num_log_iter": 2, "batch_size": 10},
    **{"uratio": 1, "img_size": 8, "eval_batch_size": 500},
}


def test_training_gives_the_net(tmp_path):
    where = {"save_dir": tmp_path, "save_name": "run"}
    trained = dnll_plugin.train("dnll_digits_20", **where, **SHORT, seed=3, lr=0.05)
    assert trained.config["lr"] == 0.05
    assert trained.config["seed"] == 3
    assert trained.result["iterations"] == 6
    assert trained.metrics[-1]["step"] == 6
    with pytest.raises(InputError, match="holds a run already"):
        dnll_plugin.train("dnll_digits_20", **where, **SHORT, seed=3, lr=0.05)
    again = dnll_plugin.train("dnll_digits_20", resume=True, **where, **SHORT, seed=3, lr=0.05)
    assert again.result == trained.result


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"lrr": 1}, "lrr: unknown key"), ({"lr": "fast"}, "lr: must be a number above 0")],
)
def test_wrong_settings_are_an_input_error(settings, message):
    with pytest.raises(InputError, match=message):
        dnll_plugin.train("dnll_digits_20", **settings)


@pytest.mark.slow
def test_comparing_gives_the_results(tmp_path, capsys):
    results = dnll_plugin.compare(
        "dnll_digits_20", ["fixmatch", "supervised"], [0], out=tmp_path / "out", **SHORT
    )
    assert list(results.algorithm) == ["fixmatch", "supervised"]
    assert results.error_rate.between(0, 100).all()
    assert "report.html" in capsys.readouterr().out
    with pytest.raises(InputError, match="--seeds: 0 stands there twice"):
        dnll_plugin.compare("dnll_digits_20", ["fixmatch"], [0, 0], out=tmp_path / "other")
