"""Verifiers that are models beside a training: their GPUs and memory, where the rewards are told to ask, and their end with verl's."""

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from mathrl.config.verifier import Verifiers
from mathrl.core.files import UserError, write_json
from mathrl.execution import nvidia, processes
from mathrl.models.shape import OPENSEEK
from mathrl.training import attempt, forecast, gpu_room, memory, served
from mathrl.training.budget import Spent
from mathrl.training.collapse import Monitor
from mathrl.training.plan import StagePlan
from mathrl.training.session import Progress, Session
from mathrl.verifiers import server_start
from mathrl.verifiers.served import Place, Served
from support.settings import stage_of

GIB = memory.GIB
GPU = nvidia.Gpu("0", "GPU-0", "NVIDIA A100-PCIE-40GB", "580.65.06", "Default", 40 << 30, 0)


@pytest.fixture
def plan(config, tmp_path):
    """(accelerator, verifiers of the process reward, its settings, settings of the stage) → a plan; models `m` and `n` of 6 GiB."""
    for name in ("m", "n"):
        (tmp_path / name).mkdir()
        with open(tmp_path / name / "model.safetensors", "wb") as weights:
            weights.truncate(6 * GIB)
    kinds = {"m": {"kind": "prm", "model": str(tmp_path / "m")}, "n": {"kind": "hf-prm", "model": str(tmp_path / "n")}}
    section = Verifiers.model_validate({"named": kinds | {"eq": {"kind": "arithmetic"}}})
    write_json(tmp_path / "config.json", OPENSEEK)

    def made(accelerator, verifiers=("m",), own=None, **settings):
        reward = {"terms": {"correct": 1.0}, "process": {"verifiers": verifiers, **(own or {})}}
        stage = stage_of(config, reward=reward, **settings)
        files = {"train_file": tmp_path / "train", "validation_file": tmp_path / "val", "root": tmp_path, "log": tmp_path / "log"}
        names = {"run": "grpo", "stage_name": "main", "verifiers": section}
        return StagePlan(stage=stage, accelerator=accelerator, model=tmp_path, **names, **files)

    return made


@pytest.fixture
def asked(monkeypatch):
    """Servers that nobody starts: what was asked of them."""
    found = []

    @contextlib.contextmanager
    def started(names, setting, who):
        found.append((names, setting))
        yield {name: Place(f"/s/{name}", f"/l/{name}") for name in names}

    monkeypatch.setattr(server_start, "started", started)
    return found


