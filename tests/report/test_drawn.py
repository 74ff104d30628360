import json

import pytest

from untaught.metrics.wilson import wilson
from untaught.report.drawn import drawn_lines, view_drawn
from untaught.report.evaluation import read_drawn
from untaught.report.page import render_page


@pytest.fixture
def run(make_run):
    run = make_run(evaluated=False)
    rows = [
        {"image": f"{n}.png", "kind": kind, "size": size, "reject": n < found, "marked": n < found - 1}
        for size, kind, found in ((0.04, "scar", 1), (0.16, "scar", 3), (0.16, "perlin", 4))
        for n in range(4)
    ]
    (run.folder / "drawn.json").write_text(json.dumps({"images": 4, "side": 200, "rows": rows}))
    return run


def test_rates_by_size_and_kind(run):
    view = view_drawn(run)
    small, large = view.sizes.rows
    assert [cell.text.replace("\u202f", " ") for cell in small] == ["8 px of 200", "4 %", "1 of 4", "25.0 %", "0 of 4"]
    assert large[2].text == "7 of 8"
    low, high = wilson(7, 8)
    assert large[3].note.startswith(f"{100 * low:.1f}–{100 * high:.1f}")
    assert [row[0].text for row in view.kinds.rows] == ["scar", "perlin"]  # the least found first
    assert view.kinds.rows[0][1].text == "4 of 8"


def test_the_page_marks_them_as_synthetic(run):
    page = render_page([run])
    assert "Drawn defects (synthetic)" in page
    assert "12\u00a0defects drawn on 4\u00a0held-out good images" in page
    (run.folder / "drawn.json").unlink()
    without = render_page([run])
    assert "Drawn defects" not in without
    assert "untaught anomalies detect" in without


def test_one_size_is_drawn_too(run):
    table = json.loads((run.folder / "drawn.json").read_text())
    table["rows"] = table["rows"][:4]
    (run.folder / "drawn.json").write_text(json.dumps(table))
    assert "25" in view_drawn(run).curve


def test_lines_for_a_terminal(run):
    lines = drawn_lines(read_drawn(run)).splitlines()
    assert lines[0].startswith("Synthetic")
    assert lines[2].split() == ["8", "px", "(4%)", "1", "of", "4", "0", "of", "4"]
    assert all(line.isascii() for line in lines)
