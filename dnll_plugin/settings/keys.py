"""The plugin's own config keys: one row each, with type, default, range and meaning.

To add a key, add one row: to `RunKeys` if every algorithm under ``dnll train`` may use it, to
`MethodKeys` (and to the algorithm's ``get_argument``) if only ours do. Its check, ``--set``, its
line in ``config.yaml`` and its line in the README's table follow from the row.
"""

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

TRUE = ("yes", "true", "t", "y", "1")
FALSE = ("no", "false", "f", "n", "0")


def _whole(value: Any) -> Any:
    """1e3 is a float in YAML and an iteration count to everyone else."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _flag(value: Any) -> Any:
    """The words that the toolbox's command line takes for a boolean."""
    if isinstance(value, (str, int)):
        word = str(value).lower()
        return True if word in TRUE else False if word in FALSE else value
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("control characters")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, AfterValidator(_printable)]


class Keys(BaseModel):
    """Base of a group of config keys, one field each; a number in quotes is not a number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _none_as_the_toolbox_writes_it(cls, value: Any, info: Any) -> Any:
        is_none = value == "None" and takes_none(cls.model_fields[info.field_name])
        return None if is_none else value


class RunKeys(Keys):
    """Keys that ``dnll train`` reads, whatever the algorithm."""

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
    lr_schedule: Literal["toolbox", "cosine_to_zero", "linear_to_zero"] = Field(
        "toolbox",
        description="learning rate: the toolbox's cosine, which ends at 0.195 of lr, one that ends "
        "at 0, or a line to 0",
    )
    lr_decay_epoch: Number = Field(
        0.0, ge=0, description="epoch from which linear_to_zero falls; lr until then"
    )
    input_noise: Number | None = Field(
        None,
        ge=0,
        description="standard deviation of Gaussian noise on the net's input in training; "
        "null: what the net has of its own",
    )
    ood_classes: Whole = Field(
        0,
        ge=0,
        description="classes of the data set, its last ones, that are out of distribution (OOD): "
        "never labeled nor tested; num_classes counts the others",
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
    """Keys of our algorithms, with the defaults of ``dnll_dual`` and ``dnll_meanteacher``.

    Another algorithm may have other defaults, by its ``get_argument``.
    """

    roles: Literal["mutual", "alternate"] = Field(
        "mutual", description="both submodels learn at each iteration, or they take turns"
    )
    num_negatives: Whole | None = Field(
        None,
        ge=1,
        description="classes drawn for an image, below num_classes; null: 2 (1 of 2); not with "
        "below_average",
    )
    negative_sampling: Literal[
        "uniform", "without_replacement", "least_likely", "below_average"
    ] = Field(
        "uniform",
        description="how they are drawn from the classes that are not predicted; or below_average: "
        "every class, predicted or not, that is less likely for the image than for the batch on "
        "average",
    )
    negative_loss: Literal["each", "together"] = Field(
        "each",
        description="the mean of -log(1 - p) over them, or -log of what they leave together",
    )
    negative_source: Literal["auto", "other", "student", "teacher", "self", "peer"] = Field(
        "auto",
        description="whose prediction they are chosen by; auto: the algorithm's published one",
    )
    negative_weight: Number = Field(
        75.0, ge=0, description="weight of the negative labels; 0: none at any time"
    )
    negative_rampup: Number = Field(100.0, ge=0, description="epochs over which it ramps up")
    negative_late_epoch: Number | None = Field(
        15.0,
        ge=0,
        description="last epoch of the ramp, after which the late weight holds; null: never",
    )
    negative_late_weight: Number = Field(2.0, ge=0, description="weight from then on")
    consistency_weight: Number = Field(
        10.0, ge=0, description="weight of the consistency between two views"
    )
    consistency_rampup: Number = Field(5.0, ge=0, description="epochs over which it ramps up")
    consistency_type: Literal["mse", "kl"] = Field(
        "mse", description="distance between two predictions"
    )
    stabilization_weight: Number = Field(
        100.0, ge=0, description="weight of the pull towards the stable submodel"
    )
    stabilization_rampup: Number = Field(5.0, ge=0, description="epochs over which it ramps up")
    logit_distance_weight: Number = Field(
        0.01, ge=0, description="weight of the distance between the two heads of a net that has two"
    )
    stable_threshold: Number = Field(
        0.8, ge=0, le=1, description="confidence above which a prediction counts as stable"
    )
    ulb_views: Literal["weak_weak", "weak_strong"] = Field(
        "weak_weak", description="the two views of an unlabeled image"
    )
    clustering_weight: Number = Field(
        10.0, ge=0, description="weight of the local clustering of lc_meanteacher"
    )
    clustering_threshold: Number = Field(
        50.0, gt=0, description="distance of two features up to which they are drawn together"
    )
    clustering_threshold_type: Literal["absolute", "relative"] = Field(
        "absolute",
        description="the threshold as it is, which fits one net, or times the mean distance",
    )
    clustering_start: Number = Field(0.0, ge=0, description="epoch from which there is clustering")
    clustering_rampup: Number = Field(
        100.0, ge=0, description="epochs over which it ramps up from then on"
    )
    uncertain_weight: Number = Field(
        1.0, ge=0, description="weight of the uncertain images' loss of shrinkmatch"
    )
    lb_views: Whole = Field(1, ge=1, le=2, description="weak views of a labeled image")
    net_right: Text | None = Field(
        None, min_length=1, description="net of the right submodel; null: the same as net"
    )


GROUPS: dict[str, type[Keys]] = {"run": RunKeys, "method": MethodKeys}


def takes_none(field: FieldInfo) -> bool:
    return types.NoneType in get_args(field.annotation)


def join_names(choices: Sequence[str]) -> str:
    """Names in a sentence: ``a, b or c``."""
    return " or ".join(part for part in (", ".join(choices[:-1]), choices[-1]) if part)


def range_in_words(field: FieldInfo) -> str:
    """What a key takes, as the second half of "must be …"."""
    kind = _without_none(field.annotation)
    if get_origin(kind) is Literal:
        return join_names(get_args(kind))
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    name = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]
    bounds = {
        name: _plain(getattr(bound, name))
        for bound in field.metadata
        for name in ("ge", "gt", "le", "lt", "min_length")
        if hasattr(bound, name)
    }
    return " ".join([name, _bounds_in_words(bounds)]).strip()


def _bounds_in_words(bounds: dict[str, str]) -> str:
    if bounds.keys() >= {"ge", "le"}:
        return f"from {bounds['ge']} to {bounds['le']}"
    words = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
    parts = [f"{word} {bounds[name]}" for name, word in words.items() if name in bounds]
    return "that is not empty" if "min_length" in bounds else " and ".join(parts)


def markdown_table(group: str) -> str:
    """Renders a group of keys for the README.

    Args:
        group: ``run`` (for every algorithm) or ``method`` (for ours).

    Returns:
        A Markdown table with the columns key, default, range and meaning.
    """
    rows = ["| key | default | range | meaning |", "| --- | --- | --- | --- |"]
    for name, field in GROUPS[group].model_fields.items():
        default = "null" if field.default is None else _plain(field.default)
        rows.append(f"| `{name}` | {default} | {range_in_words(field)} | {field.description} |")
    return "\n".join(rows)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(kind for kind in get_args(annotation) if kind is not types.NoneType)
    return annotation
