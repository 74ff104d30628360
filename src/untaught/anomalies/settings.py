"""Which defects are drawn."""

from __future__ import annotations

from pydantic import Field

from untaught.config import Frozen


class AnomalySettings(Frozen):
    """Settings of drawn defects."""

    clean: float = Field(default=0.0, ge=0, le=1, description="probability that nothing is drawn")
