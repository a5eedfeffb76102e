"""Scalars from and into TensorBoard event files, restarts of a run as one curve.

Records are read by hand: TensorBoard's own reader checks their sums one by one in Python and takes seven times as long (40,000 values
7.1 s instead of 1.1 s), and a training of 12,000 steps writes a million. Here the sums of all records of one length are checked at once.
"""

from __future__ import annotations

import io
import math
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mathrl.core.files import write_bytes

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

Curve = list[tuple[int, float]]  # (step, value)


def event_files(directory: str | Path) -> list[Path]:
    """Event files below `directory`, oldest first (their names hold the time they were opened)."""
    found = [path for path in Path(directory).rglob("*tfevents*") if path.is_file()]
    return sorted(found, key=lambda path: (path.name, str(path)))


def read_scalars(directory: str | Path, wanted: Callable[[str], bool] = lambda tag: True, finite: bool = True) -> dict[str, Curve]:
    """Scalars by tag as (step, value), steps ascending; where a step was logged twice (a resumed run), the later one holds.

    A record cut off at the end of a file (a killed job) ends that file; a damaged one is named on stderr and left out. Values that
    are not finite cannot be drawn and are left out; `finite=False` keeps them, for the monitor.
    """
    values: dict[str, dict[int, float]] = {}
    for event in _events(directory):
        for value in event.summary.value:
            if not wanted(value.tag):
                continue
            if value.WhichOneof("value") == "simple_value":
                number = value.simple_value
            elif value.tensor.float_val:
                number = value.tensor.float_val[0]
            elif len(value.tensor.tensor_content) == 4:
                number = struct.unpack("<f", value.tensor.tensor_content)[0]
            else:
                continue
            values.setdefault(value.tag, {})[event.step] = float(number)
    curves = {
        tag: [(step, value) for step, value in sorted(points.items()) if not finite or math.isfinite(value)]
        for tag, points in sorted(values.items())
    }
    return {tag: curve for tag, curve in curves.items() if curve}


def write_scalars(directory: Path, step: int, values: Mapping[str, object]) -> None:
    """Write the numbers among `values` as one record of an event file of its own, which is there whole when this returns.

    Raises:
        OSError: it cannot be written. TensorBoard's own writer is a thread, whose errors nobody hears of.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    numbers = {tag: float(value) for tag, value in values.items() if isinstance(value, int | float | np.number)}
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in numbers.items()])
    now, written = time.time(), io.BytesIO()
    for event in (Event(wall_time=now, file_version="brain.Event:2"), Event(step=step, wall_time=now, summary=summary)):
        RecordWriter(written).write(event.SerializeToString())
    write_bytes(directory / f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{step}", written.getvalue())


def logged_at(directory: str | Path, tag: str) -> dict[int, float]:
    """When each step's value of `tag` was logged, in seconds since 1970; the later time where a step was logged twice."""
    return {event.step: event.wall_time for event in _events(directory) if any(value.tag == tag for value in event.summary.value)}


def _events(directory: str | Path) -> Iterator[Event]:
    from tensorboard.compat.proto.event_pb2 import Event

    for path in event_files(directory):
        for record in _records(path):
            try:
                yield Event.FromString(record)
            except Exception:  # protobuf's DecodeError differs between its implementations
                break


def _records(path: Path) -> Iterable[bytes]:
    """Payloads of a TFRecord file: length (8 bytes), its CRC (4), payload, its CRC (4). Damaged ones are named and left out."""
    whole = path.read_bytes()
    data = np.frombuffer(whole, np.uint8)
    starts, lengths, place = [], [], 0
    while place + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", whole, place)
        starts.append(place + 12)
        lengths.append(length)
        place += 16 + length
    heads = _unharmed(data, np.array(starts, np.int64) - 12, np.full(len(starts), 8))
    if not heads.all():
        starts, lengths = starts[: heads.argmin()], lengths[: heads.argmin()]
        print(f"{path}: is damaged after its record {len(starts)}; what follows is left out", file=sys.stderr)
    elif place > len(data):  # the last record is cut off by a kill
        starts, lengths = starts[:-1], lengths[:-1]
    good = _unharmed(data, np.array(starts, np.int64), np.array(lengths, np.int64))
    for start, length, unharmed in zip(starts, lengths, good, strict=True):
        if unharmed:
            yield data[start : start + length].tobytes()
        else:
            print(f"{path}: is damaged at byte {start}; that record is left out", file=sys.stderr)


def _unharmed(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Which of the payloads have the sum that follows them."""
    good = np.zeros(len(starts), bool)
    for length in np.unique(lengths):
        (mine,) = np.nonzero(lengths == length)
        payloads = data[starts[mine, None] + np.arange(length)]
        sums = data[starts[mine, None] + length + np.arange(4)]
        good[mine] = _checksums(payloads) == np.ascontiguousarray(sums).view("<u4")[:, 0]
    return good


def _checksums(rows: np.ndarray) -> np.ndarray:
    """The masked CRC-32C of each row of bytes, as TFRecord has it."""
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = _TABLE[(crc ^ column) & 0xFF] ^ (crc >> 8)
    crc ^= np.uint32(0xFFFFFFFF)
    return ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)


def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table.astype(np.uint32)


_TABLE = _table()


def by_step(scalars: Mapping[str, Curve]) -> list[tuple[int, dict[str, float]]]:
    """The same values as (step, {tag: value}), steps ascending: what was logged, in the order of training."""
    found: dict[int, dict[str, float]] = {}
    for tag, curve in scalars.items():
        for step, value in curve:
            found.setdefault(step, {})[tag] = value
    return sorted(found.items())
