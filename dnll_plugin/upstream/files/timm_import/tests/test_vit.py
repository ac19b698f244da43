# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""The layers of timm that the vision transformers are made of."""

import torch

from semilearn.nets import vit_tiny_patch2_32


def test_vit():
    net = vit_tiny_patch2_32(num_classes=10)
    outs = net(torch.zeros(2, 3, 32, 32))
    assert outs['logits'].shape == (2, 10)
    assert outs['feat'].shape == (2, net.num_features)
