"""Where every run of a directory stands, by the files that training leaves. Nothing is written, no lock is taken, and files that are
half-written or damaged say less, never an error. The study may be at work, dead, or on a cluster's other nodes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mathrl.core.files import JsonObject, read_object
from mathrl.execution import processes, slurm, snakemake_log
from mathrl.execution.snakemake_log import changed, last_words, tail
from mathrl.training import budget, flags, verl_log
from mathrl.training.checkpoint_choice import DEV
from mathrl.training.collapse import describe
from mathrl.training.session import TRAINED, parse
from mathrl.verl import stop_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # as the configuration allows for runs and stages
TAIL = 4 << 20  # bytes of verl's log: some thousand steps
RECENT = 20  # steps whose mean time says how long the rest takes; validations and saves among them
FRESH = 15 * 60  # seconds since verl's last line after which a training whose process cannot be seen counts as silent


@dataclass(frozen=True)
class Standing:
    """One run at its newest stage.

    Attributes:
        state: waiting, queued, training, silent, failed, ended (before its steps were done) or trained.
        step, total: of the stage.
        reward: mean of the last step, or its loss where it is supervised.
        dev: accuracy on the held-out problems, with their number where it is known.
        left: seconds until the stage's steps are done, by the last ones.
        flags: of the monitor, a line each.
        error: the last one, in one line.
    """

    run: str
    stage: str
    state: str
    step: int | None = None
    total: int | None = None
    reward: float | None = None
    loss: float | None = None
    dev: float | None = None
    dev_problems: int | None = None
    left: float | None = None
    silent: float | None = None  # seconds since verl's last line
    flags: tuple[str, ...] = ()
    error: str = ""
    why: str = ""  # what ended the stage before its steps were done


@dataclass
class _Log:
    """What the end of verl's log says."""

    step: int | None = None
    total: int | None = None
    last: Mapping[str, float] = field(default_factory=dict)
    dev: float | None = None
    seconds: float | None = None  # per step
    changed: float = 0.0


def standings(root: Path, now: float | None = None) -> list[Standing]:
    """Each run below `root` that has data, checkpoints or a manifest, by name."""
    stages: dict[str, set[str]] = {}
    for pattern in ("checkpoints/*/*/*/fingerprint.json", "results/*/*/manifest.json", "results/*/*/data.json"):
        for path in root.glob(pattern):
            run, stage = path.relative_to(root).parts[1:3]
            if NAME.fullmatch(run) and NAME.fullmatch(stage):
                stages.setdefault(run, set()).add(stage)
    called = snakemake_log.newest(root)
    jobs = slurm.jobs_of(root, "train_policy")
    found = []
    for run in sorted(stages):
        stage = max(sorted(stages[run]), key=lambda name: _last_sign(root, run, name))
        found.append(_standing(root, run, stage, called, jobs, time.time() if now is None else now))
    return found


def _last_sign(root: Path, run: str, stage: str) -> tuple[float, float]:
    """When a stage trained last, then when its data came."""
    directory = _directory(root, run, stage)
    trained = [root / "results" / run / stage / "manifest.json", *([directory / verl_log.NAME] if directory else [])]
    return max(map(changed, trained)), changed(root / "results" / run / stage / "data.json")


def _directory(root: Path, run: str, stage: str) -> Path | None:
    """The checkpoint directory that was written last."""
    found = [path.parent for path in (root / "checkpoints" / run / stage).glob("*/fingerprint.json")]
    return max(found, key=lambda path: max(changed(path), changed(path / verl_log.NAME)), default=None)


def _read_log(path: Path) -> _Log:
    found = _Log(changed=changed(path))
    lines = tail(path, TAIL).splitlines(keepends=True)
    seconds: list[float] = []
    for line in reversed(lines[:-1] if lines and not lines[-1].endswith("\n") else lines):  # the last one may be half there
        step, metrics = parse(line) or (None, {})
        if step is None:
            continue
        if found.dev is None:
            found.dev = next((value for key, value in metrics.items() if key.startswith(f"val-core/{DEV}/acc/mean@")), None)
        if set(TRAINED) & set(metrics):
            if found.step is None:
                found.step, found.last = step, metrics
            seconds.append(sum(metrics.get(tag, 0.0) for tag in budget.SECONDS))
        if len(seconds) >= RECENT and found.dev is not None:
            break
    recent = [value for value in seconds[:RECENT] if value > 0]
    found.seconds = sum(recent) / len(recent) if recent else None
    found.total = _total(path)
    return found


