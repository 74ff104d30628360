import os

import pytest

from untaught.data.listing import entries, folders, images
from untaught.errors import DataError


def test_images_below_a_folder_in_order_without_hidden_ones(put, tmp_path):
    for name in ("b.png", "a ä.JPG", "deep/er/c.tif", "deep/a.bmp", ".hidden.png", ".cache/x.png"):
        put(name)
    for name in ("Thumbs.db", "notes.txt", ".DS_Store", "._a.png", "table.csv"):
        (tmp_path / name).write_bytes(b"x")
    names = [path.relative_to(tmp_path).as_posix() for path in images(tmp_path)]
    assert names == ["a ä.JPG", "b.png", "deep/a.bmp", "deep/er/c.tif"]


def test_loops_of_links_end_and_links_are_followed_once(put, tmp_path):
    put("real/one.png")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "real" / "itself").symlink_to(tmp_path / "real" / "itself")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    found = images(tmp_path)
    assert len(found) == 1
    assert [folder.name for folder in folders(tmp_path)] == ["linked", "real"]


def test_a_link_into_nowhere_is_listed_so_that_it_is_named(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing.png")
    assert [path.name for path in images(tmp_path)] == ["gone.png"]


def test_missing_folders_are_empty_and_unreadable_ones_an_error(tmp_path, monkeypatch):
    assert images(tmp_path / "none") == []
    assert folders(tmp_path / "none") == []

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", forbidden)
    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(DataError, match=r"cannot be listed \(Permission denied\)"):
        entries(tmp_path)
