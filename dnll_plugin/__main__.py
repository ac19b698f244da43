"""``python -m dnll_plugin`` is ``dnll``."""

import sys

from dnll_plugin.commands.main import main

# Loader workers and spawned ranks import this module again: only the first process runs it.
if __name__ == "__main__":
    sys.exit(main())
