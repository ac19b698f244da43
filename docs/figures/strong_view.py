"""Draws docs/figures/strong_view.png: what three images learn, chosen by the code that trains."""

from pathlib import Path

import matplotlib
import torch

matplotlib.use("Agg")

from matplotlib import pyplot as plt

from dnll_plugin.functional.negatives import below_average_negatives
from dnll_plugin.functional.pseudo_labels import find_pseudo_labels

AVERAGE = torch.tensor([0.24, 0.06, 0.09, 0.10, 0.08, 0.11, 0.09, 0.08, 0.06, 0.09])
IMAGES = {
    "sure: learns its class": [0.97, 0.005, 0.0, 0.005, 0.0, 0.005, 0.005, 0.0, 0.005, 0.005],
    "a 3 or a 5: learns that it is none of the others": [
        *(0.06, 0.01, 0.03, 0.44, 0.01, 0.38, 0.02, 0.01, 0.03, 0.01)
    ],
    "likely a 0, but so is every image: 0 is ruled out": [
        *(0.21, 0.02, 0.07, 0.06, 0.10, 0.09, 0.16, 0.05, 0.08, 0.16)
    ],
}
LEFT, NEGATIVE, AVERAGE_COLOR = "#1f6fb2", "#c0392b", "#222222"


def main() -> None:
    logits = torch.tensor(list(IMAGES.values())).clamp(min=1e-4).log()
    sure = find_pseudo_labels(logits, 0.95).sure
    negatives = below_average_negatives(logits, average=AVERAGE)
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained", sharey=True)
    for row, (axes, title) in enumerate(zip(panels, IMAGES, strict=True)):
        probabilities = logits[row].softmax(dim=0)
        learned = probabilities < 0.95 if sure[row] else negatives[row]
        colors = [NEGATIVE if no else LEFT for no in learned]
        axes.bar(range(10), probabilities, color=colors)
        axes.hlines(AVERAGE, torch.arange(10) - 0.45, torch.arange(10) + 0.45, AVERAGE_COLOR)
        axes.set(title=title, xticks=range(10), xlabel="class", ylim=(0, 1))
        axes.title.set_fontsize(10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("prediction of the weak view")
    names = {LEFT: "classes that are left", NEGATIVE: "negative labels"}
    handles = [plt.Rectangle((0, 0), 1, 1, color=color) for color in names]
    line = plt.Line2D([], [], color=AVERAGE_COLOR)
    panels[2].legend(
        [*handles, line], [*names.values(), "mean of the batch"], frameon=False, fontsize=9
    )
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
