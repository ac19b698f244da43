"""Mends of mistakes in the newest toolbox, each made only where the mistake is found."""

import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.toolbox.patches.change import replace, replace_method


def has_top5() -> bool:
    """Whether ``evaluate`` computes a top-5 accuracy."""
    return hasattr(import_module("semilearn.core.algorithmbase"), "top_k_accuracy_score")


def rate_few_classes() -> None:
    """Makes top-5 accuracy 1 with up to 5 classes, and classes without a test image harmless."""
    import numpy as np

    def wrap(original: Callable[..., Any]) -> Any:
        def top_k_accuracy_score(y_true: Any, y_score: Any, *, k: int) -> float:
            classes = np.shape(y_score)[1]
            if k >= classes:
                return 1.0
            return original(y_true, y_score, k=k, labels=np.arange(classes))

        return top_k_accuracy_score

    replace("top_k_accuracy_score", "semilearn.core.algorithmbase", wrap)


SEQUENCE_MATCH = "semilearn.algorithms.sequencematch"


def features_are_unnamed() -> bool:
    """Whether SequenceMatch, where the toolbox has it, returns features that it never sets."""
    if find_spec(SEQUENCE_MATCH) is None:
        return False
    step = inspect.getsource(import_module(SEQUENCE_MATCH).SequenceMatch.train_step)
    return "feat=feat_dict" in step and "feat_dict =" not in step


def name_the_features() -> None:
    """Lets SequenceMatch return no features; nothing but imbalanced algorithms reads them."""
    import_module(f"{SEQUENCE_MATCH}.sequencematch").feat_dict = {}  # type: ignore[attr-defined]


def _mean_teacher() -> Any:
    return import_module("semilearn.algorithms.meanteacher").MeanTeacher


def student_is_ignored() -> bool:
    """Whether Mean Teacher compares the teacher's output with itself."""
    return "logits_x_ulb_s = outs_x_ulb_w" in inspect.getsource(_mean_teacher().train_step)


def let_the_student_learn() -> None:
    """Gives Mean Teacher a training step whose consistency loss reaches the student."""
    import torch

    def predict(algorithm: ToolboxAlgorithm, x: Any) -> dict[str, Any]:
        """A pass that leaves the running statistics of batch norm alone."""
        algorithm.bn_controller.freeze_bn(algorithm.model)
        output = algorithm.model(x)
        algorithm.bn_controller.unfreeze_bn(algorithm.model)
        return output

    def train_step(self: Any, x_lb: Any, y_lb: Any, x_ulb_w: Any, x_ulb_s: Any) -> Any:
        with self.amp_cm():
            labeled = self.model(x_lb)
            self.ema.apply_shadow()
            with torch.no_grad():
                teacher = predict(self, x_ulb_w)
            self.ema.restore()
            student = predict(self, x_ulb_s)

            sup_loss = self.ce_loss(labeled["logits"], y_lb, reduction="mean")
            targets = self.compute_prob(teacher["logits"].detach())
            unsup_loss = self.consistency_loss(student["logits"], targets, "mse")
            ramp = min(1.0, self.it / (self.unsup_warm_up * self.num_train_iter))
            total_loss = sup_loss + self.lambda_u * ramp * unsup_loss

        features = {"x_lb": labeled, "x_ulb_w": teacher, "x_ulb_s": student}
        out_dict = self.process_out_dict(
            loss=total_loss, feat={view: output["feat"] for view, output in features.items()}
        )
        log_dict = self.process_log_dict(
            sup_loss=sup_loss.item(), unsup_loss=unsup_loss.item(), total_loss=total_loss.item()
        )
        return out_dict, log_dict

    replace_method(_mean_teacher(), "train_step", lambda original: train_step)


def _softmatch() -> Any:
    return import_module("semilearn.algorithms.softmatch.utils").SoftMatchWeightingHook


def softmatch_cannot_gather() -> bool:
    """Whether SoftMatch gathers the predictions of all processes by a method that is not there."""
    gathers = "self.concat_all_gather" in inspect.getsource(_softmatch().update)
    return gathers and not hasattr(_softmatch(), "concat_all_gather")


