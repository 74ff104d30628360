from untaught.data.base import to_evaluate
from untaught.data.folder import open_dataset


def test_layout(put, put_mask, tmp_path):
    put("01/train/ok/0000.bmp")
    put("01/test/ok/0001.bmp")
    put("01/test/ko/0002.bmp")
    mask = put_mask("01/ground_truth/ko/0002.png")
    data = open_dataset(tmp_path / "01")
    assert data.layout.startswith("BTAD")
    assert data.name == "01"
    assert [(sample.kind, sample.mask_path) for sample in to_evaluate(data)] == [("ko", mask), ("good", None)]
    assert data.samples[0].name == "train/ok/0000.bmp"
    assert data.orphans == ()
