"""From a crate back to its score table: every sample graded again, the table made anew, both compared with what the crate says.

No engine and no network; the same functions as the rules `grade_samples` and `tabulate_scores`.
"""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from mathrl.config.endpoint import Endpoint
from mathrl.config.experiment import Configuration
from mathrl.config.messages import parse
from mathrl.core import parquet
from mathrl.core.checksums import record_of
from mathrl.core.files import (
    UserError,
    check_unpacked,
    parse_json,
    printable,
    read_jsonl,
    replaced_directory,
    sha256_text,
    write_json,
    write_text,
)
from mathrl.core.provenance import git_commit, provenance
from mathrl.crate.claims import certain, recompute
from mathrl.crate.records import CutSample, GradingSettings, StudyNote, VerdictColumns, WithheldItem
from mathrl.crate.study import CONFIG, EVAL, PINS, SAMPLES, STUDY
from mathrl.crate.withheld import HASH, gold_without_text, sample_with_text
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.dates import Dates
from mathrl.data.downloads import read_pins
from mathrl.data.records import Item, Sample
from mathrl.evaluation.grading import evaluate, grade_samples, read_matches, read_samples
from mathrl.evaluation.metrics import STATUS_LETTERS, GradedProblem
from mathrl.evaluation.records import Evaluation
from mathrl.evaluation.scores import eval_path, load_evals, score_table
from mathrl.judges.protocols import MARK, gold_of
from mathrl.statistics.comparisons import control_kinds, run_groups

REBUILT = "rebuilt.json"
"""The mark of a folder that a rebuilding wrote, and may be replaced by another one."""
MATCHES = "results/data/matches.parquet"
_COMMIT = re.compile(r"[0-9a-f]{40}(\+changes)?")
_NAME = re.compile(r"[A-Za-z0-9][\w.@+-]{0,99}")
NAMED = 5
"""So many differences are named one by one."""


@dataclass
class Rebuilt:
    """What came of it.

    Attributes:
        commits: that graded the samples of the crate.
        graded: samples graded again.
        differences: a line for each grade or cell that is not as the crate says.
        without: samples by benchmark whose verdict needs the problem, which did not travel: [(model, protocol, id, sample)].
        judged: verdicts by benchmark whose golds name a judge, and whose samples are therefore not graded.
        rows: of the score table.
    """

    commits: list[str] = field(default_factory=list)
    graded: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)
    judged: dict[str, int] = field(default_factory=dict)
    without: dict[str, list[tuple[str, str, str, int]]] = field(default_factory=dict)


MAX_UNPACKED = 4 * 2**30  # bytes of a file of samples
MAX_MATCHES, MAX_MATCHES_UNPACKED = 1_000_000, 2**29  # rows of the table of matches, and its bytes unpacked
MAX_BESIDES = 10_000  # models that were evaluated and are not in the crate
MAX_NAME = 300  # bytes of a name in it: one long name that a million rows share would fill the memory
MAX_CELL = 1 << 17  # characters of a cell of a score table
BAD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, csv.Error)
"""What a file of the wrong shape leads to, wherever it is looked at."""


def rebuild(crate: Path, out: Path, benchmarks: Path, workers: int) -> Rebuilt:
    """Grade the samples of an unpacked crate again and write eval JSONs and scores.csv and .md into the folder `out`.

    The folder is replaced as a whole, once all is graded; it keeps what it holds where the crate is refused.
    `benchmarks` is a folder of fetched benchmarks: where one is there and is what the crate's was, its problem texts are used.

    Raises:
        UserError: the crate is incomplete or names what cannot be a file, or `out` is no folder of an earlier rebuilding.
    """
    _check_out(out)
    try:
        with replaced_directory(out) as fresh:
            found = _rebuild(crate, fresh, benchmarks, workers)
            notes = {"commits": found.commits, "differences": len(found.differences), "provenance": provenance()}
            write_json(fresh / REBUILT, {"schema_version": 1, "graded": found.graded} | notes)
        inner = record_of(out / REBUILT)
        if inner:  # notes on single files of an earlier rebuilding
            shutil.rmtree(inner.parent, ignore_errors=True)
        return found
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror or error}); give another --out") from None
    except BAD as error:
        raise UserError(f"the files of the crate make no score table ({error!r:.200}); ask for the crate again") from None


