"""Every algorithm on the counterfeit device: devices and dtypes fit, waits and launches are few."""

import pytest

from dnll_plugin.algorithms.table import OWN_ALGORITHMS

pytestmark = pytest.mark.slow

DIGITS = ("dataset=digits", "num_labels=20", "num_workers=0", "device=cuda")
SMALL = ("img_size=8", "batch_size=6", "uratio=2")
TWO_HEADS, ONE_HEAD, WRN = "net=cnn3", "net=cnn3_one_head", ("net=wrn_28_2", "img_size=32")
ON_DEVICE, AMP = "data_on=device", "amp=true"

OWN = [row for row in OWN_ALGORITHMS.values() if not row.newest_only]
TOOLBOX = (
    *("fullysupervised", "supervised", "pseudolabel", "pimodel", "meanteacher", "vat", "mixmatch"),
    *("uda", "fixmatch", "flexmatch", "remixmatch", "comatch", "simmatch", "dash"),
    *("adamatch", "freematch", "softmatch", "defixmatch"),
)
"""Those with the loop of all; CRMatch, which has its own, is in test_runs.py."""

PUBLISHED = "pseudo_labels=false"
OPEN_SET = ("ood_classes=3", "num_classes=7", "ulb_ood=0.2", "num_labels=14")

DUAL = {
    "pseudo-labels, alternate": ("pseudo_labels=true", "roles=alternate"),
    "pseudo-labels, self": ("pseudo_labels=true", "negative_source=self"),
    "pseudo-labels, two labeled views": ("pseudo_labels=true", "lb_views=2"),
    "published": (),
    "published, amp": (AMP,),
    "published, on device": (ON_DEVICE,),
    "alternate": ("roles=alternate",),
    "alternate, amp": ("roles=alternate", AMP),
    "alternate, two labeled views": ("roles=alternate", "lb_views=2"),
    "on device, two labeled views": (ON_DEVICE, "lb_views=2"),
    "one head": (ONE_HEAD,),
    "one head, alternate": (ONE_HEAD, "roles=alternate"),
    **{
        sampling: (f"negative_sampling={sampling}", "negative_loss=together")
        for sampling in ("without_replacement", "least_likely", "below_average", "beyond_top_k")
    },
    "kl": ("consistency_type=kl",),
    "no cat": ("use_cat=false",),
    "channels_last": ("channels_last=true",),
    "channels_last, amp": ("channels_last=true", AMP),
    "noise": ("input_noise=0.1", "channels_last=true"),
    "self": ("negative_source=self",),
    "clipped": ("clip_grad=1.0",),
    "AdamW": ("optim=AdamW",),
    "cnn13": ("net=cnn13", "img_size=32"),
    "wrn": WRN,
    "timm": ("net=timm_resnet18@32", "img_size=32"),
    "another right": ("net_right=cnn13_one_head", "img_size=32"),
    "ood": OPEN_SET,
    "toolbox's hooks": ("fast_hooks=false",),
}
"""Options of ``dnll_dual``, as published where not said otherwise."""

OTHERS = {
    "student generates": ("algorithm=dnll_meanteacher", "negative_source=student"),
    "published, student": ("algorithm=dnll_meanteacher", PUBLISHED),
    "published, teacher": ("algorithm=dnll_meanteacher", PUBLISHED, "negative_source=teacher"),
    "clustering, relative": ("algorithm=lc_meanteacher", "clustering_threshold_type=relative"),
    "shrinkmatch, hard": ("algorithm=shrinkmatch", ONE_HEAD, "certain_target=hard"),
    "shrinkmatch, average": ("algorithm=shrinkmatch", ONE_HEAD, "alignment=average"),
    "shrinkmatch, raw": ("algorithm=shrinkmatch", ONE_HEAD, "shrink_by=raw", "alignment=none"),
    "shrinkmatch, all rows": ("algorithm=shrinkmatch", ONE_HEAD, "auxiliary_rows=all"),
}

