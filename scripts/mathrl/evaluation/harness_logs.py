"""Samples in the log formats of lm-evaluation-harness (0.4) and inspect_ai (0.3), out and in.

Out: what they write for a task that generates, with our verdicts as the score. In: the problems, gold answers and responses of
such a log in our shapes, to be graded by our judge. `sample` is −1 for a greedy response; other harnesses have no such pair of
greedy and sampled responses in one log, so a log holds the ones or the others.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import JsonObject, UserError, check_unchanged, parse_json, read_jsonl
from mathrl.data import published
from mathrl.data.records import Item, Sample
from mathrl.evaluation.grading import read_samples
from mathrl.evaluation.records import Evaluation

FORMATS = ("lm-eval", "inspect")
_STOP = {"stop": "stop", "length": "max_tokens"}
_STRANGE = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)  # what a log of another shape raises
Rows = list[Sample]
Log = tuple[list[Item], list[Sample], dict[str, list[float]]]
"""Problems, samples, and by problem what the log says of its mean score: a number, or one per metric; none where it says nothing."""


def verdicts(result: Evaluation, path: str, greedy: bool) -> dict[str, list[int]]:
    """Right (1) or wrong (0) by problem, a number per sample, from an eval JSON; of the greedy response where `greedy`.

    Raises:
        UserError: it is no eval JSON; `path` is its name in the message.
    """
    try:
        columns = result["per_problem"]
        if greedy:
            return {key: [int(right)] for key, right in zip(columns["id"], columns["greedy"], strict=True) if right is not None}
        return {key: [int(letter == "1") for letter in letters] for key, letters in zip(columns["id"], columns["verdicts"], strict=True)}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is no eval JSON ({_said(error)}); make it with scripts/grade_samples.py") from None


def grouped(samples: Iterable[Sample], greedy: bool) -> dict[str, Rows]:
    """The greedy or the sampled responses by problem, in the order of their numbers."""
    found: dict[str, Rows] = {}
    for row in samples:
        if (row["sample"] < 0) == greedy:
            found.setdefault(str(row["id"]), []).append({**row})
    return {key: sorted(rows, key=lambda row: row["sample"]) for key, rows in found.items()}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_lm_eval(
    problems: Mapping[str, Item],
    responses: Mapping[str, Rows],
    right: Mapping[str, Sequence[int]],
    temperature: float,
) -> Iterator[JsonObject]:
    """Lines of samples_{task}_{date}.jsonl: a problem per line, all of its responses in `resps`; exact_match is their mean."""
    asked = {"do_sample": temperature > 0, "temperature": temperature, "until": []}
    for number, (key, rows) in enumerate(responses.items()):
        item, texts = problems[key], [row["response"] for row in rows]
        doc = {name: item[name] for name in ("id", "problem", "answer")}
        yield {
            "doc_id": number,
            "doc": doc,
            "target": item["answer"],
            "arguments": {"gen_args_0": {"arg_0": item["problem"], "arg_1": asked}},
            "resps": [texts],
            "filtered_resps": [texts],
            "filter": "none",
            "metrics": ["exact_match"],
            "doc_hash": _sha256(json.dumps(doc, indent=2, ensure_ascii=False)),
            "prompt_hash": _sha256(item["problem"]),
            "target_hash": _sha256(item["answer"]),
            "exact_match": sum(right[key]) / len(right[key]),
            "verdicts": list(right[key]),
        }


def to_inspect(
    problems: Mapping[str, Item],
    responses: Mapping[str, Rows],
    right: Mapping[str, Sequence[int]],
    names: Mapping[str, str],
) -> JsonObject:
    """An EvalLog (version 2): a sample per response, its number the epoch. `names`: model, task, created (ISO time)."""
    samples, values = [], []
    for key, rows in responses.items():
        item = problems[key]
        for epoch, (row, verdict) in enumerate(zip(rows, right[key], strict=True), 1):
            message = {"role": "assistant", "content": row["response"], "source": "generate", "model": names["model"]}
            tokens = int(row.get("tokens") or 0)
            stop = _STOP.get(str(row.get("finish_reason")), "unknown")
            output = {"model": names["model"], "choices": [{"message": message, "stop_reason": stop}], "completion": row["response"]}
            values.append(verdict)
            samples.append(
                {
                    "id": key,
                    "epoch": epoch,
                    "input": item["problem"],
                    "target": item["answer"],
                    "messages": [{"role": "user", "content": item["problem"], "source": "input"}, message],
                    "output": output | {"usage": {"input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens}},
                    "scores": {"mathrl": {"value": "C" if verdict else "I", "answer": row["response"]}},
                }
            )
    epochs = max((len(rows) for rows in responses.values()), default=1)
    accuracy = {"name": "accuracy", "value": sum(values) / len(values) if values else 0.0}
    identity = _sha256(json.dumps([names, sorted(responses)]))[:22]
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": identity,
            "run_id": identity,
            "task_id": identity,
            "created": names["created"],
            "task": names["task"],
            "dataset": {"name": names["task"], "samples": len(responses), "sample_ids": list(responses), "shuffled": False},
            "model": names["model"],
            "config": {"epochs": epochs, "epochs_reducer": ["mean"]},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": len(samples),
            "completed_samples": len(samples),
            "scores": [{"name": "mathrl", "scorer": "mathrl", "params": {}, "metrics": {"accuracy": accuracy}}],
        },
        "stats": {"started_at": names["created"], "completed_at": names["created"], "model_usage": {}},
        "samples": samples,
    }


def read_log(form: str, path: str, greedy: bool) -> Log:
    """A log of another harness, one of FORMATS; `greedy`: it holds one greedy response per problem.

    Raises:
        UserError: no such file, or it is no such log.
    """
    if form == "lm-eval":
        return from_lm_eval(read_jsonl(path), path, greedy)
    check_unchanged(path)
    try:
        log = parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); give a log that inspect wrote as JSON") from None
    return from_inspect(log, path, greedy)


def from_lm_eval(lines: Iterable[JsonObject], path: str, greedy: bool) -> Log:
    """(problems, samples, scores) of samples_*.jsonl; a problem's text is its prompt where the document has none.

    Raises:
        UserError: a line without responses, document or gold answer, or an id that two documents have.
    """
    problems: dict[str, Item] = {}
    docs: list[JsonObject] = []
    samples: Rows = []
    scores: dict[str, list[float]] = {}
    for number, line in enumerate(lines, 1):
        try:
            problem, texts, found = _lm_eval_line(line, number)
        except _STRANGE as error:
            raise UserError(
                f"{path}: line {number} lacks doc, resps or target ({_said(error)}); log it with lm_eval --log_samples"
            ) from None
        key = problem["id"]
        if problems.setdefault(key, problem) != problem:
            raise UserError(f"{path}: line {number} has the id '{key[:80]}' of another problem; ids must be unique")
        if problem is not problems[key]:  # the same responses under another filter of the task
            continue
        samples += [_sample(key, -1 if greedy else at, text, "stop", 0) for at, text in enumerate(texts)]
        docs.append(line["doc"])
        scores[key] = found
    golds = _golds(docs, path)
    for problem in problems.values():
        problem["answer"] = golds.get(problem["problem"], problem["answer"])
    return list(problems.values()), read_samples(samples, problems, path), scores


def _lm_eval_line(line: JsonObject, number: int) -> tuple[Item, list[str], list[float]]:
    """Problem, responses, and the value of each metric of a line."""
    doc, resps = _of(line["doc"], dict), _of(line["resps"], list)
    key = str(doc.get("id") or doc.get("unique_id") or line.get("doc_id", number))
    text = doc.get("problem") or doc.get("question") or _first_argument(line)
    problem: Item = {"id": key, "problem": str(text), "answer": str(doc.get("answer", line["target"]))}
    texts = resps[0] if isinstance(resps[0], list) else resps
    if not texts:
        raise ValueError("no responses")
    left = _of(line.get("filtered_resps") or resps, list)[0]
    scores = []
    if len(texts) == 1 or isinstance(left, list):  # a filter that kept one of several: its score is not that of all
        scores = [float(line[name]) for name in _of(line.get("metrics", []), list) if _is_number(line.get(name))]
    return problem, [_of(text, str) for text in texts], scores


def _golds(docs: list[JsonObject], path: str) -> dict[str, str]:
    """Gold answer by problem text where the documents have a layout that is known: GSM8K's answer is what stands behind ####."""
    try:
        items, notice, _ = published.read_items(docs, {}, path)
    except UserError:  # no layout: the answer as it is
        return {}
    published.say(path, notice)
    return {item["problem"]: item["answer"] for item in items}


