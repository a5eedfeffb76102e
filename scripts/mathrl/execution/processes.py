"""Processes as /proc shows them: who is alive, who descends from whom, who carries a tag.

Linux only. For how a process is named see `mathrl.core.owner`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mathrl.core.errors import UserError
from mathrl.core.owner import OWNER as OWNER
from mathrl.core.owner import owner_is_gone as owner_is_gone
from mathrl.core.owner import owner_token as owner_token
from mathrl.core.owner import start_time as start_time
from mathrl.core.owner import world as world

LONGEST_TMPDIR = 75  # bytes: a socket's path may have 107, and multiprocessing puts /pymp-xxxxxxxx/listener-xxxxxxxx behind it
JOB = "MATHRL_JOB"  # in the environment of every process of a supervised job: see job_id
WORKDIR = "MATHRL_WORKDIR"  # the working directory of the job, absolute
DEADLINE = "MATHRL_DEADLINE"  # end of the SLURM job's walltime, seconds since 1970
QUEUES = "MATHRL_QUEUES_AGAIN"  # set by the Snakemake of a SLURM job, which reads the notes of pauses: elsewhere none is written
PROGRESS = "MATHRL_PROGRESS"  # the file that a command makes once it has saved something that it will not do again
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
INITIAL = "4026531836"  # the machine's own PID namespace, Linux's PROC_PID_INIT_INO: it shows the processes of all others


def job_id() -> str:
    """A new id of a job whose supervisor is this process: `pid.start.world.random`."""
    return f"{os.getpid()}.{start_time(os.getpid())}.{world()}.{os.urandom(4).hex()}"


def supervisor(job: str) -> int | None:
    """The process that supervises a job; None if it cannot be known: an odd id, another host or namespace."""
    pid, _, rest = job.partition(".")
    return int(pid) if pid.isdigit() and rest.count(".") == 2 and rest.split(".")[1] == world() else None


def supervisor_is_gone(job: str) -> bool:
    """Whether the supervisor that made this job id has ended; no if it cannot be known."""
    pid = supervisor(job)
    return pid is not None and str(start_time(pid)) != job.split(".")[1]


def namespace_is_gone(job: str) -> bool:
    """Whether a job ran in a PID namespace that has ended since, with all that was in it; no if it cannot be known.

    A container that dies with `kill -9` takes its supervisor along. Its number means nothing here.
    """
    there, here = job.split(".")[2:3], world()
    boot, _, namespace = there[0].partition("-") if there else ("", "", "")
    if here != f"{boot}-{INITIAL}" or there == [here] or not namespace:
        return False
    for pid in set(pids()) - {1}:  # the first process of this namespace, which may hide
        with contextlib.suppress(OSError):  # it has just ended
            mine = os.stat(f"/proc/{pid}").st_uid == os.getuid()
            try:
                if str(os.stat(f"/proc/{pid}/ns/pid").st_ino) == namespace:
                    return False
            except PermissionError:
                if mine:
                    return False
    return True


def holders(path: Path) -> list[int]:
    """Processes of this user that have a file open."""
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            for link in os.scandir(f"/proc/{pid}/fd"):
                if os.readlink(link.path) == str(path):
                    found.append(pid)
                    break
    return found


def own_directory(path: Path, otherwise: str = "ask its owner to") -> Path:
    """A directory that only this user can enter, made if need be; in /tmp another user may have been there first.

    Raises:
        UserError: it belongs to somebody else, or is none.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise UserError(f"{path}: is no directory of this user; remove it, or {otherwise}")
    if stat.S_IMODE(info.st_mode) & 0o077:
        path.chmod(0o700)
    return path


