"""What `make gpu-check` reads of a training, and the page that it writes, on curves and memory with known values."""

import datetime
import time
from pathlib import Path

import psutil
import pytest
from mathrl.checks import gpu, gpu_figures, gpu_page, gpu_parts
from mathrl.config.experiment import Configuration
from mathrl.core.files import UserError
from mathrl.execution import nvidia
from mathrl.models import random_model
from mathrl.models.shape import OPENSEEK
from support.events import write_events
from support.waiting import wait_for

TIMES = {"gen": 4.0, "old_log_prob": 1.0, "adv": 0.5, "update_actor": 3.0, "update_weights": 1.0}
BEGAN = 1_000_000.0
KNOWN = {"timing_s/step": 4.0, "timing_s/gen": 2.0, "timing_s/update_actor": 1.0, "perf/total_num_tokens": 5000.0}
KNOWN |= {"response_length/mean": 60.0, "perf/mfu/actor": 0.0}


@pytest.fixture
def curves(tmp_path):
    """Three steps: the first takes twice as long, the last saves and validates. `other` is half a second."""
    from torch.utils.tensorboard import SummaryWriter

    writer, now = SummaryWriter(tmp_path / "tensorboard"), BEGAN + 100
    for step, (times, outside) in enumerate(
        ((dict.fromkeys(TIMES, 0.0) | {"gen": 19.5}, 0.0), (TIMES, 0.0), (TIMES | {"save_checkpoint": 2.0}, 7.0)), 1
    ):
        whole = sum(times.values()) + 0.5
        now += whole + outside
        logged = {f"timing_s/{tag}": seconds for tag, seconds in times.items()} | {"timing_s/step": whole}
        logged |= {"timing_s/testing": outside} if outside else {}
        logged |= {"perf/total_num_tokens": 5000, "response_length/mean": 60.0, "perf/mfu/actor": 0.4}
        logged |= {"training/rollout_probs_diff_mean": step / 1000, "training/rollout_probs_diff_max": step / 100}
        logged |= {"training/rollout_actor_probs_pearson_corr": 1 - step / 1000}
        for tag, value in logged.items():
            writer.add_scalar(tag, value, step, walltime=now)
    writer.close()
    return tmp_path / "tensorboard"


def test_cost_of_a_step(curves):
    # the second step lies at 120 to 130 s: rollout to 124, log-probabilities to 125, advantages, update to 128.5, sync to 129.5
    memory = [(BEGAN + 110, 9.0), (BEGAN + 122, 30.0), (BEGAN + 124.5, 11.0), (BEGAN + 127, 20.0), (BEGAN + 129, 25.0), (BEGAN + 170, 99.0)]
    found = gpu_figures.read(curves, memory, BEGAN, "tiny, ours")
    assert found["steps"] == 3 and found["start_seconds"] == 100.0
    assert found["seconds_per_step"] == 10.0 and found["steps_per_hour"] == 360.0, "a save is no part of it, nor is the first step"
    assert found["tokens_per_second"] == 500.0 and found["response_tokens"] == 60.0
    assert found["shares"] == {"rollout": 0.4, "log-probabilities": 0.1, "advantages": 0.05, "update": 0.3, "sync": 0.1, "other": 0.05}
    assert found["mfu_update"] == pytest.approx(0.4) and found["mfu_step"] == pytest.approx(0.4 * 3 / 10)
    assert found["memory_gib"] == {"rollout": 30.0, "log-probabilities": 11.0, "update": 20.0, "sync": 25.0}
    assert found["gap_mean"] == pytest.approx(0.003) and found["gap_max"] == pytest.approx(0.03)
    assert found["correlation"] == pytest.approx(0.997)


def test_a_gpu_whose_peak_is_not_known_has_no_mfu(tmp_path):
    """verl divides by infinity there, and logs 0."""
    write_events(tmp_path, [(step, tag, value) for step in (1, 2) for tag, value in KNOWN.items()])
    found = gpu_figures.read(tmp_path, [], BEGAN, "tiny, ours")
    assert found["mfu_update"] is None and found["mfu_step"] is None and found["steps"] == 2