def gpus_of(plan, asked, visible, monkeypatch):
    """verl's devices, those of each verifier, the share of each, and where rewards are told to ask."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with served.beside(plan, Path("/c"), {"A": "1", "TRITON_CACHE_DIR": "/t", "RAY_AUTH_TOKEN": "secret"}) as (keys, environment):
        pass
    (names, setting) = asked[-1]
    assert setting.environment == {"TRITON_CACHE_DIR": "/t"}, "its caches, and no secret of the job's"
    assert environment.items() >= {"A": "1", "RAY_AUTH_TOKEN": "secret"}.items()
    told = json.loads(keys[served.KEY])
    assert told == {name: {"socket": f"/s/{name}", "log": f"/l/{name}", "begin": 0, "model": ""} for name in names}
    return environment.get("CUDA_VISIBLE_DEVICES"), setting.devices, setting.share


def test_verifiers_share_the_gpus_that_train(plan, asked, monkeypatch):
    assert gpus_of(plan("cuda", gpus=2), asked, "4,5", monkeypatch) == (None, {"m": "4"}, 0.2)
    found = gpus_of(plan("cuda", ["m", "eq", "n"], gpus=2), asked, "4,5", monkeypatch)
    assert found == (None, {"m": "4", "n": "5"}, 0.2), "arithmetic needs no server"
    assert gpus_of(plan("cuda", ["m", "n"], {"gpu_memory": 0.1}, gpus=1), asked, "7,8", monkeypatch) == (None, {"m": "7", "n": "7"}, 0.1)


def test_or_have_the_last_ones_for_themselves(plan, asked, monkeypatch):
    assert gpus_of(plan("cuda", own={"gpus": 1}, gpus=2), asked, "3,4,5", monkeypatch) == ("3,4", {"m": "5"}, 0.9)
    assert gpus_of(plan("cuda", ["m", "n"], {"gpus": 2}, gpus=1), asked, "3,4,5", monkeypatch) == ("3", {"m": "4", "n": "5"}, 0.9)
    assert gpus_of(plan("cuda", ["m", "n"], {"gpus": 1}, gpus=1), asked, "3,4", monkeypatch) == ("3", {"m": "4", "n": "4"}, 0.45)
    with pytest.raises(UserError, match=r"this job sees 2 GPU\(s\) and needs 3: training.gpus 2 and reward.process.gpus 1"):
        gpus_of(plan("cuda", own={"gpus": 1}, gpus=2), asked, "3,4", monkeypatch)


def test_on_a_cpu_they_have_none_and_without_models_nobody_serves(plan, asked, monkeypatch):
    assert gpus_of(plan("cpu", gpus=1), asked, "", monkeypatch) == (None, {}, 0.2)
    asked.clear()
    with served.beside(plan("cuda", ["eq"]), Path("/c"), {"A": "1"}) as found:
        assert found == ({}, {"A": "1"}) and not asked


def test_servers_are_told_which_models_the_plan_was_made_with(plan, asked, monkeypatch):
    of_process = {"verifiers": [{"kind": "arithmetic"}, {"kind": "hf-prm", "model": "abc"}, {"kind": "prm", "model": "def"}]}
    monkeypatch.setattr(StagePlan, "fingerprint", {"reward": {"terms": {}, "process": of_process}})
    one = plan("cpu", ["eq", "n", "m"], gpus=1)
    with served.beside(one, Path("/c"), {}, served.hashes(one)):
        pass
    assert asked[-1][1].models == {"n": "abc", "m": "def"} and served.hashes(plan("cpu", ["eq"], gpus=1)) == {}


def test_a_budget_counts_the_gpus_of_verifiers(plan):
    assert plan("cuda", gpus=2).gpus == 2 and plan("cuda", own={"gpus": 1}, gpus=2).gpus == 3


def test_a_forecast_names_them(plan):
    numbers = {"steps": 1, "configured_steps": 1, "step_seconds": 1.0, "hours": 1.0, "gpu_hours": 3.0, "checkpoints": 1, "disk_gb": 1.0}

    def lines(*arguments, **more):
        return forecast.describe("forecast grpo", numbers | {"verifiers": served.described(plan(*arguments, **more))}).splitlines()[1:]

    assert lines("cuda", gpus=2) == ["forecast grpo: verifier m beside it, 6.4 GB of weights, on 0.2 of a GPU that trains too"]
    own = lines("cuda", ["m", "n"], {"gpus": 1}, gpus=2)
    assert own[1] == "forecast grpo: verifier n beside it, 6.4 GB of weights, on 0.45 of a GPU of its own"
    assert lines("cpu", gpus=1) == ["forecast grpo: verifier m beside it, 6.4 GB of weights, on the CPU"] and lines("cuda", ["eq"]) == []


@pytest.mark.parametrize(
    ("own", "gib", "more", "said"),
    [
        ({}, 80, {}, ""),
        ({}, 40, {}, "the memory table expects no room on 40 GiB: "),
        ({"gpus": 1}, 40, {}, ""),
        ({"gpu_memory": 0.05}, 80, {}, "verifier m: its weights take 6.0 GiB and reward.process.gpu_memory 0.05 of a GPU is 4.0; raise it"),
        ({"gpu_memory": 0.3}, 30, {"gpus": 1}, "weights, optimizer, gradients and verifiers take 31 GiB on each of 1 GPU"),
    ],
    ids=["fits", "tight", "tight alone", "no room for its weights", "no room"],
)
def test_the_memory_table_counts_them_before_verl_starts(plan, monkeypatch, capsys, own, gib, more, said):
    one = plan("cuda", own=own, **{"gpus": 2, "gpu_memory_utilization": 0.6, **more})
    monkeypatch.setattr(nvidia, "gpus", lambda names: [replace(GPU, index=str(i), total=gib << 30) for i in range(one.gpus)])
    monkeypatch.setattr(nvidia, "slowest_link", lambda found: None)
    try:
        gpu_room.check(one)
        found = capsys.readouterr().err
    except UserError as error:
        found = str(error)
    assert said in found if said else not found


def test_verl_trains_while_they_are_served_and_they_end_with_it(plan, tmp_path, monkeypatch):
    """By a process of its own that is really there while verl is, and gone afterwards."""
    one = plan("cpu", gpus=1)
    monkeypatch.setattr(server_start, "SCRIPT", tmp_path / "serve.py")
    (tmp_path / "serve.py").write_text(f"""
import sys
sys.path[:0] = [{str(attempt.__file__.rpartition("/mathrl/training/")[0])!r}]
from pathlib import Path
from mathrl.execution import processes
from mathrl.verifiers import server
from mathrl.verifiers.arithmetic import Arithmetic
processes.end_with(int(sys.argv[sys.argv.index("--parent") + 1]))
server.serve(Arithmetic(), Path(sys.argv[sys.argv.index("--socket") + 1]), 4, "m")
""")
    seen = []

    def verl(module, arguments, environment, log, session):
        (given,) = [text for text in arguments if text.startswith(served.KEY)]
        place = Place(**json.loads(json.loads(given.partition("=")[2]))["m"])
        seen.append((place, Served(place, 10).score(["p"], [["1 + 1 = 3", "1 + 1 = 2"]])))
        return 1

    monkeypatch.setattr(attempt, "run_verl", verl)
    monkeypatch.setattr(attempt, "_reinforcement_keys", lambda *_: {})
    monkeypatch.setattr(StagePlan, "fingerprint", {"versions": {}})
    session = Session(tmp_path / "c", one.stage, Progress("train grpo", 1), Monitor(one.stage.monitor), Spent(one.stage.budget, 1))
    (tmp_path / "c").mkdir()
    with pytest.raises(UserError, match="verl ended with exit code 1"):
        attempt.train_on(one, session, lambda step: None)
    ((place, scores),) = seen
    assert scores == [[0.0, 1.0]] and Path(place.log) == tmp_path / "c/verifier-m.log"
    assert not Path(place.socket).parent.exists()
    assert not [pid for pid in processes.descendants(os.getpid()) if place.socket in Path(f"/proc/{pid}/cmdline").read_text()]
