"""Checks of config values that need more than one key, or names that others define.

A check takes all values of a run and returns the key to blame and what is wrong with it, or None.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from dnll_plugin.datasets import DATASETS
from dnll_plugin.datasets.table import TEXT_AND_AUDIO_SETS
from dnll_plugin.errors import InputError
from dnll_plugin.settings.config_file import shorten
from dnll_plugin.settings.given import DEFAULT, Given, setting_error
from dnll_plugin.settings.keys import Keys
from dnll_plugin.settings.open_set import check_known_classes, check_open_set
from dnll_plugin.settings.other_names import suggest_key
from dnll_plugin.settings.ranges import choices_of, join_names, range_in_words
from dnll_plugin.settings.suggestions import find_nearest, suggest_name
from dnll_plugin.settings.toolbox_keys import ToolboxKeys

Values = Mapping[str, Any]
Problem = tuple[str, str] | None

TEXT_AND_AUDIO_NETS = ("bert_", "wave2vecv2_", "hubert_")
"""How the names of the toolbox's nets begin that are not for images."""


def check_dataset(values: Values) -> Problem:
    name = values["dataset"]
    if name in TEXT_AND_AUDIO_SETS:
        return "dataset", f"{name!r} is text or audio; dnll train is for images"
    if name not in DATASETS:
        return "dataset", f"unknown name {name!r}; {suggest_name(name, DATASETS)}"
    return None


def check_net(values: Values) -> Problem:
    from dnll_plugin.nets.lookup import find_builder

    if values["net_from_name"]:
        # the toolbox would pass torchvision's nets arguments that they do not take
        return "net_from_name", "torchvision's nets do not run here; write false, and timm_<model>"
    for key in ("net", "net_right"):
        name = values.get(key)
        if name is None:
            continue
        if name.startswith(TEXT_AND_AUDIO_NETS):
            return key, f"{name!r} is for text or audio; dnll train is for images"
        try:
            find_builder(name)
        except InputError as error:
            return key, str(error).removeprefix("net: ")
    return None


def check_imb_algorithm(values: Values) -> Problem:
    if values["imb_algorithm"] is None:
        return None
    return (
        "imb_algorithm",
        "dnll train does not run these; remove it or use the toolbox's train.py",
    )


def check_epochs(values: Values) -> Problem:
    iterations, epochs = values["num_train_iter"], values["epoch"]
    if iterations >= epochs:
        return None
    wanted = f"write {epochs} or more, or a smaller epoch"
    return "num_train_iter", f"{iterations} is less than one for each epoch of {epochs}; {wanted}"


def round_to_epochs(iterations: int, epochs: int) -> int:
    """The multiple of ``epochs`` that is nearest to ``iterations``, the larger of two.

    Args:
        iterations: at least ``epochs``.
        epochs: at least 1.
    """
    return (2 * iterations + epochs) // (2 * epochs) * epochs


def check_num_labels(values: Values) -> Problem:
    labels, classes = values["num_labels"], values["num_classes"]
    row = DATASETS[values["dataset"]]
    drawn = not row.comes_split and row.read_facts is None
    if not drawn or values["lb_imb_ratio"] != 1 or labels % classes == 0:
        return None
    if row.train_images == labels:
        return None
    below = labels // classes * classes
    choices = f"{below} or {below + classes}" if below else f"{classes} or more"
    return "num_labels", f"{labels} is not a multiple of num_classes {classes}; write {choices}"


def check_imbalance(values: Values) -> Problem:
    for key in ("lb_imb_ratio", "ulb_imb_ratio"):
        if values[key] == 0:
            return key, "must not be 0; 1 is balanced, a negative ratio reverses the classes"
    if DATASETS[values["dataset"]].comes_split:
        return None
    unlabeled, classes = values["ulb_num_labels"], values["num_classes"]
    if values["ulb_imb_ratio"] != 1 and unlabeled is None:
        return "ulb_imb_ratio", "needs ulb_num_labels, the images of the largest class"
    if values["ulb_imb_ratio"] == 1 and unlabeled is not None and unlabeled % classes:
        return "ulb_num_labels", f"{unlabeled} is not a multiple of num_classes {classes}"
    return None


