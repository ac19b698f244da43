"""The tables of keys: each key of an algorithm has a row, a range and a default."""

import ast
import importlib.util
from pathlib import Path

import pytest

from dnll_plugin.settings import checks as keys_checks
from dnll_plugin.settings import keys, ranges
from dnll_plugin.settings import toolbox_keys as keys_toolbox

from .configs import DUAL, FIXMATCH


def test_every_row_has_a_range_and_a_meaning():
    for group in (keys.RunKeys, keys.MethodKeys, keys_toolbox.ToolboxKeys):
        for field in group.model_fields.values():
            assert field.description
            assert ranges.range_in_words(field)


def test_every_algorithm_has_defaults_in_the_ranges():
    for algorithm in keys_toolbox.algorithm_arguments():
        model = keys_toolbox.collect_keys(algorithm)
        defaults = {name: field.default for name, field in model.model_fields.items()}
        assert dict(model(**defaults)) == defaults


def own_algorithms():
    from semilearn.algorithms import name2alg

    every = {name: name2alg[name] for name in name2alg.keys()}  # noqa: SIM118 (no dict)
    return {n: kind for n, kind in every.items() if kind.__module__.startswith("dnll_plugin.")}


def test_every_own_key_of_our_algorithms_has_a_row():
    algorithms = own_algorithms()
    assert {"dnll_dual", "dnll_meanteacher", "lc_meanteacher", "shrinkmatch"} <= set(algorithms)
    for name, kind in algorithms.items():
        own = keys_toolbox.own_arguments(kind).keys()
        rows = keys.MethodKeys.model_fields.keys() | keys.RunKeys.model_fields.keys()
        assert own <= rows, name


def test_every_row_is_a_key_of_one_of_our_algorithms():
    declared = set().union(
        *(keys_toolbox.own_arguments(kind) for kind in own_algorithms().values())
    )
    assert keys.MethodKeys.model_fields.keys() <= declared


def test_a_default_stands_in_one_place():
    """Either in the table, or in `get_argument`."""
    for kind in own_algorithms().values():
        for name in keys_toolbox.own_arguments(kind):
            row = {**keys.RunKeys.model_fields, **keys.MethodKeys.model_fields}[name]
            assert row.is_required(), name


def test_ema_p_of_shrinkmatch_has_a_range(error):
    config = {**FIXMATCH, "algorithm": "shrinkmatch"}
    assert error(config, "ema_p=5").startswith("ema_p: must be a number from 0 to 1, got 5")


def test_a_sampler_added_later_is_a_choice_and_a_wrong_name_gets_the_nearest(
    resolve, error, monkeypatch
):
    from dnll_plugin.functional.negatives import NEGATIVE_SAMPLERS

    message = error(DUAL, "negative_sampling=least-likely")
    assert message.endswith("got 'least-likely'; did you mean 'least_likely'? (--set)")
    assert "below_average" in error(DUAL, "negative_sampling=mine")
    monkeypatch.setitem(NEGATIVE_SAMPLERS, "mine", NEGATIVE_SAMPLERS["uniform"])
    assert resolve(DUAL, "negative_sampling=mine").negative_sampling == "mine"


def test_negative_sources_are_those_of_the_algorithms():
    expected = {
        "dnll_dual": {"auto", "other", "self"},
        "dnll_meanteacher": {"auto", "student", "teacher"},
        "dnll_comatch": {"auto", "self"},
        "dnll_simmatch": {"auto", "self"},
    }
    every = ranges.choices_of(keys.MethodKeys.model_fields["negative_source"])
    arguments = keys_toolbox.algorithm_arguments()
    learning = [name for name in arguments if "negative_source" in arguments[name]]
    assert expected.keys() <= set(learning)
    for algorithm in learning:
        taken = {
            source
            for source in every
            if keys_checks.check_negative_source(
                {"algorithm": algorithm, "negative_source": source}
            )
            is None
        }
        assert taken == expected.get(algorithm, {"auto", "self", "peer"})


def test_an_algorithm_with_negatives_has_its_own_defaults_and_those_of_its_base(resolve):
    got, base = resolve(FIXMATCH, "algorithm=dnll_fixmatch"), resolve(FIXMATCH)
    assert got.values.keys() > base.values.keys()
    assert (got.negative_weight, got.negative_rampup, got.negative_late_epoch) == (1, 0, None)
    assert (got.negative_sampling, got.negative_loss) == ("below_average", "together")
    assert (got.num_negatives, got.p_cutoff) == (2, base.p_cutoff)


def test_a_file_of_another_algorithm_does_not_tune_ours(resolve):
    config = {**DUAL, "negative_weight": 75, "stable_threshold": 0.7}
    got = resolve(config, "algorithm=dnll_fixmatch")
    assert got.negative_weight == 1
    assert got.origins["negative_weight"] == "default"
    (note,) = [note for note in got.notes if note.startswith("negative_weight: ")]
    assert "dnll_fixmatch has its own defaults" in note
    assert resolve(config, "algorithm=dnll_fixmatch", "negative_weight=3").negative_weight == 3
    assert resolve(config, "algorithm=dnll_meanteacher").negative_weight == 75


def test_namespace_has_everything_that_the_toolbox_reads(resolve):
    root = Path(importlib.util.find_spec("semilearn").origin).parent
    files = [*root.glob("core/**/*.py"), *root.glob("datasets/cv_datasets/*.py")]
    read = {key for file in files for key in attributes_of_args(file)}
    set_by_the_toolbox = {"ulb_dest_len", "lb_dest_len", "__dict__"}
    namespace = resolve(FIXMATCH).namespace()
    assert len(read) > 40
    assert {key for key in read - set_by_the_toolbox if not hasattr(namespace, key)} == set()
    assert (namespace.resume, namespace.distributed, namespace.gpu) == (False, False, None)


@pytest.mark.parametrize("algorithm", ["fixmatch", "flexmatch", "dnll_dual", "dnll_meanteacher"])
def test_namespace_has_the_arguments_of_the_algorithm(resolve, algorithm):
    namespace = resolve({**FIXMATCH, "algorithm": algorithm}).namespace()
    assert vars(namespace).keys() >= keys_toolbox.algorithm_arguments()[algorithm].keys()
    assert namespace.algorithm == algorithm


def attributes_of_args(file):
    """The names read as ``args.name`` or ``….args.name`` in a source file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if getattr(owner, "id", None) == "args" or getattr(owner, "attr", None) == "args":
                yield node.attr
