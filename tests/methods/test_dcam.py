import numpy as np
import pytest
import torch

from untaught.batch import Batch
from untaught.methods.dcam import Dcam
from untaught.methods.stfpm import Stfpm
from untaught.metrics.auroc import auroc

SMALL = {"image_size": 64}
PLAIN = {"training": {"hard": 0.0}, "raw_weight": 0.0}


def make(preset="lite", **settings):
    torch.manual_seed(0)
    return Dcam(Dcam.configure(preset, **{**SMALL, **settings}), untrained=True)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def levels(batch=2, scale=1.0):
    return [scale * torch.randn(batch, channels, size, size) for channels, size in ((24, 8), (40, 4), (112, 2))]


def batch_of(method, image):
    with torch.no_grad():
        return Batch(torch.arange(len(image)), image, method.frozen(image))


@pytest.fixture(scope="module")
def paper():
    return make("paper").eval()


@pytest.fixture(scope="module")
def lite():
    return make().eval()


@pytest.mark.parametrize(("kind", "parameters"), [("channel", 21_504), ("spatial", 294), ("both", 21_798)])
def test_parameters_of_the_gates_and_of_the_truncated_student(kind, parameters):
    with torch.device("meta"):
        method = make("paper", attention=kind)
    assert count(method.gates) == parameters
    assert count(method.student) == count(method.teacher) == 2_782_784


def test_paper_has_the_papers_constants(paper):
    (stage,) = paper.stages()
    group = stage.optimizer(stage.parameters).param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.9, 1e-4)
    assert (stage.epochs, stage.steps, stage.batch_size, stage.decay, stage.plateau) == (400, None, 32, 0, None)
    assert {id(part) for part in paper.gates.parameters()} <= {id(part) for part in stage.parameters}
    config = Dcam.configure("paper")
    assert (config.backbone, config.image_size, config.levels) == ("resnet18.tv_in1k", 256, (4, 8, 16))
    assert (config.attention, config.reduction, config.cd, config.entropy, config.temperature) == (
        "channel",
        8,
        "channel",
        1.0,
        4.0,
    )


def test_the_papers_loss_step_by_step(paper):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        target, student = paper.teacher(image), paper.student(image)
        cosine = entropy = 0.0
        for t, s, (gates,) in zip(target, student, paper.gates, strict=True):
            squeeze, open_ = gates.shared[0].weight.flatten(1), gates.shared[2].weight.flatten(1)
            pooled = (s.mean((2, 3)), s.amax((2, 3)))
            gate = torch.sigmoid(sum(torch.relu(vector @ squeeze.T) @ open_.T for vector in pooled))
            r = gate[:, :, None, None] * s
            cosine += (1 - (t * r).sum(1) / (t.norm(dim=1) * r.norm(dim=1))).mean().item()
            p, q = (torch.softmax(x.flatten(2) / 4, 2) for x in (t, r))
            entropy += (p * (p / q).log()).sum((1, 2)).mean().item() / t.shape[1]
        losses = paper.loss(batch_of(paper, image))
    assert losses["cosine"].item() == pytest.approx(cosine, rel=1e-4)
    assert losses["entropy"].item() == pytest.approx(entropy, rel=1e-3, abs=1e-6)
    assert losses["attend"].item() == pytest.approx(cosine + entropy, rel=1e-4)
    assert "raw" not in losses


def test_the_papers_map_step_by_step():
    paper, image = make("paper", image_size=256).eval(), torch.rand(1, 3, 256, 256)
    options = {"mode": "bilinear", "align_corners": False}
    with torch.no_grad():
        summed = torch.zeros(1, 1, 64, 64)
        for t, s in zip(paper.teacher(image), paper.student(image), strict=True):
            d = 1 - (t * s).sum(1) / (t.norm(dim=1) * s.norm(dim=1))
            summed += torch.nn.functional.interpolate(d[:, None], (64, 64), **options)
        expected = torch.nn.functional.interpolate(summed, (256, 256), **options)[:, 0]
        map_, score = paper(image)
    assert torch.allclose(map_, expected, atol=1e-5)
    assert torch.equal(score, map_.flatten(1).amax(1))


@pytest.mark.parametrize("keep", [False, True])
def test_the_exported_graph_holds_gates_only_where_they_are_kept(keep):
    method, image = make(keep_attention=keep, levels=(8,), map={"weights": ()}).eval(), torch.rand(1, 3, 32, 32)
    program = torch.onnx.export(method, (image,), dynamo=True, verbose=False)
    names = [item.name for item in program.model_proto.graph.initializer]
    assert any("student" in name for name in names)
    assert any("gates" in name for name in names) is keep
    before = method(image)
    with torch.no_grad():
        for parameter in method.gates.parameters():
            parameter.normal_()
        after = method(image)
    assert torch.equal(before[0], after[0]) is not keep
    assert torch.equal(before[1], after[1]) is not keep


def test_the_exported_graph_is_that_of_stfpm_so_that_an_image_takes_as_long():
    image = torch.rand(1, 3, 32, 32)
    graphs = []
    for kind in (Dcam, Stfpm):
        method = kind(kind.configure(image_size=32, levels=(8,), map={"weights": ()}), untrained=True).eval()
        nodes = torch.onnx.export(method, (image,), dynamo=True, verbose=False).model_proto.graph
        weights = sorted((tuple(item.dims), item.data_type) for item in nodes.initializer)
        graphs.append(([node.op_type for node in nodes.node], weights))
    assert graphs[0] == graphs[1]
    assert len(graphs[0][0]) > 20


