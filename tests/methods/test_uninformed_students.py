import pytest
import torch

from untaught.batch import Batch
from untaught.errors import ConfigError
from untaught.methods.uninformed_students import UninformedStudents
from untaught.nn.dense import describe

TINY = {"network": {"width": 1 / 16, "descriptor": 8}, "image_size": 64, "scales": [33]}
PAPER = {"image_size": 40, "network": {"width": 1 / 32, "descriptor": 6}}


def make(preset="lite", **settings):
    torch.manual_seed(0)
    return UninformedStudents(UninformedStudents.configure(preset, **settings), untrained=True).eval()


def batch_of(stage, image):
    with torch.no_grad():
        return Batch(torch.arange(len(image)), image, stage.frozen(image) if stage.frozen else {})


def prepared(method, image):
    for stage in method.stages():
        method.prepare(stage, [batch_of(stage, image)], lambda tensor: tensor)
    return method


def settled(method, image, held_out):
    prepared(method, image).settle([Batch(torch.arange(len(held_out)), held_out)], lambda tensor: tensor)
    return method


def test_paper_has_the_papers_constants():
    config = UninformedStudents.configure("paper")
    assert (config.scales, config.students, config.image_size, config.stride) == ((17, 33, 65), 3, 256, 1)
    assert config.backbone.startswith("resnet18")
    with torch.device("meta"):
        method = UninformedStudents(config, untrained=True)
        stages = method.stages()
        for stage in stages:
            (group,) = stage.optimizer(stage.parameters).param_groups
            assert (group["lr"], group["weight_decay"], group["betas"]) == (1e-4, 1e-5, (0.9, 0.999))
            assert (stage.epochs, stage.steps, stage.batch_size, stage.decay, stage.mixed) == (100, None, 1, 0, False)
    assert [stage.name for stage in stages] == [f"student-{p}-{i}" for p in (17, 33, 65) for i in range(3)]
    counts = [sum(item.numel() for item in stage.parameters) for stage in stages]
    assert counts == [2_996_480] * 3 + [1_616_000] * 3 + [1_386_624] * 3
    assert (config.map.sigma, config.map.top, config.map.foreign) == (0, 0, 0)


def test_paper_pretrains_as_the_paper_does():
    method = make("paper", network=TINY["network"])
    for patch, pretraining in zip((17, 33, 65), method.pretrainings(), strict=True):
        assert (pretraining.steps, pretraining.batch_size, pretraining.crop) == (50_000, 64, patch)
        assert pretraining.sides == (4 * patch, 16 * patch)
        assert not pretraining.vary
        assert (pretraining.decay, pretraining.mixed) == (0, False)
        (group,) = pretraining.optimizer(list(pretraining.module.parameters())).param_groups
        assert (group["lr"], group["weight_decay"], group["betas"]) == (2e-4, 1e-5, (0.9, 0.999))
    weights = method.config.pretraining
    assert (weights.knowledge, weights.matching, weights.compactness) == (1, 0, 1)


