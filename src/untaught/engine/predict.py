"""From images to verdicts, by the trained method itself. One warm model, no per-call set-up, safe from many threads.

Images are scored one by one, so that what comes out cannot depend on what an image was scored together with; the next
ones are decoded meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, cast, overload

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from untaught.calibration import p_values
from untaught.config import Settings, load_toml, validate
from untaught.engine.checkpoint import load_tensors
from untaught.engine.provenance import file_hash
from untaught.errors import ImageError, RunError
from untaught.image import Recipe, Source, in_order, read_with_size
from untaught.method import Method
from untaught.records import Prediction, ScoreMap
from untaught.regions import find_regions
from untaught.registry import method_class
from untaught.run import Run


class Decoded(NamedTuple):
    """An image ready for the method; `size` is (width, height) of the original, `seconds` what decoding took."""

    name: str
    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    seconds: float


class Detector:
    """A trained run that inspects images.

    Args:
        run: the run folder or the run itself.

    Raises:
        RunError: the run is unfinished or damaged.
    """

    def __init__(self, run: Run | str | Path) -> None:
        self.run = run if isinstance(run, Run) else Run(run)
        self.device = Accelerator(cpu=not torch.cuda.is_available()).device
        self.method = load_method(self.run, self.device)

    @property
    def recipe(self) -> Recipe:
        """How images are decoded and resized."""
        return self.run.card.recipe

    @overload
    def inspect(self, source: list[Source]) -> list[Prediction]: ...
    @overload
    def inspect(self, source: Source) -> Prediction: ...

    def inspect(self, source: Source | list[Source]) -> Prediction | list[Prediction]:
        """Inspect one image or a list of images.

        Args:
            source: a path, the bytes of a file, an array (h, w), (h, w, 3) or (h, w, 4) of uint8 or uint16, a PIL
                image, or a list of these.

        Returns:
            A prediction, or a list of them in the same order.

        Raises:
            ImageError: a source is not an image that can be decoded.
        """
        if isinstance(source, list):
            return list(self.stream(source))
        return self._judge(self._decode(source))

    def stream(self, sources: Iterable[Source], names: Iterable[str] | None = None) -> Iterator[Prediction]:
        """Inspect many images in order, `names` in place of their own in the answers; raises as `inspect` does."""
        for answer in self.stream_all(sources, names):
            if isinstance(answer, ImageError):
                raise answer
            yield answer

    def stream_all(
        self, sources: Iterable[Source], names: Iterable[str] | None = None
    ) -> Iterator[Prediction | ImageError]:
        """As `stream`, but an image that does not decode gives its error in place of a prediction."""

        def decode(item: tuple[Source, str]) -> Decoded | ImageError:
            try:
                return self._decode(*item)
            except ImageError as error:
                return error

        for decoded in in_order(decode, zip(sources, repeat("") if names is None else names, strict=False)):
            yield decoded if isinstance(decoded, ImageError) else self._judge(decoded)

    def _decode(self, source: Source, name: str = "") -> Decoded:
        started = time.perf_counter()
        pixels, size = read_with_size(source, self.recipe)
        name = name or (str(source) if isinstance(source, str | Path) else "")
        return Decoded(name, pixels, size, time.perf_counter() - started)

    def _judge(self, image: Decoded) -> Prediction:
        started = time.perf_counter()
        scored = score_image(self.method, image.pixels, self.device)
        calibration = self.run.card.calibration
        return Prediction(
            name=image.name,
            score=scored.score,
            p_value=float(p_values(calibration.scores, [scored.score])[0]),
            reject=scored.score > calibration.image.value,
            size=image.size,
            map=scored.map,
            regions=find_regions(scored.map, calibration.pixel.value, image.size),
            seconds=image.seconds + time.perf_counter() - started,
        )


def score_image(method: Method, pixels: NDArray[np.uint8], device: torch.device) -> ScoreMap:
    """Score one image (h, w, 3) of the method's input size."""
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device).float() / 255
    with torch.inference_mode():
        map_, score = method(image.contiguous(memory_format=torch.channels_last))
    return ScoreMap(map_[0].float().cpu().numpy(), float(score[0]))


def load_method(run: Run, device: torch.device) -> Method:
    """The trained method of a run, in eval mode.

    Raises:
        RunError: the weights are missing or are not those the card tells of.
    """
    source = run.folder / "settings.toml"
    settings = validate(Settings, load_toml(source), str(source))
    path = run.folder / "weights.safetensors"
    if not path.exists() or file_hash(path) != run.card.weights.sha256:
        raise RunError(
            f"{path} is missing or changed", "the weights this run's card tells of", "restore the file or train again"
        )
    method = make_method(settings, untrained=True)
    method.load_state_dict(load_tensors(path)[0])
    return method.to(device).to(memory_format=torch.channels_last).eval()


def make_method(settings: Settings, *, untrained: bool = False) -> Method:
    """The method that the settings ask for; `untrained` leaves the backbone's weights to a saved state.

    Raises:
        ConfigError: the settings do not fit the method.
        WeightsError: the backbone's weights cannot be had.
    """
    kind = method_class(settings.method)
    size = {"image_size": settings.image_size} if settings.image_size else {}
    return cast("Method", kind(kind.configure(settings.preset, **{**settings.model, **size}), untrained=untrained))
