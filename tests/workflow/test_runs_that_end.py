"""Training that is asked to end, killed, diverges or runs out of disk: nothing is lost and the words are clear."""

import contextlib
import functools
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch
from mathrl.core.tensorboard import read_scalars
from mathrl.execution import nodes, processes, secrets
from mathrl.training import checkpoints

from .conftest import ROOT, ShortTraining, wait_for

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(3600)]


def reached(short) -> int:
    """The last step that the compact lines name."""
    steps = [
        int(line.split(" step ")[1].split()[0]) for line in short.said().splitlines() if line.startswith("train ") and " step " in line
    ]
    return steps[-1] if steps else 0


def below(process) -> list[int]:
    """Handles of all processes below the supervisor. A handle, unlike a pid, is never another process's later on."""
    found = []
    for pid in processes.descendants(process.pid):
        with contextlib.suppress(ProcessLookupError):
            found.append(os.pidfd_open(pid))
    return found


def end(handles: list[int]) -> None:
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)


def killed(process, handles: list[int] | None = None) -> None:
    """SIGKILL to everything below the supervisor at once, so that nothing has the time to finish a write.

    `handles`: processes found before, where looking for them would take longer than the write.
    """
    end(handles or [])
    end(below(process))
    assert process.wait(timeout=60) == 128 + signal.SIGKILL


def weights(checkpoint: Path) -> str:
    """SHA-256 of the tensors of a checkpoint of one rank; the file around them holds names of the process."""
    (path,) = checkpoint.glob("actor/model_world_size_1_rank_0.pt")
    tensors = {name: getattr(value, "_local_tensor", value) for name, value in torch.load(path, weights_only=False).items()}
    return hashlib.sha256(b"".join(tensors[name].contiguous().numpy().tobytes() for name in sorted(tensors))).hexdigest()


@pytest.mark.full
def test_sigterm_saves_after_the_step_and_the_rerun_goes_on(short):
    stage = short.stage(steps=8, save_every=8, validate_every=8)
    process = short.start(stage)
    wait_for(lambda: reached(short) >= 2, 240, "step 2")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 143, short.said()
    (saved,) = checkpoints.steps(short.directory())
    assert 2 <= saved < 8
    assert f"ended as asked, saved at step {saved}; the same command goes on from there" in short.said()
    assert not (short.place / "manifest.json").exists()
    manifest = short.train(stage)
    assert f"goes on from step {saved}" in short.said() and manifest["steps"] == 8
    steps = [step for step, _ in read_scalars(manifest["tensorboard"])["critic/score/mean"]]
    assert steps == list(range(1, 9))


@pytest.mark.full
def test_a_killed_engine_does_not_hold_the_run_for_ever(short):
    """verl's driver waits for its engine without an end; the monitor ends it, and the rerun goes on."""
    stage = short.stage(steps=6, save_every=2)
    stage["monitor"] = stage["monitor"] | {"stall_minutes": 1.5}
    process = short.start(stage)
    wait_for(lambda: reached(short) >= 2, 240, "step 2")
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines()
    below = processes.descendants(process.pid)
    engines = [pid for pid, name in (line.split(None, 1) for line in listed[1:]) if "VLLM::Engine" in name and int(pid) in below]
    assert engines
    processes.send(map(int, engines), signal.SIGKILL)
    assert process.wait(timeout=300) == 2, short.said()
    assert "verl hung: it printed nothing for 1.5 minutes" in short.said() or "verl ended with exit code" in short.said()
    assert short.train(stage)["steps"] == 6 and "goes on from step" in short.said()


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("global_step_"))


def writing(directory: Path, part: str) -> bool:
    """Whether the newest checkpoint is being written, and has come as far as `part`; older ones may be on their way out."""
    newest = max(directory.glob("global_step_*"), key=step_of, default=None)
    return newest is not None and not (newest / checkpoints.MARK).exists() and any(newest.glob(part))


