"""`make gpu-check`: what trainings cost on this GPU, in parts of a few minutes each, which are not done twice.

For each shape: random weights, GRPO steps by ours, the same by verl's own plain trainer, export and sampling. Of the smallest shape
besides: a kill and a resume, adapters, float16. The folder keeps each part's record (`parts/*.json`); the same command goes on with
those that are missing or failed.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from mathrl.checks import gpu, gpu_figures
from mathrl.checks.records import HostFound, Killed, Ours, Part, Result, Resumed, Sampled, Trained, Weights
from mathrl.config.batches import check_batches
from mathrl.config.experiment import Configuration
from mathrl.config.messages import parse
from mathrl.config.stage import Stage
from mathrl.core.files import UserError, read_checked_json, read_json, write_checked_json, write_json
from mathrl.core.provenance import provenance
from mathrl.core.tensorboard import read_scalars
from mathrl.models.records import ModelConfig
from mathrl.models.usual import USUAL
from mathrl.training import memory

# The sizes that are measured, by the name that a user types. `tiny` is for a CPU.
SHAPES: dict[str, ModelConfig] = {
    "openseek": USUAL["BAAI/OpenSeek-Small-v1-SFT"],
    "qwen3-0.6b": USUAL["Qwen/Qwen3-0.6B"],
    "qwen2.5-math-1.5b": USUAL["Qwen/Qwen2.5-Math-1.5B"],
    "tiny": USUAL["Qwen/Qwen3-0.6B"]
    | {"vocab_size": 2000, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"num_key_value_heads": 2, "head_dim": 32},  # heads of 16 are beyond vLLM on a CPU
}
ON_A_GPU = ("openseek", "qwen3-0.6b", "qwen2.5-math-1.5b")
# Per GPU a sixth of the finalist's step, in two updates that verl need not pad; on a CPU the small numbers of the short check.
SIZES: dict[str, dict[str, object]] = {
    "cuda": {"train_batch_size": 44, "mini_batch_size": 22, "micro_batch_size": 12, "micro_batch_size_log_prob": 12}
    | {"max_prompt_length": 512, "max_response_length": 512, "gpu_memory_utilization": 0.5},
    "cpu": {"max_response_length": 32},
}
LORA = {"rank": 16, "alpha": 32, "targets": "all-linear"}
FEW = 3  # steps of a part that only shows that something works
KILLED_AT, RESUMED_TO = 2, 4
RESPONSES = {"cuda": 64, "cpu": 4}  # to each of sixteen problems, when sampling is measured


@dataclass(frozen=True)
class Check:
    """What is asked for.

    Attributes:
        folder: for everything that is made.
        accelerator: `cuda` or `cpu`.
        shapes: names of `SHAPES`.
        steps: of each training whose steps are measured, at least 2.
        gpus: of a training; batches grow with it.
        minutes: that a part may take.
        config: whose prompt and training settings are used.
    """

    folder: Path
    accelerator: str
    shapes: tuple[str, ...]
    steps: int
    gpus: int
    minutes: float
    config: Configuration

    @property
    def asked(self) -> dict[str, object]:
        """What must not change in a folder."""
        return {"accelerator": self.accelerator, "shapes": list(self.shapes), "steps": self.steps, "gpus": self.gpus}

    @property
    def seconds(self) -> float:
        """That a part may take."""
        return 60 * self.minutes

    @property
    def smallest(self) -> str:
        """The shape with the fewest parameters."""
        return min(self.shapes, key=lambda shape: memory.read_model(SHAPES[shape]).parameters)

    def stage(self, shape: str, steps: int) -> Stage:
        """The stage that is measured, with micro-batches that fit the GPU by the memory table.

        Raises:
            UserError: it does not fit, or the batches do not divide.
        """
        settings = {**gpu.SETTINGS, **SIZES[self.accelerator], "gpus": self.gpus, "steps": steps, "save_every": steps}
        for key in ("train_batch_size", "mini_batch_size"):
            settings[key] = cast(int, settings[key]) * self.gpus
        kept = cast(int, settings["train_batch_size"]) * cast(int, gpu.SETTINGS["rollout_n"])  # all, so that their reward can be timed
        settings |= {"validate_every": 10**6, "validate_before": False, "rollouts_per_step": kept}
        settings["dtype"] = "bfloat16" if self.accelerator == "cuda" else "float32"
        stage = parse(Stage, self.config.training.model_dump() | settings, "gpu-check")
        gib = self._memory()
        if gib:
            model = memory.read_model(SHAPES[shape])
            changes = memory.changes(model, stage, gib * memory.GIB)
            if changes is None:
                raise UserError(f"{shape}: {memory.advice(model, stage, gib * memory.GIB)}")
            stage = stage.changed(**changes)
        check_batches(stage)
        return stage

    def _memory(self) -> float:
        """GiB of the GPU; 0 on a CPU."""
        host = self.record("host")
        return cast(HostFound, host["result"])["memory_gib"] if host and host["result"] else 0.0

    def work(self, part: str) -> Path:
        """Where a part works."""
        return self.folder / "work" / part.replace("/", "-")

    def place(self, part: str) -> Path:
        """The same, made anew, with rows to train on."""
        folder = self.work(part)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        gpu.write_data(folder, self.config.prompt, seed=1)
        return folder

    def model(self, shape: str) -> Path:
        """The random weights of a shape."""
        return self.folder / "models" / shape

    def file(self, part: str) -> Path:
        """A part's record."""
        return self.folder / "parts" / f"{part.replace('/', '-')}.json"

    def record(self, part: str) -> Part | None:
        """What a part left, if it ended.

        Raises:
            UserError: it is not as it was written.
        """
        return cast(Part, read_checked_json(self.file(part))) if self.file(part).exists() else None


