"""The labelled pairs beside this clone: is a training problem the benchmark item, by the methods exact, ngram and fuzzy?"""

import json

import polars as pl
import pytest
from mathrl.decontamination import Settings, find_matches


def matched(item: str, row: str) -> bool:
    rows = pl.DataFrame({"id": ["r"], "problem": [row]})
    return len(find_matches(rows, {"b": [{"id": "0", "problem": item, "answer": "1"}]}, Settings(workers=1))) > 0


def test_labelled_pairs(shared):
    folder = shared.parent / "cases" / "data"
    pairs = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*-pair-*.json"))}
    if not pairs:
        pytest.skip("no labelled pairs beside this clone")
    wrong = [name for name, pair in pairs.items() if matched(pair["item"], pair["row"]) != pair["match_expected"]]
    assert not wrong, f"{len(pairs) - len(wrong)} of {len(pairs)} right"
