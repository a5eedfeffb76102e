"""Processes of one host meet in a file of the job, not at a port.

torch's TCPStore listens on every interface and lets everybody read and change what is in it. A file in the job's own directory, which
only its user can enter, does the same for processes of one host.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import Store

DIRECTORY = "RAY_TMPDIR"  # the supervisor makes it for the job, mode 0700
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def use_files(rendezvous: ModuleType) -> None:
    """Change `torch.distributed.rendezvous`: at an address of loopback a FileStore, else a TCPStore at that address alone."""
    usual = rendezvous._create_c10d_store

    def create(hostname: str, port: int, rank: int, world_size: int, timeout: timedelta, use_libuv: bool = True) -> Store:
        if rendezvous._torchelastic_use_agent_store():
            return usual(hostname, port, rank, world_size, timeout, use_libuv)
        if hostname in LOOPBACK and DIRECTORY in os.environ:
            store = rendezvous.FileStore(str(Path(os.environ[DIRECTORY]) / f"store-{port}"), world_size)
            store.set_timeout(timeout)
            return store
        more = {"master_listen_fd": listen(hostname, port)} if rank == 0 and use_libuv else {}
        return rendezvous.TCPStore(hostname, port, world_size, rank == 0, timeout, multi_tenant=not more, use_libuv=use_libuv, **more)

    rendezvous._create_c10d_store = create  # type: ignore[attr-defined]  # torch is not there to say that it has it


def listen(hostname: str, port: int) -> int:
    """A listening socket at this address alone; its descriptor, which the caller owns."""
    family, kind, protocol, _, address = socket.getaddrinfo(hostname, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(4096)
        return door.detach()
