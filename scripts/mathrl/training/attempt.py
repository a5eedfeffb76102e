"""One run of verl over a stage: from the last complete checkpoint to the stage's end, or to the end that the session asks for."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from mathrl.config.batches import total_steps
from mathrl.config.determinism import ONE_THREAD, is_deterministic
from mathrl.core import long_logs
from mathrl.core.files import UserError
from mathrl.core.parquet import row_count
from mathrl.data import sft_messages, step_messages
from mathrl.execution import caches, nvidia, pauses, trackers
from mathrl.execution.preflight import checkpoint_bytes
from mathrl.execution.secrets import isolation
from mathrl.rewards import failure
from mathrl.training import budget, checkpoints, fingerprints, long_prompts, resharding, served, verl_log
from mathrl.training.plan import StagePlan
from mathrl.training.session import Session
from mathrl.training.verl_process import run_verl
from mathrl.verifiers import beside
from mathrl.verl import grpo_config, sft_config
from mathrl.verl.environment import verl_environment
from mathrl.verl.keys import Overrides

FINISHED = "finished.json"  # how a stage that is over ended
INTERRUPTED = 128 + signal.SIGTERM  # exit code after a pause: not finished, the same command goes on


class Paused(SystemExit):
    """Training was asked to end, saved, and is not finished."""


def train_on(plan: StagePlan, session: Session, begins: Callable[[int], None]) -> None:
    """Train from where the stage is; `begins` is called with that step, right before the trainer starts.

    Raises:
        UserError: the configuration is refused, or the trainer failed (the message names its log).
        Paused: SIGTERM came; what was learnt is saved.
    """
    nothing_left = budget.exhausted(plan.stage.budget)
    if nothing_left:
        session.ended_by, session.stopped_by = "budget", nothing_left
        print(f"{plan.name}: {nothing_left}; nothing to train", file=sys.stderr)
        return
    if plan.supervised:
        keys = _supervised_keys(plan, session)
        if keys is None:
            return
        module = sft_config.command(plan.stage.gpus)
    else:
        keys = _reinforcement_keys(plan, session)
        module = ["-m", "verl.trainer.main_ppo"]
    environment = verl_environment(plan.accelerator) | isolation(os.environ)
    environment |= {"TENSORBOARD_DIR": str(session.directory / "tensorboard")}
    if plan.stage.further_trackers:
        stores = session.directory / "trackers"
        stores.mkdir(exist_ok=True)
        environment |= trackers.environment(plan.stage.further_trackers, stores, os.environ)
    if plan.accelerator == "cpu" and is_deterministic(plan.stage, plan.accelerator):
        environment |= ONE_THREAD
    if plan.accelerator == "cuda":
        names = [gpu.name for gpu in nvidia.gpus(nvidia.own())]
        environment |= caches.variables(plan.fingerprint["versions"], names, os.getuid())
    before = checkpoints.last(session.directory)
    failure.clear(session.directory / failure.NAME)
    log = session.directory / verl_log.NAME
    with served.beside(plan, session.directory, environment, served.hashes(plan)) as (places, environment):
        begins(before)
        (session.directory / FINISHED).unlink(missing_ok=True)  # what it says of an earlier end holds no longer
        begin = long_logs.rotate(log)
        verl_log.point_to(log, plan.log)
        code = run_verl(module, grpo_config.arguments(keys | places), environment, log, session)
    why = verl_log.write_cause(log, begin, plan.log) if code and not session.paused else ""
    if plan.supervised and code == 0:
        session.mark_last_complete()
    if checkpoints.last(session.directory) > before:
        pauses.progressed()
    _check_end(plan, session, code, why)


def _supervised_keys(plan: StagePlan, session: Session) -> Overrides | None:
    """verl's keys for the solutions of the stage's problems, which are written on the way; None where every step is trained already.

    Raises:
        UserError: no solutions, fewer than a batch, or fewer steps than are trained.
    """
    stage, directory = plan.stage, session.directory
    messages = directory / "messages.parquet"
    solutions = Path(str(stage.solutions))
    writer = step_messages if step_messages.holds_dialogues(solutions) else sft_messages
    rows = writer.write_messages(plan.train_file, solutions, messages)
    if rows < stage.train_batch_size:
        raise UserError(f"training.solutions: {rows} solutions are fewer than train_batch_size {stage.train_batch_size}; lower it")
    session.progress.total = total = total_steps(stage, rows)
    fingerprints.check_length(plan.name, directory, total)
    whole = checkpoints.steps(directory)
    if whole and whole[-1] >= total:
        return None  # killed after its last save; verl's SFT trainer would take one step more
    longest = stage.longest
    cut = sft_messages.too_long(messages, plan.model, longest)
    if cut:
        print(
            f"{plan.name}: {cut} of {rows} solutions are cut off, their last words and box lost: with the prompt they have more tokens "
            f"than max_prompt_length and max_response_length together ({longest}); raise max_response_length, or leave them out",
            file=sys.stderr,
        )
    return plan.placed(directory, messages, **{"trainer.total_training_steps": total})


def _reinforcement_keys(plan: StagePlan, session: Session) -> Overrides:
    """verl's keys for reinforcement.

    Raises:
        UserError: fewer steps than are trained, or a verifier of the process reward that cannot be had.
    """
    stage, directory = plan.stage, session.directory
    if stage.reward and stage.reward.process:
        beside.check(plan.verifiers, plan.store)
    # prompts that are too long are left out; verl says the number of steps later
    fingerprints.check_length(plan.name, directory, total_steps(stage, row_count(plan.train_file)))
    whole = checkpoints.steps(directory)
    # A pause, or a kill between save and validation, leaves a checkpoint that no accuracy speaks for: it is validated now.
    first = str(whole[-1]) not in session.dev if whole else stage.validate_before
    more = {"trainer.val_before_train": first, **long_prompts.keys(plan, directory)}
    if resharding.check(stage, directory, plan.name):
        more |= resharding.libraries(plan.keys)
    return plan.placed(directory, plan.train_file, **more)


def _check_end(plan: StagePlan, session: Session, code: int, why: str) -> None:
    """Say how verl's end, with this exit code and cause, is to be taken; return where the stage is over.

    Raises:
        UserError, Paused: as for `train_on`.
    """
    name, directory = plan.name, session.directory
    log = directory / verl_log.NAME
    whole, total = checkpoints.steps(directory), session.progress.total
    complete = bool(code == 0 and total and whole and whole[-1] >= total)
    if session.paused and not complete:
        left = f"saved at step {whole[-1]}" if whole else "before its first checkpoint"
        print(f"{name}: ended as asked, {left}; the same command goes on from there", file=sys.stderr)
        raise Paused(INTERRUPTED)
    reward_failed = failure.noted(directory / failure.NAME)
    if reward_failed and code:
        left = f"checkpoints up to step {whole[-1]} are kept" if whole else "nothing was trained yet"
        raise UserError(f"{name}: {reward_failed}; {left}, the same command goes on from there; its log is {log}")
    if code:
        how = (
            f"hung: it printed nothing for {session.silent_minutes:g} minutes (monitor.stall_minutes)"
            if session.hung
            else f"ended with exit code {code}" + (f": {why}" if why else "")
        )
        left = f"; checkpoints up to step {whole[-1]} are kept, the same command goes on from there" if whole else ""
        raise UserError(f"{name}: verl {how}{_full_disk(directory, plan.model, bool(plan.stage.lora))}; its log is {log}{left}")
    if not whole and not session.stopped_by:
        raise UserError(f"{name}: verl ended without a checkpoint; are there fewer problems than train_batch_size? its log is {log}")
    if not session.stopped_by:
        fingerprints.check_length(name, directory, total)
    if total and not session.stopped_by and not complete:
        raise UserError(f"{name}: verl ended at step {whole[-1]} of {total}; its log is {log}; the same command goes on from there")


def check_space(root: Path, model: Path, frozen: bool = False) -> None:
    """Refuse to train where not even one checkpoint of this model fits.

    Raises:
        UserError: the file system of `root` has less room than a checkpoint takes.
    """
    place = root.absolute()
    while not place.exists():
        place = place.parent
    needed, free = checkpoint_bytes(model, saves=1, frozen=frozen), shutil.disk_usage(place).free
    if free < needed:
        raise UserError(f"{root}: a checkpoint takes about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; make room there")


def _full_disk(directory: Path, model: Path, frozen: bool) -> str:
    """What a failed save says if a checkpoint found no room; torch's own words for it are `unexpected pos`."""
    incomplete = checkpoints.incomplete(directory)
    needed, free = checkpoint_bytes(model, saves=1, frozen=frozen), shutil.disk_usage(directory).free
    if not incomplete or free >= needed:
        return ""
    return (
        f"; no space left for the checkpoint of step {incomplete[-1]}: it takes about {needed / 1e9:.2g} GB and "
        f"{free / 1e9:.2g} GB are free; "
        "make room, or lower keep_last"
    )
