"""Damage at random: a flipped bit, a cut-off end, an emptied file."""

import random
from pathlib import Path


def flip(rng: random.Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content))
    content[place] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return f"bit flipped in byte {place} of {len(content)}"


def cut(rng: random.Random, path: Path) -> str:
    content = path.read_bytes()
    place = rng.randrange(len(content))
    path.write_bytes(content[:place])
    return f"cut off after byte {place} of {len(content)}"


def empty(rng: random.Random, path: Path) -> str:
    path.write_bytes(b"")
    return "emptied"


def harm(rng: random.Random, path: Path) -> str:
    """Damage a file in one of these ways; says how."""
    return rng.choices((flip, cut, empty), weights=(8, 2, 1))[0](rng, path)
