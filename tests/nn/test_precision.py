import pytest
import torch

from untaught.nn import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "avx512", "tiles", "pays"),
    [
        ("AMD EPYC 9654", True, False, True),
        ("AMD EPYC 7002", False, False, False),
        ("Intel(R) Xeon(R) Processor", True, False, False),
        ("Intel(R) Xeon(R) Platinum 8480", True, True, True),
        ("a mill", False, False, False),
    ],
)
def test_bfloat16_pays_where_its_units_are_faster(monkeypatch, name, avx512, tiles, pays):
    monkeypatch.setattr(precision, "processor", lambda: name)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert precision.bf16_pays(CPU) is pays


def test_the_processor_has_a_name():
    assert precision.processor().strip()
