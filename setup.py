"""What pyproject.toml cannot say: ``config/`` is installed as a part of the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["dnll_plugin*"]), "dnll_plugin.config"],
    package_dir={"dnll_plugin.config": "config"},
)
