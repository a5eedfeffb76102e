# ruff: noqa: E501 - tables are read by lines
r"""Where a published data set holds its problem, its answer and the rest: a table of layouts, and the user's own mapping.

A path names a value in a row: `reward_model.ground_truth`, `prompt[0].content`; a text that holds JSON is opened on the way.
Alternatives are separated by `|`; the first that a row has counts. A layout is recognised by the paths that it needs, each in at least
half of the first rows; the first layout of the table that fits is taken, and the user is told which.
"""

from __future__ import annotations

import contextlib
import re
import string
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

from mathrl.core.files import JsonObject, UserError, parse_json
from mathrl.data import gold
from mathrl.data.records import Paths

Row = Mapping[str, Any]
FINAL = re.compile(r"\\f?box(?:ed)?\b|####|\banswer\s*(?:is|:|=)", re.IGNORECASE)
PROBLEM = "problem|question|prompt|Problem|Question|problem_text|instruction|query|input|content"
SOURCE = "source|data_source|dataset|problem_source|extra_info.source"
DOMAIN = "domain|subject|subfield|topic|type|category|problem_type|data_topic|extra_info.domain|extra_info.subject"
DIFFICULTY = "difficulty|level|extra_info.difficulty|extra_info.level"
RATE = "solve_rate|llama8b_solve_rate|pass_rate|extra_info.llama8b_solve_rate"
ID = "id|unique_id|idx|index|ID|problem_idx|extra_info.id|extra_info.index"
BODY = "body|Body|context|passage"
CHOICES = "choices|options|Options|candidates"
FIGURE = "Picture|image|images|figure"
FIELDS = ("problem", "answer", "source", "domain", "difficulty", "solve_rate", "id", "body", "choices")
MOST_NAMED = 12  # columns in a notice
LONG = 200  # characters; an answer column whose median is longer holds whole solutions


@dataclass(frozen=True)
class Layout:
    """One way to hold problems. `needs` are paths, with a test of the value behind a colon; `only` maps paths to the values wanted, `a|b`."""

    name: str
    needs: tuple[str, ...]
    answer: str
    problem: str = PROBLEM
    rule: str = "as_is"
    prompt: bool = False  # the problem stands inside a prompt, with an instruction around it
    only: dict[str, str] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)  # rows with these values are no items of the set: they lack an answer by design
    source: str = SOURCE
    domain: str = DOMAIN
    difficulty: str = DIFFICULTY
    solve_rate: str = RATE
    id: str = ID
    body: str = BODY
    choices: str = CHOICES
    has_choices: bool = False  # each item has some: an answer is a label of theirs and says nothing alone

    def notice(self, rows: Sequence[Row]) -> str:
        """What is read as what in these rows, for people."""
        problem, answer = (
            next((path for path in paths.split("|") if any(first_of(row, path) is not None for row in rows)), paths)
            for paths in (self.problem, self.answer)
        )
        return f"layout '{self.name}': problem = {problem}, answer = {answer} ({'as it is' if self.rule == 'as_is' else self.rule})"

    def columns(self, rows: Sequence[Row]) -> set[str]:
        """The columns of these rows that are read: of alternatives the one that counts in a row."""
        found = {column(path) for path in (*self.only, *self.without, *FIGURE.split("|"))}
        fields = (self.problem, self.answer, self.source, self.domain, self.difficulty, self.solve_rate, self.id, self.choices)
        for row in rows:
            found |= {name for paths in fields if (path := path_of(row, paths)) for name in (column(path), path)}
            if isinstance(first_of(row, self.body), str):
                found.add(column(path_of(row, self.body)))
            with contextlib.suppress(gold.NoGold):
                found |= _columns_of_options(row) if option_columns(row, first_of(row, self.answer)) else set()
        return found


