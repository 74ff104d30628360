import sys

import pytest

from untaught.cli import console
from untaught.progress import Progress


def test_lines_at_the_start_at_the_end_and_not_at_every_step(capsys):
    with console.progress(quiet=False) as report:
        for done in range(1, 101):
            report(Progress("train", done, 100, "held-out 0.1"))
    assert capsys.readouterr().err.splitlines() == ["train 1/100 held-out 0.1", "train 100/100 held-out 0.1"]


def test_lines_tell_rate_and_time_left(monkeypatch, capsys):
    clock = iter([0.0, 12.0, 40.0])
    monkeypatch.setattr("untaught.cli.console.time.monotonic", lambda: next(clock))
    with console.progress(quiet=False) as report:
        for done in (1, 25, 81):
            report(Progress("train", done, 81))
    assert capsys.readouterr().err.splitlines() == ["train 1/81", "train 25/81 2.0/s, 28 s left", "train 81/81 2.0/s"]


def test_bars_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    with console.progress(quiet=False) as report:
        for done in range(1, 4):
            report(Progress("teacher features", done, 3, "waiting"))
    shown = capsys.readouterr().err
    assert "teacher features" in shown
    assert "3/3" in shown
    assert "waiting" in shown


@pytest.mark.parametrize(("quiet", "rank"), [(True, "0"), (False, "1")])
def test_silence_where_asked_for_and_on_other_processes(monkeypatch, capsys, quiet, rank):
    monkeypatch.setenv("RANK", rank)
    with console.progress(quiet) as report:
        report(Progress("train", 1, 1))
    console.remark("remark", quiet)
    assert capsys.readouterr().err == ""
