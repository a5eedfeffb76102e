"""Which models were ever sampled on benchmarks in this folder, and when first: what a study shows is not all that was tried."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mathrl.config.reading import Raw
from mathrl.core import own_checksum
from mathrl.core.files import read_object
from mathrl.evaluation.records import Sampled

STORES = Path("checkpoints/samples")  # of generate_samples; a rerun of whatever rule leaves them there


def evaluated(results: Path, models: Sequence[str], stores: Path = STORES) -> list[Sampled]:
    """Every model that was sampled here, by its weights: {model, model_sha256, first, shown}, the first sampled first.

    `first` is when its first sample was made (UTC; "" where an older commit did not note it), `shown` whether one of `models` has these
    very weights. A run that was trained again under the same name is another model.
    """
    shown: set[str] = set()
    for model in models:
        for path in sorted((results / model / "generation").glob("*.json")):
            shown.add(str(read_object(path).get("model_sha256")))
    found: dict[str, Sampled] = {}
    for path in sorted(stores.glob("*/content.json")):
        store = content(path)
        weights = str(store.get("model"))
        name = str(store.get("name") or f"unnamed {weights[:8]}")
        entry = found.setdefault(weights, {"model": name, "model_sha256": weights, "first": "", "shown": weights in shown})
        begun = str(store.get("begun") or "")
        if begun and (not entry["first"] or begun < entry["first"]):
            entry["first"] = begun
    return sorted(found.values(), key=lambda entry: (entry["first"], entry["model"]))


def content(path: Path) -> dict[str, object]:
    """What a store of samples says that it holds; of a damaged note, which is named, nothing is known."""
    found = read_object(path)
    if found and own_checksum.holds(found):
        return found
    print(f"{path}: is damaged: it is not as it was written; what is not sampled again counts as another model's", file=sys.stderr)
    return {"model": None}


def left_out(entries: Sequence[Sampled]) -> int:
    """How many of them are not shown: each is one more comparison that was made."""
    return sum(not entry["shown"] for entry in entries)


def replicated_runs(folders: Sequence[Path], protocol: str | None) -> tuple[list[str], list[dict[str, Path]]]:
    """Names of the evaluated runs of these folders of results that differ in `seed` alone (the largest such group), and their eval JSONs.

    Runs of one stage are looked at, by the settings that their manifest tells; the eval JSONs are of `protocol`, or of the first by name.
    """
    settings: dict[str, Raw] = {}
    evals: dict[str, dict[str, Path]] = {}
    for folder in folders:
        for manifest in sorted(folder.glob("*/main/manifest.json")):
            run = manifest.parent.parent
            found = sorted(path.parent for path in run.glob(f"{protocol or '*'}/eval"))
            if found:
                name = str(run) if len(folders) > 1 else run.name
                settings[name] = dict(read_object(manifest).get("config") or {})
                evals[name] = {path.stem: path for path in sorted((found[0] / "eval").glob("*.json"))}
    seeds: dict[str, dict[Any, str]] = {}
    for name, own in settings.items():
        key = repr(sorted((k, repr(v)) for k, v in own.items() if k != "seed"))
        seeds.setdefault(key, {}).setdefault(own.get("seed"), name)  # the same seed twice is no other seed
    largest = max(seeds.values(), key=len, default={})
    return list(largest.values()), [evals[name] for name in largest.values()]
