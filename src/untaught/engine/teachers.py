"""The store of teachers: made once from photographs, used by every product.

<cache>/teachers/NAME.safetensors    the teacher's tensors     NAME.json    its card
<cache>/teachers/NAME.partial/       while it is being made
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from untaught.engine.checkpoint import load_tensors, save_tensors
from untaught.engine.photographs import PACKAGED
from untaught.engine.provenance import file_hash, versions
from untaught.errors import RunError
from untaught.files import cache_root, write_text
from untaught.method import Pretraining
from untaught.nn.lesson import Lesson
from untaught.run import WeightsRecord


class TeacherCard(BaseModel):
    """All that is known of a teacher but its weights."""

    model_config = ConfigDict(extra="forbid")

    name: str
    sha256: str = Field(description="of the tensors' file")
    backbone: WeightsRecord = Field(description="the large network it learned from")
    settings: dict[str, Any]
    photographs: str = Field(description="where they came from")
    images: int
    images_sha256: str
    steps: int
    seed: int
    losses: dict[str, float] = Field(description="means over the last steps")
    seconds: float
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def words(self) -> str:
        """What it is, in a line."""
        return f"{self.steps} steps on {self.images} photographs ({self.photographs}), sha256 {self.sha256[:12]}"


def stem(pretraining: Pretraining) -> str:
    """The name of a teacher's files: what it is, and a hash of all that it depends on but photographs and steps."""
    return f"{pretraining.name}-{hashlib.sha256(_told(pretraining).encode()).hexdigest()[:8]}"


def _told(pretraining: Pretraining) -> str:
    return json.dumps(dict(pretraining.settings), sort_keys=True, default=str)


def place(pretraining: Pretraining) -> Path:
    """Where the tensors of this teacher are kept."""
    return cache_root() / "teachers" / f"{stem(pretraining)}.safetensors"


def workshop(pretraining: Pretraining) -> Path:
    """The folder in which this teacher is made."""
    return place(pretraining).with_suffix(".partial")


def find_teacher(pretraining: Pretraining) -> TeacherCard | None:
    """The card of the stored teacher; None where there is none.

    Raises:
        RunError: what is stored is damaged.
    """
    path = place(pretraining)
    described = path.with_suffix(".json")
    if not (path.exists() and described.exists()):
        return None
    try:
        card = TeacherCard.model_validate_json(described.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        card = None
    if card is None or card.sha256 != file_hash(path):
        raise RunError(
            f"the teacher {path} and its card do not belong together",
            "files as `untaught pretrain-teacher` wrote them",
            f"delete {path} and {described.name}; it is made again when it is needed",
        )
    return card


def serves(card: TeacherCard, pretraining: Pretraining) -> bool:
    """Whether a stored teacher is taken as it is: learned for as long as asked, or made from the user's photographs."""
    return card.steps >= pretraining.steps or card.photographs != PACKAGED


def keep_teacher(pretraining: Pretraining, lesson: Lesson, facts: dict[str, Any]) -> TeacherCard:
    """Write the teacher and its card; the card last, so that a teacher without one does not count."""
    path = place(pretraining)
    save_tensors(path, lesson.teacher.state_dict())
    card = TeacherCard(
        name=path.stem, sha256=file_hash(path), backbone=lesson.record, settings=json.loads(_told(pretraining)),
        versions=versions(), **facts,
    )  # fmt: skip
    write_text(path.with_suffix(".json"), card.model_dump_json(indent=2))
    return card


def take_teacher(pretraining: Pretraining) -> None:
    """Put the stored teacher's tensors into the method.

    Raises:
        RunError: the file is damaged.
    """
    pretraining.module.load_state_dict(load_tensors(place(pretraining))[0])


def record_of(cards: list[TeacherCard]) -> WeightsRecord:
    """Teachers by origin, as a run's card keeps them."""
    told = "".join(card.sha256 for card in cards)
    return WeightsRecord(
        name=", ".join(card.name for card in cards),
        source="; ".join(f"{card.name}: {card.words}, taught by {card.backbone.name}" for card in cards),
        sha256=cards[0].sha256 if len(cards) == 1 else hashlib.sha256(told.encode()).hexdigest(),
        licence=", ".join(sorted({card.backbone.licence for card in cards if card.backbone.licence})),
    )
