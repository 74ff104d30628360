"""Files that are not as they were written."""

import zipfile

import pytest

from untaught.bundle.archive import SUMS, read_parts, sums, write_parts
from untaught.errors import BundleError

PARTS = {"card.json": b"{}", "model.onnx": bytes(range(256)) * 4, "golden/0_map.f32": b"\0" * 16}


def packed(path, parts, **changes):
    """A bundle of these parts, each of which may then be exchanged without the sums knowing."""
    with path.open("wb") as file:
        write_parts(file, {**parts, SUMS: sums(parts), **changes})
    return path


def zipped(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data, compression in entries:
            archive.writestr(entry, data, compression)
    return path


def test_what_is_written_is_read_and_the_same_parts_make_the_same_file(tmp_path):
    first, second = packed(tmp_path / "a", PARTS), packed(tmp_path / "b", PARTS)
    assert {name: data for name, data in read_parts(first).items() if name != SUMS} == PARTS
    assert first.read_bytes() == second.read_bytes()
    assert zipfile.ZipFile(first).infolist()[0].compress_type == zipfile.ZIP_STORED


@pytest.mark.parametrize("name", [*PARTS, SUMS])
def test_one_byte_of_any_part_is_noticed_by_the_zip_and_by_the_sums(tmp_path, name):
    whole = packed(tmp_path / "whole", PARTS)
    data, part = bytearray(whole.read_bytes()), {**PARTS, SUMS: sums(PARTS)}[name]
    at = data.index(part)
    data[at + len(part) // 2] ^= 1
    (tmp_path / "flipped").write_bytes(data)
    with pytest.raises(BundleError, match="damaged"):
        read_parts(tmp_path / "flipped")
    changed = bytearray(part)
    changed[len(part) // 2] ^= 1
    with pytest.raises(BundleError, match="not those of SHA256SUMS"):
        read_parts(packed(tmp_path / "repacked", PARTS, **{name: bytes(changed)}))


def test_a_part_too_many_or_too_few_is_noticed(tmp_path):
    with pytest.raises(BundleError, match="extra"):
        read_parts(packed(tmp_path / "more", PARTS, extra=b"x"))
    with (tmp_path / "fewer").open("wb") as file:
        write_parts(file, {"card.json": b"{}", SUMS: sums(PARTS)})
    with pytest.raises(BundleError, match=r"golden/0_map\.f32, model\.onnx"):
        read_parts(tmp_path / "fewer")
    with (tmp_path / "unproven").open("wb") as file:
        write_parts(file, PARTS)
    with pytest.raises(BundleError, match=SUMS):
        read_parts(tmp_path / "unproven")


@pytest.mark.parametrize(
    "name", ["../card.json", "/etc/passwd", "golden/../../x", "C:\\x", "a\\b", "golden/a/b", "", "a" * 200, "x\0.png"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    path = zipped(tmp_path / "bundle", [(entry, b"x", zipfile.ZIP_STORED)])
    with pytest.raises(BundleError, match="part called"):
        read_parts(path)
    assert [item.name for item in tmp_path.iterdir()] == ["bundle"]


def test_bombs_are_refused_before_they_are_unpacked(tmp_path):
    bomb = zipped(tmp_path / "bomb", [("model.onnx", bytes(50_000_000), zipfile.ZIP_DEFLATED)])
    assert bomb.stat().st_size < 100_000
    with pytest.raises(BundleError, match="compressed part"):
        read_parts(bomb)
    many = zipped(tmp_path / "many", [(f"part{number}", b"", zipfile.ZIP_STORED) for number in range(70)])
    with pytest.raises(BundleError, match="70 parts"):
        read_parts(many)


def test_parts_that_overlap_are_refused(tmp_path):
    """The same bytes listed many times over are a bomb without compression."""
    path = tmp_path / "overlap"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", bytes(10_000))
        first = archive.infolist()[0]
        for number in range(20):
            entry = zipfile.ZipInfo(f"part{number}")
            for key in ("CRC", "file_size", "compress_size", "header_offset"):
                setattr(entry, key, getattr(first, key))
            archive.filelist.append(entry)
    with pytest.raises(BundleError, match="overlap"):
        read_parts(path)


def test_two_parts_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "twice", [("card.json", b"{}", 0), ("card.json", b"[]", 0)])
    with pytest.raises(BundleError, match="two parts called"):
        read_parts(path)


@pytest.mark.parametrize("what", ["missing", "folder", "empty", "text", "cut"])
def test_what_is_no_bundle_is_one_clear_error(tmp_path, what):
    path = tmp_path / "x.untaught"
    if what == "folder":
        path.mkdir()
    elif what == "cut":
        path.write_bytes(packed(tmp_path / "whole", PARTS).read_bytes()[:-40])
    elif what != "missing":
        path.write_text("" if what == "empty" else "not a zip")
    with pytest.raises(BundleError, match=r"x\.untaught"):
        read_parts(path)
