"""The verifiers that are models of a process reward, served while verl trains: their GPUs, their memory, and where the rewards ask them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from mathrl.config import served as settings
from mathrl.config.determinism import ONE_THREAD
from mathrl.core.files import UserError
from mathrl.execution import caches, gpus
from mathrl.training import memory
from mathrl.training.plan import StagePlan
from mathrl.training.records import ServedVerifier
from mathrl.verifiers import server_start
from mathrl.verl.keys import Overrides

KEY = "+reward.custom_reward_function.reward_kwargs.served"


def own(plan: StagePlan) -> settings.Served:
    """The verifiers of a stage that are models."""
    return settings.of_stage(plan.stage, plan.verifiers)


def held(plan: StagePlan) -> memory.Held:
    """What they hold of a GPU that trains, at most."""
    found = own(plan)
    return memory.Held(found.on_training_gpu, found.share) if plan.accelerator == "cuda" else memory.NOTHING


def described(plan: StagePlan) -> dict[str, ServedVerifier]:
    """Each of them by name: bytes of its weights, share of a GPU, and whether that one is its own."""
    found = own(plan)
    share, alone = found.share if plan.accelerator == "cuda" else 0.0, bool(found.gpus)
    sizes = {name: weight_bytes(str(plan.verifiers.named[name].model)) for name in found.names}
    return {name: {"weights_gb": round(size / 1e9, 3), "share": share, "own_gpu": alone} for name, size in sizes.items()}


def weight_bytes(model: str) -> int:
    """Of a Hugging Face directory; 0 where it is not there yet."""
    return sum(path.stat().st_size for path in Path(model).glob("*.safetensors"))


def hashes(plan: StagePlan) -> dict[str, str]:
    """Of the model of each of them by name, as the plan's fingerprint holds it."""
    process, names = plan.stage.reward.process if plan.stage.reward else None, own(plan).names
    if process is None or not names:
        return {}
    content = plan.fingerprint.get("reward", {}).get("process", {})
    found = content.get("verifiers")
    rows = found if isinstance(found, list) else []
    return {name: str(row["model"]) for name, row in zip(process.verifiers, rows, strict=False) if name in names}


def check_room(plan: StagePlan, smallest: float) -> None:
    """Refuse a share in which a verifier's weights have no room.

    Args:
        plan: of a stage that trains on GPUs.
        smallest: memory of the smallest of them, bytes.

    Raises:
        UserError: the weights alone are larger.
    """
    found = own(plan)
    for name in found.names:
        needed, given = weight_bytes(str(plan.verifiers.named[name].model)), found.share * smallest
        if needed > given:
            raise UserError(
                f"{plan.name}: verifier {name}: its weights take {needed / memory.GIB:.1f} GiB and reward.process.gpu_memory "
                f"{found.share:g} of a GPU is {given / memory.GIB:.1f}; raise it, or give it a GPU of its own (reward.process.gpus)"
            )


@contextlib.contextmanager
def beside(
    plan: StagePlan, directory: Path, environment: Mapping[str, str], models: Mapping[str, str] | None = None
) -> Iterator[tuple[Overrides, dict[str, str]]]:
    """Serve them while the block runs; verl's keys that say where, and verl's environment with the GPUs that are left to it.

    Args:
        plan: of the stage.
        directory: of its checkpoints, for the servers' logs.
        environment: variables of verl.
        models: hash of each one's model by name, which its server must hold.

    Raises:
        UserError: fewer GPUs than are needed, or a server that does not come up.
    """
    found, ours = own(plan), dict(environment)
    if not found.names:
        yield {}, ours
        return
    devices: dict[str, str] = {}
    if plan.accelerator == "cuda":
        training, alone = settings.divided(gpus.visible_devices(), plan.stage.gpus, found.gpus)
        devices = settings.placed(found.names, alone or training[: plan.stage.gpus])
        if alone:
            ours["CUDA_VISIBLE_DEVICES"] = ",".join(training)
    shared = {name: environment[name] for name in (*caches.FOLDERS, *ONE_THREAD) if name in environment}
    setting = server_start.Setting(plan.verifiers, plan.accelerator, found.share, devices, directory, shared, models=models or {})
    with server_start.started(found.names, setting, plan.name) as places:
        told = {name: dataclasses.asdict(place) for name, place in places.items()}
        yield {KEY: json.dumps(told, sort_keys=True)}, ours
