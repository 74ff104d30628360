import numpy as np
import pytest
import torch

from untaught.anomalies.draw import Drawer
from untaught.batch import Batch
from untaught.engine.pairs import draw_pairs
from untaught.errors import ConfigError
from untaught.losses.decouple import regions
from untaught.maps.distance import cosine_distance
from untaught.method import Drops
from untaught.methods.dmdd import Dmdd
from untaught.metrics.auroc import auroc

SMALL = {"backbone": "resnet18", "image_size": 64}


def make(preset="lite", **settings):
    torch.manual_seed(0)
    return Dmdd(Dmdd.configure(preset, **settings), untrained=settings.get("backbone") == "resnet18")


def stripes(count, size=64):
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    phase = torch.arange(count)[:, None, None] * 0.7
    wave = 0.5 + 0.3 * torch.sin((x + y) / 3 + phase)
    return wave[:, None].expand(-1, 3, -1, -1).contiguous()


def pairs_of(method, image, *keys):
    pixels = (image * 255).round().to(torch.uint8)
    arrays = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    drawer = Drawer(method.config.anomalies)
    defect, mask = draw_pairs(drawer, pixels, range(len(image)), keys, lambda number: arrays[number % len(arrays)])
    batch = Batch(torch.arange(len(image)), pixels.float() / 255, {}, defect, mask)
    with torch.no_grad():
        batch.frozen = method.frozen(batch.image)
    return batch


