import pytest
import torch

from untaught.batch import Batch
from untaught.errors import ConfigError
from untaught.methods.stfpm import Stfpm

SMALL = {"image_size": 64}


def make(preset="lite", **settings):
    torch.manual_seed(0)
    return Stfpm(Stfpm.configure(preset, **{**SMALL, **settings}), untrained=True).eval()


@pytest.fixture(scope="module")
def paper():
    return make("paper")


def test_paper_has_the_papers_constants(paper):
    (stage,) = paper.stages()
    group = stage.optimizer(stage.parameters).param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]) == (0.4, 0.9, 1e-4, False)
    assert (stage.epochs, stage.batch_size, stage.decay, stage.warmup, stage.plateau) == (100, 32, 0, 0, None)
    assert (stage.mixed, stage.half) == (False, False)
    config = Stfpm.configure("paper")
    assert (config.backbone, config.image_size, config.levels) == ("resnet18.tv_in1k", 256, (4, 8, 16))
    assert sum(part.numel() for part in stage.parameters) == 2_782_784


def test_the_papers_student_is_the_teachers_architecture_and_starts_from_nothing(paper):
    teacher, student = paper.teacher.net.state_dict(), paper.student.net.state_dict()
    assert {name: part.shape for name, part in teacher.items()} == {name: part.shape for name, part in student.items()}
    kernel = student["layer2.0.conv2.weight"]
    assert kernel.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)  # Kaiming normal, fan out
    assert student["layer2.0.bn2.weight"].eq(1).all()  # torchvision silences no branch
    torch.manual_seed(1)
    other = Stfpm(paper.config, untrained=True)
    assert not torch.equal(kernel, other.student.net.state_dict()["layer2.0.conv2.weight"])


def test_the_papers_loss_and_map_step_by_step(paper):
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        target, student = paper.teacher(image), paper.student(image)
        levels = []
        for t, s in zip(target, student, strict=True):
            t, s = (x / x.norm(dim=1, keepdim=True).clamp_min(1e-12) for x in (t, s))
            levels.append(0.5 * (t - s).square().sum(1))
        (stage,) = paper.stages()
        loss = stage.loss(Batch(torch.arange(2), image, stage.frozen(image)))["match"]
        map_, score = paper(image)
    assert [level.shape[-1] for level in levels] == [16, 8, 4]
    assert loss.item() == pytest.approx(sum(level.mean().item() for level in levels), rel=1e-5)
    expected = torch.ones(2, 64, 64)
    for level in levels:
        expected *= torch.nn.functional.interpolate(level[:, None], (64, 64), mode="bilinear", align_corners=False)[
            :, 0
        ]
    assert torch.allclose(map_, expected, atol=1e-6)
    assert torch.equal(score, map_.flatten(1).max(1).values)


def test_levels_may_be_added_instead():
    image = torch.rand(1, 3, 64, 64)
    method = make("paper", map={"form": "sum"})
    with torch.no_grad():
        levels = method.distances(method.teacher(image), image)
        summed = sum(
            torch.nn.functional.interpolate(level[:, None], (64, 64), mode="bilinear")[:, 0] for level in levels
        )
        assert torch.allclose(method(image)[0], summed, atol=1e-6)


@pytest.mark.parametrize("preset", ["lite", "paper"])
def test_exportable(preset):
    method = make(preset)
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        program = torch.export.export(
            method, (image,), dynamic_shapes={"image": {0: torch.export.Dim("b", min=1, max=64)}}
        )
        assert torch.allclose(program.module()(image[:1])[0], method(image[:1])[0], atol=1e-5)


def test_the_worst_positions_may_be_added_to_the_loss():
    method, plain = make(training={"hard": 0.02}), make()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        batch = Batch(torch.arange(2), image, method.frozen(image))
        hard, mean = method.loss(batch), plain.loss(batch)
    assert mean["match"].item() == pytest.approx(3 * mean["distance"].item(), rel=1e-5)
    assert hard["distance"].item() == pytest.approx(mean["distance"].item())
    assert hard["match"] > mean["match"]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"student": {"widths": [8, 8]}}, "give 5 widths"),
        ({"levels": [8, 24, 32]}, "strides out of"),
        ({"map": {"form": "sum", "weights": [1.0]}}, "one a level"),
        ({"map": {"form": "product", "weights": [1.0, 1.0, 1.0]}}, "product"),
    ],
)
def test_settings_that_do_not_go_together(settings, word):
    with pytest.raises(ConfigError, match=word):
        make(**settings)
