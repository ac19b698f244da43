"""The plugin's own config keys: one row each, with type, range and meaning.

To add a key, add one row: to `RunKeys`, with its default, if every algorithm under ``dnll train``
may use it; to `MethodKeys` if only ours do, with the default in the algorithm's ``get_argument``.
Its check, ``--set``, its line in ``config.yaml`` and in the table of docs/keys.md follow.
"""

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from dnll_plugin.settings.values import Flag, Number, OneOf, Text, Whole


def negative_samplers() -> Iterable[str]:
    from dnll_plugin.functional.negatives import NEGATIVE_SAMPLERS

    return NEGATIVE_SAMPLERS


def negative_losses() -> Iterable[str]:
    from dnll_plugin.functional.losses import NEGATIVE_LOSSES

    return NEGATIVE_LOSSES


def negative_sources() -> Iterable[str]:
    """The sources of every algorithm; which of them takes which is checked by itself."""
    from semilearn.algorithms import name2alg

    algorithms = [name2alg[name] for name in name2alg.keys()]  # noqa: SIM118 (no dict)
    taken = [source for kind in algorithms for source in getattr(kind, "negative_sources", ())]
    return dict.fromkeys(["auto", *taken])


class Keys(BaseModel):
    """Base of a group of config keys, one field each; a number in quotes is not a number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _none_as_the_toolbox_writes_it(cls, value: object, info: ValidationInfo) -> Any:
        is_none = value == "None" and takes_none(cls.model_fields[str(info.field_name)])
        return None if is_none else value


class RunKeys(Keys):
    """Keys that ``dnll train`` reads, whatever the algorithm.

    Those without a default are also keys of our algorithms, whose ``get_argument`` has it.
    """

    plugin: Text | None = Field(
        None,
        min_length=1,
        description="modules with algorithms, nets, data sets or samplers of your own, imported "
        "first; names separated by commas",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="where to run; auto: CUDA if there is one, else MPS, else the CPU"
    )
    data_on: Literal["loaders", "device"] = Field(
        "loaders",
        description="where batches are made: by the toolbox's loaders, image by image, or on the "
        "run's device, where the images are kept",
    )
    strict_images: Flag = Field(
        False, description="stop at an image file that cannot be read, instead of leaving it out"
    )
    label_file: Text | None = Field(
        None, min_length=1, description="file that lists the labeled images; null: drawn by seed"
    )
    test_share: Number = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of every class of own images that is cut off for the test, where they "
        "have no folder test/",
    )
    held_out: Whole = Field(
        0,
        ge=0,
        description="training images, the same for every seed, that are kept from training and "
        "tested on in the place of the test images, to tune settings; 0: the test images",
    )
    val_share: Number = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of every class of own images that is cut off for validation, where they "
        "have no folder val/",
    )
    early_stopping: Whole = Field(
        0,
        ge=0,
        description="evaluations in a row without a lower validation error after which a run "
        "ends; 0: it never ends early",
    )
    lr_schedule: Literal["toolbox", "cosine_to_zero", "linear_to_zero"] = Field(
        description="learning rate: the toolbox's cosine, which ends at 0.195 of lr, one that ends "
        "at 0, or a line to 0",
    )
    lr_decay_epoch: Number = Field(
        ge=0, description="epoch from which linear_to_zero falls; lr until then"
    )
    input_noise: Number | None = Field(
        ge=0,
        description="standard deviation of Gaussian noise on the net's input in training; "
        "null: what the net has of its own",
    )
    ood_classes: Whole = Field(
        0,
        ge=0,
        description="classes of the data set, its last ones, that are out of distribution (OOD): "
        "never labeled, tested for being found; num_classes counts the others",
    )
    known_classes: Text | None = Field(
        None,
        min_length=1,
        description="the other classes, where they are not the first ones: names of classes or "
        "of CIFAR-100's super-classes, separated by commas",
    )
    ulb_ood: Number = Field(
        0.0, ge=0, lt=1, description="share of OOD images among the unlabeled images"
    )
    channels_last: Flag = Field(
        False,
        description="the channels of a pixel side by side in memory: faster convolutions, differs "
        "by rounding",
    )
    fast_hooks: Flag = Field(
        True,
        description="average the weights, and keep FlexMatch's counts, with the same numbers as "
        "the toolbox's hooks in less time",
    )


class MethodKeys(Keys):
    """Keys of our algorithms; the default is in the ``get_argument`` of each that has the key."""

    roles: Literal["mutual", "alternate"] = Field(
        description="both submodels learn at each iteration, or they take turns"
    )
    num_negatives: Whole | None = Field(
        ge=1,
        description="classes drawn for an image, below num_classes; null: 2 (1 of 2); not with "
        "below_average or beyond_top_k",
    )
    negative_sampling: Annotated[Text, OneOf(negative_samplers)] = Field(
        description="how they are drawn from the classes that are not predicted; or below_average: "
        "every class, predicted or not, that is less likely for the image than for the batch on "
        "average; or beyond_top_k: every class but the k likeliest, with the smallest k that lets "
        "the predictions of both views agree (FullMatch)",
    )
    negative_loss: Annotated[Text, OneOf(negative_losses)] = Field(
        description="the mean of -log(1 - p) over them, or -log of what they leave together",
    )
    negative_source: Annotated[Text, OneOf(negative_sources)] = Field(
        description="whose prediction they are chosen by; auto: the algorithm's published one, "
        "with pseudo-labels that of the other submodel or the teacher",
    )
    negative_weight: Number = Field(
        ge=0, description="weight of the negative labels; 0: none at any time"
    )
    negative_rampup: Number = Field(ge=0, description="epochs over which it ramps up")
    negative_late_epoch: Number | None = Field(
        ge=0,
        description="last epoch of the ramp, after which the late weight holds; null: never",
    )
    negative_late_weight: Number = Field(ge=0, description="weight from then on")
    consistency_weight: Number = Field(
        ge=0, description="weight of the consistency between two views"
    )
    consistency_rampup: Number = Field(ge=0, description="epochs over which it ramps up")
    consistency_type: Literal["mse", "kl"] = Field(description="distance between two predictions")
    stabilization_weight: Number = Field(
        ge=0, description="weight of the pull towards the stable submodel"
    )
    stabilization_rampup: Number = Field(ge=0, description="epochs over which it ramps up")
    logit_distance_weight: Number = Field(
        ge=0, description="weight of the distance between the two heads of a net that has two"
    )
    stable_threshold: Number = Field(
        ge=0, le=1, description="confidence above which a prediction counts as stable"
    )
    ulb_views: Literal["weak_weak", "weak_strong"] = Field(
        description="the two views of an unlabeled image"
    )
    pseudo_labels: Flag | None = Field(
        description="learn the class of the images that the other submodel is sure of from its "
        "weak view, and the negatives of the others, in the place of consistency and pull; null: "
        "with a strong view"
    )
    p_cutoff: Number = Field(
        ge=0,
        le=1,
        description="confidence from which an image learns its pseudo-label",
    )
    clustering_weight: Number = Field(
        ge=0, description="weight of the local clustering of lc_meanteacher"
    )
    clustering_threshold: Number = Field(
        gt=0, description="distance of two features up to which they are drawn together"
    )
    clustering_threshold_type: Literal["absolute", "relative"] = Field(
        description="the threshold as it is, which fits one net, or times the mean distance",
    )
    clustering_start: Number = Field(ge=0, description="epoch from which there is clustering")
    clustering_rampup: Number = Field(
        ge=0, description="epochs over which it ramps up from then on"
    )
    certain_target: Literal["soft", "hard"] = Field(
        description="what the certain images of shrinkmatch learn: the prediction, or its class"
    )
    alignment: Literal["queue", "average", "none"] = Field(
        description="predictions that those of shrinkmatch are divided by: the mean of the last 32 "
        "batches, a running average of all, or none"
    )
    shrink_by: Literal["aligned", "raw"] = Field(
        description="predictions whose classes shrinkmatch removes: after or before that division"
    )
    auxiliary_rows: Literal["strong", "all"] = Field(
        description="images that the auxiliary head of shrinkmatch sees, which sets its batch "
        "norms too: the strong views, or every image and view"
    )
    uncertain_weight: Number = Field(
        ge=0, description="weight of the uncertain images' loss of shrinkmatch"
    )
    ema_p: Number = Field(
        ge=0, le=1, description="momentum of the running share of certain images of shrinkmatch"
    )
    restart_share: Flag = Field(description="start that share anew in each epoch")
    q_cutoff: Number = Field(
        ge=0,
        le=1,
        description="confidence, over the classes and none of them, from which an image teaches "
        "the open-set head of iomatch",
    )
    alignment_steps: Whole = Field(
        ge=0,
        description="steps whose predictions those of iomatch are divided by, on average; 0: none",
    )
    binary_weight: Number = Field(ge=0, description="weight of iomatch's one-vs-all classifiers")
    open_weight: Number = Field(
        ge=0, description="weight of iomatch's open-set loss, from the second epoch on"
    )
    start_fix: Whole = Field(
        ge=0, description="epoch from which openmatch learns the images that it takes for inliers"
    )
    fix_cutoff: Number = Field(
        ge=0, le=1, description="confidence from which it learns one of them"
    )
    entropy_weight: Number = Field(
        ge=0, description="weight of the entropy of openmatch's one-vs-all classifiers"
    )
    consistency_uratio: Whole = Field(
        ge=1,
        description="unlabeled images in the consistency of openmatch for each labeled one in a "
        "batch; uratio counts those that it takes for inliers",
    )
    lb_views: Whole = Field(ge=1, le=2, description="weak views of a labeled image")
    net_right: Text | None = Field(
        min_length=1, description="net of the right submodel; null: the same as net"
    )


def takes_none(field: FieldInfo) -> bool:
    return types.NoneType in get_args(field.annotation)
