"""One stage of training: a checkpoint directory that only this configuration owns, verl in a process of its own, a manifest.

Nothing is lost at a kill: checkpoints lie outside all declared outputs, below a fingerprint of everything that determines
training. The same command goes on from the last whole checkpoint; another configuration starts another directory. A polite
end (SIGTERM, a budget, a collapse) is carried out by the trainer at the end of the step at work.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import budgets, checkpoints, fingerprints, stopping, supervised, verl_config
from .execution import processes
from .execution.preflight import checkpoint_bytes
from .io import UserError, read_json, write_json
from .provenance import provenance
from .watch import Spent, Watch, describe

METRIC = re.compile(r"([\w/@.\-]+):(?:np\.\w+\()?(-?[\d.]+(?:e[+-]?\d+)?|-?inf|nan)\)?(?= - |\s*$)")
RAY_LATE = "The current node timed out during startup"  # of Ray's exception
TRAINED = ("critic/score/mean", "train/loss")  # a line with one of these is a step: of reinforcement, of supervision
TOKENS = ("training/tokens", "train/global_tokens")  # of prompts and responses
DEV = "dev"  # data source of the held-out training problems
INTERRUPTED = 128 + signal.SIGTERM  # exit code after a pause: not finished, the same command goes on


class Paused(SystemExit):
    """Training was asked to end, saved, and is not finished."""


def check_model(model: Path) -> None:
    """Refuse a directory that no model can be loaded from.

    Raises:
        UserError: config.json or the weights are missing.
    """
    if not (model / "config.json").is_file():
        have = ", ".join(sorted(p.name for p in model.iterdir())[:8]) if model.is_dir() else "no such directory"
        raise UserError(f"{model}: is no Hugging Face model, config.json is missing ({have}); check base_model in the config")
    if not any(model.glob("*.safetensors")) and not any(model.glob("*.bin")):
        raise UserError(f"{model}: holds no weights (*.safetensors); fetch the model again")


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


def parse(text: str) -> tuple[int, dict[str, float]] | None:
    """Step and metrics of a line of verl's console log, or None for any other line."""
    place = text.find("step:")
    if place < 0 or " - " not in text:
        return None
    found = {key: float(value) for key, value in METRIC.findall(text[place:])}
    return (int(found.pop("step")), found) if "step" in found else None


class Progress:
    """One compact line a step."""

    def __init__(self, name: str, total: int | None) -> None:
        self.name, self.total = name, total
        self.validation = ""
        self.started: tuple[int, float] | None = None

    def line(self, step: int, metrics: Mapping[str, float]) -> str:
        """What to show of a step."""
        scores = {key.split("/")[1]: value for key, value in metrics.items() if key.startswith("val-core/") and "/acc/mean@" in key}
        if scores:
            self.validation = "  ".join(f"{source} {value:.3f}" for source, value in sorted(scores.items()))
        parts = [f"{self.name}: step {step}" + (f" of {self.total}" if self.total else "")]
        if "critic/score/mean" in metrics:
            parts.append(f"reward {metrics['critic/score/mean']:.3f}")
            parts.append(f"length {metrics.get('response_length/mean', math.nan):.0f} tokens")
        if "train/loss" in metrics:
            parts.append(f"loss {metrics['train/loss']:.3f}")
        if self.validation:
            parts.append(f"validation {self.validation}")
        now = time.monotonic()
        if self.started is None:
            self.started = (step, now)
        elif self.total and step > self.started[0]:
            left = (now - self.started[1]) / (step - self.started[0]) * (self.total - step)
            parts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
        return "  ".join(parts)


