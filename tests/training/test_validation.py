from types import SimpleNamespace

import pytest

from dnll_plugin.training import validation


def algorithm(**changes):
    made = SimpleNamespace(
        args=SimpleNamespace(early_stopping=2, dataset="some"),
        it=0,
        num_train_iter=100,
        num_eval_iter=10,
        best_it=0,
        best_eval_acc=0.0,
        log_dict={},
    )
    vars(made).update(changes)
    return made


@pytest.mark.parametrize(
    ("done", "best_it", "worse"),
    [(10, 9, 0), (20, 9, 1), (30, 9, 2), (29, 9, 1), (30, 19, 1), (10, 0, 1), (15, 0, 1)],
)
def test_evaluations_since_the_best_are_counted(done, best_it, worse):
    assert validation.count_worse(done, best_it, 10) == worse


def test_a_run_ends_after_evaluations_without_improvement():
    accuracies = iter([0.5, 0.7, 0.7, 0.6, 0.9])
    run = algorithm(evaluate=lambda name: {f"{name}/top-1-acc": next(accuracies)})
    for step in (10, 20, 30, 40):
        run.it = step - 1
        assert run.num_train_iter == 100
        validation.validate(run)
    assert (run.best_it, run.best_eval_acc, run.num_train_iter) == (19, 0.7, 40)
    assert run.log_dict == {"val/top-1-acc": 0.6}


def test_without_the_key_a_run_never_ends_early():
    run = algorithm(args=SimpleNamespace(early_stopping=0))
    validation.end_early(run, 90)
    assert run.num_train_iter == 100


def test_a_resumed_run_that_had_ended_stays_ended_and_others_go_on():
    ended, going = algorithm(best_it=19), algorithm(best_it=19)
    validation.end_early(ended, 40)
    validation.end_early(going, 39)
    assert (ended.num_train_iter, going.num_train_iter) == (40, 100)


def test_the_test_set_is_named_eval():
    sets = {"eval": "validation images", "test": "test images", "train_lb": "labeled"}
    run = algorithm(dataset_dict=dict(sets), loader_dict=dict(sets))
    validation.name_validation(run)
    assert run.loader_dict == {"val": sets["eval"], "eval": sets["test"], "train_lb": "labeled"}
    assert (run.dataset_dict["val"], run.dataset_dict["eval"]) == (sets["eval"], sets["test"])
