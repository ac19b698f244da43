"""Configs that the tests of the settings begin from."""

FIXMATCH = {
    **{"algorithm": "fixmatch", "dataset": "cifar10", "num_classes": 10, "num_labels": 40},
    **{"net": "wrn_28_2", "epoch": 4, "num_train_iter": 20, "lr": 0.03},
}
DUAL = {**FIXMATCH, "algorithm": "dnll_dual"}


def as_yaml(config):
    return "\n".join(
        f"{key}: {'null' if value is None else value}" for key, value in config.items()
    )
