"""Each reward term's mean and the count of each grader status, in verl's own log of every training step.

verl 0.9.1 keeps what the reward function returns beside the score (`reward_extra_info`) with each sample, but brings it into the
metrics of validation only. Our trainer (mathrl.verl.grpo_trainer) adds it to those of a training step: `reward_terms/<term>` (mean before
weighing), `grader/<status>` (samples) and `training/boxed` (share of responses with a box, rewarded or not: it is monitored). Padding
does not count; a colocated reward model gives nothing to add. `reward_terms/failed/<term>` counts the samples for which a term of the
user's had no value and 0 stands in its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

TERM, STATUS, FAILED, BOXED = "term_", "status_", "failed_", "format"
COUNTED = {STATUS: "grader/", FAILED: "reward_terms/failed/"}


def summarize(rows: Iterable[Mapping[str, float | str]]) -> dict[str, float]:
    """Metrics of one step from what `compute_score` returned for each of its samples."""
    values: dict[str, list[float]] = {}
    for info in rows:
        for key, value in info.items():
            if key.startswith((TERM, STATUS, FAILED)) or key == BOXED:
                values.setdefault(key, []).append(float(value))
    terms = {f"reward_terms/{key.removeprefix(TERM)}": math.fsum(v) / len(v) for key, v in values.items() if key.startswith(TERM)}
    boxed = {"training/boxed": math.fsum(values[BOXED]) / len(values[BOXED])} if BOXED in values else {}
    counts = {
        name + key.removeprefix(prefix): math.fsum(v)
        for prefix, name in COUNTED.items()
        for key, v in values.items()
        if key.startswith(prefix)
    }
    return terms | boxed | counts


def infos(batch: Any) -> list[Mapping[str, float | str]]:
    """`reward_extra_info` of the samples of a batch (keys and tags of verl's TransferQueue), padding left out."""
    import transfer_queue as tq

    keys = [key for key, tag in zip(batch.keys, batch.tags, strict=True) if not tag.get("is_padding", False)]
    if not keys:
        return []
    fields = tq.kv_batch_get(keys=keys, partition_id=batch.partition_id, select_fields=["extra_fields"])["extra_fields"]
    extras = [getattr(field, "data", field) for field in fields]
    return [extra.get("reward_extra_info") or {} for extra in extras if isinstance(extra, Mapping)]
