import json

import numpy as np
import pytest

from untaught.errors import RunError
from untaught.report.evaluation import read_evaluation, read_gallery


def test_reads_what_was_written(make_run):
    run = make_run()
    evaluation = read_evaluation(run)
    assert evaluation.data.name == "plate"
    assert len(evaluation.rows) == 24
    assert evaluation.rows[0].outcome in ("passed", "false reject")
    assert evaluation.rows[-1].defective
    assert {"image_0", "map_0", "image_23", "map_23", "mask_23"} <= set(read_gallery(run.folder))


def test_none_before_the_first(make_run):
    run = make_run(evaluated=False)
    assert read_evaluation(run) is None
    assert read_gallery(run.folder) == {}


@pytest.mark.parametrize("text", ["{", '{"rows": 3}', "[]"])
def test_a_damaged_evaluation_is_one_clear_error(make_run, text):
    run = make_run()
    (run.folder / "evaluation.json").write_text(text)
    with pytest.raises(RunError, match=r"evaluation\.json.*evaluate"):
        read_evaluation(run)


def test_a_damaged_row_is_named(make_run):
    run = make_run()
    values = json.loads((run.folder / "evaluation.json").read_text())
    values["rows"][3]["score"] = "high"
    (run.folder / "evaluation.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match=r"rows\.3\.score"):
        read_evaluation(run)


@pytest.mark.parametrize("damage", ["text", "cut"])
def test_a_damaged_gallery_is_one_clear_error(make_run, damage):
    run = make_run()
    path = run.folder / "gallery.npz"
    path.write_bytes(b"hello" if damage == "text" else path.read_bytes()[:2000])
    with pytest.raises(RunError, match=r"gallery\.npz cannot be read"):
        read_gallery(run.folder)


def test_pickled_objects_are_refused(make_run):
    run = make_run()
    np.savez(run.folder / "gallery.npz", image_0=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RunError, match="gallery"):
        read_gallery(run.folder)
