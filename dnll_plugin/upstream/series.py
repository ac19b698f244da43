"""The patches, in order; each stands alone."""

from dnll_plugin.upstream.additions import ALGORITHMS, TIMM_NETS
from dnll_plugin.upstream.fixes import (
    MEANTEACHER,
    RESUME,
    SAFE_YAML,
    SOFTMATCH,
    TIMM_IMPORT,
    TOP5,
    TRAINER,
)

SERIES = (
    TIMM_IMPORT,
    SAFE_YAML,
    MEANTEACHER,
    TOP5,
    TRAINER,
    RESUME,
    ALGORITHMS,
    TIMM_NETS,
    SOFTMATCH,
)
