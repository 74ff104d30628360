"""A whole bundle, and bundles made by somebody who can compute hashes but means no good."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest

import untaught
from untaught.bundle.archive import SIGNATURE, SUMS, read_parts, sums, write_parts
from untaught.bundle.bundle import CARD, Bundle
from untaught.errors import BundleError, ConfigError
from untaught.image import Area


def repacked(bundle_file, path, *, resum=True, **changes):
    """The bundle with parts exchanged and all sums right again."""
    parts = {**read_parts(bundle_file), **changes}
    parts = {name: data for name, data in parts.items() if data is not None}
    if resum:
        parts[SUMS] = sums(parts)
    with path.open("wb") as file:
        write_parts(file, parts)
    return path


def card_with(bundle_file, **changes):
    card = json.loads(read_parts(bundle_file)[CARD])
    return json.dumps({**card, **changes}).encode()


def test_the_card_alone_says_how_to_feed_the_graph(bundle_file):
    card = json.loads(read_parts(bundle_file)[CARD])
    assert card["graph"]["inputs"] == [
        {"name": "image", "type": "uint8", "shape": ["batch", 64, 64, 3]}
        | {"meaning": card["graph"]["inputs"][0]["meaning"]}
    ]
    assert [(end["name"], end["shape"]) for end in card["graph"]["outputs"]] == [
        ("map", ["batch", 64, 64]), ("score", ["batch"])
    ]  # fmt: skip
    assert (card["recipe"]["height"], card["recipe"]["width"]) == (64, 64)
    assert card["calibration"]["image"]["value"] > min(golden["score"] for golden in card["golden"])
    assert card["calibration"]["pixel"]["value"] > 0
    assert "held-out good images" in card["guarantee"]["image"]
    assert card["backbone"]["licence"] == "Apache-2.0"
    assert {"train", "monitor", "calibration"} <= set(card["data"])
    assert len(card["data"]["train"][0]["sha256"]) == 64
    for part in ("metrics", "preparation", "exporters", "versions"):
        assert card[part]


def test_the_graph_says_what_the_card_says(bundle_file):
    bundle = Bundle(bundle_file)
    model = onnx.load_from_string(bundle.model)
    onnx.checker.check_model(model)
    assert {item.domain: item.version for item in model.opset_import} == {"": bundle.card.graph.opset}
    assert bundle.card.graph.opset >= 18
    for told, ends in ((bundle.card.graph.inputs, model.graph.input), (bundle.card.graph.outputs, model.graph.output)):
        for record, end in zip(told, ends, strict=True):
            assert record.name == end.name
            shape = [dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim]
            assert shape == record.shape
            kind = onnx.helper.tensor_dtype_to_np_dtype(end.type.tensor_type.elem_type)
            assert kind == record.type


def test_one_byte_of_any_part_of_an_exported_file_and_nothing_is_executed(bundle_file, tmp_path, monkeypatch):
    def executed(*_, **__):
        raise AssertionError("the graph was loaded")

    from untaught.runtime import predictor

    monkeypatch.setattr(predictor, "open_session", executed)
    parts = read_parts(bundle_file)
    assert len(parts) >= 9  # card, graph, three golden pictures with their maps, sums
    for name, part in parts.items():
        changed = bytearray(part)
        changed[len(part) // 2] ^= 1
        bad = repacked(bundle_file, tmp_path / "bad.untaught", resum=False, **{name: bytes(changed)})
        with pytest.raises(BundleError, match="not those of SHA256SUMS"):
            untaught.load(bad)


def from_the_future(file):
    return {CARD: card_with(file, bundle_version=99, versions={"untaught": "9.1"})}


def external_data(file):
    model = onnx.load_from_string(read_parts(file)["model.onnx"])
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.external_data.add(key="location", value="../../etc/passwd")
    weight.data_location = onnx.TensorProto.EXTERNAL
    return {"model.onnx": model.SerializeToString()}


def golden_with(file, **changes):
    first = json.loads(read_parts(file)[CARD])["golden"][0]
    return {CARD: card_with(file, golden=[{**first, **changes}])}


def limit(file, value):
    calibration = json.loads(read_parts(file)[CARD])["calibration"]
    calibration["image"]["value"] = value
    return {CARD: card_with(file, calibration=calibration)}


def areas_of(file, products):
    told = json.loads(read_parts(file)[CARD])
    area = json.loads(Area.of(np.ones((64, 64), np.bool_), (1, 2, 3)).model_dump_json())
    known = dict.fromkeys(products, told["calibration"])
    return {CARD: card_with(file, recipe={**told["recipe"], "areas": {"cap": area}}, products=known)}


FAULTS = {
    "future": (from_the_future, r"bundle_version|schema version 99.*9\.1"),
    "future run": (lambda file: {CARD: card_with(file, schema_version=99)}, "schema version 99"),
    "no card": (lambda file: {CARD: None}, "has no card"),
    "no graph": (lambda file: {"model.onnx": None}, "has no model"),
    "other graph": (lambda file: {CARD: card_with(file, graph={})}, "`graph"),
    "unknown key": (lambda file: {CARD: card_with(file, surprise=1)}, "`surprise` is damaged"),
    "external": (external_data, "another file"),
    "custom operator": (lambda file: {"model.onnx": b"\x3a\x0a\x0a\x08\x3a\x06custom"}, "custom"),
    "signer without signature": (lambda file: {CARD: card_with(file, public_key="00" * 32)}, "names a signer"),
    "signature without signer": (lambda file: {SIGNATURE: bytes(64)}, "names a signer"),
    "threshold above everything": (lambda file: limit(file, float("inf")), r"calibration\.image\.value` is damaged"),
    "threshold of no number": (lambda file: limit(file, float("nan")), "wanted: a finite number"),
    "nothing golden": (lambda file: {CARD: card_with(file, golden=[])}, "`golden` is damaged"),
    "shortened map": (lambda file: {"golden/0_map.f32": bytes(12)}, "golden/0_map.f32"),
    "golden without input": (lambda file: golden_with(file, inputs={}), "does not take the golden picture"),
    "golden of no number": (lambda file: golden_with(file, score=float("nan")), "fails its own test"),
    "areas without products": (lambda file: areas_of(file, []), "thresholds of the products that have areas: cap"),
    "golden of no product": (
        lambda file: areas_of(file, ["cap"]),
        "golden pictures of the products that have areas: cap",
    ),
}
PROVEN = ("shortened map", "golden without input", "golden of no number")  # only read when the file proves itself


@pytest.mark.parametrize("fault", FAULTS)
def test_a_forged_bundle_is_refused_with_exit_code_2_and_never_executed(
    bundle_file, tmp_path, monkeypatch, capsys, fault
):
    make, words = FAULTS[fault]
    bad = repacked(bundle_file, tmp_path / "bad.untaught", **make(bundle_file))

    def executed(*_, **__):
        if fault not in PROVEN:
            raise AssertionError("the graph was loaded")
        return opened(*_, **__)

    from untaught.runtime import predictor
    from untaught.runtime.session import open_session as opened

    monkeypatch.setattr(predictor, "open_session", executed)
    with pytest.raises(BundleError, match=words):
        predictor.Predictor(bad, "onnxruntime")
    from untaught.cli.main import main

    picture = tmp_path / "x.png"
    picture.write_bytes(read_parts(bundle_file)["golden/0_image.png"])
    monkeypatch.setattr(
        sys, "argv", ["untaught", "inspect", str(bad), str(picture), "--quiet", "--backend", "onnxruntime"]
    )
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "")
    assert said.err.count("Error") == 1
    assert "Traceback" not in said.err


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two key pairs as openssl writes them."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    folder = tmp_path_factory.mktemp("keys")
    for name in ("own", "foreign"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.pem").write_bytes(private)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(public)
    return folder


@pytest.fixture(scope="module")
def signed(bundle_file, keys, tmp_path_factory):
    from untaught.bundle.signature import public_hex, read_private_key

    key = read_private_key(keys / "own.pem")
    parts = {**read_parts(bundle_file), CARD: card_with(bundle_file, public_key=public_hex(key))}
    parts[SUMS] = sums(parts)
    path = tmp_path_factory.mktemp("signed") / "signed.untaught"
    with path.open("wb") as file:
        write_parts(file, {**parts, SIGNATURE: key.sign(parts[SUMS])})
    return path


def test_a_signature_tells_who_exported(signed, bundle_file, keys, tmp_path):
    Bundle(signed)
    Bundle(signed, keys / "own.pub")
    with pytest.raises(BundleError, match="another key"):
        Bundle(signed, keys / "foreign.pub")
    with pytest.raises(BundleError, match="not signed"):
        Bundle(bundle_file, keys / "own.pub")
    changed = repacked(signed, tmp_path / "changed", **{CARD: card_with(signed, name="other")})
    for key in (None, keys / "own.pub"):
        with pytest.raises(BundleError, match="does not fit"):
            Bundle(changed, key)


@pytest.mark.parametrize("key", ["missing.pub", "own.pem", "text.pub"])
def test_a_key_that_cannot_be_used_is_one_clear_error(signed, keys, tmp_path, key):
    (keys / "text.pub").write_text("no key")
    with pytest.raises(ConfigError, match=key):
        Bundle(signed, keys / key)


def test_only_a_private_key_signs(keys):
    from untaught.bundle.signature import read_private_key

    with pytest.raises(ConfigError, match=r"own\.pub"):
        read_private_key(keys / "own.pub")


def test_a_bundle_opens_where_cryptography_is_missing(signed):
    code = """
import sys
sys.modules["cryptography"] = None
from untaught.bundle.bundle import Bundle
Bundle(sys.argv[1])
"""
    subprocess.run([sys.executable, "-c", code, str(signed)], check=True)
