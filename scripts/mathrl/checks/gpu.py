"""Does this machine train and sample? A few real steps of verl's GRPO, then vLLM on the exported model, and a verdict in plain words.

The model is the demo's, made on the spot; on a GPU its step time says that everything works, not how fast a large model will be.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from mathrl.checks.records import Checked, Figures, Host
from mathrl.config.batches import check_batches
from mathrl.config.sources import Prompt
from mathrl.config.stage import Stage
from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError, read_json, write_jsonl
from mathrl.data.records import Item
from mathrl.evaluation.records import Generation
from mathrl.execution import compiler, processes
from mathrl.training import verl_log
from mathrl.training.records import Manifest
from mathrl.training.symptoms import explain

# Mean difference of token probabilities between trainer and engine: rounding in bfloat16, an eighth of it in float16, little in float32.
LARGEST_GAP = {"bfloat16": 0.02, "float16": 0.0025, "float32": 1e-4}
# And their correlation: random weights spread the probability over hundreds of tokens, so that other weights differ by less than that.
# Rounding in OpenSeek's sizes, where it sends tokens to other experts, left 0.976 on a CPU; of other weights it is 0.
LEAST_CORRELATION = 0.8
SETTINGS = {
    "gpus": 1,
    "nodes": 1,
    "epochs": 1000,
    "train_batch_size": 16,
    "mini_batch_size": 8,
    "micro_batch_size": 24,
    "micro_batch_size_log_prob": 48,
    "rollout_n": 6,
    "max_prompt_length": 256,
    "max_response_length": 64,
    "gpu_memory_utilization": 0.3,
    "choose": "last",
}


def check_host(accelerator: str) -> Host:
    """What the check will run on.

    Raises:
        UserError: no GPU, a driver that torch cannot use, or a package or a compiler that is missing.
    """
    for package in ("torch", "vllm", "verl"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"{package} is missing; install envs/{accelerator}.txt or run in the image containers/{accelerator}.sif")
    if accelerator == "cpu":
        return {"device": f"CPU, {os.cpu_count()} cores", "memory_gib": 0.0}
    if not Path("/dev/nvidiactl").exists() and not Path("/dev/dxg").exists():
        raise UserError("no CUDA device on this machine; run on one with an NVIDIA GPU, or check the CPU path with --accelerator cpu")
    import torch

    if torch.version.cuda is None:
        raise UserError(f"torch {torch.__version__} is built for the CPU; install envs/cuda.txt or run in the image containers/cuda.sif")
    try:
        torch.cuda.init()
        properties = torch.cuda.get_device_properties(0)
    except (RuntimeError, AssertionError) as error:
        raise UserError(explain(str(error)) or f"torch cannot use the GPU: {str(error).splitlines()[0]}") from None
    if properties.major < 8:
        raise UserError(f"{properties.name} has compute capability {properties.major}.{properties.minor}; bfloat16 needs 8.0 or newer")
    compiler.check()
    return {"device": properties.name, "memory_gib": round(properties.total_memory / (1 << 30), 1)}


def write_data(folder: Path, prompt: Prompt, seed: int) -> None:
    """Training and validation rows in verl's columns and one benchmark, of the demo's problems."""
    import polars as pl

    from mathrl.data.verl_rows import benchmark_frame, verl_rows
    from mathrl.demo.world import make_world

    world = make_world(seed, 512, 16, 0)
    items = world["benchmarks"]["demo_words"]
    rows: list[Item] = [{"id": str(i), "problem": row["prompt"], "answer": row["solution"]} for i, row in enumerate(world["problems"])]
    prefix = prompt.instruction + prompt.separator
    for name, content, source in (("train", rows, "check"), ("val", items, "dev")):
        table = benchmark_frame(content)
        verl_rows(table, pl.lit(source), prefix, pl.int_range(len(table), eager=True)).write_parquet(folder / f"{name}.parquet")
    write_jsonl(folder / "demo_words.jsonl", items)


def call(script: str, log: Path, *arguments: object, seconds: float | None = None) -> None:
    """Run one of the workflow's scripts.

    Raises:
        UserError: it failed, or took longer than `seconds`; says what its log means, or its last words, and where the log is.
    """
    why = execute([sys.executable, str(SCRIPTS / script), *map(str, arguments)], log, seconds=seconds)
    if why:
        raise UserError(f"{script} failed: {why}; its log is {log}")


def start(command: Sequence[object], log: Path, environment: Mapping[str, str] | None = None, gpus: int = 0) -> subprocess.Popen:
    """Start a command below a supervisor, its output appended to `log`: it ends with this process, and leaves nothing behind.

    It has `gpus` GPUs that no other job of this user has. In /tmp, where Ray's files would lie else, another user's verl has sockets of the
    same names.
    """
    own = {processes.OWNER: processes.owner_token(), **(environment or {})}
    supervised = [sys.executable, str(SCRIPTS / "run_job.py"), "--gpus", str(gpus), "--grace", "5", "--", *map(str, command)]
    with open(log, "ab") as out:
        return subprocess.Popen(supervised, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **own})


def execute(
    command: Sequence[object], log: Path, environment: Mapping[str, str] | None = None, seconds: float | None = None, gpus: int = 0
) -> str | None:
    """Run a command as `start` does; after `seconds` it is ended, with all its processes.

    Returns:
        Why it failed: what its log means, its last words, or its exit code. None: it did not.
    """
    process = start(command, log, environment, gpus)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
        return f"it took longer than {seconds:.0f} s and was ended"
    if not code:
        return None
    text = log.read_text(errors="replace")
    said = [line.strip() for line in text.splitlines() if line.startswith("error: ") or re.match(r"\w*(Error|Exception)\b", line)]
    return explain(text) or (said[-1].removeprefix("error: ") if said else f"it ended with exit code {code}")


def gpus_of(stage: Stage, accelerator: str) -> int:
    """GPUs of a training."""
    return stage.gpus if accelerator == "cuda" else 0


def end(process: subprocess.Popen) -> None:
    """Kill a process with all that it started, at once, as a host that loses its power does."""
    processes.send([process.pid, *processes.descendants(process.pid)], signal.SIGKILL)
    process.wait()


def make_model(folder: Path, prompt: Prompt) -> Path:
    """The demo's model with little training, made on the spot; it tells that everything works, and has a tokenizer."""
    instruction = prompt.instruction + prompt.separator
    short = ["--pretraining-steps", 80, "--supervised-steps", 60, "--items", 16]
    call("make_demo_model.py", folder / "model.log", "--instruction", instruction, *short, "--out", folder / "base")
    return folder / "base"