@pytest.mark.full
def test_twenty_kills_of_a_sixty_step_run(short, tmp_path):
    """At least 15 between the first and the last step, 3 inside a checkpoint's write; then an undisturbed run to compare with."""
    stage = short.stage(
        steps=60, save_every=2, validate_every=20, validate_before=False, keep_last=2, train_batch_size=12, mini_batch_size=12
    )
    chance = random.Random(7)
    aims = ["saving"] * 2 + ["starting"] * 2 + ["training"] * 15
    chance.shuffle(aims)
    aims.insert(0, "saving")  # the very first save, so that nothing whole is left
    parts = itertools.cycle(["actor", "actor/model_*", "actor/optim_*"])  # how far the write has come
    kills = dict.fromkeys(aims, 0)
    furthest = base = 0  # the last step that was trained, that was saved
    cut = []  # steps whose checkpoint the kill before has cut off
    resumed = set()  # steps that a start went on from
    seen = 0  # how much had been said at the last kill after a step

    def check_start(said: str) -> None:
        """What a start says of the checkpoints that it found."""
        for step in cut:
            assert f"global_step_{step}: was cut off while being written; removed" in said, (cut, said)
        assert (f"goes on from step {base}\n" in said) == (base > 0), (base, said)

    while aims:
        aim = aims.pop(0)
        process = short.start(stage)

        def stepped(step: int, process=process, seen=seen) -> bool:
            assert process.poll() is None, "the run ended before twenty kills: " + short.said()[-2000:]
            return f" step {step} of" in short.said()[seen:]

        if aim == "starting":
            time.sleep(chance.uniform(3, 12))
            handles = None
        else:
            wait_for(functools.partial(stepped, base + 1), 240, "a step", pause=0.02)
            check_start(short.said()[seen:])
            cut = []
            handles = below(process)
            if aim == "training":
                wait_for(functools.partial(stepped, base + chance.randint(1, 3)), 120, "further steps")
                time.sleep(chance.uniform(0.0, 2.0))
            else:
                wait_for(functools.partial(writing, short.directory(), next(parts)), 120, "a checkpoint at work", pause=0.0005)
        assert process.poll() is None, "the run ended before twenty kills: " + short.said()[-2000:]
        killed(process, handles)
        furthest = max(furthest, reached(short))
        resumed.add(base)
        if aim != "starting":
            whole, incomplete = checkpoints.steps(short.directory()), checkpoints.incomplete(short.directory())
            base = max(whole, default=0)
            cut, seen = incomplete, len(short.said())
            if aim == "saving" and base not in range(max(incomplete, default=0)):  # the write was quicker
                aims[aims.index("training")] = "saving"
                aim = "training"
        kills[aim] += 1
        assert furthest - base <= stage["save_every"], (furthest, base)
    assert kills["saving"] >= 3 and kills["training"] >= 15, kills
    manifest = short.train(stage)
    check_start(short.said()[seen:])
    assert manifest["steps"] == 60
    assert len(list(short.directory().glob("global_step_*"))) <= 5  # two newest, the best, two around the beginning of the monitor's window
    other = type(short)(short.demo, tmp_path / "undisturbed")
    other.place.mkdir()
    calm = other.train(stage)
    for source in ("dev", "demo_words"):
        assert manifest["validation"][source]["60"] == calm["validation"][source]["60"]
    assert weights(short.directory() / "global_step_60") == weights(other.directory() / "global_step_60")
    # the line of a saved step, which verl writes after the save, comes from the checkpoint where a kill cut it off
    logged = {step for step, _ in read_scalars(manifest["tensorboard"])["critic/score/mean"]}
    assert logged == set(range(1, 61)), (sorted(logged), resumed)
    assert {int(path.stem) for path in Path(manifest["rollouts"]).glob("*.jsonl")} == logged
    (short.place / "kills.json").write_text(json.dumps(kills))


