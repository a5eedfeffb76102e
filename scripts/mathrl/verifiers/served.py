"""A verifier that is a model, asked over the socket of the process that holds it (`mathrl.verifiers.server`)."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError, printable
from mathrl.verifiers import frames
from mathrl.verifiers.interface import RetryLater
from mathrl.verifiers.records import Identity

LAST_WORDS = 120  # characters of a server's log that a message quotes
LAST_READ = 64 << 10  # bytes of it that are read for them
PATIENCE = 10.0  # seconds that a connection waits longer than who asks (`Kept`), so that nothing hangs for ever


@dataclass(frozen=True)
class Place:
    """Where a verifier is served.

    Args:
        socket: of its server.
        log: of its server.
        begin: where the log of this attempt begins, bytes.
        model: hash of the model that is expected there; without one nothing is compared.
    """

    socket: str
    log: str
    begin: int = 0
    model: str = ""

    def last_words(self) -> str:
        """The last two lines of the log, cut."""
        try:
            with open(self.log, "rb") as log:
                log.seek(max(self.begin, Path(self.log).stat().st_size - LAST_READ))
                lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        except OSError:
            lines = []
        return printable(" / ".join(lines[-2:]))[-LAST_WORDS:] or "nothing"


class AnotherModel(UserError):
    """Who answers does not hold the model that is expected."""


class Served:
    """See the module. It connects anew for each batch: a connection that failed or hangs is nobody's.

    Args:
        place: where it is served.
        timeout: seconds that a batch may take.

    Raises:
        UserError: there is no server, or it holds another model (`AnotherModel`).
    """

    def __init__(self, place: Place, timeout: float) -> None:
        self._place, self._timeout = place, timeout + PATIENCE
        try:
            with self._connected() as (_, identity):
                self.identity: Identity = identity
        except RetryLater as error:
            raise UserError(str(error)) from None

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> Any:
        """See `mathrl.verifiers.interface.Verifier`.

        Raises:
            UserError: it cannot work at all, or another model answers (`AnotherModel`).
            RetryLater: it failed, or its server is gone.
        """
        with self._connected() as (connection, _):
            connection.sendall(frames.packed({"problems": list(problems), "responses": [list(steps) for steps in responses]}))
            answer = frames.receive(connection)
        if answer.get("final"):
            raise UserError(str(answer["error"]))
        if "scores" not in answer:
            raise RetryLater(str(answer.get("error", "an answer without scores")), 0.0)
        return answer["scores"]

    @contextmanager
    def _connected(self) -> Iterator[tuple[socket.socket, Identity]]:
        """A connection, and who answers there."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout)
                connection.connect(self._place.socket)
                identity = frames.receive(connection).get("identity")
                if not isinstance(identity, dict):
                    raise frames.Garbled("who answers does not say what it is")
                self._check_model(identity)
                yield connection, identity
        except (TimeoutError, BlockingIOError):
            raise RetryLater(f"its server gives no answer; its last words: {self._place.last_words()}", 0.0) from None
        except (OSError, frames.Garbled) as error:
            why = f"its server is gone ({error or type(error).__name__}); its last words: {self._place.last_words()}"
            raise RetryLater(f"{why}; its log is {self._place.log}", 0.0) from None

    def _check_model(self, identity: Identity) -> None:
        found, expected = str(identity.get("model", "none")), self._place.model
        if expected and found != expected:
            raise AnotherModel(
                f"its server holds model {found[:12]}, and this training was planned with {expected[:12]}; its files have changed: start "
                "the training again"
            )


def places(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Place]:
    """By name, as a command line hands them on."""
    return {name: Place(**one) for name, one in given.items()}