@pytest.mark.parametrize("scale", [1.0, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_both_losses_are_finite_for_dead_and_for_half_precision_features(scale, dtype):
    from untaught.losses.entropy import spatial_entropy

    method = make(**PLAIN)
    target, student = ([level.to(dtype).requires_grad_() for level in levels(scale=scale)] for _ in range(2))
    for cd in ("channel", "spatial"):
        method.config = method.config.model_copy(update={"cd": cd})
        loss = method.cosine(target, student) + sum(map(spatial_entropy, target, student, [0.1] * 3))
        assert loss.dtype == torch.float32
        assert loss.isfinite()
        assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, student))


def test_a_per_position_scale_is_nothing_to_the_cosine_of_channels_and_a_per_channel_scale_to_that_of_positions():
    target, student = levels(), levels()
    by_position = [level * torch.rand(len(level), 1, *level.shape[2:]).add(0.1) for level in student]
    by_channel = [level * torch.rand(*level.shape[:2], 1, 1).add(0.1) for level in student]
    for cd, same, other in (("channel", by_position, by_channel), ("spatial", by_channel, by_position)):
        method = make(cd=cd, **PLAIN)
        assert abs(method.cosine(target, target)) < 1e-6
        assert method.cosine(target, student).item() == pytest.approx(method.cosine(target, same).item(), abs=1e-5)
        assert abs(method.cosine(target, student) - method.cosine(target, other)) > 1e-3


@pytest.mark.parametrize("entropy", [0.0, 1.0])
def test_a_spatial_gate_learns_from_the_entropy_alone(entropy):
    method = make(attention="spatial", entropy=entropy, **PLAIN)
    loss = method.loss(batch_of(method, torch.rand(2, 3, 64, 64)))["attend"]
    gradients = torch.autograd.grad(loss, list(method.gates.parameters()))
    largest = max(gradient.abs().max().item() for gradient in gradients)
    assert largest < 1e-6 if entropy == 0 else largest > 1e-6


def test_gates_stand_beside_the_student_and_change_nothing_in_it(lite):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        alone = [level.clone() for level in lite.student(image)]
        beside = lite.student(image)
        gated = lite.gated(beside)
    for before, after, behind in zip(alone, beside, gated, strict=True):
        assert torch.equal(before, after)
        assert not torch.equal(before, behind)


def test_the_two_remedies_for_scoring_what_was_not_trained(lite):
    image = torch.rand(2, 3, 64, 64)
    kept, plain = make(keep_attention=True, raw_weight=0.0), make(raw_weight=0.0)
    with torch.no_grad():
        raw, trained = plain.loss(batch_of(plain, image)), lite.loss(batch_of(lite, image))
        target = kept.standards(kept.teacher(image))
        gated = kept.eval().gated(kept.student(image))
        expected = kept.map(kept.distances(target, gated), target, (64, 64))[0]
        assert torch.equal(kept(image)[0], expected)
    assert "raw" not in raw
    assert trained["raw"] > 0


def stripes_and_dots(number, rng):
    """Two products: every other image shows stripes, the others dots, each somewhere else."""
    y, x = np.mgrid[:64, :64]
    a, b = rng.uniform(0, 8, 2)
    value = np.sin((x + a) * 0.8) if number % 2 else np.sin((x + a) * 0.8) * np.sin((y + b) * 0.8)
    grey = 0.5 + 0.3 * value + rng.normal(0, 0.02, (64, 64))
    return np.repeat(grey.clip(0, 1)[None], 3, 0).astype(np.float32)


def test_two_products_are_learned_by_one_student_and_pasted_squares_stand_out():
    rng = np.random.default_rng(0)
    train, held, good, bad = (
        torch.from_numpy(np.stack([stripes_and_dots(n, rng) for n in range(count)])) for count in (48, 8, 20, 20)
    )
    for number, image in enumerate(bad):
        top, left = rng.integers(4, 44, 2)
        image[:, top : top + 14, left : left + 14] = float(number % 3) / 2
    torch.manual_seed(0)
    student = {"widths": (12, 16, 32, 48), "depth": 1}
    config = Dcam.configure(image_size=64, levels=(8, 16), student=student, map={"weights": ()})
    method = Dcam(config)
    (stage,) = method.stages()
    frozen = batch_of(method, train).frozen
    method.prepare(stage, [batch_of(method, train)], lambda tensor: tensor)
    optimizer = stage.optimizer(stage.parameters)
    before = validation(method, held)
    method.train()
    for step in range(300):
        some = torch.from_numpy(np.random.default_rng(step).permutation(48)[:8])
        loss = stage.loss(Batch(some, train[some], {name: level[some] for name, level in frozen.items()}))["attend"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert validation(method, held) < 0.5 * before
    with torch.no_grad():
        scores = torch.cat([method.eval()(good)[1], method(bad)[1]])
    assert auroc(scores.double().numpy(), np.arange(40) >= 20) > 0.9


@torch.no_grad()
def validation(method, held):
    method.eval()
    return method.loss(batch_of(method, held))["distance"].item()


def test_lite_trains_and_scores_the_ungated_features_by_their_squared_distance(lite):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        target = [level.clamp(-8, 8) for level in lite.teacher(image)]
        levels = [(t - s).square().mean(1) for t, s in zip(target, lite.student(image), strict=True)]
        losses = lite.loss(batch_of(lite, image))
    assert losses["raw"].item() == pytest.approx(sum(level.mean().item() for level in levels), rel=1e-4)
    assert losses["distance"].item() == pytest.approx(losses["raw"].item() / 3, rel=1e-5)