def prctl(option: int, value: int) -> None:
    """Linux's prctl; `OSError` where it refuses."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value})")


def wait_for_signal(numbers: Iterable[int], seconds: float) -> int | None:
    """The signal among these, which are blocked, that comes within this time, or None.

    The C library's own call: where SIGSTOP and SIGCONT come in between, Python's (up to 3.13) returns a signal that nobody sent.
    """
    library, waited = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    library.sigemptyset(waited)
    for number in numbers:
        library.sigaddset(waited, int(number))
    found = library.sigtimedwait(waited, None, (ctypes.c_long * 2)(int(seconds), int(seconds % 1 * 1e9)))
    return found if found > 0 else None


def end_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Let the kernel kill this process, or send it another signal, as soon as `parent`, which started it, has ended."""
    prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def pids() -> Iterator[int]:
    """All process ids of this machine (of this pid namespace)."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def environment(pid: int) -> dict[str, str]:
    """The environment that a process started with; empty if it cannot be read (gone, another user's, a zombie)."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if b"=" in entry)
    return {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}


def tagged(name: str = JOB, value: str | None = None) -> dict[int, str]:
    """Live processes whose environment holds `name` (with this value, if one is given), by pid; never this process."""
    needle = f"{name}=".encode()
    found = {}
    for pid in pids():
        if pid == os.getpid():
            continue
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                raw = b"\0" + file.read()
        except OSError:
            continue
        at = raw.find(b"\0" + needle)
        if at < 0 or start_time(pid) is None:
            continue
        text = os.fsdecode(raw[at + 1 + len(needle) :].split(b"\0", 1)[0])
        if value is None or text == value:
            found[pid] = text
    return found


def descendants(root: int) -> set[int]:
    """Pids of all live processes below `root`."""
    children: dict[int, list[int]] = {}
    for pid in pids():
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/stat", errors="replace") as stat_file:
            line = stat_file.read()
            fields = line[line.rindex(")") + 2 :].split()
            if fields[0] not in "ZX":
                children.setdefault(int(fields[1]), []).append(pid)
    found: set[int] = set()
    todo = [root]
    while todo:
        for pid in children.get(todo.pop(), []):
            found.add(pid)
            todo.append(pid)
    return found


def command_line(pid: int) -> str:
    """The command of a process in one line, shortened to 60 characters; empty if it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()[:60]


def send(targets: Iterable[int], number: int) -> None:
    """Send a signal to each process; those that are gone or another user's are passed over."""
    for pid in targets:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def shared_memory(targets: Iterable[int]) -> set[str]:
    """Files in /dev/shm that these processes have mapped: what they would leave behind when killed."""
    found = set()
    for pid in targets:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", errors="replace") as maps:
            for line in maps:
                at = line.find("/dev/shm/")
                if at >= 0 and not line.rstrip().endswith("(deleted)"):
                    found.add(line[at:].rstrip())
    return found


def end_all(find: Callable[[], set[int]], polite: float = 3.0, wait: Callable[[], object] = lambda: None) -> list[str]:
    """End every process that `find` names, until it names none: SIGTERM, after `polite` seconds SIGKILL.

    `find` is asked again in each round, so that children born meanwhile are met too; `wait` reaps zombies.
    Shared-memory files that only these processes had mapped are removed. Returns one line a process ended. Gives up
    after another 15 s (a process stuck in the kernel cannot be ended by anybody) and says so in the last line.
    """
    ended: dict[int, str] = {}
    files: set[str] = set()
    begin = time.monotonic()
    while alive := find():
        files |= shared_memory(alive)
        new = alive - ended.keys()
        ended |= {pid: command_line(pid) for pid in new}
        late = time.monotonic() - begin
        if late > polite + 15:
            return [*_lines(ended), f"still there: {', '.join(map(str, sorted(alive)))}"]
        send(alive if late >= polite else new, signal.SIGKILL if late >= polite else signal.SIGTERM)
        time.sleep(0.02 if late < 1 else 0.1)
        wait()
    files |= {str(path) for pid in ended for path in Path("/dev/shm").glob(f"sem.loky-{pid}-*")}  # joblib's, which nothing maps by name
    if files:
        files -= shared_memory(pids())
        for name in files:
            with contextlib.suppress(OSError):
                os.unlink(name)
    return _lines(ended)


def _lines(ended: dict[int, str]) -> list[str]:
    """One that had no command any more was ending by itself: nobody need hear of it."""
    return [f"{pid} {command}" for pid, command in sorted(ended.items()) if command]