def host(check: Check) -> HostFound:
    """The GPU, its driver and what is installed."""
    from mathrl.execution import nvidia

    found = nvidia.gpus(nvidia.own()) if check.accelerator == "cuda" else []
    nvidia.check(found)
    made_by = provenance()
    told: HostFound = {**gpu.check_host(check.accelerator), "commit": made_by["git_commit"], "versions": made_by["versions"]}
    if found and len(found) < check.gpus:
        raise UserError(f"--gpus {check.gpus}: this host shows {len(found)}; ask for fewer, or widen CUDA_VISIBLE_DEVICES")
    if found:
        told |= {"driver": found[0].driver, "link": nvidia.slowest_link(found[: check.gpus])}
    return told


def tokenizer(check: Check) -> Weights:
    """The demo's model, whose tokenizer the random weights get."""
    folder = check.folder / "models"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = gpu.make_model(folder, check.config.prompt)
    return {"parameters": memory.read_model(cast(ModelConfig, read_json(model / "config.json"))).parameters}


def weights(check: Check, shape: str) -> Weights:
    """Random weights of a shape."""
    from mathrl.models import random_model

    shutil.rmtree(check.model(shape), ignore_errors=True)
    random_model.write(check.model(shape), tokenizer_of=check.folder / "models/base", sizes=SHAPES[shape])
    return {"parameters": memory.read_model(SHAPES[shape]).parameters}


def ours(check: Check, shape: str) -> Ours:
    """GRPO steps by ours: their cost, memory beside the table's, and what the reward takes of them."""
    folder, stage = check.place(f"{shape}/ours"), check.stage(shape, check.steps)
    trained = _trained(check, folder, stage, shape)
    gpu.check_gap(trained["gap_mean"], stage.dtype, trained["correlation"])
    judged = reward_seconds(folder)
    share = judged / trained["seconds_per_step"]
    expected = memory.estimate(memory.read_model(SHAPES[shape]), stage, check._memory() * memory.GIB)
    table = {"update": expected["update"], "rollout": expected["rollout"]} if check.accelerator == "cuda" else {}
    table_gib = {phase: round(size / memory.GIB, 2) for phase, size in table.items()}
    sizes = {key: getattr(stage, key) for key in ("train_batch_size", "mini_batch_size", "micro_batch_size", "rollout_n")}
    sizes |= {key: getattr(stage, key) for key in ("max_prompt_length", "max_response_length", "dtype")}
    return {**trained, "reward_seconds": round(judged, 4), "reward_share": round(share, 5), "table_gib": table_gib, "stage": sizes}


