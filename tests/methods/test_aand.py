import pytest
import torch

from untaught.batch import Batch
from untaught.errors import ConfigError
from untaught.losses.gate import gate_quality
from untaught.methods.aand import Aand
from untaught.testing import batch_of, draw_parts

SMALL = {"backbone": "resnet18", "image_size": 64}


def make(preset="lite", *, untrained=True, **settings):
    torch.manual_seed(0)
    return Aand(Aand.configure(preset, **settings), untrained=untrained)


@pytest.fixture(scope="module")
def paper():
    return make("paper", **SMALL).eval()


@pytest.fixture(scope="module")
def lite():
    return make(image_size=64, untrained=False).eval()


def pairs(method, images):
    return batch_of(method.stages()[0], ("image",), (images,))


def test_paper_has_the_papers_constants():
    config = Aand.configure("paper")
    assert (config.backbone, config.image_size, config.levels) == ("wide_resnet50_2.tv_in1k", 256, (4, 8, 16))
    with torch.device("meta"):
        method = Aand(config, untrained=True)
        amplify, distil = method.stages()
        optimizers = [stage.optimizer(stage.parameters) for stage in (amplify, distil)]
    for stage, optimizer in zip((amplify, distil), optimizers, strict=True):
        assert type(optimizer) is torch.optim.Adam
        group = optimizer.param_groups[0]
        assert (group["lr"], group["betas"], group["weight_decay"]) == (0.005, (0.5, 0.999), 0)
        assert (stage.drops.at, stage.drops.factor) == ((0.8, 0.9), 0.2)
        assert (stage.batch_size, stage.steps, stage.decay, stage.warmup, stage.plateau) == (16, None, 0, 0, None)
        assert not stage.mixed
    assert (amplify.epochs, distil.epochs) == (100, 120)
    amplifier = config.amplifier
    assert (amplifier.items, amplifier.temperature, amplifier.margin, amplifier.share) == (50, 0.2, 0.3, 0.3)
    assert (amplifier.gamma, amplifier.closed) == (2.0, 0.0)
    assert (amplifier.weight, config.training.hard, config.training.loss) == (0.1, 10, "global")
    assert (config.map.sigma, config.map.align_corners, config.map.top) == (4, True, 0)
    drawn = amplify.pairs
    assert (drawn.clean, drawn.kinds, drawn.perlin.whole, drawn.opacity) == (0.2, {"perlin": 1.0}, True, (0.2, 1.0))


def test_one_changed_setting_of_the_drawings_leaves_the_others():
    drawn = Aand.configure("lite", amplifier={"anomalies": {"foreground": "largest"}}).amplifier.anomalies
    assert (drawn.foreground, drawn.clean) == ("largest", 0.2)


def test_parameters_of_the_wide_net():
    with torch.device("meta"):
        amplify, distil = make("paper").stages()
    assert sum(parameter.numel() for parameter in amplify.parameters) == 11_727_360
    assert sum(parameter.numel() for parameter in distil.parameters) == 83_802_624


def test_the_pretrained_path_is_the_plain_teachers_whatever_the_amplifier_does(paper):
    image = torch.rand(1, 3, 64, 64)
    inputs = []
    hooks = [
        getattr(paper.teacher.net, name).register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
        for name in ("layer2", "layer3")
    ]
    with torch.no_grad():
        plain = paper.teacher(image)
        paper(image)
    for hook in hooks:
        hook.remove()
    assert torch.equal(inputs[0], inputs[2])
    assert torch.equal(inputs[1], inputs[3])
    assert torch.equal(inputs[1], plain[1])
    with torch.no_grad():
        advanced = paper.advanced(image)
    assert not torch.equal(advanced[0], plain[0])


def test_the_papers_map_step_by_step(paper):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        map_, score = paper(image)
        features = paper.teacher(image)
        target = [
            level + gate(level)[:, None] * torch.tanh(generator.project(level)) * level
            for level, gate, generator in zip(features, paper.amplifier.gates, paper.amplifier.generators, strict=True)
        ]
        rough = sum(
            torch.nn.functional.interpolate(
                1 - torch.nn.functional.cosine_similarity(f, d)[:, None], (64, 64), mode="bilinear", align_corners=True
            )[:, 0]
            for f, d in zip(target, paper.student(target), strict=True)
        )
        assert torch.allclose(map_, paper.map.smooth(rough), atol=1e-5)
    assert torch.equal(score, map_.flatten(1).amax(1))


