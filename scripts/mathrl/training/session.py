"""What happens beside verl while it trains: progress, collapse, budget, retention, and the polite end."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mathrl.config.stage import Stage
from mathrl.core.tensorboard import by_step
from mathrl.execution import notices, processes
from mathrl.training import checkpoints, flags, logged
from mathrl.training.budget import SECONDS, Spent
from mathrl.training.checkpoint_choice import DEV, choose
from mathrl.training.collapse import Monitor, describe
from mathrl.verl import stop_file

METRIC = re.compile(r"([\w/@.\-]+):(?:np\.\w+\()?(-?[\d.]+(?:e[+-]?\d+)?|-?inf|nan)\)?(?= - |\s*$)")
NETWORK = re.compile(r"NCCL INFO Using network (\w+)")  # IB, Socket or a plug-in's: how GPUs of different nodes talk
RAY_LATE = "The current node timed out during startup"  # of Ray's exception
AT_THE_START = 1 / 3  # of monitor.stall_minutes
MEASURED, PATIENCE, LEAST_SILENCE = 3, 10, 600  # steps before verl's silence is judged by its own; times its longest; seconds
TRAINED = ("critic/score/mean", "train/loss")  # a line with one of these is a step: of reinforcement, of supervision


def parse(text: str) -> tuple[int, dict[str, float]] | None:
    """Step and metrics of a line of verl's console log, or None for any other line."""
    place = text.find("step:")
    if place < 0 or " - " not in text:
        return None
    try:
        found = {key: float(value) for key, value in METRIC.findall(text[place:])}
        return (int(found.pop("step")), found) if "step" in found else None
    except (ValueError, OverflowError):  # a line that something else wrote into: 1.2.3, or a step that is nan
        return None


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
    """What happens beside verl while it trains: progress, monitor, budget, retention, and the polite end."""

    directory: Path
    stage: Stage
    progress: Progress
    monitor: Monitor
    spent: Spent
    dev: dict[str, float] = field(default_factory=dict)  # accuracy on the dev split by step
    loaded: bool = False  # its first validation, or its first step, begins
    stepping: bool = False  # verl has loaded everything and is at its first step, or beyond
    last_step: int = 0  # of the stage
    stopped_by: str | None = None  # why training was ended before its steps were done
    ended_by: str | None = None  # the key of the stage that did it: monitor or budget
    paused: bool = False
    hung: bool = False
    silent_minutes: float = 0.0  # before it was ended for it
    ray_late: bool = False  # Ray gave up on its own start
    network: str = ""  # that NCCL takes between nodes
    measured: int = 0  # steps whose silence, or whole time, is known
    last_line: float = 0.0  # of verl's output, monotonic seconds
    longest_silence: float = 0.0  # seconds between two lines since the first step began, or of a step before a resume

    def take_history(self, scalars: Mapping[str, list[tuple[int, float]]], until: int) -> None:
        """Replay the metrics of the steps before a resume, so that monitor and budget count the whole stage."""
        for step, metrics in by_step(scalars):
            if step <= until:
                self._take(step, metrics)
        self.last_step = until  # also without a line of its own, in checkpoints of earlier commits
        times = [[seconds for step, seconds in scalars.get(name, []) if step <= until] for name in SECONDS]
        # a silence is part of a step, or of the validation after it
        self.measured, self.longest_silence = len(times[0]), max(itertools.chain(*times), default=0.0)

    def _take(self, step: int, metrics: Mapping[str, float]) -> str | None:
        """Count a step in; the line about its collapse, its used-up budget, or None. What asks for an end first has ended the stage."""
        for key, value in metrics.items():
            if key.startswith(f"val-core/{DEV}/acc/mean@"):  # with several responses there are best@ and maj@ too
                self.dev[str(step)] = value
        if not set(TRAINED) & set(metrics):
            return None  # a validation without a step
        self.last_step = step
        self.measured += 1
        new = self.monitor.add(step, metrics)
        used_up = self.spent.add(metrics)
        said = "; ".join(describe(flag) for flag in new)
        if not self.ended_by and new and self.stage.monitor.stop:
            self.ended_by, self.stopped_by = "monitor", said
        elif self.ended_by in (None, "budget") and used_up:
            self.ended_by, self.stopped_by = "budget", used_up
        return "; ".join(filter(None, (said, used_up))) or None

    def follow(self, text: str) -> Iterator[str]:
        """Lines to show for a line of verl's output; asks for an end where one is due."""
        self.ray_late |= RAY_LATE in text and not self.stepping
        now = time.monotonic()
        if self.stepping:
            self.longest_silence = max(self.longest_silence, now - self.last_line)
        self.last_line = now
        if not self.network and (network := NETWORK.search(text)):
            self.network = network[1]
            yield f"{self.progress.name}: between nodes NCCL uses {self.network}" + (" (TCP)" if self.network == "Socket" else "")
        self.loaded |= stop_file.LOADED in text
        if stop_file.TOTAL in text:
            self.loaded = self.stepping = True
            with contextlib.suppress(ValueError):
                self.progress.total = int(text.split(stop_file.TOTAL)[1].split()[0])
        found = parse(text)
        if not found:
            return
        step, metrics = found
        if "train/loss" in metrics:
            self.mark_last_complete()  # the supervised trainer has no hook for it; what it saved before this step is on disk
        yield self.progress.line(step, metrics)
        flagged = len(self.monitor.flags)
        said = self._take(step, metrics)
        if len(self.monitor.flags) > flagged:
            self.note_flags()
            notices.send_beside("collapse", f"{self.progress.name}: {said}", step=step)
        if said:
            yield f"{self.progress.name}: {said}"
        self.ask_for_end()
        if set(TRAINED) & set(metrics) and step % self.stage.save_every == 0:
            self.retain()
            logged.note(self.directory, checkpoints.last(self.directory))

    def note_flags(self) -> None:
        """Write the monitor's flags beside the checkpoints, for whoever asks while it trains."""
        flags.note(self.directory, self.monitor.flags)

    def ask_for_end(self) -> None:
        """Pass on to verl what ended the stage: what was learnt until a collapse is not wanted, what a budget paid for is."""
        if self.ended_by and not self.paused:
            stop_file.ask(self.directory, stop_file.ABANDON if self.ended_by == "monitor" else stop_file.FINISH)

    def mark_last_complete(self) -> None:
        """Mark the checkpoint that verl's tracker names."""
        tracker = self.directory / checkpoints.TRACKER
        if tracker.exists():
            newest = self.directory / f"global_step_{tracker.read_text().strip()}"
            if newest.is_dir() and not (newest / checkpoints.MARK).exists():
                checkpoints.mark_complete(newest)

    def retain(self) -> None:
        """Remove checkpoints that nothing asks for: kept are the last few, the best on the dev split, and every n-th.

        A flag makes distrust a whole window of steps, so the newest checkpoint from before the window is kept too, else a flag
        could leave none. The oldest within the window is kept to take its place when the window has moved past it.
        """
        every = self.stage.save_every
        saved = checkpoints.steps(self.directory)
        saved = [step for step in saved if step % every == 0] or saved  # what an interruption saved takes nobody's place
        onset = self.monitor.onset
        best, _ = choose("best", saved, self.dev, onset)
        distrusted = self.last_step - self.monitor.window + 1 if onset is None else onset
        before = [step for step in saved if step < distrusted]
        within = saved[len(before) :] if onset is None else []
        checkpoints.retain(self.directory, self.stage.keep_last, self.stage.keep_every, every, best, *before[-1:], *within[:1])

    def interrupt(self, process: subprocess.Popen) -> None:
        """Carry out SIGTERM: save at the end of the step at work; before the first one begins there is nothing to save."""
        if self.paused:
            return
        self.paused = True
        if self.stepping:
            print(f"{self.progress.name}: asked to end: saves after the step at work", file=sys.stderr, flush=True)
            stop_file.ask(self.directory, stop_file.PAUSE)
        else:
            process.kill()

    def silence_limit(self) -> float:
        """Seconds of silence after which verl counts as hung: `monitor.stall_minutes`, or less where it starts or its steps are short.

        Until the first validation or step begins, verl, Ray and the engine say what they load: a third is enough. After a few steps
        ten times its longest silence is enough, which held a step, and mostly a validation and a save. Steps before a resume count too.
        """
        limit = 60.0 * (self.stage.monitor.stall_minutes or math.inf)
        if not self.loaded:
            return limit * AT_THE_START
        return min(limit, max(LEAST_SILENCE, PATIENCE * self.longest_silence)) if self.measured >= MEASURED else limit

    def end_if_silent(self, process: subprocess.Popen, last_sign: Callable[[], float], ended: threading.Event) -> None:
        """Kill a trainer that has printed nothing for `silence_limit`, until `ended`.

        verl's driver waits for ever for an engine that is gone (killed for its memory, say), and for a rank that hangs in NCCL.
        """
        while self.stage.monitor.stall_minutes and not ended.wait(min(5.0, self.silence_limit() / 10)):
            limit = self.silence_limit()
            if time.monotonic() - last_sign() > limit:
                self.hung = True
                self.silent_minutes = limit / 60
                print(f"{self.progress.name}: verl printed nothing for {limit / 60:g} minutes: ended", file=sys.stderr, flush=True)
                processes.send([process.pid, *processes.descendants(process.pid)], signal.SIGKILL)
                return