TURNS = ("messages", "conversations", "turns")
LAST_TURN = "|".join(f"{name}[-1].{part}" for name in TURNS for part in ("content", "value"))
VALID = {"problem_is_valid": "Yes", "solution_is_valid": "Yes"}
LAYOUTS = (
    Layout("DAPO (processed)", ("prompt:text", "solution", "source_prompt", "reward_model"), "solution", "prompt", prompt=True),
    Layout(
        "verl", ("prompt[0].content", "reward_model.ground_truth"), "reward_model.ground_truth",
        "extra_info.original_problem|extra_info.question|prompt", "list_in_text", prompt=True,
    ),
    Layout("Open-Reasoner-Zero", ("prompt[0].value", "final_answer"), "final_answer", "prompt", "without_dollars", prompt=True),
    Layout(
        "Open-Reasoner-Zero (turns)", ("turns[0].value", "turns[1].ground_truth.value"), "turns[1].ground_truth.value", "turns", prompt=True
    ),
    Layout("ROLL", ("prompt:text", "ground_truth", "case_type:present"), "ground_truth", "prompt", prompt=True),
    Layout("Tülu", ("messages[0].content", "ground_truth"), "ground_truth", "messages", prompt=True),
    Layout("SYNTHETIC-1", ("prompt", "verification_info.ground_truth"), "verification_info.ground_truth", "prompt", prompt=True),
    Layout(
        "OpenMathReasoning", ("problem", "expected_answer", "pass_rate_72b_tir"), "expected_answer", solve_rate="pass_rate_72b_tir"
    ),
    Layout("NeMo-Skills", ("problem|question", "expected_answer"), "expected_answer"),
    Layout("NuminaMath", ("problem", "answer", "problem_type", "question_type"), "answer", only=VALID),
    Layout("NuminaMath-CoT", ("problem", "solution:boxed", "messages[0].content"), "solution", "problem", "last_box"),
    Layout("DeepMath", ("question", "final_answer:text"), "final_answer", "question"),
    Layout(
        "GSM-Plus", ("question", "answer", "perturbation_type", "seed_question"), "answer", "question",
        domain="perturbation_type", without={"perturbation_type": "critical thinking"},
    ),
    Layout("SimpleRL", ("question", "gt_answer"), "gt_answer", "question"),
    Layout("PURE", ("question", "ref_answer"), "ref_answer", "question"),
    Layout("SwS", ("problem", "label_answer"), "label_answer", solve_rate="model_acc|solve_rate"),
    Layout("Polaris", ("problem", "answer", "difficulty:share"), "answer", solve_rate="difficulty", difficulty=""),
    Layout("MathQA", ("Problem", "options", "correct"), "correct", "Problem"),
    Layout("AQuA", ("question", "options", "correct"), "correct", "question"),
    Layout("SAT", ("question", "options", "Answer"), "Answer", "question"),
    Layout(
        "ARC", ("question|question_stem", "choices|question.choices", "answerKey:present"), "answerKey", "question.stem|question_stem|question",
        choices="choices|question.choices", has_choices=True,
    ),
    Layout("MMLU", ("question", "choices", "answer"), "answer", "question"),
    Layout("AGIEval", ("question", "options", "label|answer"), "label|answer", "question"),
    Layout("AGIEval (cloze)", ("question", "passage|options|label|other", "answer:short"), "answer", "question"),
    Layout("choice_answer", ("question", "choice_answer|answer", "choice_answer:present"), "choice_answer|answer", "question"),
    Layout("ASDiv", ("body", "question", "answer"), "answer", "question", "without_unit"),
    Layout("SVAMP", ("Body", "Question", "Answer"), "Answer", "Question"),
    Layout("MAWPS", ("input", "target"), "target", "input"),
    Layout("CARP", ("content", "answer"), "answer", "content"),
    Layout("TheoremQA", ("Question", "Answer"), "Answer", "Question"),
    Layout("ape210k", ("original_text", "ans"), "ans", "original_text", "without_brackets"),
    Layout("GSM8K", ("question|problem", "answer|solution:####"), "answer|solution", "question|problem", "after:####"),
    Layout("OlympiadBench", ("question|problem", "final_answer"), "final_answer", "question|problem", "without_dollars"),
    Layout("Big-Math", ("prompt:text", "solution:short", "llama8b_solve_rate|domain|source"), "solution", "prompt"),
    Layout("MathArena", ("problem_idx", "problem", "answer"), "answer", "problem"),
    Layout("reasoning-gym", ("generator", "problem", "answer"), "answer", "problem", "as_is", domain="generator"),
    Layout("instruction, input and answer", ("instruction:text", "input:text", "answer|Answer:short"), "answer|Answer", "input|instruction", body="instruction"),
    Layout("problem and answer", (PROBLEM, "answer|Answer:short"), "answer|Answer", prompt=True),
    Layout("problem and boxed answer", (PROBLEM, "answer:boxed"), "answer", prompt=True, rule="last_box"),
    Layout(
        "problem and gold", (PROBLEM, "gold|gold_answer|ground_truth|label|target|gt:short"),
        "gold|gold_answer|ground_truth|label|target|gt", prompt=True, rule="list_in_text",
    ),
    Layout("MATH", (PROBLEM, "solution:boxed"), "solution", rule="last_box"),
    Layout("problem and short solution", (PROBLEM, "solution:short"), "solution"),
    Layout("MetaMathQA", ("query", "response:final"), "response", "query", "final_answer"),
    Layout(
        "prompt and completion", ("prompt", "completion[-1].content|completion:final"), "completion[-1].content|completion", "prompt",
        "final_answer", prompt=True,
    ),
    Layout(
        "messages", ("|".join(TURNS), f"{LAST_TURN}:final"), LAST_TURN, "|".join(TURNS), "final_answer", prompt=True,
        only={f"{name}[-1].{role}": "assistant|gpt" for name in TURNS for role in ("role", "from")},
    ),
    Layout(
        "instruction and output", ("instruction|input|query|question|problem", "output|response:final"), "output|response",
        "input|query|question|problem|instruction", "final_answer", body="instruction",
    ),
)  # fmt: skip


