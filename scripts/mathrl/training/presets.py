"""Settings for a model on so many GPUs of one host: batch numbers that divide, memory that fits.

What is learnt is the finalist's but for rounding: mini-batches of 88 prompts, which verl does not pad, and packed micro-batches. Only
where that fits no GPU of this size, adapters are trained (`lora`), with ten times the learning rate.
"""

from __future__ import annotations

from mathrl.config.stage import Stage
from mathrl.core.files import UserError
from mathrl.models.checks import divides
from mathrl.models.records import ModelConfig
from mathrl.training import memory

GPUS = (1, 2, 4, 6, 8)
ADAPTERS = {"lora": {"rank": 32, "alpha": 64, "targets": "all-linear"}, "learning_rate": 1.0e-4}


def preset(config: ModelConfig, gpus: int, gib: float) -> dict[str, object]:
    """Keys of `training`.

    Args:
        config: the model's config.json.
        gpus: of one host.
        gib: memory of each, GiB.

    Raises:
        UserError: not even adapters fit, or so many GPUs do not divide the batch; the message has the numbers that work.
    """
    model = memory.read_model(config)
    basis = {"gpus": gpus, "mini_batch_size": 88, "dynamic_batch": True}
    first = Stage().changed(**basis)
    if first.train_batch_size * first.rollout_n % gpus or first.mini_batch_size * first.rollout_n % gpus:
        raise UserError(f"--gpus {gpus}: do not divide mini-batches of 88 prompts with 6 responses each; {', '.join(map(str, GPUS))} do")
    for more in ({}, ADAPTERS):
        for parallel in (1, 2, 4, 8):
            if gpus % parallel or not divides(config, parallel):
                continue
            keys = basis | more | ({"tensor_parallel": parallel} if parallel > 1 else {})
            changes = memory.changes(model, Stage().changed(**keys), gib * memory.GIB)
            if changes is not None:
                return keys | changes
    needed = memory.estimate(model, Stage().changed(**basis, **ADAPTERS, max_tokens_per_gpu=first.longest), gib * memory.GIB)["update"]
    raise UserError(
        f"{model.parameters / 1e9:.2f} billion parameters do not fit on {gpus} GPU(s) of {gib:g} GiB: an update of adapters alone takes "
        f"{needed / memory.GIB:.0f} GiB there beside the engine's weights; take more or larger GPUs, or a smaller base_model"
    )
