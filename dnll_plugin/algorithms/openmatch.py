"""OpenMatch: FixMatch on the unlabeled images that one-vs-all classifiers take for inliers."""

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import torch
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core import AlgorithmBase
from semilearn.core.utils import ALGORITHMS, get_data_loader
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from dnll_plugin.algorithms.heads import HeadsMixin
from dnll_plugin.datasets.subset import CHOSEN, WHOLE, SubsetSampler, WholeSampler, in_views_of
from dnll_plugin.functional.one_vs_all import (
    fixmatch_loss,
    one_vs_all_consistency,
    one_vs_all_entropy,
    one_vs_all_loss,
    predict_or_reject,
)
from dnll_plugin.hooks.inliers import InliersHook
from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.nets.open_set import OneVsAllNet
from dnll_plugin.nets.pair import Net, NetBuilder
from dnll_plugin.protocols import ToolboxLogger


@ALGORITHMS.register("openmatch")
class OpenMatch(HeadsMixin, AlgorithmBase):
    """Open-Set Consistency Regularization for SSL with Outliers (arXiv:2105.14148).

    K one-vs-all classifiers learn the labels, and to be sure and consistent on two weak views of
    unlabeled images. From epoch ``start_fix`` on, FixMatch learns from those unlabeled images that
    the averaged net takes for inliers, chosen at the start of each epoch in one pass over them. It
    computes what the code of IOMatch's authors does.

    Keys, beside ``ulb_loss_ratio``, which weighs FixMatch's loss:
        - fix_cutoff: confidence from which an image teaches FixMatch
        - start_fix: epoch from which it learns
        - entropy_weight, consistency_weight: of the one-vs-all classifiers on unlabeled images
        - consistency_uratio: unlabeled images in them for each labeled one; ``uratio`` is
          FixMatch's
    """

    def __init__(
        self,
        args: Namespace,
        net_builder: NetBuilder,
        tb_log: object = None,
        logger: ToolboxLogger | None = None,
    ) -> None:
        super().__init__(args, net_builder, tb_log, logger)
        self.chosen_batches: Iterator[dict[str, Any]] = iter(())
        self.chosen_epoch = -1

    @staticmethod
    def views_like(args: Namespace) -> str:
        """The toolbox's algorithm whose views of an unlabeled image are ours: two weak ones."""
        return "meanteacher"

    @staticmethod
    def count_labeled_views(args: Namespace) -> int:
        """Weak views of a labeled image."""
        return 2

    def add_heads(self, net: Net) -> OneVsAllNet:
        return OneVsAllNet(net, self.num_classes)

    def set_hooks(self) -> None:
        self.register_hook(InliersHook(), "InliersHook")
        super().set_hooks()

    def set_data_loader(self) -> dict[str, Any] | None:
        loaders: dict[str, Any] | None = super().set_data_loader()
        if loaders is not None:
            args = self.args
            loaders["train_ulb"] = get_data_loader(
                args,
                self.dataset_dict["train_ulb"],
                args.batch_size * args.consistency_uratio,
                data_sampler=args.train_sampler,
                num_iters=self.num_train_iter,
                num_epochs=self.epochs,
                num_workers=2 * args.num_workers,
                distributed=self.distributed,
            )
            loaders |= self.make_chosen_loaders(loaders["train_ulb"])
        return loaders

    def make_chosen_loaders(self, unlabeled: Any) -> dict[str, Any]:
        """The loaders :data:`CHOSEN` and :data:`WHOLE` of the images of the unlabeled loader."""
        args, replicas, rank = self.args, 1, 0
        if self.distributed:
            replicas, rank = torch.distributed.get_world_size(), torch.distributed.get_rank()
        rows = args.batch_size * args.uratio
        drawn = self.num_iter_per_epoch * rows * replicas
        chosen = in_views_of(unlabeled.dataset, "fixmatch")
        whole = in_views_of(unlabeled.dataset, "pseudolabel")
        samplers: dict[str, Sampler[int]] = {
            CHOSEN: SubsetSampler(chosen, replicas, rank, drawn),
            WHOLE: WholeSampler(whole, replicas, rank),
        }
        return {
            name: DataLoader(
                dataset,
                rows,
                sampler=samplers[name],
                num_workers=unlabeled.num_workers,
                collate_fn=unlabeled.collate_fn,
            )
            for name, dataset in {CHOSEN: chosen, WHOLE: whole}.items()
        }

    def process_batch(self, input_args: list[str] | None = None, **batch: Tensor) -> dict[str, Any]:
        """Processes a batch, to which it adds one of the chosen images once these teach."""
        if self.it // self.num_iter_per_epoch >= self.args.start_fix:
            chosen = self.next_chosen()
            batch |= {"x_chosen_w": chosen["x_ulb_w"], "x_chosen_s": chosen["x_ulb_s"]}
        processed: dict[str, Any] = super().process_batch(input_args, **batch)
        return processed

    def next_chosen(self) -> dict[str, Any]:
        """The next batch of chosen images; in a new epoch they are chosen before."""
        loaders, epoch = self.loader_dict, self.it // self.num_iter_per_epoch
        if self.chosen_epoch != epoch:
            if CHOSEN not in loaders:  # a notebook brings loaders of its own
                loaders |= self.make_chosen_loaders(loaders["train_ulb"])
            hook = self.hooks_dict["InliersHook"]
            if hook.epoch != epoch:
                number = len(loaders["train_ulb"].dataset)
                self.call_hook("choose", "InliersHook", images=loaders[WHOLE], number=number)
            sampler = loaders[CHOSEN].batch_sampler.sampler
            sampler.chosen = None if hook.chosen is None else hook.chosen.nonzero().flatten().cpu()
            sampler.set_epoch(epoch)
            self.chosen_batches, self.chosen_epoch = iter(loaders[CHOSEN]), epoch
        return next(self.chosen_batches)

    def train_step(
        self,
        x_lb: Tensor,
        y_lb: Tensor,
        x_ulb_w: Tensor,
        x_ulb_s: Tensor,
        x_lb_2: Tensor | None = None,
        x_chosen_w: Tensor | None = None,
        x_chosen_s: Tensor | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        args = self.args
        labeled = (x_lb,) if x_lb_2 is None else (x_lb, x_lb_2)
        with self.amp_cm():
            outputs = self.forward_parts(*labeled, x_ulb_w, x_ulb_s, heads_from=0)
            rows = len(x_lb) * len(labeled)
            closed = outputs["logits"][:rows]
            binary = outputs["logits_binary"]
            views = binary[rows:].chunk(2)
            labels = y_lb.repeat(len(labeled))
            terms = {
                "sup": self.ce_loss(closed, labels, reduction="mean"),
                "binary": one_vs_all_loss(binary[:rows], labels),
                "entropy": one_vs_all_entropy(binary[rows:]),
                "consistency": one_vs_all_consistency(*views),
            }
            total_loss = (
                terms["sup"]
                + terms["binary"]
                + args.entropy_weight * terms["entropy"]
                + args.consistency_weight * terms["consistency"]
            )
            log = {}
            if x_chosen_w is not None and x_chosen_s is not None:
                weak, strong = self.forward_parts(x_chosen_w, x_chosen_s)["logits"].chunk(2)
                terms["unsup"], learns = fixmatch_loss(strong, weak, self.args.fix_cutoff)
                total_loss = total_loss + self.lambda_u * terms["unsup"]
                log["util_ratio"] = learns.float().mean()

        if is_log_step(self):
            log |= self.call_hook("observe", "InliersHook")
        log |= {f"{name}_loss": term.detach() for name, term in terms.items()}
        out_dict = self.process_out_dict(loss=total_loss)
        return out_dict, self.process_log_dict(total_loss=total_loss.detach(), **log)

    def forward_parts(self, *parts: Tensor, **options: Any) -> dict[str, Tensor]:
        """What the net says of the rows of several parts, in one pass with ``use_cat``."""
        if self.use_cat:
            outputs: dict[str, Tensor] = self.model(torch.cat(parts), **options)
            return outputs
        each = [self.model(part, **options) for part in parts]
        return {name: torch.cat([outputs[name] for outputs in each]) for name in each[0]}

    @torch.no_grad()
    def score_unknown(self, images: Tensor) -> Tensor:
        """How surely images are of none of the classes: by the classifier of the predicted class.

        Args:
            images: (N, C, H, W) on the device of the model, which is used as it stands: in
                evaluation, in evaluation mode with the averaged weights.

        Returns:
            (N,), in [0, 1], higher for a surer one.
        """
        return OneVsAllNet.score_unknown(self.model(images, heads_from=0))

    @torch.no_grad()
    def classify_open_set(self, images: Tensor) -> Tensor:
        """The predicted class of images, or K where its classifier says no, as it is evaluated.

        Args:
            images: See :meth:`score_unknown`.

        Returns:
            Integer (N,), from 0 to K; K for none of the classes.
        """
        outputs = self.model(images, heads_from=0)
        return predict_or_reject(outputs["logits"], outputs["logits_binary"])

    def get_save_dict(self) -> dict[str, Any]:
        save_dict: dict[str, Any] = super().get_save_dict()
        save_dict["inliers"] = self.hooks_dict["InliersHook"].state_dict()
        return save_dict

    def load_model(self, load_path: str) -> dict[str, Any]:
        checkpoint: dict[str, Any] = super().load_model(load_path)
        device = next(self.model.parameters()).device
        self.hooks_dict["InliersHook"].load_state_dict(checkpoint["inliers"], device)
        return checkpoint

    @staticmethod
    def get_argument() -> list[SSL_Argument]:
        return [
            SSL_Argument("--fix_cutoff", float, 0.0),
            SSL_Argument("--start_fix", int, 10),
            SSL_Argument("--entropy_weight", float, 0.1),
            SSL_Argument("--consistency_weight", float, 0.5),
            SSL_Argument("--consistency_uratio", int, 2),
        ]