@cache
def _steps(path: str) -> tuple[str | int, ...]:
    return tuple(int(number) if number else name for name, number in re.findall(r"([^.\[\]]+)|\[(-?\d+)\]", path))


def look(row: Any, path: str) -> Any:
    """The value at one path, or None. A column may have a whole path as its name."""
    if isinstance(row, Mapping) and path in row:
        return row[path]
    for step in _steps(path):
        if isinstance(row, str) and row[:1] in "[{":
            try:
                row = parse_json(row)
            except ValueError:
                return None
        if isinstance(step, int):
            if not isinstance(row, list) or not -len(row) <= step < len(row):
                return None
            row = row[step]
        else:
            if not isinstance(row, Mapping):
                return None
            row = row.get(step)
    return row


def path_of(row: Row, paths: str) -> str:
    """Of alternatives the first path at which a value is there and not blank; empty where there is none."""
    for path in paths.split("|") if paths else ():
        value = look(row, path)
        if value is not None and value != "" and value != []:
            return path
    return ""


def first_of(row: Row, paths: str) -> Any:
    """The first value among alternatives that is there and not blank."""
    path = path_of(row, paths)
    return look(row, path) if path else None


def column(path: str) -> str:
    """The column that a path begins with."""
    return str(_steps(path)[0])


def unread(rows: Sequence[Row], read: Set[str]) -> str:
    """What a notice says of columns that hold texts, or lists and objects with texts, and are not among those that are `read`."""
    names = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if name not in read and any(_says(row.get(name)) for row in rows)
    ]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"; columns with texts that are not read: {', '.join(names[:MOST_NAMED])}{more}" if names else ""


def _says(value: Any) -> bool:
    """Is there a text in this value?"""
    if isinstance(value, str | bytes):
        return bool(value.strip())
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(_says, parts))


_OPTIONS = ("{}", "option_{}", "option{}", "op{}")  # names of columns that hold a choice each, by its letter


def option_columns(row: Row, answer: Any) -> JsonObject | None:
    """Choices that stand in columns of their own (`A`, `B`, … or `option_a`, `optionA`, `opa`, …), by letter, where the answer is one's letter.

    None otherwise: then such columns are something else.

    Raises:
        NoGold: a choice in the middle is missing, or there are more than ten.
    """
    label = answer.strip().upper() if isinstance(answer, str) else ""
    for form in _OPTIONS if len(label) == 1 and label.isalpha() else ():
        lower = form != "{}"
        found = {
            letter: value
            for letter in string.ascii_uppercase
            for name in ((form.format(letter), form.format(letter.lower())) if lower else (letter,))
            if (value := row.get(name)) not in (None, "")
        }
        if not {"A", "B", label} <= set(found):
            continue
        if sorted(found) != list(string.ascii_uppercase[: len(found)]):
            raise gold.NoGold("a choice in the middle is missing")
        return found
    return None


def _columns_of_options(row: Row) -> set[str]:
    names = {form.format(letter) for form in _OPTIONS for letter in string.ascii_letters if form != "{}" or letter.isupper()}
    return names & set(row)


