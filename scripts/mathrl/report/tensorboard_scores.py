"""Evaluation scores and hyper-parameters as TensorBoard events, beside the training logs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mathrl.config.experiment import Configuration
from mathrl.core.files import UserError, read_json, replaced_directory
from mathrl.evaluation.means import cell, mean_over
from mathrl.evaluation.records import Evaluation
from mathrl.evaluation.scores import load_evals
from mathrl.statistics.comparisons import merged_runs
from mathrl.statistics.records import measured


def write_all(config: Configuration, runs: Mapping[str, Sequence[str]], models: Sequence[str], results: Path, out: Path) -> None:
    """Write `out`/{run} for the base model and each of `runs` (with its stages in order), each replaced as a whole.

    The scores of a run's exported model stand at its step, those of its checkpoints among `models` (`run@…`) at theirs.

    Raises:
        UserError: a run that the configuration does not have, or a manifest that is missing.
    """
    protocols = list(config.evaluation.select)
    benchmarks = config.benchmarks
    evals, _ = load_evals(results, ["base", *runs, *models], protocols, benchmarks)
    write_run(out / "base", {}, {0: score_scalars(evals, "base", protocols, benchmarks)})
    for run, stages in runs.items():
        if run not in config.runs:
            raise UserError(f"--runs {run}: is no run of the configuration; known: {', '.join(config.runs)}")
        manifests = [read_json(results / run / stage / "manifest.json") for stage in stages]
        before = sum(m["steps"] for m in manifests[:-1])
        along = [model for model in models if model.startswith(f"{run}@")]
        steps = {before + read_json(results / model / "model" / "export.json")["step"]: model for model in along}
        steps[before + manifests[-1]["chosen_step"]] = run
        scores = {step: score_scalars(evals, model, protocols, benchmarks) for step, model in steps.items()}
        write_run(out / run, merged_runs(config)[run], scores)


def write_run(
    directory: Path,
    settings: Mapping[str, object],
    scores: Mapping[int, Mapping[str, float]],
) -> None:
    """Replace `directory` by one event file: `scores` (step → tag → value), and the run in the HParams tab.

    Settings that are no number, text or truth value are left out: the tab cannot show them.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import summary_v2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    plain = {key: value for key, value in settings.items() if isinstance(value, bool | int | float | str)}
    with replaced_directory(directory) as fresh, contextlib.closing(EventFileWriter(str(fresh))) as writer:
        metrics = [summary_v2.Metric(tag) for tag in dict.fromkeys(tag for values in scores.values() for tag in values)]
        hparams = [summary_v2.HParam(key) for key in plain]
        for summary in (summary_v2.hparams_config_pb(hparams=hparams, metrics=metrics), summary_v2.hparams_pb(plain)):
            writer.add_event(Event(wall_time=0, summary=summary))
        for step, values in sorted(scores.items()):
            for tag, value in values.items():
                writer.add_event(Event(wall_time=0, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)])))


def score_scalars(
    evals: Mapping[tuple[str, str, str], Evaluation], model: str, protocols: Sequence[str], benchmarks: Sequence[str]
) -> dict[str, float]:
    """Scores of one model as scalars: `eval/{protocol}/{benchmark}/pass@1` and the like, and `eval/{protocol}/mean`."""
    scalars: dict[str, float] = {}
    for protocol in protocols:
        for metric in ("pass@1", "greedy", "maj@n", "boxed_rate", "truncated_rate"):
            results = {b: evals.get((model, protocol, b)) for b in benchmarks}
            cells = {b: cell(result, metric) for b, result in results.items()}
            scalars |= {f"eval/{protocol}/{b}/{metric}": part["value"] for b, part in cells.items() if measured(part)}
            mean = mean_over(list(results.values()), metric)
            if mean:
                scalars[f"eval/{protocol}/mean/{metric}"] = mean["value"]
    return scalars
