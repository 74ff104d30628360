import os

import pytest
import torch

from untaught.engine.features import CHUNK, FeatureCache
from untaught.errors import RunError

ROWS = 2 * CHUNK + 3


def compute(rows):
    index = torch.tensor(list(rows), dtype=torch.float32)
    return {
        "map": index.view(-1, 1, 1, 1).expand(-1, 3, 2, 2) + torch.arange(3).view(1, 3, 1, 1) / 4,
        "vector": index.view(-1, 1),
    }


def fill(cache, keep=False, compute=compute, whole=lambda: True):
    cache.fill(compute, lambda rows: None, whole, keep)


@pytest.mark.parametrize("budget", [1e9, 0])
def test_rows_come_back_in_any_order(tmp_path, budget):
    cache = FeatureCache(ROWS, budget=budget, folder=tmp_path / "cache")
    fill(cache)
    assert (tmp_path / "cache").exists() == (budget == 0)
    rows = [5, 0, 18]
    gathered = cache.gather(rows)
    assert torch.equal(gathered["map"].float(), compute(rows)["map"].bfloat16().float())
    assert torch.equal(gathered["vector"], compute(rows)["vector"].bfloat16())
    assert gathered["map"].is_contiguous(memory_format=torch.channels_last)


def test_an_interrupted_pass_goes_on_where_it_stopped(tmp_path):
    def broken(rows):
        if rows[0] >= CHUNK:
            raise KeyboardInterrupt
        return compute(rows)

    with pytest.raises(KeyboardInterrupt):
        fill(FeatureCache(ROWS, budget=0, folder=tmp_path / "cache"), compute=broken)
    asked = []

    def counted(rows):
        asked.extend(rows)
        return compute(rows)

    cache = FeatureCache(ROWS, budget=0, folder=tmp_path / "cache")
    fill(cache, compute=counted)
    assert asked == list(range(CHUNK, ROWS))
    assert torch.equal(cache.gather(range(ROWS))["vector"], compute(range(ROWS))["vector"].bfloat16())


def test_what_was_removed_from_the_cache_is_not_taken_for_done(tmp_path):
    fill(FeatureCache(ROWS, budget=0, folder=tmp_path / "cache"))
    (tmp_path / "cache" / "map.bin").unlink()  # killed in the middle of removing it
    cache = FeatureCache(ROWS, budget=0, folder=tmp_path / "cache")
    fill(cache)
    assert torch.equal(cache.gather([7])["map"].float(), compute([7])["map"].bfloat16().float())


def test_a_chunk_with_broken_images_is_not_taken_for_done(tmp_path):
    fill(FeatureCache(ROWS, budget=0, folder=tmp_path / "cache"), whole=lambda: False)
    asked = []
    fill(
        FeatureCache(ROWS, budget=0, folder=tmp_path / "cache"),
        compute=lambda rows: asked.extend(rows) or compute(rows),
    )
    assert asked == list(range(ROWS))


def test_kept_features_serve_the_next_run(tmp_path):
    fill(FeatureCache(ROWS, budget=1e9, folder=tmp_path / "cache"), keep=True)
    cache = FeatureCache(ROWS, budget=1e9, folder=tmp_path / "cache")
    fill(cache, keep=True, compute=lambda rows: pytest.fail("computed again"))
    assert torch.equal(cache.gather([3])["vector"], compute([3])["vector"].bfloat16())


def test_closing_deletes_the_files(tmp_path):
    cache = FeatureCache(ROWS, budget=0, folder=tmp_path / "cache")
    fill(cache)
    cache.close(delete=True)
    assert not (tmp_path / "cache").exists()


def test_integers_are_kept_as_they_are():
    cache = FeatureCache(2, budget=1e9)
    fill(cache, compute=lambda rows: {"image": torch.full((2, 3, 2, 2), 255, dtype=torch.uint8)})
    assert cache.gather([1])["image"].dtype == torch.uint8


def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: os.terminal_size((0, 0)) and type("Usage", (), {"free": 0})())
    with pytest.raises(RunError, match="No space left"):
        fill(FeatureCache(ROWS, budget=0, folder=tmp_path / "cache"))


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        fill(FeatureCache(ROWS, budget=0, folder=tmp_path / "file" / "cache"))
