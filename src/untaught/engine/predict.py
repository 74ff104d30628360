"""The trained method itself as the scorer of the inspector: one warm model, no per-call set-up."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor, nn

from untaught.config import Settings, load_toml, validate
from untaught.engine.checkpoint import load_tensors
from untaught.engine.provenance import file_hash
from untaught.errors import ConfigError, RunError
from untaught.inspector import Inputs, Inspector, Scorer
from untaught.method import Method, MethodConfig
from untaught.registry import method_class
from untaught.run import Run, opened


class Detector(Inspector):
    """A trained run that inspects images.

    Args:
        run: the run folder or the run itself.

    Raises:
        RunError: the run is unfinished or damaged.
    """

    def __init__(self, run: Run | str | Path) -> None:
        self.run = opened(run)
        self.device = Accelerator(cpu=not torch.cuda.is_available()).device
        self.method = load_method(self.run, self.device)
        card = self.run.card
        super().__init__(card.recipe, card.calibration, scorer(self.method, self.device), card.products)


AnyRun: TypeAlias = Run | str | Path | Detector
"""What a function that works on a run takes."""


class Scoring(nn.Module):
    """A method fed with pixels: what scores here is what is exported."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, *pictures: Shaped[Tensor, "b h w _"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Map and score of pictures in the order of the method's inputs: pixels are uint8, depth is float32."""
        planes = [picture.permute(0, 3, 1, 2) for picture in pictures]
        scaled = [plane.float() / 255 if plane.dtype == torch.uint8 else plane for plane in planes]
        map_, score = self.method(*(plane.contiguous(memory_format=torch.channels_last) for plane in scaled))
        return map_.float(), score.float()


def scorer(method: Method, device: torch.device) -> Scorer:
    """A method as the inspector wants it."""
    scoring = Scoring(method)

    def score(inputs: Inputs, /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with torch.inference_mode():
            map_, score = scoring(*(torch.from_numpy(inputs[name]).to(device) for name in method.inputs))
        return map_.cpu().numpy(), score.cpu().numpy()

    return score


def load_method(run: Run, device: torch.device) -> Method:
    """The trained method of a run, in eval mode.

    Raises:
        RunError: the weights are missing or are not those the card tells of.
    """
    settings = run_settings(run)
    path = run.folder / "weights.safetensors"
    if not path.exists() or file_hash(path) != run.card.weights.sha256:
        raise RunError(
            f"{path} is missing or changed", "the weights this run's card tells of", "restore the file or train again"
        )
    config = model_settings(settings, f"{run.folder / 'settings.toml'}")
    method = cast("Method", method_class(settings.method)(config, untrained=True))
    try:
        method.load_state_dict(load_tensors(path)[0])
    except RuntimeError as error:
        came = f"the weights of {run.folder} are not those of {settings.method} as installed ({error})"
        fix = f"install untaught {run.card.versions.get('untaught', 'as it was then')}, or train again"
        raise RunError(came, "a run of this version", fix) from None
    return method.to(device).to(memory_format=torch.channels_last).eval()


def run_settings(run: Run) -> Settings:
    """What a run was asked to do.

    Raises:
        ConfigError: its settings.toml is missing or damaged.
    """
    source = run.folder / "settings.toml"
    return validate(Settings, load_toml(source), str(source))


def make_method(settings: Settings, *, untrained: bool = False) -> Method:
    """The method that the settings ask for; `untrained` leaves the backbone's weights to a saved state.

    Raises:
        ConfigError: the settings do not fit the method.
        WeightsError: the backbone's weights cannot be had.
    """
    kind = method_class(settings.method)
    return cast("Method", kind(configuration(settings), untrained=untrained))


def model_settings(settings: Settings, source: str) -> MethodConfig:
    """The method's own settings of a run, which `complete` wrote: what is not among them is its class's default.

    Raises:
        ConfigError: an unknown key or a wrong value; the message names the `source`.
    """
    return cast("MethodConfig", validate(method_class(settings.method).Config, settings.model, f"model in {source}"))


def complete(settings: Settings) -> Settings:
    """The settings with all of the method's own in `model`: they mean the same whatever later presets say.

    A setting that a method gets later is not among them. Its class's default is therefore what was done before there
    was one; what is better stands in the presets.

    Raises:
        ConfigError: as `configuration`.
    """
    return settings.model_copy(update={"model": configuration(settings).model_dump(mode="json", exclude_none=True)})


def configuration(settings: Settings) -> MethodConfig:
    """The method's own settings.

    Raises:
        ConfigError: no such method or preset, an unknown key or a wrong value; tiles and an image size do not agree.
    """
    side = settings.tile if isinstance(settings.tile, int) else settings.image_size
    if side and settings.image_size not in (None, side):
        raise ConfigError(
            f"tiles of {side} px and an image size of {settings.image_size}", "one of them", "leave out --image-size"
        )
    size = {"image_size": side} if side else {}
    kind = method_class(settings.method)
    return cast("MethodConfig", kind.configure(settings.preset, **{**settings.model, **size}))
