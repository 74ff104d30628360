from untaught.data.base import to_evaluate, train_good
from untaught.data.folder import open_dataset


def test_layout(put, put_mask, tmp_path):
    for n in range(10):
        put(f"MT_Free/Imgs/exp1_num_{n}.jpg")
        put_mask(f"MT_Free/Imgs/exp1_num_{n}.png", value=0)
    for kind in ("Blowhole", "Crack"):
        put(f"MT_{kind}/Imgs/exp1_num_1.jpg")
        put_mask(f"MT_{kind}/Imgs/exp1_num_1.png")
    put_mask("MT_Crack/Imgs/exp9_num_9.png")
    (tmp_path / "README.md").write_text("as published")
    data = open_dataset(tmp_path)
    assert len(train_good(data)) == 8
    assert [sample.kind for sample in to_evaluate(data)] == ["blowhole", "crack", "good", "good"]
    for sample in to_evaluate(data):
        assert (sample.mask_path is not None) == sample.defective
        if sample.defective:
            assert data.mask(sample).any()
    assert [path.name for path in data.orphans] == ["exp9_num_9.png"]
    assert open_dataset(tmp_path) == data
