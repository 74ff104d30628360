import pytest
import torch

from untaught.batch import Batch
from untaught.errors import ConfigError
from untaught.methods.asymmetric import Asymmetric

SMALL = {"image_size": 64, "flow": {"width": 8}, "student": {"width": 16, "blocks": 1}}


def make(preset="lite", **settings):
    torch.manual_seed(0)
    return Asymmetric(Asymmetric.configure(preset, **settings), untrained=True)


def train(stage, batch, steps):
    optimizer = stage.optimizer(stage.parameters)
    losses = []
    for _ in range(steps):
        (loss,) = stage.loss(batch).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.fixture(scope="module")
def lite():
    return make(**SMALL).eval()


@pytest.mark.parametrize("preset", ["paper", "paper-mvtec"])
def test_paper_has_the_papers_constants(preset):
    with torch.device("meta"):
        method = make(preset)
    config = method.config
    assert (config.image_size, config.flow.alpha, config.flow.width, config.flow.kernels) == (
        768,
        3,
        1024,
        (3, 3, 3, 5),
    )
    assert (config.student.width, config.student.blocks, config.student.slope, config.score) == (1024, 4, 0.2, "mean")
    assert (config.energy, method.whitening) == (0, None)
    for stage, name in zip(method.stages(), ("flow", "student"), strict=True):
        optimizer = stage.optimizer(stage.parameters)
        assert type(optimizer) is torch.optim.Adam
        group = optimizer.param_groups[0]
        assert (group["lr"], group["betas"], group["eps"]) == (2e-4, (0.9, 0.999), 1e-8)
        assert (group["weight_decay"], stage.name) == (1e-5, name)
        assert (stage.epochs, stage.steps, stage.batch_size) == (240, None, 8)
        assert (stage.warmup, stage.decay, stage.plateau, stage.mixed, stage.half) == (0, 0, None, False, False)


def test_shapes_at_full_size():
    with torch.device("meta"):
        method = make("paper-mvtec").eval()
        features = method.frozen(torch.empty(1, 3, 768, 768))["features"]
        latent, log_det = method.latent(method.normal(features))
        assert features.shape == latent.shape == method.guess(features).shape == (1, 304, 24, 24)
        assert log_det.shape == (1, 24, 24)
        map_, score = method(torch.empty(2, 3, 768, 768))
    assert len(method.teacher.net.blocks) == 6
    assert (map_.shape, score.shape) == ((2, 768, 768), (2,))


def test_before_training_the_likelihood_is_half_the_squared_length():
    method = make(**SMALL)
    features = torch.randn(2, 192, 3, 3)
    loss = method.likelihood(Batch(torch.arange(2), None, {"features": features}))["likelihood"]
    assert loss.item() == pytest.approx(0.5 * features.square().sum(1).mean().item(), rel=1e-5)


def test_the_teacher_learns_the_good_features_and_the_student_does_not_follow_elsewhere():
    method = make(image_size=64, whiten=False, flow={"width": 16}, student={"width": 16, "blocks": 1})
    channels, noise = method.teacher.channels[0], torch.randn(16, 8, 4, 4)
    mixed = torch.randn(8, channels) * 0.5
    good = torch.einsum("bkhw,kc->bchw", noise, mixed) + 0.1 * torch.randn(16, channels, 4, 4)
    flow, student = method.stages()
    batch = Batch(torch.arange(16), None, {"features": good})
    losses = train(flow, batch, 30)
    assert losses[-1] < 0.7 * losses[0]
    with torch.no_grad():
        batch.frozen["latent"] = method.latent(good)[0]
    train(student, batch, 30)
    method.eval()
    shifted = torch.cat([good, good + 1.0])
    with torch.no_grad():
        error = (method.latent(shifted)[0] - method.guess(shifted)).square().mean((1, 2, 3))
    assert error[16:].min() > error[:16].max()


def test_the_students_targets_are_the_trained_flows_latents():
    method = make(**SMALL).eval()
    for block in method.flow.blocks:
        torch.nn.init.constant_(block.net1.gamma, 0.3)
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        frozen = method.targets(image)
        latent, _ = method.latent(method.normal(frozen["features"]))
    assert torch.equal(frozen["latent"], latent)
    loss = method.regression(Batch(torch.arange(2), None, frozen))["distance"]
    with torch.no_grad():
        guess = method.guess(method.normal(frozen["features"]))
    assert loss.item() == pytest.approx((latent - guess).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("power", [0, 0.5])
@pytest.mark.parametrize(("score", "top"), [("mean", 0), ("top", 0), ("top", 0.5)])
def test_map_and_score_step_by_step(score, top, power):
    method = make(**SMALL, score=score, top=top, energy=power).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        map_, found = method(image)
        frozen = method.targets(image)
        distance = (frozen["latent"] - method.guess(method.normal(frozen["features"]))).square().mean(1)
        distance = distance * method.normal(frozen["features"]).square().mean(1) ** power
    assert distance.shape == (2, 2, 2)
    large = torch.nn.functional.interpolate(distance[:, None], (16, 16), mode="bicubic", align_corners=False)
    large = torch.nn.functional.interpolate(large, (64, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(map_, large[:, 0], atol=1e-5)
    values = distance.flatten(1)
    count = {("mean", 0): 4, ("top", 0): 1, ("top", 0.5): 2}[score, top]
    assert torch.allclose(found, values.topk(count).values.mean(1), atol=1e-6)
    assert method.reduction == {4: "mean of all positions' distances", 1: "highest distance"}.get(
        count, "mean of the highest 50 % of all distances"
    )


def test_the_scale_of_the_features_is_learned_before_the_flow_and_kept():
    method = make(**SMALL).eval()
    flow, student = method.stages()
    with torch.no_grad():
        batch = Batch(torch.arange(4), None, method.frozen(torch.rand(4, 3, 64, 64)))
    method.prepare(flow, [batch], lambda tensor: tensor)
    mean = method.whitening.mean.clone()
    assert torch.allclose(mean, batch.frozen["features"].mean((0, 2, 3)), atol=1e-5)
    batch.frozen["features"] = batch.frozen["features"] + 1
    method.prepare(student, [batch], lambda tensor: tensor)
    assert torch.equal(method.whitening.mean, mean)


def test_exportable(lite):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        program = torch.export.export(
            lite, (image,), dynamic_shapes={"inputs": ({0: torch.export.Dim("b", min=1, max=64)},)}
        )
        for one, two in zip(program.module()(image[:1]), lite(image[:1]), strict=True):
            assert torch.allclose(one, two, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"image_size": 100}, "multiple of 32"),
        ({"groups": 3}, "stride of 8"),
        ({"position": 30}, "position"),
        ({"flow": {"kernels": []}}, "flow.kernels"),
    ],
)
def test_settings_that_do_not_go_together(settings, word):
    with pytest.raises(ConfigError, match=word):
        make(**settings)


