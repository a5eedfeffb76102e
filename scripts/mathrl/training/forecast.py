"""What a stage will cost, from a few of its own steps: time, GPU-hours and disk, before a long run is submitted."""

from __future__ import annotations

import bisect
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import cast

from mathrl.config.batches import total_steps
from mathrl.config.stage import Budget, Stage
from mathrl.core.files import UserError, read_json
from mathrl.core.parquet import row_count
from mathrl.core.tensorboard import read_scalars
from mathrl.training import budget, checkpoints, memory, served, traffic
from mathrl.training.checkpoints import most_at_once
from mathrl.training.plan import StagePlan
from mathrl.training.records import Exchanged, Forecast

STEPS = 5  # measured; the first is left out, it warms up


def measured_stage(stage: Stage) -> Stage:
    """The stage cut to a few steps, with one validation and one save at their end."""
    few = {"steps": STEPS, "validate_before": False, "validate_every": STEPS, "save_every": STEPS, "keep_last": 1, "adopt": None}
    return stage.model_copy(update={**few, "budget": Budget()})


def regular_validations(stage: Stage, steps: int) -> int:
    """Validations of so many steps: after every n-th, and each that is saved."""
    validate, save = stage.validate_every, stage.save_every
    return steps // validate + steps // save - steps // math.lcm(validate, save)


def validated_steps(stage: Stage, steps: int) -> int:
    """Validations of a stage that ends after so many steps: the regular ones, and the last step's."""
    return regular_validations(stage, steps) + bool(steps % stage.validate_every and steps % stage.save_every)


def forecast(stage: Stage, rows: int, scalars: Mapping[str, list[tuple[int, float]]], wall: float, checkpoint: int, gpus: int) -> Forecast:
    """Expected cost of a stage.

    Args:
        stage: its merged configuration, the budget what earlier stages of the run leave.
        rows: training problems.
        scalars: curves of the measured steps by verl's tag.
        wall: seconds of that short training, start included.
        checkpoint: bytes of one checkpoint.
        gpus: GPUs of the job, all nodes (on a CPU: ranks).

    Returns:
        `steps` and what ends them (`ended_by`: steps, epochs or the part of the budget that is used up before), seconds by part,
        `hours`, `gpu_hours`, `checkpoints` at most at once and their `disk_gb`; and what a budget counts, as in a manifest: `seconds`
        of steps and validations, `generated_tokens`.
    """
    timing = dict(scalars["timing_s/step"])
    save = scalars.get("timing_s/save_checkpoint", [(0, 0.0)])[-1][1]
    validation = scalars.get("timing_s/testing", [(0, 0.0)])[-1][1]
    step_seconds = statistics.fmean(seconds - (save if step == STEPS else 0.0) for step, seconds in timing.items() if step > 1)
    start = max(0.0, wall - sum(timing.values()) - validation)
    tokens = statistics.fmean(count for _, count in scalars.get("training/generated_tokens", [(0, 0.0)]))

    def counted(steps: int) -> dict[str, float]:
        seconds = steps * step_seconds + regular_validations(stage, steps) * validation + steps // stage.save_every * save
        return {"tokens": steps * tokens, "gpu_hours": seconds * gpus / 3600}

    planned = total_steps(stage, rows)
    steps, ended_by = planned, "steps" if stage.steps else "epochs"
    for name, limit in stage.budget.bounds.items():
        if counted(steps)[name] > limit:
            steps = bisect.bisect_left(range(steps), limit, key=partial(_cost, counted, name))
            ended_by = f"budget.{name}"
    validations = validated_steps(stage, steps)
    saves = steps // stage.save_every + bool(steps % stage.save_every)
    trained = steps * step_seconds + validations * validation + saves * save
    seconds = start + trained + bool(stage.validate_before) * validation
    most = most_at_once(steps, stage.save_every, stage.keep_last, stage.keep_every, stage.monitor.window)
    return {
        "steps": steps,
        "configured_steps": planned,
        "ended_by": ended_by,
        "seconds": round(trained, 1),
        "generated_tokens": round(steps * tokens),
        "start_seconds": round(start, 1),
        "step_seconds": round(step_seconds, 2),
        "validation_seconds": round(validation, 2),
        "save_seconds": round(save, 2),
        "hours": round(seconds / 3600, 4),
        "gpu_hours": round(seconds / 3600 * gpus, 4),
        "checkpoints": most,
        "disk_gb": round(most * checkpoint / 1e9, 3),
    }


