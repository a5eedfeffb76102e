"""Training that goes on with another number of GPUs: from the weights, with a fresh optimizer, and only where the user asks for it.

verl's checkpoints are a file for each GPU, and are loaded by as many GPUs as saved them.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from mathrl.config.stage import Stage
from mathrl.core.files import UserError
from mathrl.training import checkpoints
from mathrl.training.records import Resharded
from mathrl.verl.keys import Overrides

# Of a fingerprint: the number of GPUs, and what depends on it where `deterministic` is left to the workflow (on a CPU, one rank alone is).
KEYS_OF_GPUS = (
    "verl.trainer.n_gpus_per_node",
    "verl.trainer.nnodes",
    "verl.+trainer.deterministic",
    "verl.actor_rollout_ref.rollout.enable_prefix_caching",
    "verl.actor_rollout_ref.rollout.enable_chunked_prefill",
)
LIBRARY = "actor_rollout_ref.model.external_lib"
MODULE = "mathrl.verl.reshard"


def saved_by(checkpoint: Path) -> int | None:
    """How many GPUs saved a checkpoint of reinforcement; None where its files do not say."""
    numbers = {path.name.split("_")[3] for path in (checkpoint / "actor").glob("model_world_size_*_rank_0.pt")}
    return int(numbers.pop()) if len(numbers) == 1 else None


def check(stage: Stage, directory: Path, name: str) -> Resharded | None:
    """What to note of a stage that goes on from weights that others saved; None where nothing is to be re-sharded.

    Args:
        stage: as it is trained now.
        directory: of its checkpoints.
        name: of the run or stage, for the message.

    Raises:
        UserError: another number of GPUs saved the newest checkpoint, and the user has not asked to go on from it.
    """
    whole = checkpoints.steps(directory)
    before = saved_by(directory / f"global_step_{whole[-1]}") if whole else None
    if before in (None, stage.all_gpus):
        return None
    if not stage.reshard:
        raise UserError(
            f"{name}: {directory} was saved by {before} GPUs at step {whole[-1]}, and training.gpus × nodes is {stage.all_gpus}: verl "
            f"cannot load it; set gpus × nodes to {before}, or training.reshard: true to go on from its weights with a fresh optimizer"
        )
    return {"step": whole[-1], "from_gpus": before, "to_gpus": stage.all_gpus, "optimizer": "fresh"}


def libraries(keys: Overrides) -> dict[str, list[str]]:
    """verl's key for what it imports beside a model: what `keys` name there (an advantage, an adapter, an untied head), and ours."""
    named = keys.get(LIBRARY) or []
    return {LIBRARY: [*([named] if isinstance(named, str) else cast(list[str], named)), MODULE]}


def only_gpus(differs: list[str]) -> bool:
    """Whether nothing but the number of GPUs tells two fingerprints apart; `differs` are the lines of `directories.differences`."""
    names = {line.split(" ")[0] for line in differs}
    return bool(names & set(KEYS_OF_GPUS[:2])) and names <= set(KEYS_OF_GPUS)
