"""Runs of ``dnll train`` in one process after another, for tests that start it in several.

``python in_ranks.py JSON``, where JSON, or a file with it, is a list of ``[port, arguments]``; with
``RANK`` and ``WORLD_SIZE`` set the processes join. Rank 0 does arguments ``["go back", folder]``.
"""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from dnll_plugin.commands.main import main


class TinyNet(nn.Module):
    """Two layers and two heads, without batch norm or dropout."""

    num_features = 12

    def __init__(self, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, self.num_features), nn.Tanh())
        self.head = nn.Linear(self.num_features, num_classes)
        self.head_cons = nn.Linear(self.num_features, num_classes)

    def forward(self, x, only_fc=False, only_feat=False):
        feat = x if only_fc else self.body(x)
        if only_feat:
            return feat
        logits = self.head(feat)
        if only_fc:
            return logits
        return {"logits": logits, "feat": feat, "logits_cons": self.head_cons(feat)}

    def group_matcher(self, coarse=False, prefix=""):
        return {"stem": f"^{prefix}body", "blocks": f"^{prefix}head"}

    def no_weight_decay(self):
        return set()


def tiny(num_classes, pretrained=False, pretrained_path=None):
    return TinyNet(num_classes)


@contextmanager
def rows_that_depend_on_nothing_else():
    """Draws the augmentations of an image from its index, whatever batch and rank it is in.

    ShrinkMatch's head is without its batch norms.
    """
    import semilearn.nets

    from dnll_plugin.nets import auxiliary
    from dnll_plugin.training import loaders

    original = loaders.SeededDataset.__getitems__

    def getitems(self, batch):
        return [original(self, [index, index])[0] for index in batch[1:]]

    norm = auxiliary.nn.BatchNorm1d
    auxiliary.nn.BatchNorm1d = lambda *_: nn.Identity()
    semilearn.nets.tiny = tiny
    loaders.SeededDataset.__getitems__ = getitems
    try:
        yield
    finally:
        loaders.SeededDataset.__getitems__ = original
        auxiliary.nn.BatchNorm1d = norm
        del semilearn.nets.tiny


def go_back(run: Path) -> None:
    """Makes a finished run one that was killed after the checkpoint before the last."""
    (run / "previous_model.pth").replace(run / "latest_model.pth")
    (run / "result.json").unlink()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with rows_that_depend_on_nothing_else():
        jobs = sys.argv[1] if sys.argv[1].startswith("[") else Path(sys.argv[1]).read_text()
        for port, arguments in json.loads(jobs):
            os.environ["MASTER_PORT"] = str(port)
            if arguments[0] != "go back":
                code = main(arguments)
                print(f"exit code {code}", flush=True)
                if dist.is_initialized():  # after a failure
                    dist.destroy_process_group()
            elif os.environ["RANK"] == "0":
                go_back(Path(arguments[1]))