def _trained(check: Check, folder: Path, stage: Stage, shape: str) -> Trained:
    began = time.time()
    with gpu_figures.memory_seen(check.accelerator, check.gpus) as seen:
        manifest = gpu.train(folder, stage, check.accelerator, check.model(shape), check.seconds)
    return gpu_figures.read(Path(manifest["tensorboard"]), seen, began, f"{shape}, ours")


def reward_seconds(folder: Path) -> float:
    """Seconds that our reward takes for the samples of the last step that `gpu.train` left in `folder`, one after the other."""
    import reward

    files = sorted(folder.glob("checkpoints/*/*/*/rollouts/*.jsonl"), key=lambda path: int(path.stem))
    rows = [json.loads(line) for line in files[-1].read_text(encoding="utf-8").splitlines()]
    reward.compute_score("check", rows[0]["output"], rows[0]["gts"])  # imports, once in each worker
    began = time.perf_counter()
    for row in rows:
        reward.compute_score("check", row["output"], row["gts"], {"original_problem": row["input"]})
    return time.perf_counter() - began


def plain(check: Check, shape: str) -> Trained:
    """The same steps by verl's own trainer."""
    from mathrl.checks import plain_grpo

    folder, stage = check.place(f"{shape}/plain"), check.stage(shape, check.steps)
    began = time.time()
    with gpu_figures.memory_seen(check.accelerator, check.gpus) as seen:
        curves = plain_grpo.train(folder, stage, check.accelerator, check.model(shape), check.seconds)
    return gpu_figures.read(curves, seen, began, f"{shape}, verl's own")


def sampling(check: Check, shape: str) -> Sampled:
    """Export of what ours trained, and the engine's throughput."""
    folder = check.work(f"{shape}/ours")
    began = time.time()
    made = gpu.sample(
        folder, check.stage(shape, check.steps), check.config.prompt, check.accelerator, RESPONSES[check.accelerator], check.seconds
    )
    whole = time.time() - began
    speed = made["tokens"] / max(made["seconds"], 1e-9)
    return {
        "samples": made["made"],
        "tokens_per_second": round(speed),
        "engine_seconds": round(made["seconds"], 1),
        "with_export_and_start": round(whole, 1),
    }


def _killed(check: Check) -> tuple[Path, Stage]:
    """Where a training is killed and goes on, and its stage."""
    return check.work("resume"), check.stage(check.smallest, RESUMED_TO).changed(save_every=KILLED_AT)


def kill(check: Check) -> Killed:
    """A kill after the first checkpoint, as a host that loses its power."""
    folder, stage = _killed(check)
    check.place("resume")
    command = gpu.training_command(folder, stage, check.accelerator, check.model(check.smallest))
    process = gpu.start(command, folder / "train.log", gpus=gpu.gpus_of(stage, check.accelerator))
    try:
        until = time.monotonic() + check.seconds
        while not list(folder.glob(f"checkpoints/*/*/*/global_step_{KILLED_AT}/whole.json")):
            if process.poll() is not None:
                raise UserError(
                    f"training ended with exit code {process.returncode} before it was killed; its log is {folder / 'train.log'}"
                )
            if time.monotonic() > until:
                raise UserError(f"no checkpoint within {check.seconds:.0f} s; its log is {folder / 'train.log'}")
            time.sleep(0.5)
    finally:
        gpu.end(process)
    return {"killed_after": KILLED_AT}