def test_fewer_gpus_than_are_asked_for_are_one_line(tmp_path, monkeypatch):
    one = nvidia.Gpu("0", "GPU-1", "NVIDIA H100", "580.65.06", "Default", 80 << 30, 0)
    monkeypatch.setattr(nvidia, "gpus", lambda names: [one])
    monkeypatch.setattr(gpu, "check_host", lambda accelerator: {"device": one.name, "memory_gib": 80.0})
    with pytest.raises(UserError, match=r"--gpus 2: this host shows 1; ask for fewer, or widen CUDA_VISIBLE_DEVICES"):
        gpu_parts.host(check(tmp_path, accelerator="cuda", shapes=("openseek",), gpus=2))
    assert gpu_parts.host(check(tmp_path, accelerator="cuda", shapes=("openseek",)))["driver"] == "580.65.06"


def test_adapters_and_float16_are_held_against_the_engine_too(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_parts, "_trained", lambda *given: trained(3.0, gap=0.01))
    with pytest.raises(UserError, match="trainer and engine disagree"):
        gpu_parts.variant(check(tmp_path), "lora", {"lora": gpu_parts.LORA})


def test_a_training_without_a_step(tmp_path):
    with pytest.raises(UserError, match="tiny, ours: logged no step"):
        gpu_figures.read(tmp_path, [], BEGAN, "tiny, ours")


def test_memory_is_looked_at_while_the_block_runs(monkeypatch):
    monkeypatch.setattr(gpu_figures, "SECONDS_BETWEEN", 0.01)
    with gpu_figures.memory_seen("cpu") as seen:
        time.sleep(0.2)
    most = len(seen)
    assert most >= 3 and all(0 < used < 10_000 for _, used in seen)
    time.sleep(0.05)
    assert len(seen) == most


def test_a_part_that_takes_too_long_is_ended_with_all_its_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log"
    begin = time.monotonic()
    assert gpu.execute(["bash", "-c", "sleep 600 & echo $! > pid; wait"], log, seconds=1.0) == "it took longer than 1 s and was ended"
    assert time.monotonic() - begin < 20
    wait_for(lambda: not psutil.pid_exists(int(Path("pid").read_text())), 10, "its child is gone")  # init reaps it
    assert gpu.execute(["bash", "-c", "echo error: no way; exit 2"], log) == "no way" and gpu.execute(["true"], log) is None


