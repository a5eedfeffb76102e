"""What GPUs of a training send each other, and what of it a slow link costs.

FSDP2 gathers the weights for each micro-batch twice, forward and backward, and sums gradients in float32 after it; recomputed
log-probabilities gather them once. Bytes that one of N GPUs receives per step, P parameters of w bytes:

    (N - 1)/N · P · (m·(2·w + 4) + l·w)

for m micro-batches of the updates and l of the log-probabilities on a GPU. With adapters P counts where
weights are gathered only.
Nothing of it has been measured on a GPU.
"""

from __future__ import annotations

import math

from mathrl.config.stage import Stage
from mathrl.models import adapter
from mathrl.training.memory import WIDTH, Model

TOKENS = 350  # of a prompt with its response, as in the finalist's curves
PCIE = 20e9  # bytes per second that GPUs without NVLink exchange in practice, PCIe 4 × 16; assumed


def per_step(model: Model, stage: Stage, tokens: float = TOKENS) -> float:
    """Bytes that one GPU receives in a step; `tokens` is the mean of a prompt with its response."""
    ranks, width = stage.all_gpus, WIDTH[stage.dtype]
    if ranks == 1:
        return 0.0
    samples, size = stage.train_batch_size * stage.trained_n, stage.mini_batch_size * stage.rollout_n
    updates = -(-samples // size)
    if stage.dynamic_batch:
        of_updates = updates * math.ceil(size / ranks * tokens / stage.max_tokens_per_gpu)
        of_log_probs = math.ceil(updates * size / ranks * tokens / stage.max_tokens_per_gpu)
    else:
        of_updates = updates * size // ranks // stage.micro_batch_size
        of_log_probs = updates * size // ranks // stage.micro_batch_size_log_prob
    trained = adapter.numbers(stage.lora, model.linear) if stage.lora else model.parameters
    gathered = model.parameters * width * (2 * of_updates + of_log_probs)
    return (ranks - 1) / ranks * (gathered + 4 * trained * of_updates)


def told(model: Model, stage: Stage, link: str | None) -> str | None:
    """A line where GPUs exchange over PCIe: what it costs, and the remedy; None with NVLink, one GPU, or a link that is not known."""
    if link is None or link.startswith("NV") or stage.all_gpus == 1:
        return None
    now = per_step(model, stage)
    faster: dict[str, int] = {"mini_batch_size": 88, "dynamic_batch": True}
    line = f"GPUs are linked by PCIe ({link}), not NVLink: a step exchanges about {now / 1e9:.0f} GB per GPU, some {now / PCIE:.0f} s"
    if stage.dynamic_batch:
        return line
    after = per_step(model, stage.changed(**faster))
    return f"{line}; packed micro-batches (dynamic_batch: true, as of the run grpo-fast) {after / 1e9:.0f} GB, {after / PCIE:.0f} s"