def _passes(rows: Sequence[Row], need: str) -> bool:
    paths, _, test = need.partition(":")
    if test == "present":
        return any(paths in row for row in rows)
    values = [first_of(row, paths) for row in rows]
    values = [value for value in values if value is not None]
    if not values:
        return test == "short" and any(path in row for path in paths.split("|") for row in rows)
    texts = [value for value in values if isinstance(value, str)]
    if test == "text":
        return len(texts) == len(values)
    if test == "short":
        return sorted(len(str(value)) for value in values)[len(values) // 2] <= LONG and not _share(texts, "####")
    if test == "share":
        return len(texts) == len(values) and all(re.fullmatch(r"\s*\d+\s*/\s*[1-9]\d*\s*", text) for text in texts)
    if test == "final":
        return 2 * sum(FINAL.search(text) is not None for text in texts) > len(texts)
    if test == "boxed":
        return _share(texts, r"\boxed") or _share(texts, r"\fbox")
    return not test or _share(texts, test)


def _share(texts: Sequence[str], mark: str) -> bool:
    return 2 * sum(mark in text for text in texts) > len(texts)


def recognise(rows: Sequence[Row], where: str) -> Layout:
    """The first layout of the table that fits the first rows; `UserError` lists what the file has where none does."""
    for layout in LAYOUTS:
        if all(_passes(rows, need) for need in layout.needs):
            return layout
    names = list(dict.fromkeys(name for row in rows for name in row))
    raise UserError(
        f"{where}: no layout is known with these columns: {', '.join(names[:20])}; say in the column 'columns' of the table of downloads "
        f"where problem and answer are, such as `problem: {names[0] if names else 'question'}, answer: PATH, gold: as_is` "
        f"(gold: as_is, last_box or after: MARK)"
    )


_MARK_BEHIND = re.compile(r"\bgold:\s*after:\s+(\"[^\"]*\"|'[^']*')")  # `gold: after: "####"`, as one says it


def parse_mapping(text: str, where: str) -> dict[str, str]:
    """The cell `columns` of a pin: `problem: question, answer: reward_model.ground_truth, gold: last_box`; empty where it says nothing."""
    text = text.strip()
    if not text:
        return {}
    import yaml

    text = _MARK_BEHIND.sub(r"gold: {after: \1}", text)
    try:
        value = yaml.safe_load(text if text.startswith("{") else "{" + text + "}")
    except yaml.YAMLError as error:
        raise UserError(
            f"{where}: columns '{text}' is no mapping ({' '.join(str(error).split())[:120]}); write name: path, name: path"
        ) from None
    names = {layout.name for layout in LAYOUTS}
    allowed = (*FIELDS, "gold", "layout")
    result = {}
    for key, entry in value.items():
        if key not in allowed:
            raise UserError(f"{where}: columns: '{key}' is none of {', '.join(allowed)}")
        if key == "gold" and isinstance(entry, Mapping) and set(entry) == {"after"}:
            entry = f"after:{entry['after']}"
        if not isinstance(entry, str) or not entry:
            raise UserError(f"{where}: columns: {key} must be a text, such as a column's name; it is {entry!r}")
        if key == "gold" and not entry.startswith("after:") and entry not in gold.RULES:
            raise UserError(f"{where}: columns: gold '{entry}' is none of {', '.join(gold.RULES)}, after: MARK")
        if key == "layout" and entry not in names:
            raise UserError(f"{where}: columns: layout '{entry}' is none of {', '.join(sorted(names))}")
        result[key] = entry
    return result


def chosen(rows: Sequence[Row], mapping: Mapping[str, str], where: str) -> Layout:
    """The layout of a file: as its pin says, or as its first rows show; `UserError` where a path of the pin leads nowhere."""
    own = cast("Paths", {key: value for key, value in mapping.items() if key in FIELDS})
    if "layout" in mapping:
        base = next(layout for layout in LAYOUTS if layout.name == mapping["layout"])
    elif "problem" in own and "answer" in own:
        base = Layout("of the pin", (), own["answer"], prompt=True)
    else:
        base = recognise(rows, where)
    for key, paths in mapping.items():
        if key not in own:
            continue
        if all(first_of(row, paths) is None for row in rows) and not any(
            {path, _steps(path)[0]} & row.keys() for path in paths.split("|") for row in rows
        ):
            names = list(dict.fromkeys(name for row in rows for name in row))
            raise UserError(f"{where}: columns: {key}: no row has '{paths}' (columns: {', '.join(names[:20])}); correct the pin")
    if own or "gold" in mapping:
        base = replace(base, name=f"{base.name}, as the pin maps it" if base.name != "of the pin" else base.name, **own)
        base = replace(base, rule=mapping.get("gold", base.rule))
    return base
