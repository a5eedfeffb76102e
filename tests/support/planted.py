# ruff: noqa: E501 - tables are read by lines
"""Leaks made from benchmark items by known kinds of edit: what decontamination must find.

Each edit takes a problem and a random generator and gives the same problem in another dress, or None where it would change nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable


def _words(text: str) -> list[str]:
    return text.split()


SYNONYMS = (
    (r"\bFind\b", "Determine"), (r"\bDetermine\b", "Find"), (r"\bCompute\b", "Calculate"), (r"\bEvaluate\b", "Work out"), (r"\bWhat is\b", "Find"),
    (r"\bHow many\b", "What number of"), (r"\bhow many\b", "what number of"), (r"\bSuppose\b", "Assume"), (r"\bLet\b", "Suppose"), (r"\btotal\b", "overall"),
    (r"\beach\b", "every"), (r"\bsuch that\b", "so that"), (r"\bbuys\b", "purchases"), (r"\bbought\b", "purchased"), (r"\bgets\b", "receives"),
    (r"\bhas\b", "owns"), (r"\bgives\b", "hands"), (r"\bearns\b", "makes"), (r"\bmakes\b", "produces"), (r"\bneeds\b", "requires"), (r"\bstarts\b", "begins"),
    (r"\bExpress your answer\b", "Give your answer"), (r"\bsatisfies\b", "fulfils"), (r"\bsatisfy\b", "fulfil"), (r"\bIf\b", "When"), (r"\bremaining\b", "left over"),
    (r"\bpossible\b", "admissible"), (r"\bchildren\b", "kids"), (r"\bstudents\b", "pupils"), (r"\bcalled\b", "named"), (r"\bcontains\b", "holds"), (r"\bonly\b", "just"),
)  # fmt: skip
NAMES = _words(
    "Janet Josh James Wendi Kylar Toulouse Carla John Eliza Melanie Mark Tom Mary Sam Bob Alice Anna Jill Claire "
    "Ben Lisa Emma Mike Sarah Alicia Beth Aya Jane Peter Marcus Henry Kim Jerry Gary Max Bill Betty Jack Rachel "
    "Sophie"
)
UNICODE = (
    (r"\leq", "≤"), (r"\le ", "≤ "), (r"\geq", "≥"), (r"\ge ", "≥ "), (r"\times", "×"), (r"\cdot", "⋅"), (r"\pi", "π"), (r"\theta", "θ"), (r"\alpha", "α"),
    (r"\infty", "∞"), (r"\angle", "∠"), (r"\triangle", "△"), ("^2", "²"), ("^{2}", "²"), ("^3", "³"), ("^{3}", "³"), (r"^\circ", "°"), (r"^{\circ}", "°"), ("-", "−"),
    ("'", "’"),
)  # fmt: skip
WORDS = dict(
    enumerate(
        _words(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen twenty"
        )
    )
)
FILLERS = ("then", "also", "here", "indeed", "now", "exactly", "simply")
FRAMES = (
    ("Solve the following math problem.\n\n", ""), ("Question: ", "\nAnswer:"), ("", " Express your final answer as simply as possible."), ("Problem 7. ", ""),
    ("Please read carefully and think step by step. ", " Put the result in a box."), ("[AoPS] ", " (Proposed for the olympiad.)"),
)  # fmt: skip


def _changed(before: str, after: str) -> str | None:
    return after if after != before else None


def case(text: str, rng: random.Random) -> str | None:
    return _changed(
        text,
        text.upper() if rng.random() < 0.3 and "\\" not in text else re.sub(r"(?<!\\)\b[A-Z][a-z]+", lambda m: m.group().lower(), text),
    )


def spacing(text: str, rng: random.Random) -> str | None:
    return _changed(text, re.sub(r" ", lambda _: rng.choice((" ", "  ", "\n", " \t")), text).replace("=", " = "))


def punctuation(text: str, rng: random.Random) -> str | None:
    return _changed(text, re.sub(r"(?<=[A-Za-z$])[,.;:?!](?=\s|$)", lambda _: rng.choice(("", " ;", ".", "")), text))


def delimiters(text: str, rng: random.Random) -> str | None:
    text_ = re.sub(r"\$\$(.+?)\$\$", r"\\[\1\\]", text, flags=re.S)
    return _changed(text, re.sub(r"(?<!\\)\$(.+?)(?<!\\)\$", r"\\(\1\\)", text_, flags=re.S))


def latex(text: str, rng: random.Random) -> str | None:
    changed = (
        text.replace(r"\frac", r"\dfrac")
        .replace(r"\leq", r"\leqslant")
        .replace(r"\ge ", r"\geq ")
        .replace(r"\left(", "(")
        .replace(r"\right)", ")")
    )
    changed = re.sub(r"(?<=[0-9a-z])\+(?=[0-9a-z])", r" +\\, ", changed)
    return _changed(text, re.sub(r"\^(\d)", r"^{\1}", changed))


def unicode(text: str, rng: random.Random) -> str | None:
    changed = text
    for old, new in UNICODE:
        changed = changed.replace(old, new)
    return _changed(text, changed)


def number_words(text: str, rng: random.Random) -> str | None:
    changed = re.sub(r"(?<![\w.,$\\{^/+=*-])(1?\d|20)(?= [a-z]{3})", lambda m: WORDS[int(m.group())], text)
    if changed == text:
        changed = re.sub(r"\b(" + "|".join(list(WORDS.values())[2:]) + r")\b", lambda m: str(list(WORDS.values()).index(m.group())), text)
    return _changed(text, changed)


def frame(text: str, rng: random.Random) -> str | None:
    before, after = rng.choice(FRAMES)
    return before + text + after


def synonyms(text: str, rng: random.Random) -> str | None:
    changed = text
    for old, new in SYNONYMS:
        if rng.random() < 0.7:
            changed = re.sub(old, new, changed)
    return _changed(text, changed)


def sentences(text: str, rng: random.Random) -> str | None:
    parts = re.split(r"(?<=[.?!]) +", text.strip())
    if len(parts) < 3:
        return None
    return " ".join([*parts[1:-1], parts[0], parts[-1]])


def typos(text: str, rng: random.Random) -> str | None:
    def swap(match: re.Match[str]) -> str:
        word = match.group()
        place = rng.randrange(len(word) - 1)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :] if rng.random() < 0.1 else word

    return _changed(text, re.sub(r"(?<!\\)\b[a-z]{5,}\b", swap, text))


def longer(text: str, rng: random.Random) -> str | None:
    before = "Warm-up: a farmer counts the legs of all the sheep and the hens in the yard and writes them down. "
    after = " Afterwards explain in your own words which idea was the most useful one and where you would use it again."
    return before + text + after if rng.random() < 0.5 else text + after


def shortened(text: str, rng: random.Random) -> str | None:
    words = text.split(" ")
    if len(words) < 24:
        return None
    drop = len(words) // 5
    return " ".join(words[drop:] if rng.random() < 0.5 else words[:-drop])


def names(text: str, rng: random.Random) -> str | None:
    used = [name for name in NAMES if re.search(rf"\b{name}\b", text)]
    fresh = iter(rng.sample(("Olga", "Ravi", "Chen", "Fatima", "Diego", "Ingrid", "Kofi", "Yuki", "Nadia", "Liam"), 10))
    changed = text
    for name in used:
        changed = re.sub(rf"\b{name}\b", next(fresh, name), changed)
    return _changed(text, changed)


def fillers(text: str, rng: random.Random) -> str | None:
    result = []
    for word in text.split(" "):
        if word == "the" and rng.random() < 0.4:
            continue
        result.append(word)
        if word.isalpha() and rng.random() < 0.06:
            result.append(rng.choice(FILLERS))
    return _changed(text, " ".join(result))


def markup(text: str, rng: random.Random) -> str | None:
    changed = (
        re.sub(r"(?<![\w.,{^$\\])(\d+)(?![\w.,}])", r"**\1**", text).replace("<", "&lt;").replace(" & ", " &amp; ").replace("\n", "<br>\n")
    )
    return _changed(text, changed)


def thousands(text: str, rng: random.Random) -> str | None:
    changed = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    return _changed(text, changed if changed != text else re.sub(r"\b([1-9]\d?)(\d{3})\b", r"\1,\2", text))


def variables(text: str, rng: random.Random) -> str | None:
    letter = r"(?<![A-Za-z\\])%s(?![A-Za-z])"
    if text.count("$") < 2 or re.search(letter % "[tuk]", text) or re.search(r"(?<!\\)\b[a-z]*[xyn][a-z]+\$|xy|yx|nx|ny", text):
        return None
    swap = {"x": "t", "y": "u", "n": "k"}
    return _changed(text, re.sub(letter % "[xyn]", lambda match: swap[match.group()], text))


EDITS: dict[str, Callable[[str, random.Random], str | None]] = {
    edit.__name__: edit
    for edit in (
        case, spacing, punctuation, delimiters, latex, unicode, number_words, frame, synonyms, sentences, typos, longer, shortened, names, fillers, markup,
        thousands, variables,
    )
}  # fmt: skip


def plant(items: list[tuple[str, str, str]], per_kind: int, seed: int) -> list[dict[str, str]]:
    """Leaks of `(benchmark, item id, problem)`: up to `per_kind` of each kind of edit; `half` is 0 (fix thresholds) or 1 (report)."""
    rng = random.Random(seed)
    leaks = []
    for kind, edit in EDITS.items():
        made = 0
        for benchmark, identifier, problem in rng.sample(items, len(items)):
            changed = edit(problem, rng)
            if changed is None:
                continue
            leaks.append({"kind": kind, "benchmark": benchmark, "item_id": identifier, "problem": changed, "half": str(made % 2)})
            made += 1
            if made == per_kind:
                break
    return leaks
