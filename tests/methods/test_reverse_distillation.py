import pytest
import torch

from untaught.batch import Batch
from untaught.errors import ConfigError
from untaught.maps.distance import coherent_distance, cosine_distance, squared_distance
from untaught.maps.fuse import fuse
from untaught.methods.reverse_distillation import ReverseDistillation
from untaught.nn.standard import moments

SMALL = {"backbone": "resnet18", "image_size": 64}


def make(preset="lite", **settings):
    torch.manual_seed(0)
    return ReverseDistillation(ReverseDistillation.configure(preset, **settings), untrained=True)


def batch_of(method, image):
    with torch.no_grad():
        return Batch(torch.arange(len(image)), None, method.frozen(image))


def train(method, image, steps, stop=0.0):
    (stage,) = method.stages()
    batch = batch_of(method, image)
    method.eval()
    method.prepare(stage, [batch], lambda tensor: tensor)
    optimizer = stage.optimizer(stage.parameters)
    method.train()
    for _ in range(steps):
        loss = next(iter(stage.loss(batch).values()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < stop:
            break
    method.eval()
    method.settle([batch], lambda tensor: tensor)
    return loss.item()


@pytest.fixture(scope="module")
def paper():
    return make("paper", **SMALL).eval()


@pytest.fixture(scope="module")
def lite():
    return make(image_size=64).eval()


def test_paper_has_the_papers_constants():
    method = ReverseDistillation.configure("paper")
    assert (method.backbone, method.image_size, method.levels) == ("wide_resnet50_2.tv_in1k", 256, (4, 8, 16))
    with torch.device("meta"):
        (stage,) = ReverseDistillation(method, untrained=True).stages()
        optimizer = stage.optimizer(stage.parameters)
    assert type(optimizer) is torch.optim.Adam
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.005, (0.5, 0.999), 0)
    assert (method.training.loss, method.training.hard, method.map.sigma) == ("global", 0, 4)
    assert (stage.epochs, stage.batch_size, stage.decay, stage.plateau, stage.mixed) == (200, 16, 0, None, False)


def test_parameters_of_the_wide_net():
    with torch.device("meta"):
        method = make("paper")
    trained = [parameter for (stage,) in [method.stages()] for parameter in stage.parameters]
    assert sum(parameter.numel() for parameter in trained) == 83_802_624
    assert sum(parameter.numel() for parameter in method.parameters() if parameter.requires_grad) == 83_802_624
    assert not any(parameter.requires_grad for parameter in method.teacher.parameters())


@pytest.mark.parametrize("size", [256, 320])
@pytest.mark.parametrize(("backbone", "embedded"), [("wide_resnet50_2", 2048), ("resnet18", 512)])
def test_shapes_at_full_size(backbone, embedded, size):
    with torch.device("meta"):
        method = make("paper", backbone=backbone, image_size=size)
        features = method.teacher(torch.empty(1, 3, size, size))
        target, restored = method.restore(features)
        phi = method.student.embedding(method.student.fusion(features))
    assert [level.shape for level in restored] == [level.shape for level in target]
    assert [level.shape[-1] for level in target] == [size // 4, size // 8, size // 16]
    assert phi.shape == (1, embedded, size // 32, size // 32)


@pytest.mark.parametrize("preset", ["paper", "lite"])
def test_the_teacher_is_bit_identical_after_a_step(preset):
    method = make(preset, image_size=64, **({"backbone": "resnet18"} if preset == "paper" else {}))
    before = {name: tensor.clone() for name, tensor in method.teacher.state_dict().items()}
    train(method, torch.rand(2, 3, 64, 64), 1)
    method.train()
    method.teacher(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in method.teacher.parameters())


def test_the_papers_map_step_by_step(paper):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        map_, score = paper(image)
        features = paper.teacher(image)
        levels = [
            1 - (e * d).sum(1) / (e.norm(dim=1) * d.norm(dim=1)).clamp_min(1e-8)
            for e, d in zip(features, paper.student(features), strict=True)
        ]
        rough = fuse(levels, (64, 64), align_corners=True)
        assert torch.allclose(map_, paper.map.smooth(rough), atol=1e-5)
    assert torch.equal(score, map_.flatten(1).max(1).values)


def test_constant_levels_give_their_sum(paper):
    levels = [torch.full((1, size, size), value) for size, value in ((16, 0.25), (8, 0.5), (4, 1.0))]
    map_ = paper.map.smooth(fuse(levels, (64, 64), align_corners=True))
    assert torch.allclose(map_, torch.full((1, 64, 64), 1.75))


@pytest.mark.parametrize("preset", ["paper", "lite"])
def test_a_map_does_not_depend_on_the_batch(preset, request):
    method = request.getfixturevalue(preset)
    image = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        together = method(image)
        alone = [method(one[None]) for one in image]
    for number in range(2):
        assert torch.allclose(together[number], torch.cat([result[number] for result in alone]), atol=1e-5)


@pytest.mark.parametrize("preset", ["paper", "lite"])
def test_exportable(preset, request):
    method = request.getfixturevalue(preset)
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        program = torch.export.export(
            method, (image,), dynamic_shapes={"image": {0: torch.export.Dim("b", min=1, max=64)}}
        )
        assert torch.allclose(program.module()(image[:1])[0], method(image[:1])[0], atol=1e-5)


def test_score_of_lite_is_how_far_each_levels_highest_share_stands_out(lite):
    image = torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        map_, score = lite(image)
        levels = lite.distances(lite.teacher(image))
    expected = 0
    for level, size, highest, vote in zip(levels, (64, 32, 16, 8), (123, 31, 8, 2), (1, 0.25, 1, 0.25), strict=True):
        assert level.shape == (1, size, size)
        roots = level.flatten().sqrt().sort().values
        expected += vote * (roots[-highest:].mean() - roots[size**2 // 4 - 1])
    assert torch.allclose(score, expected, rtol=1e-5)
    assert map_.shape == (1, 256, 256)
    words = (
        "mean of the highest 3 % of each level's distances (roots) above the lower quartile, summed; "
        "plus what the lower quartile is beyond 2 times that of good images"
    )
    assert lite.reduction == words
    assert ReverseDistillation.reduction == "maximum of the anomaly map"


def test_map_of_lite_is_the_weighted_sum_smoothed_on_a_coarser_grid(lite):
    method = make(image_size=64, map={"weights": [1, 0.5, 0.25, 0], "sigma": 0}).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        levels = method.distances(method.teacher(image))
        options = {"mode": "bilinear", "align_corners": False}
        rough = sum(
            weight * torch.nn.functional.interpolate(level[:, None], size=(16, 16), **options)
            for weight, level in zip((1, 0.5, 0.25), levels[:3], strict=True)
        )
        expected = torch.nn.functional.interpolate(rough, size=(64, 64), **options)[:, 0]
        assert torch.allclose(method(image)[0], expected, rtol=1e-5, atol=1e-6)
        smooth = make(image_size=64, map={"weights": [1, 0.5, 0.25, 0]}).eval()
        assert smooth(image)[0].std() < method(image)[0].std()


def test_lite_standardises_with_the_training_images():
    method = make(image_size=64)
    image = torch.rand(8, 3, 64, 64)
    train(method, image, 1)
    features = batch_of(method, image).frozen
    for standard, stride in zip(method.standards, method.config.levels, strict=True):
        assert torch.allclose(standard.mean, features[str(stride)].mean((0, 2, 3)), atol=1e-5)
        assert not torch.equal(standard.deviation, torch.ones_like(standard.deviation))


def test_distances_of_lite_are_squares_and_of_the_paper_angles(lite, paper):
    image = torch.rand(2, 3, 64, 64)
    squares = [coherent_distance, coherent_distance, squared_distance, squared_distance]
    with torch.no_grad():
        for method, measures in ((lite, squares), (paper, 3 * [cosine_distance])):
            features = method.teacher(image)
            pairs = zip(measures, *method.restore(features), strict=True)
            assert all(map(torch.equal, method.distances(features), [measure(*pair) for measure, *pair in pairs]))


def test_the_map_weighs_distances_by_the_energy_of_the_features_and_the_score_does_not():
    image = torch.rand(2, 3, 64, 64)
    plain = make(image_size=64, map={"energy": 0.0, "sigma": 0.0, "stride": 4, "weights": [1.0, 0.0, 0.0, 0.0]}).eval()
    weighed = make(
        image_size=64, map={"energy": 1.0, "sigma": 0.0, "stride": 4, "weights": [1.0, 0.0, 0.0, 0.0]}
    ).eval()
    fine = next(iter(batch_of(plain, image).frozen.values()))
    with torch.no_grad():
        one, other = plain(image), weighed(image)
    power = fine.clamp(-8, 8).square().mean(1)
    at = (slice(None), slice(2, None, 4), slice(2, None, 4))
    enlarged = torch.nn.functional.interpolate(
        (plain_distance(plain, image) * power)[:, None], (64, 64), mode="bilinear"
    )
    assert torch.allclose(other[0][at], enlarged[:, 0][at], rtol=1e-4)
    assert torch.equal(one[1], other[1])


def plain_distance(method, image):
    with torch.no_grad():
        return method.distances(method.teacher(image))[0]


def test_statistics_add_up_over_processes():
    method = make(image_size=64).eval()
    image = torch.rand(6, 3, 64, 64)
    (stage,) = method.stages()
    whole = make(image_size=64).eval()
    whole.prepare(stage, [batch_of(whole, image)], lambda tensor: tensor)
    other = batch_of(method, image[4:])
    shares = iter([moments(level) for level in other.frozen.values()])
    method.prepare(stage, [batch_of(method, image[:4])], lambda tensor: tensor + next(shares))
    for one, both in zip(method.standards, whole.standards, strict=True):
        assert torch.allclose(one.mean, both.mean, atol=1e-6)
        assert torch.allclose(one.deviation, both.deviation, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"image_size": 250}, "multiple of 32"),
        ({"image_size": 96, "student": {"widths": [8, 8, 8, 8, 8]}}, "multiple of 64"),
        ({"image_size": 96, "levels": [16, 32], "student": {"form": "mirrored"}}, "multiple of 64"),
        ({"levels": [4, 16]}, "double"),
        ({"levels": []}, "levels"),
        ({"levels": [4, 8, 16, 32, 64]}, "4 values for 5 levels"),
        ({"levels": [8, 16]}, "map.weights"),
        ({"map": {"votes": [1, 1]}}, "map.votes"),
        ({"student": {"width": 8}}, "widths"),
        ({"training": {"loss": "l2"}}, "training.loss"),
        ({"backbone": "tf_efficientnet_lit0"}, "tf_efficientnet_lite"),
    ],
)
def test_settings_that_do_not_go_together(settings, word):
    with pytest.raises(ConfigError, match=word):
        make(**settings)


def test_four_images_are_learned_and_a_patch_on_one_stands_out():
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(0, 9, 64), torch.linspace(0, 9, 64), indexing="ij")
    image = torch.stack([torch.sin(x + 0.2 * n) * torch.cos(y - 0.1 * n) for n in range(4)])[:, None].expand(
        -1, 3, -1, -1
    )
    image = (0.5 + 0.3 * image).contiguous()
    torch.manual_seed(0)
    config = ReverseDistillation.configure("paper", backbone="tf_efficientnet_lite0", image_size=64, levels=(8, 16))
    method = ReverseDistillation(config)
    assert train(method, image, 300, stop=0.05) < 0.05
    between = image[:2].mean(0, keepdim=True)
    patched = between.clone()
    patched[:, :, 20:32, 36:48] = torch.rand(3, 12, 12)
    with torch.no_grad():
        _, good = method(torch.cat([image, between]))
        map_, bad = method(patched)
    assert bad > good.max()
    row, column = divmod(int(map_.argmax()), 64)
    assert 14 <= row < 38
    assert 30 <= column < 54
