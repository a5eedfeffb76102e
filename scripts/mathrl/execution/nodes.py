"""One command over several nodes: a Ray cluster of this job alone, one step a node, the image inside each step.

A job has its nodes, and Ray wants one head and one worker per node. `launch` runs on the job's first node, outside any image: SLURM's
srun, or a launcher of the user's (`mathrl.execution.launcher`), starts Ray in the image on each node, then the command on the first node
with RAY_ADDRESS set. All ends with the command. Ports are free ones, addresses are found by asking the kernel which one leads to the other
node (a host name may resolve to 127.0.1.1), and Ray's files lie in a directory of this job, so that another Ray on the same node does no
harm.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError
from mathrl.execution import launcher, nvidia
from mathrl.execution.launcher import Launcher, Started
from mathrl.execution.secrets import authentication
from mathrl.execution.supervisor import Supervisor

SCRIPT = SCRIPTS / "run_on_nodes.py"
MEET_SECONDS = 120.0  # for all nodes to load torch and to meet
JOIN_SECONDS = 300.0  # an image on a slow file system takes its time to start
# Ray gives its agents 15 s to start and its node 30 s to register, which no setting changes; on a cold or busy file system
# they take longer, and the second attempt finds the files in memory
ATTEMPTS, ATTEMPT_SECONDS = 3, 60.0


def _say(line: str) -> None:
    print(f"nodes: {line}", file=sys.stderr, flush=True)


def source_address(target: str) -> str:
    """The address of this host that packets to `target` come from. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect((target, 9))
        return connection.getsockname()[0]


def address_of(name: str) -> str | None:
    """The IPv4 address of a network interface (SIOCGIFADDR); None where it has none."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection, contextlib.suppress(OSError):
        answer = fcntl.ioctl(connection.fileno(), 0x8915, struct.pack("256s", name.encode()[:15]))
        return socket.inet_ntoa(answer[20:24])
    return None


def interface(address: str) -> str | None:
    """Name of the network interface that has this IPv4 address."""
    return next((name for _, name in socket.if_nameindex() if address_of(name) == address), None)


def fastest(usual: str, root: Path = Path("/sys/class/net"), address: Callable[[str], str | None] = address_of) -> str:
    """The interface for NCCL's sockets: the fastest network adapter that is up, or the `usual` one where none is faster.

    The route between nodes often goes over a slow management network beside a fast one. InfiniBand and RoCE need no such choice. A card
    without an address of its own is part of a bond or lent to another interface, and NCCL would find nobody there.
    """

    def speed(name: str) -> int:  # Mbit/s; a virtual interface has no device and is no candidate
        try:
            up = (root / name / "operstate").read_text().strip() == "up"
            return int((root / name / "speed").read_text()) if up else 0
        except (OSError, ValueError):
            return 0

    adapters = sorted(path.parent.name for path in root.glob("*/device") if address(path.parent.name))
    return max([usual, *adapters], key=speed)  # the first of equals


def choose_interface(mine: str) -> None:
    """Tell gloo and NCCL the interface of this node's address `mine`, which they would guess by host name; what the user set stays."""
    if name := interface(mine):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={fastest(name)}")  # without the sign eth1 is eth10 too


def free_port(address: str = "") -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as connection:
        connection.bind((address, 0))
        return connection.getsockname()[1]


def in_image(image: str, arguments: str, command: Sequence[str]) -> list[str]:
    """A command as it runs in the image, as Snakemake's own call does; as it is where there is none."""
    if not image:
        return list(command)
    return ["apptainer", "exec", "--home", os.getcwd(), *arguments.split(), image, *command]


def launch(
    command: Sequence[str], image: str, image_arguments: str, gpus: int, cpus: int | None, cuda: bool, hosts: int | None = None
) -> int:
    """Run `command` on this job's first node beside a Ray cluster over all of its nodes; returns its exit code.

    `hosts`: how many of the configuration's hosts the job takes, where a launcher of the user's starts it.
    """
    where = launcher.of_job(hosts, gpus if cuda else None)
    if not isinstance(where, launcher.Srun):  # Ray wants the same path on each node
        os.environ.setdefault("RAY_TMPDIR", f"/tmp/mathrl-ray-{os.getpid()}")
    with launcher.alone(where):
        return _launch(where, command, image, image_arguments, gpus, cpus, cuda)