def training_command(folder: Path, stage: Stage, accelerator: str, model: Path) -> list[object]:
    """The command that trains a stage in `folder`, which holds the rows of `write_data`."""
    data = ["--train", folder / "train.parquet", "--validation", folder / "val.parquet", "--checkpoints", folder / "checkpoints"]
    where = ["--log", folder / "verl.log", "--manifest", folder / "manifest.json"]
    program = [sys.executable, SCRIPTS / "train_policy.py", "--run", "check", "--config", json.dumps(stage.model_dump())]
    return [*program, "--accelerator", accelerator, "--model", model, *data, *where]


def train(folder: Path, stage: Stage, accelerator: str, model: Path, seconds: float | None = None) -> Manifest:
    """Train a stage in `folder`; returns its manifest.

    Raises:
        UserError: it failed, or took longer than `seconds`; names the logs.
    """
    command = training_command(folder, stage, accelerator, model)
    why = execute(command, folder / "train.log", seconds=seconds, gpus=gpus_of(stage, accelerator))
    if why:
        logs = [*folder.glob(f"checkpoints/*/*/*/{verl_log.NAME}"), folder / "verl.log"]
        verl = "".join(log.read_text(errors="replace") for log in logs if log.exists())
        raise UserError(f"training failed: {explain(verl) or why}; its logs are {folder / 'train.log'} and {logs[0]}")
    return cast(Manifest, read_json(folder / "manifest.json"))


def sample(folder: Path, stage: Stage, prompt: Prompt, accelerator: str, responses: int = 4, seconds: float | None = None) -> Generation:
    """Export what `train` left in `folder`, and let vLLM write so many responses to each of sixteen problems.

    Raises:
        UserError: it failed, or took longer than `seconds`; names the log.
    """
    exported = ["--manifest", folder / "manifest.json", "--accelerator", accelerator, "--out", folder / "model"]
    call("export_model.py", folder / "export.log", *exported, seconds=seconds)
    length = stage.max_response_length
    protocol = {"prompt": "training", "temperature": 1.0, "top_p": 1.0, "n": responses, "greedy": False, "max_tokens": length, "seed": 0}
    engine = {"batch_size": max(64, 16 * responses), "dtype": stage.dtype, "gpu_memory_utilization": 0.5}
    sampling = ["--name", "check", "--model", folder / "model", "--protocols", json.dumps({"check": protocol})]
    sampling += ["--prompt", json.dumps(prompt.model_dump()), "--benchmark", f"demo_words={folder / 'demo_words.jsonl'}"]
    sampling += ["--engine", json.dumps(engine), "--accelerator", accelerator, "--store", folder / "samples"]
    call("generate_samples.py", folder / "generate.log", *sampling, "--out", folder / "generation.json", seconds=seconds)
    return cast(Generation, read_json(folder / "generation.json"))


