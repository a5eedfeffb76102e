"""One stage of training: a checkpoint directory that only this configuration owns, verl in a process of its own, a manifest.

Nothing is lost at a kill: checkpoints lie outside all declared outputs, below a fingerprint of everything that determines
training. The same command goes on from the last complete checkpoint; another configuration starts another directory. A polite
end (SIGTERM, a budget, a collapse) is carried out by the trainer at the end of the step at work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from mathrl.config.stage import Stage
from mathrl.core.files import UserError, check_unchanged, read_checked_json, read_json, write_checked_json
from mathrl.core.provenance import provenance
from mathrl.execution import locks
from mathrl.execution.preflight import check_limits
from mathrl.models.checks import check_chat_template, check_model
from mathrl.training import checkpoints, directories, fingerprints, gpu_room, logged, resharding, trained_by
from mathrl.training.attempt import FINISHED, check_space, train_on
from mathrl.training.budget import Spent
from mathrl.training.collapse import monitor_of
from mathrl.training.history import saved_curves
from mathrl.training.manifest import write_manifest
from mathrl.training.plan import StagePlan
from mathrl.training.records import Finished
from mathrl.training.session import Progress, Session
from mathrl.verl import stop_file


def train(plan: StagePlan, manifest: Path) -> None:
    """Train a stage to its end, from where it is, and write its manifest.

    Raises:
        UserError: no model, no space, refused configuration, or a failed trainer (the message names the log).
        Paused: SIGTERM came; what was learnt is saved.
    """
    check_model(plan.model)
    check_chat_template(plan.model)
    for path in (plan.train_file, plan.validation_file):
        check_unchanged(path)
    directory, harmless = directories.open_directory(plan.root, plan.fingerprint, plan.stage.adopt, plan.model)
    with locks.sole_writer(directory):
        _train_in(directory, plan, manifest, harmless)


def _train_in(directory: Path, plan: StagePlan, manifest: Path, harmless: list[str] | None) -> None:
    """The same in the checkpoint directory of the stage's fingerprint, which nobody else writes meanwhile."""
    for line in checkpoints.repair(directory):
        print(line, file=sys.stderr)
    stop_file.clear(directory)
    logged.check(directory)
    logged.note(directory, checkpoints.last(directory))
    state = _finished(directory)
    session, over = _resumed(plan, directory, state)
    session.retain()  # a smaller keep_last makes room before it is asked for
    if state and over:
        if is_over(state, plan.stage):
            session.stopped_by = state.get("stopped_by")
        why = f" ({session.stopped_by})" if session.stopped_by else ""
        print(f"{plan.name}: training was complete at step {state['steps']}{why}; nothing to train", file=sys.stderr)
    else:
        try:
            _train_to_end(plan, session, lambda after: _note(plan, directory, after, harmless))
        finally:
            logged.note(directory, checkpoints.last(directory))
        ended_by = session.ended_by
        condition = {ended_by: getattr(plan.stage, ended_by).model_dump()} if ended_by else {"length": fingerprints.length(plan.stage)}
        end = {"schema_version": 2, "steps": session.last_step, "stopped_by": session.stopped_by, **condition}
        write_checked_json(directory / FINISHED, end)
    session.retain()
    write_manifest(manifest, plan, session, harmless)


def _finished(directory: Path) -> Finished | None:
    """What the end of the stage left behind; None where it has not ended, or where that is damaged."""
    path = directory / FINISHED
    if not path.exists():
        return None
    try:
        state = read_json(path)
        if isinstance(state, dict) and state.get("schema_version") == 1 and "checksum" not in state:
            return cast(Finished, state)  # of an earlier commit
        return read_checked_json(path)
    except UserError as error:
        print(f"{error}; the stage goes on from its last checkpoint", file=sys.stderr)
        return None


def _note(plan: StagePlan, directory: Path, after: int, harmless: list[str] | None) -> None:
    """Write down what trains from here on."""
    inputs = {"train": plan.train_file, "validation": plan.validation_file}
    content = plan.fingerprint
    own = provenance(inputs, config=plan.stage.model_dump(), model_sha256=content["model_sha256"])
    resharded = None if plan.supervised else resharding.check(plan.stage, directory, plan.name)
    trained_by.begin(directory, after, own, content, fingerprints.name(content), harmless, resharded)


def _resumed(plan: StagePlan, directory: Path, state: Finished | None) -> tuple[Session, bool]:
    """The session as it stands after what was trained before, and whether the stage is over.

    `state` is what the stage's end left behind. Where it is not over (a raised budget, other limits) it goes on from its last
    checkpoint, which may be older than that end.
    """
    last = checkpoints.last(directory)
    history = saved_curves(directory, last)

    def after(step: int) -> Session:
        monitor, spent = monitor_of(plan.stage), Spent(plan.stage.budget, plan.gpus)
        session = Session(directory, plan.stage, Progress(plan.name, plan.stage.steps), monitor, spent)
        session.take_history(history, step)
        return session

    session = after(state["steps"] if state else last)
    over = state is not None and (is_over(state, plan.stage) or session.ended_by is not None)
    return (session if over or not state else after(last)), over


def _train_to_end(plan: StagePlan, session: Session, begins: Callable[[int], None]) -> None:
    """Train what is left; nothing where the monitor ends the stage as it stands. `begins` is told from which step the trainer goes on."""
    if session.ended_by == "monitor":  # flagged before a pause, or before monitor.stop was set
        print(f"{plan.name}: ends at step {session.last_step}, as monitor.stop asks: {session.stopped_by}", file=sys.stderr)
        return
    if session.ended_by == "budget" and session.spent.over and str(session.last_step) in session.dev:
        return  # killed after its last save and validation, before its end was written down
    check_limits(plan.accelerator, (64 << 20) * plan.gpus)  # the job's, which need not be those of who started the workflow
    check_space(plan.root, plan.model, bool(plan.stage.lora))
    gpu_room.check(plan)
    whole = checkpoints.steps(session.directory)
    if whole:
        print(f"{plan.name}: goes on from step {whole[-1]}", file=sys.stderr)
    session.note_flags()  # of steps that are trained again none holds
    session.ask_for_end()  # a budget that is used up pays for one more step, with the validation that ends a stage
    train_on(plan, session, begins)


def is_over(state: Finished, stage: Stage) -> bool:
    """Whether a stage that once ended did so under the same budget, limits and length; others may let it go on."""

    def deciding(settings: Mapping[str, object]) -> dict[str, object]:
        return {key: value for key, value in settings.items() if key != "stall_minutes"}  # that one only ends what hangs

    same = all(key not in state or deciding(state[key]) == deciding(getattr(stage, key).model_dump()) for key in ("budget", "monitor"))
    return same and ("length" not in state or state["length"] == fingerprints.length(stage))
