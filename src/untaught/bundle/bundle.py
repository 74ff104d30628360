"""An exported file, opened: nothing in it is used before everything in it is proven."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from untaught.bundle.archive import SIGNATURE, SUMS, read_parts
from untaught.bundle.card import GoldenRecord, parse_card
from untaught.bundle.graph import check_graph
from untaught.bundle.signature import check_signature, read_public_key
from untaught.errors import BundleError
from untaught.image import Limits, decode

CARD = "card.json"


class Bundle:
    """A verified file made by `untaught export`.

    Args:
        path: the file.
        key: PEM file with the public ed25519 key that must have signed it; None: whoever exported it is trusted.

    Raises:
        BundleError: the file is missing, damaged, changed, of a newer version, refers to other files, or is not signed
            by `key`.
        ConfigError: the key cannot be read.
    """

    def __init__(self, path: str | Path, key: str | Path | None = None) -> None:
        self.path = Path(path)
        self._parts = read_parts(self.path)
        self.card = parse_card(self.part(CARD), f"{self.path}: {CARD}")
        self._check_signer(key)
        self.model = self.part(self.card.graph.file)
        check_graph(self.model, f"{self.path}: {self.card.graph.file}")

    def part(self, name: str) -> bytes:
        """The bytes of a part.

        Raises:
            BundleError: there is no such part.
        """
        if name not in self._parts:
            raise BundleError(f"{self.path} has no {name}", "a file made by `untaught export`", "export the run again")
        return self._parts[name]

    def golden_inputs(self, golden: GoldenRecord) -> dict[str, NDArray[Any]]:
        """What the graph is fed for a golden picture, without the batch dimension."""
        shapes = {tensor.name: (tensor.type, tensor.shape[1:]) for tensor in self.card.graph.inputs}
        inputs: dict[str, NDArray[Any]] = {}
        for name, file in golden.inputs.items():
            kind, _ = shapes.get(name, ("", []))
            if kind == "uint8":
                inputs[name] = np.array(decode(self.part(file), Limits()))
            else:
                inputs[name] = self._floats(file)
        return inputs

    def golden_map(self, golden: GoldenRecord) -> NDArray[np.float32]:
        """The expected map, (height, width) of the recipe."""
        return self._floats(golden.map)

    def _floats(self, name: str) -> NDArray[np.float32]:
        recipe = self.card.recipe
        data = self.part(name)
        if len(data) % (4 * recipe.height * recipe.width) or not data:
            came = f"{self.path}: {name} has {len(data)} bytes"
            raise BundleError(came, "float32 of the recipe's size", "export it anew")
        values = np.frombuffer(data, "<f4").astype(np.float32)
        return values.reshape(
            recipe.height, recipe.width, *([-1] if len(data) > 4 * recipe.height * recipe.width else [])
        )

    def _check_signer(self, key: str | Path | None) -> None:
        signed, public = SIGNATURE in self._parts, self.card.public_key
        if key is not None:
            if not signed or public != read_public_key(Path(key)):
                came = "is signed by another key" if signed else "is not signed"
                raise BundleError(f"{self.path} {came}", f"a file signed by the key in {key}", "get the file anew")
        elif signed != (public is not None):
            came = f"{self.path} names a signer but carries no signature, or the reverse"
            raise BundleError(came, "both or neither", "get the file anew")
        if public is not None and (key is not None or importlib.util.find_spec("cryptography")):
            check_signature(self._parts[SIGNATURE], self._parts[SUMS], public, str(self.path))
