"""Any folder of images, and the way from what a user names to a data set.

What is understood (names in any case, folders below folders, every image format):

    good/                      good images; also ok, normal, pass, free; also below train/; also images in train/
    bad/  or  scratch/ dent/   defective ones; the kind is the folder's name (of bad/scratch/ it is scratch)
    test/good/  test/scratch/  a test split
    masks/scratch/001.png      masks, if there are any; also ground_truth, mask, gt; also masks/001.png
    bad/001_mask.png           or beside the image; `_mask` may be missing in a folder of masks
    bad/masks/001.png          or in a folder of masks beside the images, which may lie in bad/images/
    test/001.png               no label: left aside, and told
    001.png 002.png ...        a flat folder: all are good; beside them only bad/, defect/, ng/ ... are looked at

Every other folder beside good/ is a kind of defect. So a folder called as a split (val/, validation/, or train/ and
test/ where none can be), as pictures made of pictures (thumbs/) or just as images/ is an error: nobody means its images
to be defective. What is a mask, and whose, is the matter of `untaught.data.places`.

Where there are defective images but no good ones to test with, a fifth of the good ones (at most 100), drawn by a
hash of the name, is kept for the test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from untaught.data import btad, mtd, mvtec, mvtec3d, visa
from untaught.data.base import Dataset, FileDataset, train_good
from untaught.data.listing import entries, folders, images, is_folder, is_image
from untaught.data.places import (
    GOOD_NAMES,
    IMAGES,
    MASKS,
    apart,
    is_called,
    pair,
    place,
    place_of_image,
    refuse_doubles,
    refuse_idle,
    unlabelled,
)
from untaught.data.products import combine
from untaught.data.split import hold_out
from untaught.data.toy import Toy
from untaught.data.toy3d import Toy3D
from untaught.errors import DataError
from untaught.records import GOOD, Sample

BAD_NAMES = {"bad", "ko", "ng", "nok", "defect", "defects", "defective", "anomaly", "anomalies", "anomalous"}
BAD_NAMES |= {"abnormal", "fail", "failed", "reject", "rejects"}
# No kind of defect is called so, and no good images are meant to be mixed with what is in there.
NO_KIND = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}
NO_KIND |= {"thumb", "thumbs", "thumbnail", "thumbnails", "preview", "previews"}
TEST_SHARE, TEST_MOST = 0.2, 100


class _Layout(Protocol):
    def matches(self, root: Path, /) -> bool:
        """Whether the folder is of this layout."""

    def read(self, root: Path, /) -> FileDataset:
        """The data set in it."""


AnyData: TypeAlias = str | Path | Sequence[str | Path]
DRAWN: dict[str, type[Toy]] = {kind.word: kind for kind in (Toy, Toy3D)}
LAYOUTS: tuple[_Layout, ...] = (mvtec3d, mvtec, btad, visa, mtd)


def open_dataset(spec: AnyData) -> Dataset:
    """The data set in a folder, of whatever layout; `toy` and `toy3d`, or with `:SEED`, are drawn ones.

    Layouts are tried in this order: MVTec 3D-AD, MVTec AD, BTAD, VisA, Magnetic Tile Defects, any folder. A folder of
    such folders, and several specs, are several products side by side (`untaught.data.products`).

    Raises:
        DataError: There is no such folder, nothing in it is understood, or it holds no good images.
    """
    if not isinstance(spec, str | Path):
        if not isinstance(spec, list | tuple) or not spec:
            raise DataError(f"{spec!r} in place of a data set", "a folder, `toy`, or a list of these", "name a folder")
        opened = [open_dataset(one) for one in spec]
        return opened[0] if len(opened) == 1 else combine(opened)
    word, _, seed = str(spec).partition(":")
    if word in DRAWN and isinstance(spec, str):
        if seed and not seed.isdecimal():
            expected = f"{word} or {word}:SEED with a whole number"
            raise DataError(f"data set {spec!r}", expected, f"{word}:1, or ./{word} for a folder")
        return DRAWN[word](seed=int(seed or 0))
    root = Path(spec).expanduser()
    if not is_folder(root):
        came = "is not a folder" if root.exists() else "no such folder"
        raise DataError(f"{root}: {came}", "a folder of images, or toy", "check the path")
    layout = next((layout for layout in LAYOUTS if layout.matches(root)), None)
    if layout is None and not matches(root):
        inside = [home for home in folders(root) if any(one.matches(home) for one in LAYOUTS) or _good_folders(home)]
        if len(inside) < 2:
            raise _not_understood(root, inside)
        beside = [home for home in folders(root) if home not in inside and images(home)]
        return combine([open_dataset(folder) for folder in inside], root, beside)
    dataset = layout.read(root) if layout else read(root)
    train_good(dataset)
    return dataset


def in_words(spec: AnyData) -> str:
    """What a user named, in one line."""
    return str(spec) if isinstance(spec, str | Path) else ", ".join(map(str, spec))


def _not_understood(root: Path, inside: list[Path]) -> DataError:
    if inside:
        return DataError(f"{root}: holds one data set ({inside[0].name})", "its own folder", f"name {inside[0]}")
    return DataError(
        f"{root}: {'no images of good parts found' if entries(root) else 'an empty folder'}",
        "a folder `good` and, to evaluate, defective images in folders beside it; the layout of MVTec AD, MVTec "
        "3D-AD, VisA, BTAD or MTD; or a flat folder of good images (PNG, JPEG, BMP or TIFF)",
        "move images of good parts into a folder `good`",
    )


def matches(root: Path) -> bool:
    """Whether there are folders of good images, or images without a folder."""
    return bool(_good_folders(root) or _direct(root) or _direct(_child(root, "train")))


def read(root: Path) -> FileDataset:
    """The data set in a folder that follows no published layout; the rules are at the top of this file."""
    train, test = _child(root, "train"), _child(root, "test")
    homes = _good_folders(root)
    homes_of_bad = _kind_folders(root, only_bad=not homes and not _direct(train))
    homes_of_tested = [home for home in folders(test) if is_called(home, GOOD_NAMES)]
    files = {home: images(home) for home in (*homes, *homes_of_bad, *homes_of_tested)}
    _refuse_splits(root, _of(files, files), bool(homes))
    loose = [] if _of(homes, files) else _direct(train) or _direct(root)
    pictures, among = apart([*loose, *_of(files, files)], root)
    near, shown = pair(pictures, root, among, root), set(pictures)
    masks = _masks(root, set(among) - set(near.values()))
    good = [path for path in loose or _of(homes, files) if path in shown]
    tested = [path for path in _of(homes_of_tested, files) if path in shown]
    bad = {home: found for home in homes_of_bad if (found := [path for path in files[home] if path in shown])}
    refuse_doubles(_of(bad, bad), root)
    mask_of = _paired(root, masks, [*good, *tested], bad) | near
    name = {path: path.relative_to(root).as_posix() for path in pictures}
    kept = hold_out([name[path] for path in good], TEST_SHARE, most=TEST_MOST) if bad and not tested else frozenset()
    samples = [Sample(name[p], "train", GOOD, p, mask_of.get(p)) for p in good if name[p] not in kept]
    samples += [Sample(name[p], "test", GOOD, p, mask_of.get(p)) for p in good if name[p] in kept]
    samples += [Sample(name[p], "test", GOOD, p, mask_of.get(p)) for p in tested]
    samples += [Sample(name[p], "test", _kind(p, home), p, mask_of.get(p)) for home in bad for p in bad[home]]
    used = {sample.mask_path for sample in samples}
    refuse_idle(among, pictures, used, root)
    orphans = tuple(sorted({*masks.values(), *among} - used))
    layout = _words(bool(homes), bool(bad), len(kept), bool(tested))
    return FileDataset(root.resolve().name, root, layout, tuple(samples), orphans, unlabelled=unlabelled(test))


def _words(homes: bool, bad: bool, kept: int, tested: bool) -> str:
    first = "folders by kind" if homes else "a flat folder, all images taken as good"
    if kept:
        return f"{first}; {kept} good images, drawn by a hash of the name, are kept for the test"
    if bad or tested:
        return f"{first}; test split given" if tested else f"{first}; no good images to test with"
    return f"{first}; no test split"


def _child(root: Path, name: str) -> Path:
    return next((folder for folder in folders(root) if folder.name.lower() == name), root / name)


def _of(homes: Iterable[Path], files: Mapping[Path, Sequence[Path]]) -> list[Path]:
    """All files of some folders."""
    return [path for home in homes for path in files[home]]


def _good_folders(root: Path) -> list[Path]:
    here = [folder for folder in folders(root) if is_called(folder, GOOD_NAMES)]
    return here or [folder for folder in folders(_child(root, "train")) if is_called(folder, GOOD_NAMES)]


def _direct(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if is_image(path)] if is_folder(folder) else []


def _kind_folders(root: Path, only_bad: bool) -> list[Path]:
    """Of a folder below `train` or `test` nothing is asked here; `_refuse_splits` looks for pictures left over."""
    other = GOOD_NAMES | MASKS | {"train", "test"}  # images in test/images have no label
    here = [
        folder for folder in folders(root) if is_called(folder, BAD_NAMES) or not (only_bad or is_called(folder, other))
    ]
    return here + [folder for folder in folders(_child(root, "test")) if not is_called(folder, other | IMAGES)]


def _kind(path: Path, home: Path) -> str:
    below = [part for part in path.relative_to(home).parts[:-1] if part.lower() not in IMAGES]
    return below[0] if is_called(home, BAD_NAMES) and below else home.name


def _refuse_splits(root: Path, pictures: Iterable[Path], several: bool) -> None:
    """Raise where images lie in a folder whose name says that they are neither good ones nor a kind of defect.

    Of `train` and `test` the first level is understood; where good images lie beside `train`, what is in it is not.
    """
    strange = {_strange(path.relative_to(root)) for path in pictures}
    if several and _child(root, "train") not in {home.parent for home in _good_folders(root)}:
        strange |= {_child(root, "train").name} if images(_child(root, "train")) else set()
    if named := ", ".join(sorted(strange - {""})):
        raise DataError(
            f"{root}: images in {named}, whose name is not that of a defect",
            "good/ and beside it a folder for each kind of defect, or train/good, test/good and test/<defect> "
            "with masks in ground_truth/<defect>/NAME_mask.png",
            "sort these images into such folders, or move them out of here",
        )


def _strange(place: Path) -> str:
    folded = [part.lower() for part in place.parts[:-1]]
    if folded[0] in IMAGES:
        return place.parts[0]
    first = 1 if folded[0] in ("train", "test") else 0
    at = next((n for n, part in enumerate(folded) if n >= first and part in NO_KIND), None)
    return "" if at is None else Path(*place.parts[: at + 1]).as_posix()


def _masks(root: Path, among: Iterable[Path]) -> dict[str, Path]:
    """Place of the image -> mask: of those among the images that belong to none near them, and in folders of masks."""
    own = [home for home in (*folders(root), *folders(_child(root, "test"))) if is_called(home, MASKS)]
    every = [*sorted(among), *(path for home in own for path in images(home))]
    return {place_of_image(path, root): path for path in every}


def _paired(
    root: Path, masks: Mapping[str, Path], good: Iterable[Path], bad: Mapping[Path, Sequence[Path]]
) -> dict[Path, Path]:
    """Picture -> mask that lies elsewhere."""
    keys = {path: [place(path, root)] for path in good if path.parent != root}  # there it is a defective image's
    stems = Counter(path.stem for path in _of(bad, bad))
    for home, found in bad.items():
        keys |= {path: _mask_keys(path, root, home, alone=stems[path.stem] == 1) for path in found}
    return {path: masks[key] for path, own in keys.items() for key in reversed(own) if key in masks}  # the first counts


def _mask_keys(path: Path, root: Path, home: Path, alone: bool) -> list[str]:
    """Where this picture's mask may lie, the most exact place first; its mere name counts if no other has it."""
    below = place(path, home)
    keys = [place(path, root), f"{home.name}/{below}", f"{_kind(path, home)}/{path.stem}"]
    return [*keys, below, path.stem] if alone else keys