@dataclass
class Session:
    """What happens beside verl while it trains: progress, watch, budget, retention, and the polite end."""

    directory: Path
    stage: Mapping[str, Any]
    progress: Progress
    watch: Watch
    spent: Spent
    dev: dict[str, float] = field(default_factory=dict)  # accuracy on the dev split by step
    stepping: bool = False  # verl has loaded everything and is at its first step, or beyond
    last_step: int = 0  # of the stage
    stopped_by: str | None = None  # why training was ended before its steps were done
    ended_by: str | None = None  # the key of the stage that did it: watch or budget
    paused: bool = False
    hung: bool = False
    ray_late: bool = False  # Ray gave up on its own start

    def take_history(self, scalars: Mapping[str, list[tuple[int, float]]], until: int) -> None:
        """Replay the metrics of the steps before a resume, so that watch and budget count the whole stage."""
        by_step: dict[int, dict[str, float]] = {}
        for tag, points in scalars.items():
            for step, value in points:
                if step <= until:
                    by_step.setdefault(step, {})[tag] = value
        for step, metrics in sorted(by_step.items()):
            self._take(step, metrics)
        self.last_step = until  # its metrics may be lost with a kill that came between its save and its log

    def _take(self, step: int, metrics: Mapping[str, float]) -> str | None:
        """Count a step in; the line about its collapse, its used-up budget, or None. What asks for an end first has ended the stage."""
        for key, value in metrics.items():
            if key.startswith(f"val-core/{DEV}/acc/mean@"):  # with several responses there are best@ and maj@ too
                self.dev[str(step)] = value
        if not set(TRAINED) & set(metrics):
            return None  # a validation without a step
        self.last_step = step
        flags = self.watch.add(step, metrics)
        used_up = self.spent.add(metrics)
        said = "; ".join(describe(flag) for flag in flags)
        if not self.ended_by and flags and self.stage["watch"]["stop"]:
            self.ended_by, self.stopped_by = "watch", said
        elif not self.ended_by and used_up:
            self.ended_by, self.stopped_by = "budget", used_up
        return "; ".join(filter(None, (said, used_up))) or None

    def follow(self, text: str) -> Iterator[str]:
        """Lines to show for a line of verl's output; asks for an end where one is due."""
        self.ray_late |= RAY_LATE in text and not self.stepping
        if stopping.TOTAL in text:
            self.stepping = True
            with contextlib.suppress(ValueError):
                self.progress.total = int(text.split(stopping.TOTAL)[1].split()[0])
        found = parse(text)
        if not found:
            return
        step, metrics = found
        if "train/loss" in metrics:
            self.seal_last()  # the supervised trainer has no hook for it; what it saved before this step is on disk
        yield self.progress.line(step, metrics)
        said = self._take(step, metrics)
        if said:
            yield f"{self.progress.name}: {said}"
        self.ask_for_end()
        if set(TRAINED) & set(metrics) and step % self.stage["save_every"] == 0:
            self.retain()

    def ask_for_end(self) -> None:
        """Pass on to verl what ended the stage: what was learnt until a collapse is not wanted, what a budget paid for is."""
        if self.ended_by and not self.paused:
            stopping.ask(self.directory, stopping.ABANDON if self.ended_by == "watch" else stopping.FINISH)

    def seal_last(self) -> None:
        """Seal the checkpoint that verl's tracker names."""
        tracker = self.directory / checkpoints.TRACKER
        if tracker.exists():
            newest = self.directory / f"global_step_{tracker.read_text().strip()}"
            if newest.is_dir() and not (newest / checkpoints.SEAL).exists():
                checkpoints.seal(newest)

    def retain(self) -> None:
        """Remove checkpoints that nothing asks for: kept are the last few, the best on the dev split, and every n-th.

        A flag makes distrust a whole window of steps, so the newest checkpoint from before the window is kept too, else a flag
        could leave none. The oldest within the window is kept to take its place when the window has moved past it.
        """
        saved = checkpoints.steps(self.directory)
        onset = self.watch.onset
        best, _ = choose("best", saved, self.dev, onset)
        distrusted = self.last_step - self.watch.window + 1 if onset is None else onset
        before = [step for step in saved if step < distrusted]
        within = saved[len(before) :] if onset is None else []
        checkpoints.retain(self.directory, self.stage["keep_last"], self.stage["keep_every"], best, *before[-1:], *within[:1])

    def interrupt(self, process: subprocess.Popen) -> None:
        """Carry out SIGTERM: save at the end of the step at work; before the first one begins there is nothing to save."""
        if self.paused:
            return
        self.paused = True
        if self.stepping:
            print(f"{self.progress.name}: asked to end: saves after the step at work", file=sys.stderr, flush=True)
            stopping.ask(self.directory, stopping.PAUSE)
        else:
            process.kill()

    def end_if_silent(self, process: subprocess.Popen, last_sign: Callable[[], float], ended: threading.Event) -> None:
        """Kill a trainer that has printed nothing for `watch.stall_minutes`, until `ended`.

        verl's driver waits for ever for an engine that is gone (killed for its memory, say), and for a rank that hangs in NCCL.
        """
        limit = self.stage["watch"]["stall_minutes"]
        while limit and not ended.wait(min(5.0, limit * 6)):
            if time.monotonic() - last_sign() > limit * 60:
                self.hung = True
                print(f"{self.progress.name}: verl printed nothing for {limit:g} minutes: ended", file=sys.stderr, flush=True)
                processes.send([process.pid, *processes.descendants(process.pid)], signal.SIGKILL)
                return


