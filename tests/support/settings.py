"""Stages and plans for tests, made from config.yaml or from its defaults."""

from pathlib import Path

from mathrl.config.experiment import spelled_out
from mathrl.config.stage import Limits, Reward
from mathrl.training.plan import StagePlan

NO_LIMITS = dict.fromkeys(set(Limits.model_fields) - {"stop", "window"})


def limits(**values):
    """A monitor with these limits and no others."""
    return Limits(**{**NO_LIMITS, **values})


def stage_of(config, run="grpo", stage="main", **changes):
    """A stage of a configuration that is a plain mapping."""
    return spelled_out(config).stage(run, stage).changed(**changes)


def with_reward(stage, **terms):
    """The stage with a reward of its own."""
    return stage.changed(reward=Reward(terms=terms))


def plan_of(stage, train_file, model, accelerator="cuda", root=Path("checkpoints"), run="grpo"):
    """What is trained of a stage; nothing is read."""
    files = {"model": model, "train_file": train_file, "validation_file": train_file, "root": root, "log": root / "verl.log"}
    return StagePlan(run=run, stage_name="main", stage=stage, accelerator=accelerator, **files)


def keys_of(config, run="grpo", stage="main", accelerator="cuda", model="resources/models/m"):
    """verl's keys of a stage of a configuration."""
    plan = plan_of(stage_of(config, run, stage), Path("train.parquet"), Path(model), accelerator, run=run)
    return plan.placed(Path("c"), plan.train_file)


def process_keys(config, place, named, settings=None, accelerator="cuda", **process):
    """verl's keys of a run with a process reward, by the first verifier of `named` if none is said; `settings` are the run's others."""
    config["verifiers"]["named"] = named
    reward = {"terms": {"correct": 1.0}, "process": {"verifiers": [next(iter(named))], **process}}
    config["runs"]["gated"] = {"reward": reward, "mini_batch_size": 88, **(settings or {})}
    found = spelled_out(config)
    plan = plan_of(found.stage("gated", "main"), place / "train.parquet", place, accelerator, root=place / "c")
    object.__setattr__(plan, "verifiers", found.verifiers)
    object.__setattr__(plan, "store", place / "scores")
    return plan.placed(place / "c", plan.train_file)
