"""An exported file that inspects images, and proves itself before it does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import numpy as np

from untaught.bundle.bundle import Bundle
from untaught.bundle.card import GoldenRecord
from untaught.calibration import Calibration
from untaught.errors import BundleError, UntaughtError
from untaught.image import Recipe
from untaught.inspector import Inspector, Scorer, score_image
from untaught.records import ScoreMap
from untaught.runtime.session import Backend, Session, open_session


def cores() -> int:
    """Cores this process may use: fewer than there are in a container or under `taskset`."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class GraphInspector(Inspector):
    """Inspects images by a graph. May be called from several threads.

    Args:
        recipe: how images are decoded and resized.
        calibration: what is known of the scores of good parts.
        model: the ONNX graph.
        backend: `onnxruntime`, `openvino`, or `auto`: OpenVINO where it is installed.
        threads: for one image, or images of a long list at a time; None: as many as there are cores.
        products: the calibration of each product, where there are several.

    Raises:
        ConfigError: the backend is not there.
        BundleError: the runtime refuses the graph.
    """

    def __init__(
        self,
        recipe: Recipe,
        calibration: Calibration,
        model: bytes,
        backend: Backend = "auto",
        threads: int | None = None,
        products: Mapping[str, Calibration] | None = None,
    ) -> None:
        self.model, self.backend = model, backend
        self.session = open_session(model, backend, threads)
        self.threads = threads or cores()
        self._team: Session | None = None
        self._opening = Lock()
        super().__init__(recipe, calibration, self.session, products)

    def team(self) -> tuple[Scorer, int]:
        """A session with one thread an image: cores that share one image wait for each other."""
        if self.threads == 1:
            return self.session, 1
        with self._opening:
            if self._team is None:
                self._team = open_session(self.model, self.backend, 1, at_a_time=self.threads)
        return self._team, self.threads


class Predictor(GraphInspector):
    """Inspects images by an exported file; gives the answers the run gives. May be called from several threads.

    Args:
        bundle: the file, or opened already.
        backend: `onnxruntime`, `openvino`, or `auto`: OpenVINO where it is installed.
        threads: for one image, or images of a long list at a time; None: as many as there are cores.
        self_test: run the golden pictures of the file first.
        key: PEM file with the public key that must have signed the file.

    Raises:
        BundleError: the file is not as it was exported, or does not answer here as it must.
        ConfigError: the backend is not there, or the key cannot be read.
    """

    def __init__(
        self,
        bundle: Bundle | str | Path,
        backend: Backend = "auto",
        threads: int | None = None,
        *,
        self_test: bool = True,
        key: str | Path | None = None,
    ) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle(bundle, key)
        card = self.bundle.card
        super().__init__(card.recipe, card.calibration, self.bundle.model, backend, threads, card.products)
        if self_test:
            prove(self)


def prove(predictor: Predictor) -> None:
    """Run the golden pictures.

    Raises:
        BundleError: a score, a map or a verdict is not the expected one.
    """
    bundle, card = predictor.bundle, predictor.bundle.card
    expected = [(golden, bundle.golden_map(golden)) for golden in card.golden]
    highest = max(np.abs(map_).max() for _, map_ in expected)
    largest = max(abs(golden.score) for golden in card.golden)
    for golden, map_ in expected:
        says = answer(predictor, golden)
        off_score = abs(says.score - golden.score) / (largest or 1)
        off_map = float(np.abs(says.map - map_).max() / (highest or 1)) if says.map.shape == map_.shape else np.inf
        limit = card.calibration.image.value
        close = card.graph.precision == "int8" and abs(golden.score - limit) <= card.tolerance * largest
        same = close or (says.score > limit) == golden.reject
        if not (off_score <= card.tolerance and off_map <= card.tolerance and same):
            raise BundleError(
                f"{bundle.path} fails its own test in {predictor.session.backend} {predictor.session.version}: on the "
                f"golden picture {golden.name} the score is {says.score:.6g} in place of {golden.score:.6g} "
                f"(off by {off_score:.2g}, the map by {off_map:.2g})",
                f"the answers of the export, within {card.tolerance:g}",
                "use another backend, or export the run again on this machine",
            )


def answer(predictor: Predictor, golden: GoldenRecord) -> ScoreMap:
    """What the graph says of a golden picture.

    Raises:
        BundleError: the picture is not what the graph takes.
    """
    bundle = predictor.bundle
    try:
        return score_image(predictor.score, bundle.golden_inputs(golden), predictor.recipe.of(golden.product))
    except UntaughtError:
        raise
    except Exception as error:  # each runtime has its own, and they share no base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise BundleError(
            f"{bundle.path}: the graph does not take the golden picture {golden.name} ({reason})",
            "pictures as the graph is fed with",
            "export the run again",
        ) from error
