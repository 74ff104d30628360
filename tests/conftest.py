"""A small drawn product in a folder, and a run trained on it: made once for all tests."""

import os

import pytest

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the networks of the tests are too small for more

SMALL = {"image_size": 64, "epochs": 4}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Nothing a test does is left in the user's cache."""
    os.environ["UNTAUGHT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def product(tmp_path_factory):
    """A folder in MVTec layout: 40 good images to train on, 8 good and 10 defective ones to test."""
    from untaught.data.toy import Toy

    folder = tmp_path_factory.mktemp("product line") / "bracket ä"
    Toy(seed=3, train=40, test_good=8, test_bad=10, size=64).write(folder)
    return folder


@pytest.fixture(scope="session")
def run_folder(product, tmp_path_factory):
    """A finished run on `product`, evaluated."""
    from untaught.config import Settings
    from untaught.engine.evaluate import evaluate
    from untaught.engine.train import train
    from untaught.report.page import write_report
    from untaught.run import Run

    out = tmp_path_factory.mktemp("runs") / "bracket"
    run = train(Settings(method="reverse_distillation", data=str(product), false_reject=0.1, **SMALL), out)
    evaluate(run, str(product))
    write_report([Run(out)], out / "report.html")
    return out


@pytest.fixture(scope="session")
def bundle_file(run_folder, tmp_path_factory):
    """The run exported as one file, through the command line."""
    from untaught.cli.main import app

    out = tmp_path_factory.mktemp("bundles") / "bracket.untaught"
    app(["export", str(run_folder), "--out", str(out), "--quiet"], standalone_mode=False)
    return out
