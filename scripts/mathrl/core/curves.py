"""Training curves from TensorBoard event files: read, joined over restarts, thinned and smoothed."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError

Curve = list[tuple[int, float]]


def event_files(directory: str | Path) -> list[Path]:
    """Event files below `directory`, oldest first (their names hold the time they were opened)."""
    found = [path for path in Path(directory).rglob("*tfevents*") if path.is_file()]
    return sorted(found, key=lambda path: (path.name, str(path)))


def read_scalars(directory: str | Path, wanted: Callable[[str], bool] = lambda tag: True, finite: bool = True) -> dict[str, Curve]:
    """Scalars by tag as (step, value), steps ascending; where a step was logged twice (a resumed run), the later one holds.

    A record cut off at the end of a file (a killed job) ends that file. Values that are not finite cannot be drawn and are left
    out; `finite=False` keeps them, for the monitor.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    values: dict[str, dict[int, float]] = {}
    for path in event_files(directory):
        for record in _records(path):
            try:
                event = Event.FromString(record)
            except Exception:  # protobuf's DecodeError differs between its implementations
                break
            for value in event.summary.value:
                if not wanted(value.tag):
                    continue
                if value.WhichOneof("value") == "simple_value":
                    number = value.simple_value
                elif value.tensor.float_val:
                    number = value.tensor.float_val[0]
                elif len(value.tensor.tensor_content) == 4:
                    number = struct.unpack("<f", value.tensor.tensor_content)[0]
                else:
                    continue
                values.setdefault(value.tag, {})[event.step] = float(number)
    curves = {
        tag: [(step, value) for step, value in sorted(points.items()) if not finite or math.isfinite(value)]
        for tag, points in sorted(values.items())
    }
    return {tag: curve for tag, curve in curves.items() if curve}


def _records(path: Path) -> Iterable[bytes]:
    """Payloads of a TFRecord file: length (8 bytes), its CRC (4), payload, its CRC (4)."""
    data = memoryview(path.read_bytes())
    place = 0
    while place + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        end = place + 12 + length
        if end + 4 > len(data):
            return
        yield bytes(data[place + 12 : end])
        place = end + 4


def smooth(curve: Curve, span: float) -> Curve:
    """Exponential moving average whose weights fall to 1/e over `span` steps; early points are not drawn towards zero."""
    total = weight = 0.0
    before = None
    out: Curve = []
    for step, value in curve:
        decay = 0.0 if before is None else math.exp(-(step - before) / span)
        total = total * decay + value
        weight = weight * decay + 1.0
        out.append((step, total / weight))
        before = step
    return out


