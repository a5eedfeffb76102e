"""No open door: what verl listens with, changed in each process of a training before it opens anything.

- TransferQueue unpickles what arrives at its ZeroMQ ports. They speak CURVE here, ZeroMQ's own encryption (libsodium): a peer that does
  not have the job's keys ends at the handshake, and no frame of it reaches Python. Each connection has keys and counters of its own,
  so that a recorded frame, a cut one or one out of order is dropped, too.
- vLLM's HTTP server asks for the job's key on every path. vLLM itself guards only those below /v1.
- The sockets of the weight sync lie in the job's own directory. verl names them after Ray's job id, which is the same in every
  private Ray: two trainings of one host would share them.
- torch's stores are files on one host: see `mathrl.models.local_stores`.

Ray's actors that never import verl get this by Ray's `worker_process_setup_hook` (grpo_config.py). A process that lacks it cannot
reach those that have it: training stops, no door opens.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mathrl.execution.secrets import ENGINE_KEY, TOKEN
from mathrl.models import local_stores
from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    from argparse import Namespace
    from asyncio import Task

    from starlette.types import ASGIApp, Receive, Scope, Send

HOOK = "mathrl.verl.doors.close"


@functools.cache
def close() -> None:
    """Change the modules once they are imported; a second call does nothing."""
    after_import("transfer_queue.utils.zmq_utils", authenticate)
    after_import("torch.distributed.rendezvous", local_stores.use_files)
    after_import("verl.workers.rollout.vllm_rollout.vllm_async_server", ask_for_key)
    after_import("verl.workers.rollout.vllm_rollout.bucketed_weight_transfer", keep_sockets_private)


@functools.cache
def key_pair(token: str, role: str) -> tuple[bytes, bytes]:
    """Public and secret CURVE key of `server` or `client`, the same in every process that has the job's token."""
    import zmq
    from zmq.utils import z85

    if len(token) < 32:
        raise RuntimeError(f"{TOKEN} is not set, or short: verl's queue does not open a port without the job's token")
    secret = z85.encode(hmac.digest(token.encode(), f"mathrl TransferQueue {role}".encode(), hashlib.sha256))
    return zmq.curve_public(secret), secret


def authenticate(module: ModuleType) -> None:
    """Give each socket of TransferQueue its side of CURVE: ROUTER sockets serve, all others are clients.

    The server's public key is nowhere published. It is derived from the token, never sent in the clear, and no handshake begins without
    it, so that it takes the token to connect; no list of clients is needed.
    """
    import zmq

    plain = module.create_zmq_socket

    @functools.wraps(plain)
    def create_zmq_socket(ctx: zmq.Context, socket_type: int, ip: str, identity: bytes | str | None = None) -> zmq.Socket:
        token = os.environ.get(TOKEN, "")
        public, secret = key_pair(token, "server")
        own = key_pair(token, "client")
        made = plain(ctx, socket_type, ip, identity)
        if socket_type == zmq.ROUTER:
            made.curve_secretkey, made.curve_publickey, made.curve_server = secret, public, True
        else:
            made.curve_publickey, made.curve_secretkey = own
            made.curve_serverkey = public
        return made

    module.create_zmq_socket = create_zmq_socket  # type: ignore[attr-defined]  # TransferQueue is not there to say that it has it


class KeyGuard:
    """An ASGI application that passes on requests with `Authorization: Bearer KEY` alone, whatever their path."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        if len(key) < 32:
            raise RuntimeError(f"{ENGINE_KEY} is not set, or short: vLLM's HTTP server does not start without a key")
        self.app, self.expected = app, hashlib.sha256(f"Bearer {key}".encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
        if scope["type"] == "lifespan" or (len(given) == 1 and hmac.compare_digest(hashlib.sha256(given[0]).digest(), self.expected)):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 401, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"the job's key is missing\n"})
        else:
            await send({"type": "websocket.close", "code": 1008})


def ask_for_key(server: ModuleType) -> None:
    """Put the guard before the application that verl serves."""
    run = server.run_uvicorn

    async def run_uvicorn(app: ASGIApp, server_args: Namespace, server_address: str) -> tuple[int, Task]:
        return await run(KeyGuard(app, os.environ.get(ENGINE_KEY, "")), server_args, server_address)

    server.run_uvicorn = run_uvicorn  # type: ignore[attr-defined]  # verl is not there to say that it has it


def keep_sockets_private(module: ModuleType) -> None:
    """Move the weight sync's sockets from /tmp into the job's own directory, at both ends."""
    for end in (module.BucketedWeightSender, module.BucketedWeightReceiver):
        end.__init__ = _with_private_handle(end.__init__)


def _with_private_handle(usual: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(usual)
    def initialize(self: object, zmq_handle: str, *arguments: object, **more: object) -> None:
        return usual(self, private_handle(zmq_handle), *arguments, **more)

    return initialize


def private_handle(handle: str) -> str:
    """The same socket below the job's directory; unchanged where the job has none."""
    directory = os.environ.get(local_stores.DIRECTORY)
    return f"ipc://{Path(directory) / Path(handle.removeprefix('ipc://')).name}" if directory else handle
