"""The table of changes, and each mend against what it mends."""

import argparse
import contextlib
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnll_plugin.toolbox.patches import mends, no_cuda, packages, with_cuda
from dnll_plugin.toolbox.patches.change import Change, ToolboxChangedError, replace, replace_method
from dnll_plugin.toolbox.patches.table import CHANGES, make_changes


def test_the_table():
    assert len({change.name for change in CHANGES}) == len(CHANGES)
    assert all(change.reason[-1] != "." and len(change.reason) > 20 for change in CHANGES)


def test_changes_are_made_in_their_phase_and_only_where_needed():
    made: list[str] = []

    def change(name: str, needed: bool, before_import: bool) -> Change:
        return Change(name, "", lambda: needed, lambda: made.append(name), before_import)

    table = (change("late", True, False), change("early", True, True), change("off", False, True))
    assert make_changes(before_import=True, changes=table) == ["early"] == made
    assert make_changes(before_import=False, changes=table) == ["late"]


@pytest.fixture
def module(monkeypatch) -> types.ModuleType:
    """A module of the toolbox, and another one that has taken a function out of it."""
    for name in ("semilearn.made_up", "semilearn.made_up.user"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    defining, using = sys.modules["semilearn.made_up"], sys.modules["semilearn.made_up.user"]
    defining.one = using.one = lambda: 1
    using.other = defining.one
    return defining


def test_replacing_wherever_it_was_taken(module):
    replace("one", "semilearn.made_up", lambda original: lambda: original() + 1)
    assert module.one() == 2
    assert sys.modules["semilearn.made_up.user"].one() == 2


def test_what_is_gone_is_an_error_that_says_so(module):
    with pytest.raises(ToolboxChangedError, match=r"semilearn\.made_up has no two any more"):
        replace("two", "semilearn.made_up", lambda original: original)
    with pytest.raises(ToolboxChangedError, match="SimpleNamespace has no fit"):
        replace_method(types.SimpleNamespace, "fit", lambda original: original)


# Packages


@pytest.mark.parametrize("imports_helpers", [True, False])
def test_timm_helpers(stand_in, monkeypatch, imports_helpers):
    monkeypatch.setattr(packages, "find_toolbox", lambda: stand_in / "semilearn")
    vit = stand_in / "semilearn" / "nets" / "vit" / "vit.py"
    assert not packages.lacks_timm_helpers()
    if not imports_helpers:
        vit.unlink()
        assert not packages.lacks_timm_helpers()
        return
    vit.write_text("from timm.models.layers.helpers import to_2tuple\n")
    assert packages.lacks_timm_helpers()
    monkeypatch.setitem(sys.modules, packages.TIMM_HELPERS, None)
    packages.provide_timm_helpers()
    from timm.models.layers.helpers import to_2tuple

    assert to_2tuple(3) == (3, 3)


@pytest.mark.parametrize(("version", "lacks"), [((0, 17, 40), False), ((0, 18, 6), True)])
def test_ruamel_without_load(monkeypatch, version, lacks):
    import ruamel.yaml

    monkeypatch.setattr(ruamel.yaml, "version_info", version)
    assert packages.lacks_yaml_load() is lacks


def reader(monkeypatch: pytest.MonkeyPatch, make: Any) -> Any:
    """``over_write_args_from_file`` as a change makes it, put back after the test."""
    from semilearn.core.utils import misc

    monkeypatch.setattr(misc, "over_write_args_from_file", lambda args, yml: None)
    make()
    return misc.over_write_args_from_file


def test_configs_are_read_safely(tmp_path, monkeypatch):
    read = reader(monkeypatch, packages.read_configs_safely)
    file, args = tmp_path / "config.yaml", argparse.Namespace(lr=1, gpu=0)
    file.write_text("lr: 1e-4\nresume: True\ngpu: None\nname: ü\n", encoding="utf-8")
    read(args, "")
    assert args.lr == 1
    read(args, str(file))
    assert vars(args) == {"lr": 1e-4, "resume": True, "gpu": "None", "name": "ü"}
    file.write_text("!!python/object/apply:os.abort []\n")
    with pytest.raises(Exception, match="could not determine a constructor"):
        read(args, str(file))


@pytest.mark.skipif(not packages.refuses_numpy_numbers(), reason="this torch loads anything")
def test_numpy_numbers_in_checkpoints(tmp_path):
    numbers = {"a": np.float64(0.5), "b": np.float32(2), "c": np.int64(3)}
    torch.save(numbers, tmp_path / "checkpoint.pth")
    allowed = torch.serialization.get_safe_globals()
    try:
        packages.allow_numpy_numbers()
        assert torch.load(tmp_path / "checkpoint.pth") == numbers
        torch.save(contextlib.nullcontext(), tmp_path / "other.pth")
        with pytest.raises(Exception, match="Weights only load failed"):
            torch.load(tmp_path / "other.pth")
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(allowed)


# CUDA


class OnItsWay:
    """Stands for a tensor: says how it was sent."""

    def cuda(self, gpu: int | None, non_blocking: bool = False) -> tuple[int | None, bool]:
        return gpu, non_blocking


def test_batches_are_sent_without_waiting(monkeypatch):
    class Algorithm:
        gpu = 1

        def train_step(self, x_lb, y_lb, x_ulb_w, x_ulb_s=None):
            """Takes these."""

        def process_batch(self, **batch):
            """The toolbox's."""

    monkeypatch.setattr(with_cuda, "_base", lambda: Algorithm)
    monkeypatch.setattr(with_cuda, "there_is_no_cuda", lambda: True)
    assert not with_cuda.batches_are_waited_for()
    monkeypatch.setattr(with_cuda, "there_is_no_cuda", lambda: False)
    assert with_cuda.batches_are_waited_for()
    with_cuda.send_batches_without_waiting()
    one = OnItsWay()
    batch = {"idx_ulb": one, "x_lb": one, "x_ulb_w": {"ids": one}, "x_ulb_s": None}
    sent = Algorithm().process_batch(**batch)
    assert sent == {"x_lb": (1, True), "x_ulb_w": {"ids": (1, True)}}
    assert Algorithm().process_batch(["idx_ulb"], **batch) == {"idx_ulb": (1, True)}


def test_the_toolbox_waits_for_batches(monkeypatch):
    monkeypatch.setattr(with_cuda, "there_is_no_cuda", lambda: False)
    assert with_cuda.batches_are_waited_for()


# No CUDA


def test_train_py_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["/home/me/usb/train.py", "--c", "config/a.yaml"])
    assert no_cuda.train_py_cannot_run()
    read = reader(monkeypatch, no_cuda.point_to_dnll_train)
    with pytest.raises(SystemExit) as ended:
        read(None, "config/a.yaml")
    assert ended.value.code == (
        "train.py needs a CUDA device, and there is none; run: dnll train --c config/a.yaml"
    )
    monkeypatch.setattr(sys, "argv", ["eval.py"])
    assert not no_cuda.train_py_cannot_run()
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert not no_cuda.train_py_cannot_run()


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without CUDA")
def test_mixed_precision_and_models_on_the_host():
    from semilearn.core import algorithmbase
    from semilearn.core.utils import send_model_cuda

    model = send_model_cuda(argparse.Namespace(distributed=False, gpu=0), torch.nn.Linear(2, 2))
    with algorithmbase.autocast():
        assert model(torch.ones(1, 2, device=next(model.parameters()).device)).dtype in (
            torch.bfloat16,
            torch.float16,
        )