def train(method, image, steps, batch_size=4):
    for stage in method.stages():
        method.eval()
        method.prepare(stage, [pairs_of(method, image, "prepare")], lambda tensor: tensor)
        optimizer = stage.optimizer(stage.parameters)
        method.train()
        for step in range(steps):
            chosen = image[torch.arange(step, step + batch_size) % len(image)]
            loss = next(iter(stage.loss(pairs_of(method, chosen, stage.name, step)).values()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    method.eval()


@pytest.fixture(scope="module")
def paper():
    return make("paper", **SMALL).eval()


def test_paper_has_the_constants_of_the_specification():
    config = Dmdd.configure("paper")
    assert (config.backbone, config.image_size, config.levels) == ("wide_resnet50_2.tv_in1k", 256, (4, 8, 16))
    with torch.device("meta"):
        method = Dmdd(config, untrained=True)
        first, second = method.stages()
        optimizers = [stage.optimizer(stage.parameters) for stage in (first, second)]
        sizes = [sum(part.numel() for part in module.parameters()) for module in (method.student.trunk, method.head)]
        heads = sum(part.numel() for part in method.student.heads.parameters() if part.ndim == 4)
    groups = [optimizer.param_groups[0] for optimizer in optimizers]
    assert [(group["lr"], group["betas"]) for group in groups] == [(0.005, (0.5, 0.999)), (1e-3, (0.9, 0.999))]
    assert [(stage.steps, stage.batch_size, stage.warmup, stage.decay) for stage in (first, second)] == [
        (5000, 16, 0, 0.0),
        (2000, 16, 0, 0.0),
    ]
    assert (first.drops, second.drops) == (Drops((0.8, 0.9), 0.2), None)
    assert sizes[0] == 83_802_624
    assert round(sizes[1], -4) == 190_000
    assert heads == sum(4 * channels**2 for channels in (256, 512, 1024))
    assert not any(parameter.requires_grad for parameter in method.teacher.parameters())
    assert config.anomalies.kinds == {"perlin": 1.0}


@pytest.mark.parametrize(
    "wrong",
    [{"segment": {"dilations": (0,)}}, {"decouple": {"betas": (0.5, 1.5)}}, {"segment": {"betas": (-0.1, 0.9)}}],
)
def test_what_would_end_in_the_middle_of_a_training_is_refused_before(wrong):
    with pytest.raises(ConfigError):
        Dmdd.configure("lite", **wrong)


def test_lite_ends_by_itself_and_paper_after_its_steps():
    lite, paper = (make(preset, **SMALL).stages()[0] for preset in ("lite", "paper"))
    assert (lite.plateau.watch, lite.plateau.minimum, paper.plateau) == ("distance", 250, None)


@pytest.mark.parametrize("size", [256, 224, 320])
def test_shapes_at_full_size(size):
    with torch.device("meta"):
        method = Dmdd(Dmdd.configure("paper", image_size=size), untrained=True).eval()
        image = torch.empty(2, 3, size, size)
        target = method.teacher(image)
        for levels in method.student(target):
            assert [level.shape for level in levels] == [level.shape for level in target]
        assert [level.shape[1] for level in target] == [256, 512, 1024]
        maps = method.perceived(*method.distances(target), target)
        assert maps.shape == (2, 6, size // 4, size // 4)
        assert method.head(maps).shape == (2, 1, size // 4, size // 4)
        assert [tensor.shape for tensor in method(image)] == [(2, size, size), (2,)]


def test_the_papers_losses_step_by_step(paper):
    batch, cosine = pairs_of(paper, stripes(2), "by hand"), torch.nn.functional.cosine_similarity
    with torch.no_grad():
        clean, bad = paper.teacher(batch.image), paper.teacher(batch.defect)
        normality = abnormality = 0.0
        for level, (good, worse) in enumerate(zip(clean, bad, strict=True)):
            normal, abnormal = (side[level] for side in paper.student(clean))
            normal_of_defect, abnormal_of_defect = (side[level] for side in paper.student(bad))
            for one in (normal, normal_of_defect):
                normality += (1 - cosine(one.flatten(1), good.flatten(1))).mean()
            normality += (1 - cosine(normal_of_defect, good)).mean()
            share = torch.nn.functional.avg_pool2d(batch.mask.float(), 64 // good.shape[-1])[:, 0]
            apart = 1 - cosine(abnormal_of_defect, worse)
            assert (share > 0.3).any()
            abnormality += apart[share == 0].mean() + torch.relu(1 - apart[share > 0.3]).mean()
            abnormality += (1 - cosine(abnormal, good)).mean()
        losses = paper.decouple_loss(batch)
    assert losses["normality"].item() == pytest.approx(normality.item(), rel=1e-5)
    assert losses["abnormality"].item() == pytest.approx(abnormality.item(), rel=1e-5)
    assert losses["decouple"].item() == pytest.approx((normality + abnormality).item(), rel=1e-5)


def test_the_losses_of_lite_step_by_step():
    method = make(image_size=64).eval()
    batch = pairs_of(method, stripes(2), "by hand")

    def hardest(apart):
        return apart.mean() + apart.flatten().topk(max(1, round(0.02 * apart.numel()))).values.mean()

    with torch.no_grad():
        clean, bad = method.teacher(batch.image), method.teacher(batch.defect)
        clean, bad = ([level.clamp(-8, 8) for level in side] for side in (clean, bad))
        normality = abnormality = 0.0
        for level, (good, worse) in enumerate(zip(clean, bad, strict=True)):
            normal, abnormal = (side[level] for side in method.student(clean))
            normal_of_defect, abnormal_of_defect = (side[level] for side in method.student(bad))
            normality += sum(hardest((one - good).square().mean(1)) for one in (normal, normal_of_defect))
            share = torch.nn.functional.avg_pool2d(batch.mask.float(), 64 // good.shape[-1])[:, 0]
            apart, energy = (abnormal_of_defect - worse).square().mean(1), worse.square().mean(1)
            short = torch.relu(1 - apart / energy)[share > 0.3]
            abnormality += apart[share == 0].mean() + (short.mean() if len(short) else 0)
            abnormality += (abnormal - good).square().mean()
        losses = method.decouple_loss(batch)
    assert losses["normality"].item() == pytest.approx(normality.item(), rel=1e-5)
    assert losses["abnormality"].item() == pytest.approx(abnormality.item(), rel=1e-5)


def test_a_step_on_abnormality_alone_turns_away_inside_and_towards_outside(paper):
    method = make("paper", **SMALL, decouple={"positions": 0.0})
    batch = pairs_of(method, stripes(4), "step")
    method.train()

    def sides():
        with torch.no_grad():
            clean, bad = method.pairs(batch)
            both = [torch.cat(level) for level in zip(clean, bad, strict=True)]
            outside, inside = [], []
            for level, abnormal in zip(both, method.student(both)[1], strict=True):
                apart = cosine_distance(level, abnormal)[len(clean[0]) :]
                good, defect = regions(batch.mask, apart.shape[-2:])
                outside.append(apart[good])
                inside.append(apart[defect])
        assert min(map(len, inside)) > 0
        return torch.cat(outside).mean(), torch.cat(inside).mean()

    before = sides()
    (stage, _) = method.stages()
    losses = method.losses(batch)
    optimizer = torch.optim.SGD(stage.parameters, 0.01)
    losses[1].backward()
    optimizer.step()
    after = sides()
    assert after[0] < before[0]
    assert after[1] > before[1]


@pytest.mark.parametrize("preset", ["paper", "lite"])
def test_the_teacher_is_bit_identical_after_training(preset):
    method = make(preset, image_size=64, **({"backbone": "resnet18"} if preset == "paper" else {}))
    before = {name: tensor.clone() for name, tensor in method.teacher.state_dict().items()}
    train(method, stripes(2), 1, batch_size=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in method.teacher.parameters())


def test_the_second_stage_leaves_the_first_ones_networks_alone():
    method = make("paper", **SMALL)
    _, stage = method.stages()
    before = {name: tensor.clone() for name, tensor in method.student.state_dict().items()}
    method.train()
    next(iter(stage.loss(pairs_of(method, stripes(2), "still")).values())).backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.student.state_dict().items())
    assert all(parameter.grad is None for parameter in method.student.parameters())
    assert all(parameter.grad is not None for parameter in method.head.parameters())


def test_pairs_agree_outside_the_mask_and_differ_inside():
    method = make("paper", **SMALL)
    inside = []
    for number in range(8):
        batch = pairs_of(method, stripes(4), number)
        apart = (batch.defect - batch.image).abs().amax(dim=1, keepdim=True)
        assert apart[~batch.mask].max() == 0
        inside += [mask.any() and bool((item[mask] > 0).all()) for item, mask in zip(apart, batch.mask, strict=True)]
        assert batch.mask.shape == (4, 1, 64, 64)
        assert batch.mask.dtype == torch.bool
    assert np.mean(inside) > 0.95


@pytest.mark.parametrize("preset", ["paper", "lite"])
def test_an_empty_mask_gives_finite_losses_and_gradients(preset):
    method = make(preset, image_size=64, **({"backbone": "resnet18"} if preset == "paper" else {}))
    batch = pairs_of(method, stripes(2), "empty")
    batch.defect, batch.mask = batch.image, torch.zeros_like(batch.mask)
    method.train()
    for stage in method.stages():
        loss = next(iter(stage.loss(batch).values()))
        loss.backward()
        assert loss.isfinite()
        assert all(part.grad.isfinite().all() for part in stage.parameters)


def test_drawn_defects_are_found_in_raw_mode_and_by_the_head():
    settings = {"image_size": 64, "map": {"sigma": 2.0, "sigma_side": 0}}
    raw = make(**settings, segment={"stride": 4})
    train(raw, stripes(8), 60)
    batch = pairs_of(raw, stripes(16) * 0.98, "held out")
    ways = (make(**settings, use_msn=False), raw, make(**settings, segment={"stride": 4, "weight": 0.0}))
    for method in ways:
        method.load_state_dict({name: value for name, value in raw.state_dict().items() if name in method.state_dict()})
    with torch.no_grad():
        found = [auroc(method.eval()(batch.defect)[0].flatten(), batch.mask.flatten()) for method in ways]
    assert found[0] > 0.9
    assert min(found[1:]) > found[0] - 0.02, "times the head's probability, and the probability alone"


@pytest.mark.parametrize("preset", ["paper", "lite"])
def test_only_the_image_is_needed_and_the_answer_is_always_the_same_and_exports(preset):
    method = make(preset, image_size=64, **({"backbone": "resnet18"} if preset == "paper" else {})).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        one, other = method(image), method(image)
        assert all(torch.equal(*both) for both in zip(one, other, strict=True))
        program = torch.export.export(
            method, (image,), dynamic_shapes={"image": {0: torch.export.Dim("b", min=1, max=64)}}
        )
        assert torch.allclose(program.module()(image[:1])[0], one[0][:1], atol=1e-4)


def test_of_five_images_one_is_kept_for_the_head():
    first, second = make(image_size=64).stages()
    assert [first.shown(number) for number in range(6)] == [False, True, True, True, True, False]
    assert [second.shown(number) for number in range(6)] == [True, False, False, False, False, True]
    assert make(image_size=64, use_msn=False).stages()[0].shown is None


def test_the_head_multiplies_map_and_score_of_lite_and_lowers_neither():
    method, image = make(image_size=64).eval(), torch.rand(4, 3, 64, 64)
    raw = make(image_size=64, use_msn=False).eval()
    raw.load_state_dict({name: tensor for name, tensor in method.state_dict().items() if name in raw.state_dict()})
    alone = make(image_size=64, segment={"weight": 0.0}).eval()
    alone.load_state_dict(method.state_dict())
    with torch.no_grad():
        (map_, score), (before, score_before), (probability, highest) = method(image), raw(image), alone(image)
    assert torch.allclose(map_, before * (1 + probability), rtol=1e-4)
    assert torch.allclose(score, score_before * (1 + highest), rtol=1e-4)
    assert (map_ > before).all()
    assert (map_ < 2 * before).all()


def test_raw_mode_is_the_sum_of_both_distances_smoothed():
    method = make("paper", **SMALL, use_msn=False).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        map_, score = method(image)
        levels = [level for side in method.distances(method.teacher(image)) for level in side]
        large = [
            torch.nn.functional.interpolate(level[:, None], size=(64, 64), mode="bilinear", align_corners=True)[:, 0]
            for level in levels
        ]
        assert torch.allclose(map_, method.map.smooth(torch.stack(large).sum(0)), atol=1e-5)
    assert len(levels) == 6
    assert torch.equal(score, map_.flatten(1).amax(1))
    assert len(method.stages()) == 1


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"image_size": 250}, "multiple of"),
        ({"levels": [4, 16]}, "double"),
        ({"branch_kernel": 5}, "branch_kernel"),
        ({"segment": {"width": 12}}, "segment.width"),
        ({"anomalies": {"kinds": {"perlin": 0}}}, "anomalies.kinds"),
        ({"decouple": {"loss": "l2"}}, "decouple.loss"),
    ],
)
def test_settings_that_do_not_go_together(settings, word):
    with pytest.raises(ConfigError, match=word):
        make(**settings)
