"""The patches that mend a mistake in the toolbox, or what newer packages broke."""

from dnll_plugin.upstream.edits import Edit, Patch

_VIT = "semilearn/nets/vit/vit.py"
_MISC = "semilearn/core/utils/misc.py"
_BASE = "semilearn/core/algorithmbase.py"
_CONFIG = "semilearn/lighting/config.py"
_TRAINER = "semilearn/lighting/trainer.py"
_MEANTEACHER = "semilearn/algorithms/meanteacher/meanteacher.py"

TIMM_IMPORT = Patch(
    subject="Import timm's layers from where they are",
    what="""
`semilearn/nets/vit/vit.py` imports `timm.models.layers.helpers`, which timm 0.9 moved, so that
`import semilearn` fails with every timm of the last years. The layers are imported from
`timm.layers`, and from the old place where timm is older than that (`requirements.txt` says
`timm>=0.5.4`). The test builds a vision transformer.
""",
    issues="About #131 and #239.",
    folder="timm_import",
    edits=(
        Edit(_VIT, "from timm.models.layers import DropPath, trunc_normal_\n", ""),
        Edit(
            _VIT,
            "from timm.models.layers.helpers import to_2tuple\n",
            "try:\n"
            "    from timm.layers import DropPath, to_2tuple, trunc_normal_\n"
            "except ImportError:  # timm < 0.9\n"
            "    from timm.models.layers import DropPath, trunc_normal_\n"
            "    from timm.models.layers.helpers import to_2tuple\n",
        ),
    ),
)

