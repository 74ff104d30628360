"""A camera that does not wait, and an inspector that is slower."""

import threading
import time

import pytest

from untaught.image.frames import newest


class Camera:
    """Gives frames where the test says so."""

    def __init__(self, error=None):
        self.given, self.asked, self.error = threading.Semaphore(0), threading.Semaphore(0), error
        self.last = False

    def __iter__(self):
        number = 0
        while True:
            self.asked.release()
            self.given.acquire()
            if self.last:
                break
            yield f"frame {number}"
            number += 1
        if self.error:
            raise self.error

    def shoot(self, count):
        """Let so many frames come, and wait until each has arrived."""
        for _ in range(count):
            self.given.release()
            assert self.asked.acquire(timeout=20)

    def stop(self):
        self.last = True
        self.given.release()


def begun(camera):
    assert camera.asked.acquire(timeout=20)  # it waits for its first frame


def test_the_newest_frame_is_given_and_what_came_before_it_is_left_out():
    camera, before = Camera(), time.time()
    frames = newest(camera)
    shooting = threading.Thread(target=lambda: (begun(camera), camera.shoot(1)))
    shooting.start()
    first = next(frames)
    shooting.join(20)  # it has seen that the first frame arrived: nobody else counts arrivals now
    assert (first.image, first.number) == ("frame 0", 0)
    assert before <= first.taken <= time.time()
    camera.shoot(3)
    second = next(frames)
    assert (second.image, second.number) == ("frame 3", 3)
    assert second.taken >= first.taken
    camera.stop()
    assert list(frames) == []


@pytest.mark.parametrize("kind", [OSError, SystemExit, KeyboardInterrupt])
def test_the_last_frame_is_given_and_then_the_cameras_error(kind):
    camera = Camera(kind("camera gone"))
    frames = newest(camera)
    threading.Thread(target=lambda: (begun(camera), camera.shoot(1), camera.stop())).start()
    assert next(frames).image == "frame 0"
    with pytest.raises(kind, match="camera gone"):
        next(frames)


def test_who_leaves_stops_the_reading_with_the_next_frame():
    camera = Camera()
    frames = newest(camera)
    shooting = threading.Thread(target=lambda: (begun(camera), camera.shoot(1)))
    shooting.start()
    next(frames)
    shooting.join(20)
    frames.close()
    camera.given.release()
    reading = [thread for thread in threading.enumerate() if thread.name == "untaught frames"]
    for thread in reading:
        thread.join(20)
    assert not any(thread.is_alive() for thread in reading)


def test_no_frame_is_no_error():
    assert list(newest([])) == []