def thin(curve: Curve, most: int = 600) -> Curve:
    """At most about `most` points: of each stretch of steps its lowest and highest value, so that spikes stay visible."""
    if len(curve) <= most:
        return curve
    width = math.ceil(len(curve) / (most // 2))
    out: Curve = []
    for start in range(0, len(curve), width):
        part = curve[start : start + width]
        pair = {tuple(min(part, key=lambda point: point[1])), tuple(max(part, key=lambda point: point[1]))}
        out.extend(sorted(pair))
    return out


def pick(scalars: Mapping[str, Curve], *patterns: str) -> Curve:
    """The curve of the first pattern that a tag matches; a pattern is a tag or `prefix*suffix`."""
    for pattern in patterns:
        prefix, star, suffix = pattern.partition("*")
        for tag, curve in scalars.items():
            if tag == pattern or (star and tag.startswith(prefix) and tag.endswith(suffix)):
                return curve
    return []


# What each curve of the study report is called in verl's logs; the first tag that exists is taken.
SOURCES: dict[str, tuple[str, ...]] = {
    "reward": ("critic/score/mean", "critic/rewards/mean"),
    "entropy": ("actor/entropy", "actor/entropy_loss"),
    "response_length": ("response_length/mean",),
    "truncated": ("training/truncated",),
    "grad_norm": ("actor/grad_norm",),
    "kl": ("actor/ppo_kl",),
}


def validation_curves(scalars: Mapping[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Validation curves by data source and quantity: `val-core/gsm8k/acc/mean@1` → curves["gsm8k"]["acc"].

    `acc` is the share of right answers, `reward` the whole reward; the format part is a curve of its own where it was logged.
    """
    found: dict[str, dict[str, Curve]] = {}
    for tag, curve in scalars.items():
        parts = tag.split("/")
        if len(parts) == 4 and parts[0] in ("val-core", "val-aux") and parts[3].startswith("mean@"):
            found.setdefault(parts[1], {}).setdefault(parts[2], curve)
    return found


def read_run(directory: str | Path) -> dict[str, Any]:
    """The curves of one stage: {"train": {name: curve}, "validation": {data source: {quantity: curve}}, "parts": …}.

    `parts` are reward terms that were logged during training (tags `reward_terms/…` or `reward/…/mean`), `statuses` the
    grader's verdicts (`grader/…`).
    """
    if not Path(directory).is_dir():
        raise UserError(f"{directory}: no such directory of TensorBoard logs; train the run first")
    keep = ("critic/", "actor/entropy", "actor/grad_norm", "actor/ppo_kl", "response_length/", "val-", "reward", "grader")
    scalars = read_scalars(directory, lambda tag: tag.startswith(keep))
    train = {name: pick(scalars, *tags) for name, tags in SOURCES.items()}
    return {
        "train": {name: curve for name, curve in train.items() if curve},
        "validation": validation_curves(scalars),
        "parts": {tag: curve for tag, curve in scalars.items() if tag.startswith(("reward_", "reward/"))},
        "statuses": {tag: curve for tag, curve in scalars.items() if tag.startswith("grader")},
    }


def shift(curves: Any, steps: int) -> Any:
    """The same curves with `steps` added to each step: a later stage goes on where the one before ended."""
    if isinstance(curves, dict):
        return {name: shift(curve, steps) for name, curve in curves.items()}
    return [(step + steps, value) for step, value in curves]


def join(stages: Sequence[Any]) -> Any:
    """Curves of consecutive stages as one: dictionaries key by key, lists of points one after the other."""
    if not stages:
        return {}
    if isinstance(stages[0], dict):
        names = dict.fromkeys(name for stage in stages for name in stage)
        return {name: join([stage[name] for stage in stages if name in stage]) for name in names}
    return [point for stage in stages for point in stage]


def collapse_flags(train: Mapping[str, Curve], steps_between: int = 1) -> list[dict[str, Any]]:
    """Signs of collapse in the smoothed training curves, each with the step where it began.

    Reward: below 70 % of its best so far; response length: below half or above twice its first value; entropy: above three
    times its first value, or below a tenth of it. The bounds are signs to look at, not verdicts.
    """
    flags = []
    rules: list[tuple[str, str, Callable[[float, float, float], bool]]] = [
        ("reward", "reward fell below 70 % of its best", lambda now, first, best: now < 0.7 * best),
        ("response_length", "response length fell below half of its start", lambda now, first, best: now < 0.5 * first),
        ("response_length", "response length rose above twice its start", lambda now, first, best: now > 2 * first),
        ("entropy", "entropy rose above three times its start", lambda now, first, best: now > 3 * first),
        ("entropy", "entropy fell below a tenth of its start", lambda now, first, best: now < 0.1 * first),
    ]
    for name, text, broken in rules:
        curve = train.get(name) or []
        if len(curve) < 10:
            continue
        smoothed = smooth(curve, max(3.0, (curve[-1][0] - curve[0][0]) / 40))
        first = sum(value for _, value in smoothed[2:5]) / 3
        best = first
        for step, value in smoothed[5:]:
            best = max(best, value)
            if first > 0 and broken(value, first, best):
                flags.append({"step": step, "text": f"{text} ({value:.4g})"})
                break
    return flags
