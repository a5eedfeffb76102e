"""Benchmarks in one shape: `id, problem, answer` and, where known, `domain` and `difficulty`.

Benchmark files differ in how they hold the gold answer. One canonical gold each:

- `final_answer` is a list (olympiadbench): its first entry, without `$`;
- `answer` ends in `#### 18` (gsm8k): what follows the mark, without thousands separators;
- there is a `solution` but no `answer` (minerva_math): the content of its last `\\boxed`;
- `answer` is a number (amc23 stores 27.0): an integer where it is one;
- an integer with leading zeros (aime24 has 025): without them;
- anything else: as it is, without surrounding blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mathrl.core import parquet
from mathrl.core.files import UserError, read_json, read_jsonl
from mathrl.text.boxes import last_boxed

_LEADING_ZEROS = re.compile(r"^0+(?=\d+$)")
_ID_KEYS = ("id", "unique_id", "idx", "index")
_PROBLEM_KEYS = ("problem", "question", "prompt")


def canonical_answer(row: dict[str, Any]) -> str | None:
    """The gold answer of one benchmark row as text, or None where the row holds none."""
    final = row.get("final_answer")
    if isinstance(final, list) and final:
        return str(final[0]).replace("$", "").strip()
    answer = row.get("answer")
    if answer is None and isinstance(row.get("solution"), str):
        return last_boxed(row["solution"])
    if isinstance(answer, bool) or answer is None:
        return None
    if isinstance(answer, float) and answer.is_integer():
        return str(int(answer))
    text = str(answer).strip()
    if "####" in text:
        text = text.rsplit("####", 1)[1].strip().replace(",", "")
    return _LEADING_ZEROS.sub("", text, count=1) or None


def canonical_rows(rows: Iterable[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """Bring benchmark rows of any known shape into ours; `where` names the file in errors.

    Raises `UserError` for a row without problem or answer, and for an id that occurs twice.
    """
    result: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        problem = next((row[key] for key in _PROBLEM_KEYS if isinstance(row.get(key), str) and row[key].strip()), None)
        if problem is None:
            raise UserError(f"{where}: row {number} has no problem (keys: {', '.join(sorted(row))}); one of problem, question is needed")
        if isinstance(row.get("context"), str) and row["context"].strip():
            problem = f"{row['context'].strip()}\n{problem}"
        answer = canonical_answer(row)
        if not answer:
            raise UserError(
                f"{where}: row {number} has no answer (keys: {', '.join(sorted(row))}); answer, final_answer or a boxed solution is needed"
            )
        identifier = str(next((row[key] for key in _ID_KEYS if row.get(key) is not None), number - 1))
        if identifier in seen:
            raise UserError(f"{where}: row {number} has the id '{identifier}' of an earlier row; ids must differ")
        seen.add(identifier)
        item: dict[str, Any] = {"id": identifier, "problem": problem, "answer": answer}
        domain = next((row[key] for key in ("domain", "subject", "subfield", "type") if row.get(key)), None)
        difficulty = next((row[key] for key in ("difficulty", "level") if row.get(key) is not None), None)
        if domain is not None:
            item["domain"] = domain
        if difficulty is not None:
            item["difficulty"] = difficulty
        result.append(item)
    return result


def read_benchmark_file(path: Path) -> list[dict[str, Any]]:
    """Read a benchmark as it was downloaded (.jsonl, .json, .parquet, also .gz and .zst) and bring it into our shape."""
    if path.suffix == ".parquet":
        try:
            rows: Iterable[dict[str, Any]] = parquet.read(path).to_dicts()
        except Exception as error:
            raise UserError(f"{path}: is no readable parquet file ({' '.join(str(error).split())[:200]}); fetch it again") from None
    elif path.suffix == ".json":
        rows = read_json(path)
        if not isinstance(rows, list):
            raise UserError(f"{path}: holds no list of problems")
    else:
        rows = read_jsonl(path)
    return canonical_rows(rows, str(path))


def read_benchmark(path: str | Path, may_be_empty: bool = False) -> dict[str, dict[str, Any]]:
    """A canonical benchmark (`resources/benchmarks/*.jsonl`, also .gz and .zst) by id, in file order; ids and answers become text.

    Raises:
        UserError: a row without id, problem or answer, a problem that is no text, an id that occurs twice, or no rows
            (unless it `may_be_empty`).
    """
    rows: dict[str, dict[str, Any]] = {}
    for row in read_jsonl(path, required=("id", "problem", "answer")):
        key = str(row["id"])
        if not isinstance(row["problem"], str):
            raise UserError(f"{path}: the problem of item '{key}' is no text")
        if key in rows:
            raise UserError(f"{path}: the id '{key}' occurs twice; ids must be unique")
        rows[key] = {**row, "id": key, "answer": str(row["answer"])}
    if not rows and not may_be_empty:
        raise UserError(f"{path}: holds no problems; fetch the benchmark again")
    return rows
