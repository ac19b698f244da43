# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

from .dual import DualNet, dual_builder
