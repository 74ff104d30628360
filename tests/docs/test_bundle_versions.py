"""What docs/guide/bundle.mjs reads, also where there is no node to run it."""

import re
from pathlib import Path

from untaught.bundle.card import SCHEMA
from untaught.run import SCHEMA as RUN_SCHEMA


def test_the_javascript_example_reads_the_bundles_of_today():
    text = (Path(__file__).parents[2] / "docs" / "guide" / "bundle.mjs").read_text("utf-8")
    known = {name: int(number) for name, number in re.findall(r"card\.(\w+_version) > (\d+)", text)}
    assert known == {"bundle_version": SCHEMA, "schema_version": RUN_SCHEMA}
