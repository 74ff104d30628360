"""What tests of the command line share."""

import sys

import pytest

from untaught.cli.main import main


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command line; gives exit code, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["untaught", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
