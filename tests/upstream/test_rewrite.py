"""The plugin's modules as modules of the toolbox."""

import ast
import textwrap
from pathlib import Path

import pytest

from dnll_plugin.upstream import algorithms
from dnll_plugin.upstream.rewrite import HEADER, MODULES, TIMM_MODULES, rewrite, upstream_files

PLUGIN = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("modules", [MODULES, TIMM_MODULES])
def test_the_modules_as_they_are(modules):
    files = upstream_files(PLUGIN, modules)
    assert len(files) == len(modules)
    for name, code in files.items():
        assert code.startswith(HEADER), name
        assert "dnll_plugin" not in code
        assert "InputError" not in code
        tree = ast.parse(code, feature_version=(3, 9))
        assert ast.get_docstring(tree), name


def test_only_import_lines_of_the_algorithms_change():
    source = (PLUGIN / "dnll_plugin" / "algorithms" / "dual.py").read_text()
    before, after = source.splitlines(), rewrite(source, MODULES).splitlines()
    changed = set(after) - set(before)
    assert all(line.startswith(("from semilearn.", "from __future__")) for line in changed)
    assert all(line.startswith("from dnll_plugin.") for line in set(before) - set(after))


def test_what_the_toolbox_does_not_have_is_refused():
    with pytest.raises(ValueError, match="import DATASETS"):
        rewrite("from dnll_plugin.datasets import DATASETS\n", MODULES)


def test_python_39():
    code = rewrite('"""Text."""\n\nisinstance(x, tuple | nn.A)\nzip(a, b, strict=True)\n', {})
    assert code == (
        '"""Text."""\n\nfrom __future__ import annotations\n\n'
        "isinstance(x, (tuple, nn.A))\nzip(a, b)\n"
    )


def test_configs_have_the_toolboxs_names():
    files = algorithms.files(PLUGIN)
    configs = [name for name in files if name.startswith("config/")]
    assert len(configs) == 24
    config = files["config/classic_cv/dnll_dual/dnll_dual_cifar100_400_0.yaml"].splitlines()
    for line in ("algorithm: dnll_dual", "num_classes: 100", "num_labels: 400", "resume: True"):
        assert line in config
    assert (
        "load_path: ./saved_models/classic_cv/dnll_dual_cifar100_400_0/latest_model.pth" in config
    )


def test_lines_of_the_config_generator():
    branch = algorithms._generator_lines(PLUGIN)
    assert '    elif alg == "dnll_dual":\n        cfg["roles"] = "mutual"\n' in branch
    code = textwrap.dedent(f"    if not alg:\n        pass\n{branch}")
    cfg: dict[str, object] = {}
    exec(code, {"alg": "dnll_meanteacher", "cfg": cfg})
    assert cfg["num_negatives"] == 2
    assert cfg["uratio"] == 7
