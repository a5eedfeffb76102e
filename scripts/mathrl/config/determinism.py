"""Where the same seed gives the same bytes (docs/reference/training.md)."""

from __future__ import annotations

from mathrl.config.stage import Stage
from mathrl.core.files import UserError

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""For all processes that compute: a sum may be divided among threads and round by their number, which Snakemake takes from --cores."""
MULTI_TURN = "actor_rollout_ref.rollout.multi_turn.enable"


def is_deterministic(stage: Stage, accelerator: str) -> bool:
    """Whether a stage is to be deterministic; where nothing is said, wherever it costs little: on a CPU in float32.

    Args:
        stage: of a run, merged.
        accelerator: `cuda` or `cpu`.

    Raises:
        UserError: it is asked for where it cannot be had.
    """
    if accelerator == "cuda":
        return bool(stage.deterministic)
    one_engine = stage.all_gpus == stage.tensor_parallel
    several_turns = bool(stage.verl.get(MULTI_TURN))  # a later turn of a dialogue has no place in its step's order
    possible = stage.dtype == "float32" and one_engine and not several_turns
    if stage.deterministic and not possible:
        raise UserError(
            f"deterministic: true, with dtype {stage.dtype}, gpus {stage.gpus} on {stage.nodes} node(s), tensor_parallel "
            f"{stage.tensor_parallel}: on a CPU it takes float32, one engine (gpus = tensor_parallel) and dialogues of one turn; "
            "change them, or set deterministic: false"
        )
    return possible and stage.deterministic is not False
