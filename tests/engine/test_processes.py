"""Two processes under torchrun end as one would: the same weights on both, every image once an epoch."""

import json
import subprocess
import sys
import textwrap

import pytest

from untaught.config import Settings
from untaught.engine.evaluate import evaluate
from untaught.engine.train import train
from untaught.run import Run

EPOCHS = 16  # enough for batch normalisation to have settled, of which each process sees half a batch
SEEDS = 6  # of which the range tells how far chance alone moves a figure; three lay too close together now and then
SCRIPT = """
    import hashlib, json, os, sys
    from pathlib import Path
    from untaught.cli.main import main
    from untaught.engine.fit import Share
    from untaught.engine.train import Training

    told, seen, whole, execute = Path(sys.argv.pop(1)), [], Share.epoch, Training.execute

    def epoch(self, *arguments):
        seen.append([])
        for batch in whole(self, *arguments):
            seen[-1].extend(batch.index.tolist())
            yield batch

    def watched(self):
        execute(self)
        state = self.method.state_dict()
        digest = hashlib.sha256(b"".join(state[name].contiguous().view(-1).numpy().tobytes() for name in sorted(state)))
        table = {"digest": digest.hexdigest(), "seen": seen, "began": self.at.began}
        (told / f"{os.environ['RANK']}.json").write_text(json.dumps(table))

    Share.epoch, Training.execute = epoch, watched
    main()
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes(product, run_folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "0",
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        "localhost:0",
    ]
    command = ["train", "reverse_distillation", "--data", str(product), "--out", str(tmp_path / "run")]
    options = [
        "--image-size",
        "64",
        "--epochs",
        str(EPOCHS),
        "--false-reject",
        "0.1",
        "--set",
        "model.map.sigma_side=0",
    ]
    subprocess.run([*launch, str(script), str(tmp_path), *command, *options], check=True)
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert ranks[0]["digest"] == ranks[1]["digest"]
    assert ranks[0]["began"] == ranks[1]["began"], "by which a time budget ends"

    two = Run(tmp_path / "run").card
    for first, second in zip(ranks[0]["seen"], ranks[1]["seen"], strict=True):
        assert sorted(first + second) == list(range(two.training.images))
    assert ranks[0]["seen"][0] != ranks[0]["seen"][1]

    one = Run(run_folder).card
    assert two.training.processes == 2
    assert two.data.train == one.data.train
    assert two.data.calibration == one.data.calibration
    assert len(two.calibration.scores) == len(one.calibration.scores)

    runs = []
    for seed in range(SEEDS):
        asked = Settings(
            method="reverse_distillation", data=str(product), seed=seed, false_reject=0.1, image_size=64, epochs=EPOCHS,
            model={"map": {"sigma_side": 0}},  # the usual smoothing: at 64 px there would be hardly any
        )  # fmt: skip
        runs.append(train(asked, tmp_path / str(seed)))
    for result in (distance, pixel_auroc):
        together, alone = result(Run(tmp_path / "run"), product), [result(run, product) for run in runs]
        spread = max(alone) - min(alone)  # another one may lie beyond them, hardly by as much again
        assert min(alone) - spread <= together <= max(alone) + spread, (result.__name__, together, alone)


def distance(run, product):
    """Of the last epoch: over all positions, where the loss also weighs the worst of each process's batch."""
    return run.log()[-1]["losses"]["distance"]


def pixel_auroc(run, product):
    return evaluate(run, str(product)).pixel_auroc
