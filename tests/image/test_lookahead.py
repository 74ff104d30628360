import threading

import pytest

from untaught.image import in_order


def test_answers_come_in_order_and_items_are_taken_only_a_few_ahead():
    taken = []

    def items():
        for n in range(50):
            taken.append(n)
            yield n

    answers = in_order(lambda n: n * n, items(), workers=2)
    assert next(answers) == 0
    assert len(taken) <= 5
    assert list(answers) == [n * n for n in range(1, 50)]


def test_leaving_early_stops_the_threads():
    before = threading.active_count()
    answers = in_order(str, range(1000), workers=3)
    next(answers)
    answers.close()
    assert threading.active_count() == before


def test_errors_arrive_where_they_happened():
    answers = in_order(lambda n: 1 // n, [2, 1, 0, 1])
    assert [next(answers), next(answers)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_nothing_in_nothing_out():
    assert list(in_order(str, [])) == []


def test_an_answer_does_not_wait_for_the_next_item():
    asked = threading.Event()

    def frames():
        yield 1
        assert asked.wait(20), "the first answer was kept back until a second item came"
        yield 2

    answers = in_order(str, frames())
    assert next(answers) == "1"
    asked.set()
    assert list(answers) == ["2"]


def test_what_taking_an_item_raises_comes_in_its_place():
    def items():
        yield 1
        raise OSError("the camera is gone")

    answers = in_order(str, items())
    assert next(answers) == "1"
    with pytest.raises(OSError, match="camera"):
        next(answers)


def test_leaving_early_ends_the_source():
    ended = threading.Event()

    def frames():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    answers = in_order(str, frames())
    next(answers)
    answers.close()
    assert ended.wait(20)