SAFE_YAML = Patch(
    subject="Read config files with a safe YAML loader",
    what="""
ruamel.yaml 0.18 took `load()` away, so that no config file can be read with it. Besides, `Loader`
builds any Python object that a config file asks for: opening a config of somebody else could run
code. `YAML(typ='safe')` does neither, works with every ruamel.yaml that `requirements.txt` allows,
and reads the same values from the configs in `config/`.
""",
    issues="About #131 and #239.",
    folder="safe_yaml",
    edits=(
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

MEANTEACHER = Patch(
    subject="Let MeanTeacher's student take part in its consistency loss",
    what="""
`MeanTeacher.train_step` takes the student's logits from the teacher's output, so that the teacher
is compared with itself: the consistency loss is 0, without gradient, and the algorithm learns from
labels alone. (Release 0.3.2 on PyPI is right.) The test fails before this change.
""",
    issues="Fixes #102, fixes #226.",
    folder="meanteacher",
    edits=(
        Edit(_MEANTEACHER, "logits_x_ulb_s = outs_x_ulb_w", "logits_x_ulb_s = outs_x_ulb_s"),
        Edit(_MEANTEACHER, "feats_x_ulb_s = outs_x_ulb_w", "feats_x_ulb_s = outs_x_ulb_s"),
    ),
)

TOP5 = Patch(
    subject="Evaluate data sets with few classes",
    what="""
`evaluate` computes a top-5 accuracy, which scikit-learn refuses for two classes, and for a test set
in which a class has no image. With up to 5 classes it is 1; otherwise scikit-learn is told how many
classes there are. The tests fail before this change.
""",
    issues="About #78.",
    folder="top5",
    edits=(
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

TRAINER = Patch(
    subject="Let Trainer.fit update the model",
    what="""
`Trainer.fit` runs `train_step`, but calls none of the hooks, among them the one that does backward
and the optimizer's step: no weight ever changes. It runs `AlgorithmBase.train` now, on the loaders
that it is given. So a notebook trains as `train.py` does, and reports the same accuracy, that of
the averaged (EMA) weights, at `num_eval_iter` and at the last iteration. The averaged model goes to
the GPU with the other one, where algorithms with a teacher need it.

`get_config` lacks `amp`, which algorithms read, so that none can be built from it: it is what
`use_amp` says, unless the dict has it. `distributed` is False, unless the dict has it.
""",
    issues="Fixes #211.",
    folder="trainer",
    edits=(
        Edit(
            _CONFIG,
            "    if args.save_name is None:\n",
            "    # what algorithms read\n"
            "    if not hasattr(args, 'amp'):\n"
            "        args.amp = args.use_amp\n"
            "    if not hasattr(args, 'distributed'):\n"
            "        args.distributed = False\n\n"
            "    if args.save_name is None:\n",
        ),
        Edit(_TRAINER, "from progress.bar import Bar\n", ""),
        Edit(
            _TRAINER,
            "import get_optimizer, get_cosine_schedule_with_warmup, get_logger, EMA\n",
            "import get_logger\n",
        ),
        Edit(
            _TRAINER,
            "        self.algorithm.model = self.algorithm.model.cuda(config.gpu)\n",
            "        self.algorithm.model = self.algorithm.model.cuda(config.gpu)\n"
            "        self.algorithm.ema_model = self.algorithm.ema_model.cuda(config.gpu)\n",
        ),
        Edit(
            _TRAINER,
            "        self.algorithm.model.train()\n\n        # EMA Init\n",
            "        self.algorithm.loader_dict = {\n"
            "            'train_lb': train_lb_loader,\n"
            "            'train_ulb': train_ulb_loader,\n"
            "            'eval': eval_loader\n"
            "        }\n"
            "        self.algorithm.it = 0\n"
            "        self.algorithm.best_it, self.algorithm.best_eval_acc = 0, 0.0\n"
            "        self.algorithm.train()\n\n"
            "        for key, item in self.algorithm.results_dict.items():\n"
            '            self.logger.info(f"{key}: {item}")\n',
            until="self.algorithm.best_eval_acc, self.algorithm.best_epoch))\n",
        ),
    ),
    breaking="`fit` logs what algorithms log, in place of a progress bar, and evaluates at "
    "`num_eval_iter` and not after each epoch.",
)

RESUME = Patch(
    subject="Do not overwrite a run that cannot be resumed",
    what="""
When a checkpoint cannot be loaded, `train.py` swallows the error, starts from scratch and
overwrites the run, which is lost. The error now ends the program.

Since torch 2.6 every resume ran into this: the best accuracy is saved as a numpy number, which
`torch.load` refuses by default. It is saved as a float, and checkpoints that hold a numpy number
are loaded, by `eval.py` too: `torch.load` is told that single numpy numbers are harmless, and stays
as strict otherwise.
""",
    folder="resume",
    edits=(
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
        Edit(
            _BASE,
            "        checkpoint = torch.load(load_path, map_location='cpu')\n",
            "        checkpoint = load_saved_model(load_path)\n",
        ),
        Edit(
            _BASE,
            "import get_dataset, get_data_loader, get_optimizer,",
            "import load_saved_model, get_dataset, get_data_loader, get_optimizer,",
        ),
        Edit(
            "eval.py",
            "    checkpoint = torch.load(checkpoint_path)\n",
            "    checkpoint = load_saved_model(checkpoint_path)\n",
        ),
        Edit(
            "eval.py",
            "import get_net_builder, get_dataset\n",
            "import get_net_builder, get_dataset, load_saved_model\n",
        ),
        Edit(_MISC, "import os\nimport torch\n", "import numpy as np\nimport os\nimport torch\n"),
        Edit(
            _MISC,
            "def send_model_cuda(",
            "def load_saved_model(path):\n"
            '    """\n'
            "    load what save_model saved, also with an accuracy that is a numpy number,\n"
            "    which torch.load refuses since torch 2.6 unless told that it is harmless\n"
            '    """\n'
            "    if hasattr(torch.serialization, 'add_safe_globals'):\n"
            "        scalar = np.float64(0).__reduce__()[0]\n"
            "        # numpy 1 and numpy 2 save it under different names\n"
            "        names = ('numpy.core.multiarray.scalar', "
            "'numpy._core.multiarray.scalar')\n"
            "        torch.serialization.add_safe_globals(\n"
            "            [(scalar, name) for name in names]\n"
            "            + [np.dtype, type(np.dtype(np.float32)), type(np.dtype(np.float64))])\n"
            "    return torch.load(path, map_location='cpu')\n\n\n"
            "def send_model_cuda(",
        ),
    ),
    breaking="A run whose checkpoint cannot be loaded ends with the error; remove the checkpoint, "
    "or set `resume: False`, to start from scratch.",
)

SOFTMATCH = Patch(
    subject="Let SoftMatch run in several processes",
    what="""
With more than one process, `SoftMatchWeightingHook.update` ends with "'SoftMatchWeightingHook'
object has no attribute 'concat_all_gather'": the function is imported, but called as a method. The
test, in two processes on the CPU, fails before this change.
""",
    folder="softmatch",
    edits=(
        Edit(
            "semilearn/algorithms/softmatch/utils.py",
            "= self.concat_all_gather(",
            "= concat_all_gather(",
        ),
    ),
)
