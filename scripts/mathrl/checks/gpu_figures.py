"""From the curves of a short training and the memory that was seen meanwhile: what a step costs, and which part of it costs what.

Ours and verl's own plain trainer log the same curves, so that one function reads both.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from mathrl.checks.records import Trained
from mathrl.core.files import UserError
from mathrl.core.tensorboard import Curve, logged_at, read_scalars

GIB = 1 << 30
SECONDS_BETWEEN = 0.5  # two looks at the memory
# verl's phases of a step in their order, with our words for them. What a step does beside them is `other`.
PHASES = {
    "gen": "rollout",
    "reward": "reward",
    "old_log_prob": "log-probabilities",
    "adv": "advantages",
    "update_actor": "update",
    "save_checkpoint": "save",
    "update_weights": "sync",
}
Memory = list[tuple[float, float]]  # (seconds since 1970, GiB)


@contextlib.contextmanager
def memory_seen(accelerator: str, gpus: int = 1) -> Iterator[Memory]:
    """Look at the memory in use while the block runs: of the fullest of so many GPUs that Ray takes; on a CPU of the whole host."""
    seen: Memory = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(SECONDS_BETWEEN):
            seen.append((time.time(), _in_use(accelerator, gpus)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _in_use(accelerator: str, gpus: int) -> float:
    if accelerator == "cuda":
        from mathrl.execution import nvidia

        return max((gpu.used for gpu in nvidia.gpus(nvidia.own())[:gpus]), default=0) / GIB
    import psutil

    return float(psutil.virtual_memory().used / GIB)


def read(tensorboard: Path, memory: Memory, began: float, name: str) -> Trained:
    """What the steps of a training cost.

    Args:
        tensorboard: its curves.
        memory: what was seen meanwhile.
        began: when the training was started, seconds since 1970.
        name: for messages.

    Returns:
        Medians over its steps without the first, which compiles and warms up; a save is not counted as part of a step.

    Raises:
        UserError: it logged no step.
    """
    scalars = read_scalars(tensorboard)
    if "timing_s/step" not in scalars:
        raise UserError(f"{name}: logged no step; look into its log")
    steps = [step for step, _ in scalars["timing_s/step"]]
    ends = logged_at(tensorboard, "timing_s/step")
    times = {step: _phases(scalars, step) for step in steps}
    warm = steps[1:] or steps
    seconds = {step: sum(times[step].values()) - times[step].get("save", 0.0) for step in steps}
    tokens, generated = dict(scalars["perf/total_num_tokens"]), dict(scalars["response_length/mean"])
    mfu = dict(scalars.get("perf/mfu/actor", []))
    known = any(mfu.values())  # verl writes 0 for a GPU whose peak it does not know
    step_seconds = statistics.median(seconds[step] for step in warm)
    shares = {
        phase: round(statistics.median(times[step].get(phase, 0.0) / seconds[step] for step in warm), 4)
        for phase in (*PHASES.values(), "other")
        if phase != "save" and any(phase in times[step] for step in warm)
    }
    first = _start(scalars, ends, steps[0])
    return {
        "steps": len(steps),
        "start_seconds": round(first - began, 1),
        "seconds_per_step": round(step_seconds, 3),
        "steps_per_hour": round(3600 / step_seconds, 1),
        "tokens_per_second": round(statistics.median(tokens[step] / seconds[step] for step in warm), 1),
        "response_tokens": round(statistics.fmean(generated.values()), 1),
        "mfu_update": round(statistics.median(mfu[step] for step in warm), 5) if known else None,
        "mfu_step": round(statistics.median(mfu[step] * times[step]["update"] / seconds[step] for step in warm), 5) if known else None,
        "shares": shares,
        "memory_gib": {phase: round(most, 2) for phase, most in _peaks(scalars, ends, memory).items()},
        "gap_mean": _most(scalars, "training/rollout_probs_diff_mean"),
        "gap_max": _most(scalars, "training/rollout_probs_diff_max"),
        "correlation": min((value for _, value in scalars.get("training/rollout_actor_probs_pearson_corr", [])), default=None),
    }


def _phases(scalars: Mapping[str, Curve], step: int) -> dict[str, float]:
    """Seconds of a step by phase, in their order; what is left of it as `other`."""
    found = {name: value for tag, name in PHASES.items() if (value := dict(scalars.get(f"timing_s/{tag}", [])).get(step)) is not None}
    return {**found, "other": max(0.0, dict(scalars["timing_s/step"])[step] - sum(found.values()))}


def _start(scalars: Mapping[str, Curve], ends: Mapping[int, float], step: int) -> float:
    """When a step began: it is logged after its validation, if it has one."""
    validation = dict(scalars.get("timing_s/testing", [])).get(step, 0.0)
    return ends[step] - validation - dict(scalars["timing_s/step"])[step]


def _peaks(scalars: Mapping[str, Curve], ends: Mapping[int, float], memory: Memory) -> dict[str, float]:
    """Most memory in each phase, of all steps; phases that were too short to be looked at are left out."""
    most: dict[str, float] = {}
    for step in ends:
        place = _start(scalars, ends, step)
        for phase, seconds in _phases(scalars, step).items():
            inside = [used for when, used in memory if place <= when <= place + seconds]
            if inside and phase != "other":
                most[phase] = max([*inside, most.get(phase, 0.0)])
            place += seconds
    return most


def _most(scalars: Mapping[str, Curve], tag: str) -> float | None:
    return max((value for _, value in scalars.get(tag, [])), default=None)
