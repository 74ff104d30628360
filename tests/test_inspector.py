"""The pipeline with a scorer of two lines in place of a network."""

import io
import threading

import numpy as np
import pytest

from untaught.calibration import Calibration
from untaught.errors import ConfigError, ImageError
from untaught.image import Area, DepthRecipe, Recipe, Tiling
from untaught.image.frames import Frame
from untaught.inspector import MANY, Inspector, score_image

RECIPE = Recipe(height=32, width=32)


def brightness(inputs):
    maps = inputs["image"].mean(axis=3, dtype=np.float32)
    return maps, maps.max(axis=(1, 2))


def grey(value):
    return np.full((32, 32), value, np.uint8)


@pytest.fixture(scope="module")
def inspector():
    good = np.arange(10.0, 110.0, 10)
    return Inspector(RECIPE, Calibration.from_scores(good, good, 0.1), brightness)


def test_score_p_value_verdict_and_regions_follow_from_the_scorer_and_the_calibration(inspector):
    spot = grey(20)
    spot[4:8, 16:20] = 200
    answer = inspector.inspect(spot)
    assert (answer.score, answer.p_value, answer.reject) == (200.0, pytest.approx(1 / 11), True)
    assert [region.box for region in answer.regions] == [(16, 4, 20, 8)]
    good = inspector.inspect(grey(45))
    assert (good.reject, good.regions, good.p_value) == (False, (), pytest.approx(7 / 11))


def test_a_stream_keeps_order_names_and_the_place_of_a_bad_image(inspector):
    sources = [grey(10), b"no image", grey(30)]
    answers = list(inspector.stream_all(sources, names=["a", "b", "c"]))
    assert [type(answer).__name__ for answer in answers] == ["Prediction", "ImageError", "Prediction"]
    assert [answers[0].name, answers[2].name] == ["a", "c"]
    assert [answers[0].score, answers[2].score] == [10.0, 30.0]
    with pytest.raises(ImageError):
        list(inspector.stream(sources))


def test_the_next_image_is_scored_while_the_last_one_is_judged(monkeypatch, inspector):
    second = threading.Event()

    def score(inputs):
        if inputs["image"][0, 0, 0, 0] == 30:
            second.set()
        return brightness(inputs)

    def waits(*_):
        assert second.wait(20), "judging the first image waited for nothing"
        return ()

    monkeypatch.setattr("untaught.inspector.find_regions", waits)
    overlapping = Inspector(RECIPE, inspector.calibration, score)
    assert [answer.score for answer in overlapping.stream([grey(10), grey(30)])] == [10.0, 30.0]


def test_the_answer_to_a_frame_does_not_wait_for_the_next_frame(inspector):
    seen = threading.Event()

    def frames():
        yield grey(10)
        assert seen.wait(20), "the first frame's answer was kept back until a second frame came"
        yield grey(30)

    stream = inspector.stream(frames())
    assert next(stream).score == 10.0
    seen.set()
    assert next(stream).score == 30.0


def test_a_long_list_is_inspected_by_a_team_that_works_at_the_same_time(inspector):
    both = threading.Barrier(2, timeout=20)

    class Team(Inspector):
        def team(self):
            def score(inputs):
                both.wait()
                return brightness(inputs)

            return score, 2

    team = Team(RECIPE, inspector.calibration, brightness)
    pictures = [grey(value) for value in range(10, 10 + MANY)]
    assert [answer.score for answer in team.inspect(pictures)] == list(range(10, 10 + MANY))
    assert [answer.score for answer in team.stream(iter(pictures))] == list(range(10, 10 + MANY))
    assert not both.broken


def test_an_endless_stream_is_read_a_few_images_ahead_only(inspector):
    read = []

    def frames():
        while True:
            read.append(1)
            yield grey(10)

    stream = inspector.stream(frames())
    next(stream)
    assert len(read) <= 8
    stream.close()


def test_a_generator_is_inspected_as_it_comes(inspector):
    answers = inspector.inspect(grey(value) for value in (10, 30))
    assert not isinstance(answers, list)
    assert [answer.score for answer in answers] == [10.0, 30.0]
    with pytest.raises(ConfigError, match="pairs of image and depth"):
        Inspector(Recipe(height=32, depth=DepthRecipe()), inspector.calibration, brightness).inspect(
            iter([grey(10)]), depth=np.ones((32, 32))
        )
    with pytest.raises(ImageError, match="BytesIO"):
        inspector.inspect(io.BytesIO(b"II*"))


def test_a_frame_is_asked_for_its_picture(inspector):
    frame = Frame(grey(10), 0.0, 0)
    for given in (frame, iter([frame])):
        with pytest.raises(ConfigError, match=r"inspect\(frame\.image\)"):
            list(inspector.inspect(given))


@pytest.mark.parametrize("short", ["names", "products"])
def test_too_few_names_leave_no_image_out(inspector, short):
    with pytest.raises(ConfigError, match=f"more images than {short}"):
        list(inspector.stream([grey(10), grey(30)], **{short: [""]}))


def test_an_image_in_tiles_is_as_bad_as_its_worst_tile_and_its_map_is_whole():
    recipe = Recipe(height=80, width=96, tiling=Tiling(side=32, overlap=8))
    batches = []

    def score(inputs):
        batches.append(inputs["image"].shape)
        return brightness(inputs)

    picture = np.random.default_rng(0).integers(0, 200, (80, 96, 3)).astype(np.uint8)
    picture[70, 90] = 255
    says = score_image(score, {"image": picture}, recipe)
    assert says.score == 255
    np.testing.assert_allclose(says.map, picture.mean(axis=2), atol=1e-3)
    assert batches == [(8, 32, 32, 3), (4, 32, 32, 3)], "scored together, eight at a time"


def test_outside_the_area_nothing_counts(inspector):
    inside = np.zeros((32, 32), np.bool_)
    inside[:, :16] = True
    recipe = Recipe(height=32, width=32, area=Area.of(inside, (9, 9, 9)))
    blind = Inspector(recipe, inspector.calibration, brightness)
    spot = grey(20)
    spot[4:8, 16:20] = 200
    answer = blind.inspect(spot)
    assert (answer.score, answer.regions) == (20.0, ())
    assert np.all(answer.map[:, 16:] == 20), "the lowest place inside, not the fill's own score"
