"""Every format and mode, from every kind of source."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from untaught.errors import ImageError
from untaught.image import Limits, Recipe, decode, load, probe, read, verify


def encode(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def grey(rgb):
    return np.asarray(Image.fromarray(rgb).convert("L"))


def palette(rgb):
    return Image.fromarray(rgb).quantize(64)


LOSSLESS = {
    "png rgb": lambda a: (encode(Image.fromarray(a)), a),
    "bmp rgb": lambda a: (encode(Image.fromarray(a), "BMP"), a),
    "tiff rgb": lambda a: (encode(Image.fromarray(a), "TIFF"), a),
    "tiff lzw": lambda a: (encode(Image.fromarray(a), "TIFF", compression="tiff_lzw"), a),
    "png grey": lambda a: (encode(Image.fromarray(grey(a))), grey(a)),
    "bmp grey": lambda a: (encode(Image.fromarray(grey(a)), "BMP"), grey(a)),
    "tiff grey": lambda a: (encode(Image.fromarray(grey(a)), "TIFF"), grey(a)),
    "png palette": lambda a: (encode(palette(a)), np.asarray(palette(a).convert("RGB"))),
    "bmp palette": lambda a: (encode(palette(a), "BMP"), np.asarray(palette(a).convert("RGB"))),
    "tiff palette": lambda a: (encode(palette(a), "TIFF"), np.asarray(palette(a).convert("RGB"))),
    "png 1 bit": lambda a: (encode(Image.fromarray(grey(a) > 99)), (grey(a) > 99) * np.uint8(255)),
    "tiff 1 bit": lambda a: (encode(Image.fromarray(grey(a) > 99), "TIFF"), (grey(a) > 99) * np.uint8(255)),
    "tiff cmyk": lambda a: (encode(Image.fromarray(a).convert("CMYK"), "TIFF"), a),
}


@pytest.mark.parametrize("case", LOSSLESS)
def test_lossless_files_give_the_pixels_that_were_saved(case, rgb):
    data, wanted = LOSSLESS[case](rgb)
    wanted = wanted if wanted.ndim == 3 else np.repeat(wanted[..., None], 3, axis=2)
    image = decode(data)
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), wanted)


@pytest.mark.parametrize(
    ("mode", "options"),
    [("L", {}), ("RGB", {}), ("RGB", {"progressive": True}), ("CMYK", {}), ("RGB", {"subsampling": 2})],
)
def test_jpeg_of_every_mode_is_close_to_the_original(mode, options):
    y, x = np.mgrid[:48, :64]
    smooth = np.stack([x * 3, 40 + y * 3, 200 - x * 2], axis=2).astype(np.uint8)
    data = encode(Image.fromarray(smooth).convert(mode), "JPEG", quality=95, **options)
    wanted = np.asarray(Image.fromarray(smooth).convert(mode).convert("RGB")).astype(int)
    assert np.abs(np.asarray(decode(data)).astype(int) - wanted).mean() < 4


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("white", [65535, 4095, 1000])
def test_sixteen_bit_grey_is_scaled_by_white(form, white):
    raw = np.linspace(0, min(white + 300, 65535), 15 * 20).astype(np.uint16).reshape(15, 20)
    data = encode(Image.fromarray(raw), form)
    wanted = np.minimum(raw.astype(int), white) * 256 // (white + 1)
    picture = load(data, Limits(white=white))
    np.testing.assert_array_equal(np.asarray(picture.image), wanted)
    assert picture.peak == raw.max()
    assert picture.header.deep
    np.testing.assert_array_equal(np.asarray(decode(raw, Limits(white=white)))[..., 1], wanted)


def test_big_endian_and_signed_tiff():
    raw = (np.arange(20 * 30).reshape(20, 30) * 100).astype(np.uint16)
    big = encode(Image.frombytes("I;16B", (30, 20), raw.astype(">u2").tobytes()), "TIFF")
    assert big.startswith(b"MM")
    np.testing.assert_array_equal(np.asarray(decode(big))[..., 0], raw >> 8)
    wide = encode(Image.fromarray(raw.astype(np.int32)), "TIFF")
    np.testing.assert_array_equal(np.asarray(decode(wide))[..., 0], raw >> 8)
    for broken in (raw.astype(np.int32) - 1, raw.astype(np.int32) * 100):
        with pytest.raises(ImageError, match="0 to 65535"):
            decode(encode(Image.fromarray(broken), "TIFF"))


def deep_colour_png(raw):
    """A 16-bit RGB PNG, which Pillow reads but cannot write."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = raw.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in raw)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bit_colour_is_the_same_from_file_and_array():
    raw = np.random.default_rng(0).integers(0, 65536, (9, 11, 3)).astype(np.uint16)
    data = deep_colour_png(raw)
    np.testing.assert_array_equal(np.asarray(decode(data)), raw >> 8)
    np.testing.assert_array_equal(np.asarray(decode(raw)), raw >> 8)
    for source in (data, raw):
        with pytest.raises(ImageError, match="white = 65535 for colour"):
            decode(source, Limits(white=4095))


