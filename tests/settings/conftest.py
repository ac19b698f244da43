"""Resolving a config as the tests write it, and the error that it gives."""

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.settings import resolve as settings

from .configs import as_yaml


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("configs")


@pytest.fixture
def resolve(folder):
    """Resolves a config given as a dict (or text) of the file and options of the command line."""

    def run(config, *overrides, **options):
        text = config if isinstance(config, str) else as_yaml(config)
        (folder / "c.yaml").write_text(text, encoding="utf-8")
        return settings.resolve(folder / "c.yaml", overrides, **options)

    return run


@pytest.fixture
def error(resolve):
    """The message of the error that resolving gives."""

    def run(*args, **options):
        with pytest.raises(InputError) as caught:
            resolve(*args, **options)
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    return run