def run(
    *,
    folder: Path,
    training: Stage,
    prompt: Prompt,
    accelerator: str,
    steps: int,
    model: Path | None,
    openseek_sizes: bool,
    say: Callable[[str], None],
) -> Checked:
    """Train with the stage settings `training`, export and sample in `folder`; returns what was measured.

    Raises:
        UserError: batch numbers that do not divide, a part that failed, or trainer and engine disagree on the probabilities of tokens.
    """
    check_batches(training)  # verl itself would find out minutes later
    host = check_host(accelerator)
    say(f"on {host['device']}" + (f", {host['memory_gib']} GiB" if host["memory_gib"] else ""))
    dtype = "bfloat16" if accelerator == "cuda" else "float32"
    write_data(folder, prompt, seed=1)
    if model is None:
        say("making a small model")
        model = make_model(folder, prompt)
    if openseek_sizes:
        from mathrl.models import random_model

        say("making random weights in OpenSeek's sizes")
        random_model.write(folder / "openseek", tokenizer_of=model)
        model = folder / "openseek"
    stage = training.changed(steps=steps, save_every=steps, validate_every=steps, dtype=dtype)
    say(f"training {steps} steps with verl")
    manifest = train(folder, stage, accelerator, model)
    say("exporting and sampling with vLLM")
    generation = sample(folder, stage, prompt, accelerator)
    return {**host, "dtype": dtype, **measure(manifest, generation)}


def measure(manifest: Manifest, generation: Generation) -> Figures:
    """Figures of a finished run.

    Raises:
        UserError: probabilities of trainer and engine are missing, no number, or differ by more than rounding.
    """
    from mathrl.core.tensorboard import read_scalars

    scalars = {tag: [value for _, value in points] for tag, points in read_scalars(Path(manifest["tensorboard"])).items()}

    def last(tag: str) -> float | None:
        return round(scalars[tag][-1], 4) if scalars.get(tag) else None

    times = scalars.get("timing_s/step", [])
    gaps = scalars.get("training/rollout_probs_diff_mean", [])
    figures: Figures = {
        "steps": manifest["steps"],
        "seconds_per_step": round(statistics.median(times[1:] or times), 3),  # the first one compiles and warms up
        "train_tokens_per_second": last("perf/throughput"),
        "peak_memory_gib": last("perf/max_memory_allocated_gb"),
        "mfu": last("perf/mfu/actor"),
        "probability_gap_mean": max(gaps, default=None),
        "probability_gap_max": manifest["max_probability_gap"],
        "samples": generation["made"],
        "sampling_tokens_per_second": round(generation["tokens"] / max(generation["seconds"], 1e-9)),
    }
    correlations = scalars.get("training/rollout_actor_probs_pearson_corr", [])
    check_gap(figures["probability_gap_mean"], manifest["config"]["dtype"], min(correlations, default=None))
    return figures


def check_gap(gap: float | None, dtype: str, correlation: float | None = None) -> None:
    """Trainer and engine must see the same policy, else the gradient is of another one; a correlation may be unknown, or no number."""
    if gap is None:
        raise UserError("verl logged no probability gap between trainer and engine; is actor_rollout_ref.rollout.calculate_log_probs on?")
    why = "the weights that vLLM got are not the trainer's, or its kernels are broken on this GPU"
    if not gap <= LARGEST_GAP[dtype]:
        raise UserError(
            f"trainer and engine disagree: token probabilities differ by {gap:.2g} on average, rounding in {dtype} makes "
            f"{LARGEST_GAP[dtype]:g} at most; {why}"
        )
    if correlation is not None and correlation < LEAST_CORRELATION:
        raise UserError(
            f"trainer and engine disagree: the correlation of their token probabilities is {correlation:.2f}, below {LEAST_CORRELATION}; "
            f"{why}"
        )


def verdict(figures: Checked) -> str:
    """The lines to print when everything worked."""
    memory = f", peak memory {figures['peak_memory_gib']:.1f} GiB" if figures["peak_memory_gib"] else ""
    mfu = f", MFU {figures['mfu']:.2%} (a tiny model cannot fill a GPU)" if figures["mfu"] else ""
    return (
        f"OK: {figures['device']}\n"
        f"  training  {figures['steps']} steps, {figures['seconds_per_step']} s each, "
        f"{figures['train_tokens_per_second']:.0f} tokens/s{memory}{mfu}\n"
        f"  sampling  {figures['samples']} responses, {figures['sampling_tokens_per_second']} tokens/s with vLLM\n"
        f"  agreement token probabilities of trainer and engine differ by {figures['probability_gap_mean']:.2g} on average "
        f"({LARGEST_GAP[figures['dtype']]:g} allowed in {figures['dtype']})"
    )
