"""The server of a verifier that is a model: one process, one model, one Unix socket in a directory that this user alone can enter.

It loads the model, scores one response to prove that it can, and then makes the socket: who can connect is answered. What several
clients ask is scored in common batches; where one fails, each of its responses is scored alone. A frame that is none ends its
connection, and nobody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError
from mathrl.verifiers import frames
from mathrl.verifiers.gathering import Gathering
from mathrl.verifiers.interface import Verifier, checked

FIRST = ("What is 1 + 1?", ["1 + 1 = 2.", "The answer is 2."])


class _Checked:
    """A verifier whose batches are whole, or an error."""

    def __init__(self, inner: Verifier) -> None:
        self._inner, self.identity = inner, inner.identity

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        return checked(self._inner.score(problems, responses), responses)


def check_place(path: Path) -> None:
    """Refuse a place where no socket can be made, before a model is loaded.

    Raises:
        UserError: a path that is too long or taken, or a folder that is not there or that others can enter.
    """
    size, folder = len(os.fsencode(path)), path.parent
    if size > frames.LONGEST_PATH:
        raise UserError(f"--socket {path}: has {size} bytes, a socket's path may have {frames.LONGEST_PATH}; name a shorter one")
    if not folder.is_dir():
        raise UserError(f"--socket {path}: its folder is not there; make it (mkdir -m 700 {folder})")
    info = folder.stat()
    if info.st_uid != os.getuid() or stat.S_IMODE(info.st_mode) & 0o077:
        raise UserError(f"--socket {path}: others can enter its folder; name one of your own (mkdir -m 700 FOLDER)")
    if os.path.lexists(path) and not path.is_socket():
        raise UserError(f"--socket {path}: is there already and no socket; name another one")
    if path.exists() and _answers(path):
        raise UserError(f"--socket {path}: a server answers there already; end it, or name another one")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False  # left behind by a server that was killed
        except OSError:
            return True  # it is busy
        return True


def serve(verifier: Verifier, path: Path, batch_size: int, name: str) -> None:
    """Answer at the socket `path` until this process is ended.

    Args:
        verifier: what scores.
        path: to be made; its directory must be this user's alone.
        batch_size: responses that are scored at once.
        name: in messages.

    Raises:
        UserError: the verifier refuses.
    """
    whole = _Checked(verifier)
    whole.score([FIRST[0]], [FIRST[1]])
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_listen(whole, path, batch_size, name))


async def _listen(verifier: Verifier, path: Path, batch_size: int, name: str) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    loop.set_exception_handler(lambda _, context: _note(name, context))
    if task and callable(signal.getsignal(signal.SIGINT)) and threading.current_thread() is threading.main_thread():
        loop.add_signal_handler(signal.SIGINT, task.cancel)  # asyncio.run's own misses one that comes just before the loop waits
    gathering = Gathering(verifier, batch_size, 1, apart=True)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(frames.packed({"identity": dict(verifier.identity)}))
            while (asked := await frames.read(reader)) is not None:
                writer.write(frames.packed(await _scores(gathering, asked)))
                await writer.drain()
        except frames.Garbled as error:
            _say(f"verifier {name}: {error}; its connection is closed")
        except ConnectionError:
            pass  # who asked has given up
        finally:
            writer.close()

    check_place(path)  # another one may have begun while this one loaded its model
    path.unlink(missing_ok=True)  # left behind by a server that was killed
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.fchmod(bound.fileno(), 0o600)  # before it has a name: the umask is the whole process's
    bound.bind(str(path))
    server = await asyncio.start_unix_server(answer, sock=bound)
    _say(f"verifier {name}: is served")
    await server.serve_forever()


async def _scores(gathering: Gathering, asked: dict[str, object]) -> dict[str, object]:
    """The answer to one request.

    Raises:
        Garbled: it is none.
    """
    problems, responses = _texts(asked.get("problems")), asked.get("responses")
    if not isinstance(responses, list) or len(problems) != len(responses):
        raise frames.Garbled("a request without a response to each problem")
    steps = [_texts(response) for response in responses]
    found = await asyncio.gather(*map(gathering.score, problems, steps), return_exceptions=True)
    for error in found:
        if isinstance(error, BaseException):
            said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            return {"error": said, "final": isinstance(error, UserError)}
    return {"scores": found}


def _texts(value: object) -> list[str]:
    if not (isinstance(value, list) and all(isinstance(text, str) for text in value)):
        raise frames.Garbled("a request with what is no list of texts")
    return value


def _note(name: str, context: Mapping[str, Any]) -> None:
    """In one line what went wrong beside the answers: the last lines of the log are quoted. A connection that ended is nothing."""
    error = context.get("exception")
    if not isinstance(error, (ConnectionError, asyncio.CancelledError)):
        _say(f"verifier {name}: {context.get('message')}" + (f" ({type(error).__name__}: {error})" if error else ""))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
