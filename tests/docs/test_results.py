"""The page of results is made from records alone."""

import json

import ledger
import results


def record(method, product, seed, auroc, **more):
    figures = {"image_auroc": auroc, "pixel_auroc": 0.9, "aupro": None, "seconds_per_image": 0.2}
    training = {"images": 24, "epochs": {"one": 3, "two": 4}, "parameters": 1234567, "stopped": {"two": "enough"}}
    machine = {"device": "AMD EPYC, AVX512", "cores": "2"}
    return {
        "method": method, "product": product, "seed": seed, "figures": figures, "training": training,
        "machine": machine, "versions": {}, "cpu_seconds": 50.0, "cpu_seconds_per_image": 0.04, **more,
    }  # fmt: skip


def test_methods_beside_peers(tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "peers").mkdir()
    rows = [record("reverse_distillation", "bottle", 0, 0.95), record("reverse_distillation", "bottle", 1, 0.97)]
    rows.append(record("other", "bottle", 0, 0.99, resumed=True))
    for number, row in enumerate(rows):
        (tmp_path / "ours" / f"{number}.json").write_text(json.dumps(row))
    peer = {"data": "bottle", "model": "padim", "seed": 0, "train_cpu_seconds": 12.0, "cpu_seconds_per_image": 0.1}
    peer["figures"] = rows[0]["figures"] | {"image_auroc": 0.98}
    (tmp_path / "peers" / "p.json").write_text(json.dumps(peer))
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"ours": [record("reverse_distillation", "bottle", 0, 0.5)], "peers": []}))
    every = results.renewed(known, tmp_path / "ours", tmp_path / "peers")
    ours = results.by_product(every["ours"], "product", "method")
    theirs = results.by_product(every["peers"], "data", "model")
    text = results.page(ours, theirs)
    assert "| product | seeds | reverse_distillation | other | PaDiM |" in text
    assert "| bottle | 0, 1 (other: 0) | 96.0 ± 1.4 | 99.0 | 98.0 |" in text
    assert "| bottle | 0, 1 (other: 0) | 50 | not measured | 12 |" in text
    assert "| bottle | 0, 1 (other: 0) | 40 | 40 | 100 |" in text
    assert "- bottle, Image AUROC: PaDiM 98.0 ahead of 96.0 (our best: other 99.0)" in text
    assert "| bottle | 24 | other | 1,234,567 | 3 + 4 | enough |" in text
    told = results.summary(ours)
    assert told["machine"] == "AMD EPYC, AVX512, 2 cores"
    assert told["methods"]["reverse_distillation"]["products"]["bottle"] == {
        "seeds": [0, 1],
        "images": 24,
        "image_auroc": 0.96,
        "pixel_auroc": 0.9,
        "train_cpu_seconds": 50.0,
        "ms_per_image": 40.0,
    }
    assert "train_cpu_seconds" not in told["methods"]["other"]["products"]["bottle"], (
        "of a resumed run only the end was timed"
    )


def test_the_mean_of_the_papers_needs_all_of_them():
    ours = {
        "pa_1": {"a": [record("a", "pa_1", 0, 0.9)], "b": [record("b", "pa_1", 0, 0.9)]},
        "pa_2": {"a": [record("a", "pa_2", 0, 0.8)]},
    }
    text = results.page(ours, {})
    assert "| mean of 2 papers | | 85.0 | not measured |" in text
    assert "No peer was measured." in text


def test_finished_runs_are_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "call", lambda *arguments: (_ for _ in ()).throw(AssertionError("trained again")))
    (tmp_path / "m-bottle-0.json").write_text("{}")
    results.measure("m", tmp_path / "bottle", 0, tmp_path, 1)


def test_times_of_another_processor_have_a_star():
    mill = {"device": "a mill", "cores": "2"}
    ours = {
        "pa_1": {"a": [record("a", "pa_1", 0, 0.9)], "b": [record("b", "pa_1", 0, 0.9, machine=mill)]},
        "pa_2": {"a": [record("a", "pa_2", 0, 0.8)], "b": [record("b", "pa_2", 0, 0.8)]},
    }
    text = results.page(ours, {})
    assert "| pa_1 | 0 | 50 | 50 * |" in text
    assert "| pa_2 | 0 | 40 | 40 |" in text
    assert "| mean of 2 papers | | 40 | 40 * |" in text
    assert "- b (0): {'device': 'a mill', 'cores': '2'}. Versions: {}." in text
    rows = results.summary(ours)["methods"]
    assert rows["b"]["products"]["pa_1"]["processor"] == "a mill"
    assert "processor" not in rows["a"]["products"]["pa_1"]


def test_times_of_another_precision_are_not_averaged():
    def trained(seed, precision, **more):
        training = {"training": {"images": 9, "parameters": 5, "precision": precision}} if precision else {}
        return record("a", "pa_1", seed, 0.5, **training, **more)

    late = trained(2, {"x": "fp32"}, cpu_seconds=20, cpu_seconds_per_image=0.02)
    other = [late, trained(0, {}), trained(1, {"x": "bf16", "y": "fp32"}, cpu_seconds=99)]
    assert results.training_seconds(other) == results.milliseconds(other) == "20"
    assert ledger.computer(other[2]) == "AMD EPYC, AVX512, bf16, fp32"
    row = results.summary({"pa_1": {"a": other}})["methods"]["a"]["products"]["pa_1"]
    assert (row["train_cpu_seconds"], row["ms_per_image"], row["seeds"]) == (20, 20, [0, 1, 2])
    late["machine"] = {"device": "a mill", "cores": "2"}
    assert results.training_seconds(other) == "20 *"
    assert results.other([late]) == "a mill, fp32"


def test_means_of_papers_pair_seeds_and_know_of_no_time_where_a_training_was_resumed():
    ours = {
        "pa_1": {"a": [record("a", "pa_1", 0, 0.9), record("a", "pa_1", 2, 0.8)]},
        "pa_2": {"a": [record("a", "pa_2", 1, 0.1), record("a", "pa_2", 2, 0.6, resumed=True)]},
    }
    text = results.page(ours, {})
    assert "| mean of 2 papers | | 70.0 |" in text
    assert "| mean of 2 papers | | not measured |" in text
