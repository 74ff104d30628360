import pytest
import torch

from untaught.batch import Batch
from untaught.methods.aand import Aand
from untaught.methods.dcam import Dcam
from untaught.methods.dmdd import Dmdd
from untaught.methods.reverse_distillation import ReverseDistillation
from untaught.methods.stfpm import Stfpm


def make(kind, preset="lite", **settings):
    return kind(kind.configure(preset, backbone="resnet18", image_size=64, **settings), untrained=True).eval()


@pytest.mark.parametrize(("kind", "form"), [(ReverseDistillation, "mirrored"), (Dcam, "twin")])
def test_the_papers_students_are_trained_in_fp32_from_whole_features(kind, form):
    for light, settings in ((True, {}), (False, {"student": {"form": form}})):
        (stage,) = make(kind, **settings).stages()
        assert (stage.half, stage.mixed) == (light, light)


def differing(one, other, path=""):
    """Settings that both have and that are not the same."""
    found = set()
    for key in one.keys() & other.keys():
        nested = isinstance(one[key], dict) and isinstance(other[key], dict)
        here = differing(one[key], other[key], f"{path}{key}.") if nested else {f"{path}{key}"}
        found |= here if one[key] != other[key] else set()
    return found


@pytest.mark.parametrize(
    ("kind", "base", "own"),
    [
        (Aand, ReverseDistillation, {"training.epochs"}),
        (Dmdd, ReverseDistillation, set()),
        (Dcam, Stfpm, set()),
    ],
)
def test_lite_presets_share_what_their_cards_say_they_share(kind, base, own):
    assert differing(kind.configure().model_dump(), base.configure().model_dump()) == own


def test_what_is_cached_comes_back_finest_first():
    method, image = make(ReverseDistillation), torch.rand(2, 3, 64, 64)
    frozen = method.frozen(image)
    assert list(frozen) == ["4", "8", "16", "32"]
    batch = Batch(torch.arange(2), None, dict(reversed(frozen.items())))
    assert all(map(torch.equal, method.cached(batch), method.teacher(image)))


def test_what_is_trained_beside_the_student_is_left_to_adam_like_its_last_layers():
    method = make(Dcam)
    (stage,) = method.stages()
    assert {id(part) for part in method.gates.parameters()} < {id(part) for part in stage.parameters}
    rates = {
        id(part): group["lr"] for group in stage.optimizer(stage.parameters).param_groups for part in group["params"]
    }
    training = method.config.training
    assert {rates[id(part)] for part in [*method.gates.parameters(), *method.student.last()]} == {
        training.learning_rate
    }
    assert training.hidden_rate in rates.values()


def test_the_plateau_is_asked_where_the_settings_let_it():
    assert make(Dcam).stages()[0].plateau is not None
    assert make(Dcam, training={"settle": False}).stages()[0].plateau is None