def check_ood(values: Values) -> Problem:
    ood, name = values["ood_classes"], values["dataset"]
    if ood == 0:
        lacking = [key for key in ("ulb_ood", "known_classes") if values[key]]
        return (
            (lacking[0], "needs ood_classes, how many are out of distribution") if lacking else None
        )
    if not DATASETS[name].has_ood:
        able = sorted(known for known, row in DATASETS.items() if row.has_ood)
        return "ood_classes", f"is for {join_names(able)}, not for {name}"
    if values["label_file"] is not None:
        return "label_file", "goes without ood_classes: the labels are drawn by seed there"
    classes = len(DATASETS[name].classes)
    if values["num_classes"] + ood != classes:
        choice = f"write num_classes={classes - ood}" if classes - ood > 1 else "too many"
        return (
            "ood_classes",
            f"{ood} of the {classes} classes of {name} are out of distribution; {choice}",
        )
    return None


def check_validation(values: Values) -> Problem:
    if values["val_share"] == 0 or DATASETS[values["dataset"]].read_facts is not None:
        return None
    return "val_share", f"is for own images, dataset imagefolder, not for {values['dataset']}"


def check_held_out(values: Values) -> Problem:
    name = values["dataset"]
    if values["held_out"] == 0:
        return None
    if not DATASETS[name].can_hold_out:
        able = sorted(known for known, row in DATASETS.items() if row.can_hold_out)
        return "held_out", f"is for {join_names(able)}, not for {name}"
    if values["label_file"] is not None:
        return "held_out", "goes without label_file, which counts all training images"
    return None


def check_momentum(values: Values) -> Problem:
    if values["optim"] == "SGD" and values["momentum"] == 0:
        return "momentum", "must be above 0 with SGD, which the toolbox uses with Nesterov momentum"
    return None


def check_num_negatives(values: Values) -> Problem:
    number, classes = values.get("num_negatives"), values["num_classes"]
    if number is None or number < classes:
        return None
    highest = classes - 1
    return "num_negatives", f"must be from 1 to {highest} with {classes} classes, got {number}"


def check_negative_source(values: Values) -> Problem:
    from semilearn.algorithms import name2alg

    source = values.get("negative_source")
    if source is None:
        return None
    choices = ("auto", *name2alg[values["algorithm"]].negative_sources)
    if source in choices:
        return None
    return "negative_source", f"{values['algorithm']} takes {join_names(choices)}, got {source!r}"


CHECKS_WITHOUT_TOOLBOX: tuple[Callable[[Values], Problem], ...] = (
    check_imb_algorithm,
    check_dataset,
    check_epochs,
    check_num_labels,
    check_imbalance,
    check_ood,
    check_validation,
    check_held_out,
    check_known_classes,
    check_open_set,
    check_momentum,
)
"""Those that need neither torch nor the toolbox, and keys of every run only."""

CHECKS: tuple[Callable[[Values], Problem], ...] = (
    check_net,
    check_num_negatives,
    check_negative_source,
)


def apply_checks(
    checks: Iterable[Callable[[Values], Problem]], values: Values, read: Mapping[str, Given]
) -> None:
    """Applies checks to the values of a run.

    Raises:
        InputError: one of them finds something wrong.
    """
    for check in checks:
        problem = check(values)
        if problem is not None:
            key, message = problem
            raise setting_error(key, message, read[key].place if key in read else DEFAULT)


def validate(model: type[Keys], read: Mapping[str, Given]) -> dict[str, Any]:
    """The values of every key of a model, each in its range.

    Raises:
        InputError: one of them is not.
    """
    try:
        return dict(model(**{key: entry.value for key, entry in read.items()}))
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        value, _, place = read[key]
        wanted = range_in_words(model.model_fields[key])
        hint = ""
        if wanted.startswith("text") and isinstance(value, (int, float)):
            hint = "; put it in quotes"
        elif isinstance(value, str):
            nearest = find_nearest(value, choices_of(model.model_fields[key]))
            hint = "" if nearest is None else f"; did you mean {nearest!r}?"
        message = f"must be {wanted}, got {shorten(value)}{hint}"
        raise setting_error(key, message, place) from None


def check_algorithm(given: Mapping[str, Given], names: Iterable[str]) -> str:
    """The name of the algorithm, which decides what the other keys are.

    Raises:
        InputError: there is none of that name.
    """
    if "algorithm" not in given:
        return str(ToolboxKeys.model_fields["algorithm"].default)
    name, _, place = given["algorithm"]
    if not isinstance(name, str) or name not in names:
        message = f"unknown name {shorten(name)}; {suggest_name(str(name), names)}"
        raise setting_error("algorithm", message, place)
    return name


def check_unknown(given: Mapping[str, Given], known: Collection[str]) -> None:
    """Checks that every key is one.

    Raises:
        InputError: one of them is not.
    """
    for key, (_, _, place) in given.items():
        if key not in known:
            raise setting_error(key, f"unknown key; {suggest_key(key, known)}", place)
