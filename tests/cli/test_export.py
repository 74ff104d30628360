"""`untaught export --sign`, and the user who asks whose file it is."""

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from untaught.bundle.archive import SIGNATURE, read_parts


def test_a_signed_file_is_proven_by_its_key_and_by_no_other(run, run_folder, bundle_file, product, tmp_path):
    for name in ("own", "foreign"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pem").write_bytes(private)
        (tmp_path / f"{name}.pub").write_bytes(public)
    signed, picture = tmp_path / "signed.untaught", product / "test" / "good" / "000.png"
    code, out, _ = run("export", run_folder, "--out", signed, "--sign", tmp_path / "own.pem", "--json")
    assert (code, json.loads(out)["bundle"]) == (0, str(signed))
    assert len(read_parts(signed)[SIGNATURE]) == 64
    inspect = ["inspect", signed, picture, "--json", "--backend", "onnxruntime"]
    for more in ((), ("--key", tmp_path / "own.pub")):
        code, out, _ = run(*inspect, *more)
        assert (code, len(json.loads(out))) == (0, 1)
    for file, key, words in ((signed, "foreign", "another key"), (bundle_file, "own", "not signed")):
        code, out, _ = run("inspect", file, picture, "--key", tmp_path / f"{key}.pub", "--json")
        assert code == 2
        assert words in json.loads(out)["came"]


def test_a_key_that_cannot_sign_is_refused_before_anything_is_computed(run, run_folder, tmp_path):
    (tmp_path / "text.pem").write_text("no key")
    code, out, _ = run(
        "export", run_folder, "--out", tmp_path / "x.untaught", "--sign", tmp_path / "text.pem", "--json"
    )
    assert (code, json.loads(out)["error"]) == (2, "ConfigError")
    assert not (tmp_path / "x.untaught").exists()
