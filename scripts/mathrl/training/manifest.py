"""The manifest of a stage: how far it came, which checkpoint is chosen and why, what it used and what it comes from."""

from __future__ import annotations

from pathlib import Path

from mathrl.core.files import write_json
from mathrl.core.provenance import provenance
from mathrl.core.tensorboard import read_scalars
from mathrl.training import checkpoints, fingerprints, trained_by
from mathrl.training.checkpoint_choice import DEV, choose, validation_curves
from mathrl.training.plan import StagePlan
from mathrl.training.session import Session

TOKENS = ("training/tokens", "train/global_tokens")  # of prompts and responses


def write_manifest(path: Path, plan: StagePlan, session: Session, harmless: list[str] | None) -> None:
    """Write the manifest of a stage that has ended.

    `harmless` is what differs from that of its directory, where the user adopted it. `trained_by` is the
    provenance of the training, `provenance` that of the manifest alone.
    """
    directory = session.directory
    whole = checkpoints.steps(directory)
    curves = read_scalars(directory / "tensorboard")
    scalars = {tag: [(step, value) for step, value in curve if step <= session.last_step] for tag, curve in curves.items()}
    validation = validation_curves(scalars)
    rule = plan.stage.choose
    if plan.supervised and rule == "best":
        rule = "last"  # no accuracy is measured while it is supervised
    due = checkpoints.due(whole, plan.stage.save_every)
    chosen, why = choose(rule, due, validation.get(DEV, {}), session.monitor.onset)
    if not session.last_step and session.stopped_by:
        why = f"no step was trained: {session.stopped_by}"
    rollouts = directory / "rollouts"
    inputs = {"train": plan.train_file, "validation": plan.validation_file}
    result = {
        "schema_version": 2,
        "run": plan.run,
        "stage": plan.stage_name,
        "fingerprint": directory.name,
        "checkpoints": str(directory),
        "tensorboard": str(directory / "tensorboard"),
        "trained_by": trained_by.told(directory, session.last_step),
        "harmless": harmless,
        "start_model": str(plan.model),
        "steps": session.last_step,
        "stopped_by": session.stopped_by,
        "collapse": session.monitor.flags,
        "saved_steps": whole,
        "chosen_step": chosen,
        "chosen_why": why,
        "validation": validation,
        "seconds": round(session.spent.seconds, 1),
        "gpu_hours": round(session.spent.gpu_hours, 4) if plan.accelerator == "cuda" else 0.0,
        "tokens": int(sum(value for tag in TOKENS for _, value in scalars.get(tag, []))),
        "generated_tokens": session.spent.tokens,
        "rollouts": str(rollouts) if rollouts.is_dir() else None,
        "max_probability_gap": max((value for _, value in scalars.get("training/rollout_probs_diff_max", [])), default=None),
        "config": plan.stage.model_dump(),
        "provenance": provenance(inputs, config=fingerprints.counted(plan.fingerprint), model_sha256=plan.fingerprint["model_sha256"]),
    }
    write_json(path, result)
