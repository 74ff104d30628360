import pytest
import torch

from untaught.nn import precision

INTEL, AMD = "vendor_id\t: GenuineIntel\n", "vendor_id\t: AuthenticAMD\n"


@pytest.fixture
def cpuinfo(monkeypatch, tmp_path):
    """Writes what Linux tells of the processor; None takes the file away."""

    def tell(text):
        precision.told.cache_clear()
        file = tmp_path / "cpuinfo"
        file.unlink(missing_ok=True)
        if text is not None:
            file.write_text(text)
        monkeypatch.setattr(precision, "CPUINFO", file)

    yield tell
    precision.told.cache_clear()


@pytest.mark.parametrize(
    ("told", "avx512", "tiles", "pays"),
    [
        (AMD + "model name\t: AMD EPYC 9654\n", True, False, True),
        (AMD + "model name\t: AMD EPYC 7002\n", False, False, False),
        (INTEL + "model name\t: Intel(R) Xeon(R) Processor\n", True, False, False),
        (INTEL + "model name\t: unknown\n", True, False, False),
        (INTEL + "model name\t: Intel(R) Xeon(R) Processor\n", True, True, True),
        ("CPU architecture: 8\n", False, False, False),
    ],
)
def test_bfloat16_pays_where_its_units_are_faster(monkeypatch, cpuinfo, told, avx512, tiles, pays):
    cpuinfo(told)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert precision.bf16_pays(torch.device("cpu")) is pays


def test_where_linux_tells_nothing_the_platform_does(monkeypatch, cpuinfo):
    monkeypatch.setattr(precision.platform, "processor", lambda: "Intel64 Family 6 Model 207, GenuineIntel")
    for text in (None, "", "vendor_id\t:\nmodel name\t:\n", "CPU architecture: 8\n"):
        cpuinfo(text)
        assert precision.made_by_intel()
        assert precision.processor() == "Intel64 Family 6 Model 207, GenuineIntel"
    cpuinfo(AMD + "model name\t: a mill\nmodel name\t: another\n")
    assert not precision.made_by_intel()
    assert precision.processor() == "a mill"
