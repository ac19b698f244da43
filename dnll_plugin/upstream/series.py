"""The patches, in order; each stands alone."""

from collections.abc import Callable, Iterable
from pathlib import Path

from dnll_plugin.upstream import algorithms
from dnll_plugin.upstream.edits import Edit, Patch
from dnll_plugin.upstream.rewrite import HEADER, TIMM_MODULES, upstream_files


def _only(*edits: Edit) -> Callable[[Path], Iterable[Edit]]:
    """Edits that nothing of the plugin goes into."""
    return lambda plugin: edits


_VIT = "semilearn/nets/vit/vit.py"
_MISC = "semilearn/core/utils/misc.py"
_BASE = "semilearn/core/algorithmbase.py"
_TRAINER = "semilearn/lighting/trainer.py"
_MEANTEACHER = "semilearn/algorithms/meanteacher/meanteacher.py"

TIMM_IMPORT = Patch(
    subject="Import timm's layers from where they are",
    what="""
`semilearn/nets/vit/vit.py` imports `timm.models.layers.helpers`, which timm 0.9 moved, so that
`import semilearn` fails with every timm of the last years. The layers are imported from
`timm.layers`, and from the old place where timm is older than that (`requirements.txt` says
`timm>=0.5.4`). See #131 and #239.
""",
    edits=_only(
        Edit(_VIT, "from timm.models.layers import DropPath, trunc_normal_\n", ""),
        Edit(
            _VIT,
            "from timm.models.layers.helpers import to_2tuple\n",
            "try:\n"
            "    from timm.layers import DropPath, to_2tuple, trunc_normal_\n"
            "except ImportError:  # timm < 0.9\n"
            "    from timm.models.layers import DropPath, to_2tuple, trunc_normal_\n",
        ),
    ),
)

SAFE_YAML = Patch(
    subject="Read config files with a safe YAML loader",
    what="""
ruamel.yaml 0.18 took `load()` away, so that no config file can be read with it. Besides, `Loader`
builds any Python object that a config file asks for: opening a config of somebody else could run
code. `YAML(typ='safe')` does neither, works with every ruamel.yaml that `requirements.txt` allows,
and reads the same values from the configs in `config/`. See #131 and #239.
""",
    edits=_only(
        Edit(_MISC, "import ruamel.yaml as yaml\n", "from ruamel.yaml import YAML\n"),
        Edit(
            _MISC,
            "dic = yaml.load(f.read(), Loader=yaml.Loader)",
            "dic = YAML(typ='safe', pure=True).load(f)",
        ),
    ),
    breaking="Config files with tags of Python objects (`!!python/...`) are refused. None in "
    "`config/` has any.",
)

MEANTEACHER_TEST = '''\
"""The consistency loss of MeanTeacher must compare the student with the teacher."""

import contextlib

import torch
from semilearn.algorithms.meanteacher import MeanTeacher
from semilearn.core.criterions import CELoss, ConsistencyLoss
from semilearn.core.utils import EMA, Bn_Controller


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x):
        return {'logits': self.fc(x), 'feat': x}


def meanteacher():
    """A MeanTeacher with what train_step needs, without data, hooks and config."""
    alg = MeanTeacher.__new__(MeanTeacher)
    alg.init(unsup_warm_up=0.4)
    alg.model = Net()
    alg.ema = EMA(alg.model, 0.999)
    alg.ema.register()
    alg.bn_controller = Bn_Controller()
    alg.ce_loss, alg.consistency_loss = CELoss(), ConsistencyLoss()
    alg.amp_cm = contextlib.nullcontext
    alg.lambda_u, alg.it, alg.num_train_iter = 1.0, 100, 100
    return alg


def test_student_learns_from_its_own_view():
    torch.manual_seed(0)
    alg = meanteacher()
    x_lb, x_ulb_w, x_ulb_s = torch.randn(3, 5, 4)
    out_dict, log_dict = alg.train_step(x_lb, torch.tensor([0, 1, 2, 0, 1]), x_ulb_w, x_ulb_s)
    # student and teacher see different views, so their predictions differ
    assert log_dict['train/unsup_loss'] > 0

    out_dict['loss'].backward()
    both = alg.model.fc.weight.grad.clone()
    alg.model.zero_grad()
    alg.ce_loss(alg.model(x_lb)['logits'], torch.tensor([0, 1, 2, 0, 1]), reduction='mean').backward()
    assert not torch.allclose(both, alg.model.fc.weight.grad)
'''  # noqa: E501

