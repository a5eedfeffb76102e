"""The server of a verifier that is a model: one process, one model, one Unix socket in a directory that this user alone can enter.

It loads the model, scores one response to prove that it can, and then makes the socket: who can connect is answered. What several
clients ask is scored in common batches; where one fails, each of its responses is scored alone. A frame that is none ends its connection, and nobody else's.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

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
    asyncio.run(_listen(whole, path, batch_size, name))


async def _listen(verifier: Verifier, path: Path, batch_size: int, name: str) -> None:
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

    os.umask(0o077)
    server = await asyncio.start_unix_server(answer, path)
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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
