"""The patch that adds DNLL's algorithms: what it changes, and the files that it adds."""

from pathlib import Path
from typing import Any

from dnll_plugin.upstream.edits import Edit
from dnll_plugin.upstream.rewrite import HEADER, MODULES, upstream_files

CONFIGS = {"dnll_dual": "dnll_cifar10_40.yaml", "dnll_meanteacher": "dnll_mt_cifar10_40.yaml"}
"""The plugin's config that those of an algorithm are made from."""

_SETTINGS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "cifar10": ((40, 250, 4000), {}),
    "cifar100": (
        (400, 2500, 10000),
        {"num_classes": 100, "net": "wrn_28_8", "weight_decay": 0.001},
    ),
    "svhn": ((40, 250, 1000), {}),
    "stl10": ((40, 250, 1000), {"net": "wrn_var_37_2", "img_size": 96}),
}
"""The classic settings: numbers of labels, and what differs from CIFAR-10."""

_VIEWS_OF = "self.alg == 'pimodel' or self.alg == 'meanteacher' or self.alg == 'mixmatch'"
_DATASETBASES = [
    f"semilearn/datasets/{kind}_datasets/datasetbase.py" for kind in ("audio", "cv", "nlp")
]
_GENERATOR = "scripts/config_generator_classic_cv.py"
_PAPER = "https://arxiv.org/abs/2301.03976"


def edits(plugin: Path) -> list[Edit]:
    """Where the toolbox names its algorithms."""
    return [
        Edit(
            "semilearn/core/utils/registry.py",
            "'refixmatch', 'multimatch']",
            f"'refixmatch', 'multimatch',\n{' ' * 30}'dnll_dual', 'dnll_meanteacher']",
        ),
        *(
            Edit(
                file,
                f"elif {_VIEWS_OF}:",
                "elif self.alg in ['pimodel', 'meanteacher', 'mixmatch', 'dnll_dual', "
                "'dnll_meanteacher']:",
            )
            for file in _DATASETBASES
        ),
        Edit(
            "semilearn/core/utils/build.py",
            "        builder = getattr(nets, net_name)\n",
            "        if net_name.startswith('dual_'):\n"
            "            # the two submodels of dnll_dual, e.g. to evaluate its checkpoint\n"
            "            from semilearn.nets.pair import pair_builder\n"
            "            builder = get_net_builder(net_name[len('dual_'):], from_name)\n"
            "            return pair_builder(builder, builder)\n"
            "        builder = getattr(nets, net_name)\n",
        ),
        Edit(_GENERATOR, "\n    # cfg['img']\n", _generator_lines(plugin) + "\n    # cfg['img']\n"),
        Edit(
            _GENERATOR,
            '        "defixmatch",\n    ]\n',
            '        "defixmatch",\n        "dnll_dual",\n        "dnll_meanteacher",\n    ]\n',
        ),
        Edit(
            "docs/algorithm_zoo.md",
            "",
            f"18. [DNLL-Dual]({_PAPER}): trains two submodels that tell each other which classes "
            "an unlabeled image does not belong to (pseudo-negative labels), so that images with "
            "low-confidence predictions are used too.\n"
            f"19. [DNLL-MeanTeacher]({_PAPER}): is Mean Teacher whose student also learns "
            "pseudo-negative labels on every unlabeled image.\n",
        ),
        Edit(
            "CHANGE_LOG.md",
            "# Change Log\n\n",
            "# Change Log\n\n* Added DNLL-Dual and DNLL-MeanTeacher, which learn from "
            "pseudo-negative labels.\n",
        ),
    ]


def files(plugin: Path) -> dict[str, str]:
    """The algorithms, generated from the plugin's, and their configs."""
    folder = "semilearn/algorithms"
    return {
        f"{folder}/dnll_dual/__init__.py": HEADER + "from .dnll_dual import DNLLDual\n",
        f"{folder}/dnll_meanteacher/__init__.py": (
            HEADER + "from .dnll_meanteacher import DNLLMeanTeacher\n"
        ),
        f"{folder}/dnll_utils/__init__.py": HEADER.rstrip("\n") + "\n",
        **upstream_files(plugin, MODULES),
        **_configs(plugin),
    }


def _configs(plugin: Path) -> dict[str, str]:
    written = {}
    for algorithm in CONFIGS:
        settings = _read(plugin, algorithm)
        for dataset, (labels, differs) in _SETTINGS.items():
            for count in labels:
                name = f"{algorithm}_{dataset}_{count}_0"
                config = settings | differs | {"dataset": dataset, "num_labels": count}
                config |= {
                    "save_dir": "./saved_models/classic_cv",
                    "save_name": name,
                    "load_path": f"./saved_models/classic_cv/{name}/latest_model.pth",
                }
                lines = "".join(f"{key}: {value}\n" for key, value in config.items())
                written[f"config/classic_cv/{algorithm}/{name}.yaml"] = lines
    return written


def _generator_lines(plugin: Path) -> str:
    """The branches of the script that writes the toolbox's configs."""
    lines = ""
    for algorithm in CONFIGS:
        settings = list(_read(plugin, algorithm).items())
        names = [name for name, _ in settings]
        own = settings[names.index("eval_batch_size") + 1 : names.index("ema_m")]
        lines += f'    elif alg == "{algorithm}":\n'
        for name, value in own:
            text = f'"{value}"' if isinstance(value, str) else repr(value)
            lines += f'        cfg["{name}"] = {text}\n'
    return lines


def _read(plugin: Path, algorithm: str) -> dict[str, Any]:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(plugin / "config" / CONFIGS[algorithm])