MEANTEACHER = Patch(
    subject="Let MeanTeacher's student take part in its consistency loss",
    what="""
`MeanTeacher.train_step` takes the student's logits from the teacher's output, so that the teacher
is compared with itself: the consistency loss is 0, without gradient, and the algorithm learns from
labels alone. (Release 0.3.2 on PyPI is right.) The test fails before this change.

Fixes #102, fixes #226
""",
    edits=_only(
        Edit(_MEANTEACHER, "logits_x_ulb_s = outs_x_ulb_w", "logits_x_ulb_s = outs_x_ulb_s"),
        Edit(_MEANTEACHER, "feats_x_ulb_s = outs_x_ulb_w", "feats_x_ulb_s = outs_x_ulb_s"),
    ),
    files=lambda plugin: {"tests/test_meanteacher.py": HEADER + MEANTEACHER_TEST},
)

TOP5 = Patch(
    subject="Evaluate data sets with few classes",
    what="""
`evaluate` computes a top-5 accuracy, which scikit-learn refuses for two classes, and for a test set
in which a class has no image. With up to 5 classes it is 1; otherwise scikit-learn is told how many
classes there are. See #78.
""",
    edits=_only(
        Edit(
            _BASE,
            "        top5 = top_k_accuracy_score(y_true, y_probs, k=5)\n",
            "        top5 = 1.0\n"
            "        if self.num_classes > 5:\n"
            "            top5 = top_k_accuracy_score(y_true, y_probs, k=5, "
            "labels=np.arange(self.num_classes))\n",
        ),
    ),
)

_HOOK = "self.algorithm.call_hook"
TRAINER = Patch(
    subject="Let Trainer.fit update the model",
    what="""
`Trainer.fit` runs `train_step`, but calls none of the hooks, among them the one that does backward
and the optimizer's step: no weight ever changes. It calls them now at the places where
`AlgorithmBase.train` does, as release 0.3.2 did. `get_config` calls mixed precision `amp`, as
`train.py` and `AlgorithmBase` do; with `use_amp` no algorithm can be built from it.

Fixes #211
""",
    edits=_only(
        Edit("semilearn/lighting/config.py", "'--use_amp'", "'--amp'"),
        Edit(_TRAINER, "get_logger, EMA\n", "get_logger\n"),
        Edit(
            _TRAINER,
            "        self.algorithm.model.train()\n\n        # EMA Init\n"
            "        self.algorithm.ema = EMA(self.algorithm.model, self.algorithm.ema_m)\n"
            "        self.algorithm.ema.register()\n",
            "        self.algorithm.loader_dict = {\n"
            "            'train_lb': train_lb_loader,\n"
            "            'train_ulb': train_ulb_loader,\n"
            "            'eval': eval_loader\n"
            "        }\n"
            "        self.algorithm.model.train()\n",
        ),
        Edit(
            _TRAINER,
            "        self.algorithm.best_epoch = 0\n",
            f'        self.algorithm.best_epoch = 0\n        {_HOOK}("before_run")\n',
        ),
        Edit(
            _TRAINER,
            "            self.algorithm.model.train()\n\n            for data_lb",
            "            self.algorithm.model.train()\n"
            f'            {_HOOK}("before_train_epoch")\n\n            for data_lb',
        ),
        Edit(
            _TRAINER,
            "                result = self.algorithm.train_step(",
            f'                {_HOOK}("before_train_step")\n'
            "                self.algorithm.out_dict, self.algorithm.log_dict = "
            "self.algorithm.train_step(",
        ),
        Edit(
            _TRAINER,
            "\n\n                bar.suffix",
            f'\n                {_HOOK}("after_train_step")\n\n                bar.suffix',
        ),
        Edit(
            _TRAINER,
            "            bar.finish()\n",
            f'            bar.finish()\n            {_HOOK}("after_train_epoch")\n',
        ),
    ),
    breaking="`use_amp` in a dict for `get_config` is now called `amp`.",
)

