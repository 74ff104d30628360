"""What is refused, and that it is refused before anything is decoded."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from untaught.errors import ImageError
from untaught.image import Limits, decode, probe, read, verify
from untaught.image.recipe import Recipe


def encode(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def declared(width, height):
    """A PNG of a few bytes that declares any size."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


def frames(n=3):
    return [Image.fromarray(np.full((8, 8), 40 * i, np.uint8)) for i in range(n)]


def test_one_by_one_pixel():
    dot = encode(Image.new("RGB", (1, 1), (10, 20, 30)))
    assert decode(dot).size == (1, 1)
    assert (read(dot, Recipe(height=32)) == (10, 20, 30)).all()


def test_a_huge_declared_size_is_refused_from_the_header(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(declared(20_000, 20_000))
    for look in (decode, verify, probe):
        with pytest.raises(ImageError, match=r"huge\.png: 20,000 x 20,000 pixels.*at most 100,000,000") as caught:
            look(path)
        assert "max_pixels" in caught.value.fix


def test_sizes_between_pillows_limit_and_ours_do_not_warn(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(declared(9_500, 10_000))
    assert probe(path).size == (9_500, 10_000)
    path.write_bytes(declared(20_000, 20_000))
    assert probe(path, Limits(max_pixels=400_000_000)).size == (20_000, 20_000)


def test_pillows_own_limit_holds_for_tiff(monkeypatch):
    data = encode(Image.new("L", (50, 40)), "TIFF")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1999)
    with pytest.raises(ImageError, match=r"at most 1,999 pixels.*PNG"):
        decode(data)
    assert decode(encode(Image.new("L", (50, 40)))).size == (50, 40)


def test_byte_limit(tmp_path):
    data = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)))
    path = tmp_path / "part.png"
    path.write_bytes(data)
    tight = Limits(max_bytes=len(data) - 1)
    for source in (path, data):
        with pytest.raises(ImageError, match=f"{len(data):,} bytes"):
            decode(source, tight)
        assert decode(source, Limits(max_bytes=len(data))).size == (40, 40)


STRANGERS = {
    "a GIF": lambda: encode(Image.new("L", (4, 4)), "GIF"),
    "an animated GIF": lambda: encode(frames()[0], "GIF", save_all=True, append_images=frames()[1:]),
    "a WebP": lambda: encode(Image.new("RGB", (4, 4)), "WEBP"),
    "text": lambda: b"not an image at all\n" * 10,
    "an empty file": lambda: b"",
    "one byte": lambda: b"\x89",
    "a PPM": lambda: encode(Image.new("RGB", (4, 4)), "PPM"),
}


@pytest.mark.parametrize("what", STRANGERS)
def test_other_formats_are_named_and_refused_whatever_the_suffix(what, tmp_path):
    path = tmp_path / "part.png"
    path.write_bytes(STRANGERS[what]())
    for look in (decode, probe):
        with pytest.raises(ImageError, match=r"part\.png: .*Expected: PNG, JPEG, BMP or TIFF"):
            look(path)
    if what == "a GIF":
        with pytest.raises(ImageError, match="a GIF"):
            decode(path)


def test_the_suffix_does_not_matter(tmp_path):
    path = tmp_path / "really a bitmap.jpg"
    path.write_bytes(encode(Image.new("RGB", (4, 3)), "BMP"))
    assert probe(path).format == "BMP"
    assert decode(path).size == (4, 3)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_several_frames_are_refused(form, tmp_path):
    path = tmp_path / "frames"
    first, *rest = frames()
    path.write_bytes(encode(first, form, save_all=True, append_images=rest))
    for look in (decode, probe):
        with pytest.raises(ImageError, match="several frames"):
            look(path)


def test_main_picture_of_a_multi_picture_jpeg():
    first, *rest = [frame.convert("RGB") for frame in frames()]
    data = encode(first, "MPO", save_all=True, append_images=rest)
    assert np.asarray(decode(data)).max() < 20
    assert verify(data).format == "JPEG"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(form, share, tmp_path):
    rng = np.random.default_rng(0)
    data = encode(Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)), form)
    path = tmp_path / f"part.{form.lower()}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match=r"part\.\w+: damaged or truncated"):
        verify(path)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF"])
def test_any_damage_gives_an_image_or_an_image_error(form):
    """Random bytes in a real file: nothing but ImageError may come out (warnings are errors here)."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:24, :24]
    clean = encode(Image.fromarray(((x * y) % 256).astype(np.uint8)), form)
    refused = 0
    for _ in range(150):
        data = bytearray(clean)
        for place in rng.integers(2, len(data), 6):
            data[place] = rng.integers(256)
        try:
            verify(bytes(data))
        except ImageError:
            refused += 1
    assert refused > 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a named pipe is made")
@pytest.mark.parametrize("look", [decode, probe])
def test_what_is_not_a_readable_file(look, tmp_path):
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    dangling = tmp_path / "dangling.png"
    dangling.symlink_to(tmp_path / "gone.png")
    for path, words in [
        (tmp_path / "missing.png", "cannot be read"),
        (dangling, "cannot be read"),
        (loop, "cannot be read"),
        (tmp_path / "nul\0.png", "cannot be read"),
        (tmp_path, "is a folder"),
        (pipe, "not a regular file"),
    ]:
        with pytest.raises(ImageError, match=words):
            look(path)


def test_probe_says_what_the_header_says(tmp_path):
    path = tmp_path / "deep.tif"
    Image.fromarray(np.zeros((5, 9), np.uint16)).save(path)
    header = probe(path)
    assert (header.size, header.format, header.deep) == ((9, 5), "TIFF", True)
    assert header == verify(path)
