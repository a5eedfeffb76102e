"""What a run and a stage are: where a stage starts, what it shares, and which models are evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mathrl.config.experiment import Configuration
from mathrl.config.model_names import HUB, place
from mathrl.config.records import PinRow
from mathrl.config.stage import Budget
from mathrl.config.verifiers import MADE_HERE, TRAINED_HERE
from mathrl.core.files import UserError


def stages(config: Configuration, run: str) -> list[str]:
    """Names of a run's stages, in order; a run without a list of them has one, `main`."""
    return [stage.name for stage in config.runs[run].stages or ()] or ["main"]


def is_arm(config: Configuration, name: str) -> bool:
    """Whether scores may stand under this name: base, a run, or what the replicates of a run are called together."""
    return name == "base" or any(name in (run, run.rpartition("-seed-")[0]) for run in config.runs)


def start_of(config: Configuration, run: str, stage: str) -> tuple[str, str]:
    """Where a stage starts: ("base", ""), ("stage", name of the run's stage before) or ("run", name of another run)."""
    wanted = config.stage(run, stage).start_from
    names = stages(config, run)
    place = names.index(stage)
    if wanted == "previous":
        return ("stage", names[place - 1]) if place else ("base", "")
    return ("base", "") if wanted == "base" else ("run", wanted)


def verifying_runs(config: Configuration, run: str, stage: str) -> list[str]:
    """Runs whose models score the steps of a stage's responses in its reward."""
    merged = config.stage(run, stage)
    process = (merged.reward or config.reward).process
    if merged.supervised or process is None:
        return []
    named = [config.verifiers.named[name] for name in process.verifiers]
    return [one.model for one in named if one.kind in TRAINED_HERE and one.model in config.runs]


def labelling_runs(config: Configuration, run: str, stage: str) -> list[str]:
    """Runs that the step labels of a supervised stage are made with: the policy that is sampled, and models of the verifiers that agree."""
    merged, labels = config.stage(run, stage), config.verifiers.labels
    if not merged.supervised or merged.solutions not in MADE_HERE:
        return []
    named = [config.verifiers.named[name] for name in (labels.agree, labels.accept) if name in config.verifiers.named]
    models = [labels.policy, *(one.model for one in named if one.kind in TRAINED_HERE)]
    return [model for model in models if model in config.runs]


def run_budget(config: Configuration, run: str) -> Budget:
    """What a run may use, all its stages together; a stage's own budget bounds that stage besides."""
    return config.stage(run, "").budget


def sharing_budget(config: Configuration, run: str, stage: str) -> list[str]:
    """Stages before this one that take from the run's budget; none without one. What supervised stages use is not counted."""
    if not run_budget(config, run).bounds:
        return []
    names = stages(config, run)
    before = names[: names.index(stage)]
    return [name for name in before if not config.stage(run, name).supervised]


def checkpoint_models(config: Configuration) -> list[str]:
    """Checkpoints along training that are evaluated, as rows `run@step-N`, `run@best`, `run@last`."""
    chosen = [step if isinstance(step, str) else f"step-{step}" for step in config.evaluation.steps]
    return [f"{run}@{choice}" for run in config.select for choice in chosen]


def evaluated_models(config: Configuration) -> list[str]:
    """Rows of the score table: the base model, further models, the selected runs, and checkpoints along their training."""
    return ["base", *config.models, *config.select, *checkpoint_models(config)]


def model_source(config: Configuration, name: str, table: Mapping[str, PinRow]) -> tuple[str, str]:
    """What an entry of `models` is: ("pin", name), ("checkpoint", verl's directory global_step_N) or ("directory", path).

    Raises:
        UserError: no such directory, or it holds neither a Hugging Face model nor verl's checkpoint of one.
    """
    value = config.models[name]
    if value in table and table[value]["kind"] == "model":
        return "pin", value
    if HUB.fullmatch(value):
        return "pin", place(value)
    path = Path(value)
    if not path.is_dir():
        known = ", ".join(row["name"] for row in table.values() if row["kind"] == "model") or "none"
        raise UserError(f"config: models.{name}: '{value}' is no directory and no model of {config.pins} ({known}) or of a hub")
    if path.name.startswith("global_step_"):
        if not (path / "actor" / "huggingface" / "config.json").is_file():
            raise UserError(f"config: models.{name}: {value} is no checkpoint of verl, actor/huggingface/config.json is missing")
        return "checkpoint", value.rstrip("/")
    weights = [*path.glob("*.safetensors"), *path.glob("*.bin")]
    if not weights or not (path / "config.json").is_file():
        raise UserError(f"config: models.{name}: {value} is no Hugging Face model; config.json or the weights (*.safetensors) are missing")
    return "directory", value.rstrip("/")
