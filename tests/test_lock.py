import errno
import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from untaught.errors import RunError
from untaught.lock import alone
from untaught.run import run_folder


def add(path, times):
    for _ in range(times):
        with alone(path.parent, "add"):
            path.write_text(str(int(path.read_text()) + 1))


def test_of_many_processes_one_at_a_time_is_let_in(tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    processes = [multiprocessing.get_context("fork").Process(target=add, args=(count, 8)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert count.read_text() == "24"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_the_same_thread_enters_again_and_another_is_told_who_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("untaught.lock.PATIENCE", 0.1)
    told = []

    def enter():
        with pytest.raises(RunError) as caught, alone(tmp_path, "report"):
            pass
        told.append(str(caught.value))

    with alone(tmp_path, "evaluate"):
        with alone(tmp_path / ".." / tmp_path.name, "report"):
            pass
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert "at work on" in told[0]
    assert "(evaluate, process " in told[0]
    with alone(tmp_path, "report"):
        pass


def test_a_folder_that_was_made_for_it_is_gone_where_it_stays_empty(tmp_path):
    with pytest.raises(KeyError), alone(tmp_path / "runs" / "new", "train"):
        raise KeyError
    assert not list(tmp_path.iterdir())
    with alone(tmp_path / "runs" / "new", "train"):
        (tmp_path / "runs" / "new" / "card.json").touch()
    assert [path.name for path in (tmp_path / "runs" / "new").iterdir()] == ["card.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refused(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(RunError, match="cannot be written"), alone(tmp_path, "evaluate"):
        pass


def begin(start, told):
    start.wait()
    for _ in range(20):
        with run_folder(None, "parts", "train") as folder:
            (folder / "card.json").touch(exist_ok=False)
            told.put(str(folder))


def test_runs_that_are_begun_at_once_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fork = multiprocessing.get_context("fork")
    start, told = fork.Barrier(4), fork.Queue()
    processes = [fork.Process(target=begin, args=(start, told)) for _ in range(4)]
    for process in processes:
        process.start()
    names = {told.get(timeout=60) for _ in range(80)}
    for process in processes:
        process.join()
    assert names == {str(Path("runs", "parts" if n == 1 else f"parts-{n}")) for n in range(1, 81)}
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"card.json"}


def test_a_new_folder_is_gone_where_it_stays_empty_and_only_the_first_of_many_processes_makes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyError), run_folder(None, "parts", "train"):
        raise KeyError
    monkeypatch.setenv("RANK", "1")
    with run_folder(None, "parts", "train") as folder:
        assert folder.name == "parts"
    assert not list(tmp_path.iterdir())


def test_on_a_full_disk_the_lock_holds_without_a_name_in_it(tmp_path, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with alone(tmp_path / "run", "train"):
        assert (tmp_path / "run" / ".lock").read_bytes() == b""