def _check_out(out: Path) -> None:
    """Only a folder that a rebuilding wrote, or an empty one, is replaced."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UserError(f"--out {out}: is no folder; name one, as in --out results/rebuilt")
    if not out.name or (out.is_dir() and any(out.iterdir()) and not (out / REBUILT).is_file()):
        raise UserError(f"--out {out}: holds other files, and it would be replaced as a whole; name another folder, or remove this one")


def _rebuild(crate: Path, out: Path, benchmarks: Path, workers: int) -> Rebuilt:
    study = _study(crate)
    config = parse(Configuration, _json(crate, CONFIG), str(crate / CONFIG))
    found = Rebuilt(commits=study["graded_by"])
    _check_matches(crate / MATCHES)
    for benchmark in study["benchmarks"]:
        items = read_benchmark(crate / f"resources/benchmarks/{benchmark}.jsonl")
        problems = _with_texts(items, benchmarks / f"{benchmark}.jsonl")
        if problems is None and _names_judges(items):
            found.judged[benchmark] = 0
        elif problems is None:
            found.without[benchmark] = []
        contaminated, removing = read_matches(str(crate / MATCHES), benchmark)
        for model in study["models"]:
            for protocol in study["protocols"]:
                cell = {"model": model, "protocol": protocol, "benchmark": benchmark}
                told = _json(crate, EVAL.format(**cell))
                settings: GradingSettings = {
                    "grader": _one_of(told, "grader", ("ours", "contest")),
                    "extraction": _one_of(told, "extraction", ("strict", "lenient")),
                    "workers": workers,
                    "contaminated": contaminated,
                    "benchmark": benchmark,
                }
                samples = _samples(crate / SAMPLES.format(**cell), items, problems)
                where = f"{model}, {protocol}, {benchmark}"
                if problems is None:
                    made = recompute(told, samples, items, contaminated, removing)
                    graded = None if benchmark in found.judged else grade_samples(samples, items, **settings)
                    _count_claims(found, cell, told, samples, graded)
                else:
                    made = evaluate(samples, problems, removing=removing, **settings)
                    found.graded += len(samples)
                made["model"], made["protocol"], made["benchmark"] = model, protocol, benchmark
                made["provenance"] = provenance({"samples": crate / SAMPLES.format(**cell)})
                write_json(eval_path(out, **cell), made)
                found.differences += [f"{where}: {line}" for line in _differences(made, told)]
    if found.without:
        columns = ("model", "protocol", "id", "sample")
        places = {name: [dict(zip(columns, place, strict=True)) for place in some] for name, some in found.without.items()}
        write_json(out / "need_problems.json", {"schema_version": 1, "benchmarks": places, "provenance": provenance()})
    _table(crate, out, study, config, found)
    return found


def _check_matches(path: Path) -> None:
    """Refuse a table of matches that would fill the memory, before it is read.

    Raises:
        UserError: it has too many rows, too many bytes, or names that are too long.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = ["benchmark", "item_id", "method"]
    try:
        with pq.ParquetFile(path, read_dictionary=names) as table:
            groups = [table.metadata.row_group(number) for number in range(table.metadata.num_row_groups)]
            rows, size = sum(group.num_rows for group in groups), sum(group.total_byte_size for group in groups)
            if max(rows, table.metadata.num_rows) > MAX_MATCHES or size > MAX_MATCHES_UNPACKED:
                raise UserError(
                    f"{path.name}: holds {rows} rows of {size >> 20} MiB unpacked, which no table of matches has; it is not read"
                )
            longest = 0
            for number in range(len(groups)):
                for column in table.read_row_group(number, columns=names).columns:
                    for chunk in column.chunks:
                        words = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
                        longest = max(longest, pc.max(pc.binary_length(words.cast(pa.large_string()))).as_py() or 0)
    except FileNotFoundError:
        raise UserError(f"{path.name}: no such file; ask for the crate again") from None
    except (OSError, pa.ArrowException, *BAD) as error:
        raise UserError(f"{path.name}: is no whole table of matches ({parquet.short(error)}); ask for the crate again") from None
    if longest > MAX_NAME:
        raise UserError(f"{path.name}: holds a name of {longest} bytes, which no table of matches has; it is not read")


