"""The patches that add something: DNLL's algorithms, and the nets of timm."""

from dnll_plugin.upstream.edits import Edit, Patch
from dnll_plugin.upstream.rewrite import TIMM_MODULES

_NETS = "semilearn/nets/__init__.py"
_PAPER = "https://arxiv.org/abs/2301.03976"
_VIEWS_OF = "self.alg == 'pimodel' or self.alg == 'meanteacher' or self.alg == 'mixmatch'"

ALGORITHMS = Patch(
    subject="Add DNLL-Dual and DNLL-MeanTeacher",
    what=f"""
Learning from pseudo-negative labels ({_PAPER}): instead of leaving unlabeled images with low
confidence out, a model is told a few classes that such an image does not belong to.

* `dnll_dual` trains two submodels, which are one net, `dual_<net>` (`semilearn/nets/dual`), so that
  optimizer, EMA, DDP and checkpoints serve them unchanged, and `eval.py --net dual_<net>` reads its
  checkpoints. The top-1 accuracy is that of the ensemble, those of both submodels stand beside it.
* `dnll_meanteacher` is Mean Teacher with the same loss.
* Both share a loss in `core/criterions` and a hook in `algorithms/hooks`, and take two weak views
  of an unlabeled image, as Mean Teacher does.

To train it, take any config of FixMatch and set `algorithm: dnll_meanteacher`, or
`algorithm: dnll_dual` with `net: dual_<net>`. What differs from the paper: its nets have two heads,
and with the single head of USB's nets its weights are too large, so that the defaults are a tenth
of them. As in the authors' code both submodels learn at each iteration.

Results so far are of small nets with two heads, the paper's weights and short runs (1,000 to 1,500
steps on a CPU), by another implementation of the same losses. Test error in percent, mean and
standard deviation of three seeds:

| data | augmentation | FixMatch | DNLL-Dual, one submodel | DNLL-MeanTeacher |
| --- | --- | --- | --- | --- |
| MNIST, 20 labels | none | 68.43 ± 10.46 | 48.31 ± 6.28 | 52.25 ± 3.07 |
| MNIST, 20 labels | weak and strong | 19.91 ± 9.14 | 37.27 ± 3.74 | 33.62 ± 8.45 |
| CIFAR-10 (JPEG), 250 labels | weak and strong | 62.73 ± 1.32 | 62.46 ± 0.21 | 62.09 ± 0.54 |

They are better than FixMatch where there is no augmentation, and not where there is strong
augmentation. USB's own settings of a million steps have not been run, so there are no configs and
no log here. Only images were tried, not texts and sounds, and no imbalanced algorithm.

New files carry the repository's copyright line; the CLA is for the sender of the pull request to
sign.
""",
    folder="algorithms",
    documented=True,
    edits=(
        Edit(
            "semilearn/core/utils/registry.py",
            "'refixmatch', 'multimatch']",
            f"'refixmatch', 'multimatch',\n{' ' * 30}'dnll_dual', 'dnll_meanteacher']",
        ),
        Edit(
            "semilearn/core/criterions/__init__.py",
            "",
            "from .negative_label import negative_label_loss\n",
        ),
        Edit(
            "semilearn/algorithms/hooks/__init__.py",
            "",
            "from .negative_label import NegativeLabelHook, sigmoid_rampup\n",
        ),
        Edit(
            "semilearn/datasets/cv_datasets/datasetbase.py",
            f"elif {_VIEWS_OF}:",
            "elif self.alg in ['pimodel', 'meanteacher', 'mixmatch', 'dnll_dual', "
            "'dnll_meanteacher']:",
        ),
        Edit(
            _NETS,
            "from .resnet import resnet50\n",
            "from .dual import dual_builder\nfrom .resnet import resnet50\n",
        ),
        Edit(
            "semilearn/core/utils/build.py",
            "        builder = getattr(nets, net_name)\n",
            "        if net_name.startswith('dual_'):\n"
            "            # two networks in one, for dnll_dual and to evaluate its checkpoints\n"
            "            return nets.dual_builder(get_net_builder(net_name[len('dual_'):], "
            "from_name))\n"
            "        builder = getattr(nets, net_name)\n",
        ),
        Edit(
            "docs/algorithm_zoo.md",
            "",
            f"18. [DNLL-Dual]({_PAPER}): trains two submodels (`net: dual_<net>`) that tell each "
            "other which classes an unlabeled image does not belong to (pseudo-negative labels), "
            "so that images with low-confidence predictions are used too.\n"
            f"19. [DNLL-MeanTeacher]({_PAPER}): is Mean Teacher whose student also learns "
            "pseudo-negative labels on every unlabeled image.\n",
        ),
        Edit(
            "CHANGE_LOG.md",
            "# Change Log\n\n",
            "# Change Log\n\n* Added DNLL-Dual and DNLL-MeanTeacher, which learn from "
            "pseudo-negative labels.\n",
        ),
    ),
)

TIMM_NETS = Patch(
    subject="Take nets of timm by name",
    what="""
`net: timm_<model>` is any classification model of timm, and `net: timm_<model>@<size>` the same
with its first strides lowered for small images, e.g. `timm_resnet18@32` for CIFAR. They have the
interface of the other nets (`only_feat`, `only_fc`, `group_matcher`, `no_weight_decay`), so that
layer-wise learning rate decay and `eval.py` work with them.

These nets need timm 1.0.11 or newer, which an older timm is answered with; everything else works
with the older timm that `requirements.txt` allows.
""",
    issues="Fixes #185.",
    folder="timm_nets",
    modules=TIMM_MODULES,
    edits=(
        Edit(
            _NETS,
            "",
            "\n\ndef __getattr__(name):\n"
            '    """nets of timm: timm_<model>, or timm_<model>@<size of the images>"""\n'
            "    if name.startswith('timm_'):\n"
            "        from .from_timm import timm_builder\n"
            "        return timm_builder(name[len('timm_'):])\n"
            "    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')\n",
        ),
    ),
)
