"""The part of the study report on augmentation: samples side by side, the funnel with examples, costs, diversity, difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mathrl.config.augmentation import RESULTS, used
from mathrl.config.experiment import Configuration
from mathrl.config.runs import stages
from mathrl.core.files import read_json
from mathrl.report.records import AugmentationEntry


def gather(results: Path, config: Configuration) -> list[AugmentationEntry]:
    """Funnel and costs of each entry that a selected run uses and that is there."""
    if not config.augmentation:
        return []
    selected = [config.stage(run, stage) for run in config.select for stage in stages(config, run)]
    found: list[AugmentationEntry] = []
    for name in used(config, selected):
        folder = results.parent / RESULTS / name
        if (folder / "funnel.json").is_file():
            costs = folder / "requests.json"
            found.append({"funnel": read_json(folder / "funnel.json"), "costs": read_json(costs) if costs.is_file() else None})
    return found


def section(entries: Sequence[AugmentationEntry], environment: Any) -> str:
    """The markup of the part, every text in it escaped by `environment`; empty without entries."""
    if not entries:
        return ""
    return environment.get_template("augmentation.html").render(entries=entries, doors=_doors(entries))


def _doors(entries: Sequence[AugmentationEntry]) -> list[str]:
    """The doors in their order, as the first funnel has them."""
    return [door["door"] for door in entries[0]["funnel"]["doors"]]