def scene(count=2, size=64):
    depth = torch.zeros(count, 2, size, size)
    depth[:, 0, 16:48, 16:48] = torch.randn(count, 8, 8).repeat_interleave(4, 1).repeat_interleave(4, 2)
    depth[:, 1, 8:56, 8:56] = 1
    return torch.rand(count, 3, size, size), depth


def test_paper_3d_has_the_papers_constants():
    with torch.device("meta"):
        method = make("paper-3d")
        flow, student = method.stages()
        features = method.frozen(torch.empty(1, 3, 768, 768), torch.empty(1, 2, 768, 768))
        map_, score = method.eval()(torch.empty(1, 3, 768, 768), torch.empty(1, 2, 768, 768))
    assert features["features"].shape == (1, 368, 24, 24)
    assert features["mask"].shape == (1, 1, 24, 24)
    assert (map_.shape, score.shape) == ((1, 768, 768), (1,))
    assert sum(parameter.numel() for parameter in flow.parameters) == 3_890_568
    assert sum(parameter.numel() for parameter in student.parameters) == 82_601_328
    assert (method.config.flow.alpha, flow.epochs, student.epochs, method.reduction) == (
        1.9,
        72,
        72,
        "highest distance",
    )
    assert method.inputs == ("image", "depth")


@pytest.mark.parametrize(("input_", "channels"), [("depth", 64), ("both", 192 + 64)])
def test_depth_joins_the_features_cell_by_cell(input_, channels):
    method = make("lite-3d", **SMALL, input=input_).eval()
    image, depth = scene()
    given = (image, depth) if input_ == "both" else (depth,)
    with torch.no_grad():
        frozen = method.frozen(*given)
        quarter = depth[:, :, ::4, ::4]
        expected = torch.nn.functional.pixel_unshuffle(quarter[:, :1], 8)
        assert frozen["features"].shape == (2, channels, 2, 2)
        assert torch.equal(frozen["features"][:, -64:], expected)
        corner = quarter[:, 1, 3:5, 3:5].mean((1, 2))
        assert torch.allclose(frozen["mask"][:, 0, 0, 0], corner)
        if input_ == "both":
            assert torch.equal(frozen["features"][:, :192], method.teacher(image)[0])
        map_, score = method(*given)
    assert (map_.shape, score.shape) == ((2, 64, 64), (2,))
    assert (method.backbone.name == "none") == (input_ == "depth")
    assert not [name for name in method.state_dict() if name.startswith("teacher")] or input_ == "both"


def test_where_no_part_is_nothing_counts():
    method = make("lite-3d", **SMALL | {"image_size": 160}).eval()
    image, depth = scene(size=160)
    depth[:, 1] = 0
    depth[:, 1, :32, :32] = 1
    with torch.no_grad():
        frozen = method.targets(image, depth)
        map_, _ = method(image, depth)
        assert frozen["mask"].sum((1, 2, 3)).tolist() == frozen["mask"][:, 0, 0, 0].tolist() == [1, 1]
        assert map_[:, 128:, 128:].abs().max() < 1e-6
        assert map_[:, :16, :16].min() > 0
        outside = 5 * (frozen["mask"] == 0)
        batch, other = (
            Batch(torch.arange(2), None, frozen | {"features": features, "latent": latent})
            for features, latent in (
                (frozen["features"], frozen["latent"]),
                (frozen["features"], frozen["latent"] + outside),
            )
        )
        assert method.regression(batch)["distance"] == method.regression(other)["distance"]
        unlikely, latent = method.unlikely(image, depth), frozen["latent"]
        assert torch.allclose(unlikely[:, 0, 0], 0.5 * latent[:, :, 0, 0].square().sum(1), rtol=1e-5)
        assert unlikely[:, 0, 1:].abs().max() == unlikely[:, 1].abs().max() == 0
        likelihood = method.likelihood(batch)["likelihood"].item()
    assert likelihood == pytest.approx(unlikely.mean().item(), rel=1e-5)


def test_depth_exports_too():
    method = make("lite-3d", **SMALL).eval()
    given = scene()
    batch = torch.export.Dim("b", min=1, max=64)
    with torch.no_grad():
        program = torch.export.export(method, given, dynamic_shapes={"inputs": ({0: batch}, {0: batch})})
        alone = tuple(tensor[:1] for tensor in given)
        for one, two in zip(program.module()(*alone), method(*alone), strict=True):
            assert torch.allclose(one, two, atol=1e-5)


def test_depth_wants_whole_cells():
    with pytest.raises(ConfigError, match="multiple of 4"):
        make("lite-3d", **SMALL, stride=2, groups=None)
