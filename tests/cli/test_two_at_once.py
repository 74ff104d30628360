"""Two commands on one run at a time, each a process of its own: the second is told, and nothing is torn or lost."""

import json
import multiprocessing
import shutil

import pytest
from tests.conftest import SMALL

from untaught.config import Settings
from untaught.data.toy import Toy
from untaught.engine.evaluate import evaluate
from untaught.engine.train import train
from untaught.errors import RunError
from untaught.run import Run

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload([train.__module__, evaluate.__module__])


def settings(data):
    return Settings(method="reverse_distillation", data=str(data), false_reject=0.1, **SMALL)


def pausing(pipe, task):
    """A report that says when `task` has begun, and then waits for a word."""

    def report(progress):
        if progress.task.startswith(task) and not pipe.closed:
            pipe.send(progress.task)
            pipe.recv()
            pipe.close()

    return report


def evaluating(pipe, folder, data):
    evaluate(Run(folder), str(data), report=pausing(pipe, "inspect"))


def training(pipe, folder, data):
    train(settings(data), folder, report=pausing(pipe, "train"))


@pytest.fixture
def other(monkeypatch):
    """Starts a process that is stopped in the middle of its work; gives the process and the pipe that lets it go on."""
    monkeypatch.setattr("untaught.lock.PATIENCE", 0.2)
    started = []

    def start(target, *arguments):
        ours, theirs = SERVER.Pipe()
        process = SERVER.Process(target=target, args=(theirs, *arguments))
        process.start()
        started.append(process)
        assert ours.poll(120)
        ours.recv()
        return process, ours

    yield start
    for process in started:
        process.kill()
        process.join()


def test_while_a_run_is_evaluated_it_can_be_read_but_not_changed(run, run_folder, product, tmp_path, other):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    process, pipe = other(evaluating, folder, product)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    good = product / "test" / "good"
    for command in (["calibrate", folder, "--good", good], ["evaluate", folder, "--data", product]):
        code, out, err = run(*command, "--json")
        assert code == 2
        assert f"evaluate, process {process.pid}" in err
        assert json.loads(out)["error"] == "RunError"
    assert run("inspect", folder, good, "--quiet")[0] == 0
    assert run("report", folder, "--out", tmp_path / "page.html")[0] == 0
    assert (tmp_path / "page.html").exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    pipe.send("go on")
    process.join(120)
    assert process.exitcode == 0
    scores, known = ([row["score"] for row in Run(one).evaluation()["rows"]] for one in (folder, run_folder))
    assert scores == known
    code, out, _ = run("calibrate", folder, "--good", good, "--false-reject", 0.2, "--json")
    assert code == 0
    assert list(Run(folder).card.calibration.scores) == json.loads(out)["scores"]
    assert not list(folder.glob(".*"))


def test_a_report_shows_one_moment_of_a_run_that_is_written_meanwhile(run_folder, tmp_path, monkeypatch):
    from untaught.report import page

    folder = shutil.copytree(run_folder, tmp_path / "run")
    drawn, writer = [], Run(folder)

    def render(runs):
        drawn.append(runs[0].card.name)
        if len(drawn) == 1:  # in the middle of the reading another command writes
            writer.card.name = "renamed"
            writer.forget_evaluation()
            writer.save_card()
            raise RunError("a file that has just been there is gone")
        return usual(runs)

    usual = page.render_page
    monkeypatch.setattr(page, "render_page", render)
    assert "renamed" in page.report(folder).read_text()
    assert len(drawn) == 2


def test_what_another_command_has_just_written_is_not_undone(run, run_folder, product, tmp_path):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    Toy(seed=9, train=24, test_good=0, test_bad=0, size=64).write(tmp_path / "new")
    opened = Run(folder)  # before the thresholds are set anew
    run("calibrate", folder, "--good", tmp_path / "new", "--false-reject", 0.2, "--quiet")
    evaluate(opened, str(product))
    assert Run(folder).card.calibration.wanted == 0.2
    assert next(iter(Run(folder).card.metrics.values())).threshold == Run(folder).card.calibration.image.value


def test_a_run_is_trained_by_one_process_and_taken_up_when_that_is_killed(run, product, tmp_path, other):
    folder = tmp_path / "run"
    process, pipe = other(training, folder, product)
    again = ["train", "reverse_distillation", "--data", product, "--out", folder, "--false-reject", 0.1, "--quiet"]
    again += [f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()]
    for more in ([], ["--resume"]):
        code, _, err = run(*again, *more)
        assert code == 2
        assert f"train, process {process.pid}" in err
    assert run("report", folder)[0] == 2
    assert not pipe.closed
    process.kill()
    process.join()
    assert run(*again, "--resume")[0] == 0
    assert not list(folder.glob(".*"))