def _first_argument(line: JsonObject) -> str:
    arguments = line.get("arguments") or {}
    first = arguments.get("gen_args_0", {}) if isinstance(arguments, dict) else dict(enumerate(_of(arguments[0], list)))
    return str(first.get("arg_0", first.get(0, "")))


def _sample(key: str, number: int, text: str, finish: str, tokens: int) -> Sample:
    return {"id": key, "sample": number, "response": text, "finish_reason": finish, "tokens": tokens}


def from_inspect(log: JsonObject, path: str, greedy: bool) -> Log:
    """(problems, samples, scores) of an EvalLog that was written as JSON; the score is the first scorer's mean.

    Raises:
        UserError: no samples in it, one without an output, or an id that two problems have.
    """
    rows = log.get("samples") if isinstance(log, dict) else None
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path}: holds no samples; write it with inspect eval --log-format json, or convert it with inspect log convert")
    problems: dict[str, Item] = {}
    samples: Rows = []
    values: dict[str, list[float | None]] = {}
    for number, row in enumerate(rows, 1):
        try:
            problem, sample, value = _inspect_sample(row, greedy)
        except _STRANGE as error:
            raise UserError(f"{path}: sample {number} has no id or no output ({_said(error)}); let the evaluation end first") from None
        key = problem["id"]
        if problems.setdefault(key, problem) != problem:
            raise UserError(f"{path}: sample {number} has the id '{key[:80]}' of another problem; ids must be unique")
        samples.append(sample)
        values.setdefault(key, []).append(value)
    scores = {key: [sum(found) / len(found)] for key, found in values.items() if None not in found}  # type: ignore[arg-type]
    return list(problems.values()), read_samples(samples, problems, path), scores