def let_softmatch_gather() -> None:
    """Gives SoftMatch's hook the toolbox's function under the name that it calls."""
    gather = import_module("semilearn.algorithms.utils").concat_all_gather
    _softmatch().concat_all_gather = staticmethod(gather)


SIMMATCH = "semilearn.algorithms.simmatch.simmatch"


def has_simmatch() -> bool:
    """Whether SimMatch computes softmax and stores features in the dtype of its context."""
    return "F.softmax" in inspect.getsource(import_module(SIMMATCH).SimMatch.train_step)


def let_simmatch_use_bfloat16() -> None:
    """Makes SimMatch's outputs and softmax float32 in any autocast, as they are in CUDA's."""
    import torch
    import torch.nn.functional as F

    module: Any = import_module(SIMMATCH)

    def wrap(original: Callable[..., Any]) -> Any:
        def forward(self: Any, x: Any, **kwargs: object) -> dict[str, Any]:
            return {name: value.float() for name, value in original(self, x, **kwargs).items()}

        return forward

    replace_method(module.SimMatch_Net, "forward", wrap)
    module.F = SimpleNamespace(**vars(F) | {"softmax": partial(F.softmax, dtype=torch.float32)})


def _crmatch_net() -> Any:
    return import_module("semilearn.algorithms.crmatch.crmatch").CRMatch_Net


def feature_maps_are_viewed() -> bool:
    """Whether CRMatch flattens feature maps in a way that only one layout of memory allows."""
    return "feat_maps.view(" in inspect.getsource(_crmatch_net().forward)


def let_crmatch_flatten() -> None:
    """Makes the net of CRMatch hand over its feature maps in that layout."""

    def wrap(original: Callable[..., Any]) -> Any:
        def __init__(self: Any, base: Any, *args: object, **kwargs: object) -> None:
            original(self, base, *args, **kwargs)
            extract = base.extract
            base.extract = lambda x: extract(x).contiguous()

        return __init__

    replace_method(_crmatch_net(), "__init__", wrap)


def _trainer() -> Any:
    return import_module("semilearn.lighting.trainer").Trainer


def fit_updates_nothing() -> bool:
    """Whether ``Trainer.fit`` calls no hook, so that no weight is ever updated."""
    return "call_hook" not in inspect.unwrap(_trainer().fit).__code__.co_names


def let_fit_train() -> None:
    """Makes ``Trainer.fit`` train as ``train.py`` does, on the loaders that it is given."""

    def fit(self: Any, train_lb_loader: Any, train_ulb_loader: Any, eval_loader: Any) -> None:
        algorithm = self.algorithm
        algorithm.loader_dict = {
            "train_lb": train_lb_loader,
            "train_ulb": train_ulb_loader,
            "eval": eval_loader,
        }
        algorithm.it, algorithm.best_it, algorithm.best_eval_acc = 0, 0, 0.0
        algorithm.train()
        for name, value in algorithm.results_dict.items():
            self.logger.info(f"{name}: {value}")
        self.logger.info("Training finished.")

    replace_method(_trainer(), "fit", lambda original: fit)


def teacher_stays_on_host() -> bool:
    """Whether ``Trainer`` moves the model to its device, but not the averaged one."""
    return "ema_model" not in inspect.unwrap(_trainer().__init__).__code__.co_names


def move_the_teacher() -> None:
    """Makes ``Trainer`` move both models."""

    def wrap(original: Callable[..., Any]) -> Any:
        def __init__(self: Any, config: Any, algorithm: ToolboxAlgorithm, verbose: int = 0) -> None:
            original(self, config, algorithm, verbose)
            device = next(algorithm.model.parameters()).device
            algorithm.ema_model = algorithm.ema_model.to(device)

        return __init__

    replace_method(_trainer(), "__init__", wrap)


def complete_get_config() -> None:
    """Makes the ``get_config`` of notebooks give every key that algorithms and ``Trainer`` read."""

    def wrap(original: Callable[..., Any]) -> Any:
        def get_config(config: dict[str, Any]) -> Any:
            args = original(config)
            if not hasattr(args, "amp"):
                args.amp = args.use_amp
            if not hasattr(args, "distributed"):
                args.distributed = False  # Trainer knows one device only
            if args.gpu in (None, "None"):
                args.gpu = 0
            return args

        return get_config

    replace("get_config", "semilearn.lighting.config", wrap)