RESUME = Patch(
    subject="Do not overwrite a run that cannot be resumed",
    what="""
When a checkpoint cannot be loaded, `train.py` swallows the error, starts from scratch and
overwrites the run, which is lost. The error now ends the program. Since torch 2.6 every resume ran
into this: the best accuracy is saved as a numpy number, which `torch.load` refuses by default. It
is saved as a float.
""",
    edits=_only(
        Edit(
            "train.py",
            "        try:\n"
            "            model.load_model(args.load_path)\n"
            "        except:\n"
            '            logger.info("Fail to resume load path {}".format(args.load_path))\n'
            "            args.resume = False\n",
            "        # an error ends the program: going on would overwrite the run\n"
            "        model.load_model(args.load_path)\n",
        ),
        Edit(
            _BASE,
            "            'best_eval_acc': self.best_eval_acc,\n",
            "            'best_eval_acc': float(self.best_eval_acc),\n",
        ),
    ),
    breaking="A run whose checkpoint cannot be loaded ends with the error; remove the checkpoint, "
    "or set `resume: False`, to start from scratch.",
)

ALGORITHMS = Patch(
    subject="Add DNLL-Dual and DNLL-MeanTeacher",
    what="""
Learning from pseudo-negative labels (https://arxiv.org/abs/2301.03976): instead of leaving
unlabeled images with low confidence out, a submodel is told a few classes that such an image does
not belong to.

* `dnll_dual` trains two submodels, which are one module (`semilearn/nets/pair.py`), so that
  optimizer, EMA, DDP and checkpoints serve them unchanged. `eval.py --net dual_<net>` reads its
  checkpoints.
* `dnll_meanteacher` is Mean Teacher with the same loss.
* What both share is in `semilearn/algorithms/dnll_utils`: the losses and the choice of negatives as
  functions of tensors, and the hooks around them.
* Configs for the classic settings, their lines in the generator, the algorithm zoo, the change log.
""",
    edits=algorithms.edits,
    files=algorithms.files,
)

TIMM_NETS = Patch(
    subject="Take nets of timm by name",
    what="""
`net: timm_<model>` is any classification model of timm, and `net: timm_<model>@<size>` the same
with its first strides lowered for small images, e.g. `timm_resnet18@32` for CIFAR. They have the
interface of the other nets (`only_feat`, `only_fc`, `group_matcher`, `no_weight_decay`), so
layer-wise learning rate decay and `eval.py` work with them. These nets need timm 1.0.

Fixes #185
""",
    edits=_only(
        Edit(
            "semilearn/nets/__init__.py",
            "",
            "\n\ndef __getattr__(name):\n"
            '    """nets of timm: timm_<model>, or timm_<model>@<size of the images>"""\n'
            "    if name.startswith('timm_'):\n"
            "        from .timm_nets import timm_builder\n"
            "        return timm_builder(name[len('timm_'):])\n"
            "    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')\n",
        ),
    ),
    files=lambda plugin: {
        "semilearn/nets/timm_nets/__init__.py": HEADER + "from .timm_net import timm_builder\n",
        **upstream_files(plugin, TIMM_MODULES),
    },
)

SERIES = (TIMM_IMPORT, SAFE_YAML, MEANTEACHER, TOP5, TRAINER, RESUME, ALGORITHMS, TIMM_NETS)
