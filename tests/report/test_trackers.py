"""Each tracker writes what TensorBoard has, offline, with its real package: in training through verl, and of a finished study."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.config import validation
from mathrl.config.experiment import spelled_out
from mathrl.config.stage import Stage
from mathrl.core.files import UserError
from mathrl.core.tensorboard import by_step, read_scalars
from mathrl.execution import trackers
from mathrl.report.tensorboard_scores import write_run
from mathrl.report.trackers import mlflow_name
from support.settings import keys_of

NAMES = ("wandb", "swanlab", "mlflow", "trackio")
TRAINING = {1: {"critic/score/mean": 0.25, "val-core/dev/acc/mean@1": 0.5}, 2: {"critic/score/mean": 0.75}}
SCORES = {60: {"eval/finalist/mean/pass@1": 0.375, "eval/finalist/demo_words/greedy": 0.5}}

LOG = """
import json, sys
from verl.utils.tracking import Tracking
trackers, curves = sys.argv[1].split(","), json.loads(sys.argv[2])
tracking = Tracking("mathrl", "grpo", ["tensorboard", *trackers], {"trainer": {"seed": 1}})
assert {*trackers} <= {*tracking.logger}, tracking.logger
for step, values in curves.items():
    tracking.log(values, int(step))
tracking.finish()
"""
SEND = """
import json, sys
from pathlib import Path
from mathrl.core.tensorboard import by_step, read_scalars
from mathrl.report.trackers import send
tracker, events, report = sys.argv[1:]
send(tracker, "grpo-evaluation", {"learning_rate": 1e-5, "clip": [1]}, dict(by_step(read_scalars(events))), Path(report))
"""


def run(program, place, tracker, *arguments):
    """A program in a process of its own, which has no key and no way out. `tracker` may be several, with commas between."""
    own = {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "scripts"), "TENSORBOARD_DIR": str(place / "tensorboard")}
    place.mkdir(exist_ok=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "SWANLAB", "MLFLOW", "TRACKIO"))}
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    settled = {**clean, **own, **nowhere, "HF_HUB_OFFLINE": "1", **trackers.environment(tracker.split(","), place, clean)}
    done = subprocess.run([sys.executable, "-c", program, tracker, *arguments], env=settled, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def written(tracker, place, name):
    """What the tracker's own store has of a run: {step: {tag: value}}."""
    return {"wandb": of_wandb, "swanlab": of_swanlab, "mlflow": of_mlflow, "trackio": of_trackio}[tracker](place, name)


