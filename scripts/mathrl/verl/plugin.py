"""What verl imports of ours in each of its processes (VERL_USE_EXTERNAL_MODULES), with or without a GPU.

It imports nothing slow itself: only the process that trains imports verl's trainers, and with them ours. Importing them in every
process took 12 of the 22 CPU-seconds that `import verl` took, in each.
"""

from __future__ import annotations

from types import ModuleType

from mathrl.verl import admission, base_plugin  # noqa: F401
from mathrl.verl.after_import import after_import


def take_our_trainer(_: ModuleType) -> None:
    """Put our trainer into verl's registry, under the name of verl's own."""
    import mathrl.verl.grpo_trainer  # noqa: F401


def share_no_lock(tqdm: ModuleType) -> None:
    """Let progress bars be locked among the threads of a process alone: no bar of verl or vLLM is shared by several.

    tqdm's other lock is a named semaphore in a spawned process, as vLLM's engine is. When it is killed, which verl does at each end of a
    training, its file stays in /dev/shm.
    """
    tqdm.TqdmDefaultWriteLock.mp_lock = None


admission.install()
after_import("verl.trainer.ppo.v1", take_our_trainer)
after_import("tqdm.std", share_no_lock)