def run_verl(module: list[str], arguments: list[str], environment: Mapping[str, str], log: Path, session: Session) -> int:
    """Run a trainer of verl (`module`: Python's arguments); its output goes to `log`, one line a step to stderr. Returns its exit code.

    Ray gives its agent 15 s to start, which no setting changes (execution/nodes.py): from a cold disk it may need more, once.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    quiet = ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout"]  # no files of Hydra's own
    command = [sys.executable, *module, *quiet, *arguments]
    code = _run_once(command, environment, log, session)
    if code and session.ray_late and not session.paused:
        print(f"{session.progress.name}: Ray did not start in the time it gives itself: a second attempt", file=sys.stderr, flush=True)
        code = _run_once(command, environment, log, session)
    return code


def _run_once(command: list[str], environment: Mapping[str, str], log: Path, session: Session) -> int:
    """One attempt of `run_verl`."""
    # SLURM sends SIGTERM to every process of a job; verl's and Ray's are deaf to it, because they must live while a step is saved
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with open(log, "a", encoding="utf-8", errors="replace") as out:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, lambda *_: session.interrupt(process)) for number in ends}
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        sign, ended = time.monotonic(), threading.Event()
        threading.Thread(target=session.end_if_silent, args=(process, lambda: sign, ended), daemon=True).start()
        try:
            assert process.stdout is not None
            for text in process.stdout:
                sign = time.monotonic()
                out.write(text)
                out.flush()
                for shown in session.follow(text):
                    print(shown, file=sys.stderr, flush=True)
            return process.wait()
        finally:
            ended.set()
            for number, handler in before.items():
                signal.signal(number, handler)


def validation_curves(scalars: Mapping[str, list[tuple[int, float]]]) -> dict[str, dict[str, float]]:
    """Validation accuracy by data source and step, from TensorBoard's `val-core/<source>/acc/mean@1`."""
    curves = {}
    for tag, points in scalars.items():
        part = tag.split("/")
        if part[0] == "val-core" and part[-2] == "acc" and part[-1].startswith("mean@"):
            curves["/".join(part[1:-2])] = {str(step): round(value, 6) for step, value in points}
    return curves


def choose(rule: str, saved: list[int], dev: Mapping[str, float], onset: int | None = None) -> tuple[int, str]:
    """The checkpoint to export and why; step 0 is the starting model.

    `best`: highest accuracy on the dev split among saved steps and the start; the earlier one of equals, as it drifted less.
    Steps from `onset` on, where a collapse began, are never chosen, by either rule.
    """
    sound = [step for step in saved if onset is None or step < onset]
    note = "" if onset is None else f"; checkpoints from step {onset} on are out, the run collapsed there"
    if rule == "last" or not sound:
        step = sound[-1] if sound else 0
        return step, ("last checkpoint, as configured" if rule == "last" and sound else "no sound checkpoint was saved") + note
    if not any(str(step) in dev for step in sound):
        return sound[-1], "last checkpoint; none was validated on the dev split" + note
    unknown = [step for step in sound if str(step) not in dev]
    note = (f"; not validated: step {', '.join(map(str, unknown))}" if unknown else "") + note
    candidates = [step for step in (0, *sound) if str(step) in dev]
    step = max(candidates, key=lambda s: (dev[str(s)], -s))
    among = ", ".join(map(str, candidates))
    return step, f"highest accuracy on the dev split of the training data ({dev[str(step)]:.4f}) among steps {among}{note}"


def is_over(state: Mapping[str, Any], stage: Mapping[str, Any]) -> bool:
    """Whether a stage that once ended did so under the same budget, limits and length; others may let it go on."""

    def deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in settings.items() if key != "stall_minutes"}  # that one only ends what hangs

    same = all(key not in state or deciding(state[key]) == deciding(stage[key]) for key in ("budget", "watch"))
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
    from .curves import read_scalars
    from .grading import GRADING_POLICY

    check_model(model)
    content = fingerprints.fingerprint(stage, train_file, model, reward, GRADING_POLICY, accelerator)
    directory = fingerprints.open_directory(root, content)
    for line in checkpoints.repair(directory):
        print(line, file=sys.stderr)
    stopping.clear(directory)
    finished = directory / "finished.json"
    name = f"train {run}" + ("" if stage_name == "main" else f"/{stage_name}")
    whole = checkpoints.steps(directory)
    history = read_scalars(directory / "tensorboard", finite=False)

    def after(step: int) -> Session:
        watch, spent = Watch(stage["watch"]), Spent(stage["budget"], stage["gpus"] * stage["nodes"])
        session = Session(directory, stage, Progress(name, stage["steps"]), watch, spent)
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
        if session.ended_by == "watch":  # flagged before a pause, or before watch.stop was set
            print(f"{name}: ends at step {session.last_step}, as watch.stop asks: {session.stopped_by}", file=sys.stderr)
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
    chosen, why = choose(rule, whole, validation.get(DEV, {}), session.watch.onset)
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
        "collapse": session.watch.flags,
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
    torn = checkpoints.torn(directory)
    needed, free = checkpoint_bytes(model, saves=1), shutil.disk_usage(directory).free
    if not torn or free >= needed:
        return ""
    return (
        f"; no space left for the checkpoint of step {torn[-1]}: it takes about {needed / 1e9:.2g} GB and {free / 1e9:.2g} GB are free; "
        "make room, or lower keep_last"
    )


