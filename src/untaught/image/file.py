"""From a path or bytes to an opened image whose header has been checked; no pixel is decoded here."""

from __future__ import annotations

import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from untaught.errors import ImageError
from untaught.image.recipe import Limits

_PLUGINS: dict[bytes, type[ImageFile.ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
    b"II+\0": TiffImagePlugin.TiffImageFile,
    b"MM\0+": TiffImagePlugin.TiffImageFile,
}
_STRANGERS = {
    b"GIF8": "a GIF",
    b"RIFF": "a WebP",
    b"%PDF": "a PDF",
    b"\0\0\0\x0cjP": "a JPEG 2000",
    b"SIMPLE": "a FITS",
}
_EXIF_ORIENTATION = 0x0112
_HOW = "train: --set {}=N, inspect: --{} N"
# Remarks on metadata, not on pixels. One narrow filter that stays, because `warnings.catch_warnings` swaps the
# filters of the whole process and is therefore not safe in threads.
_REMARKS = ("ignore", None, UserWarning, re.compile(r"PIL\.(Tiff|Png)ImagePlugin"), 0)


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself.

    `size` is the upright (width, height); `mode` is Pillow's; `format` is "memory" for arrays; `deep` means 16 bits.
    """

    size: tuple[int, int]
    mode: str
    format: str
    deep: bool = False


def encoded(source: str | Path | bytes | bytearray | memoryview, name: str, limits: Limits) -> bytes:
    """All bytes of a file, or the given ones, within the limit."""
    if isinstance(source, str | Path):
        check_file(Path(source), limits)
        try:
            with Path(source).open("rb") as file:
                source = file.read(limits.max_bytes + 1)
        except OSError as error:
            raise unreadable(name, error) from error
    if not isinstance(source, bytes | bytearray | memoryview):
        raise ImageError(f"{type(source).__name__}", "a path, bytes, a numpy array or a Pillow image")
    source = bytes(source)
    if len(source) > limits.max_bytes:
        raise _too_many_bytes(name, len(source), limits)
    return source


def check_file(path: Path, limits: Limits) -> None:
    """Refuse what would block or flood, before it is opened: pipes, devices, folders, files beyond the limit."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(str(path), error) from error
    if not stat.S_ISREG(status.st_mode):
        came = "is a folder" if stat.S_ISDIR(status.st_mode) else "is not a regular file"
        raise ImageError(f"{path}: {came}", "an image file", "name one image")
    if status.st_size > limits.max_bytes:
        raise _too_many_bytes(str(path), status.st_size, limits)


def unreadable(name: str, error: Exception) -> ImageError:
    """The error for a file that is missing or may not be read."""
    reason = getattr(error, "strerror", None) or str(error)
    return ImageError(
        f"{name}: cannot be read ({reason})", "a readable image file", "check the path and its permissions"
    )


def _too_many_bytes(name: str, n: int, limits: Limits) -> ImageError:
    return ImageError(
        f"{name}: {n:,} bytes",
        f"at most {limits.max_bytes:,}",
        f"raise max_bytes if the image is what you expect ({_HOW.format('max_bytes', 'max-bytes')})",
    )


def open_file(file: IO[bytes], name: str, limits: Limits) -> ImageFile.ImageFile:
    """Parse the header by the plugin whose signature matches, and hold the size against the limits."""
    start = file.read(16)
    file.seek(0)
    plugin = next((plugin for sign, plugin in _PLUGINS.items() if start.startswith(sign)), None)
    if plugin is None:
        came = next((what for sign, what in _STRANGERS.items() if start.startswith(sign)), "")
        came = came or ("an empty file" if not start else f"an unknown format that begins with {start!r}")
        raise ImageError(f"{name}: {came}", "PNG, JPEG, BMP or TIFF", "convert it or take it away")
    if _REMARKS not in warnings.filters:
        warnings.filterwarnings("ignore", category=UserWarning, module=_REMARKS[3].pattern)
    try:
        image = plugin(file)
    except Exception as error:  # a decoder fails in many ways on hostile bytes; all of them mean the same
        raise damaged(name, error) from error
    check_size(image.size, name, limits)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        check_size(image.size, name, limits, Image.MAX_IMAGE_PIXELS)
    if getattr(image, "is_animated", False):
        raise ImageError(f"{name}: several frames in one file", "one image a file", "save the frame you mean alone")
    return image


def damaged(name: str, error: Exception) -> ImageError:
    """The error for a file of the right format that does not decode."""
    reason = f"{type(error).__name__}: {error}"
    return ImageError(f"{name}: damaged or truncated ({reason})", "a complete image", "copy or export it again")


def check_size(size: tuple[int, int], name: str, limits: Limits, cap: int | None = None) -> None:
    """Refuse an empty image and one of more pixels than the limits, or `cap`, allow."""
    width, height = size
    most = min(limits.max_pixels, cap or limits.max_pixels)
    if width < 1 or height < 1:
        raise ImageError(f"{name}: {width} x {height} pixels", "at least one pixel")
    if width * height > most:
        how = _HOW.format("max_pixels", "max-pixels")
        fix = (
            f"raise max_pixels if the image is what you expect ({how})"
            if most == limits.max_pixels
            else "save it as PNG"
        )
        raise ImageError(f"{name}: {width:,} x {height:,} pixels", f"at most {most:,} pixels", fix)


def header_of(image: ImageFile.ImageFile) -> Header:
    """What the opened, not yet decoded image says of itself."""
    rawmode = image.tile[0].args if image.tile else ""
    rawmode = rawmode[0] if isinstance(rawmode, tuple) else rawmode
    width, height = image.size
    # Pillow turns TIFF by itself, already in its header.
    if image.format != "TIFF" and orientation(image) >= 5:
        width, height = height, width
    deep = ";16" in str(rawmode) or image.mode.startswith("I")
    return Header((width, height), image.mode, image.format or "memory", deep)


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8, without decoding pixels; 1 where nothing readable is said."""
    if isinstance(image, PngImagePlugin.PngImageFile) and "exif" not in image.info:
        return 1  # else asking would decode the pixels
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # unreadable metadata say nothing of the rotation: the pixels stay as they are stored
        return 1
