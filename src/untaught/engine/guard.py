"""A detector that takes no picture for new that the run has learned from, however its file was saved.

By the bytes of a file that is known before anything is decoded; here it is told by the picture that the model is given,
which is decoded anyway. A picture that was compressed anew is another one: the doctor finds it where it sees both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from untaught.data.look import picture_hash
from untaught.engine.predict import Detector
from untaught.errors import DataError
from untaught.inspector import Decoded, Given
from untaught.run import FileRecord, Run


class Guard(Detector):
    """A detector for pictures that the run must never have seen. `pictures` holds the hash of each that was decoded.

    Args:
        run: the run.
        parts: the lists of its card in which none of them may be.
    """

    def __init__(self, run: Run, parts: Sequence[str]) -> None:
        super().__init__(run)
        listed: list[FileRecord] = [item for part in parts for item in getattr(run.card.data, part)]
        self.files: Mapping[str, str] = {item.sha256: item.name for item in listed}
        self.known: Mapping[str, str] = {item.picture: item.name for item in listed if item.picture}
        self.pictures: dict[str, str] = {}

    def decode(self, source: Given, name: str = "", product: str = "") -> Decoded:
        """What the scorer will see of a source; raises DataError where the run has seen it, else as `inspect` does."""
        decoded = super().decode(source, name, product)
        told = picture_hash(decoded.inputs["image"])
        if told in self.known:
            raise DataError(
                f"{decoded.name} shows the same picture as {self.known[told]}, which the run was made with",
                "images the run has never seen: on others its scores are too low",
                "remove all such copies (`untaught doctor` lists them where it sees both)",
            )
        self.pictures[decoded.name] = told
        return decoded
