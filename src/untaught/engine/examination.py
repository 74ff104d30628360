"""The doctor in a training: what it says of the data before the first epoch, at next to no cost.

The pictures of good images are read for training anyway (`Intake.seen`); of all others, those of the test above all,
one glance at the same size is taken. A broken good image ends the training, or is left out where the user asks for it.
Nothing else does: a leak, a contradiction or an empty mask spoils what is measured later and not what is learned, so
it is told before the first epoch, kept in the card and shown in the report.
"""

from __future__ import annotations

from untaught.data.base import Dataset
from untaught.data.diagnosis import Diagnosis
from untaught.data.doctor import diagnose
from untaught.data.look import Look, glance, why
from untaught.engine.intake import Intake
from untaught.image import in_order
from untaught.progress import Progress, Report
from untaught.records import Sample


def examined(dataset: Dataset, intake: Intake, report: Report) -> Diagnosis:
    """What the doctor finds, except how parts move.

    Args:
        dataset: what is trained on, with its test split.
        intake: which has read the good images.
        report: told of the progress.
    """

    def look(sample: Sample) -> Look:
        found = intake.seen.get(sample.name)
        if found is None and sample.name in intake.broken:
            found = Look(sample, reason=why(intake.broken[sample.name], dataset, sample))
        return found or glance(dataset, sample, intake.recipe.of(sample.product))

    looks = []
    for found in in_order(look, dataset.samples):
        looks.append(found)
        report(Progress("examine", len(looks), len(dataset.samples)))
    return diagnose(dataset, looks, intake.recipe, left_out=intake.broken)
