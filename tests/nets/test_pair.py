"""The pair of submodels and the input noise."""

import copy
import pickle

import pytest
import torch
import torch.distributed as dist
from torch import nn

from dnll_plugin.nets.cnn import cnn3
from dnll_plugin.nets.pair import SubmodelPair, pair_builder, with_input_noise


class OneHead(nn.Module):
    """A net with one head, less deep than CNN-3 and of another width."""

    num_features = 5

    def __init__(self, num_classes=4):
        super().__init__()
        self.conv = nn.Conv2d(3, self.num_features, 3)
        self.fc = nn.Linear(self.num_features, num_classes)

    def forward(self, x, only_fc=False, only_feat=False):
        if only_fc:
            return self.fc(x)
        feat = self.conv(x).mean(dim=(2, 3))
        return feat if only_feat else {"logits": self.fc(feat), "feat": feat}

    def group_matcher(self, coarse=False, prefix=""):
        return {"stem": f"^{prefix}conv"}

    def no_weight_decay(self):
        return ["conv.bias"]


def one_head(num_classes, pretrained=False, pretrained_path=None):
    return OneHead(num_classes)


BUILDERS = {
    "same": pair_builder(cnn3, cnn3),
    "different": pair_builder(cnn3, one_head),
    "one head": pair_builder(one_head, one_head),
}


@pytest.fixture(params=BUILDERS)
def pair(request):
    return BUILDERS[request.param](num_classes=4)


@pytest.fixture
def images():
    return torch.randn(3, 3, 28, 28)


def test_ensemble_is_the_mean_of_the_logits(pair, images):
    out = pair.eval()(images)
    left, right = pair.left(images), pair.right(images)
    assert torch.equal(out["logits_left"], left["logits"])
    assert torch.equal(out["logits_right"], right["logits"])
    torch.testing.assert_close(out["logits"], (left["logits"] + right["logits"]) / 2)
    assert torch.equal(out["feat"], torch.cat([left["feat"], right["feat"]], dim=1))
    assert out["feat"].shape == (3, pair.num_features)


def test_evaluation_in_two_steps_agrees(pair, images):
    pair.eval()
    feat = pair(images, only_feat=True)
    out = pair(images)
    assert torch.equal(feat, out["feat"])
    torch.testing.assert_close(pair(feat, only_fc=True), out["logits"])


@pytest.mark.parametrize("sides", [("left",), ("right",), ("left", "right")])
def test_mapping_runs_each_submodel_on_its_own_batch(pair, sides):
    pair.eval()
    batches = {side: torch.randn(n, 3, 28, 28) for n, side in enumerate(sides, start=1)}
    out = pair(batches)
    assert list(out) == list(sides)
    for side in sides:
        expected = getattr(pair, side)(batches[side])
        assert out[side].keys() == expected.keys()
        assert all(torch.equal(out[side][key], expected[key]) for key in expected)


def test_heads_of_a_submodel_are_passed_through(images):
    pair = BUILDERS["different"](num_classes=4)
    out = pair({"left": images, "right": images})
    assert "logits_cons" in out["left"]
    assert "logits_cons" not in out["right"]


def test_submodels_start_from_different_weights():
    pair = BUILDERS["same"](num_classes=4)
    assert not torch.equal(pair.left.classifier.weight, pair.right.classifier.weight)


def test_only_the_submodel_that_ran_gets_a_gradient(pair, images):
    pair({"left": images})["left"]["logits"].square().sum().backward()
    assert any(p.grad is not None for p in pair.left.parameters())
    assert all(p.grad is None for p in pair.right.parameters())


def test_copies_and_checkpoints(pair, images):
    pair.eval()
    clone = copy.deepcopy(pair)
    assert torch.equal(clone(images)["logits"], pair(images)["logits"])
    with torch.no_grad():
        for p in clone.parameters():
            p.add_(0.1)
    assert not torch.equal(clone(images)["logits"], pair(images)["logits"])
    state = pair.state_dict()
    assert {key.split(".")[0] for key in state} == {"left", "right"}
    clone.load_state_dict(state)
    assert torch.equal(clone(images)["logits"], pair(images)["logits"])


