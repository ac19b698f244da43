"""Names of nets: those of the plugin's table, of timm and of the toolbox."""

from __future__ import annotations

import difflib
import importlib
import inspect
from functools import partial

from dnll_plugin.errors import InputError
from dnll_plugin.nets.auxiliary import AuxiliaryHeadNet
from dnll_plugin.nets.cnn import cnn3, cnn13
from dnll_plugin.nets.open_set import IOMatchNet, OneVsAllNet
from dnll_plugin.nets.pair import NetBuilder, pair_builder
from dnll_plugin.nets.with_heads import NetWithHeads, builder_with_heads

NETS: dict[str, NetBuilder] = {
    "cnn13": cnn13,
    "cnn3": cnn3,
    "cnn13_one_head": partial(cnn13, heads=1),
    "cnn3_one_head": partial(cnn3, heads=1),
}
"""The nets that are neither timm's nor the toolbox's, by name; add one of your own here."""

HEADS: dict[str, type[NetWithHeads]] = {
    "auxiliary_": AuxiliaryHeadNet,
    "iomatch_": IOMatchNet,
    "openmatch_": OneVsAllNet,
}
"""The heads that an algorithm puts beside a net, by how the name of a net with them begins."""


def find_builder(name: str) -> NetBuilder:
    """Find the builder of the net that a config calls ``name``.

    Args:
        name: One of :data:`NETS`; ``timm_<model>``, or ``timm_<model>@<size>`` for images of that
            many pixels a side; a net of the toolbox such as ``wrn_28_2``; of any two of these a
            pair, ``dual_<net>`` or ``dual_<left>+<right>``; and with the heads of ShrinkMatch,
            IOMatch or OpenMatch ``auxiliary_<net>``, ``iomatch_<net>``, ``openmatch_<net>``.

    Raises:
        InputError: There is no such net; the message names the nearest ones.
    """
    if name in NETS:
        return NETS[name]
    if name.startswith("dual_"):
        left, _, right = name.removeprefix("dual_").partition("+")
        return pair_builder(find_builder(left), find_builder(right or left))
    for prefix, kind in HEADS.items():
        if name.startswith(prefix):
            return builder_with_heads(kind, find_builder(name.removeprefix(prefix)))
    if name.startswith("timm_"):
        from dnll_plugin.nets.timm_net import timm_builder

        return timm_builder(name.removeprefix("timm_"))
    others = toolbox_nets()
    if name in others:
        return others[name]
    raise InputError(f"net: there is no net {name!r}; {_advice(name, [*NETS, *others])}")


def toolbox_nets() -> dict[str, NetBuilder]:
    """The nets of the toolbox, by name."""
    # Not getattr: the toolbox's module asks `find_builder` for the names that it lacks.
    members = vars(importlib.import_module("semilearn.nets"))
    return {
        name: member
        for name, member in members.items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def _advice(name: str, known: list[str]) -> str:
    import timm

    candidates = known + [f"timm_{model}" for model in timm.list_models()]
    nearest = difflib.get_close_matches(name, candidates, n=3)
    return "write " + (
        " or ".join(nearest)
        or "cnn13, cnn3, wrn_28_2, timm_<model>, timm_<model>@<size> or dual_<one of these>"
    )
