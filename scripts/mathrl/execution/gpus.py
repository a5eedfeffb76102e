"""Which job has which GPU of this host: one file lock per physical device.

Snakemake counts GPUs (`--resources gpu=6`) but gives none to a job. Here a job takes n distinct devices and its last
process gives them back, however it dies:

- A GPU is a file `gpu-<device>` under the state directory; who holds its lock has the GPU. The file is inherited
  by the command and its children, so the kernel releases it when the last of them is gone.
- A daemon may close what it inherits (Ray's do). So the file also names the job, and a GPU whose lock is free is still
  taken while a process carries that job's tag. If that job's supervisor is dead they are orphans and are ended.
- All n GPUs are taken at once or none, under one mutex: no deadlock. Who waits holds a ticket; nobody overtakes an
  older ticket that could want the same GPUs: no starvation.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mathrl.core.errors import UserError
from mathrl.execution import locks, processes

STATE = "MATHRL_GPUS_DIR"
DEVICES = "MATHRL_GPUS"


def state_directory() -> Path:
    """Where the locks of this host and user lie; made if need be.

    Not in the repository, which hosts may share; not in $TMPDIR or $XDG_RUNTIME_DIR, which differ from login to login
    and are not mounted in containers: /tmp is.
    """
    return processes.own_directory(Path(os.environ.get(STATE) or f"/tmp/mathrl-gpus-{os.getuid()}"), f"name another by {STATE}")


def physical_devices() -> list[str]:
    """UUIDs of this host's NVIDIA GPUs in PCI order, which is how `CUDA_DEVICE_ORDER=PCI_BUS_ID` numbers them."""
    found = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            match = re.search(r"^GPU UUID:\s*(\S+)", path.read_text(errors="replace"), re.M)
        except OSError:
            match = None
        found.append(match.group(1) if match else path.parent.name)
    if not found:
        found = sorted((p.name.removeprefix("nvidia") for p in Path("/dev").glob("nvidia[0-9]*")), key=int)
    return found


def visible_devices(environment: dict[str, str] | os._Environ = os.environ) -> list[str]:
    """Devices that jobs may use, as CUDA names them (index or UUID): CUDA_VISIBLE_DEVICES if set, else all of the host.

    `MATHRL_GPUS` (a number or a comma-separated list) says what the host has where the driver cannot tell: in tests.
    """
    given = environment.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        given = environment.get(DEVICES)
        if given is not None and given.strip().isdigit() and "," not in given:
            return [str(i) for i in range(int(given))]
        if given is None:
            return [str(i) for i in range(len(physical_devices()))]
    devices = []
    for name in (part.strip() for part in given.split(",")):
        if not name or name.startswith("-"):
            break  # CUDA itself stops reading at the first invalid entry
        if name not in devices:
            devices.append(name)
    return devices


def device_key(name: str, physical: list[str]) -> str:
    """Name of a device's lock file: the same for an index and for the UUID (or its unique prefix) of the same GPU."""
    if name.isdigit():
        name = physical[int(name)] if int(name) < len(physical) else name
    else:
        whole = [uuid for uuid in physical if uuid.startswith(name)]
        name = whole[0] if len(whole) == 1 else name
    return re.sub(r"[^A-Za-z0-9.-]", "_", name)


def _say(line: str) -> None:
    print(f"GPUs: {line}", file=sys.stderr, flush=True)


class GpuSlots:
    """Devices held by one job: their names for CUDA and the open lock files, which the job's processes inherit."""

    def __init__(self, names: list[str], handles: list[int]):
        self.names = names
        self.handles = handles

    def release(self) -> None:
        """Give the GPUs back. Only for a job none of whose processes is left."""
        for handle in self.handles:
            os.ftruncate(handle, 0)
            fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)
        self.handles = []


