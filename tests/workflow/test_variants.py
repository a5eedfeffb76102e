"""Each shipped variant trains with real verl, and is really on: by TensorBoard and by the configuration that verl resolved."""

import json
from fractions import Fraction
from itertools import islice

import pytest
import yaml
from mathrl.config import batches
from mathrl.config.stage import Stage
from mathrl.core.tensorboard import read_scalars
from support import method_diffs, variants
from support.settings import stage_of

from .conftest import ROOT

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(1200)]


def small_batch(run: str) -> dict[str, int]:
    """The shipped batch numbers in small, in their ratio: the report's 264 / 72 is 11 / 3, which verl pads; 264 / 88 is 12 / 4."""
    shipped = stage_of(yaml.safe_load((ROOT / "config.yaml").read_text()), run)
    batch = 11 if run == "grpo" else 12
    mini = Fraction(shipped.mini_batch_size, shipped.train_batch_size) * batch
    assert mini.denominator == 1
    return {"train_batch_size": batch, "mini_batch_size": int(mini), "micro_batch_size": int(mini) * 4}


@pytest.mark.parametrize("run", variants.SHOWN)
def test_a_variant_trains_and_is_on(short, run):
    changes = {"overlong_penalty": {"buffer": 30, "factor": 0.5}} if run == "dapo" else {}
    stage = short.stage(run, **small_batch(run), rollouts_per_step=1000, **changes)
    samples = stage["train_batch_size"] * stage["rollout_n"]
    notices = batches.check_batches(Stage(**stage))
    assert ("from 44 to 48 samples (4 masked, 4 updates a step)" in notices[0]) if run == "grpo" else notices == []
    manifest = short.banked(stage, run=run)
    assert manifest["steps"] == 4 and manifest["stopped_by"] is None
    assert manifest["max_probability_gap"] <= 1e-4  # trainer and engine see the same policy, padded or packed
    curves = {tag: [value for _, value in points] for tag, points in read_scalars(manifest["tensorboard"]).items()}
    variants.check(run, short.directory(), curves)
    assert variants.updates(short.directory() / "global_step_4") == 4 * (4 if run == "grpo" else 3)
    # terms and verdicts reach the trainer's own curves; whole rollouts are kept; what verl pads with is counted nowhere
    assert len(curves["reward_terms/correct"]) == 4
    assert curves["grader/equal"] == pytest.approx([samples * mean for mean in curves["reward_terms/correct"]])
    verdicts = [values for tag, values in curves.items() if tag.startswith("grader/")]
    assert [sum(step) for step in zip(*verdicts, strict=True)] == [samples] * 4
    generated = [samples * mean for mean in curves["response_length/mean"]]
    kept = [json.loads(line) for line in (short.directory() / "rollouts/4.jsonl").read_text().splitlines()]
    assert len(kept) == samples and {"input", "output", "gts", "score", "status", "pred", "acc"} <= kept[0].keys()
    assert all("Question:" in row["input"] and row["gts"] for row in kept)
    assert manifest["tokens"] == sum(curves["training/tokens"])
    assert (manifest["tokens"] < sum(curves["perf/total_num_tokens"])) == (run == "grpo")
    if run == "dapo":
        variants.check_overlong_penalty(curves)
        # what dynamic sampling threw away was generated too
        assert sum(curves["training/generated_tokens"]) > sum(generated)
    else:
        assert curves["training/generated_tokens"] == pytest.approx(generated)
        assert manifest["generated_tokens"] == pytest.approx(sum(generated))


def methods():
    """Shipped runs of one stage that a CPU can train and that are not tried above."""
    golden = yaml.safe_load(method_diffs.GOLDEN.read_text())
    return [run for run in golden if run not in variants.SHOWN and run != "float16"]


