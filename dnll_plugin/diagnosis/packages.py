"""The packages that something here imports, and versions of them that work together."""

from typing import NamedTuple


class Package(NamedTuple):
    """A package that something here imports, and the oldest version that the plugin accepts."""

    name: str
    needed_by: str
    minimum: str = ""


PACKAGES = (
    Package("torch", "plugin, toolbox", "2.6"),
    Package("torchvision", "plugin, toolbox", "0.19"),
    Package("torchaudio", "toolbox"),
    Package("timm", "plugin, toolbox", "1.0.11"),
    Package("transformers", "toolbox"),
    Package("numpy", "plugin, toolbox", "1.26"),
    Package("scipy", "plugin, toolbox", "1.11"),
    Package("pandas", "plugin", "2.1"),
    Package("scikit-learn", "plugin, toolbox", "1.3"),
    Package("scikit-image", "toolbox"),
    Package("pillow", "plugin, toolbox", "10"),
    Package("matplotlib", "plugin, toolbox", "3.8"),
    Package("tensorboard", "plugin, toolbox", "2.14"),
    Package("ruamel.yaml", "plugin, toolbox", "0.17.21"),
    Package("pydantic", "plugin", "2.6"),
    Package("jinja2", "plugin", "3.1"),
    Package("rich", "plugin", "13.7"),
    Package("tqdm", "toolbox"),
    Package("progress", "toolbox"),
    Package("wandb", "toolbox"),
    Package("aim", "toolbox"),
)

# Versions that work together; the newest of each do not.
KNOWN_SET = {
    "semilearn": "0.3.2",
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "torchaudio": "2.11.0",
    "timm": "1.0.31",
    "ruamel.yaml": "0.17.40",
    "transformers": "5.23.0",
    "numpy": "2.4.6",
}
TORCH_FAMILY = ("torch", "torchvision", "torchaudio")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where torch's builds without CUDA are, whose versions end in ``+cpu``."""
