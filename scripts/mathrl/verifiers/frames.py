"""What goes over the socket of a verifier's server: JSON behind its length. Nothing is unpickled.

server → client   {"identity": …}                         as soon as somebody connects
client → server   {"problems": […], "responses": [[…], …]}
server → client   {"scores": [[…], …]}, or {"error": "…", "final": true where no second try helps}
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct

LENGTH = struct.Struct(">I")  # of what follows, bytes
LONGEST_PATH = 107  # bytes of a socket's path, which Linux sets
LONGEST = 64 << 20  # bytes


class Garbled(Exception):
    """What came is no frame."""


def packed(value: object) -> bytes:
    """A frame."""
    body = json.dumps(value).encode()
    return LENGTH.pack(len(body)) + body


def _size(head: bytes) -> int:
    (size,) = LENGTH.unpack(head)
    if size > LONGEST:
        raise Garbled(f"a frame of {size} bytes; {LONGEST} are allowed")
    return int(size)


def _unpacked(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Garbled("a frame that is no JSON") from None
    if not isinstance(value, dict):
        raise Garbled("a frame that is no mapping")
    return value


async def read(reader: asyncio.StreamReader) -> dict[str, object] | None:
    """The next frame; None where the other side has ended.

    Raises:
        Garbled: what came is none.
    """
    try:
        return _unpacked(await reader.readexactly(_size(await reader.readexactly(LENGTH.size))))
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Garbled("half a frame") from None
        return None


def receive(connection: socket.socket) -> dict[str, object]:
    """The next frame.

    Raises:
        ConnectionError: the other side has ended.
        Garbled: what came is no frame.
    """
    return _unpacked(_exactly(connection, _size(_exactly(connection, LENGTH.size))))


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ConnectionResetError("the connection ended")
        found += part
    return bytes(found)
