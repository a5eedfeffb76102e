#!/usr/bin/env python3
"""Check that pages, comments of the configuration and messages use none of the words in docs/words.tsv.

python scripts/check_words.py

Prints a line for each word that is found, with what to write instead, and exits with code 1. Needs the standard library alone.
"""

from __future__ import annotations

import argparse

from mathrl.checks import words
from mathrl.core.arguments import Help
from mathrl.core.code_files import ROOT
from mathrl.core.files import run_main


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=Help).parse_args()
    found = words.find(ROOT)
    print("\n".join(found) or "words: none that docs/words.tsv leaves out")
    return 1 if found else 0


if __name__ == "__main__":
    run_main(main)
