"""Samples in the log formats of lm-evaluation-harness (0.4) and inspect_ai (0.3), out and in.

Out: what they write for a task that generates, with our verdicts as the score. In: the problems, gold answers and responses of
such a log in our shapes, to be graded by our judge. `sample` is −1 for a greedy response; other harnesses have no such pair of
greedy and sampled responses in one log, so a log holds the ones or the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mathrl.core.files import UserError

FORMATS = ("lm-eval", "inspect")
_STOP = {"stop": "stop", "length": "max_tokens"}
Rows = list[dict[str, Any]]


def verdicts(result: Mapping[str, Any], greedy: bool) -> dict[str, list[int]]:
    """Right (1) or wrong (0) by problem, a number per sample, from an eval JSON; of the greedy response where `greedy`."""
    columns = result["per_problem"]
    if greedy:
        return {key: [int(right)] for key, right in zip(columns["id"], columns["greedy"], strict=True) if right is not None}
    return {key: [int(letter == "1") for letter in letters] for key, letters in zip(columns["id"], columns["verdicts"], strict=True)}


def grouped(samples: Iterable[Mapping[str, Any]], greedy: bool) -> dict[str, Rows]:
    """The greedy or the sampled responses by problem, in the order of their numbers."""
    found: dict[str, Rows] = {}
    for row in samples:
        if (row["sample"] < 0) == greedy:
            found.setdefault(str(row["id"]), []).append(dict(row))
    return {key: sorted(rows, key=lambda row: row["sample"]) for key, rows in found.items()}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_lm_eval(
    problems: Mapping[str, Mapping[str, Any]],
    responses: Mapping[str, Rows],
    right: Mapping[str, Sequence[int]],
    protocol: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    """Lines of samples_{task}_{date}.jsonl: a problem per line, all of its responses in `resps`; exact_match is their mean."""
    asked = {"do_sample": (protocol.get("temperature") or 0) > 0, "temperature": protocol.get("temperature")}
    asked |= {"top_p": protocol.get("top_p"), "max_gen_toks": protocol.get("max_tokens"), "until": []}
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
    problems: Mapping[str, Mapping[str, Any]],
    responses: Mapping[str, Rows],
    right: Mapping[str, Sequence[int]],
    names: Mapping[str, str],
) -> dict[str, Any]:
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


def from_lm_eval(lines: Iterable[Mapping[str, Any]], path: str, greedy: bool) -> tuple[Rows, Rows, dict[str, list[float]]]:
    """(problems, samples, their scores) of samples_*.jsonl; a problem's text is its prompt where the document has none.

    Raises:
        UserError: a line without responses, document or gold answer.
    """
    problems: dict[str, dict[str, Any]] = {}
    samples: Rows = []
    scores: dict[str, list[float]] = {}
    for number, line in enumerate(lines, 1):
        doc, resps = line.get("doc"), line.get("resps")
        if not isinstance(doc, dict) or not isinstance(resps, list) or not resps or "target" not in line:
            raise UserError(f"{path}: line {number} lacks doc, resps or target; log it with lm_eval --log_samples")
        key = str(doc.get("id") or doc.get("unique_id") or line.get("doc_id", number))
        if key in problems:  # the same responses under another filter of the task
            continue
        text = doc.get("problem") or doc.get("question") or _first_argument(line)
        problems[key] = {"id": key, "problem": str(text), "answer": str(doc.get("answer", line["target"]))}
        texts = resps[0] if isinstance(resps[0], list) else resps
        samples += [_sample(key, -1 if greedy else at, str(text), "stop", 0) for at, text in enumerate(texts)]
        left = (line.get("filtered_resps") or resps)[0]
        if len(texts) == 1 or isinstance(left, list):  # a filter that kept one of several: its score is not that of all
            scores[key] = [float(line[name]) for name in line.get("metrics", []) if isinstance(line.get(name), int | float)]
    return list(problems.values()), samples, scores


def _first_argument(line: Mapping[str, Any]) -> str:
    arguments = line.get("arguments") or {}
    first = arguments.get("gen_args_0", {}) if isinstance(arguments, dict) else dict(enumerate(arguments[0]))
    return str(first.get("arg_0", first.get(0, "")))


def _sample(key: str, number: int, text: str, finish: str, tokens: int) -> dict[str, Any]:
    return {"id": key, "sample": number, "response": text, "finish_reason": finish, "tokens": tokens}


def from_inspect(log: Mapping[str, Any], path: str, greedy: bool) -> tuple[Rows, Rows, dict[str, list[float]]]:
    """(problems, samples, their scores) of an EvalLog that was written as JSON.

    Raises:
        UserError: no samples in it, or one without an output.
    """
    if not isinstance(log.get("samples"), list) or not log["samples"]:
        raise UserError(f"{path}: holds no samples; write it with inspect eval --log-format json, or convert it with inspect log convert")
    problems: dict[str, dict[str, Any]] = {}
    samples: Rows = []
    scores: dict[str, list[float]] = {}
    for number, row in enumerate(log["samples"], 1):
        choices = (row.get("output") or {}).get("choices")
        if not choices or "id" not in row:
            raise UserError(f"{path}: sample {number} has no id or no output; let the evaluation end first")
        key, target = str(row["id"]), row.get("target", "")
        problems.setdefault(
            key, {"id": key, "problem": _text(row.get("input", "")), "answer": str(target[0] if isinstance(target, list) else target)}
        )
        finish = "length" if choices[0].get("stop_reason") in ("max_tokens", "model_length") else "stop"
        tokens = ((row.get("output") or {}).get("usage") or {}).get("output_tokens") or 0
        text = _text(choices[0].get("message", {}).get("content", ""))
        samples.append(_sample(key, -1 if greedy else int(row.get("epoch", 1)) - 1, text, finish, int(tokens)))
        values = [part.get("value") for part in (row.get("scores") or {}).values()]
        scores.setdefault(key, []).extend(
            {"C": 1.0, "I": 0.0}.get(v, v) for v in values[:1] if v in ("C", "I") or isinstance(v, int | float)
        )
    order = {key: at for at, key in enumerate(problems)}
    return list(problems.values()), sorted(samples, key=lambda s: (order[s["id"]], s["sample"])), scores


def _text(content: Any) -> str:
    """Text of a message: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") or part.get("content") or "" for part in content if isinstance(part, dict)]
    return "\n".join(_text(part) for part in parts)