def _cost(counted: Callable[[int], dict[str, float]], name: str, steps: int) -> float:
    return counted(steps)[name]


def describe(name: str, found: Forecast) -> str:
    """The forecast in one line, and one for each verifier that is served beside the training."""
    if not found["steps"]:
        return f"{name}: no step, {found['ended_by']}"
    budget = (
        "" if found["steps"] == found["configured_steps"] else f" ({found['ended_by']} ends it before {found['configured_steps']} steps)"
    )
    exchanged = f"a GPU receives {found['exchanged_gb']:.0f} GB per step; " if found.get("exchanged_gb") else ""
    return (
        f"{name}: {found['steps']} steps of {found['step_seconds']:.1f} s{budget}, {found['hours']:.2f} hours, "
        f"{found['gpu_hours']:.2f} GPU-hours, {found['checkpoints']} checkpoints at once, {found['disk_gb']:.1f} GB of disk; "
        f"{exchanged}responses that grow longer make it slower" + _verifiers(name, found)
    )


def _verifiers(name: str, found: Forecast) -> str:
    """A further line for each verifier that is served beside the training; its start and its scoring are in the measured times."""
    lines = []
    for verifier, own in found.get("verifiers", {}).items():
        where = "a GPU of its own" if own["own_gpu"] else "a GPU that trains too" if own["share"] else "the CPU"
        share = f"{own['share']:.2g} of " if own["share"] else ""
        lines.append(f"\n{name}: verifier {verifier} beside it, {own['weights_gb']:.1f} GB of weights, on {share}{where}")
    return "".join(lines)


def measure(plan: StagePlan) -> Forecast:
    """Train a few steps below the plan's root and forecast the whole stage; where earlier stages leave no budget nothing is trained.

    Raises:
        UserError: a supervised stage, or training failed.
    """
    if plan.supervised:
        raise UserError("a supervised stage is not forecast: verl's SFT trainer logs no times; its steps are rows / batch × epochs")
    rows = row_count(plan.train_file)
    exhausted = budget.exhausted(plan.stage.budget)
    if exhausted:
        numbers = ("steps", "seconds", "generated_tokens", "hours", "gpu_hours", "checkpoints", "disk_gb")
        nothing = dict.fromkeys(numbers, 0) | {"configured_steps": total_steps(plan.stage, rows)}
        return cast(Forecast, {**nothing, "ended_by": exhausted})

    from mathrl.training import stage as training

    began = time.monotonic()
    training.train(replace(plan, run="forecast", stage_name="main", stage=measured_stage(plan.stage)), plan.root / "manifest.json")
    wall = time.monotonic() - began
    (directory,) = (path.parent for path in plan.root.glob("*/fingerprint.json"))
    newest = directory / f"global_step_{checkpoints.steps(directory)[-1]}"
    size = sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())
    scalars = read_scalars(directory / "tensorboard")
    verifiers = served.described(plan)
    found: Forecast = {**forecast(plan.stage, rows, scalars, wall, size, plan.gpus), **exchanged(plan, scalars)}
    return {**found, "verifiers": verifiers} if verifiers else found


def exchanged(plan: StagePlan, scalars: Mapping[str, list[tuple[int, float]]]) -> Exchanged:
    """GB that a GPU receives per step, with the measured length of a sample; nothing for a model whose shape is not known."""
    try:
        model = memory.read_model(read_json(plan.model / "config.json"))
    except KeyError:
        return {}
    samples = plan.stage.train_batch_size * plan.stage.trained_n
    tokens = statistics.fmean(count for _, count in scalars.get("training/tokens", [(0, 0.0)])) / samples
    return {"exchanged_gb": round(traffic.per_step(model, plan.stage, tokens) / 1e9, 3)}