@pytest.mark.full
def test_a_diverging_run_is_flagged_and_a_checkpoint_from_before_is_chosen(short):
    """The learning rate rises by the step: for a few the run learns, then it diverges."""
    stage = short.stage(
        steps=24,
        save_every=2,
        validate_every=2,
        learning_rate=0.02,
        warmup_steps=60,
        choose="best",
        keep_last=1,
        monitor={"window": 4},
    )
    manifest = short.train(stage)
    first = min(flag["step"] for flag in manifest["collapse"])
    began = first - 4 + 1  # the window that was flagged
    assert first <= 20, manifest["collapse"]
    assert "collapse flagged at step" in short.said()
    chosen, dev = manifest["chosen_step"], manifest["validation"]["dev"]
    assert 0 < chosen < began and dev[str(chosen)] > dev["0"], (chosen, began, manifest["saved_steps"], dev)
    assert f"checkpoints from step {began} on are out, the run collapsed there" in manifest["chosen_why"]
    assert checkpoints.is_complete(short.directory() / f"global_step_{chosen}")
    # the same with monitor.stop ends there, as the monitor is no part of the fingerprint
    shutil.rmtree(short.root)
    ended = short.train(stage | {"monitor": stage["monitor"] | {"stop": True}})
    assert ended["steps"] < 24 and "collapse flagged" in ended["stopped_by"]


