"""Data and places that go wrong: the right result or one clear error, and nothing half-written."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

TRAIN = ["--image-size", 64, "--epochs", 1, "--quiet"]


@pytest.fixture
def good(product, tmp_path):
    """A flat folder with twelve good images, and where a run may go."""
    folder = tmp_path / "flat"
    folder.mkdir()
    for path in sorted((product / "train" / "good").iterdir())[:12]:
        shutil.copy(path, folder)
    return folder


def train(run, data, out, *more):
    return run("train", "reverse_distillation", "--data", data, "--out", out, *TRAIN, *more)


def test_a_flat_folder_trains_and_cannot_be_evaluated(run, good, tmp_path):
    assert train(run, good, tmp_path / "r")[0] == 0
    code, _, err = run("evaluate", tmp_path / "r", "--data", good, "--quiet")
    assert code == 2
    assert "no test split" in err


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_good_images(run, good, tmp_path, count):
    for path in sorted(good.iterdir())[count:]:
        path.unlink()
    code, _, err = train(run, good, tmp_path / "r")
    assert code == 2
    assert "good image" in err
    assert not (tmp_path / "r").exists()


def broken_png(path):
    path.write_bytes(path.read_bytes()[:300])


def text(path):
    path.write_text("hello")


def gif(path):
    frames = [Image.new("P", (64, 64), colour) for colour in (0, 1)]
    frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:])


def huge(path):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("spoil", [broken_png, text, gif, huge])
def test_one_bad_file_is_named_or_skipped(run, good, tmp_path, spoil):
    bad = good / "zzz bad ü.png"
    shutil.copy(next(good.iterdir()), bad)
    spoil(bad)
    code, _, err = train(run, good, tmp_path / "r")
    assert code == 2
    assert "zzz bad ü.png" in err
    assert not (tmp_path / "r").exists()
    assert train(run, good, tmp_path / "r", "--on-bad-image", "skip")[0] == 0


def test_odd_but_sound_images_train_and_are_inspected(run, good, tmp_path):
    with Image.open(next(good.iterdir())) as image:
        image.convert("CMYK").save(good / "cmyk.jpg")
        image.convert("RGBA").save(good / "alpha.png")
        image.convert("P").save(good / "palette.bmp")
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(good / "deep.tif")
    Image.new("RGB", (1, 1), (90, 90, 90)).save(good / "tiny.png")
    assert train(run, good, tmp_path / "r")[0] == 0
    code, out, _ = run("inspect", tmp_path / "r", good, "--quiet")
    assert code == 0
    assert len(out.splitlines()) == 17


def test_a_symlink_loop_does_not_hang(run, good, tmp_path):
    (good / "loop").symlink_to(good, target_is_directory=True)
    assert train(run, good, tmp_path / "r")[0] == 0


def test_an_output_that_cannot_be_written(run, good, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = train(run, good, tmp_path / "file" / "r")
    assert code == 2
    assert "cannot be written" in err
    assert (tmp_path / "file").read_text() == ""


def test_a_full_disk_while_saving(run, good, tmp_path, monkeypatch):
    import errno

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("untaught.files.os.fsync", full)
    code, _, err = train(run, good, tmp_path / "r")
    assert code == 2
    assert "No space left" in err
    assert "--resume" not in err  # nothing was begun
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]


def test_a_disk_that_is_full_later_leaves_a_training_that_can_be_resumed(run, good, tmp_path, monkeypatch):
    import errno

    synced = os.fsync

    def full(handle):
        if (tmp_path / "r" / "settings.toml").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        synced(handle)

    monkeypatch.setattr("untaught.files.os.fsync", full)
    code, _, err = train(run, good, tmp_path / "r")
    assert code == 2
    assert f"free space and repeat the command with --out {tmp_path / 'r'} --resume" in " ".join(err.split())
    monkeypatch.undo()


def test_resume_where_nothing_was_begun_says_so(run, good, tmp_path):
    code, _, err = train(run, good, tmp_path / "mistyped", "--resume")
    assert code == 0
    assert "Nothing to resume" in err
    assert str(tmp_path / "mistyped") in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root to make a small file system")
def test_a_really_full_disk(run, good, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        code, _, err = train(run, good, place / "r")
        assert code == 2
        assert "No space left" in err
        assert not [path for path in place.rglob("*") if path.suffix == ".tmp"]
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_named_and_does_not_hang(run, product, run_folder, tmp_path):
    data, calibrated = shutil.copytree(product, tmp_path / "data"), shutil.copytree(run_folder, tmp_path / "r")
    os.mkfifo(data / "train" / "good" / "x.png")
    os.mkfifo(data / "test" / "good" / "y.png")
    (tmp_path / "new").mkdir()
    os.mkfifo(tmp_path / "new" / "z.png")
    for code, command in (
        (2, ("train", "reverse_distillation", "--data", data, "--out", tmp_path / "new run", *TRAIN)),
        (2, ("calibrate", calibrated, "--good", tmp_path / "new", "--quiet")),
        (2, ("evaluate", calibrated, "--data", data, "--quiet")),
        (1, ("doctor", data, "--quiet")),
    ):
        ended, out, err = run(*command)
        assert ended == code, command
        assert "is not a regular file" in out + err, command