def test_standardised_teacher_has_mean_0_and_deviation_1():
    image = torch.rand(6, 3, 64, 64)
    method = prepared(make(**TINY | {"scales": [17, 33]}), image)
    for patch in (17, 33):
        with torch.no_grad():
            said = method.target(patch)(method.describe(method.teacher(patch), image))
        assert said.mean((0, 2, 3)).abs().max() < 1e-3
        assert (said.std((0, 2, 3), unbiased=False) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("cached", [True, False])
def test_statistics_in_parts_are_those_of_all(cached):
    image = torch.rand(5, 3, 64, 64)
    settings = TINY | {"training": {"cached": cached}}
    whole = prepared(make(**settings), image)
    parts = make(**settings)
    (stage,) = parts.stages()
    batches = [batch_of(stage, image[:2]), batch_of(stage, image[2:])]
    parts.prepare(stage, batches, lambda tensor: tensor)
    assert torch.allclose(parts.target(33).mean, whole.target(33).mean, atol=1e-6)
    assert torch.allclose(parts.target(33).deviation, whole.target(33).deviation, rtol=1e-5)


def test_students_share_nothing_and_begin_apart():
    method = make(**TINY)
    storages = [{item.data_ptr() for item in net.parameters()} for net in method.learners(33)]
    assert len(set.union(*storages)) == sum(map(len, storages))
    one, two, three = (next(net.parameters()) for net in method.learners(33))
    assert not torch.equal(one, two)
    assert not torch.equal(two, three)
    assert not torch.equal(one, next(method.teacher(33).parameters()))


@pytest.mark.parametrize("preset", ["lite", "paper"])
def test_a_student_that_says_what_the_teacher_says_has_no_loss(preset):
    settings = (TINY if preset == "lite" else PAPER) | {"scales": [33]}
    image = torch.rand(2, 3, *2 * [settings["image_size"]])
    method = prepared(make(preset, **settings), image)
    target = method.target(33)
    for net in method.learners(33):
        net.load_state_dict(method.teacher(33).state_dict())
        with torch.no_grad():
            net.convs[-1].weight /= target.deviation[:, None, None, None]
            net.convs[-1].bias.copy_((net.convs[-1].bias - target.mean) / target.deviation)
    for stage in method.stages():
        assert stage.loss(batch_of(stage, image))["regression"] < 1e-6
    with torch.no_grad():
        assert method.parts(33, image).abs().max() < 1e-6


def test_the_loss_is_the_sum_over_channels_and_the_mean_over_pixels():
    method, image = make("paper", scales=[17], **PAPER), torch.rand(2, 3, 40, 40)
    prepared(method, image)
    stage = method.stages()[1]
    with torch.no_grad():
        target = (describe(method.teacher(17), method.normal(image)) - method.target(17).mean[:, None, None]) / (
            method.target(17).deviation[:, None, None]
        )
        said = describe(method.learners(17)[1], method.normal(image))
        loss = stage.loss(batch_of(stage, image))["regression"]
    assert torch.allclose(loss, (said - target).square().sum() / (2 * 40 * 40), rtol=1e-5)


def test_a_part_of_the_image_is_learned_as_it_is_seen_in_the_whole():
    image = torch.rand(1, 3, 64, 64)
    method = make(**TINY | {"training": {"crop": 32}})
    with torch.no_grad():
        described = method.describe(method.teacher(33), image)
        padded, part = method._part(33, method._continued(33, image), described)
        again = method.teacher(33)(padded, 4)
    assert part.shape[-2:] == (8, 8)
    assert torch.allclose(again, part, atol=1e-5)


def test_on_held_out_images_error_and_uncertainty_have_mean_0_and_deviation_1():
    image, held_out = torch.rand(4, 3, 64, 64), torch.rand(3, 3, 64, 64)
    method = settled(make(**TINY | {"scales": [17, 65]}), image, held_out)
    for patch in (17, 65):
        with torch.no_grad():
            scaled = method.scale(patch)(method.parts(patch, held_out))
        assert scaled.mean((0, 2, 3)).abs().max() < 1e-3
        assert (scaled.std((0, 2, 3), unbiased=False) - 1).abs().max() < 1e-3


def test_the_map_is_the_mean_over_patch_sizes_in_any_order():
    image = torch.rand(4, 3, 64, 64)
    settings = TINY | {"map": {"sigma": 0, "top": 0, "uncertainty": 1}}
    both = settled(make(**settings | {"scales": [17, 33]}), image, image)
    turned = make(**settings | {"scales": [33, 17]})
    turned.load_state_dict(both.state_dict())
    singles = []
    for patch in (17, 33):
        single = make(**settings | {"scales": [patch]})
        single.load_state_dict({key: value for key, value in both.state_dict().items() if f".{patch}." in key})
        singles.append(single)
    with torch.no_grad():
        map_, score = both(image)
        alone = [single(image)[0] for single in singles]
        assert torch.equal(turned(image)[0], map_)
        parts = both.scale(17)(both.parts(17, image)).sum(1)
    assert torch.allclose(torch.stack(alone).mean(0), map_, atol=1e-4)
    assert torch.equal(alone[0], both.enlarge(parts, image))
    assert torch.allclose(
        score,
        torch.stack(
            [single.scale(p)(single.parts(p, image)).sum(1) for p, single in zip((17, 33), singles, strict=True)]
        )
        .mean(0)
        .flatten(1)
        .max(1)
        .values,
        atol=1e-4,
    )


def test_one_student_has_no_uncertainty_and_still_a_finite_map():
    image = torch.rand(4, 3, 64, 64)
    method = settled(make(students=1, **TINY | {"map": {"sigma": 0}}), image, image)
    with torch.no_grad():
        parts = method.scale(33)(method.parts(33, image))
        assert torch.equal(method(image)[0], method.enlarge(parts[:, 0], image))
    assert (parts[:, 1] == 0).all()


@pytest.mark.parametrize(
    ("preset", "settings"),
    [("lite", TINY | {"scales": [17, 65], "students": 2}), ("paper", PAPER | {"scales": [33], "students": 2})],
)
def test_exportable(preset, settings):
    method = make(preset, **settings)
    image = torch.rand(2, 3, *2 * [settings["image_size"]])
    settled(method, image, image)
    with torch.no_grad():
        shapes = {"image": {0: torch.export.Dim("b", min=1, max=64)}}
        program = torch.export.export(method, (image,), dynamic_shapes=shapes)
        for one, two in zip(program.module()(image[:1]), method(image[:1]), strict=True):
            assert torch.allclose(one, two, atol=1e-4)


def test_the_map_has_the_size_of_an_image_that_the_grid_does_not_divide():
    method, image = make(**TINY | {"image_size": 50}), torch.rand(1, 3, 50, 50)
    with torch.no_grad():
        assert method(image)[0].shape == (1, 50, 50)


def test_an_unknown_patch_size_is_named():
    with pytest.raises(ConfigError, match="scales"):
        make(scales=[16])


def test_uncertainty_has_the_weight_that_is_asked_for():
    image = torch.rand(4, 3, 64, 64)
    method = settled(make(**TINY | {"map": {"sigma": 0, "uncertainty": 0.25}}), image, image)
    with torch.no_grad():
        parts = method.scale(33)(method.parts(33, image))
        assert torch.allclose(method(image)[0], method.enlarge(parts[:, 0] + parts[:, 1] / 4, image), atol=1e-5)
    assert UninformedStudents.configure("paper").map.uncertainty == 1


def test_the_score_of_lite_is_the_mean_of_the_highest_share():
    image = torch.rand(2, 3, 64, 64)
    method = settled(make(**TINY | {"map": {"sigma": 0, "top": 0.02}}), image, image)
    with torch.no_grad():
        parts = method.scale(33)(method.parts(33, image))
        highest = (parts[:, 0] + method.config.map.uncertainty * parts[:, 1]).flatten(1).topk(5).values
        assert torch.allclose(method(image)[1], highest.mean(1))
    assert method.reduction == "mean of the highest 2 % of the anomaly map; plus what its lower quartile is above 1"


def test_what_is_unusual_everywhere_raises_the_score_and_the_map_of_good_images_does_not():
    image = torch.rand(4, 3, 64, 64)
    method = settled(make(**TINY | {"map": {"sigma": 0, "top": 0.02}}), image, image)
    plain = make(**TINY | {"map": {"sigma": 0, "top": 0.02, "foreign": 0}})
    good = torch.randn(2, 2, 16, 16).clamp_max(3)
    everywhere = torch.full((1, 2, 16, 16), 2.4)  # 2.4 + 2.4 / 4 = 3: no higher than the highest of a good image
    for parts, more in ((good, 0.0), (everywhere, 2.0)):
        score, without = (one.combine([parts], torch.empty(len(parts), 3, 64, 64), 0.25)[1] for one in (method, plain))
        assert torch.allclose(score, without + more)
    assert plain.reduction == "mean of the highest 2 % of the anomaly map"
