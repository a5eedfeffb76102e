"""Batch numbers that verl accepts, the nearest that work, and the steps that they make."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mathrl.config.stage import Stage
from mathrl.core.files import UserError


def check_batches(stage: Stage, name: str = "training") -> list[str]:
    """Refuse batch numbers that verl would refuse, with the nearest that work; returns notices about padding.

    verl's trainer pads every batch so that it divides into mini-batches of equal size on every GPU: 264 × 6 samples with
    mini-batch 72 become 1728, 144 of them masked. A filter leaves fewer samples, and the mini-batches keep their size.

    Raises:
        UserError: batch × n does not divide by the GPUs, a mini-batch not by micro-batches, or it is larger than the batch.
    """
    gpus = stage.all_gpus
    batch, mini, n = stage.train_batch_size, stage.mini_batch_size, stage.rollout_n
    if stage.supervised:
        n, mini = 1, batch  # one update a step, of solutions
    if gpus < 1:
        raise UserError(f"config: {name}.gpus: training needs at least one GPU (on a CPU: one rank); write 1 or more")
    if stage.supervised and stage.nodes > 1:
        raise UserError(f"config: {name}: a supervised stage trains on one node; write nodes: 1 there")
    engine = 1 if stage.supervised else stage.tensor_parallel
    if gpus % engine:
        counts = ", ".join(map(str, _nearest(engine, lambda number: gpus % number == 0)))
        raise UserError(f"config: {name}: {gpus} GPUs do not divide into engines of tensor_parallel {engine}; nearest that do: {counts}")
    sizes = {"train_batch_size": batch, "mini_batch_size": mini}
    bad = [key for key, size in sizes.items() if size * n % gpus]
    if bad:
        near = [f"{key} {', '.join(map(str, _nearest(sizes[key], lambda size: size * n % gpus == 0)))}" for key in bad]
        of_gpus = _nearest(gpus, lambda count: not any(size * n % count for size in sizes.values()))
        raise UserError(
            f"config: {name}: {' and '.join(f'{key} {sizes[key]}' for key in bad)} times rollout_n {n} must divide by {gpus} GPUs; "
            f"nearest that do: {'; '.join(near)}; or so many GPUs: {', '.join(map(str, of_gpus))}"
        )
    if mini > batch:
        raise UserError(f"config: {name}.mini_batch_size {mini} is larger than train_batch_size {batch}; choose a divisor of {batch}")
    samples, size = batch * (1 if stage.supervised else stage.trained_n), mini * n
    padded = -(-samples // size) * size
    parts = {"micro_batch_size": size // gpus}
    if not stage.supervised:  # its loss takes no log-probabilities of before
        parts["micro_batch_size_log_prob"] = padded // gpus
    for key, per_gpu in parts.items():
        if stage.dynamic_batch or per_gpu % getattr(stage, key) == 0:
            continue
        divisors = _nearest(getattr(stage, key), partial(_divides, per_gpu))
        what = "each mini-batch" if key == "micro_batch_size" else "each step"
        raise UserError(
            f"config: {name}: {key} {getattr(stage, key)} must divide the {per_gpu} samples that a GPU has of {what}; "
            f"nearest that do: {', '.join(map(str, divisors))}"
        )
    longest = stage.longest
    if stage.dynamic_batch and stage.max_tokens_per_gpu < longest:
        raise UserError(f"config: {name}.max_tokens_per_gpu {stage.max_tokens_per_gpu} holds no whole sequence; write {longest} or more")
    if padded == samples:
        return []
    unpadded = [m for m in range(max(1, mini // 2), min(batch, 2 * mini) + 1) if samples % (m * n) == 0 and m * n % gpus == 0]
    sizes_that_fit = ", ".join(map(str, unpadded)) or "none near it"
    return [
        f"{name}: verl pads each batch from {samples} to {padded} samples ({padded - samples} masked, {padded // size} updates a step); "
        f"mini_batch_size {sizes_that_fit} with train_batch_size {batch} would not be padded"
    ]


def total_steps(stage: Stage, rows: int) -> int:
    """Steps of a stage without a budget: as configured, or its epochs over so many rows, incomplete batches left out."""
    return stage.steps or rows // stage.train_batch_size * stage.epochs


def _divides(whole: int, number: int) -> bool:
    return whole % number == 0


def _nearest(value: int, works: Callable[[int], bool], most: int = 3) -> list[int]:
    """Up to `most` positive numbers nearest to `value` that work, ascending."""
    found = [number for number in range(1, 2 * value + 1) if works(number)]
    return sorted(sorted(found, key=lambda number: abs(number - value))[:most])