@pytest.mark.full
def test_a_full_disk_during_a_save_keeps_the_checkpoint_before(short):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    short.root.mkdir()
    stage = short.stage(steps=10, save_every=2, keep_last=10)
    (one,) = (short.demo.directory / "checkpoints/grpo/main").glob("*/global_step_60")
    size = sum(path.stat().st_size for path in one.rglob("*"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(size * 4.6)}", "small", str(short.root)], check=True)
    try:
        short.train(stage, code=2)
        whole = checkpoints.steps(short.directory())
        assert whole and f"checkpoints up to step {whole[-1]} are kept" in short.said() and "no space left" in short.said().lower()
        assert short.train(stage | {"keep_last": 1})["steps"] == 10  # room for the last, the best, one for the monitor, and the next
    finally:
        subprocess.run(["umount", "-l", str(short.root)], check=True)


@pytest.mark.full
def test_a_budget_ends_a_run_and_a_raised_one_lets_it_go_on(short):
    stage = short.stage(steps=6, save_every=100, validate_every=100, budget={"tokens": 1000})
    manifest = short.train(stage)
    assert manifest["steps"] < 6 and "budget.tokens 1000 used up" in manifest["stopped_by"]
    assert manifest["generated_tokens"] >= 1000 and str(manifest["steps"]) in manifest["validation"]["dev"]
    assert short.train(stage)["steps"] == manifest["steps"] and "training was complete" in short.said()
    assert short.train(stage | {"budget": {"tokens": None, "gpu_hours": None}})["steps"] == 6


@pytest.mark.full
@pytest.mark.parametrize("changes", [{}, {"dynamic_batch": True}], ids=["padded", "packed"])
def test_two_ranks_train_as_one(short, changes):
    """FSDP2 over two CPU ranks with two vLLM replicas."""
    manifest = short.train(short.stage(**changes, gpus=2, micro_batch_size=8, micro_batch_size_log_prob=16))
    assert manifest["steps"] == 4 and manifest["max_probability_gap"] <= 1e-4


@pytest.mark.full
def test_two_trainings_of_a_host_at_once_do_not_meet(finished, tmp_path):
    """Each has a Ray that calls it job 01000000; the weights that an engine got are its own trainer's, as the gap says."""
    both = []
    for seed in (1, 2):
        place = tmp_path / str(seed)
        place.mkdir()
        short = ShortTraining(finished, place)
        both.append((short, short.start(short.stage(seed=seed))))
    for short, process in both:
        assert process.wait(timeout=900) == 0, short.said() + short.log()[-3000:]
        assert short.manifest()["steps"] == 4 and short.manifest()["max_probability_gap"] <= 1e-4


@pytest.mark.full
def test_two_ray_nodes_train_as_one(short, tmp_path, monkeypatch):
    """Two Ray nodes on loopback, a logical GPU each, as scripts/run_on_nodes.py starts them on two hosts of a SLURM job."""
    address = f"127.0.0.1:{nodes.free_port('127.0.0.1')}"
    mine = [sys.executable, str(ROOT / "scripts/run_on_nodes.py"), "--gpus", "1", "--cpus", "16", "--accelerator", "cpu"]
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for name, value in secrets.authentication().items():
        monkeypatch.setenv(name, value)
    environment = {**os.environ, "RAY_TMPDIR": tempfile.mkdtemp(prefix="ray-", dir="/tmp")}  # short: it holds sockets
    services = []
    for role in ("--head", "--join"):
        with open(tmp_path / f"ray{role}", "wb") as log:
            services.append(subprocess.Popen([*mine, role, address], env=environment, start_new_session=True, stdout=log, stderr=log))
    try:
        stage = short.stage(nodes=2, gpus=1, micro_batch_size=8, micro_batch_size_log_prob=16)
        manifest = short.train(stage, before=[*mine, "--drive", address, "--nodes", "2", "--"])
    finally:
        for service in services:
            service.send_signal(signal.SIGUSR1)
        assert [service.wait(timeout=60) for service in services]
    assert "all 2 nodes have joined, 2 ranks" in short.said()
    assert manifest["steps"] == 4 and manifest["max_probability_gap"] <= 1e-4
    shards = sorted(path.name for path in (short.directory() / "global_step_4/actor").glob("model_*.pt"))
    assert shards == ["model_world_size_2_rank_0.pt", "model_world_size_2_rank_1.pt"]
    assert not Path(environment["RAY_TMPDIR"]).exists()  # nothing of Ray is left


@pytest.mark.full
def test_a_supervised_stage_learns_given_solutions_and_exports(short):
    """verl's SFT trainer on solutions of training problems; a kill, a polite end, resumes, and a directory that transformers loads."""
    import polars

    train = polars.read_parquet(short.demo.directory / "results/grpo/main/train.parquet")
    problems = [info["original_problem"] for info in train["extra_info"].to_list()]
    answers = [info["ground_truth"] for info in train["reward_model"].to_list()]
    given = [f"The answer is \\boxed{{{answer}}}." for answer in answers]
    polars.DataFrame({"problem": [*problems[:64], "not a training problem"], "solution": [*given[:64], "x"]}).write_parquet(
        short.place / "s.parquet"
    )
    stage = short.stage(algorithm="supervised", solutions=str(short.place / "s.parquet"), steps=40, save_every=4, train_batch_size=16)
    process = short.start(stage)
    wait_for(lambda: reached(short) >= 5, 240, "step 5")
    killed(process)
    process = short.start(stage)
    wait_for(lambda: "goes on from step" in short.said() and reached(short) >= 9, 240, "step 9")
    seen = reached(short)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 143, short.said()
    saved = checkpoints.steps(short.directory())[-1]
    assert saved >= seen and f"ended as asked, saved at step {saved}; the same command goes on from there" in short.said()
    manifest = short.train(stage)
    assert f"goes on from step {saved}" in short.said() and manifest["steps"] == 40
    losses = [loss for _, loss in read_scalars(manifest["tensorboard"])["train/loss"]]
    assert losses[-1] < losses[0]
    exported = short.place / "model"
    command = [
        sys.executable,
        str(ROOT / "scripts/export_model.py"),
        "--manifest",
        str(short.place / "manifest.json"),
        "--accelerator",
        "cpu",
    ]
    subprocess.run([*command, "--out", str(exported)], check=True, capture_output=True)
    assert (exported / "config.json").is_file() and any(exported.glob("*.safetensors"))