def _total(path: Path) -> int | None:
    """Steps that verl's driver announced last, wherever in its log that is."""
    mark, later = stop_file.TOTAL.encode(), b""
    try:
        with open(path, "rb") as handle:
            place = handle.seek(0, 2)
            while place > 0:
                place = max(0, place - TAIL)
                handle.seek(place)
                part = handle.read(TAIL) + later
                if found := re.findall(re.escape(mark) + rb"(\d{1,12})\b", part):
                    return int(found[-1])
                later = part[:64]  # a line that two parts share
    except OSError:
        pass
    return None


def _standing(root: Path, run: str, stage: str, called: snakemake_log.Progress | None, jobs: Mapping[str, str], now: float) -> Standing:
    results, directory = root / "results" / run / stage, _directory(root, run, stage)
    counts = read_object(results / "data.json").get("counts")
    dev_problems = counts.get("dev") if isinstance(counts, dict) and isinstance(counts.get("dev"), int) else None
    log = _read_log(directory / verl_log.NAME) if directory else _Log()
    begun = log.step if log.step is not None else (0 if directory else None)
    told = Standing(run, stage, "waiting", begun, log.total, dev=log.dev, dev_problems=dev_problems)
    manifest = read_object(results / "manifest.json")
    if manifest and changed(results / "manifest.json") >= log.changed:
        return _trained(told, manifest, log)
    raised = tuple(filter(None, map(_described, flags.noted(directory)))) if directory else ()
    alive = _alive(directory)
    job = jobs.get(f"{run}_{stage}")
    error = "" if alive or job == "RUNNING" else _error(root, run, stage, called, directory)
    silent = now - log.changed if log.changed else None
    if job == "PENDING":
        state = "queued"
    elif alive or job == "RUNNING":
        state = "training"
    elif error:
        state = "failed"
    elif directory is None:
        state = "waiting"
    else:
        state = {None: "silent" if silent is None or silent > FRESH else "training", False: "ended"}[alive]
    left = log.seconds * (log.total - log.step) if state == "training" and log.seconds and log.total and log.step is not None else None
    own = {"left": left, "flags": raised, "error": error, "silent": silent if state in ("training", "silent") else None}
    return Standing(**{**vars(told), **_losses(log.last), **own, "state": state})


def _losses(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {"reward": metrics.get("critic/score/mean"), "loss": metrics.get("train/loss")}


def _trained(told: Standing, manifest: JsonObject, log: _Log) -> Standing:
    """A stage that has its manifest."""
    step, why, raised = manifest.get("steps"), manifest.get("stopped_by"), manifest.get("collapse")
    step = step if isinstance(step, int) else told.step
    validation = manifest.get("validation")
    curve = validation.get(DEV) if isinstance(validation, dict) else None
    known = curve.items() if isinstance(curve, dict) else ()
    points = {int(at): value for at, value in known if at.isdecimal() and isinstance(value, int | float)}
    own = {
        "state": "trained",
        "step": step,
        "total": told.total or step,
        "dev": points[max(points)] if points else told.dev,
        "why": why if isinstance(why, str) else "",
        "flags": tuple(filter(None, map(_described, raised if isinstance(raised, list) else []))),
    }
    return Standing(**{**vars(told), **_losses(log.last), **own})


def _described(flag: Any) -> str:
    try:
        return describe(flag)
    except (KeyError, TypeError, ValueError):
        return ""


def _alive(directory: Path | None) -> bool | None:
    """Whether a job of this host trains in a directory, by the job that its lock file names; None if that cannot be known."""
    if directory is None:
        return False
    job = tail(directory / "writer.lock", 4096).strip()
    if not job:
        return False  # a training signs it out at its end
    return None if processes.supervisor(job) is None else not processes.supervisor_is_gone(job)


def _error(root: Path, run: str, stage: str, called: snakemake_log.Progress | None, directory: Path | None) -> str:
    """The last error of a run in one line: by its job's logs, and by Snakemake's."""
    found: list[tuple[float, str]] = []
    written = changed(directory / verl_log.NAME) - 1 if directory else 0.0  # later attempts have gone beyond older errors
    of_rule = root / f"logs/train_policy/{run}/{stage}.log"
    words = last_words(of_rule)
    if words.startswith("cause: "):
        found.append((changed(of_rule), f"train_policy: {words.removeprefix('cause: ')}"))
    for path in (root / f"logs/slurm/rule_train_policy/{run}_{stage}").glob("*.log"):
        words = last_words(path)
        if words.startswith("error: "):
            found.append((changed(path), words.removeprefix("error: ")))
    if found and max(found)[0] >= written:
        return max(found)[1]
    for failure in reversed(called.failures if called else ()):
        if any(Path(name).parts[:2] == ("results", run) for name in failure.outputs):
            return f"{failure.rule}: {snakemake_log.in_words(root, failure)}"
    return ""
