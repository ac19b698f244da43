"""The flow of the toolbox's Beginner_Example.ipynb, for every algorithm of the plugin."""

from typing import Any

import pytest
import torch

from dnll_plugin.algorithms.table import OWN_ALGORITHMS

SETTINGS = {
    **{"net": "cnn3_one_head", "dataset": "digits", "num_classes": 10, "num_labels": 20},
    **{"img_size": 8, "crop_ratio": 0.875, "data_dir": "data", "num_workers": 0, "gpu": None},
    **{"epoch": 1, "num_train_iter": 2, "num_eval_iter": 2, "num_log_iter": 1, "ema_m": 0.9},
    **{"batch_size": 4, "uratio": 1, "eval_batch_size": 500, "ulb_loss_ratio": 1.0},
    **{"world_size": 1, "distributed": False, "use_pretrain": False},
}


def make_config(algorithm: str, **changes: Any) -> Any:
    import semilearn

    return semilearn.get_config({**SETTINGS, "algorithm": algorithm, **changes})


def make_data(config: Any) -> dict[str, Any]:
    import semilearn

    return semilearn.get_dataset(
        config,
        config.algorithm,
        config.dataset,
        config.num_labels,
        config.num_classes,
        data_dir=config.data_dir,
        include_lb_to_ulb=config.include_lb_to_ulb,
    )


def known_algorithms() -> list[str]:
    from semilearn.algorithms import name2alg

    return [name for name in OWN_ALGORITHMS if name in name2alg]


@pytest.mark.parametrize("name", known_algorithms())
def test_the_notebook_trains_every_algorithm(
    name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import semilearn

    monkeypatch.chdir(tmp_path)
    config = make_config(name, save_name=name, num_wu_iter=1, num_wu_eval_iter=1, start_fix=0)
    builder = semilearn.get_net_builder(config.net, from_name=False)
    algorithm = semilearn.get_algorithm(config, builder, tb_log=None, logger=None)
    if hasattr(algorithm, "warmup"):  # of Dash; train.py calls it before the training
        algorithm.warmup()
    data = make_data(config)
    sizes = {"train_lb": 4, "train_ulb": 4, "eval": 500}
    labeled, unlabeled, test = (
        semilearn.get_data_loader(config, data[part], size) for part, size in sizes.items()
    )
    before = [weight.clone() for weight in algorithm.model.parameters()]
    semilearn.Trainer(config, algorithm).fit(labeled, unlabeled, test)
    after = list(algorithm.model.parameters())
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("name", known_algorithms())
def test_its_items_are_those_of_the_algorithms_own_data(name: str) -> None:
    import semilearn

    config = make_config(name)
    builder = semilearn.get_net_builder(config.net, from_name=False)
    algorithm = semilearn.get_algorithm(config, builder, tb_log=None, logger=None)
    data = make_data(config)
    for part in ("train_lb", "train_ulb"):
        assert data[part][0].keys() == algorithm.dataset_dict[part][0].keys()


@pytest.mark.parametrize(("views", "is_strong"), [("weak_weak", False), ("weak_strong", True)])
def test_the_second_view_is_the_one_that_the_key_names(views: str, is_strong: bool) -> None:
    unlabeled = make_data(make_config("dnll_dual", ulb_views=views))["train_ulb"]
    used = []
    for name in ("transform", "strong_transform"):
        original = getattr(unlabeled, name)
        setattr(unlabeled, name, lambda x, name=name, f=original: used.append(name) or f(x))
    unlabeled[0]
    assert used == ["transform", "strong_transform" if is_strong else "transform"]


@pytest.mark.parametrize("name", ["dnll_dual", "lc_meanteacher"])
def test_labeled_images_have_two_views_where_the_key_says_so(name: str) -> None:
    assert "x_lb_2" in make_data(make_config(name, lb_views=2))["train_lb"][0]
    assert "x_lb_2" not in make_data(make_config(name))["train_lb"][0]


def test_an_algorithm_of_the_toolbox_keeps_its_views_whatever_the_keys() -> None:
    """A file for dnll_dual may be run by train.py with fixmatch; it does not read our keys."""
    config = make_config("fixmatch")
    config.ulb_views, config.lb_views = "weak_weak", 2
    data = make_data(config)
    assert data["train_ulb"].alg == "fixmatch"
    assert "x_lb_2" not in data["train_lb"][0]