def _count_claims(found: Rebuilt, cell: Mapping[str, str], told: Any, samples: list[Sample], graded: list[GradedProblem] | None) -> None:
    """Note which verdicts of a cell are the sender's own; those that the problem cannot change and that are others are differences."""
    if graded is None:
        found.judged[cell["benchmark"]] += len(samples)
        return
    found.graded += len(samples)
    made: VerdictColumns = {"id": [], "verdicts": [], "greedy": []}
    for problem in graded:
        made["id"].append(problem.id)
        made["verdicts"].append("".join(STATUS_LETTERS[sample.status] for sample in problem.samples))
        made["greedy"].append(int(problem.greedy.correct) if problem.greedy else None)
    sure = set(certain(graded, samples, told["grader"]))
    other = _other_verdicts(made, told["per_problem"])
    place = (cell["model"], cell["protocol"])
    found.without[cell["benchmark"]] += [(*place, *sample) for sample in other if sample not in sure]
    lines = _verdict_lines(made, told["per_problem"], [sample for sample in other if sample in sure])
    found.differences += [f"{', '.join(place)}, {cell['benchmark']}: {line}" for line in lines]


def _json(crate: Path, name: str) -> Any:
    """A JSON file of the crate, which a stranger wrote; what is none is a `ValueError`."""
    try:
        return parse_json((crate / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"the crate lacks {name}; ask for the crate again") from None
    except OSError as error:
        raise UserError(f"{name}: cannot be read in the crate ({error.strerror}); ask for the crate again") from None


def _study(crate: Path) -> StudyNote:
    """What the crate holds; its names become paths, so they are checked."""
    study = _json(crate, STUDY)
    keys = ("models", "protocols", "benchmarks")
    for key in keys:
        names = study.get(key) if isinstance(study, dict) else None
        if not isinstance(names, list) or not names or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
            raise UserError(f"{STUDY}: '{key}' is no list of plain names; ask for the crate again")
    if study.get("primary") not in study["protocols"]:
        raise UserError(f"{STUDY}: 'primary' is none of its protocols; ask for the crate again")
    commits = [commit for commit in study.get("graded_by") or () if isinstance(commit, str) and _COMMIT.fullmatch(commit)]
    return study | {"graded_by": commits[:NAMED] or ["unknown"]}


def _one_of(told: Any, key: str, allowed: tuple[str, ...]) -> str:
    value = told.get(key) if isinstance(told, dict) else None
    if value not in allowed:
        raise UserError(f"the crate's grades: '{key}' is none of {', '.join(allowed)}; ask for the crate again")
    return value


def _with_texts(items: Mapping[str, Item], fetched: Path) -> dict[str, Item] | None:
    """The items with their problems, which are the crate's own or those of the fetched benchmark; None where neither has them.

    Golds that name a judge are taken from the fetched benchmark alone: a judge is code, and what it is given may steer it. None too where
    a judge is not known here: all of its answers would count as wrong.
    """
    wanted = {key: row[HASH] for key, row in cast("Mapping[str, WithheldItem]", items).items() if HASH in row}
    judged = _names_judges(items)
    if not wanted and not judged:
        return {key: {**row} for key, row in items.items()}
    if not fetched.is_file():
        return None
    there = read_benchmark(fetched)
    if any(key not in there or sha256_text(there[key]["problem"]) != sha256 for key, sha256 in wanted.items()):
        return None
    if judged and any(row["answer"] not in _golds(there.get(key)) for key, row in items.items()):
        return None
    if judged and any(row["answer"].startswith(MARK) and gold_of(row["answer"]) is None for row in there.values()):
        return None
    return {
        key: {**row, "problem": there[key]["problem"], "answer": (there[key] if judged else row)["answer"]} for key, row in items.items()
    }


def _golds(item: Item | None) -> tuple[str, ...]:
    """How the gold of a fetched item may stand in a crate."""
    return (item["answer"], gold_without_text(item["answer"])) if item else ()


def _names_judges(items: Mapping[str, Item]) -> bool:
    return any(row["answer"].startswith(MARK) for row in items.values())


def _samples(path: Path, items: Mapping[str, Item], problems: Mapping[str, Item] | None) -> list[Sample]:
    check_unpacked(path, MAX_UNPACKED)
    samples = read_samples(read_jsonl(path, ("id", "sample", "response")), items, path.name)
    if problems is None:
        return samples
    return [sample_with_text(cast("CutSample", row), problems[row["id"]]["problem"], path.name) for row in samples]


def _verdicts(columns: VerdictColumns) -> Iterator[tuple[str, int, Any]]:
    """(item, sample, verdict); the greedy response is sample −1."""
    for key, letters, greedy in zip(columns["id"], columns["verdicts"], columns["greedy"], strict=True):
        if greedy is not None:
            yield str(key), -1, greedy
        yield from ((str(key), number, letter) for number, letter in enumerate(letters))


def _other_verdicts(made: VerdictColumns, told: VerdictColumns) -> list[tuple[str, int]]:
    known = {(key, number): verdict for key, number, verdict in _verdicts(told)}
    return [(key, number) for key, number, verdict in _verdicts(made) if known.get((key, number)) != verdict]


def _differences(made: Evaluation, told: Evaluation) -> list[str]:
    """Samples whose verdict is another one; else any other value of the eval JSON that is."""
    mine, theirs = made["per_problem"], told["per_problem"]
    other = _other_verdicts(mine, theirs)
    if other:
        return _verdict_lines(mine, theirs, other)
    values = {key: value for key, value in made.items() if key != "provenance"}
    return [f"{where} is not as the crate says" for where in _unequal(values, {k: v for k, v in told.items() if k != "provenance"}, "")]


def _verdict_lines(made: VerdictColumns, told: VerdictColumns, other: list[tuple[str, int]]) -> list[str]:
    known, now = ({(key, number): verdict for key, number, verdict in _verdicts(graded)} for graded in (told, made))
    return [f"sample {number} of {key} is graded {now[key, number]}, the crate says {known.get((key, number))!r}" for key, number in other]


def _unequal(made: Any, told: Any, where: str) -> Iterator[str]:
    """Where two JSON values differ; the last digits of a floating-point number do not count."""
    if isinstance(made, dict) and isinstance(told, dict):
        for key in sorted({*made, *told}, key=str):
            if key in made and key in told:
                yield from _unequal(made[key], told[key], f"{where}.{key}" if where else str(key))
            else:
                yield f"{where}.{key}" if where else str(key)
    elif isinstance(made, list | tuple) and isinstance(told, list) and len(made) == len(told):
        for number, (left, right) in enumerate(zip(made, told, strict=True)):
            yield from _unequal(left, right, f"{where}[{number}]")
    elif isinstance(made, float) and isinstance(told, int | float):
        if not math.isclose(made, told, rel_tol=1e-9, abs_tol=1e-12):
            yield where
    elif made != told:
        yield where


def _table(crate: Path, out: Path, study: StudyNote, config: Configuration, found: Rebuilt) -> None:
    """Write the table from the grades below `out`, and compare it with the crate's."""
    models, protocols, benchmarks = study["models"], study["protocols"], study["benchmarks"]
    evals, missing = load_evals(out, models, protocols, benchmarks)
    endpoint, further = replace(Endpoint.of(config), protocol=study["primary"]), study.get("evaluated_besides")
    further = further if isinstance(further, int) and 0 <= further <= MAX_BESIDES else 0
    groups, controls = run_groups(config, models), control_kinds(config, models)
    published = {name: pin.published for name, pin in read_pins(crate / PINS).items()} if (crate / PINS).is_file() else {}
    shown, bands = (models, protocols, benchmarks, study["primary"]), config.evaluation.bands
    table = score_table(evals, missing, *shown, groups, endpoint, controls, further, Dates.of(config, published), bands)
    found.rows = len(table.rows)
    for name, text in (("scores.csv", table.csv()), ("scores.md", table.markdown())):
        write_text(out / name, text)
        told = (crate / "results" / name).read_text(encoding="utf-8", errors="replace") if (crate / "results" / name).is_file() else ""
        if text != told:
            cells = list(_other_cells(text, told)) if name.endswith(".csv") else []
            found.differences += [f"{name}: {line}" for line in cells or ["is not as the crate's"]]


def _other_cells(made: str, told: str) -> Iterator[str]:
    """A line for each cell of two score tables that differs."""
    csv.field_size_limit(MAX_CELL)  # of the process: a reader of data sets raises it
    now, then = (list(csv.reader(io.StringIO(text))) for text in (made, told))
    if now[:1] != then[:1] or len(now) != len(then):
        yield f"has {len(now) - 1} rows with {len(now[0])} columns, the crate's {len(then) - 1} with {len(then[0]) if then else 0}"
        return
    for row, other in zip(now[1:], then[1:], strict=True):
        for column, left, right in zip(now[0], row, other, strict=False):
            if left != right:
                yield f"{', '.join(row[:3])}, {column}: {left or 'empty'}, the crate says {right!r}"


def told(found: Rebuilt, out: str) -> list[str]:
    """What a person reads, a line each. Texts of the crate are shown without control characters."""
    lines = [f"graded {found.graded} samples again; {out}/scores.csv and scores.md have {found.rows} rows"]
    for benchmark, places in found.without.items():
        other = f"; {len(places)} verdicts need them: {', '.join('/'.join(map(str, place)) for place in places[:NAMED])}" if places else ""
        other += ", …" if len(places) > NAMED else ""
        lines.append(
            f"{benchmark}: its problem texts did not travel, its cells follow from the crate's verdicts{other}; "
            f"fetch them and rebuild again: snakemake --cores 1 resources/benchmarks/{benchmark}.jsonl"
        )
    lines += [
        f"{benchmark}: its golds name a judge, and no judge is asked about golds of a crate: its samples are not graded, its cells "
        f"follow from the crate's verdicts; make it here, name a judge that is not ours in MATHRL_GRADER_PROTOCOLS, and rebuild again: "
        f"snakemake --cores 1 resources/benchmarks/{benchmark}.jsonl"
        for benchmark in found.judged
    ]
    if not found.differences:
        own = [
            f"{len(places)} verdicts of {name} are the sender's own, its others were graded without the problems"
            for name, places in found.without.items()
        ]
        own += [f"{count} verdicts of {name} are the sender's own" for name, count in found.judged.items()]
        if own:
            return [*lines, f"identical where it could be graded; {'; '.join(own)}"]
        return [*lines, "identical: the score table, and every grade that it is made from"]
    if found.commits != [git_commit()]:
        lines.append(
            f"the crate's samples were graded by commit {', '.join(found.commits)}, here by {git_commit()}: another one may grade otherwise"
        )
    lines += [f"differs: {line}" for line in found.differences[: 20 * NAMED]]
    if len(found.differences) > 20 * NAMED:
        lines.append(f"and {len(found.differences) - 20 * NAMED} more")
    return [printable(line) for line in lines]