def resume(check: Check) -> Resumed:
    """The same command again: each step once, none lost."""
    folder, stage = _killed(check)
    began = time.time()
    manifest = gpu.train(folder, stage, check.accelerator, check.model(check.smallest), check.seconds)
    curves = read_scalars(manifest["tensorboard"])
    steps = [step for step, _ in curves["timing_s/step"]]
    if steps != list(range(1, RESUMED_TO + 1)):
        raise UserError(f"after a kill at step {KILLED_AT} the steps are {steps}, not 1 to {RESUMED_TO}; its log is {folder / 'train.log'}")
    return {"killed_after": KILLED_AT, "steps": manifest["steps"], "seconds_of_the_second_start": round(time.time() - began, 1)}


def variant(check: Check, name: str, keys: dict[str, object]) -> Trained:
    """A few steps of the smallest shape with other settings; trainer and engine agree as they do without."""
    folder, stage = check.place(name), check.stage(check.smallest, FEW).changed(**keys)
    trained = _trained(check, folder, stage, check.smallest)
    gpu.check_gap(trained["gap_mean"], stage.dtype, trained["correlation"])
    return trained


def parts(check: Check) -> Iterator[tuple[str, tuple[str, ...], Callable[[Check], Result]]]:
    """Each part: its name, the parts that it needs, and what it does."""
    yield "host", (), host
    yield "tokenizer", ("host",), tokenizer
    for shape in check.shapes:
        yield f"{shape}/weights", ("tokenizer",), partial(weights, shape=shape)
        yield f"{shape}/ours", (f"{shape}/weights",), partial(ours, shape=shape)
        yield f"{shape}/plain", (f"{shape}/weights",), partial(plain, shape=shape)
        yield f"{shape}/sampling", (f"{shape}/ours",), partial(sampling, shape=shape)
    small = (f"{check.smallest}/weights",)
    yield "kill", small, kill
    yield "resume", ("kill",), resume
    yield "lora", small, partial(variant, name="lora", keys={"lora": LORA})
    if check.accelerator == "cuda":  # a CPU has no float16
        yield "float16", small, partial(variant, name="float16", keys={"dtype": "float16"})


def run(check: Check, say: Callable[[str], None]) -> list[Part]:
    """Do the parts that are not done; returns all records, failures among them.

    Raises:
        UserError: the folder holds a check of other settings or other files, cannot be written, or this host cannot be checked.
    """
    asked = check.folder / "asked.json"
    if asked.exists():
        if (there := read_json(asked)) != check.asked:
            raise UserError(f"{check.folder}: holds a check of other settings ({json.dumps(there)}); give another DIRECTORY, or remove it")
    elif check.folder.is_dir() and any(check.folder.iterdir()):  # parts make their folders anew
        raise UserError(f"{check.folder}: holds other files; give a DIRECTORY that is empty or new")
    records: dict[str, Part] = {}
    for name, needed, work in parts(check):
        done = check.record(name)
        if done and not done["failed"]:
            records[name] = done
            continue
        missing = next((other for other in needed if records[other]["failed"]), None)
        say(f"{name} …")
        began = time.monotonic()
        result, failed = (None, f"not done, because {missing} failed") if missing else _tried(work, check)
        if name == "host" and failed:
            raise UserError(failed)
        try:
            write_json(asked, check.asked)  # not on a host that cannot be checked
        except OSError as error:
            raise UserError(f"{check.folder}: cannot be written: {error.strerror}; give another DIRECTORY") from None
        records[name] = {"part": name, "seconds": round(time.monotonic() - began, 1), "result": result, "failed": failed}
        write_checked_json(check.file(name), {"schema_version": 1, **records[name], "provenance": provenance(config=check.asked)})
        say(f"{name}: {failed or 'done'}, {records[name]['seconds']:.0f} s")
        if not failed:
            _tidy(check, name)
    return list(records.values())


def _tidy(check: Check, part: str) -> None:
    """Remove gigabytes of checkpoints that no part needs any more."""
    if not part.endswith("/ours"):  # that is what `sampling` exports
        for spent in (part, part.replace("/sampling", "/ours")):
            shutil.rmtree(check.work(spent), ignore_errors=True)


def _tried(work: Callable[[Check], Result], check: Check) -> tuple[Result | None, str | None]:
    try:
        return work(check), None
    except UserError as error:
        return None, str(error)
