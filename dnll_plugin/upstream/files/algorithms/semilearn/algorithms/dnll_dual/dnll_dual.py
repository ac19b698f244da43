# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

import torch

from .utils import stable_samples, samples_with_negatives
from semilearn.core.algorithmbase import AlgorithmBase
from semilearn.core.criterions import negative_label_loss
from semilearn.core.utils import ALGORITHMS
from semilearn.algorithms.hooks import NegativeLabelHook, sigmoid_rampup
from semilearn.algorithms.utils import SSL_Argument


@ALGORITHMS.register('dnll_dual')
class DNLLDual(AlgorithmBase):

    """
        DNLL-Dual algorithm (https://arxiv.org/abs/2301.03976), after Dual Student (https://arxiv.org/abs/1909.01804).

        Trains two submodels, the left and the right network of a net `dual_<net>`. Each learns from its own weak view
        of an unlabeled sample. Where its peer is stable, a submodel is pulled towards the peer's prediction; elsewhere
        it learns pseudo-negative labels, classes that the peer does not predict.

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
                Weight of the consistency between the views of a submodel and epochs of its ramp-up
            - stabilization_weight, stabilization_rampup (`float`):
                Weight of the pull towards the peer and epochs of its ramp-up
            - stable_threshold (`float`, *optional*, default to 0.8):
                Confidence above which a prediction counts as stable
    """
    def __init__(self, args, net_builder, tb_log=None, logger=None):
        assert args.net.startswith('dual_'), f"dnll_dual trains two networks: set net to dual_{args.net}"
        super().__init__(args, net_builder, tb_log, logger)
        # dnll_dual specified arguments
        self.init(consistency_weight=args.consistency_weight, consistency_rampup=args.consistency_rampup,
                  stabilization_weight=args.stabilization_weight, stabilization_rampup=args.stabilization_rampup,
                  stable_threshold=args.stable_threshold)

    def init(self, consistency_weight=1.0, consistency_rampup=5.0, stabilization_weight=10.0, stabilization_rampup=5.0,
             stable_threshold=0.8):
        self.consistency_weight = consistency_weight
        self.consistency_rampup = consistency_rampup
        self.stabilization_weight = stabilization_weight
        self.stabilization_rampup = stabilization_rampup
        self.stable_threshold = stable_threshold

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
            # left learns from the first view, right from the second
            if self.use_cat:
                outs = self.model(torch.cat((x_lb, x_ulb_w)), torch.cat((x_lb, x_ulb_s)))
                logits = [outs['logits_left'], outs['logits_right']]
                logits_x_lb = [logit[:num_lb] for logit in logits]
                logits_x_ulb = [logit[num_lb:] for logit in logits]
            else:
                outs_x_lb = self.model(x_lb)
                logits_x_lb = [outs_x_lb['logits_left'], outs_x_lb['logits_right']]
                outs_x_ulb = self.model(x_ulb_w, x_ulb_s)
                logits_x_ulb = [outs_x_ulb['logits_left'], outs_x_ulb['logits_right']]
            # each predicts the view that the other one learns from; these passes come last,
            # as autocast keeps the weights of the first ones, with or without gradient
            with torch.no_grad():
                outs_x_other = self.model(x_ulb_s, x_ulb_w)
                logits_x_other = [outs_x_other['logits_left'], outs_x_other['logits_right']]

            probs_x_ulb = [self.compute_prob(logit.detach()) for logit in logits_x_ulb]
            probs_x_other = [self.compute_prob(logit) for logit in logits_x_other]
            stable = [stable_samples(p, q, self.stable_threshold) for p, q in zip(probs_x_ulb, probs_x_other)]
            inconsistency = [((p - q) ** 2).mean(dim=-1) for p, q in zip(probs_x_ulb, probs_x_other)]

            sup_loss, consistency_loss, stabilization_loss, negative_loss, util_ratio = 0.0, 0.0, 0.0, 0.0, 0.0
            for own, peer in ((0, 1), (1, 0)):
                mask = samples_with_negatives(stable[own], stable[peer], inconsistency[own], inconsistency[peer])
                mask = mask.to(probs_x_ulb[own].dtype)
                negatives = self.call_hook("gen_negatives", "NegativeLabelHook", logits=logits_x_other[peer])

                sup_loss += self.ce_loss(logits_x_lb[own], y_lb, reduction='mean')
                consistency_loss += self.consistency_loss(logits_x_ulb[own], probs_x_other[own], 'mse')
                stabilization_loss += self.consistency_loss(logits_x_ulb[own], probs_x_ulb[peer], 'mse', mask=1.0 - mask)
                negative_loss += negative_label_loss(logits_x_ulb[own], negatives, mask=mask)
                util_ratio += (1.0 - mask).mean() / 2

            # the paper divides the sums over samples, but not the negative-label loss, by the size of the whole batch
            epoch = self.it // self.num_iter_per_epoch
            ratio_lb = num_lb / (num_lb + logits_x_ulb[0].shape[0])
            unsup_loss = self.consistency_weight * sigmoid_rampup(epoch, self.consistency_rampup) * consistency_loss \
                + self.stabilization_weight * sigmoid_rampup(epoch, self.stabilization_rampup) * stabilization_loss
            negative_weight = self.call_hook("negative_weight", "NegativeLabelHook")
            total_loss = ratio_lb * sup_loss + self.lambda_u * ((1.0 - ratio_lb) * unsup_loss + negative_weight * negative_loss)

        out_dict = self.process_out_dict(loss=total_loss)
        log_dict = self.process_log_dict(sup_loss=sup_loss.item(),
                                         consistency_loss=consistency_loss.item(),
                                         stabilization_loss=stabilization_loss.item(),
                                         negative_loss=negative_loss.item(),
                                         total_loss=total_loss.item(),
                                         util_ratio=util_ratio.item())
        return out_dict, log_dict

    def evaluate(self, eval_dest='eval', out_key='logits', return_logits=False):
        """
        evaluate the ensemble of both submodels, and each of them
        """
        eval_dict = super().evaluate(eval_dest, out_key, return_logits)
        for side in ('left', 'right'):
            side_dict = super().evaluate(eval_dest, f'logits_{side}')
            eval_dict[f'{eval_dest}/{side}-top-1-acc'] = side_dict[f'{eval_dest}/top-1-acc']
        return eval_dict

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
            SSL_Argument('--stabilization_weight', float, 10.0),
            SSL_Argument('--stabilization_rampup', float, 5.0),
            SSL_Argument('--stable_threshold', float, 0.8),
        ]
