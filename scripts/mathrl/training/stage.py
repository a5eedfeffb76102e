"""One stage of training: a checkpoint directory that only this configuration owns, verl in a process of its own, a manifest.

Nothing is lost at a kill: checkpoints lie outside all declared outputs, below a fingerprint of everything that determines
training. The same command goes on from the last whole checkpoint; another configuration starts another directory. A polite
end (SIGTERM, a budget, a collapse) is carried out by the trainer at the end of the step at work.
"""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError, read_json, write_json
from mathrl.core.provenance import provenance
from mathrl.data import sft_messages
from mathrl.execution.preflight import checkpoint_bytes
from mathrl.models.checks import check_model
from mathrl.training import budget, checkpoints, fingerprints
from mathrl.training.budget import Spent
from mathrl.training.checkpoint_choice import DEV, choose, validation_curves
from mathrl.training.collapse import Monitor
from mathrl.training.process import run_verl
from mathrl.training.session import Progress, Session
from mathrl.verl import grpo_config, sft_config, stop_file
from mathrl.verl.environment import verl_environment

TOKENS = ("training/tokens", "train/global_tokens")  # of prompts and responses
INTERRUPTED = 128 + signal.SIGTERM  # exit code after a pause: not finished, the same command goes on


class Paused(SystemExit):
    """Training was asked to end, saved, and is not finished."""


def check_space(root: Path, model: Path) -> None:
    """Refuse to train where not even one checkpoint of this model fits.

    Raises:
        UserError: the file system of `root` has less room than a checkpoint takes.
    """
    place = root.absolute()
    while not place.exists():
        place = place.parent
    needed, free = checkpoint_bytes(model, saves=1), shutil.disk_usage(place).free
    if free < needed:
        raise UserError(f"{root}: a checkpoint takes about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; make room there")


def is_over(state: Mapping[str, Any], stage: Mapping[str, Any]) -> bool:
    """Whether a stage that once ended did so under the same budget, limits and length; others may let it go on."""

    def deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in settings.items() if key != "stall_minutes"}  # that one only ends what hangs

    same = all(key not in state or deciding(state[key]) == deciding(stage[key]) for key in ("budget", "monitor"))
    return same and ("length" not in state or state["length"] == fingerprints.length(stage))


def train(
    *,
    run: str,
    stage_name: str,
    stage: Mapping[str, Any],
    reward: Mapping[str, Any],
    accelerator: str,
    model: Path,
    train_file: Path,
    validation_file: Path,
    root: Path,
    log: Path,
    manifest: Path,
) -> None:
    """Train a stage to its end, from where it is, and write its manifest.

    Raises:
        UserError: no model, no space, refused configuration, or a failed trainer (the message names the log).
        Paused: SIGTERM came; what was learnt is saved.
    """
    from mathrl.core.curves import read_scalars
    from mathrl.grading import GRADING_POLICY

    check_model(model)
    content = fingerprints.fingerprint(stage, train_file, model, reward, GRADING_POLICY, accelerator)
    directory = fingerprints.open_directory(root, content)
    for line in checkpoints.repair(directory):
        print(line, file=sys.stderr)
    stop_file.clear(directory)
    finished = directory / "finished.json"
    name = f"train {run}" + ("" if stage_name == "main" else f"/{stage_name}")
    whole = checkpoints.steps(directory)
    history = read_scalars(directory / "tensorboard", finite=False)

    def after(step: int) -> Session:
        monitor, spent = Monitor(stage["monitor"]), Spent(stage["budget"], stage["gpus"] * stage["nodes"])
        session = Session(directory, stage, Progress(name, stage["steps"]), monitor, spent)
        session.take_history(history, step)
        return session

    state = read_json(finished) if finished.exists() else None
    session = after(state["steps"] if state else whole[-1] if whole else 0)
    over = state is not None and (is_over(state, stage) or session.ended_by is not None)
    if state and not over:  # a raised budget, other limits: it goes on, from a checkpoint that may be older than its end
        session = after(whole[-1] if whole else 0)
    session.retain()  # a smaller keep_last makes room before it is asked for
    if state and over:
        if is_over(state, stage):
            session.stopped_by = state.get("stopped_by")
        why = f" ({session.stopped_by})" if session.stopped_by else ""
        print(f"{name}: training was complete at step {state['steps']}{why}; nothing to train", file=sys.stderr)
    else:
        if session.ended_by == "monitor":  # flagged before a pause, or before monitor.stop was set
            print(f"{name}: ends at step {session.last_step}, as monitor.stop asks: {session.stopped_by}", file=sys.stderr)
        else:
            check_space(root, model)
            if whole:
                print(f"{name}: goes on from step {whole[-1]}", file=sys.stderr)
            session.ask_for_end()  # a budget that is used up pays for one more step, with the validation that ends a stage
            _train_on(session, name, stage, reward, accelerator, model, train_file, validation_file, run, log)
        condition = {session.ended_by: stage[session.ended_by]} if session.ended_by else {"length": fingerprints.length(stage)}
        write_json(finished, {"schema_version": 1, "steps": session.last_step, "stopped_by": session.stopped_by, **condition})
    session.retain()
    whole = checkpoints.steps(directory)
    curves = read_scalars(directory / "tensorboard")
    scalars = {tag: [(step, value) for step, value in curve if step <= session.last_step] for tag, curve in curves.items()}
    validation = validation_curves(scalars)
    rule = "last" if stage["algorithm"] == "supervised" else stage["choose"]  # no accuracy is measured while it is supervised
    chosen, why = choose(rule, whole, validation.get(DEV, {}), session.monitor.onset)
    if not session.last_step and session.stopped_by:
        why = f"no step was trained: {session.stopped_by}"
    rollouts = directory / "rollouts"
    result = {
        "schema_version": 1,
        "run": run,
        "stage": stage_name,
        "fingerprint": directory.name,
        "checkpoints": str(directory),
        "tensorboard": str(directory / "tensorboard"),
        "start_model": str(model),
        "steps": session.last_step,
        "stopped_by": session.stopped_by,
        "collapse": session.monitor.flags,
        "saved_steps": whole,
        "chosen_step": chosen,
        "chosen_why": why,
        "validation": validation,
        "seconds": round(session.spent.seconds, 1),
        "gpu_hours": round(session.spent.gpu_hours, 4) if accelerator == "cuda" else 0.0,
        "tokens": int(sum(value for tag in TOKENS for _, value in scalars.get(tag, []))),
        "generated_tokens": session.spent.tokens,
        "rollouts": str(rollouts) if rollouts.is_dir() else None,
        "max_probability_gap": max((value for _, value in scalars.get("training/rollout_probs_diff_max", [])), default=None),
        "config": dict(stage),
        "provenance": provenance(
            {"train": train_file, "validation": validation_file}, config=content, model_sha256=content["model_sha256"]
        ),
    }
    write_json(manifest, result)


