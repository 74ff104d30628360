"""Any folder of images, and the way from what a user names to a data set.

What is understood (names in any case, folders below folders, every image format):

    good/                      good images; also ok, normal, pass, free; also below train/; also images in train/
    bad/  or  scratch/ dent/   defective ones; the kind is the folder's name (of bad/scratch/ it is scratch)
    test/good/  test/scratch/  a test split
    masks/scratch/001.png      masks, if there are any; also ground_truth, mask, gt; also masks/001.png
    bad/001_mask.png           or beside the image; `_mask` may be missing in a folder of masks
    bad/masks/001.png          or in a folder of masks beside the images, wherever they are
    001.png 002.png ...        a flat folder: all are good; beside them only bad/, defect/, ng/ ... are looked at

Every other folder beside good/ is a kind of defect. So a folder called as a split (val/, validation/, or train/ and
test/ where none can be) or as pictures made of pictures (thumbs/) is an error: nobody means its images to be defective.

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
from untaught.data.products import combine
from untaught.data.split import hold_out
from untaught.data.toy import Toy
from untaught.data.toy3d import Toy3D
from untaught.errors import DataError
from untaught.records import GOOD, Sample

GOOD_NAMES = {GOOD, "ok", "normal", "pass", "passed", "free"}
BAD_NAMES = {"bad", "ko", "ng", "nok", "defect", "defects", "defective", "anomaly", "anomalies", "anomalous"}
BAD_NAMES |= {"abnormal", "fail", "failed", "reject", "rejects"}
MASK_NAMES = {"masks", "mask", "ground_truth", "ground-truth", "gt"}
# No kind of defect is called so, and no good images are meant to be mixed with what is in there.
NO_KIND = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}
NO_KIND |= {"thumb", "thumbs", "thumbnail", "thumbnails", "preview", "previews"}
TEST_SHARE, TEST_MOST = 0.2, 100
_ENDINGS = ("_mask", "-mask")


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
        return combine([open_dataset(folder) for folder in inside], root)
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
        "a folder `good` and, to evaluate, defective images in folders beside it; the layout of MVTec AD, VisA, BTAD "
        "or MTD; or a flat folder of good images (PNG, JPEG, BMP or TIFF)",
        "move images of good parts into a folder `good`",
    )


def matches(root: Path) -> bool:
    """Whether there are folders of good images, or images without a folder."""
    return bool(_good_folders(root) or _direct(root) or _direct(_child(root, "train")))


def read(root: Path) -> FileDataset:
    """The data set in a folder that follows no published layout; the rules are at the top of this file."""
    homes = _good_folders(root)
    loose = _direct(_child(root, "train")) or _direct(root)
    homes_of_bad = _kind_folders(root, only_bad=not homes and not _direct(_child(root, "train")))
    homes_of_tested = [home for home in folders(_child(root, "test")) if _is(home, GOOD_NAMES)]
    files = {home: images(home) for home in (*homes, *homes_of_bad, *homes_of_tested)}
    _refuse_splits(root, [path for found in files.values() for path in found], bool(homes))
    masks = _masks(root, files)
    shown = {home: [path for path in found if not _in_masks(path, root)] for home, found in files.items()}
    good, beside_good = _without_masks([path for home in homes for path in shown[home]] or loose)
    tested, beside_tested = _without_masks([path for home in homes_of_tested for path in shown[home]])
    bad = {home: found for home in homes_of_bad if (found := _without_masks(shown[home]))[0]}
    name = {path: path.relative_to(root).as_posix() for path in good}
    kept = hold_out(list(name.values()), TEST_SHARE, most=TEST_MOST) if bad and not tested else frozenset()

    def mask_of_good(path: Path) -> Path | None:
        exact = path.relative_to(root).with_suffix("").as_posix()
        named = masks.get(exact) if path.parent != root else None  # of a flat set such a mask is a defective image's
        return beside_good.get(path) or beside_tested.get(path) or named

    stems = Counter(path.stem for pictures, _ in bad.values() for path in pictures)
    samples = [Sample(name[p], "train", GOOD, p, mask_of_good(p)) for p in good if name[p] not in kept]
    samples += [Sample(name[p], "test", GOOD, p, mask_of_good(p)) for p in good if name[p] in kept]
    samples += [Sample(p.relative_to(root).as_posix(), "test", GOOD, p, mask_of_good(p)) for p in tested]
    for home, (pictures, beside) in bad.items():
        for path in pictures:
            kind = _kind(path, home)
            keys = _mask_keys(path, root, home, kind, alone=stems[path.stem] == 1)
            mask = beside.get(path) or next((masks[key] for key in keys if key in masks), None)
            samples.append(Sample(path.relative_to(root).as_posix(), "test", kind, path, mask))
    used = {sample.mask_path for sample in samples}
    orphans = tuple(sorted(set(masks.values()) - used))
    layout = _words(bool(homes), bool(bad), len(kept), bool(tested))
    return FileDataset(root.resolve().name, root, layout, tuple(samples), orphans)


def _words(homes: bool, bad: bool, kept: int, tested: bool) -> str:
    first = "folders by kind" if homes else "a flat folder, all images taken as good"
    if kept:
        return f"{first}; {kept} good images, drawn by a hash of the name, are kept for the test"
    if bad or tested:
        return f"{first}; test split given" if tested else f"{first}; no good images to test with"
    return f"{first}; no test split"


def _child(root: Path, name: str) -> Path:
    return next((folder for folder in folders(root) if folder.name.lower() == name), root / name)


def _is(folder: Path, names: set[str]) -> bool:
    return folder.name.lower() in names


def _good_folders(root: Path) -> list[Path]:
    here = [folder for folder in folders(root) if _is(folder, GOOD_NAMES)]
    return here or [folder for folder in folders(_child(root, "train")) if _is(folder, GOOD_NAMES)]


def _direct(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if is_image(path)] if is_folder(folder) else []


def _kind_folders(root: Path, only_bad: bool) -> list[Path]:
    """Of a folder below `train` or `test` nothing is asked here; `_refuse_splits` looks for pictures left over."""
    other = GOOD_NAMES | MASK_NAMES | {"train", "test"}
    here = [folder for folder in folders(root) if _is(folder, BAD_NAMES) or not (only_bad or _is(folder, other))]
    return here + [folder for folder in folders(_child(root, "test")) if not _is(folder, other)]


def _kind(path: Path, home: Path) -> str:
    below = path.relative_to(home).parts
    return below[0] if _is(home, BAD_NAMES) and len(below) > 1 else home.name


def _bare(stem: str) -> str:
    return next((stem.removesuffix(ending) for ending in _ENDINGS if stem.endswith(ending)), stem)


def _without_masks(paths: Iterable[Path]) -> tuple[list[Path], dict[Path, Path]]:
    """The pictures, and which of them has a mask beside it in the same folder."""
    by_place = {path.with_suffix(""): path for path in paths}
    owner = {path: by_place.get(path.with_name(_bare(path.stem))) for path in paths if _bare(path.stem) != path.stem}
    beside = {picture: mask for mask, picture in owner.items() if picture is not None}
    return [path for path in paths if owner.get(path) is None], beside


def _refuse_splits(root: Path, pictures: Iterable[Path], several: bool) -> None:
    """Raise where images lie in a folder whose name says that they are neither good ones nor a kind of defect.

    Of `train` and `test` the first level is understood; where good images lie beside `train`, what is in it is not.
    """
    strange = {_strange(path.relative_to(root)) for path in pictures}
    if several and _child(root, "train") not in {home.parent for home in _good_folders(root)}:
        strange |= {_child(root, "train").name} if images(_child(root, "train")) else set()
    strange |= {_child(root, "test").name} if _direct(_child(root, "test")) else set()
    if named := ", ".join(sorted(strange - {""})):
        raise DataError(
            f"{root}: images in {named}, whose name is not that of a defect",
            "good/ and beside it a folder for each kind of defect, or train/good, test/good and test/<defect> "
            "with masks in ground_truth/<defect>/NAME_mask.png",
            "sort these images into such folders, or move them out of here",
        )


def _strange(place: Path) -> str:
    folded = [part.lower() for part in place.parts[:-1]]
    first = 1 if folded[0] in ("train", "test") else 0
    at = next((n for n, part in enumerate(folded) if n >= first and part in NO_KIND), None)
    return "" if at is None else Path(*place.parts[: at + 1]).as_posix()


def _in_masks(path: Path, root: Path) -> bool:
    return any(part.lower() in MASK_NAMES for part in path.relative_to(root).parts[:-1])


def _masks(root: Path, files: Mapping[Path, Sequence[Path]]) -> dict[str, Path]:
    """Place without the folder of masks, suffix and `_mask` -> mask; `files` are those of the folders of images."""
    own = [home for home in (*folders(root), *folders(_child(root, "test"))) if _is(home, MASK_NAMES)]
    among = [path for found in files.values() for path in found if _in_masks(path, root)]
    found: dict[str, Path] = {}
    for path in [*among, *(path for home in own for path in images(home))]:
        place = path.relative_to(root)
        parts = [part for part in place.parts[:-1] if part.lower() not in MASK_NAMES]
        found[Path(*parts, _bare(path.stem)).as_posix()] = path
    return found


def _mask_keys(path: Path, root: Path, home: Path, kind: str, alone: bool) -> list[str]:
    """Where this picture's mask may lie, the most exact place first; its mere name counts if no other has it."""
    below = path.relative_to(home).with_suffix("").as_posix()
    exact = path.relative_to(root).with_suffix("").as_posix()
    return [exact, f"{home.name}/{below}", f"{kind}/{path.stem}", *([below, path.stem] if alone else [])]
