"""What TensorBoard has of a finished study, for the other trackers: evaluation scores, hyper-parameters and the report.

Training itself reaches them through verl. Each tracker gets one run per row, `{run}-evaluation`, in the project of the training runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

PROJECT = "mathrl"  # as verl's trainer.project_name (mathrl.verl.grpo_config)
Settings = dict[str, bool | int | float | str]
"""Hyper-parameters of a run."""
Scalars = Mapping[int, Mapping[str, float]]
"""Values by step and tag."""


def send(tracker: str, name: str, settings: Mapping[str, object], scalars: Scalars, report: Path | None) -> None:
    """Write one run to one tracker; where it goes is said by the environment (mathrl.execution.trackers).

    Args:
        tracker: wandb, swanlab, mlflow or trackio.
        name: of the run.
        settings: its hyper-parameters.
        scalars: what TensorBoard has of it.
        report: the study report, an HTML file; None without.
    """
    plain = {key: value for key, value in settings.items() if isinstance(value, bool | int | float | str)}  # as TensorBoard has them
    _SENDERS[tracker](name, plain, scalars, report)


def _wandb(name: str, settings: Settings, scalars: Scalars, report: Path | None) -> None:
    import wandb

    with wandb.init(project=PROJECT, name=name, config=settings) as run:
        for step, values in sorted(scalars.items()):
            run.log(dict(values), step=step)
        if report:
            run.save(str(report), base_path=str(report.parent), policy="now")


def _swanlab(name: str, settings: Settings, scalars: Scalars, report: Path | None) -> None:
    import swanlab

    mode, place = os.environ.get("SWANLAB_MODE", "offline"), os.environ.get("SWANLAB_LOG_DIR")
    swanlab.init(project=PROJECT, name=name, config=settings, mode=mode, log_dir=place, reinit=True)
    for step, values in sorted(scalars.items()):
        swanlab.log(dict(values), step=step)
    if report:
        swanlab.save(str(report), base_path=str(report.parent), policy="end")
    swanlab.finish()


def _mlflow(name: str, settings: Settings, scalars: Scalars, report: Path | None) -> None:
    import mlflow

    experiment = mlflow.get_experiment_by_name(PROJECT)
    place = os.environ.get("MLFLOW_TRACKING_URI", "")
    artifacts = Path(place.removeprefix("sqlite:///")).with_name("mlflow-artifacts").as_uri() if place.startswith("sqlite:///") else None
    number = experiment.experiment_id if experiment else mlflow.create_experiment(PROJECT, artifact_location=artifacts)
    with mlflow.start_run(experiment_id=number, run_name=name):
        mlflow.log_params(settings)
        for step, values in sorted(scalars.items()):
            mlflow.log_metrics({mlflow_name(tag): value for tag, value in values.items()}, step=step)
        if report:
            mlflow.log_artifact(str(report))


def mlflow_name(tag: str) -> str:
    """A tag as mlflow accepts it, and as verl writes it there: `@` is `_at_`."""
    return re.sub(r"[^/\w.\- :]", "_", tag.replace("@", "_at_"))


def _trackio(name: str, settings: Settings, scalars: Scalars, report: Path | None) -> None:
    import trackio

    trackio.init(project=PROJECT, name=name, config=settings, embed=False)
    for step, values in sorted(scalars.items()):
        trackio.log(dict(values), step=step)
    if report:
        trackio.save(str(report), project=PROJECT)
    trackio.finish()


_SENDERS: dict[str, Callable[[str, Settings, Scalars, Path | None], None]] = {
    "wandb": _wandb,
    "swanlab": _swanlab,
    "mlflow": _mlflow,
    "trackio": _trackio,
}
