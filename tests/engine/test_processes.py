"""Two processes under torchrun end as one would: the same weights on both, every image once an epoch."""

import json
import subprocess
import sys
import textwrap

import pytest
from tests.conftest import SMALL

from untaught.config import Settings
from untaught.engine.train import train
from untaught.run import Run

SCRIPT = """
    import hashlib, json, os, sys
    from pathlib import Path
    from untaught.config import Settings
    from untaught.engine.fit import Share
    from untaught.engine.train import Training

    rank, (data, out, told) = os.environ["RANK"], sys.argv[1:]
    seen, whole = [], Share.epoch
    def epoch(self, *arguments):
        seen.append([])
        for batch in whole(self, *arguments):
            seen[-1].extend(batch.index.tolist())
            yield batch
    Share.epoch = epoch
    training = Training(Settings(method="reverse_distillation", data=data, image_size=64, epochs=4), Path(out))
    training.execute()
    state = training.method.state_dict()
    digest = hashlib.sha256(b"".join(state[name].contiguous().view(-1).numpy().tobytes() for name in sorted(state)))
    Path(told, f"{rank}.json").write_text(json.dumps({"digest": digest.hexdigest(), "seen": seen}))
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
    subprocess.run([*launch, str(script), str(product), str(tmp_path / "run"), str(tmp_path)], check=True)
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert ranks[0]["digest"] == ranks[1]["digest"]

    two = Run(tmp_path / "run").card
    for first, second in zip(ranks[0]["seen"], ranks[1]["seen"], strict=True):
        assert sorted(first + second) == list(range(two.training.images))
    assert ranks[0]["seen"][0] != ranks[0]["seen"][1]

    one = Run(run_folder).card
    assert two.training.processes == 2
    assert two.data.train == one.data.train
    assert two.data.calibration == one.data.calibration
    assert len(two.calibration.scores) == len(one.calibration.scores)

    losses = [Run(run_folder).log()[-1]["loss"]]
    for seed in (1, 2):
        train(Settings(method="reverse_distillation", data=str(product), seed=seed, **SMALL), tmp_path / str(seed))
        losses.append(Run(tmp_path / str(seed)).log()[-1]["loss"])
    spread = max(losses) - min(losses)
    assert min(losses) - spread <= Run(tmp_path / "run").log()[-1]["loss"] <= max(losses) + spread
