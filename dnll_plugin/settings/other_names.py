"""Names that other toolboxes have for our keys, for the message about an unknown key."""

import re
from collections.abc import Collection

from dnll_plugin.settings.suggestions import find_nearest, suggest_name

OTHER_NAMES = {
    "algorithm": "alg algo method",
    "amp": "fp16 half mixed_precision precision use_amp",
    "batch_size": "bs train_batch_size",
    "clip_grad": "clip_grad_norm grad_clip gradient_clipping max_grad_norm",
    "crop_ratio": "crop crop_pct",
    "data_dir": "data data_path data_root root",
    "device": "accelerator cuda no_cuda use_cuda use_gpu",
    "ema_m": "ema ema_decay ema_momentum",
    "epoch": "max_epochs n_epochs num_epochs",
    "eval_batch_size": "eval_bs test_batch_size val_batch_size",
    "img_size": "image_size img_dim input_size resolution",
    "lr": "base_lr init_lr learning_rate",
    "lr_schedule": "lr_scheduler schedule scheduler",
    "net": "arch architecture backbone encoder model network",
    "num_classes": "classes n_classes nclass",
    "num_eval_iter": "eval_every eval_freq eval_interval eval_step eval_steps val_interval",
    "num_labels": "labeled labels n_labeled n_labels num_labeled",
    "num_log_iter": "log_every log_freq log_interval log_steps print_freq",
    "num_train_iter": "iterations iters max_iter max_iters max_steps num_iter num_iters "
    "num_iterations num_steps num_train_steps steps total_iters total_steps train_iters",
    "num_warmup_iter": "warmup warmup_iters warmup_steps",
    "num_workers": "n_workers num_threads workers",
    "optim": "opt optimizer",
    "p_cutoff": "confidence_threshold tau threshold",
    "save_dir": "log_dir out out_dir output output_dir",
    "save_name": "exp_name experiment name run_name",
    "seed": "manual_seed random_seed random_state",
    "T": "temp temperature",
    "ulb_loss_ratio": "lambda_u unlabeled_weight unsup_weight",
    "ulb_num_labels": "num_unlabeled",
    "uratio": "mu unlabeled_ratio",
    "use_pretrain": "pretrain pretrained",
    "weight_decay": "l2 wd",
}
"""For each key, names of the same meaning; they are no keys."""

_KEY_OF = {_name: key for key, names in OTHER_NAMES.items() for _name in names.split()}


def find_meant_key(name: str) -> str | None:
    """The key that a name of another toolbox means, however it is spelled; None where unknown."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return _KEY_OF.get(words)


def suggest_key(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown key: the one that is meant, or has a name like it.

    A slip in another toolbox's name is one too: ``learnin_rate`` means ``lr``.
    """
    meant = find_meant_key(name)
    if meant is None:
        nearest = find_nearest(name, [*known, *_KEY_OF], cutoff=0.85)
        meant = _KEY_OF.get(nearest or "")
    return f"did you mean {meant!r}?" if meant in known else suggest_name(name, known)