def _launch(where: Launcher, command: Sequence[str], image: str, image_arguments: str, gpus: int, cpus: int | None, cuda: bool) -> int:
    os.environ |= authentication()  # the launcher and apptainer hand the environment on
    names, job_cpus = where.allocation()
    addresses = [where.address(name) for name in names]
    head = source_address(addresses[1]) if len(names) > 1 else source_address(addresses[0])
    port = free_port(head)
    address = f"{head}:{port}"
    python = "python" if image else sys.executable
    mine = [python, str(SCRIPT), "--gpus", str(gpus), "--cpus", str(cpus or job_cpus)]
    mine += ["--accelerator", "cuda" if cuda else "cpu"]
    _say(f"{len(names)} nodes ({', '.join(names)}), Ray at {address}")
    steps: list[Started] = []
    received: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        received.append(number)
        if len(steps) > len(names):  # the command alone: its workers live while it saves
            steps[-1].send_signal(number)
        else:
            raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, pass_on)
    try:
        _check_network(where.start, names, head, lambda role: in_image(image, image_arguments, [*mine, *role]))
        for name in names:
            role = ["--head", address] if name == names[0] else ["--join", address]
            inside = in_image(image, image_arguments, [*mine, *role])
            steps.append(where.start(name, inside))
        drive = in_image(image, image_arguments, [*mine, "--drive", address, "--nodes", str(len(names)), "--", *command])
        steps.append(where.start(names[0], drive))
        driver = steps[-1]
        while driver.poll() is None:
            dead = [i for i, process in enumerate(steps[:-1]) if process.poll() is not None]
            if dead and not received:
                _say(f"Ray on node {names[dead[0]]} has ended (exit code {steps[dead[0]].returncode}): ending the command")
                driver.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    driver.wait(60)
                return 1
            time.sleep(0.5)
        code = driver.wait()
        return code if code >= 0 else 128 - code
    except KeyboardInterrupt:
        return 128 + (received[-1] if received else signal.SIGINT)
    finally:
        for place, process in reversed(list(enumerate(steps))):
            if process.poll() is None:
                process.send_signal(signal.SIGUSR1 if place < len(names) else signal.SIGTERM)
        for process in steps:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def meet(address: str, rank: int, nodes: int, cuda: bool) -> None:
    """Sum 64 MB over all nodes for up to five seconds, by NCCL (gloo without GPUs), and say how fast the network is.

    Raises:
        UserError: the nodes do not reach each other.
    """
    import datetime

    import torch
    import torch.distributed as dist

    if cuda:  # on each node: the job's own check sees the first alone
        nvidia.check(nvidia.gpus(nvidia.own()))
    host, port = address.rsplit(":", 1)
    mine = host if rank == 0 else source_address(host)
    choose_interface(mine)
    backend, limit = ("nccl" if cuda else "gloo"), datetime.timedelta(seconds=MEET_SECONDS)
    try:
        dist.init_process_group(backend, init_method=f"tcp://{host}:{port}", rank=rank, world_size=nodes, timeout=limit)
        numbers = torch.ones(16 << 20, device="cuda" if cuda else "cpu")
        dist.all_reduce(numbers)  # opens the connections
        rounds, begin = 0, time.monotonic()
        while True:
            numbers.fill_(1.0)
            dist.all_reduce(numbers)
            if (found := numbers[-1].item()) != nodes:
                raise UserError(
                    f"all-reduce over {nodes} nodes by {backend}: {found:g} instead of {nodes} on {mine}: the network is damaged"
                )
            rounds += 1
            more = torch.tensor(float(time.monotonic() - begin < 5 and rounds < 50), device=numbers.device)
            dist.broadcast(more, 0)  # all end together
            if not more.item():
                break
        seconds = (time.monotonic() - begin) / rounds
        dist.destroy_process_group()
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise UserError(
            f"node {mine} does not reach the others by {backend} ({why}); is a firewall between them? NCCL_SOCKET_IFNAME names an interface"
        ) from None
    if rank == 0:
        _say(f"all-reduce of 67 MB over {nodes} nodes by {backend}: {seconds * 1000:.0f} ms, {67.1 / 1e3 / seconds:.2g} GB/s")


def _check_network(
    start: Callable[[str, Sequence[str]], Started], names: Sequence[str], head: str, inside: Callable[[Sequence[str]], list[str]]
) -> None:
    """Let a process on each node meet the others, before Ray is started.

    Raises:
        UserError: names the nodes that failed; what they said is in the log.
    """
    if len(names) < 2:
        return
    address = f"{head}:{free_port(head)}"
    meetings = []
    for rank, name in enumerate(names):
        role = inside(["--meet", address, "--rank", str(rank), "--nodes", str(len(names))])
        meetings.append(start(name, role))
    until = time.monotonic() + JOIN_SECONDS
    try:
        for process in meetings:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
    finally:
        failed = [name for name, process in zip(names, meetings, strict=True) if process.poll() != 0]
        for process in meetings:
            if process.poll() is None:
                process.terminate()
    if failed:
        raise UserError(
            f"the job's nodes do not reach each other: {', '.join(failed)} failed, see above; leave a bad one out: sbatch --exclude"
        )


