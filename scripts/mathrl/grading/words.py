"""The tables of words.tsv: units, characters, commands and words that say the same, and lists of words.

A line is a table, what the entry means (nothing in a list of words), and all its writings, joined by a comma and a space.
"""

from __future__ import annotations

from pathlib import Path


def _read() -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for line in Path(__file__).with_name("words.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        table, meaning, written = line.split("\t")
        tables.setdefault(table, {}).update(dict.fromkeys(written.split(", "), meaning))
    return tables


TABLES = _read()
"""By table: writing -> meaning."""
