# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

import torch


def negative_label_loss(logits, negatives, mask=None, eps=1e-6):
    """
    loss of pseudo-negative labels (https://arxiv.org/abs/2301.03976): lowers the probability of classes
    that samples do not belong to, by -log(1 - p) averaged over the negative labels of a sample

    Args:
        logits: logits of the model that learns, shape=[Batch size, # of classes]
        negatives: bool, True where a class is a negative label, shape=[Batch size, # of classes]
        mask: 1 for the samples that learn and 0 for the others, shape=[Batch size]; all of them learn if None
        eps: keeps the logarithm finite

    Returns:
        mean over the samples that learn, 0 if there are none
    """
    probs = torch.softmax(logits, dim=-1)
    loss = -torch.log(1.0 - probs + eps) * negatives
    loss = loss.sum(dim=-1) / negatives.sum(dim=-1).clamp(min=1)
    if mask is None:
        return loss.mean()
    return (loss * mask).sum() / mask.sum().clamp(min=1)
