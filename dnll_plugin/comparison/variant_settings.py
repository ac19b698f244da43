"""The settings of each variant: which come from the config, which are the algorithm's own."""

from collections.abc import Mapping
from typing import Any

from dnll_plugin.comparison.plan import OwnKey, Request
from dnll_plugin.comparison.published import AS_MANY_AS_LABELS, LOSS_WEIGHT, PUBLISHED
from dnll_plugin.comparison.variants import Variant
from dnll_plugin.errors import InputError
from dnll_plugin.settings import resolve as settings_module
from dnll_plugin.settings.config_file import write_override
from dnll_plugin.settings.keys import RunKeys
from dnll_plugin.settings.resolve import Settings
from dnll_plugin.settings.suggestions import suggest_name
from dnll_plugin.settings.toolbox_keys import ToolboxKeys, algorithm_arguments, find_base

OF_A_RUN = {
    "algorithm": "--algorithms",
    "seed": "--seeds",
    "save_dir": "--out",
    "save_name": "--out",
    "data_dir": "--data_dir",
}
"""Keys that each run gets its own value of, and the option that gives it."""


def check_names(request: Request) -> None:
    """Checks the names of the algorithms, and that nothing sets a run's own keys.

    Plugins that may define algorithms are imported before.

    Raises:
        InputError: one of them is wrong.
    """
    names = algorithm_arguments()
    for variant in request.variants:
        if variant.algorithm not in names:
            option = f"--variant {variant.name}" if variant.overrides else "--algorithms"
            hint = suggest_name(variant.algorithm, names)
            raise InputError(f"{option}: unknown name {variant.algorithm!r}; {hint}")
        for key in map(read_key, variant.overrides):
            if key in OF_A_RUN:
                raise InputError(f"--variant {variant.name}: {key}: give {OF_A_RUN[key]} instead")
    for key in map(read_key, request.overrides):
        if key in OF_A_RUN:
            raise InputError(f"--set {key}: give {OF_A_RUN[key]} instead")


def read_key(override: str) -> str:
    """The key of ``key=value``."""
    return override.partition("=")[0].strip()


def collect_own_keys(
    variant: Variant, written: Mapping[str, Any], request: Request
) -> dict[str, OwnKey]:
    """A variant's own keys with their values before ``--set``, and where they come from.

    Args:
        variant: an algorithm that there is.
        written: keys and values of the config file.
        request: what is compared.
    """
    algorithm = variant.algorithm
    of_every_run = ToolboxKeys.model_fields.keys() | RunKeys.model_fields.keys()
    arguments = algorithm_arguments()[algorithm]
    values = {
        LOSS_WEIGHT: OwnKey(ToolboxKeys.model_fields[LOSS_WEIGHT].default, "default"),
        **{
            key: OwnKey(arguments[key].default, "default")
            for key in arguments
            if key not in of_every_run
        },
    }
    for key, value in PUBLISHED.get(find_base(algorithm), {}).items():
        if value == AS_MANY_AS_LABELS:
            value = resolve_variant(variant, {}, request)[0].num_labels
        values[key] = OwnKey(value, "published config")
    if written.get("algorithm", ToolboxKeys.model_fields["algorithm"].default) == algorithm:
        values |= {key: OwnKey(written[key], "config") for key in values if key in written}
    for key in map(read_key, request.overrides):
        if key in values:
            values[key] = OwnKey(values[key].value, "--set")
    for key in map(read_key, variant.overrides):
        values[key] = OwnKey(values[key].value if key in values else None, "--variant")
    return values


def resolve_variant(
    variant: Variant, keys: Mapping[str, OwnKey], request: Request
) -> tuple[Settings, list[str]]:
    """The settings of a variant with the largest seed, and the values of ``--set`` that give them.

    Raises:
        InputError: they are wrong, or the variant sets a key that its algorithm does not read.
    """
    overrides = [f"algorithm={variant.algorithm}"]
    overrides += [
        write_override(key, value) for key, (value, origin) in keys.items() if origin != "--variant"
    ]
    overrides += [*request.overrides, *variant.overrides]
    own = list(map(read_key, variant.overrides))
    try:
        settings = settings_module.resolve(
            request.config,
            overrides,
            data_dir=request.data_dir,
            save_dir=request.runs,
            seed=max(request.seeds),
            plugin=request.plugin,
        )
    except InputError as error:
        message = str(error)
        if message.partition(":")[0] not in own:
            raise
        raise InputError(f"--variant {variant.name}: {message.removesuffix(' (--set)')}") from error
    for key in own:
        if key not in settings.values:
            raise InputError(
                f"--variant {variant.name}: {key}: {variant.algorithm} does not read it; leave "
                "it out"
            )
    return settings, overrides


def estimate_work(settings: Settings) -> float:
    """A rough measure of a run's computing: steps, by rows a step, by pixels, by nets.

    It only has to tell long runs from short ones until the first have ended.
    """
    rows = settings.batch_size * (1 + 2 * settings.uratio)
    nets = 2 if settings.algorithm == "dnll_dual" else 1
    return float(settings.num_train_iter * rows * settings.img_size**2 * nets)


def find_shared(
    values: Mapping[str, Mapping[str, Any]], own: Mapping[str, Mapping[str, OwnKey]]
) -> dict[str, Any]:
    """The settings that runs must have in common.

    A key that only some variants set is shared by the others.

    Args:
        values: by variant, all of its settings.
        own: by variant, its own keys.
    """

    def sets(name: str, key: str) -> bool:
        return key in own[name] and own[name][key].origin == "--variant"

    shared = {}
    for key in next(iter(values.values())):
        others = [name for name in values if not sets(name, key)]
        common = all(key in values[name] and key not in own[name] for name in others)
        if others and common and key not in OF_A_RUN:
            shared[key] = values[others[0]][key]
    return shared
