"""Draws docs/example.png: a drawn part with a defect, heat map with regions, true mask.

python benchmarks/picture.py RUN    (a run trained on `toy`, as `untaught demo` leaves it)
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import untaught
from untaught.data.toy import Toy
from untaught.files import replacing
from untaught.render import overlay


def main() -> None:
    """Inspect one part of each kind and put the pictures side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--kinds", nargs="+", default=["scratch", "stain", "chip"])
    parser.add_argument("--out", type=Path, default=Path("docs/example.png"))
    args = parser.parse_args()
    toy, detector = Toy(), untaught.load(args.run)
    threshold = detector.run.card.calibration.pixel.value
    rows = []
    for kind in args.kinds:
        sample = next(sample for sample in toy.samples if sample.kind == kind)
        image, mask = toy.draw(sample)
        answer = detector.inspect(image)
        shown = overlay(image, answer.map, threshold, answer.regions)
        rows.append(np.hstack([image, shown, np.repeat(mask[..., None], 3, 2).astype(np.uint8) * 255]))
    with replacing(args.out) as file:
        Image.fromarray(np.vstack(rows)).save(file, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