def _full_disk(directory: Path, model: Path) -> str:
    """What a failed save says if a checkpoint found no room; torch's own words for it are `unexpected pos`."""
    incomplete = checkpoints.incomplete(directory)
    needed, free = checkpoint_bytes(model, saves=1), shutil.disk_usage(directory).free
    if not incomplete or free >= needed:
        return ""
    return (
        f"; no space left for the checkpoint of step {incomplete[-1]}: it takes about {needed / 1e9:.2g} GB and "
        f"{free / 1e9:.2g} GB are free; "
        "make room, or lower keep_last"
    )


def _train_on(session, name, stage, reward, accelerator, model, train_file, validation_file, run, log) -> None:
    """Run verl from the last whole checkpoint to the end of the stage, or to the end that the session asks for."""
    nothing_left = budget.exhausted(stage["budget"])
    if nothing_left:
        session.ended_by, session.stopped_by = "budget", nothing_left
        print(f"{name}: {nothing_left}; nothing to train", file=sys.stderr)
        return
    directory = session.directory
    paths = {"model": str(model), "train_file": str(train_file), "checkpoints": str(directory)}
    whole = checkpoints.steps(directory)
    if stage["algorithm"] == "supervised":
        messages = directory / "messages.parquet"
        rows = sft_messages.write_messages(train_file, Path(stage["solutions"]), messages)
        session.progress.total = total = sft_config.steps(stage, rows)
        fingerprints.check_length(name, directory, total)
        if whole and whole[-1] >= total:
            return  # killed after its last save; verl's SFT trainer would take one step more
        longest = stage["max_prompt_length"] + stage["max_response_length"]
        cut = sft_messages.too_long(messages, model, longest)
        if cut:
            print(
                f"{name}: {cut} of {rows} solutions are cut off, their last words and box lost: with the prompt they have more tokens than "
                f"max_prompt_length and max_response_length together ({longest}); raise max_response_length, or leave them out",
                file=sys.stderr,
            )
        paths["train_file"] = str(messages)
        keys = sft_config.overrides(stage, accelerator=accelerator, run=run, steps=total, **paths)
        module = sft_config.command(stage["gpus"])
    else:
        fingerprints.check_length(name, directory, fingerprints.most_steps(stage, train_file))
        # A pause, or a kill between save and validation, leaves a checkpoint that no accuracy speaks for: it is validated now.
        first = str(whole[-1]) not in session.dev if whole else stage["validate_before"]
        own = {**stage, "validate_before": first}
        keys = grpo_config.overrides(own, accelerator=accelerator, validation_file=str(validation_file), run=run, reward=reward, **paths)
        module = ["-m", "verl.trainer.main_ppo"]
    environment = verl_environment(accelerator) | {"TENSORBOARD_DIR": str(directory / "tensorboard")}
    (directory / "finished.json").unlink(missing_ok=True)  # what it says of an earlier end holds no longer
    code = run_verl(module, grpo_config.arguments(keys), environment, log, session)
    if stage["algorithm"] == "supervised" and code == 0:
        session.mark_last_complete()
    whole = checkpoints.steps(directory)
    total = session.progress.total
    complete = bool(code == 0 and total and whole and whole[-1] >= total)
    if session.paused and not complete:
        left = f"saved at step {whole[-1]}" if whole else "before its first checkpoint"
        print(f"{name}: ended as asked, {left}; the same command goes on from there", file=sys.stderr)
        raise Paused(INTERRUPTED)
    if code:
        limit = stage["monitor"]["stall_minutes"]
        how = f"hung: it printed nothing for {limit:g} minutes (monitor.stall_minutes)" if session.hung else f"ended with exit code {code}"
        left = f"; checkpoints up to step {whole[-1]} are kept, the same command goes on from there" if whole else ""
        raise UserError(f"{name}: verl {how}{_full_disk(directory, model)}; its log is {log}{left}")
    if not whole and not session.stopped_by:
        raise UserError(f"{name}: verl ended without a checkpoint; are there fewer problems than train_batch_size? its log is {log}")
    if not session.stopped_by:
        fingerprints.check_length(name, directory, total)
    if total and not session.stopped_by and not complete:
        raise UserError(f"{name}: verl ended at step {whole[-1]} of {total}; its log is {log}; the same command goes on from there")