@pytest.mark.parametrize("run", methods())
def test_a_method_trains_and_is_on(short, run):
    """What verl resolved has what the golden says of it, but for the sizes, which are small here."""
    sizes = ("data.train_batch_size", "trainer.total_epochs")
    batch = {"train_batch_size": 12, "mini_batch_size": 4, "micro_batch_size": 16}
    batch |= {"rollout_n": 2, "micro_batch_size": 8, "micro_batch_size_log_prob": 8} if run == "pairs" else {}
    stage = short.stage(run, **batch)
    assert batches.check_batches(Stage(**stage)) == []
    manifest = short.banked(stage, run=run)
    assert manifest["steps"] == 4 and manifest["stopped_by"] is None
    assert manifest["max_probability_gap"] <= 1e-4
    resolved = dict(method_diffs.flat(json.loads((short.directory() / "verl_config.json").read_text())))
    for key, value in yaml.safe_load(method_diffs.GOLDEN.read_text())[run].items():
        if key not in sizes and not key.endswith("ppo_mini_batch_size"):
            assert resolved[key] == value, key
    curves = {tag: [value for _, value in points] for tag, points in read_scalars(manifest["tensorboard"]).items()}
    moved = max(curves["critic/advantages/max"])
    assert (moved == 0) == (run == "control-constant")
    if run.startswith("control-"):  # what the arm pays is its own term, and nothing else
        (term,) = [tag for tag in curves if tag.startswith("reward_terms/")]
        assert curves["critic/score/mean"] == pytest.approx(curves[term])


@pytest.mark.parametrize("dynamic_sampling", [False, True])
def test_prompts_are_drawn_by_their_history_and_a_resumed_training_draws_the_same(short, tmp_path, dynamic_sampling):
    """12 prompts, some of which the trained model always solves: from the second pass on those are left out nearly always."""
    import polars as pl

    rows, model = tmp_path / "rows.parquet", short.demo.directory / "results/grpo/model"
    pl.read_parquet(short.demo.directory / "results/grpo/main/train.parquet").head(12).write_parquet(rows)
    more = {"skipping": {"explore": 0.05, "useless": 0.25, "change": 0.0}, "dynamic_sampling": dynamic_sampling, "save_every": 5}
    sizes = {"train_batch_size": 4, "mini_batch_size": 4, "validate_before": False, "rollouts_per_step": 1000, "learning_rate": 1e-9}
    stage = short.stage("greso", steps=10, **sizes, **more)
    stage["verl"] = {"trainer.test_freq": -1}
    whole = drawn(short, stage, rows, model)
    curves = {tag: dict(points) for tag, points in read_scalars(short.manifest()["tensorboard"]).items()}
    assert max(curves["skipping/settled"].values()) >= 3 and sum(curves["skipping/skipped"].values()) >= 5
    if not dynamic_sampling:  # all groups that were sampled are there to be seen
        useless = [sum(len(set(group)) == 1 for group in step.values()) for step in whole]
        assert [round(4 * (curves["skipping/right"][step] + curves["skipping/wrong"][step])) for step in range(1, 11)] == useless
        replayed(whole, rows, stage["seed"])
    halves = type(short)(short.demo, tmp_path / "halves")
    halves.place.mkdir()
    drawn(halves, {**stage, "steps": 5}, rows, model)
    assert drawn(halves, stage, rows, model) == whole


def drawn(short, stage, rows, model):
    """By step, verdicts of the responses to each prompt."""
    short.train(stage, run="greso", rows=rows, model=model)
    steps = []
    for path in sorted(short.directory().glob("rollouts/*.jsonl"), key=lambda path: int(path.stem)):
        groups: dict[str, list[float]] = {}
        for line in path.read_text().splitlines():
            row = json.loads(line)
            groups.setdefault(row["input"], []).append(row["acc"])
        steps.append(groups)
    return steps


def replayed(whole, rows, seed):
    """What was drawn is what the history of what came draws, step for step."""
    import polars as pl
    from mathrl.verl.skipping import History, Sampler

    texts = [prompt[-1]["content"] for prompt in pl.read_parquet(rows)["prompt"].to_list()]
    sampler = Sampler(len(texts), History(0.05, 0.25, 0.0, seed), seed, shuffle=True)
    places = iter(sampler)
    for step in whole:
        sampler.drawn.clear()
        groups = [(place, next(group for prompt, group in step.items() if texts[place] in prompt)) for place in islice(places, len(step))]
        assert len(groups) == 4
        sampler.history.note(groups)
