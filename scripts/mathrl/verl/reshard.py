"""A checkpoint that another number of GPUs saved: its weights, without the optimizer.

verl imports this in a run that asks for it (`training.reshard`; mathrl.training.resharding adds it to `…model.external_lib`).

verl writes a file for each rank and looks for those of its present number of ranks. Here each rank puts the weights together, one at a
time, and takes its part. Adam's moments begin anew; the learning rate's schedule goes on. What was saved by as many ranks as there are
now is loaded as verl loads it, optimizer and all: so are the checkpoints that this run saves itself.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from mathrl.verl.after_import import after_import


def take_weights_of_others(managers: ModuleType) -> None:
    """Let verl's checkpoint manager load what another number of ranks saved."""
    manager = managers.FSDPCheckpointManager
    usual = manager.load_checkpoint

    def load_checkpoint(self: Any, local_path: str, *given: Any, **more: Any) -> None:
        if not local_path or (Path(local_path) / f"model_world_size_{self.world_size}_rank_{self.rank}.pt").exists():
            usual(self, local_path, *given, **more)
        else:
            _load(self, Path(local_path))

    manager.load_checkpoint = load_checkpoint


def _load(manager: Any, folder: Path) -> None:
    """The weights of all shards in `folder`, and the schedule of the learning rate."""
    import torch
    from torch.distributed.tensor import DTensor, distribute_tensor

    first = next(folder.glob("model_world_size_*_rank_0.pt"))
    world = int(first.name.split("_")[3])
    files = [folder / f"model_world_size_{world}_rank_{rank}.pt" for rank in range(world)]
    shards = [torch.load(file, map_location="cpu", weights_only=True, mmap=True) for file in files]
    parts = {}
    for name, here in manager.model.state_dict().items():
        saved = [shard[name] for shard in shards]
        whole = saved[0]
        if isinstance(whole, DTensor):
            (placement,) = whole.placements
            locals_ = [one.to_local() for one in saved]
            whole = torch.cat(locals_, dim=placement.dim) if placement.is_shard() else locals_[0]
        if isinstance(here, DTensor):
            # each rank has read it all, so nobody sends
            whole = distribute_tensor(whole.to(here.device), here.device_mesh, here.placements, src_data_rank=None)
        parts[name] = whole
    manager.model.load_state_dict(parts)
    extra = torch.load(folder / f"extra_state_world_size_{world}_rank_0.pt", map_location="cpu", weights_only=False)  # as verl's own
    if manager.lr_scheduler is not None and extra["lr_scheduler"] is not None:
        manager.lr_scheduler.load_state_dict(extra["lr_scheduler"])
    torch.distributed.barrier()


after_import("verl.utils.checkpoint.fsdp_checkpoint_manager", take_weights_of_others)