def test_transparency_is_laid_on_black(rgb):
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    alpha[:, 5:] = 255
    wanted = rgb * (alpha[..., None] > 0)
    four = np.dstack([rgb, alpha])
    for form in ("PNG", "TIFF"):
        np.testing.assert_array_equal(np.asarray(decode(encode(Image.fromarray(four), form))), wanted)
    np.testing.assert_array_equal(np.asarray(decode(four)), wanted)
    two = Image.merge("LA", [Image.fromarray(grey(rgb)), Image.fromarray(alpha)])
    np.testing.assert_array_equal(np.asarray(decode(encode(two)))[..., 0], grey(rgb) * (alpha > 0))
    half = Image.fromarray(np.dstack([rgb, np.full_like(alpha, 128)]))
    assert np.abs(np.asarray(decode(encode(half))).astype(float) - rgb * (128 / 255)).max() <= 1


def test_transparent_palette_grey_and_colour_keys(rgb):
    keyed = palette(rgb)
    index = np.asarray(keyed)
    data = encode(keyed, transparency=int(index[0, 0]))
    got = np.asarray(decode(data))
    assert not got[index == index[0, 0]].any()
    np.testing.assert_array_equal(got[index != index[0, 0]], np.asarray(keyed.convert("RGB"))[index != index[0, 0]])
    levels = bytes(255 if i % 2 else 0 for i in range(64))
    assert not np.asarray(decode(encode(keyed, transparency=levels)))[index % 2 == 0].any()
    deep = (np.arange(12).reshape(3, 4) * 5000).astype(np.uint16)
    got = np.asarray(decode(encode(Image.fromarray(deep), transparency=10000)))[..., 0]
    np.testing.assert_array_equal(got, np.where(deep == 10000, 0, deep >> 8))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(form, orientation, tmp_path):
    stored = np.zeros((24, 40, 3), np.uint8)
    stored[:8, :8] = 255  # a white corner, so that each of the eight looks different
    stored[:8, 32:] = 128
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(stored), form, exif=exif)
    undo = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored, 1),
    }
    wanted = undo[orientation]
    tolerance = 8 if form == "JPEG" else 0
    opened = Image.open(io.BytesIO(data))
    path = tmp_path / "part"
    path.write_bytes(data)
    for source in (data, opened, path):
        got = np.asarray(decode(source)).astype(int)
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= tolerance
    assert verify(data).size == probe(path).size == (wanted.shape[1], wanted.shape[0])


def test_rotation_and_fractional_decoding_together(photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encode(photo, "JPEG", quality=95, exif=exif)
    upright = encode(photo.transpose(Image.Transpose.ROTATE_270), "JPEG", quality=95)
    recipe = Recipe(height=96, width=64)
    difference = read(turned, recipe).astype(int) - read(upright, recipe)
    assert np.abs(difference).mean() < 0.5


def test_every_source_gives_the_same_pixels(photo, tmp_path):
    recipe = Recipe(height=64)
    path = tmp_path / "ein Bild ä ñ 部品.png"
    small = photo.resize((300, 200))
    small.save(path)
    sources = [path, str(path), path.read_bytes(), Image.open(path), small, np.asarray(small)]
    first, *others = [read(source, recipe) for source in sources]
    assert first.shape == (64, 64, 3)
    assert first.flags.writeable
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_same_pixels_of_every_source_for_jpeg_and_deep_grey(photo, tmp_path):
    recipe = Recipe(height=64)
    path = tmp_path / "part.jpg"
    photo.resize((200, 150)).save(path, quality=90)
    deep = np.asarray(photo.convert("L")).astype(np.uint16)[:400, :300] * 16
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    white = Recipe(height=64, white=4095)
    np.testing.assert_array_equal(read(path, recipe), read(np.asarray(Image.open(path)), recipe))
    np.testing.assert_array_equal(read(path, recipe), read(path.read_bytes(), recipe))
    np.testing.assert_array_equal(read(tmp_path / "deep.tif", white), read(deep, white))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4), np.int64),
        np.zeros((4, 4), bool),
        np.zeros((3, 4, 5), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros((4, 4, 4, 3), np.uint8),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_other_arrays_are_refused(array):
    with pytest.raises(ImageError, match=r"in memory.*Expected"):
        decode(array)


def test_arrays_may_be_views_and_of_any_byte_order(rgb):
    np.testing.assert_array_equal(np.asarray(decode(rgb[::-1, ::2])), rgb[::-1, ::2])
    np.testing.assert_array_equal(np.asarray(decode(rgb[..., :1]))[..., 2], rgb[..., 0])
    deep = rgb[..., 0].astype(">u2") * 257
    np.testing.assert_array_equal(np.asarray(decode(deep))[..., 0], rgb[..., 0])


@pytest.mark.parametrize("mode", ["F", "LAB", "HSV"])
def test_modes_without_a_plain_meaning_are_refused(mode):
    with pytest.raises(ImageError, match=f"mode {mode}"):
        decode(Image.new(mode, (5, 5)))
    with pytest.raises(ImageError, match="mode F"):
        decode(encode(Image.new("F", (5, 5)), "TIFF"))


@pytest.mark.parametrize("source", [None, 3, [1, 2]])
def test_other_objects_are_refused(source):
    with pytest.raises(ImageError, match="a path, bytes, a numpy array or a Pillow image"):
        decode(source)


def test_metadata_remarks_neither_warn_nor_depend_on_the_callers_filters(rgb):
    exif = Image.Exif()
    exif[0x0112] = 1
    data = bytearray(encode(Image.fromarray(rgb), "JPEG", exif=exif.tobytes()[:-6]))
    for filters in ("error", "default", "always"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(filters)
            assert decode(bytes(data)).size == (17, 13)
        assert not caught