def _inspect_sample(row: JsonObject, greedy: bool) -> tuple[Item, Sample, float | None]:
    """Problem, sample, and the first scorer's value (None where it is no number) of a sample of an EvalLog."""
    output, target = row["output"], row.get("target", "")
    choice = _of(output["choices"], list)[0]
    key = str(_of(row["id"], str | int))
    answer = (target or [""])[0] if isinstance(target, list) else target
    problem: Item = {"id": key, "problem": _text(row.get("input", "")), "answer": str(answer)}
    finish = "length" if choice.get("stop_reason") in ("max_tokens", "model_length") else "stop"
    tokens = _of((output.get("usage") or {}).get("output_tokens") or 0, int)
    number = -1 if greedy else _of(row.get("epoch", 1), int) - 1
    scorers: Mapping[str, JsonObject] = row.get("scores") or {}
    first: Any = next(iter(scorers.values()), {}).get("value")
    value = {"C": 1.0, "I": 0.0}.get(first) if isinstance(first, str) else float(first) if _is_number(first) else None
    return problem, _sample(key, number, _text(choice["message"]["content"]), finish, tokens), value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _of(value: Any, kind: Any) -> Any:
    """The value, if it is of that kind; TypeError if not."""
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} in the place of {getattr(kind, '__name__', kind)}")
    return value


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:80]}"


def _text(content: Any) -> str:
    """Text of a message: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") or part.get("content") or "" for part in _of(content, list) if isinstance(part, dict)]
    return "\n".join(_text(part) for part in parts)
