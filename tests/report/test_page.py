import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from untaught.errors import ConfigError, RunError
from untaught.records import Finding
from untaught.report.page import render_page, write_report

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=4000",
]
HOSTILE = "test/good/<script>alert('x')</script>\"&<img src=x onerror=alert(1)>.png"


class Elements(HTMLParser):
    """All start tags with their attributes, and the text between tags."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def with_class(self, name):
        return [attributes for _, attributes in self.tags if name in (attributes.get("class") or "").split()]


def words_of(html):
    return " ".join(" ".join(Elements(html).text).split())


def test_nothing_is_loaded_from_elsewhere(make_run):
    html = render_page([make_run()])
    page = Elements(html)
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
    assert "link" not in [tag for tag, _ in page.tags]
    assert not re.search(r"@import|url\((?!#)", html)
    assert "default-src 'none'" in page.of("meta")[1]["content"]


def test_figures_stand_on_top(make_run):
    run = make_run()
    result = run.card.metrics["plate"]
    words = words_of(render_page([run]))
    caught = 12 - round(result.miss_rate * 12)
    assert f"Finds {caught} of 12 defective parts and rejects" in words
    assert "98.7 %" in words
    assert "AUPRO@0.3" in words
    assert "promised by 40 held-out good images" in words
    assert words.index("Finds") < words.index("Image AUROC") < words.index("Gallery") < words.index("Training")
    assert "30 epochs: no gain in 8 epochs" in words
    assert "efficientnet_lite0" in words


def test_every_picture_has_words_for_who_cannot_see_it(make_run):
    page = Elements(render_page([make_run()]))
    assert len(page.of("img")) == 24 + 24 + 12
    assert all(image["alt"] for image in page.of("img"))
    assert all(plot["aria-label"] for plot in page.with_class("plot"))


def test_the_two_thresholds_are_told_apart_and_explained(make_run):
    run = make_run()
    words = words_of(render_page([run]))
    assert "Part rejected above" in words
    assert "Region outlined above" in words
    assert "A small defect can lift a few places above the second without lifting the whole part's score" in words
    assert words.count("its heat map, the defect as labelled") == 1
    assert "the mark is the pixel threshold" in words
    assert words.index("All settings") < words.index(run.card.reduction)


def test_what_the_doctor_found_is_named(make_run):
    run = make_run(evaluated=False)
    names = tuple(f"test/bad/{number}.png" for number in range(7))
    what = "images that cannot be used: 7 of 28"
    run.card.data.findings = [Finding(severity="error", code="broken-image", what=what, names=names)]
    words = words_of(render_page([run]))
    assert f"In the data: {what} ({', '.join(names[:5])} and 2 more)." in words


def test_worst_come_first(make_run):
    run = make_run(evaluation={"strength": 0.5})
    cards = Elements(render_page([run])).with_class("card")
    outcomes = [card["data-outcome"] for card in cards]
    order = ["miss", "false reject", "caught", "passed"]
    assert outcomes.count("miss") > 1
    assert outcomes == sorted(outcomes, key=order.index)


def test_hostile_names_stay_text(make_run):
    run = make_run("<b>run", evaluation={"names": {0: HOSTILE}})
    html = render_page([run])
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "<b>run" not in html
    assert HOSTILE in Elements(html).text
    assert len(Elements(html).of("script")) == 1


def test_names_that_are_no_text_do_not_stop_the_page(make_run, tmp_path):
    run = make_run(evaluation={"names": {0: "test/good/\udcff.png"}})
    out = write_report([run], tmp_path / "report.html")
    assert "test/good/?.png" in out.read_text("utf-8")


def test_what_cannot_be_computed_is_a_dash(make_run):
    run = make_run()
    result = run.card.metrics["plate"]
    blank = {"pixel_auroc": None, "aupro": None, "miss_rate": None, "miss_interval": None}
    kinds = {kind: replace(part, **blank) for kind, part in result.kinds.items()}
    run.card.metrics["plate"] = replace(result, **blank, kinds=kinds)
    html = render_page([run])
    figures = dict(re.findall(r'<div class="tile"><h3>(.*?)</h3><p class="figure">(.*?)</p>', html))
    assert [figures[name] for name in ("Pixel AUROC", "AUPRO@0.3", "Misses")] == ["–", "–", "–"]
    assert html.count("<td>–</td>") >= 3 * 3
    assert "None" not in words_of(html)
    assert "nan" not in words_of(html).split()


def test_a_run_without_evaluation_says_how_to_make_one(make_run):
    run = make_run(evaluated=False)
    html = render_page([run])
    assert f"untaught evaluate {run.folder} --data DIR" in words_of(html)
    assert "Histogram of the scores of held-out good images" in html
    assert "Training loss from" in html
    assert "Gallery" not in words_of(html)


def test_a_missing_gallery_is_said_and_no_more(make_run):
    run = make_run()
    (run.folder / "gallery.npz").unlink()
    words = words_of(render_page([run]))
    assert "holds no pictures" in words
    assert "Kinds of defect" in words


def test_a_wish_that_cannot_be_kept_is_a_warning(make_run):
    words = words_of(render_page([make_run(false_reject=0.001, evaluated=False)]))
    assert "Note. With 40 held-out good images the smallest false-reject rate that can be promised is 2.4 %" in words
    assert "untaught calibrate RUN --good DIR" in words
    assert "Of good parts like these" not in words


def test_an_extrapolation_is_called_one(make_run):
    words = words_of(render_page([make_run(false_reject=0.001, kind="tail", evaluated=False)]))
    assert "Note. A false-reject rate of 0.1 % is an extrapolation" in words
    assert "tail fit, an extrapolation" in words


def test_runs_are_compared(make_run):
    weak, strong = make_run("weak", evaluation={"strength": 0.4}), make_run("strong", evaluation={"strength": 3.0})
    html = render_page([weak, strong, make_run("new", evaluated=False)])
    words = words_of(html)
    assert "Runs beside each other" in words
    assert "Not evaluated yet: new." in words
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', html, re.DOTALL)
    best = {name: re.findall(r'class="best">([^<]*)<', cells) for name, cells in rows[:3]}
    assert best["weak"] == best["new"] == []
    assert len(best["strong"]) == 2
    assert html.count('class="line c1"') >= 2
    assert len(Elements(html).of("img")) == 0


def test_figures_on_different_data_are_not_ranked(make_run):
    one, other = make_run("one", evaluation={"strength": 0.4}), make_run("other", evaluation={"strength": 3.0})
    text = (other.folder / "evaluation.json").read_text()
    (other.folder / "evaluation.json").write_text(text.replace('"name": "plate"', '"name": "bracket"'))
    other.card.metrics["bracket"] = other.card.metrics.pop("plate")
    html = render_page([one, other])
    assert "evaluated on different data (bracket, plate)" in words_of(html)
    assert 'class="best"' not in html


def test_runs_of_one_name_are_told_apart(make_run):
    first, second = make_run("a", evaluated=False), make_run("b", evaluated=False)
    second.card.name = "a"
    assert f"a ({second.folder})" in words_of(render_page([first, second]))


def test_no_runs_is_an_error():
    with pytest.raises(ConfigError, match="no run"):
        render_page([])


def test_a_place_that_cannot_be_written_is_one_clear_error(make_run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        write_report([make_run(evaluated=False)], tmp_path / "file" / "report.html")


def test_forty_pictures_stay_below_six_megabytes(make_run, tmp_path):
    run = make_run(evaluation={"good": 28, "side": 384})
    out = write_report([run], tmp_path / "report.html")
    assert out.stat().st_size < 6_000_000


def dump(page: Path) -> str:
    with tempfile.TemporaryDirectory() as profile:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode("utf-8", "replace")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: the page was not opened in a browser")
def test_a_browser_runs_the_page(make_run, tmp_path):
    run = make_run(evaluation={"names": {0: HOSTILE}})
    out = write_report([run], tmp_path / "report page.html")
    page = Elements(dump(out))
    (root,) = page.of("html")
    assert root["data-script"] == "on"
    assert root["data-shown"] == "24"
    assert "hidden" not in page.with_class("filters")[0]
    assert len(page.of("script")) == 1
    assert all(panels["tabindex"] == "0" for panels in page.with_class("panels"))
