"""Learning from pseudo-negative labels (DNLL) for the semi-supervised learning toolbox USB.

Importing this package registers the algorithms ``dnll_dual`` and ``dnll_meanteacher``, timm's nets
and more data sets with the toolbox (``semilearn``), at once or as soon as the toolbox is imported.
"""

from dnll_plugin.api import compare, load, train
from dnll_plugin.toolbox.registration import register_with_toolbox

__all__ = ["compare", "load", "train"]

__version__ = "0.2.0"

register_with_toolbox()
