#!/usr/bin/env python3
"""Write the grader's table of rules (scripts/mathrl/checks/grading_rules.toml) into its page of the docs."""

import argparse
from pathlib import Path

from mathrl.checks.grading_rules import BEGIN, written

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, nargs="?", default=Path("docs/reference/grading.md"), help="default: %(default)s")
    page = parser.parse_args().page
    if not page.is_file() or BEGIN not in page.read_text(encoding="utf-8"):
        parser.error(f"{page}: no page with the mark {BEGIN}")
    page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
