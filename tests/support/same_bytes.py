"""What of a finished study is the same bytes in another folder, after any kill, on one kind of processor."""

import hashlib
import json
import re
from pathlib import Path

import torch
from mathrl.core.files import sha256_file


def results(directory: Path) -> dict[str, str]:
    """SHA-256 of exported weights, samples, eval JSONs and the score table, by path.

    The commit that an eval JSON names is left out: a copy in the bank lies in a clone, one in a temporary folder in none.
    """
    top = directory / "results"
    found = [path for pattern in ("*/model/*.safetensors", "*/*/samples/*", "*/*/eval/*.json") for path in top.glob(pattern)]
    assert len(found) >= 1 + 2 * 3 + 2 * 3, found
    return {str(path.relative_to(top)): _sha256(path) for path in [*found, top / "scores.csv"]}


def _sha256(path: Path) -> str:
    if path.suffix != ".json":
        return sha256_file(path)
    content = json.loads(path.read_bytes())
    assert content["provenance"].pop("git_commit")
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def processor() -> str:
    """The kind of this processor, as rounding goes: maker, family and model, and the instructions that torch uses."""
    lines = dict(re.findall(r"^(vendor_id|cpu family|model)\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M))
    return " ".join([*lines.values(), torch.backends.cpu.get_cpu_capability()])