def of_wandb(place, name):
    from swanlab.converter.wb.wbdatastore import WBDataStoreReader
    from wandb.proto import wandb_internal_pb2

    (file,) = place.glob("wandb/offline-run-*/run-*.wandb")
    found, named = {}, set()
    reader = WBDataStoreReader()
    reader.open(file)
    while (data := reader.scan()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        named |= {record.run.display_name} if record.HasField("run") else set()
        if record.HasField("history"):
            values = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            found[record.history.step.num] = {key: value for key, value in values.items() if not key.startswith("_")}
    assert name in named
    return found


def of_swanlab(place, name):
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    (folder,) = [path for path in (place / "swanlog").glob("run-*") if path.is_dir()]
    (file,) = folder.glob("*.swanlab")
    found, text = {}, []
    reader = DataStoreReader()
    reader.open(file)
    while (data := reader.scan()) is not None:
        record = Record()
        record.ParseFromString(data)
        text.append(str(record))
        kind = record.WhichOneof("record_type")
        scalar = getattr(record, kind)
        if kind == "scalar":
            found.setdefault(scalar.step, {})[scalar.key] = scalar.value.number
    assert any(name in one for one in text)
    return found


def of_mlflow(place, name):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    (experiment,) = [one for one in client.search_experiments() if one.name == "mathrl"]
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == name
    points = {}
    for tag in found.data.metrics:
        for metric in client.get_metric_history(found.info.run_id, tag):
            points.setdefault(metric.step, {})[tag] = metric.value
    return points


def of_trackio(place, name):
    program = "import json, sys; from trackio.sqlite_storage import SQLiteStorage as Store\n"
    program += "print('FOUND' + json.dumps(Store.get_logs(*sys.argv[1:])))"
    settled = {**os.environ, "TRACKIO_DIR": str(place / "trackio")}
    done = subprocess.run([sys.executable, "-c", program, "mathrl", name], env=settled, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    rows = json.loads(line.removeprefix("FOUND"))
    return {row["step"]: {key: value for key, value in row.items() if key not in ("step", "timestamp")} for row in rows}


def needs(tracker):
    for package in {tracker, "swanlab"} if tracker == "wandb" else {tracker}:  # swanlab reads wandb's offline files
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")


def as_named(tracker, curves):
    """Curves as the tracker names them."""
    rename = mlflow_name if tracker == "mlflow" else str
    return {step: {rename(tag): value for tag, value in values.items()} for step, values in curves.items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where verl has written curves, to all trackers that are installed at once: importing verl takes longest."""
    place = tmp_path_factory.mktemp("trained") / "place"
    run(LOG, place, ",".join(name for name in NAMES if importlib.util.find_spec(name)), json.dumps(TRAINING))
    return place


@pytest.mark.parametrize("tracker", NAMES)
def test_training_writes_what_tensorboard_has(tracker, trained):
    needs(tracker)
    of_tensorboard = dict(by_step(read_scalars(trained / "tensorboard")))
    assert of_tensorboard == TRAINING
    assert written(tracker, trained, "grpo") == as_named(tracker, of_tensorboard)


@pytest.mark.parametrize("tracker", NAMES)
def test_a_finished_study_writes_what_tensorboard_has_and_its_report(tracker, tmp_path):
    needs(tracker)
    write_run(tmp_path / "events", {"learning_rate": 1e-5}, SCORES)
    (tmp_path / "report.html").write_text("<p>a report that nothing else holds</p>")
    place = tmp_path / "place"
    run(SEND, place, tracker, str(tmp_path / "events"), str(tmp_path / "report.html"))
    assert written(tracker, place, "grpo-evaluation") == as_named(tracker, dict(by_step(read_scalars(tmp_path / "events"))))
    kept = [path for path in place.rglob("report.html") if "nothing else holds" in path.read_text()]
    assert kept, sorted(str(path) for path in place.rglob("*"))


def test_keys_come_from_the_environment_and_decide_what_is_sent(tmp_path):
    silent = trackers.environment(NAMES, tmp_path, {})
    assert silent["WANDB_MODE"] == silent["SWANLAB_MODE"] == "offline"
    assert silent["MLFLOW_TRACKING_URI"].startswith("sqlite:////")
    keys = {"WANDB_API_KEY": "k", "SWANLAB_API_KEY": "k", "MLFLOW_TRACKING_URI": "http://server"}
    found = trackers.environment(NAMES, tmp_path, keys)
    assert "WANDB_MODE" not in found and "MLFLOW_TRACKING_URI" not in found and found["SWANLAB_MODE"] == "online"
    assert trackers.environment(["wandb"], tmp_path, {"WANDB_API_KEY": " "})["WANDB_MODE"] == "offline"
    assert trackers.environment(["tensorboard"], tmp_path, {}) == {}


def test_tensorboard_is_on_whatever_the_list_says(config):
    for given in ([], ["mlflow"], ["tensorboard", "wandb"]):
        config["training"]["trackers"] = given
        logger = keys_of(config)["trainer.logger"]
        assert logger == ["console", "tensorboard", *(name for name in given if name != "tensorboard")]
    with pytest.raises(UserError, match=r"verl: trainer\.logger: write trackers: \[tensorboard, wandb\] instead"):
        config["runs"]["own"] = {"mini_batch_size": 88, "verl": {"trainer.logger": ["console"]}}
        validation.check_stage(spelled_out(config), "own", "main")


def test_a_package_that_is_missing_is_one_line(tmp_path):
    lock = tmp_path / "cpu.txt"
    lock.write_text("wandb==0.31.0 \\\n    --hash=sha256:0\n")
    trackers.check_packages(["wandb"], None, lock)
    trackers.check_packages([], "/nowhere/python", lock)
    with pytest.raises(UserError, match=r"config: trackers: the package mlflow is not in the image of .*cpu\.txt"):
        trackers.check_packages(["wandb", "mlflow"], None, lock)
    with pytest.raises(UserError, match=r"the package no_such_tracker is not in the environment of"):
        trackers.check_packages(["no_such_tracker"], sys.executable, lock)


def test_a_stage_knows_its_further_trackers():
    assert Stage().further_trackers == []
    assert Stage(trackers=["wandb", "tensorboard", "mlflow"]).further_trackers == ["wandb", "mlflow"]
