"""Every command and every piece of Python in the guide is run, page by page, on a small drawn product."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import messages
import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from untaught.calibration import smallest_rate
from untaught.cli.main import main
from untaught.data.toy import Toy

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
PAGES = sorted(path.name for path in GUIDE.glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TINY = {
    "train": ["--image-size", "64", "--epochs", "1"],
    "anomalies": ["--draws", "2"],
    "pretrain-teacher": ["--patch", "17", "--steps", "1"],
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder PARTS as the guide has it, good images of TODAY, and wheels to install from."""
    folder = tmp_path_factory.mktemp("workshop")
    line, today = Toy(seed=3, train=24, test_good=0, test_bad=6, size=64), Toy(seed=11, train=9, size=64)
    for sample in line.samples:
        image, mask = line.draw(sample)
        name = Path(sample.name).name
        save(folder / "PARTS" / sample.kind / name, image)
        if sample.defective:
            save(folder / "PARTS" / "masks" / sample.kind / name, mask)
    for seed, name in enumerate(("cap", "ring"), start=5):
        Toy(seed=seed, train=8, test_good=1, test_bad=5, size=64).write(folder / "LINE" / name)
    for sample in today.samples[:9]:
        save(folder / "TODAY" / Path(sample.name).name, today.draw(sample)[0])
        save(folder / "PHOTOS" / "album" / Path(sample.name).name, today.draw(sample)[0])
    state = timm.create_model("resnet18", pretrained=False).state_dict()
    save_file(state, folder / "resnet18.safetensors")
    with zipfile.ZipFile(folder / "untaught-0.0.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("untaught_stub.py", "")
        told = {"METADATA": "Metadata-Version: 2.1\nName: untaught\nVersion: 0.0.1\nProvides-Extra: train\n"}
        told["WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        for name, text in {**told, "RECORD": ""}.items():
            wheel.writestr(f"untaught-0.0.1.dist-info/{name}", text)
    return folder


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels).save(path)


@pytest.fixture
def here(workshop, monkeypatch):
    monkeypatch.chdir(workshop)
    monkeypatch.setenv("UNTAUGHT_CACHE", os.environ["UNTAUGHT_CACHE"])
    return workshop


def blocks(page):
    """Language and content of each fenced block."""
    return BLOCK.findall((GUIDE / page).read_text("utf-8"))


def run(line, monkeypatch, folder):
    """One line of shell."""
    words = shlex.split(line)
    if words[0] == "export":
        monkeypatch.setenv(*words[1].split("=", 1))
    elif words[0] == "pip":
        away = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_TARGET": str(folder / "site")}
        if words[1] != "install":
            del away["PIP_TARGET"]
        away |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        subprocess.run([sys.executable, "-m", *words], check=True, env=os.environ | away, capture_output=True)
    elif words[0] == "openssl":
        subprocess.run(words, check=True, capture_output=True)
    else:
        assert words[0] == "untaught", f"the test does not know how to run: {line}"
        more = [word for word in TINY.get(words[1], []) if words[1] != "anomalies" or words[2] == "detect"]
        if "--tile" in words and "auto" not in words:
            more = more[2:]
        monkeypatch.setattr(sys, "argv", [*words, *more])
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise AssertionError(f"{line} ended with {end.code}") from None


def follow(page, monkeypatch, folder):
    """Do what a page says."""
    for language, content in blocks(page):
        if language == "python":
            exec(compile(content, page, "exec"), {})
        elif language == "sh":
            for line in content.strip().splitlines():
                run(line, monkeypatch, folder)
        else:
            assert language == "text", f"{page}: a block of {language or 'nothing'}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("page", ["ten_minutes.md", *(page for page in PAGES if page != "ten_minutes.md")])
def test_the_page_works(page, here, monkeypatch):
    if page != "ten_minutes.md" and not (here / "runs" / "parts").exists():
        follow("ten_minutes.md", monkeypatch, here)
    follow(page, monkeypatch, here)


def test_no_command_hides_in_a_block_that_is_not_run():
    for page in PAGES:
        for language, content in blocks(page):
            if language == "text":
                assert not re.search(r"^(untaught|pip|python) ", content, re.MULTILINE), page


def test_the_table_of_rates_is_right():
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) % \|$", (GUIDE / "thresholds.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == 5
    for n, rate in rows:
        assert 100 * smallest_rate(int(n)) == pytest.approx(float(rate))


def test_every_message_that_is_explained_is_one_that_is_said():
    text = (GUIDE / "troubleshooting.md").read_text("utf-8")
    quoted = re.findall(r"^### `(.+?)`", text, re.MULTILINE)
    known = {template.replace("`", "") for template in messages.texts()}
    assert [message for message in quoted if not any(begins(message, template) for template in known)] == []
    assert len(quoted) >= 8


def test_a_message_that_nobody_says_is_found():
    known = {template.replace("`", "") for template in messages.texts()}
    for message in ("PARTS holds several data sets (bottle, screw)", "3 images are broken: 003.png"):
        assert not any(begins(message, template) for template in known)


def begins(message, template):
    """Whether a message is a template of two words or more, or its beginning, with something in each gap."""
    ends = range(len(template), 0, -1) if words(template) >= 2 and first(template) in message else ()
    return any(words(template[:end]) >= 2 and messages.filled(template[:end], message) for end in ends)


def words(template):
    return len(re.findall(r"\w\w+", template))


def first(template):
    """The first piece of a template, without its end."""
    pieces = [piece for piece in template.split(messages.GAP) if piece.strip()]
    return pieces[0][:12]


def test_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", (GUIDE / page).read_text("utf-8")):
            assert (GUIDE / link).exists(), f"{page}: {link}"