def test_pickles(images):
    pair = BUILDERS["one head"](num_classes=4)
    clone = pickle.loads(pickle.dumps(pair))
    assert torch.equal(clone(images)["logits"], pair(images)["logits"])


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_layers_are_counted_from_the_heads_of_both_submodels(prefix):
    from semilearn.nets.utils import group_with_matcher

    pair = BUILDERS["different"](num_classes=4)
    names = [f"{prefix}{name}" for name, _ in pair.named_parameters()]
    matcher = pair.group_matcher(prefix=prefix)
    layers = group_with_matcher(((n, n) for n in names), matcher, reverse=True)
    assert layers[f"{prefix}left.classifier.bias"] == layers[f"{prefix}right.fc.bias"] == 3
    assert layers[f"{prefix}left.stages.2.0.norm.bias"] == layers[f"{prefix}right.conv.bias"] == 2
    assert layers[f"{prefix}left.stages.0.0.norm.bias"] == 0
    assert set(layers) == set(names)


@pytest.mark.parametrize("layer_decay", [1.0, 0.75])
def test_moves_through_the_toolboxs_optimizer(pair, images, layer_decay):
    from semilearn.core.utils import get_optimizer

    optimizer = get_optimizer(pair, "SGD", lr=0.1, weight_decay=0.1, layer_decay=layer_decay)
    before = copy.deepcopy(pair.state_dict())
    out = pair({"left": images, "right": images})
    sum(side[key].square().sum() for side in out.values() for key in side).backward()
    optimizer.step()
    after = pair.state_dict()
    assert all(
        not torch.equal(before[name], after[name])
        for name, p in pair.named_parameters()
        if p.ndim > 1
    )


def test_weight_decay_exempts_what_the_submodels_exempt():
    pair = BUILDERS["different"](num_classes=4)
    exempt = pair.no_weight_decay()
    assert exempt == {f"left.{n}" for n in pair.left.no_weight_decay()} | {"right.conv.bias"}
    assert exempt <= {name for name, _ in pair.named_parameters()}


def test_both_calls_pass_through_ddp(images, tmp_path):
    dist.init_process_group("gloo", f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        pair = SubmodelPair(OneHead(), OneHead())
        model = nn.parallel.DistributedDataParallel(
            pair, broadcast_buffers=False, find_unused_parameters=True
        )
        model({"right": images})["right"]["logits"].sum().backward()
        assert all(p.grad is None for p in pair.left.parameters())
        assert all(p.grad is not None for p in pair.right.parameters())
        assert torch.equal(model(images)["logits"], pair(images)["logits"])
    finally:
        dist.destroy_process_group()


class Echo(nn.Module):
    """A net that returns what reaches it."""

    def forward(self, x, only_fc=False, only_feat=False):
        return x


def echo(num_classes, pretrained=False, pretrained_path=None):
    net = Echo()
    net.num_features = 1
    return net


def test_noise_is_for_images_in_training_only():
    net = with_input_noise(echo, std=0.3)(num_classes=4)
    image, feat = torch.zeros(2, 3, 40, 40), torch.zeros(2, 5)
    for each in (net, copy.deepcopy(net)):
        assert each.train()(image).std().item() == pytest.approx(0.3, rel=0.05)
        assert torch.equal(each(feat, only_fc=True), feat)
        assert torch.equal(each.eval()(image), image)
    assert image.count_nonzero() == 0


def test_noise_does_not_depend_on_the_memory_layout():
    net = with_input_noise(echo, std=0.3)(num_classes=4).train()
    noise = []
    for layout in (torch.contiguous_format, torch.channels_last):
        image = torch.zeros(2, 3, 8, 6).to(memory_format=layout)
        torch.manual_seed(0)
        noise.append(net(image))
        assert noise[-1].is_contiguous(memory_format=layout)
    assert torch.equal(*noise)


def test_noise_replaces_the_nets_own():
    net = with_input_noise(cnn3, std=0.0)(num_classes=4)
    seen = []
    net.stages.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    image = torch.randn(2, 3, 28, 28)
    net(image)
    assert torch.equal(seen[0], image)


def test_submodels_of_a_pair_draw_their_own_noise():
    pair = with_input_noise(pair_builder(echo, echo), std=0.3)(num_classes=4)
    image = torch.zeros(2, 3, 40, 40)
    out = pair({"left": image, "right": image})
    assert not torch.equal(out["left"], out["right"])
    for noisy in out.values():
        assert noisy.std().item() == pytest.approx(0.3, rel=0.05)


def test_noise_leaves_the_state_dict_alone():
    assert with_input_noise(cnn3, 0.3)(num_classes=4).state_dict().keys() == (
        cnn3(num_classes=4).state_dict().keys()
    )