def ray_node(address: str, head: bool, gpus: int, cpus: int, variables: Mapping[str, str]) -> int:
    """Run Ray's head or worker on this node until it is told to end; leaves no process and no file of Ray behind."""
    target, port = address.rsplit(":", 1)
    mine = target if head else source_address(target)
    directory = os.environ.get("RAY_TMPDIR", f"/tmp/mathrl-ray-{os.environ.get('SLURM_JOB_ID', os.getpid())}")
    choose_interface(mine)
    # NCCL then says which network it takes (training's log shows it), and why not a faster one
    os.environ.setdefault("NCCL_DEBUG", "INFO")
    os.environ.setdefault("NCCL_DEBUG_SUBSYS", "INIT,NET")
    # Ray's workers have the environment of their node's Ray, not of the command
    os.environ |= {**variables, "RAY_USAGE_STATS_ENABLED": "0", "VLLM_HOST_IP": mine}
    command = [python_for_ray(directory), "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={mine}"]
    command += [f"--num-gpus={gpus}", f"--num-cpus={cpus}"]
    command += ["--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"]
    # 0: whoever listens takes a port that is free at that moment, which a port chosen here may no longer be
    command += [f"--{name}-port=0" for name in ("dashboard-agent-listen", "dashboard-agent-grpc", "metrics-export", "runtime-env-agent")]
    if head:
        command += ["--head", f"--port={port}", "--include-dashboard=false", f"--ray-client-server-port={free_port()}"]
        command += [f"--temp-dir={directory}"]
    else:
        wait_for_port(target, int(port))
        command += [f"--address={address}"]
    for attempt in range(1, ATTEMPTS + 1):
        supervisor = Supervisor(command, 0, grace=5.0, service=True)
        supervisor.ray_directory = Path(directory)  # Ray wants the same path on each node
        supervisor.last_words = lambda: _say(f"Ray on {mine} has ended; its logs say:\n{ray_errors(Path(directory))}")
        begin = time.monotonic()
        code = supervisor.run()
        if supervisor.asked or time.monotonic() - begin > ATTEMPT_SECONDS or attempt == ATTEMPTS:
            break
        _say(f"Ray on {mine} did not start (exit code {code}): attempt {attempt + 1} of {ATTEMPTS}")
    return code


def python_for_ray(directory: str | None) -> str:
    """The interpreter that runs this, by a path that a shell takes as it is: Ray starts its workers by `bash -c "exec PATH …"`, unquoted.

    Where the environment lies in a folder with a space or a quote in its name, that is a link in the job's `directory`.
    """
    if shlex.quote(sys.executable) == sys.executable:
        return sys.executable
    if directory is None:  # its workers would fail five times, a minute each
        raise UserError(f"{sys.executable}: Ray takes no such path as it is; run the command by `python scripts/run_job.py -- COMMAND`")
    link = Path(directory) / "environment"
    link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # an attempt before this one, or another node of this host
        link.symlink_to(Path(sys.executable).parent.parent)
    return str(link / "bin" / Path(sys.executable).name)


def ray_errors(directory: Path, lines: int = 3) -> str:
    """The last errors in the logs of Ray's own processes, `lines` of each log; they are gone with Ray's directory."""
    error = re.compile(r"Check failed| [EC] \d|\bERROR\b|Error:")
    found = []
    for log in sorted(directory.glob("session_2*/logs/*")):
        if log.is_file() and log.name.startswith(("raylet", "gcs_server", "dashboard_agent", "runtime_env_agent")):
            errors = [line for line in log.read_text(errors="replace").splitlines() if error.search(line)]
            found += [f"  {log.name}: {line[:400]}" for line in errors[-lines:]]
    return "\n".join(found) or "  no error"


def wait_for_port(host: str, port: int, seconds: float = JOIN_SECONDS) -> None:
    """Return when something answers there; `UserError` if nothing does in time."""
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise UserError(f"Ray's head at {host}:{port} does not answer within {seconds:.0f} s ({error})") from None
            time.sleep(0.5)


def drive(address: str, nodes: int, command: Sequence[str]) -> None:
    """Wait until all nodes have joined, then become the command (does not return)."""
    import ray

    host, port = address.rsplit(":", 1)
    wait_for_port(host, int(port))
    ray.init(address=address, log_to_driver=False, configure_logging=False)
    until = time.monotonic() + JOIN_SECONDS
    while (alive := sum(node["Alive"] for node in ray.nodes())) < nodes:
        if time.monotonic() > until:
            raise UserError(f"{alive} of {nodes} nodes joined Ray within {JOIN_SECONDS:.0f} s; see the job's log")
        time.sleep(0.5)
    gpus = ray.cluster_resources().get("GPU", 0)
    ray.shutdown()
    _say(f"all {nodes} nodes have joined, {gpus:g} ranks")
    os.execvpe(command[0], list(command), os.environ | {"RAY_ADDRESS": address})
