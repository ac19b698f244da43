# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

import math

import torch

from semilearn.core.hooks import Hook


def sigmoid_rampup(epoch, length):
    """
    weight that grows from exp(-5) to 1 in the first epochs (https://arxiv.org/abs/1610.02242)
    """
    if length <= 0:
        return 1.0
    return math.exp(-5.0 * (1.0 - min(epoch, length) / length) ** 2)


class NegativeLabelHook(Hook):
    """
    Pseudo-Negative Labeling Hook (https://arxiv.org/abs/2301.03976)

    Args:
        - num_negatives (`int`):
            Number of draws of a negative label for a sample
        - weight, rampup (`float`):
            Weight of the negative-label loss, which is ramped up in the first epochs
        - late_epoch, late_weight (`float`):
            Last epoch of this weight, and the weight after it
    """
    def __init__(self, num_negatives, weight, rampup, late_epoch, late_weight):
        super().__init__()
        self.num_negatives = num_negatives
        self.weight = weight
        self.rampup = rampup
        self.late_epoch = late_epoch
        self.late_weight = late_weight

    @torch.no_grad()
    def gen_negatives(self, algorithm, logits):
        """
        draw negative labels uniformly, with replacement, from the classes that are not predicted

        Args:
            algorithm: base algorithm
            logits: logits of the model that generates, shape=[Batch size, # of classes]

        Returns:
            bool mask with the shape of logits
        """
        batch_size, num_classes = logits.shape
        labels = torch.randint(num_classes - 1, (batch_size, self.num_negatives), device=logits.device)
        labels = labels + (labels >= logits.argmax(dim=-1, keepdim=True)).long()
        return torch.zeros_like(logits, dtype=torch.bool).scatter_(1, labels, True)

    def negative_weight(self, algorithm):
        """
        weight of the negative-label loss at the current iteration
        """
        epoch = algorithm.it // algorithm.num_iter_per_epoch
        if epoch > self.late_epoch:
            return self.late_weight
        return self.weight * sigmoid_rampup(epoch, self.rampup)
