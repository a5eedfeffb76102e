"""Which models were ever sampled on benchmarks in this folder, and when first: what a study shows is not all that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError, read_json

STORES = Path("checkpoints/samples")  # of generate_samples; a rerun of whatever rule leaves them there


def evaluated(results: Path, models: Sequence[str], stores: Path = STORES) -> list[dict[str, Any]]:
    """Every model that was sampled here, by its weights: {model, model_sha256, first, shown}, the first sampled first.

    `first` is when its first sample was made (UTC; "" where an older commit did not note it), `shown` whether one of `models` has these
    very weights. A run that was trained again under the same name is another model.
    """
    shown: set[str] = set()
    for model in models:
        for path in sorted((results / model / "generation").glob("*.json")):
            shown.add(str(_read(path).get("model_sha256")))
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(stores.glob("*/content.json")):
        content = _read(path)
        weights = str(content.get("model"))
        name = str(content.get("name") or f"unnamed {weights[:8]}")
        entry = found.setdefault(weights, {"model": name, "model_sha256": weights, "first": "", "shown": weights in shown})
        begun = str(content.get("begun") or "")
        if begun and (not entry["first"] or begun < entry["first"]):
            entry["first"] = begun
    return sorted(found.values(), key=lambda entry: (entry["first"], entry["model"]))


def left_out(entries: Sequence[Mapping[str, Any]]) -> int:
    """How many of them are not shown: each is one more comparison that was made."""
    return sum(not entry["shown"] for entry in entries)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = read_json(path)
    except UserError:
        return {}
    return found if isinstance(found, dict) else {}
