#!/usr/bin/env python3
"""Run the long tests in parts of at most 40 minutes each: make test-full, or make test-full PART=kills

Tests of a part that have passed on this very code are not run again (--again does); trainings that several tests read lie in the bank,
.bank or $MATHRL_BANK. Each part ends with an entry in tests/ledger.json and
docs/reference/tests.md. `--ledger` only looks what is stale by now.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import bank, ledger  # noqa: E402


def run(part: str, again: bool) -> bool:
    """Run one part and enter its result; whether all its tests passed."""
    environment = {**os.environ, "MATHRL_PART": part} | ({"MATHRL_AGAIN": "1"} if again else {})
    report = bank.folder() / f"{part}.txt"
    with (
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-m", "full"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as process,
        open(report, "w") as out,
    ):
        for line in process.stdout:
            print(line, end="", flush=True)
            out.write(line)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", report.read_text(), re.M)
    mine = {test: entry for test, entry in ledger.passed().items() if ledger.part_of(test) == part and ledger.has_passed(test)}
    files = sorted({test.split("::")[0] for test in [*mine, *failed]})
    skipped = sum(map(int, re.findall(r"^SKIPPED \[(\d+)\]", report.read_text(), re.M)))
    result = f"failed: {', '.join(test.split('::')[-1] for test in failed)}" if failed else f"{len(mine)} passed"
    result += f", {skipped} skipped" if skipped else ""
    if process.returncode == 0 and not files and skipped:
        print(f"part {part}: nothing that this machine can run; its lines SKIPPED say what is missing", file=sys.stderr)
        return True
    if process.returncode not in (0, 1, 5) or not files:  # 5: nothing is left to run
        print(f"part {part}: not finished (exit code {process.returncode}); the same command goes on", file=sys.stderr)
        return False
    entries = ledger.read()
    entries[part] = {
        "result": result,
        "minutes": round(sum(entry["seconds"] for entry in mine.values()) / 60),
        "date": datetime.date.today().isoformat(),
        "code": bank.code_hash(*files),
        "files": files,
    }
    ledger.write(entries)
    return not failed


def part(name: str) -> str:
    """An argument that is a part."""
    if name not in ledger.PARTS:
        raise argparse.ArgumentTypeError(f"no part is called {name}; there are {', '.join(ledger.PARTS)}")
    return name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", type=part, metavar="PART", help=f"of {', '.join(ledger.PARTS)} (default: all)")
    parser.add_argument("--again", action="store_true", help="run what has passed, too")
    parser.add_argument("--ledger", action="store_true", help="run nothing; write docs/reference/tests.md anew with what is stale by now")
    given = parser.parse_args()
    os.environ.setdefault("MATHRL_BANK", str(ROOT / ".bank"))
    bank.folder().mkdir(parents=True, exist_ok=True)
    if given.ledger:
        ledger.write(ledger.read())
        print("stale:", ", ".join(part for part, entry in ledger.read().items() if entry["stale"]) or "nothing")
        return 0
    ended_well = [run(part, given.again) for part in given.parts or ledger.PARTS]  # a part that fails keeps none from running
    return 0 if all(ended_well) else 1


if __name__ == "__main__":
    sys.exit(main())
