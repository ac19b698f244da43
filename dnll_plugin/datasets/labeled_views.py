"""A second view of labeled images."""

from typing import Any

from torch.utils.data import Dataset

from dnll_plugin.protocols import ToolboxDataset

FORWARDED = ("data", "targets", "classes", "indices", "num_classes", "about")
"""What a data set in two views has of the one in one view, where that has it."""


class TwoLabeledViews(Dataset):
    """A labeled data set that gives each image in a second weak view, ``x_lb_2``.

    Args:
        dataset: the labeled data set; its `FORWARDED` attributes are this one's too.
    """

    def __init__(self, dataset: ToolboxDataset) -> None:
        self.dataset = dataset
        for name in FORWARDED:
            if hasattr(dataset, name):
                setattr(self, name, getattr(dataset, name))

    def __getitem__(self, idx: int) -> dict[str, Any]:
        return {**self.dataset[idx], "x_lb_2": self.dataset[idx]["x_lb"]}

    def __len__(self) -> int:
        return len(self.dataset)
