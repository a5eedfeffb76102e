"""Parts of a job over several nodes that need no SLURM; the whole runs in tests/hpc/run.sh."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from mathrl.core.files import UserError
from mathrl.execution import nodes, secrets

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "run_on_nodes.py"


def test_the_address_comes_from_the_route_not_from_the_host_name():
    assert nodes.source_address("127.0.0.1") == "127.0.0.1"


def test_the_interface_of_an_address():
    assert nodes.interface("127.0.0.1") == "lo"
    assert nodes.interface("192.0.2.1") is None, "an address that no interface has"


def test_a_free_port_is_free():
    port = nodes.free_port("127.0.0.1")
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


def test_waiting_for_a_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        nodes.wait_for_port("127.0.0.1", server.getsockname()[1], 1)
    with pytest.raises(UserError, match="does not answer within 0 s"):
        nodes.wait_for_port("127.0.0.1", nodes.free_port("127.0.0.1"), 0.1)


def meetings(count, port, timeout=180):
    """Real processes that meet as nodes do, on loopback: exit codes and what each said."""
    command = [sys.executable, str(SCRIPT), "--gpus", "0", "--accelerator", "cpu", "--meet", f"127.0.0.1:{port}", "--nodes", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    started = [subprocess.Popen([*command, "--rank", str(rank)], **pipes) for rank in range(count)]
    said = [process.communicate(timeout=timeout)[1] for process in started]
    return [process.returncode for process in started], said


def test_two_nodes_meet_before_ray_starts():
    codes, said = meetings(2, nodes.free_port("127.0.0.1"))
    assert codes == [0, 0], said
    assert "nodes: all-reduce of 67 MB over 2 nodes by gloo: " in said[0] and "GB/s" in said[0]


def test_a_node_that_nobody_answers_is_one_line(monkeypatch):
    monkeypatch.setattr(nodes, "MEET_SECONDS", 2.0)
    with pytest.raises(UserError, match=r"node 127\.0\.0\.1 does not reach the others by gloo \(.*\); is a firewall between them\?"):
        nodes.meet(f"127.0.0.1:{nodes.free_port('127.0.0.1')}", 1, 2, cuda=False)


def test_the_network_is_checked_on_every_node_and_a_bad_one_is_named():
    """What stands for srun ends with the rank as its exit code: the first node ends well, the second fails."""
    seen = []

    def inside(role):
        seen.append(role)
        return [role[role.index("--rank") + 1]]

    def start(node, command):
        return subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(int(sys.argv[-1]))", *command])

    with pytest.raises(UserError, match="the job's nodes do not reach each other: two failed, see above; leave a bad one out"):
        nodes._check_network(start, ["one", "two"], "127.0.0.1", inside)
    assert [role[2:] for role in seen] == [["--rank", "0", "--nodes", "2"], ["--rank", "1", "--nodes", "2"]]
    nodes._check_network(start, ["alone"], "127.0.0.1", inside)


def test_a_command_in_its_image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert nodes.in_image("", "--nv", ["python", "x"]) == ["python", "x"], "no image: as it is"
    inside = nodes.in_image("a.sif", "--nv --bind /data", ["python", "x"])
    assert inside == ["apptainer", "exec", "--home", str(tmp_path), "--nv", "--bind", "/data", "a.sif", "python", "x"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpus", "6"], "no command given"),
        (["--gpus", "6", "--", "true"], "training.nodes is above 1 and this is no SLURM job"),
    ],
)
def test_what_is_refused(arguments, message, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.full)], ids=["at once", "an agent too slow"])
def test_two_ray_nodes_join(slow, stop_ray_agent, tmp_path):
    """Head, worker and driver as srun starts them, on loopback; an earlier `ray.init()` has left its token in the home."""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("0" * 64)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **secrets.authentication(), "HOME": str(tmp_path), "PATH": path}
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short: it holds sockets
    address = f"127.0.0.1:{nodes.free_port('127.0.0.1')}"
    mine = [sys.executable, str(SCRIPT), "--gpus", "1", "--cpus", "4", "--accelerator", "cpu"]
    services = []
    for role in ("--head", "--join"):
        with open(tmp_path / f"ray{role}", "wb") as log:
            ray = {**environment, "RAY_TMPDIR": place}
            services.append(subprocess.Popen([*mine, role, address], env=ray, start_new_session=True, stdout=log, stderr=log))
    try:
        if slow:
            stop_ray_agent(services[1].pid)
        drive = [*mine, "--drive", address, "--nodes", "2", "--", "true"]
        done = subprocess.run(drive, env=environment, capture_output=True, text=True, timeout=240)
    finally:
        for service in services:
            service.send_signal(signal.SIGUSR1)
        for service in services:
            service.wait(timeout=60)
    assert done.returncode == 0 and "all 2 nodes have joined, 2 ranks" in done.stderr, done.stderr[-2000:]
    log = (tmp_path / "ray--join").read_text()
    assert ("attempt 2 of 3" in log) == slow, log
    if slow:
        assert "Timed out waiting for file" in log, "what Ray's own logs say"
    assert not Path(place).exists(), "Ray's files are gone with it"


@pytest.mark.parametrize(
    ("adapters", "chosen"),
    [
        ({"eno1": ("up", "1000"), "ens2": ("up", "100000")}, "ens2"),  # management and data network
        ({"eno1": ("up", "1000"), "ens2": ("down", "100000")}, "eno1"),
        ({"eno1": ("up", "25000"), "ens2": ("up", "25000")}, "eno1"),
        ({"eno1": ("up", "1000"), "ens2": ("up", "-1")}, "eno1"),  # a driver that does not know
        ({"eno1": ("up", "1000"), "slave": ("up", "100000")}, "eno1"),  # part of a bond, or a virtual machine's own card below eno1
        ({}, "eno1"),
    ],
    ids=["faster", "down", "as-fast", "unknown", "no-address", "no-adapter"],
)
def test_nccl_gets_the_fastest_adapter(tmp_path, adapters, chosen):
    for name, (state, speed) in {**adapters, "docker0": ("up", "400000")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "operstate").write_text(f"{state}\n")
        (tmp_path / name / "speed").write_text(f"{speed}\n")
        if name != "docker0":  # a bridge is no adapter
            (tmp_path / name / "device").mkdir()
    assert nodes.fastest("eno1", tmp_path, {"eno1": "10.0.0.1", "ens2": "10.1.0.1"}.get) == chosen


def test_nccl_takes_that_interface_alone_and_what_the_user_set_stays(monkeypatch):
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(nodes, "fastest", lambda usual: "eth1")
    nodes.choose_interface("127.0.0.1")
    assert (os.environ["GLOO_SOCKET_IFNAME"], os.environ["NCCL_SOCKET_IFNAME"]) == ("lo", "=eth1"), "not eth10"
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "ib0")
    nodes.choose_interface("127.0.0.1")
    assert os.environ["NCCL_SOCKET_IFNAME"] == "ib0"
    assert nodes.address_of("lo") == "127.0.0.1" and nodes.address_of("no-such-card") is None
