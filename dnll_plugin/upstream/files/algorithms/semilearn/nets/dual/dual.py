# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

import torch
import torch.nn as nn

from semilearn.nets.utils import group_parameters


class DualNet(nn.Module):
    """
    Two networks of one architecture with different initial weights, as one module:
    optimizer, EMA, DDP and checkpoints serve both.

    Args:
        left: first network
        right: second network
    """
    def __init__(self, left, right):
        super().__init__()
        self.left = left
        self.right = right
        self.num_features = left.num_features + right.num_features

    def forward(self, x, x_right=None, only_fc=False, only_feat=False):
        """
        Args:
            x: input of both networks, or of the left one if there is x_right;
               with only_fc the features that only_feat returns
            x_right: input of the right network
            only_fc: only use the classifiers
            only_feat: only return the pooled features
        """
        if only_fc:
            feat_left, feat_right = x.chunk(2, dim=1)
            return (self.left(feat_left, only_fc=True) + self.right(feat_right, only_fc=True)) / 2

        x_right = x if x_right is None else x_right
        if only_feat:
            return torch.cat((self.left(x, only_feat=True), self.right(x_right, only_feat=True)), dim=1)

        outs_left, outs_right = self.left(x), self.right(x_right)
        return {
            'logits': (outs_left['logits'] + outs_right['logits']) / 2,
            'feat': torch.cat((outs_left['feat'], outs_right['feat']), dim=1),
            'logits_left': outs_left['logits'],
            'logits_right': outs_right['logits'],
        }

    def group_matcher(self, coarse=False, prefix=''):
        layers = group_parameters(self.left, self.left.group_matcher(coarse=coarse), reverse=True)
        # '<prefix>left.<name>' and '<prefix>right.<name>' are in the layer of <name>
        return lambda name: layers[name[len(prefix):].split('.', 1)[1]]

    def no_weight_decay(self):
        return [f'{side}.{n}' for side in ('left', 'right') for n in self.left.no_weight_decay()]


def dual_builder(builder):
    """
    Builder of a DualNet of two networks of a builder; pretrained weights go to both
    """
    def build(**kwargs):
        return DualNet(builder(**kwargs), builder(**kwargs))
    return build
