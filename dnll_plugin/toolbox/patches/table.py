"""Every change that the plugin makes to the toolbox's behaviour, in one table with its reason.

A change is made once, when the toolbox is imported; it checks that what it replaces is there, and
leaves the toolbox alone where it is not needed.
"""

from dnll_plugin.toolbox.patches import additions, late, mends, no_cuda, packages, with_cuda
from dnll_plugin.toolbox.patches.change import Change


def _always() -> bool:
    return True


CHANGES: tuple[Change, ...] = (
    Change(
        "timm's helpers",
        "the newest toolbox imports timm.models.layers.helpers, which timm 0.9 moved",
        packages.lacks_timm_helpers,
        packages.provide_timm_helpers,
        before_import=True,
    ),
    Change(
        "packages for text, audio and trackers",
        "the toolbox imports them at its start, slowly, and fails where one of them does",
        _always,
        late.import_toolbox,  # so this row is the last of those before the import
        before_import=True,
    ),
    Change(
        "config files",
        "the toolbox reads them with ruamel.yaml's load(), which ruamel.yaml 0.18 took away",
        packages.lacks_yaml_load,
        packages.read_configs_safely,
    ),
    Change(
        "checkpoints",
        "the toolbox saves accuracies as numpy numbers, which torch.load refuses since torch 2.6",
        packages.refuses_numpy_numbers,
        packages.allow_numpy_numbers,
    ),
    Change(
        "nets by name",
        "the toolbox looks nets up in semilearn.nets, which knows a dozen",
        _always,
        additions.add_nets,
    ),
    Change(
        "more data sets",
        "the toolbox's get_dataset is a fixed chain that returns None for a name it does not know",
        _always,
        additions.add_data_sets,
    ),
    Change(
        "no CUDA",
        "the toolbox at work calls .cuda(), CUDA's events and synchronize, and places no model",
        no_cuda.there_is_no_cuda,
        no_cuda.run_on_the_host,
    ),
    Change(
        "batches on their way",
        "the toolbox waits for the copy of each tensor of a batch, from page-locked memory too",
        with_cuda.batches_are_waited_for,
        with_cuda.send_batches_without_waiting,
    ),
    Change(
        "train.py without a GPU",
        "the toolbox's train.py divides by the number of CUDA devices, or trains on none of them",
        no_cuda.train_py_cannot_run,
        no_cuda.point_to_dnll_train,
    ),
    Change(
        "top-5 accuracy with few classes",
        "the newest toolbox's evaluate fails with 2 classes, or with a class not in the test set",
        mends.has_top5,
        mends.rate_few_classes,
    ),
    Change(
        "Mean Teacher's student",
        "the newest toolbox's MeanTeacher takes the student's logits from the teacher's output",
        mends.student_is_ignored,
        mends.let_the_student_learn,
    ),
    Change(
        "SequenceMatch's features",
        "the newest toolbox's SequenceMatch ends each step with a name that it never sets",
        mends.features_are_unnamed,
        mends.name_the_features,
    ),
    Change(
        "SoftMatch in several processes",
        "the toolbox's SoftMatch gathers predictions by a method that its hook does not have",
        mends.softmatch_cannot_gather,
        mends.let_softmatch_gather,
    ),
    Change(
        "SimMatch in bfloat16",
        "the toolbox's SimMatch mixes dtypes where autocast leaves softmax in half precision",
        mends.has_simmatch,
        mends.let_simmatch_use_bfloat16,
    ),
    Change(
        "CRMatch's feature maps",
        "the toolbox's CRMatch flattens them by view(), which the layout channels_last forbids",
        mends.feature_maps_are_viewed,
        mends.let_crmatch_flatten,
    ),
    Change(
        "Trainer.fit",
        "the newest toolbox's Trainer.fit never calls the hooks that do backward and step",
        mends.fit_updates_nothing,
        mends.let_fit_train,
    ),
    Change(
        "Trainer's teacher",
        "the toolbox's Trainer leaves the averaged model, which teachers need, on the host",
        mends.teacher_stays_on_host,
        mends.move_the_teacher,
    ),
    Change(
        "keys of get_config",
        "the toolbox's get_config lacks distributed and, the newest, amp; Trainer needs a gpu",
        _always,
        mends.complete_get_config,
    ),
)


def make_changes(before_import: bool, changes: tuple[Change, ...] = CHANGES) -> list[str]:
    """Makes the changes that are needed.

    Args:
        before_import: Those that must be made before the toolbox is imported, or the others.
        changes: The table.

    Returns:
        The names of those that were made.
    """
    made = []
    for change in changes:
        if change.before_import == before_import and change.needed():
            change.make()
            made.append(change.name)
    return made
