import pytest

from untaught.data.base import to_evaluate, train_good
from untaught.data.doctor import examine
from untaught.data.folder import open_dataset
from untaught.errors import DataError


@pytest.fixture
def candle(put, put_mask, tmp_path):
    for n in range(10):
        put(f"VisA/candle/Data/Images/Normal/{n:04}.JPG")
    for n in range(2):
        put(f"VisA/candle/Data/Images/Anomaly/{n:03}.JPG")
        put_mask(f"VisA/candle/Data/Masks/Anomaly/{n:03}.png", value=n + 2)
    put("VisA/pcb1/Data/Images/Normal/0000.JPG")
    return tmp_path / "VisA" / "candle"


def table(candle, extra=""):
    rows = ["object,split,label,image,mask"]
    rows += [
        f"candle,{'test' if n in (3, 5) else 'train'},normal,candle/Data/Images/Normal/{n:04}.JPG," for n in range(10)
    ]
    rows += [
        f"candle,test,anomaly,candle/Data/Images/Anomaly/{n:03}.JPG,candle/Data/Masks/Anomaly/{n:03}.png"
        for n in range(2)
    ]
    rows += ["pcb1,test,normal,pcb1/Data/Images/Normal/0000.JPG,"]
    file = candle.parent / "split_csv" / "1cls.csv"
    file.parent.mkdir()
    file.write_text("\ufeff" + "\n".join(rows) + extra, encoding="utf-8")
    return file


def test_split_of_the_authors(candle):
    table(candle)
    data = open_dataset(candle)
    assert "1cls.csv" in data.layout
    assert len(train_good(data)) == 8
    assert [(sample.name, sample.kind) for sample in to_evaluate(data)] == [
        ("Data/Images/Normal/0003.JPG", "good"),
        ("Data/Images/Normal/0005.JPG", "good"),
        ("Data/Images/Anomaly/000.JPG", "anomaly"),
        ("Data/Images/Anomaly/001.JPG", "anomaly"),
    ]
    assert data.mask(to_evaluate(data)[2]).sum() == 9  # labels 2 and 3, far from 255


def test_without_the_authors_split_a_fifth_is_kept(candle):
    data = open_dataset(candle)
    assert "seed 0" in data.layout
    assert len(train_good(data)) == 8
    assert sum(not sample.defective for sample in to_evaluate(data)) == 2


def test_kinds_of_defect_from_the_annotations(candle):
    (candle / "image_anno.csv").write_text(
        "image,label,mask\n"
        "candle/Data/Images/Normal/0000.JPG,normal,\n"
        'candle/Data/Images/Anomaly/000.JPG,"chunk of wax missing,other",candle/Data/Masks/Anomaly/000.png\n'
        "candle/Data/Images/Anomaly/001.JPG,melted,candle/Data/Masks/Anomaly/001.png\n"
    )
    assert [sample.kind for sample in to_evaluate(open_dataset(candle))][-2:] == ["chunk of wax missing", "melted"]


def test_what_the_table_lists_counts(candle, put, put_mask):
    """Its labels and masks, images that are missing, and how many are not listed."""
    put("VisA/candle/Data/Images/Normal/unlisted.JPG")
    put_mask("VisA/candle/Data/Masks/elsewhere.png")
    file = table(candle, "\ncandle,train,normal,candle/Data/Images/Normal/gone.JPG,")
    old, new = "train,normal,{},", "test,anomaly,{},candle/Data/Masks/elsewhere.png"
    image = "candle/Data/Images/Normal/0000.JPG"
    file.write_text(file.read_text("utf-8").replace(old.format(image), new.format(image)), "utf-8")
    (candle.parent / "split_csv" / "2cls_fewshot.csv").write_text("object,split,label,image,mask\n")
    data = open_dataset(candle)
    assert "1 images are not in it and left out, Data/Images/Normal/unlisted.JPG the first" in data.layout
    assert "2cls_fewshot.csv not read" in data.layout
    sample = {sample.name: sample for sample in data.samples}
    assert sample["Data/Images/Normal/gone.JPG"].split == "train"
    assert "broken-image" in {finding.code for finding in examine(data).findings}
    relabelled = [one for one in data.samples if one.name == "Data/Images/Normal/0000.JPG"]
    assert [one.kind for one in relabelled] == ["anomaly"]
    assert relabelled[0].mask_path.name == "elsewhere.png"
    assert "Data/Images/Normal/unlisted.JPG" not in sample


def test_anomalies_to_learn_from_and_another_product_are_errors(candle):
    file = table(candle, "\ncandle,train,anomaly,candle/Data/Images/Anomaly/002.JPG,")
    with pytest.raises(DataError, match=r"002.JPG has split 'train' and label 'anomaly'"):
        open_dataset(candle)
    file.write_text("object,split,label,image,mask\npcb1,train,normal,pcb1/Data/Images/Normal/0000.JPG,\n")
    with pytest.raises(DataError, match=r"no row of the product candle.*pcb1"):
        open_dataset(candle)


def test_all_products_at_once(candle):
    file = table(candle)
    with pytest.raises(DataError, match=r"pcb1.*no good images"):
        open_dataset(candle.parent)
    file.unlink()
    assert list(open_dataset(candle.parent).parts) == ["candle", "pcb1"]


def test_broken_tables(candle):
    file = table(candle)
    file.write_text("object;split\ncandle;train\n")
    with pytest.raises(DataError, match="no column image, label, object, split"):
        open_dataset(candle)
    file.write_bytes(b"object,split,label,image\n\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(candle)
