"""The exported file: a zip whose parts are stored, not compressed, and each is proven by its hash.

card.json            what the graph is, how to feed it, what its answers mean
model.onnx           uint8 pixels in, raw map and raw score out
golden/              pictures with the answers that are expected of them
SHA256SUMS           sha256 of every part above, as `sha256sum` writes it
SHA256SUMS.sig       optional: ed25519 signature of SHA256SUMS, 64 bytes

`docs/guide/bundle.md` is the specification for those who read it in another language.
"""
