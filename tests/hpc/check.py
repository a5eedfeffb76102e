"""What tests/hpc/run.sh claims, checked: check.py cards DIR | scores A B | provenance DIR LOCK."""

import csv
import json
import sys
from pathlib import Path


def cards(directory: str) -> str:
    """Jobs of six cards never overlap with any other on their node; two jobs never have one device at once; one image."""
    notes = {path.stem: json.loads(path.read_text()) for path in Path(directory).glob("*.*.json")}
    assert len(notes) == 8, sorted(notes)
    side_by_side = 0
    for name, one in notes.items():
        assert one["image"].startswith("lock sha256:"), (name, one)
        wanted = 6 if name.startswith("train") else 1
        assert len(set(one["cards"].split(","))) == wanted, (name, one)
        for other, two in notes.items():
            if other <= name or one["node"] != two["node"]:
                continue
            if one["begin"] < two["end"] and two["begin"] < one["end"]:
                side_by_side += 1
                shared = set(one["cards"].split(",")) & set(two["cards"].split(","))
                assert not shared, f"{name} and {other} ran at once on cards {shared}"
    assert side_by_side, "no two jobs ran at once: nothing was shown"
    return f"{side_by_side} pairs of jobs ran at once on distinct devices, jobs of six cards alone"


def scores(first: str, second: str) -> str:
    """Two score tables hold the same rows and columns and the same numbers."""
    tables = []
    for path in (first, second):
        with open(path, newline="") as handle:
            tables.append(list(csv.reader(handle)))
    assert tables[0] == tables[1], f"{first} and {second} differ:\n{tables[0]}\n{tables[1]}"
    return f"{len(tables[0]) - 1} models score the same"


def provenance(directory: str, lock: str) -> str:
    """Every JSON result says which image it comes from, by the hash of its lock."""
    seen = 0
    for path in sorted(Path(directory).rglob("*.json")):
        value = json.loads(path.read_text())
        if isinstance(value, dict) and "provenance" in value:
            image = value["provenance"]["image"]
            assert image == f"lock sha256:{lock}", f"{path}: image is {image!r}"
            assert value["provenance"]["git_commit"] != "unknown", f"{path}: no commit"
            seen += 1
    assert seen, f"{directory} holds no result with a provenance"
    return f"{seen} results carry the image's lock hash and the commit"


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    try:
        print("ok:", {"cards": cards, "scores": scores, "provenance": provenance}[name](*arguments))
    except AssertionError as error:
        sys.exit(f"FAILED: {name}: {error}")
