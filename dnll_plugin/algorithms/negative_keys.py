"""The keys of the negatives that the algorithms of the paper choose where a config is silent.

Commands that import neither torch nor the toolbox read them, so this module imports neither.
"""

from typing import Any

PUBLISHED = {
    **{"negative_sampling": "uniform", "negative_loss": "each", "negative_weight": 75.0},
    **{"negative_rampup": 100.0, "negative_late_weight": 2.0},
}
"""The keys of the negatives in arXiv:2301.03976."""

BESIDE_PSEUDO_LABELS = {
    **{"negative_sampling": "below_average", "negative_loss": "together", "negative_weight": 2.0},
    **{"negative_rampup": 0.0, "negative_late_weight": 2.0},
}
"""The same where the rows without a pseudo-label learn them."""


def has_pseudo_labels(pseudo_labels: bool | None, ulb_views: str) -> bool:
    """Whether the key of that name holds; left open it goes by the views."""
    return ulb_views == "weak_strong" if pseudo_labels is None else pseudo_labels


def choose_negative_keys(pseudo_labels: bool) -> dict[str, Any]:
    """What the keys of the negatives are that a config leaves open."""
    return BESIDE_PSEUDO_LABELS if pseudo_labels else PUBLISHED
