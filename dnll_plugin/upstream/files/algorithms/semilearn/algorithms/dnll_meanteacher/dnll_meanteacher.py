# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

import torch

from semilearn.core.algorithmbase import AlgorithmBase
from semilearn.core.criterions import negative_label_loss
from semilearn.core.utils import ALGORITHMS
from semilearn.algorithms.hooks import NegativeLabelHook, sigmoid_rampup
from semilearn.algorithms.utils import SSL_Argument


@ALGORITHMS.register('dnll_meanteacher')
class DNLLMeanTeacher(AlgorithmBase):

    """
        DNLL-MeanTeacher algorithm (https://arxiv.org/abs/2301.03976).

        MeanTeacher (https://arxiv.org/abs/1703.01780) whose student also learns pseudo-negative labels on every
        unlabeled sample: classes that it does not predict for the other view.

        Args:
            - args (`argparse`):
                algorithm arguments
            - net_builder (`callable`):
                network loading function
            - tb_log (`TBLog`):
                tensorboard logger
            - logger (`logging.Logger`):
                logger to use
            - num_negatives (`int`, *optional*, default to 2):
                Number of draws of a negative label for a sample
            - negative_weight, negative_rampup (`float`):
                Weight of the negative-label loss and epochs of its ramp-up
            - negative_late_epoch, negative_late_weight (`float`):
                Last epoch of this weight, and the weight after it
            - consistency_weight, consistency_rampup (`float`):
                Weight of the consistency with the teacher and epochs of its ramp-up
    """
    def __init__(self, args, net_builder, tb_log=None, logger=None):
        super().__init__(args, net_builder, tb_log, logger)
        # dnll_meanteacher specified arguments
        self.init(consistency_weight=args.consistency_weight, consistency_rampup=args.consistency_rampup)

    def init(self, consistency_weight=1.0, consistency_rampup=5.0):
        self.consistency_weight = consistency_weight
        self.consistency_rampup = consistency_rampup

    def set_hooks(self):
        self.register_hook(
            NegativeLabelHook(num_negatives=self.args.num_negatives, weight=self.args.negative_weight, rampup=self.args.negative_rampup,
                              late_epoch=self.args.negative_late_epoch, late_weight=self.args.negative_late_weight),
            "NegativeLabelHook")
        super().set_hooks()

    def train_step(self, x_lb, y_lb, x_ulb_w, x_ulb_s):
        # NOTE x_ulb_s here is weak augmentation
        num_lb = y_lb.shape[0]

        # inference and calculate sup/unsup losses
        with self.amp_cm():
            if self.use_cat:
                outs = self.model(torch.cat((x_lb, x_ulb_s)))
                logits_x_lb, logits_x_ulb_s = outs['logits'][:num_lb], outs['logits'][num_lb:]
                feats_x_lb, feats_x_ulb_s = outs['feat'][:num_lb], outs['feat'][num_lb:]
            else:
                outs_x_lb = self.model(x_lb)
                logits_x_lb, feats_x_lb = outs_x_lb['logits'], outs_x_lb['feat']
                outs_x_ulb_s = self.model(x_ulb_s)
                logits_x_ulb_s, feats_x_ulb_s = outs_x_ulb_s['logits'], outs_x_ulb_s['feat']
            with torch.no_grad():
                # the teacher is the averaged model, the student generates the negative labels
                logits_teacher = self.ema_model(x_ulb_w)['logits']
                outs_x_ulb_w = self.model(x_ulb_w)
                logits_x_ulb_w, feats_x_ulb_w = outs_x_ulb_w['logits'], outs_x_ulb_w['feat']
            feat_dict = {'x_lb': feats_x_lb, 'x_ulb_w': feats_x_ulb_w, 'x_ulb_s': feats_x_ulb_s}

            negatives = self.call_hook("gen_negatives", "NegativeLabelHook", logits=logits_x_ulb_w)
            sup_loss = self.ce_loss(logits_x_lb, y_lb, reduction='mean')
            unsup_loss = self.consistency_loss(logits_x_ulb_s, self.compute_prob(logits_teacher), 'mse')
            negative_loss = negative_label_loss(logits_x_ulb_s, negatives)

            # the paper divides the sum over labeled samples by the size of the whole batch
            ratio_lb = num_lb / (num_lb + logits_x_ulb_s.shape[0])
            unsup_weight = self.consistency_weight * sigmoid_rampup(self.it // self.num_iter_per_epoch, self.consistency_rampup)
            negative_weight = self.call_hook("negative_weight", "NegativeLabelHook")
            total_loss = ratio_lb * sup_loss + self.lambda_u * (unsup_weight * unsup_loss + negative_weight * negative_loss)

        out_dict = self.process_out_dict(loss=total_loss, feat=feat_dict)
        log_dict = self.process_log_dict(sup_loss=sup_loss.item(),
                                         unsup_loss=unsup_loss.item(),
                                         negative_loss=negative_loss.item(),
                                         total_loss=total_loss.item())
        return out_dict, log_dict

    @staticmethod
    def get_argument():
        return [
            SSL_Argument('--num_negatives', int, 2),
            SSL_Argument('--negative_weight', float, 7.5),
            SSL_Argument('--negative_rampup', float, 100.0),
            SSL_Argument('--negative_late_epoch', float, 15.0),
            SSL_Argument('--negative_late_weight', float, 0.2),
            SSL_Argument('--consistency_weight', float, 1.0),
            SSL_Argument('--consistency_rampup', float, 5.0),
        ]
