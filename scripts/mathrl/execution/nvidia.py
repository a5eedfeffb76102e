"""What nvidia-smi says of this host's GPUs: driver, compute mode, memory, and how they are linked.

Two calls, two parsers, and checks that end in one line. Where there is no nvidia-smi nothing is said: CUDA's own errors tell more.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from mathrl.core.files import UserError

FIELDS = ("index", "uuid", "name", "driver_version", "compute_mode", "memory.total", "memory.used")
DRIVER = 580  # first major version that runs CUDA 13 (docs.nvidia.com/deploy/cuda-compatibility)
MIB = 1 << 20
SECONDS = 60  # a driver that hangs; without persistence mode it takes some seconds for each GPU


@dataclass(frozen=True)
class Gpu:
    """One GPU. `total` and `used` are bytes; 0 where the driver does not tell, as of a MIG device."""

    index: str
    uuid: str
    name: str
    driver: str
    mode: str
    total: int
    used: int


def parse_gpus(text: str) -> list[Gpu]:
    """Of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`; lines that are none of it are left out."""
    found = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) == len(FIELDS) and row[0].strip().isdecimal():
            index, uuid, name, driver, mode, total, used = (value.strip() for value in row)
            found.append(Gpu(index, uuid, name, driver, mode, _bytes(total), _bytes(used)))
    return found


def _bytes(mebibytes: str) -> int:
    return int(mebibytes) * MIB if mebibytes.isdecimal() else 0


def parse_links(text: str) -> dict[tuple[int, int], str]:
    """Of `nvidia-smi topo -m`: how two GPUs are linked (NV4, PIX, PXB, PHB, NODE, SYS), by their numbers, the smaller first."""
    found: dict[tuple[int, int], str] = {}
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)  # the head is underlined
    columns: list[int] = []
    for line in plain.splitlines():
        words = line.split()
        if not columns and words[:1] == ["GPU0"]:
            columns = [int(word.removeprefix("GPU")) for word in words if re.fullmatch(r"GPU\d+", word)]
        elif columns and words and re.fullmatch(r"GPU\d+", words[0]):
            row = int(words[0].removeprefix("GPU"))
            found |= {(row, column): link for column, link in zip(columns, words[1:], strict=False) if row < column}
    return found


def _ask(*arguments: str) -> str | None:
    if not shutil.which("nvidia-smi"):
        return None
    try:
        done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        raise UserError(
            f"nvidia-smi: gives no answer within {SECONDS} s: the driver of this host hangs; restart the host, or exclude it from the job"
        ) from None
    if done.returncode:
        said = next(iter((done.stdout + done.stderr).split("\n")), "").strip()
        raise UserError(f"nvidia-smi: fails on this host ({said}); its driver must be repaired, or the host excluded from the job")
    return done.stdout


def gpus(names: Sequence[str] | None = None) -> list[Gpu]:
    """GPUs of this host, or those with these names (numbers or UUIDs, as CUDA has them); none where there is no nvidia-smi.

    Raises:
        UserError: nvidia-smi fails or hangs.
    """
    text = _ask(f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")
    found = parse_gpus(text or "")
    return found if names is None else [gpu for gpu in found if any(gpu.index == name or gpu.uuid.startswith(name) for name in names)]


def check(found: Sequence[Gpu]) -> None:
    """Refuse GPUs on which no training starts.

    Raises:
        UserError: a driver that is too old for the locked CUDA, or a compute mode in which trainer and engine cannot share a GPU.
    """
    for gpu in found:
        major = gpu.driver.partition(".")[0]
        if major.isdecimal() and int(major) < DRIVER:
            raise UserError(
                f"GPU {gpu.index} ({gpu.name}): its driver {gpu.driver} is older than {DRIVER}, which CUDA 13 of envs/cuda.txt needs; "
                "ask for a newer driver, or choose another partition"
            )
        if gpu.mode not in ("Default", "[N/A]"):
            raise UserError(
                f"GPU {gpu.index} ({gpu.name}): compute mode {gpu.mode}, and trainer and engine share a GPU; as root: "
                f"nvidia-smi -i {gpu.index} -c DEFAULT"
            )


def notices(found: Sequence[Gpu]) -> list[str]:
    """What may go wrong, a line each: GPUs whose memory somebody else holds."""
    return [
        f"GPU {gpu.index} ({gpu.name}): another process holds {gpu.used / 1e9:.1f} of its {gpu.total / 1e9:.1f} GB; nvidia-smi names it"
        for gpu in found
        if gpu.used > max(gpu.total / 20, 1 << 30)
    ]


def slowest_link(found: Sequence[Gpu]) -> str | None:
    """The slowest link between these GPUs (NV18, PIX, PXB, PHB, NODE, SYS); None for one GPU, or where the driver does not tell."""
    order = ("NV", "PIX", "PXB", "PHB", "NODE", "SYS")
    numbers = sorted(int(gpu.index) for gpu in found)
    told = None
    with contextlib.suppress(UserError):  # some virtual machines and containers have no topology; nothing depends on it
        told = _ask("topo", "-m") if len(numbers) > 1 else None
    links = parse_links(told or "")
    between = [link for (first, second), link in links.items() if first in numbers and second in numbers]
    return max(between, key=lambda link: next((i for i, kind in enumerate(order) if link.startswith(kind)), len(order)), default=None)


def own(environment: dict[str, str] | os._Environ = os.environ) -> list[str] | None:
    """Names of the GPUs that this process may use; None: all of the host."""
    given = environment.get("CUDA_VISIBLE_DEVICES")
    return None if given is None else [name.strip() for name in given.split(",") if name.strip()]
