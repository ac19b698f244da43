"""Makes a checkout of the toolbox know dnll_plugin: ``python register.py --toolbox DIR``."""

import sys
from pathlib import Path

from dnll_plugin.commands.register import main

if __name__ == "__main__":
    sys.exit(main(plugin=Path(__file__).resolve().parent))