# Mistakes of both versions


def test_softmatch_gathers_what_all_processes_predict():
    from semilearn.algorithms.softmatch.utils import SoftMatchWeightingHook
    from semilearn.algorithms.utils import concat_all_gather

    assert not mends.softmatch_cannot_gather()
    assert SoftMatchWeightingHook(num_classes=2).concat_all_gather is concat_all_gather


def test_crmatch_flattens_either_layout(monkeypatch):
    class Base(torch.nn.Module):
        def extract(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    class Outer(torch.nn.Module):
        def __init__(self, base: torch.nn.Module, kind: str) -> None:
            super().__init__()
            self.backbone, self.kind = base, kind

    monkeypatch.setattr(mends, "_crmatch_net", lambda: Outer)
    mends.let_crmatch_flatten()
    x = torch.rand(2, 3, 4, 4)
    net = Outer(Base(), kind="rotated")
    maps = net.backbone.extract(x.contiguous(memory_format=torch.channels_last))
    assert net.kind == "rotated"
    assert torch.equal(maps.view(2, -1), 2 * x.view(2, -1))


# Mistakes of the newest toolbox


def test_top5_with_few_classes(monkeypatch):
    from semilearn.core import algorithmbase
    from sklearn.metrics import top_k_accuracy_score

    monkeypatch.setattr(algorithmbase, "top_k_accuracy_score", top_k_accuracy_score, raising=False)
    assert mends.has_top5()
    mends.rate_few_classes()
    top5 = algorithmbase.top_k_accuracy_score
    assert top5([0, 1], np.eye(2), k=5) == 1.0
    # ten classes, of which only two have a test image
    scores = np.tile(np.arange(10.0), (2, 1))
    assert top5([9, 0], scores, k=5) == 0.5


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)
        self.fc = torch.nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        feat = self.norm(x).mean(dim=(2, 3))
        return {"logits": self.fc(feat), "feat": feat}


