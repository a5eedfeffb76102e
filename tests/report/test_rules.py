"""The report's rules: every item of Snakemake's own report has its caption, every caption its item."""

import re
from pathlib import Path

RULES = Path(__file__).parents[2] / "rules"


def test_captions():
    named = {name for path in RULES.glob("*.smk") for name in re.findall(r'caption="captions/([\w-]+\.rst)"', path.read_text())}
    written = {path.name for path in (RULES / "captions").glob("*.rst")}
    assert named == written
    assert all(len((RULES / "captions" / name).read_text()) > 60 for name in written)


def test_every_report_item_has_caption_and_category():
    for path in RULES.glob("*.smk"):
        for item in re.findall(r"report\(([^()]*)\)", path.read_text()):
            assert "caption=" in item and "category=" in item, (path.name, item)
