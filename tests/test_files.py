import errno

import pytest

from untaught.errors import RunError
from untaught.files import not_written, replacing, write_text


@pytest.mark.parametrize(
    ("number", "fix"),
    [(errno.ENOSPC, "free space"), (errno.EACCES, "permissions"), (errno.ENOTDIR, "correct the path")],
)
def test_advice_is_given_by_what_the_system_said(tmp_path, number, fix):
    error = not_written(tmp_path / "x", OSError(number, "so it is"))
    assert "so it is" in error.came
    assert fix in error.fix
    assert ("space" in error.fix) == (number == errno.ENOSPC)


def test_a_path_below_a_file_is_a_wrong_path_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="correct the path"):
        write_text(tmp_path / "file" / "x.json", "{}")
    with pytest.raises(RunError, match="free space"), replacing(tmp_path / "y"):
        raise OSError(errno.ENOSPC, "full")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
