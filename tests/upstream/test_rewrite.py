"""The plugin's modules as modules of the toolbox."""

import ast
from pathlib import Path

import pytest

from dnll_plugin.upstream.rewrite import HEADER, TIMM_MODULES, rewrite, upstream_files

PLUGIN = Path(__file__).resolve().parents[2]


def test_the_modules_as_they_are():
    files = upstream_files(PLUGIN, TIMM_MODULES)
    assert len(files) == len(TIMM_MODULES)
    for name, code in files.items():
        assert code.startswith(HEADER), name
        assert "dnll_plugin" not in code
        assert "InputError" not in code
        assert "toolbox" not in code
        tree = ast.parse(code, feature_version=(3, 9))
        assert ast.get_docstring(tree), name


def test_what_the_toolbox_does_not_have_is_refused():
    with pytest.raises(ValueError, match="import DATASETS"):
        rewrite("from dnll_plugin.datasets import DATASETS\n", TIMM_MODULES)


def test_python_39():
    code = rewrite('"""Text."""\n\nisinstance(x, tuple | nn.A)\nzip(a, b, strict=True)\n', {})
    assert code == (
        '"""Text."""\n\nfrom __future__ import annotations\n\n'
        "isinstance(x, (tuple, nn.A))\nzip(a, b)\n"
    )
