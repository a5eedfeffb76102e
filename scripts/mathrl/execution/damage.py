"""Before Snakemake plans: what is not as it was written is named and taken out of the way, so that it is made again.

Snakemake looks at file times and at the content of small inputs; it takes any file that is there for whole.
"""

from __future__ import annotations

from pathlib import Path

from mathrl.core import checksums
from mathrl.core.hashes import sha256_files

NOTE = "export.json"


def clear(remove: bool = True) -> list[str]:
    """A line for each damaged file or directory below results/ and resources/; with `remove` they are taken away.

    Files that stayed as they are since the last call are not read again. An exported model loses its note alone, which Snakemake
    looks for: its weights stay until a new export takes their place.
    """
    lines = []
    for path, record in list(checksums.records()):
        if not path.exists():
            continue
        expected = checksums.noted(record)
        hashes = sha256_files(checksums.files_of(path, expected), Path(record.parts[0]) / checksums.FOLDER / "hashes.json")
        damaged = checksums.first_damage(path, expected, hashes)
        if not damaged:
            continue
        lines.append(f"{damaged}: is damaged: it is not as it was written; {'it is made again' if remove else 'a run makes it again'}")
        if remove:
            _take_away(path)
            record.unlink()
    return lines


def _take_away(path: Path) -> None:
    if path.is_file():
        path.unlink()
    elif (path / NOTE).exists():
        (path / NOTE).unlink()
    else:
        path.rename(path.with_name(f".{path.name}.damaged-{path.stat().st_mtime_ns}"))
