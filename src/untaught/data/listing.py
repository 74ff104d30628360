"""Which images lie in a folder."""

from __future__ import annotations

from pathlib import Path

from untaught.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff"})
# Not decoded, but meant to be used by whoever put them there: listed, so that they are refused by name.
FOREIGN = frozenset({".gif", ".webp", ".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm"})


def entries(folder: Path) -> list[Path]:
    """Everything in a folder that is not hidden, by name.

    Raises:
        DataError: The folder cannot be listed.
    """
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be listed ({error.strerror})", "a readable folder", "check the path and its permissions"
        ) from error


def is_folder(path: Path) -> bool:
    """Whether the path is a folder; False for whatever cannot be asked, as a symlink that leads to itself."""
    try:
        return path.is_dir()
    except OSError:
        return False


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, by name; empty where there is no such folder."""
    return [path for path in entries(folder) if is_folder(path)] if is_folder(folder) else []


def is_image(path: Path) -> bool:
    """Whether the name is that of an image; a link into nowhere counts, so that somebody names it."""
    return path.suffix.lower() in SUFFIXES | FOREIGN and not is_folder(path)


def images(folder: Path) -> list[Path]:
    """All images in a folder and the folders below it, in the order of their paths; empty where there is none.

    Linked folders are followed, but no folder is entered twice, so a loop of links ends.
    """
    found: list[Path] = []
    seen: set[Path] = set()
    ahead = [folder] if is_folder(folder) else []
    while ahead:
        here = ahead.pop()
        if (real := here.resolve()) in seen:
            continue
        seen.add(real)
        for path in entries(here):
            if is_folder(path):
                ahead.append(path)
            elif is_image(path):
                found.append(path)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())
