# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

import re

import timm


def check_version(version):
    """
    say which timm the nets need; every other part of USB works with older ones
    """
    if [int(part) for part in re.findall(r'\d+', version)[:3]] < [1, 0, 11]:
        raise ImportError(f"net: timm_<model> needs timm >= 1.0.11, not {version}: pip install -U timm")


check_version(timm.__version__)

from .timm_net import timm_builder