def _train_on(session, name, stage, reward, accelerator, model, train_file, validation_file, run, log) -> None:
    """Run verl from the last whole checkpoint to the end of the stage, or to the end that the session asks for."""
    nothing_left = budgets.exhausted(stage["budget"])
    if nothing_left:
        session.ended_by, session.stopped_by = "budget", nothing_left
        print(f"{name}: {nothing_left}; nothing to train", file=sys.stderr)
        return
    directory = session.directory
    paths = {"model": str(model), "train_file": str(train_file), "checkpoints": str(directory)}
    whole = checkpoints.steps(directory)
    if stage["algorithm"] == "supervised":
        messages = directory / "messages.parquet"
        rows = supervised.write_messages(train_file, Path(stage["solutions"]), messages)
        session.progress.total = total = supervised.steps(stage, rows)
        fingerprints.check_length(name, directory, total)
        if whole and whole[-1] >= total:
            return  # killed after its last save; verl's SFT trainer would take one step more
        longest = stage["max_prompt_length"] + stage["max_response_length"]
        cut = supervised.too_long(messages, model, longest)
        if cut:
            print(
                f"{name}: {cut} of {rows} solutions are cut off, their last words and box lost: with the prompt they have more tokens than "
                f"max_prompt_length and max_response_length together ({longest}); raise max_response_length, or leave them out",
                file=sys.stderr,
            )
        paths["train_file"] = str(messages)
        keys = supervised.overrides(stage, accelerator=accelerator, run=run, steps=total, **paths)
        module = supervised.command(stage["gpus"])
    else:
        fingerprints.check_length(name, directory, fingerprints.most_steps(stage, train_file))
        # A pause, or a kill between save and validation, leaves a checkpoint that no accuracy speaks for: it is validated now.
        first = str(whole[-1]) not in session.dev if whole else stage["validate_before"]
        own = {**stage, "validate_before": first}
        keys = verl_config.overrides(own, accelerator=accelerator, validation_file=str(validation_file), run=run, reward=reward, **paths)
        module = ["-m", "verl.trainer.main_ppo"]
    environment = verl_config.environment(accelerator) | {"TENSORBOARD_DIR": str(directory / "tensorboard")}
    (directory / "finished.json").unlink(missing_ok=True)  # what it says of an earlier end holds no longer
    code = run_verl(module, verl_config.arguments(keys), environment, log, session)
    if stage["algorithm"] == "supervised" and code == 0:
        session.seal_last()
    whole = checkpoints.steps(directory)
    total = session.progress.total
    complete = bool(code == 0 and total and whole and whole[-1] >= total)
    if session.paused and not complete:
        left = f"saved at step {whole[-1]}" if whole else "before its first checkpoint"
        print(f"{name}: ended as asked, {left}; the same command goes on from there", file=sys.stderr)
        raise Paused(INTERRUPTED)
    if code:
        limit = stage["watch"]["stall_minutes"]
        how = f"hung: it printed nothing for {limit:g} minutes (watch.stall_minutes)" if session.hung else f"ended with exit code {code}"
        left = f"; checkpoints up to step {whole[-1]} are kept, the same command goes on from there" if whole else ""
        raise UserError(f"{name}: verl {how}{_full_disk(directory, model)}; its log is {log}{left}")
    if not whole and not session.stopped_by:
        raise UserError(f"{name}: verl ended without a checkpoint; are there fewer problems than train_batch_size? its log is {log}")
    if not session.stopped_by:
        fingerprints.check_length(name, directory, total)
    if total and not session.stopped_by and not complete:
        raise UserError(f"{name}: verl ended at step {whole[-1]} of {total}; its log is {log}; the same command goes on from there")
