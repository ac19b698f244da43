"""Each algorithm's own keys, as the toolbox's authors published their results with them.

For most algorithms the toolbox's defaults are those of its published configs; here is where they
differ. The figures are those of ``config/classic_cv/<algorithm>/<algorithm>_cifar10_*.yaml``.
"""

from collections.abc import Mapping
from typing import Any

LOSS_WEIGHT = "ulb_loss_ratio"
"""A key of every run in the toolbox's table of keys, and an algorithm's own in what it means."""

AS_MANY_AS_LABELS = "num_labels"
"""Stands for the number of labeled images of the run."""

PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "comatch": {"T": 0.2, "hard_label": False, "proj_size": 64, "queue_batch": 5, "da_len": 32},
    "defixmatch": {LOSS_WEIGHT: 0.5},
    "freematch": {"ent_loss_ratio": 0.001},
    "meanteacher": {LOSS_WEIGHT: 50.0},
    "mixmatch": {LOSS_WEIGHT: 100.0, "unsup_warm_up": 0.4},
    "pimodel": {LOSS_WEIGHT: 10.0},
    "remixmatch": {LOSS_WEIGHT: 1.5},
    "simmatch": {"T": 0.1, "da_len": 32, "K": AS_MANY_AS_LABELS},
}
"""Values by algorithm and key, where they are not the toolbox's defaults."""