NEEDS_WRN = ("comatch", "simmatch")


def default_net(name: str) -> tuple[str, ...]:
    if any(word in name for word in NEEDS_WRN):
        return WRN
    return (TWO_HEADS,) if name.endswith(("dual", "meanteacher")) else (ONE_HEAD,)


def list_own_cases() -> dict[str, tuple[str, ...]]:
    cases = {}
    for row in OWN:
        unknown = OPEN_SET if row.open_set else ()
        made = (f"algorithm={row.name}", *default_net(row.name), *unknown)
        cases |= {row.name: made, f"{row.name}, on device": (*made, ON_DEVICE)}
        cases[f"{row.name}, amp"] = (*made, AMP)
        if "peer" in row.negative_sources:
            cases[f"{row.name}, peer"] = (*made, "negative_source=peer")
    cases |= {
        f"dnll_dual, {name}": ("algorithm=dnll_dual", TWO_HEADS, PUBLISHED, *own)
        for name, own in DUAL.items()
    }
    return cases | {name: (TWO_HEADS, *own) for name, own in OTHERS.items()}


OWN_CASES = list_own_cases()
TOOLBOX_CASES = {
    f"{name}, amp" if amp else name: (f"algorithm={name}", *default_net(name), *amp)
    for name in TOOLBOX
    for amp in ((), (AMP,))
}


@pytest.fixture(scope="module")
def results(work):
    cases = OWN_CASES | TOOLBOX_CASES
    jobs = [{"settings": [*DIGITS, *SMALL, *settings]} for settings in cases.values()]
    return dict(zip(cases, work(jobs)[0], strict=True))


WAITS_LEFT = {"dnll_comatch": 3, "dnll_simmatch": 3, "dnll_freematch": 4}
"""In a step, of the toolbox's hooks and losses: places in a queue, counts and rows of a mask."""


@pytest.mark.parametrize("case", OWN_CASES)
def test_nothing_waits_between_log_steps(results, case):
    """Counted by the runtime, and where nothing was counted looked for by torch's debug mode."""
    result = results[case]
    assert "error" not in result, result["error"]
    left = WAITS_LEFT.get(case.partition(",")[0], 0)
    of_scaler = int(AMP in OWN_CASES[case])
    assert result["waits"] == {"load": 0, "process_batch": 0, "iteration": left + of_scaler}
    assert result["raised"] == {}, result["raised"]


@pytest.mark.parametrize("case", TOOLBOX_CASES)
def test_the_toolboxs_algorithms_step(results, case):
    result = results[case]
    assert "error" not in result, result["error"]
    assert result["waits"]["load"] == result["waits"]["process_batch"] == 0
    assert result["raised"] == {}, result["raised"]


LAUNCHES = {
    "dnll_dual, published": (196, 301, 321),
    "dnll_dual, published, amp": (264, 369, 389),
    "dnll_dual, alternate": (160, 255, 275),
    "dnll_dual, one head": (174, 264, 284),
    "dnll_dual, one head, alternate": (145, 226, 246),
    "dnll_dual, wrn": (728, 818, 846),
    "published, student": (132, 188, 208),
    "dnll_dual": (170, 235, 255),
    "dnll_meanteacher": (91, 139, 159),
    "dnll_meanteacher, amp": (132, 183, 203),
    "dnll_fixmatch": (67, 129, 149),
    "dnll_flexmatch": (67, 159, 179),
    "shrinkmatch": (100, 180, 200),
    "fullmatch": (67, 188, 208),
    "fixmatch": (67, 95, 115),
    "flexmatch": (67, 125, 145),
}
"""Launches of floor, step and iteration, as in the table of docs/performance.md."""


@pytest.mark.parametrize("case", LAUNCHES)
def test_launches_do_not_grow(results, case):
    floor, step, iteration = LAUNCHES[case]
    found = results[case]["launches"]
    assert found["step"] - found["floor"] <= step - floor, found
    assert found["iteration"] - found["step"] <= iteration - step, found
