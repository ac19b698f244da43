"""What all tests share. Nothing heavy is imported here: most tests need neither torch nor USB."""

import os

from hypothesis import settings

# Before the first import of torch, and passed on to the processes that tests start: the tensors of
# tests are tiny, on which more threads are slower; no window opens; no test reaches the network.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Time is never asserted (the first call into torch is slow), and CI tries the same cases each time.
settings.register_profile("dnll", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("dnll")
