"""Presets: usual models on 1 to 8 GPUs of three sizes get numbers that verl takes without padding and memory that fits, or one line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mathrl.config import batches, reading, validation
from mathrl.config.stage import Stage
from mathrl.core.files import UserError
from mathrl.data.downloads import pin_rows
from mathrl.models.usual import USUAL
from mathrl.training import memory, presets

# Billions, as published; biases and norms are below the last digit.
PUBLISHED = {
    "BAAI/OpenSeek-Small-v1-SFT": 1.39, "Qwen/Qwen3-0.6B": 0.60, "Qwen/Qwen2.5-Math-1.5B": 1.54, "Qwen/Qwen3-1.7B": 1.72,
    "Qwen/Qwen2.5-1.5B-Instruct": 1.54,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": 1.78, "meta-llama/Llama-3.2-3B-Instruct": 3.21, "Qwen/Qwen2.5-Math-7B": 7.62,
    "meta-llama/Llama-3.1-8B-Instruct": 8.03, "Qwen/Qwen3-8B": 8.19,
}  # fmt: skip
NAMED = ("BAAI/OpenSeek-Small-v1-SFT", "Qwen/Qwen3-0.6B", "Qwen/Qwen2.5-Math-1.5B", "Qwen/Qwen2.5-Math-7B")


@pytest.mark.parametrize("name", USUAL)
def test_the_sizes_are_the_published_ones(name):
    assert memory.read_model(USUAL[name]).parameters / 1e9 == pytest.approx(PUBLISHED[name], abs=0.006)


@pytest.mark.parametrize("gib", [24, 40, 80])
@pytest.mark.parametrize("gpus", presets.GPUS)
def test_what_is_written_divides_and_fits(gpus, gib):
    refused = set()
    for name, config in USUAL.items():
        try:
            stage = Stage().changed(**presets.preset(config, gpus, gib))
        except UserError as error:
            assert re.fullmatch(r"\d\.\d\d billion parameters do not fit on \d GPU\(s\) of \d+ GiB: .*", str(error))
            refused.add(name)
            continue
        assert batches.check_batches(stage) == [], "no padding"
        model = memory.read_model(config)
        assert memory.fits(memory.estimate(model, stage, gib * memory.GIB), stage, gib * memory.GIB), name
        if stage.lora:
            assert not memory.fits(memory.estimate(model, stage.changed(lora=None), gib * memory.GIB), stage, gib * memory.GIB)
    assert not refused or (gib < 80 and gpus <= 2 and all(PUBLISHED[name] > 3 for name in refused))


def test_other_numbers_of_gpus_are_one_line():
    with pytest.raises(UserError, match="--gpus 5: do not divide mini-batches of 88 prompts with 6 responses each; 1, 2, 4, 6, 8 do"):
        presets.preset(USUAL["Qwen/Qwen3-0.6B"], 5, 80)


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
@pytest.mark.parametrize("name", NAMED)
def test_four_base_models_by_name_resolve(config, root, script, tmp_path, name, gpus):
    """The file that is written, over config.yaml, through every check of the workflow that needs no data."""
    out = tmp_path / "mine.yaml"
    done = script("write_preset.py", "--model", f"{name}@{'a' * 40}", "--gpus", str(gpus), "--out", out)
    assert done.returncode == 0, done.stderr
    found, _ = validation.validate(reading.merge(config, yaml.safe_load(out.read_text())), lambda path: pin_rows(root / path))
    stage = found.stage("grpo", "main")
    assert (found.base_model, stage.gpus, stage.train_batch_size) == (f"{name}@{'a' * 40}", gpus, 264)


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["openseek", f"Qwen/Qwen2.5-Math-7B@{'a' * 40}", f"nobody/knows-it@{'a' * 40}"])
def test_without_a_preset_they_resolve_or_the_numbers_that_work_are_named(config, root, name, gpus):
    """A model that no list of ours knows is taken by name like the others; its sizes are looked at when it is there."""
    own = {"base_model": name, "training": {"gpus": gpus}}
    if gpus == 8:
        with pytest.raises(UserError, match=r"micro_batch_size 4 must divide the 54 samples .*; nearest that do: 2, 3, 6$"):
            validation.validate(reading.merge(config, own), lambda path: pin_rows(root / path))
        own["training"]["micro_batch_size"] = 3
    found, _ = validation.validate(reading.merge(config, own), lambda path: pin_rows(root / path))
    assert found.base_model == name and found.training.gpus == gpus


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model", "nobody/nothing", "--gpus", "2"], "is no directory with a config.json and none of"),
        (["--model", "Qwen/Qwen3-8B", "--gpus", "1", "--memory", "16"], "do not fit on 1 GPU(s) of 16 GiB"),
        (["--model", "Qwen/Qwen3-8B", "--gpus", "0"], "must be above 0"),
    ],
)
def test_bad_input_is_one_line(script, tmp_path, more, message):
    done = script("write_preset.py", *more, "--out", tmp_path / "mine.yaml")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and message in done.stderr, done.stderr
    assert not (tmp_path / "mine.yaml").exists()


def dry_run(root, tmp_path, name, keys):
    """Exit code and words of a dry run of the whole study with this base model and these keys of `training`."""
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"base_model": name, "training": keys}))
    snakemake = root / ".venv-driver/bin/snakemake"
    if not snakemake.exists():
        pytest.skip("make env has not been run here: no .venv-driver")
    command = [snakemake, "-n", "-q", "-s", root / "Snakefile", "--configfile", root / "config.yaml", tmp_path / "mine.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.full
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_snakemake_resolves_every_preset(root, tmp_path, name, gpus):
    code, said = dry_run(root, tmp_path, f"{name}@{'b' * 40}", presets.preset(USUAL[name], gpus, 80))
    assert code == 0, said[-3000:]


@pytest.mark.parametrize("gpus", [4, 5])
def test_snakemake_resolves_or_names_the_numbers_that_work(root, tmp_path, gpus):
    name = "Qwen/Qwen2.5-Math-1.5B"
    code, said = dry_run(root, tmp_path, f"{name}@{'b' * 40}", presets.preset(USUAL[name], 4, 80) | {"gpus": gpus})
    assert (code == 0) == (gpus == 4), said[-3000:]
    if gpus == 5:
        assert "train_batch_size 264 and mini_batch_size 88 times rollout_n 6 must divide by 5 GPUs; nearest that do:" in said


@pytest.mark.parametrize(
    ("config", "given", "says"),
    [
        ("[]", {}, "is no model's configuration"),
        (
            json.dumps(dict(USUAL["Qwen/Qwen2.5-Math-1.5B"]) | {"num_attention_heads": 0, "head_dim": None}),
            {},
            "is no model's configuration",
        ),
        ("{}", {"--memory": "inf"}, "--memory: must be finite"),
        ("{}", {"--out": "."}, "is a directory"),
        ("{}", {"--model": "Qwen/Qwen2.5-Math-1.5B@a\nx: 1"}, "control character"),
    ],
)
def test_odd_arguments_are_one_line(tmp_path, config, given, says):
    (tmp_path / "config.json").write_text(config)
    words = {"--model": str(tmp_path), "--gpus": "1", "--out": str(tmp_path / "new.yaml")} | given
    script = Path(__file__).resolve().parents[2] / "scripts/write_preset.py"
    done = subprocess.run([sys.executable, script, *(word for pair in words.items() for word in pair)], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and says in done.stderr
    assert not (tmp_path / "new.yaml").exists()
