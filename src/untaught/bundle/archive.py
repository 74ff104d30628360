"""The zip: written one way, and read only if it was written that way. Nothing is ever unpacked to disk."""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from untaught.errors import BundleError

MAX_PARTS = 64
MAX_BYTES = 2 * 2**30
SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
NAME = re.compile(r"(golden/)?[A-Za-z0-9_]{1,64}(\.[a-z0-9]{1,8}){0,2}")
Parts = Mapping[str, bytes]


def sums(parts: Parts) -> bytes:
    """The text of SHA256SUMS for these parts."""
    names = sorted(set(parts) - {SUMS, SIGNATURE})
    return "".join(f"{hashlib.sha256(parts[name]).hexdigest()}  {name}\n" for name in names).encode()


def write_parts(file: BinaryIO, parts: Parts) -> None:
    """Write the parts as a zip, stored and without dates: the same parts make the same file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)


def read_parts(path: Path) -> dict[str, bytes]:
    """All parts of a bundle, held against SHA256SUMS.

    Raises:
        BundleError: there is no such file, it is not such a zip, or a part is missing, added or changed.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(f"{path} is not a file", "a file made by `untaught export`", "check the path")
        if status.st_size > MAX_BYTES:
            raise _refused(path, f"has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries, status.st_size)
            parts = {entry.filename: archive.read(entry) for entry in entries}
    except OSError as error:
        came = f"{path} cannot be read ({error.strerror or error})"
        raise BundleError(came, "a file made by `untaught export`", "check the path and its permissions") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise _refused(path, f"is damaged ({error})") from None
    _check_sums(path, parts)
    return parts


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse, before a byte is unpacked, whatever `write_parts` does not write."""
    if len(entries) > MAX_PARTS:
        raise _refused(path, f"has {len(entries)} parts; at most {MAX_PARTS} are read")
    names = [entry.filename for entry in entries]
    for entry in entries:
        if not NAME.fullmatch(entry.orig_filename) or entry.filename != entry.orig_filename:
            raise _refused(path, f"has a part called {entry.orig_filename[:80]!r}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise _refused(path, f"has a compressed part ({entry.filename}); parts are stored")
    if len(set(names)) < len(names):
        raise _refused(path, f"has two parts called {max(names, key=names.count)}")
    if sum(entry.file_size for entry in entries) > size:
        raise _refused(path, "has parts that overlap")


def _check_sums(path: Path, parts: Parts) -> None:
    found, listed = sums(parts), parts.get(SUMS, b"")
    if found == listed:
        return
    differ = set(found.splitlines()) ^ set(listed.splitlines())
    names = sorted({line.decode("ascii", "replace").partition("  ")[2] for line in differ})
    raise _refused(path, f"has parts that are not those of {SUMS}: {', '.join(names)[:200] or SUMS}")


def _refused(path: Path, why: str) -> BundleError:
    return BundleError(
        f"{path} {why}", "an unchanged file made by `untaught export`", "copy it again, or export the run again"
    )