def test_the_loss_of_the_first_stage_step_by_step(paper):
    torch.manual_seed(0)
    defect, mask = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64, dtype=torch.bool)
    mask[0, :, 10:40, 8:48] = True
    losses = paper.amplify_loss(Batch(torch.arange(2), None, {}, defect, mask))
    focal = amplification = 0.0
    cosine = torch.nn.functional.cosine_similarity
    with torch.no_grad():
        for level, gate, generator in zip(
            paper.teacher(defect), paper.amplifier.gates, paper.amplifier.generators, strict=True
        ):
            small = torch.nn.functional.avg_pool2d(mask.float(), 64 // level.shape[-1])[:, 0] > 0.3
            g = gate(level)
            focal += torch.where(small, -0.8 * (1 - g) ** 2 * g.log(), -0.2 * g**2 * (1 - g).log()).mean()
            changed = level + small[:, None] * torch.tanh(generator.project(level)) * level
            rows, others = level.permute(0, 2, 3, 1)[~small], changed.permute(0, 2, 3, 1)[small]
            before = level.permute(0, 2, 3, 1)[small]
            change = cosine(rows[:, None], others[None], dim=2) - cosine(rows[:, None], before[None], dim=2)
            amplification += torch.relu(change + 0.3).mean()
    assert losses["focal"].item() == pytest.approx(focal.item(), rel=1e-4)
    assert losses["amplification"].item() == pytest.approx(amplification.item(), rel=1e-3)
    assert losses["amplify"].item() == pytest.approx((focal + 0.1 * amplification).item(), rel=1e-4)


def test_the_loss_of_the_second_stage_step_by_step(paper):
    image, cosine = torch.rand(2, 3, 64, 64), torch.nn.functional.cosine_similarity
    with torch.no_grad():
        batch = Batch(torch.arange(2), None, paper.frozen(image))
        target = paper.advanced(image)
        expected = 0.0
        for level, restored in zip(target, paper.student(target), strict=True):
            apart = (1 - cosine(level, restored)).flatten(1)
            expected += torch.stack([one.sort(descending=True).values[:10].mean() for one in apart]).mean()
            expected += (1 - cosine(level.flatten(1), restored.flatten(1))).mean()
        losses = paper.distil_loss(batch)
    assert losses["hard"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_stages_train_their_own_and_nothing_else(lite):
    amplify, distil = lite.stages()
    assert {id(part) for part in amplify.parameters} == {id(part) for part in lite.amplifier.parameters()}
    assert {id(part) for part in distil.parameters} == {id(part) for part in lite.student.parameters()}
    assert amplify.pairs.clean == 0.2
    assert distil.pairs is None


def test_the_second_stage_learns_from_the_gated_teacher(lite):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        frozen = lite.stages()[1].frozen(image)
        for stride, level in zip(lite.config.levels, lite.advanced(image), strict=True):
            assert torch.equal(frozen[str(stride)], level)


def test_in_lite_the_map_is_of_untouched_levels_and_their_gates_and_the_score_of_amplified_ones(lite):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        plain, advanced = lite.plain(image), lite.advanced(image)
        lite.map.settle([[distance / 9 for distance in lite.distances(advanced)]])  # what is foreign counts too
        gates = lite.amplifier.gate(plain[1:])
        shown = lite.distances(plain)
        shown = [shown[0], *(distance + gate for distance, gate in zip(shown[1:], gates, strict=True))]
        map_, score = lite(image)
        expected, _ = lite.map(shown, plain, (64, 64))
        amplified, judged = lite.map(lite.distances(advanced), advanced, (64, 64))
    assert torch.allclose(map_, expected, atol=1e-6)
    assert torch.allclose(score, judged, atol=1e-6)
    assert not torch.allclose(map_, amplified, atol=1e-3)


@pytest.mark.parametrize("change", [{"drawn": "amplified"}, {"amplifier": {"on": False}}])
def test_else_map_and_score_are_of_what_the_student_restores(change):
    method = Aand(Aand.configure("lite", image_size=64, **change), untrained=True).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        target = method.advanced(image)
        expected = method.map(method.distances(target), target, (64, 64))
        assert all(torch.equal(*pair) for pair in zip(method(image), expected, strict=True))


def test_in_lite_a_gate_below_a_half_is_closed_and_the_rest_is_stretched(lite):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        _, plain = lite.spared(lite.plain(image))
        gates = [torch.full_like(level[:, 0], value) for level, value in zip(plain, (0.3, 0.5, 0.8), strict=True)]
        expected = lite.amplifier(plain, [0 * gates[0], 0 * gates[1], 0 * gates[2] + 0.6], lite.origins())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lite.amplifier, "gate", lambda levels: gates)
            advanced = lite.advanced(image)[1:]
    assert torch.equal(advanced[0], plain[0])
    assert torch.equal(advanced[1], plain[1])
    assert not torch.allclose(advanced[2], plain[2])
    assert torch.allclose(advanced[2], expected[2], atol=1e-6)


def test_lite_scales_what_the_teacher_says_and_not_its_deviation():
    method = make(image_size=64, untrained=False, amplifier={"closed": 0.0}).eval()
    image = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        method.prepare(method.stages()[0], [Batch(torch.arange(4), image)], lambda tensor: tensor)
        raw = method.teacher(image)
        plain, raised = method.standards(raw), method.advanced(image)
        assert torch.equal(raised[0], plain[0]), "the finest level is spared"
        for number, (gate, generator) in enumerate(
            zip(method.amplifier.gates, method.amplifier.generators, strict=True), start=1
        ):
            own, standard, advanced = plain[number], method.standards[number], raised[number]
            factor = torch.tanh(generator.project(own))
            expected = own + gate(own)[:, None] * factor * raw[number] / standard.deviation[:, None, None]
            inside = own.abs() < 8  # beyond, the standardised feature is cut off
            assert torch.allclose(advanced[inside], expected[inside], atol=1e-4)


def test_without_the_amplifier_the_teacher_is_plain():
    method = make(image_size=64, amplifier={"on": False}).eval()
    (stage,) = method.stages()
    image = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        batch = batch_of(stage, ("image",), (image,))
        method.prepare(stage, [batch], lambda tensor: tensor)
        plain = method.standards(method.teacher(image))
        assert all(torch.equal(*pair) for pair in zip(method.advanced(image), plain, strict=True))
        assert torch.isfinite(method(image)[0]).all()
    assert stage.name == "distil"
    assert plain[0].mean().abs() < 1e-3


def test_a_toy_gate_learns_to_tell_held_out_drawn_defects():
    """Some 200 steps: held-out gate AUROC above 0.9, residuals at anomalous positions above thrice the others'."""
    method = make(image_size=64, untrained=False, amplifier={"share": 0.3})
    stage = method.stages()[0]
    parts = draw_parts(64)
    (good,), (whole,) = parts.good, parts.whole
    train, held_out = good[:6], torch.cat([good[6:], whole])
    method.eval()
    method.prepare(stage, [Batch(torch.arange(6), train)], lambda tensor: tensor)
    optimizer, method = stage.optimizer(stage.parameters), method.train()
    for step in range(200):
        loss = stage.loss(pairs_of(stage, train, step))["amplify"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    method.eval()
    batches = [pairs_of(stage, held_out, 1000 + turn) for turn in range(4)]
    with torch.no_grad():
        measured = stage.measure(batches)
        assert measured["gate AUROC"] > 0.9
        assert measured["mean gate on good images"] < measured["mean gate at anomalous positions"] / 2
        strong, weak = residuals(method, batches)
    assert strong > 3 * weak


def pairs_of(stage, images, turn):
    import numpy as np

    from untaught.anomalies.draw import Drawer
    from untaught.engine.pairs import draw_pairs, to_pixels

    pixels = (images * 255).round().to(torch.uint8)
    everything = to_pixels(pixels)
    drawer = Drawer(stage.pairs.model_copy(update={"size": (0.2, 0.6)}))
    batch = Batch(torch.arange(len(images)), images)
    batch.defect, batch.mask = draw_pairs(
        drawer, pixels, batch.index.tolist(), ("toy", turn), lambda n: everything[n % len(everything)]
    )
    assert np.isfinite(batch.defect.numpy()).all()
    return batch


def residuals(method, batches):
    """Mean norm of the residual at anomalous positions and at the others."""
    strong, weak = [], []
    for batch in batches:
        _, plain = method.spared(method.standards(method.teacher(batch.defect)))
        _, raised = method.spared(method.advanced(batch.defect))
        for level, advanced, mask in zip(plain, raised, method.masks(batch.mask, plain), strict=True):
            norm = (advanced - level).norm(dim=1)
            strong.append(norm[mask])
            weak.append(norm[~mask])
    return torch.cat(strong).mean(), torch.cat(weak).mean()


def test_quality_is_measured_on_pairs_and_on_good_images(lite):
    batch = pairs(lite, *draw_parts(64).good)
    with torch.no_grad():
        measured = lite.measure([batch])
        _, levels = lite.spared(lite.standards(lite.teacher(batch.defect)))
        gates, masks = lite.amplifier.gate(levels), lite.masks(batch.mask, levels)
    flat = [torch.cat([level.flatten() for level in group]) for group in (gates, masks)]
    expected = gate_quality(*flat)
    assert {name: measured[name] for name in expected} == pytest.approx(dict(expected), abs=1e-6)
    assert 0 < measured["mean gate on good images"] < 1
    with torch.no_grad():
        good = lite.amplifier.gate(lite.spared(lite.plain(batch.image))[1])
    used = torch.cat([((gate - 0.5).clamp_min(0) * 2).flatten() for gate in good]).mean().item()
    assert measured["mean gate on good images, as applied"] == pytest.approx(used, abs=1e-6)


@pytest.mark.parametrize("preset", ["paper", "lite"])
def test_exportable(preset, request):
    method = request.getfixturevalue(preset)
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        program = torch.export.export(
            method, (image,), dynamic_shapes={"image": {0: torch.export.Dim("b", min=1, max=64)}}
        )
        assert torch.allclose(program.module()(image[:1])[0], method(image[:1])[0], atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"image_size": 100}, "multiple of"),
        ({"levels": [4, 16]}, "double"),
        ({"amplifier": {"weight": -1}}, "amplifier.weight"),
        ({"amplifier": {"spared": 4}}, "amplifier.spared is 4 of 4 levels"),
        ({"amplifier": {"sahre": 0.2}}, "share"),
        ({"training": {"hard": 1.5}}, "1.5 positions; a whole number of them, or a share of all below 1"),
        ({"training": {"hard": float("inf")}}, "training.hard"),
    ],
)
def test_settings_that_do_not_go_together(settings, word):
    with pytest.raises(ConfigError, match=word):
        make(**settings)
