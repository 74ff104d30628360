"""Look at a data set before it is trained on: every file once, decoded completely, in threads.

`diagnose` makes findings of looks, whoever took them: a training takes its own while it reads the images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from untaught.data.base import Dataset, FileDataset
from untaught.data.diagnosis import Diagnosis
from untaught.data.folder import open_dataset
from untaught.data.likeness import near_pairs
from untaught.data.look import Look, look_at
from untaught.data.motion import estimate
from untaught.data.products import MultiDataset
from untaught.data.split import LEAST
from untaught.image import Header, Limits, in_order, lies_over
from untaught.records import Finding, Severity

FEW_GOOD = 50
FAR, TURNED = 0.08, 10.0  # share of the picture, degrees: beyond, a fixed place of things is not to be relied on
_ORDER = ("error", "warning", "info")


def doctor(
    data: str | Path | Sequence[str | Path],
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
    limits: Limits | None = None,
) -> Diagnosis:
    """As `examine`, of data sets named as on the command line: folders, or `toy`.

    Raises:
        DataError: one of them cannot be read as a data set.
    """
    return examine(open_dataset(data), workers, progress, limits)


def examine(
    dataset: Dataset,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
    limits: Limits | None = None,
) -> Diagnosis:
    """Decode every image and mask once and say what was found.

    Args:
        dataset: From `untaught.data.folder.open_dataset`, or any other.
        workers: Threads that decode.
        progress: Called with the number of images done and of all.
        limits: Those training would use; a `Recipe` will do.
    """
    limits, looks = limits or Limits(), []
    for look in in_order(lambda sample: look_at(dataset, sample, limits), dataset.samples, workers):
        looks.append(look)
        if progress:
            progress(len(looks), len(dataset.samples))
    return diagnose(dataset, looks, limits)


def diagnose(dataset: Dataset, looks: Sequence[Look], limits: Limits, left_out: Collection[str] = ()) -> Diagnosis:
    """What a look at each sample of a data set says of it; a training names the broken images that it leaves out."""
    findings = [*_images(looks, limits, left_out), *_copies(looks), *_masks(looks), *_depths(looks), *_aside(dataset)]
    products = {name: [look for look in looks if look.sample.product == name] for name in _products(looks)}
    for name, own in products.items():
        findings += [_named(finding, name) for finding in (*_likenesses(own), *_motion(own), *_counts(own))]
    headers = [look.header for look in looks if look.header]
    return Diagnosis(
        name=dataset.name,
        layout=dataset.layout,
        counts=_numbers(looks),
        products={name: _numbers(own) for name, own in products.items() if name},
        sizes=dict(Counter(_by(header.size) for header in headers).most_common()),
        formats=dict(Counter(_form(header) for header in headers).most_common()),
        masks=sum(look.mask_size is not None and look.sample.defective for look in looks),
        broken=tuple(look.sample.name for look in looks if look.reason),
        findings=tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity))),
    )


def _products(looks: Sequence[Look]) -> list[str]:
    return list(dict.fromkeys(look.sample.product for look in looks))


def _named(finding: Finding, product: str) -> Finding:
    return replace(finding, what=f"{product}: {finding.what}") if product else finding


def _numbers(looks: Sequence[Look]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for look in looks:
        counts[look.sample.split][look.sample.kind] += 1
    return {split: dict(kinds) for split, kinds in counts.items()}


def _form(header: Header) -> str:
    return f"{header.format} {header.mode}" + (" 16 bit" if header.deep else "")


def _names(looks: Sequence[Look]) -> tuple[str, ...]:
    return tuple(look.sample.name for look in looks)


def _images(looks: Sequence[Look], limits: Limits, left_out: Collection[str]) -> Iterator[Finding]:
    """Files that do not decode, frames without content, 16-bit images that would come out dark."""
    if out := [look for look in looks if look.sample.name in left_out]:
        yield Finding(
            severity="warning",
            code="left-out",
            what=f"images that cannot be used and are left out, as was asked for: {len(out)} of {len(looks)}",
            fix="replace them if they matter",
            names=_names(out),
            reasons={look.sample.name: look.reason for look in out},
        )
    if broken := [look for look in looks if look.reason and look.sample.name not in left_out]:
        yield Finding(
            severity="error",
            code="broken-image",
            what=f"images that cannot be used: {len(broken)} of {len(looks)}",
            fix="replace or remove them, or leave them out of training and evaluation: --on-bad-image skip",
            names=_names(broken),
            reasons={look.sample.name: look.reason for look in broken},
        )
    yield from _plain(looks)
    deep = [look for look in looks if look.peak is not None]
    peak = max((look.peak or 0 for look in deep), default=limits.white)
    if deep and peak <= limits.white // 4:
        white = 2 ** max(8, peak.bit_length()) - 1
        yield Finding(
            severity="warning",
            code="dark-16-bit",
            what=f"16-bit images: {len(deep)}, none brighter than {peak}, while {limits.white} counts as white",
            fix=f"set white = {white} for grey images; save colour ones with 8 bits",
            names=_names(deep),
        )


def _plain(looks: Sequence[Look]) -> Iterator[Finding]:
    """Frames without content: called good they are learned from or tested with, unless most of the product is plain."""
    good = [look for look in looks if not (look.sample.defective or look.reason)]
    if empty := [look for look in good if look.plain]:
        few = 2 * len(empty) <= len(good)
        yield Finding(
            severity="error" if few else "warning",
            code="one-coloured",
            what=f"images called good that are of one colour and nothing else: {len(empty)} of {len(good)}",
            fix="remove them if the camera, the lamp or the part was missing: they teach that an empty frame is good",
            names=_names(empty),
        )
    if empty := [look for look in looks if look.plain and look.sample.defective]:
        yield Finding(
            severity="warning",
            code="one-coloured-defect",
            what=f"defective images of one colour and nothing else: {len(empty)}",
            fix="remove them if the camera or the lamp failed",
            names=_names(empty),
        )


def _copies(looks: Sequence[Look]) -> Iterator[Finding]:
    """The same pixels more than once; of one-coloured frames nothing can be said."""
    groups: dict[str, list[Look]] = defaultdict(list)
    for look in looks:
        if look.digest and not look.plain:
            groups[look.digest].append(look)
    sorts: dict[str, list[Sequence[Look]]] = defaultdict(list)
    for group in groups.values():
        if len({look.sample.defective for look in group}) > 1:
            sorts["contradiction"].append(group)
        elif len({look.sample.split for look in group}) > 1:
            sorts["leak"].append(group)
        elif len(group) > 1:
            sorts["copy"].append(group)
    yield from _same("error", "contradiction", sorts["contradiction"])
    yield from _same("error", "leak", sorts["leak"])
    yield from _same("warning", "copy", sorts["copy"])


def _likenesses(looks: Sequence[Look]) -> Iterator[Finding]:
    """The same picture with other pixels: compressed, resized, or the part photographed again without moving it."""
    seen = [look for look in looks if look.thumbnail is not None and not look.plain]
    if not seen:
        return
    sorts: dict[str, list[Sequence[Look]]] = defaultdict(list)
    for pair in near_pairs(np.stack([look.thumbnail for look in seen if look.thumbnail is not None])):
        one, other = seen[pair.first], seen[pair.second]
        if one.digest != other.digest:
            apart = one.sample.split != other.sample.split
            sorts[("near-leak" if pair.again else "seen-part") if apart else "near-copy"].append((one, other))
    yield from _same("error", "near-leak", sorts["near-leak"])
    yield from _same("warning", "seen-part", sorts["seen-part"])
    yield from _same("warning", "near-copy", sorts["near-copy"])


def _motion(looks: Sequence[Look]) -> Iterator[Finding]:
    """Parts that lie now here and now there; of images of several sizes nothing is said."""
    seen = [look for look in looks if look.pose is not None and not look.plain]
    if len({look.header.size for look in seen if look.header}) != 1:
        return
    found = estimate(np.stack([look.pose for look in seen if look.pose is not None]))
    if found is None or (found.shift <= FAR and found.angle <= TURNED):
        return
    yield Finding(
        severity="warning",
        code="moving-parts",
        what=f"parts do not lie still: shifted by up to {found.shift:.0%} of the picture and turned by up to "
        f"{found.angle:.0f} degrees against the usual one (19 of 20 parts lie within)",
        fix="a fixture makes every method surer; else take good images of every position there is, and no method that "
        "remembers where things belong (each method's page in docs/methods says)",
    )


_SAME = {
    "contradiction": ("pictures called good in one place and defective in another", "decide which is right"),
    "leak": (
        "pictures that are in training and in the test, so that the test is none",
        "remove them from one of the two",
    ),
    "copy": ("pictures that come more than once", "keep one of each"),
    "near-leak": (
        "pairs that show the same picture in training and in the test, saved again",
        "remove them from one of the two (a turn, a cut-out and a shift by several pixels are not found)",
    ),
    "seen-part": (
        "pairs that show the same part in training and in the test, in other light",
        "look at them: what is tested was never trained on, so all pictures of a part belong in one of the two",
    ),
    "near-copy": ("pairs that show nearly the same picture", "look at them and keep one of each if they are copies"),
}


def _same(severity: Severity, code: str, groups: Sequence[Sequence[Look]]) -> Iterator[Finding]:
    if groups:
        what, fix = _SAME[code]
        names = tuple(" = ".join(_names(group)) for group in groups)
        yield Finding(severity=severity, code=code, what=f"{what}: {len(groups)}", fix=fix, names=names)


def _masks(looks: Sequence[Look]) -> Iterator[Finding]:
    """Masks that are unreadable, of another size, empty or missing."""
    defective = [look for look in looks if look.sample.defective]
    broken = {look.sample.name: look.mask_reason for look in defective if look.mask_reason}
    sizes = {
        look.sample.name: (look.mask_size, look.header.size)
        for look in defective
        if look.header and look.mask_size and look.header.size != look.mask_size
    }
    told = {name: f"image {_by(image)}, mask {_by(mask)}" for name, (mask, image) in sizes.items()}
    other = {name: text for name, text in told.items() if not lies_over(*sizes[name])}
    scaled = {name: text for name, text in told.items() if name not in other}
    marked = [look for look in looks if look.mask_size and not (look.sample.defective or look.mask_empty)]
    empty = [look for look in defective if look.mask_size and look.mask_empty]
    if broken:
        what, fix = f"masks that cannot be used: {len(broken)}", "replace or remove them"
        yield Finding(severity="error", code="broken-mask", what=what, fix=fix, names=tuple(broken), reasons=broken)
    if other:
        what, fix = f"masks that are not of their image's shape: {len(other)}", "export them at the size of the images"
        yield Finding(severity="error", code="mask-size", what=what, fix=fix, names=tuple(other), reasons=other)
    if scaled:
        what = (
            f"masks of another size than their image, but of its shape: {len(scaled)}; figures are at the mask's size"
        )
        yield Finding(severity="info", code="scaled-mask", what=what, names=tuple(scaled), reasons=scaled)
    if marked:
        what, fix = f"good images whose mask marks a defect: {len(marked)}", "decide which of the two is right"
        yield Finding(severity="error", code="marked-good", what=what, fix=fix, names=_names(marked))
    if empty:
        what = f"masks of defective images that mark nothing, so that every pixel counts as good: {len(empty)}"
        fix = "draw them, or remove them: without a mask an image counts in no figure of pixels"
        yield Finding(severity="error", code="empty-mask", what=what, fix=fix, names=_names(empty))
    yield from _missing_masks(defective)


def _aside(dataset: Dataset) -> Iterator[Finding]:
    """What is no sample: folders that are no product, masks left over, images that nothing says to be good or not."""
    if not isinstance(dataset, FileDataset | MultiDataset):
        return
    if isinstance(dataset, MultiDataset) and dataset.beside:
        yield Finding(
            severity="warning",
            code="no-product",
            what=f"folders of images beside the products, none of them called good: {len(dataset.beside)}, left aside",
            fix="where one is a product, put the images of its good parts into a folder `good` in it",
            names=tuple(_place(path, dataset.root) for path in dataset.beside),
        )
    if dataset.unlabelled:
        yield Finding(
            severity="warning",
            code="unlabelled-test",
            what=f"test images in no folder that says whether they are good, and so left aside: "
            f"{len(dataset.unlabelled)}",
            fix="to measure with them, sort them into test/good and a folder for each kind of defect, as test/scratch",
            names=tuple(_place(path, dataset.root) for path in dataset.unlabelled),
        )
    if dataset.orphans:
        yield Finding(
            severity="warning",
            code="stray-mask",
            what=f"masks that belong to no image: {len(dataset.orphans)}",
            fix="name a mask as its image (001.png: 001_mask.png or 001.png) or remove it",
            names=tuple(_place(path, dataset.root) for path in dataset.orphans),
        )


def _place(path: Path, root: Path | None) -> str:
    return (path if root is None else path.relative_to(root)).as_posix()


def _depths(looks: Sequence[Look]) -> Iterator[Finding]:
    """Depth files that are unreadable, of another shape than their image, or missing while others are there."""
    if broken := {look.sample.name: look.depth_reason for look in looks if look.depth_reason}:
        what, fix = f"depth files that cannot be used: {len(broken)}", "replace them, or pair each image with its own"
        yield Finding(severity="error", code="broken-depth", what=what, fix=fix, names=tuple(broken), reasons=broken)
    without = [look for look in looks if not look.depth]
    if without and len(without) < len(looks):
        yield Finding(
            severity="error",
            code="missing-depth",
            what=f"images without a depth file, while others have one: {len(without)} of {len(looks)}",
            fix="add the missing files (the same name in `xyz` beside `rgb`), or train on colour alone",
            names=_names(without),
        )


def _missing_masks(defective: Sequence[Look]) -> Iterator[Finding]:
    without = [look for look in defective if not look.mask_size and not look.mask_reason]
    if without and len(without) == len(defective):
        yield Finding(
            severity="info", code="no-masks", what="no masks: there will be figures of images, none of pixels"
        )
    elif without:
        yield Finding(
            severity="warning",
            code="missing-mask",
            what=f"defective images without a mask, while others have one: {len(without)} of {len(defective)}",
            fix="add the missing masks; figures of pixels leave these images out",
            names=_names(without),
        )


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _counts(looks: Sequence[Look]) -> Iterator[Finding]:
    """Too few images, or none, of a group."""
    usable = [look.sample for look in looks if not look.reason]
    good = sum(sample.split == "train" and not sample.defective for sample in usable)
    tests = [sample for sample in usable if sample.split == "test"]
    defective = sum(sample.defective for sample in tests)
    if good < LEAST:
        what, fix = f"good images to learn from: {good}, at least {LEAST} are needed", "take more images of good parts"
        yield Finding(severity="error", code="too-few-good", what=what, fix=fix)
    elif good < FEW_GOOD:
        what = f"good images to learn from: {good}, too few to promise a low false-reject rate"
        fix = f"take {FEW_GOOD} or more, better 200, over several shifts and batches"
        yield Finding(severity="warning", code="few-good", what=what, fix=fix)
    if not tests:
        what = "no test split: training is possible, evaluation is not"
        yield Finding(severity="info", code="no-test", what=what)
    elif defective in (0, len(tests)):
        which = "defective" if defective == 0 else "good"
        what, fix = f"no {which} images in the test split, so there is no AUROC", f"add {which} images to the test"
        yield Finding(severity="warning", code="one-sided-test", what=what, fix=fix)
