"""Which test images can be measured: those that decode, with a mask that lies over them where there is one.

All that cannot are named at once, or left out with the reason of each.
"""

from __future__ import annotations

from collections.abc import Sequence

from untaught.data.base import Dataset, FileDataset, to_evaluate
from untaught.data.look import why
from untaught.data.products import MultiDataset
from untaught.errors import DataError, ImageError, MaskError
from untaught.image import Limits, in_order, lies_over, probe
from untaught.records import Prediction, Sample


def tested(dataset: Dataset, named: str) -> tuple[Sample, ...]:
    """The images of the test split.

    Args:
        dataset: the data set.
        named: what the user calls it.

    Raises:
        DataError: there are none, or nothing says whether they are good.
    """
    samples = to_evaluate(dataset)
    unlabelled = dataset.unlabelled if isinstance(dataset, FileDataset | MultiDataset) else ()
    if unlabelled and not samples:
        raise DataError(
            f"{named}: nothing says which of {len(unlabelled)} test images are good, as {unlabelled[0]}",
            "test/good and a folder for each kind of defect, as test/scratch",
            "sort the images into such folders; `untaught inspect` gives scores without any",
        )
    if not samples:
        raise DataError(
            f"{named} ({dataset.layout}) has no test split",
            "test images, good and defective",
            "give a folder with test/good and test/<defect>, or good/ and bad/",
        )
    return samples


def spoiled(dataset: Dataset, samples: Sequence[Sample], limits: Limits, on_bad_image: str) -> dict[str, str]:
    """The defective images whose mask cannot be used, and why: known before the first image is scored.

    Raises:
        MaskError: they may not be left out, or are all there is.
    """

    def look(sample: Sample) -> str:
        try:
            mask = dataset.mask(sample)
            if mask is not None:
                check_aspect(sample.name, (mask.shape[1], mask.shape[0]), probe(dataset.source(sample), limits).size)
        except MaskError as error:
            return error.came
        except ImageError:
            pass  # told of when it is decoded
        return ""

    marked = [sample for sample in samples if sample.defective and sample.mask_path is not None]
    told = zip(marked, in_order(look, marked), strict=True)
    found = {sample.name: reason for sample, reason in told if reason}
    if found and (on_bad_image == "fail" or len(found) == len(samples)):
        raise MaskError(
            f"{len(found)} of {len(marked)} masks cannot be used: {'; '.join(found.values())}",
            "masks that decode, of their image's shape",
            "replace or remove them, or measure without these images: --on-bad-image skip",
        )
    return found


def broken(
    dataset: Dataset, samples: Sequence[Sample], answers: Sequence[Prediction | ImageError], on_bad_image: str
) -> dict[str, str]:
    """The images that did not decode, and why.

    Raises:
        DataError: they may not be left out, or are all there is.
    """
    found = {
        sample.name: why(answer, dataset, sample)
        for sample, answer in zip(samples, answers, strict=True)
        if isinstance(answer, ImageError)
    }
    if found and (on_bad_image == "fail" or len(found) == len(samples)):
        lines = "; ".join(f"{name}: {reason}" for name, reason in found.items())
        raise DataError(
            f"{len(found)} of {len(samples)} test images do not decode: {lines}",
            "images that decode completely",
            "replace or remove them, or measure without them: --on-bad-image skip",
        )
    return found


def check_aspect(name: str, mask: tuple[int, int], image: tuple[int, int]) -> None:
    """Raise where a mask (width, height) cannot lie over its image: a scaled one can, one of another shape cannot."""
    if not lies_over(mask, image):
        raise MaskError(
            f"the mask of {name} is {mask[0]} x {mask[1]} px, the image {image[0]} x {image[1]} px",
            "a mask of the image's shape",
            "correct the mask (`untaught doctor` lists all such)",
        )
