# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

import torch


@torch.no_grad()
def stable_samples(probs, probs_other, threshold):
    """
    samples on which a submodel is stable (https://arxiv.org/abs/1909.01804):
    both views give the same class, and one of them with a confidence above the threshold

    Args:
        probs: prediction of one view, shape=[Batch size, # of classes]
        probs_other: prediction of the other view
        threshold: confidence threshold
    """
    max_probs, classes = probs.max(dim=-1)
    max_probs_other, classes_other = probs_other.max(dim=-1)
    return (classes == classes_other) & (torch.maximum(max_probs, max_probs_other) > threshold)


@torch.no_grad()
def samples_with_negatives(stable, stable_peer, inconsistency, inconsistency_peer):
    """
    samples on which a submodel learns negative labels, and is not pulled towards its peer:
    those on which the peer is not stable, or where both are and the submodel is the more consistent one

    Args:
        stable: samples on which the submodel is stable, shape=[Batch size]
        stable_peer: samples on which its peer is
        inconsistency: distance between the predictions of the two views, shape=[Batch size]
        inconsistency_peer: the same of its peer
    """
    return ~stable_peer | (stable & stable_peer & (inconsistency < inconsistency_peer))
