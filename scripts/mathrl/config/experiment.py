"""The whole of config.yaml: what is trained, on what, and how it is evaluated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, PrivateAttr

from mathrl.config.entry import Entry
from mathrl.config.evaluation import Evaluation
from mathrl.config.launcher import Launcher
from mathrl.config.messages import check_all_there, parse
from mathrl.config.notices import Notices
from mathrl.config.reading import Raw, check_finite, expanded, merge
from mathrl.config.report import Report
from mathrl.config.section import Distinct, Name, Number, Section, Several, WholeNumber, key, required
from mathrl.config.sources import OWN_SOLUTIONS, Containers, Data, Decontamination, Demo, Prompt
from mathrl.config.stage import Reward, Stage
from mathrl.config.verifier import Verifiers

BENCHMARKS = ("aime24", "amc23", "gsm8k", "math500", "minerva_math", "olympiadbench")


class Overrides(Section):
    """Keys of `training` with other values; they are checked where they are merged into a stage."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    @property
    def settings(self) -> dict[str, JsonValue]:
        """The keys of `training` among them."""
        return self.__pydantic_extra__


class StageOverrides(Overrides):
    """A stage: overrides of the run."""

    name: Name = required("name of the stage")


class RunOverrides(Overrides):
    """A named run: overrides of `training`, checked after merging."""

    seeds: Annotated[Distinct[WholeNumber], Field(min_length=1)] | None = key(
        None, "replicates; a run of its own each, `<run>-seed-<seed>`"
    )
    sweep: Annotated[dict[str, Annotated[Distinct[bool | Number | str], Field(min_length=1)]], Field(min_length=1)] | None = key(
        None, "values by key of `training`: each combination is a run of its own, `<run>-<key>-<value>`"
    )
    stages: Annotated[Several[StageOverrides], Field(min_length=1)] | None = key(None, "legs of the run, in order")


class Configuration(Section):
    """Configuration of the workflow."""

    accelerator: Literal["cuda", "cpu"] = key("cuda", "which image and engine settings")
    pins: str = key("pins.tsv", "table of everything that is downloaded")
    dataset: Name = key("big-math", "training problems, a name in the table of downloads")
    base_model: str = key(
        "openseek", "model that training starts from: a name in the table of downloads, organisation/name@commit of a hub, or a directory"
    )
    embedding_model: str | None = key("minilm", "for semantic decontamination, named in the same way; null without it")
    benchmarks: Annotated[Distinct[Name], Field(min_length=1)] = key(BENCHMARKS, "names in the table of downloads")
    benchmark_files: dict[Name, Annotated[str, Field(min_length=1)]] = key(
        {}, "further benchmarks: name → a file of yours with problems and gold answers, as it was published"
    )
    grader_protocols: dict[Name, Annotated[str, Field(min_length=1)]] = key(
        {}, "judges of yours that golds may name: name → FILE.py:Class; data can name no other code"
    )
    containers: Containers = key(Containers(), "a local .sif or docker://…@sha256:…; used when Snakemake runs with --sdm apptainer")
    data: Data = key(Data(), "the training problems")
    decontamination: Decontamination = key(Decontamination(), "methods and thresholds of the search for contamination")
    prompt: Prompt = key(Prompt(), "the training prompt")
    reward: Reward = key(Reward(), "weighted terms, summed; a run or a stage may have its own")
    training: Stage = key(Stage(), "defaults of every run; the finalist's values")
    augmentation: dict[Name, Entry] = key({}, "named entries: variants, new problems or worked solutions from an external model")
    runs: Annotated[dict[Name, RunOverrides], Field(min_length=1)] = key(
        {"grpo": RunOverrides()}, "named runs: overrides of `training`, and `stages`, `seeds`, `sweep`"
    )
    select: Distinct[Name] = key(("grpo",), "runs that the score table and the study report show")
    controls: bool = key(False, "add the control arms to the selected runs, with their seeds: what any training gains is not the method's")
    models: dict[Name, Annotated[str, Field(min_length=1)]] = key(
        {},
        "further models, evaluated only: name → directory, verl's …/global_step_N, organisation/name@commit or a name in pins",
    )
    evaluation: Evaluation = key(Evaluation(), "sampling and grading")
    verifiers: Verifiers = key(Verifiers(), "what scores each reasoning step of a response, 0 wrong to 1 right")
    launcher: Launcher | None = key(None, "{hosts, command}: hosts for runs of several nodes without SLURM; null: SLURM gives them")
    report: Report = key(Report(), "the study report")
    notices: Notices = key(Notices(), "who is told at the end, at a failure and at a collapse")
    demo: Demo | None = key(None, "the laptop demo's world; only in its overlay")

    _stages: dict[tuple[str, str], Stage] = PrivateAttr(default_factory=dict)  # merged stages, each made once

    def stage(self, run: str, stage: str) -> Stage:
        """`training`, under the run's overrides, under the stage's; its reward is the innermost one, whole.

        Raises:
            UserError: what was merged is no stage; the message names run, stage and key.
        """
        if (run, stage) not in self._stages:
            self._stages[run, stage] = self._merged(run, stage)
        return self._stages[run, stage]

    def _merged(self, run: str, stage: str) -> Stage:
        own = self.runs[run]
        values = self.training.model_dump()
        for layer in (own.settings, *(leg.settings for leg in own.stages or () if leg.name == stage)):
            if "reward" in layer:  # a term that the run leaves out is none of its
                values["reward"] = None
            values = merge(values, layer)
        merged = parse(Stage, values, f"config: run {run}" + (f", stage {stage}" if stage else ""))
        settled: dict[str, object] = {} if merged.reward else {"reward": self.reward}
        settled |= {"solutions": OWN_SOLUTIONS} if merged.solutions == "own" else {}
        return merged.model_copy(update=settled) if settled else merged


def check_whole(raw: Raw) -> None:
    """Refuse merged files in which a key is unknown or missing, or a value may not be.

    Raises:
        UserError: the first that is found.
    """
    check_finite(raw, "config: ")
    check_all_there(parse(Configuration, raw, "config"), "", optional=("demo",))


def spelled_out(raw: Raw) -> Configuration:
    """The configuration with a run for each combination of a sweep and for each replicate, and with all benchmarks.

    Raises:
        UserError: runs that cannot be told apart, or a value that may not be.
    """
    config = parse(Configuration, expanded(raw)[0], "config")
    further = [name for name in config.benchmark_files if name not in config.benchmarks]
    return config.model_copy(update={"benchmarks": (*config.benchmarks, *further)}) if further else config
