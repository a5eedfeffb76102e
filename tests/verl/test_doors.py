"""What verl listens with: who gets in, and who does not."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mathrl.core.code_files import SCRIPTS
from mathrl.execution import secrets
from mathrl.models import local_stores
from mathrl.verl import doors, grpo_config

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """What came of each attack on TransferQueue."""
    folder = tmp_path_factory.mktemp("attacked")
    folder.chmod(0o777)
    environment = {**os.environ, **secrets.isolation({}), "PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, str(HERE / "queue_under_attack.py"), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_stranger_runs_code_in_the_queue_as_verl_opens_it(attacked):
    assert attacked["open"]["honest"] and attacked["open"]["stranger"]
    assert attacked["open"].get("user", True)


def test_nobody_without_the_token_reaches_the_queue(attacked):
    assert attacked["honest"] and attacked["honest through a relay"] and attacked["honest afterwards"]
    for who in ("stranger", "another token", "user", "network"):
        assert not attacked.get(who), who


def test_replayed_cut_and_spoilt_frames_reach_nothing(attacked):
    assert (attacked["replayed"], attacked["cut"], attacked["spoilt"]) == (0, 0, 0)


def test_the_queue_listens_on_loopback(attacked):
    assert attacked["address"] == "127.0.0.1"


@pytest.mark.parametrize("token", ["", "short"])
def test_no_port_opens_without_a_token(token):
    with pytest.raises(RuntimeError, match="RAY_AUTH_TOKEN is not set, or short"):
        doors.key_pair(token, "server")


def answers(guard, path, *headers):
    """Status of a request to the guarded application."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(guard({"type": "http", "path": path, "headers": list(headers)}, None, send))
    return sent[0]["status"]


@pytest.mark.parametrize("path", ["/v1/completions", "/invocations", "/metrics", "/sleep", "/"])
def test_the_http_server_asks_for_the_key_on_every_path(path):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    guard = doors.KeyGuard(application, "k" * 64)
    right = (b"authorization", b"Bearer " + b"k" * 64)
    assert answers(guard, path, right) == 200
    for headers in ([], [(b"authorization", b"Bearer " + b"k" * 63)], [(b"authorization", b"")], [right, right]):
        assert answers(guard, path, *headers) == 401


def test_the_key_is_compared_in_a_time_that_tells_nothing_of_it(monkeypatch):
    """By digests of one length, and by nothing else; CURVE's keys are libsodium's to compare."""
    compared = []
    monkeypatch.setattr(doors.hmac, "compare_digest", lambda one, other: compared.append((len(one), len(other))))
    guard = doors.KeyGuard(None, "k" * 64)
    for key in (b"k" * 64, b"k", b"", b"j" * 200):
        assert answers(guard, "/", (b"authorization", b"Bearer " + key)) == 401
    assert compared == [(32, 32)] * 4


def test_verl_serves_behind_the_guard(monkeypatch):
    served = []

    async def run_uvicorn(app, server_args, server_address):
        served.append(app)

    server = SimpleNamespace(run_uvicorn=run_uvicorn)
    doors.ask_for_key(server)
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with pytest.raises(RuntimeError, match="VLLM_API_KEY is not set"):
        asyncio.run(server.run_uvicorn(None, None, "127.0.0.1"))
    monkeypatch.setenv("VLLM_API_KEY", "k" * 64)
    asyncio.run(server.run_uvicorn(None, None, "127.0.0.1"))
    assert isinstance(served[0], doors.KeyGuard)


def test_two_trainings_of_a_host_have_sockets_of_their_own(monkeypatch):
    """Both are job 01000000 of a Ray of their own."""
    name = "ipc:///tmp/rl-colocate-zmq-01000000-replica-0-rank-0.sock"
    places = []
    for job in ("/tmp/mathrl-ray-aaaaaaaa", "/tmp/mathrl-ray-bbbbbbbb"):
        monkeypatch.setenv(local_stores.DIRECTORY, job)
        places.append(doors.private_handle(name))
    assert places[0] == "ipc:///tmp/mathrl-ray-aaaaaaaa/rl-colocate-zmq-01000000-replica-0-rank-0.sock"
    assert len(set(places)) == 2 and all(len(place.removeprefix("ipc://")) < 107 for place in places)


def test_every_job_has_secrets_of_its_own_and_a_cluster_keeps_its():
    one, two = secrets.isolation({}), secrets.isolation({})
    for name in (secrets.TOKEN, secrets.ENGINE_KEY):
        assert one[name] != two[name] and len(one[name]) == 64
    assert secrets.isolation({"RAY_ADDRESS": "10.0.0.1:6379"}) == {}


def test_rays_actors_get_the_doors(config):
    from .test_grpo_config import overrides

    keys = overrides(config)
    assert keys["+ray_kwargs.ray_init.runtime_env.worker_process_setup_hook"] == doors.HOOK
    module, _, name = doors.HOOK.rpartition(".")
    assert getattr(sys.modules[module], name) is doors.close
    assert not any("TOKEN" in argument or "API_KEY" in argument for argument in grpo_config.arguments(keys))


STORES = """
import importlib, os, subprocess
import torch.distributed as dist
from mathrl.models import local_stores
def listening():
    lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout.splitlines()
    return [line.split()[3] for line in lines if f"pid={os.getpid()}," in line and not line.split()[3].startswith("127.")]
rendezvous = importlib.import_module("torch.distributed.rendezvous")
local_stores.use_files(rendezvous)
dist.init_process_group("gloo", init_method="tcp://127.0.0.1:29877", rank=0, world_size=1)
dist.barrier()
print(listening(), sorted(os.listdir(os.environ["RAY_TMPDIR"])))
dist.destroy_process_group()
address = "127.0.0.2"  # stands for the address of a node: at that one alone, not at all of the host's
store = rendezvous._create_c10d_store(address, 29878, 0, 1, rendezvous.default_pg_timeout)
store.set("key", "value")
print(subprocess.run(["ss", "-Hltn", "sport", "=", ":29878"], capture_output=True, text=True).stdout.split()[3])
"""


def test_processes_of_one_host_meet_in_a_file_of_the_job(tmp_path):
    environment = {**os.environ, **secrets.LOOPBACK, "RAY_TMPDIR": str(tmp_path), "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run([sys.executable, "-c", STORES], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    doors_open, address = done.stdout.splitlines()
    assert doors_open == "[] ['store-29877']"
    assert address == "127.0.0.2:29878"