def mean_teacher(cls: type) -> Any:
    """One with what a step needs, without data, hooks and config."""
    from semilearn.core.criterions import CELoss, ConsistencyLoss
    from semilearn.core.utils import EMA, Bn_Controller

    torch.manual_seed(0)
    algorithm = cls.__new__(cls)
    algorithm.model = Net()
    algorithm.ema = EMA(algorithm.model, 0.999)
    algorithm.ema.register()
    algorithm.ema.shadow = {name: 0.5 * p for name, p in algorithm.ema.shadow.items()}
    algorithm.bn_controller = Bn_Controller()
    algorithm.ce_loss, algorithm.consistency_loss = CELoss(), ConsistencyLoss()
    algorithm.amp_cm, algorithm.lambda_u, algorithm.unsup_warm_up = contextlib.nullcontext, 50, 0.4
    algorithm.it, algorithm.num_train_iter = 30, 100
    return algorithm


def test_the_mended_mean_teacher_is_the_one_of_release_032(monkeypatch):
    from semilearn.algorithms.meanteacher import MeanTeacher

    if mends.student_is_ignored():
        pytest.skip("the installed toolbox is the newest, which has the mistake")
    mended = type("Mended", (MeanTeacher,), {"train_step": MeanTeacher.train_step})
    monkeypatch.setattr(mends, "_mean_teacher", lambda: mended)
    mends.let_the_student_learn()

    x_lb, x_ulb_w, x_ulb_s = torch.randn(3, 5, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    results = []
    for cls in (MeanTeacher, mended):
        algorithm = mean_teacher(cls)
        out, log = algorithm.train_step(x_lb, torch.tensor([0, 1, 2, 3, 0]), x_ulb_w, x_ulb_s)
        out["loss"].backward()
        gradient = algorithm.model.fc.weight.grad
        results.append((out["loss"], log, gradient, out["feat"], algorithm.model.norm.running_mean))
    assert results[0][1] == results[1][1]
    assert results[1][1]["train/unsup_loss"] > 0
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


def test_a_student_that_is_ignored_is_found(monkeypatch):
    class Wrong:
        def train_step(self, outs_x_ulb_w: Any) -> Any:
            logits_x_ulb_s = outs_x_ulb_w["logits"]
            return logits_x_ulb_s

    monkeypatch.setattr(mends, "_mean_teacher", lambda: Wrong)
    assert mends.student_is_ignored()


def test_trainer(tmp_path, monkeypatch):
    """A notebook with the newest toolbox's Trainer, whose ``fit`` calls no hook."""
    import semilearn

    class Trainer(semilearn.Trainer):
        def __init__(self, config: Any, algorithm: Any, verbose: int = 0) -> None:
            super().__init__(config, algorithm, verbose)

        def fit(self, train_lb_loader: Any, train_ulb_loader: Any, eval_loader: Any) -> None:
            return None

    monkeypatch.setattr(mends, "_trainer", lambda: Trainer)
    assert mends.fit_updates_nothing()
    assert mends.teacher_stays_on_host()
    mends.let_fit_train()
    mends.move_the_teacher()
    assert not mends.teacher_stays_on_host()

    config = semilearn.get_config(
        {
            "algorithm": "dnll_dual",
            "net": "cnn3",
            "dataset": "digits",
            "num_labels": 20,
            "img_size": 16,
            "batch_size": 4,
            "num_train_iter": 4,
            "num_eval_iter": 4,
            "num_workers": 0,
            "save_dir": str(tmp_path),
        }
    )
    assert (config.amp, config.distributed, config.gpu) == (False, False, 0)
    builder = semilearn.get_net_builder(config.net, from_name=False)
    algorithm = semilearn.get_algorithm(config, builder, None, None)
    before = [parameter.detach().cpu().clone() for parameter in algorithm.model.parameters()]
    data = algorithm.dataset_dict
    loaders = [
        semilearn.get_data_loader(config, data[part], 4)
        for part in ("train_lb", "train_ulb", "eval")
    ]
    for _ in range(2):  # a second call trains anew
        trainer = Trainer(config, algorithm)
        trainer.fit(*loaders)
        assert algorithm.it == 4
    assert 0 <= trainer.evaluate(loaders[2])["acc"] <= 1
    assert trainer.predict(loaders[2], use_ema_model=True)[0].ndim == 1
    after = [parameter.detach().cpu() for parameter in algorithm.model.parameters()]
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert (tmp_path / config.save_name / "latest_model.pth").is_file()


def test_the_page_about_the_toolbox_names_every_change():
    page = (Path(__file__).parents[3] / "docs" / "toolbox.md").read_text()
    assert re.findall(r"^\| ([^|]+) \| (?:both|1ef)", page, re.MULTILINE) == [
        change.name for change in CHANGES
    ]