def acquire(
    count: int,
    job: str,
    alive: Callable[[], bool] = lambda: True,
    pause: Callable[[float], None] = time.sleep,
) -> GpuSlots | None:
    """Take `count` distinct GPUs for a job; waits, first come first served, until they are free.

    `alive` is asked in each round; when it says no, the wait ends with None (the job was cancelled meanwhile). Raises
    `UserError` if the host has fewer GPUs than that, or none.
    """
    if count == 0:
        return GpuSlots([], [])
    names = visible_devices()
    if not names:
        raise UserError(
            f"this job asks for {count} GPU(s) and this host shows none"
            + (" (CUDA_VISIBLE_DEVICES is empty)" if "CUDA_VISIBLE_DEVICES" in os.environ else "")
            + "; run it on a host with NVIDIA GPUs, or on a laptop's CPU: snakemake --profile profiles/demo"
        )
    if count > len(names):
        raise UserError(
            f"this job asks for {count} GPU(s) and it may use {len(names)} ({','.join(names)}); "
            "lower training.gpus in config.yaml, or widen CUDA_VISIBLE_DEVICES"
        )
    directory = state_directory()
    physical = physical_devices()
    keys = {name: device_key(name, physical) for name in names}
    wanted = set(keys.values())
    mutex = locks.open_lock(directory / "mutex")
    ticket = None
    begin, told = time.monotonic(), 0.0
    try:
        while alive():
            taken = None
            fcntl.flock(mutex, fcntl.LOCK_EX)
            try:
                if ticket is None:
                    ticket = _draw_ticket(directory, wanted)
                first = not _older_tickets(directory, ticket[0], wanted)
                taken = _take(directory, names, keys, count, job) if first else None
                if taken is not None:
                    return taken
            finally:
                if taken is not None and ticket is not None:
                    ticket[0].unlink(missing_ok=True)
                fcntl.flock(mutex, fcntl.LOCK_UN)
            waited = time.monotonic() - begin
            if waited > 1 and waited >= told:
                who = _holders(directory, wanted) if first else ", others wait before"
                _say(f"waiting for {count} of {','.join(names)} ({waited:.0f} s){who}")
                told = waited + 60
            pause(0.03 if waited < 10 else 0.5)
        return None
    finally:
        if ticket is not None:
            ticket[0].unlink(missing_ok=True)
            os.close(ticket[1])
        os.close(mutex)


def _holders(directory: Path, wanted: set[str]) -> str:
    """Who has these GPUs, for the line that says so: processes that hold a lock, whatever they are."""
    lines = []
    for key in sorted(wanted):
        held = processes.holders((directory / f"gpu-{key}").resolve())
        lines += [f"GPU {key} is held by pid {pid} {processes.command_line(pid)}" for pid in held[:1]]
    return "; " + "; ".join(lines) if lines else ""


def _tickets(directory: Path) -> list[Path]:
    """The queue, longest wait first; whatever else somebody put there is none of ours."""
    return sorted(path for path in directory.glob("ticket-*") if re.fullmatch(r"ticket-\d{9,}", path.name))


def _draw_ticket(directory: Path, wanted: set[str]) -> tuple[Path, int]:
    numbers = [int(path.name.split("-")[1]) for path in _tickets(directory)]
    path = directory / f"ticket-{max(numbers, default=0) + 1:09d}"
    handle = locks.open_lock(path)
    os.write(handle, "\n".join(sorted(wanted)).encode())
    fcntl.flock(handle, fcntl.LOCK_EX)
    return path, handle


def _older_tickets(directory: Path, mine: Path, wanted: set[str]) -> bool:
    """Whether someone alive waits since before us for any of the same GPUs; tickets of the dead are thrown away."""
    for path in _tickets(directory):
        if path.name >= mine.name:
            break
        handle = locks.open_lock(path)
        try:
            if locks.try_lock(handle):
                path.unlink(missing_ok=True)
            elif wanted & set(os.read(handle, 1 << 16).decode().split("\n")):
                return True
        finally:
            os.close(handle)
    return False


def _take(directory: Path, names: list[str], keys: dict[str, str], count: int, job: str) -> GpuSlots | None:
    held: dict[str, int] = {}
    try:
        for name in names:
            if keys[name] in {keys[other] for other in held}:
                continue  # an index and a UUID of the same GPU
            handle = locks.open_lock(directory / f"gpu-{keys[name]}")
            if locks.lock_if_free(handle, f"GPU {keys[name]}"):
                held[name] = handle
            else:
                os.close(handle)
            if len(held) == count:
                break
        if len(held) < count:
            return None
        for handle in held.values():
            locks.sign(handle, job)
            os.set_inheritable(handle, True)
        gpus = GpuSlots(list(held), list(held.values()))
        held = {}
        return gpus
    finally:
        for handle in held.values():
            os.close(handle)