def test_a_training_has_a_directory_of_its_own_which_goes_with_it(tmp_path, monkeypatch):
    """On a host that is shared, verl's sockets in /tmp would have the names of another user's."""
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    shown = ["bash", "-c", 'echo "$RAY_TMPDIR"; test -d "$RAY_TMPDIR"; exit 3']
    why = gpu.execute(shown, tmp_path / "log")
    (place,) = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("/")]
    assert why == "it ended with exit code 3" and place.startswith("/tmp/mathrl-ray-") and not Path(place).exists()
    monkeypatch.setenv("MATHRL_GPUS", "0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert "asks for 1 GPU(s) and this host shows none" in gpu.execute(["true"], tmp_path / "log", gpus=1)


def check(folder, **changes):
    wanted = {"accelerator": "cpu", "shapes": ("tiny",), "steps": 3, "gpus": 1, "minutes": 8.0, "config": Configuration()} | changes
    return gpu_parts.Check(folder=folder, **wanted)


def trained(seconds, gap=1e-7):
    return {
        "steps": 3,
        "start_seconds": 40.0,
        "seconds_per_step": seconds,
        "steps_per_hour": 3600 / seconds,
        "tokens_per_second": 5000 / seconds,
        "response_tokens": 32.0,
        "mfu_update": 0.25,
        "mfu_step": 0.1,
        "shares": {"rollout": 0.5, "update": 0.3, "other": 0.2},
        "memory_gib": {"rollout": 12.0, "update": 8.0},
        "gap_mean": gap,
        "gap_max": 10 * gap,
        "correlation": 0.99987,
    }


STAGE = {"train_batch_size": 16, "mini_batch_size": 8, "micro_batch_size": 24, "rollout_n": 6, "max_prompt_length": 256}
STAGE |= {"max_response_length": 32, "dtype": "float32"}
RESULTS = {
    "host": {"device": "CPU, 2 cores", "memory_gib": 0.0, "commit": "abc", "versions": {"torch": "2.11.0"}},
    "tokenizer": {},
    "tiny/weights": {"parameters": 250_000_000},
    "tiny/ours": {**trained(4.0), "reward_seconds": 0.02, "reward_share": 0.005, "table_gib": {"update": 9.5}, "stage": STAGE},
    "tiny/plain": trained(5.0),
    "tiny/sampling": {"samples": 64, "tokens_per_second": 1234, "engine_seconds": 1.0, "with_export_and_start": 30.0},
    "kill": {"killed_after": 2},
    "resume": {"killed_after": 2, "steps": 4, "seconds_of_the_second_start": 50.0},
    "lora": trained(3.0, 2e-4),
}


@pytest.fixture
def parts(monkeypatch):
    """The parts of a check that do nothing but count; what `broken` names fails."""
    done, broken = [], set()

    def part(name):
        def work(_check):
            done.append(name)
            if name in broken:
                raise UserError("out of memory")
            return RESULTS[name]

        return work

    needs = [(name, needed, part(name)) for name, needed, _ in gpu_parts.parts(check("."))]
    monkeypatch.setattr(gpu_parts, "parts", lambda _check: iter(needs))
    return done, broken


def test_parts_are_not_done_twice_and_failures_are_tried_again(tmp_path, parts):
    done, broken = parts
    broken.add("tiny/ours")
    said = []
    records = gpu_parts.run(check(tmp_path), said.append)
    failed = {record["part"]: record["failed"] for record in records if record["failed"]}
    assert failed == {"tiny/ours": "out of memory", "tiny/sampling": "not done, because tiny/ours failed"}
    assert "tiny/plain" in done and "tiny/sampling" not in done, "what does not need it is done all the same"
    assert "- tiny/ours: out of memory" in gpu_page.page(check(tmp_path), records, datetime.date(2026, 11, 29))
    done.clear()
    broken.clear()
    records = gpu_parts.run(check(tmp_path), said.append)
    assert done == ["tiny/ours", "tiny/sampling"] and not any(record["failed"] for record in records)
    with pytest.raises(UserError, match="holds a check of other settings"):
        gpu_parts.run(check(tmp_path, steps=4), said.append)


def test_a_host_that_cannot_is_one_line(tmp_path, parts):
    _, broken = parts
    broken.add("host")
    with pytest.raises(UserError, match="out of memory"):
        gpu_parts.run(check(tmp_path / "new"), print)
    assert not (tmp_path / "new").exists()


def test_the_page(tmp_path, parts):
    page = gpu_page.page(check(tmp_path), gpu_parts.run(check(tmp_path), print), datetime.date(2026, 11, 29))
    assert page.startswith("# GPU check: 1 × CPU, 2 cores\n\n2026-11-29, commit abc. torch 2.11.0.")
    assert "0.250 billion parameters, float32; 16 prompts × 6 responses of up to 32 tokens per step, 3 steps." in page
    assert "| tokens/s, prompts and responses | 1,250 | 1,000 | 1.25 |" in page, "above 1: ours is the faster"
    assert "| reward, one after the other (goal: at most 1 %) | 0.50% | – |" in page
    assert "| update | 8.0 | 9.5 |" in page and "| sync | – | – |" in page
    assert (
        "differ by 1e-07 on average" in page
        and "their correlation is 0.9999." in page
        and "vLLM alone samples 1,234 tokens/s (64 responses)." in page
    )
    assert "A kill after step 2" in page and "Adapters (LoRA): 3.00 s per step" in page and "a CPU has no kernels" in page
    assert page.endswith("## What failed\n\nNothing.\n")


SMALL = {"hidden_size": 128, "intermediate_size": 256, "moe_intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL |= {"num_key_value_heads": 2, "n_routed_experts": 8, "num_experts_per_tok": 2, "vocab_size": 2000}


@pytest.mark.parametrize("sizes", [gpu_parts.SHAPES["tiny"], OPENSEEK | SMALL], ids=["dense", "experts"])
def test_random_weights_have_a_token_for_each_row_and_none_that_is_certain(tmp_path, sizes):
    """reference: with the demo's 512 tokens and Qwen's 151,936 rows trainer and engine differed by 0.27 on average. A small model said
    each token again, with a probability of 1."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

    few = Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[]))
    PreTrainedTokenizerFast(tokenizer_object=few, eos_token="<end>").save_pretrained(tmp_path / "small")
    (tmp_path / "small/config.json").write_text('{"eos_token_id": 2}')
    random_model.write(tmp_path / "model", tokenizer_of=tmp_path / "small", sizes=sizes)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    assert len(tokenizer) == model.config.vocab_size == 2000
    assert tokenizer("ab")["input_ids"] == [0, 1] and tokenizer.eos_token_id == 2
    assert tokenizer.decode([0, 1999, 1]) == "a <|row_1999|> b"
    with torch.no_grad():
        likely = model(torch.arange(3, 100)[None]).logits[0].float().softmax(-1)
    most, which = likely.max(-1)
    assert most.mean() < 0.5 and (which == torch.arange(3, 100)).float().mean() < 0.2, "nor is a token said again and again"


@pytest.mark.parametrize("gib", [24.0, 48.0, 80.0, 141.0])
@pytest.mark.parametrize("gpus", [1, 2, 6, 8])
@pytest.mark.parametrize("shape", gpu_parts.ON_A_GPU)
def test_a_stage_on_a_gpu_divides_and_fits(tmp_path, monkeypatch, gib, gpus, shape):
    monkeypatch.setattr(gpu_parts.Check, "_memory", lambda self: gib)
    asked = check(tmp_path, accelerator="cuda", shapes=(shape,), gpus=gpus)
    if gib == 24.0 and gpus == 1 and shape != "qwen3-0.6b":
        with pytest.raises(UserError, match=f"{shape}: does not fit: an update takes"):
            asked.stage(shape, 6)
        return
    stage = asked.stage(shape, 6)
    assert stage.dtype == "bfloat16" and stage.rollouts_per_step == stage.train_batch_size * 6 == 264 * gpus


@pytest.mark.parametrize("wrong", [["--shapes", "huge"], ["--steps", "1"], ["--minutes", "0"], ["--minutes", "nan"], ["--minutes", "inf"]])
def test_wrong_arguments_are_one_line(script, tmp_path, wrong):
    done = script("measure_gpu.py", "--accelerator", "cpu", "--directory", tmp_path / "check", *wrong)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not (tmp_path / "check").exists(), done.stderr


def test_a_directory_that_is_a_file_is_one_line(script, tmp_path):
    (tmp_path / "file").write_text("")
    done = script("measure_gpu.py", "--accelerator", "cpu", "--directory", tmp_path / "file")
    assert done.returncode == 2 and done.stderr == f"error: --directory: {tmp_path / 'file'} is a file; give a directory\n"


def test_a_directory_of_other_files_stays_as_it_is(tmp_path, parts):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mine").write_text("weights")
    with pytest.raises(UserError, match="holds other files; give a DIRECTORY that is empty or new"):
        gpu_parts.run(check(tmp_path), print)
    assert [path.name for path in tmp_path.rglob("*")] == ["models", "mine"]


@pytest.mark.parametrize("text", ['"x"', "[]", '{"failed": null, "result": {}}', "{"])
def test_a_damaged_record_is_named(tmp_path, parts, text):
    gpu_parts.run(check(tmp_path), print)
    (tmp_path / "parts/tiny-ours.json").write_text(text)
    with pytest.raises(UserError, match=r"tiny-ours\.json"):
        gpu_parts.run(check(tmp_path), print)


def test_a_directory_that_cannot_be_made_is_one_line(script, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("file/below", "loop", "x" * 300):
        done = script("measure_gpu.py", "--accelerator", "cpu", "--directory", tmp_path / name)
        assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("error: "), done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_the_whole_check_on_a_cpu(script, tmp_path):
    """Each part for real, at tiny sizes: ours, verl's own, a kill and a resume, adapters, export and sampling."""
    done = script("measure_gpu.py", "--accelerator", "cpu", "--directory", tmp_path / "check", "--steps", 3, timeout=2300)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "| tokens/s, prompts and responses |" in done.stdout and "## What failed\n\nNothing." in done.stdout
    again = script("measure_gpu.py", "--accelerator", "cpu", "--directory", tmp_path / "check", "--steps", 3, timeout=60)
    assert again.returncode == 0 and again.stderr == "", "nothing is done twice"
