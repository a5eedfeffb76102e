"""The page of steps: solutions to read step by step, each with the scores of every verifier in use. No scripts, no outside files."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from mathrl.evaluation.records import StepRow
from mathrl.evaluation.verified import Verdicts
from mathrl.text.reasoning_steps import reasoning_steps
from mathrl.verifiers.interface import first_wrong

STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:70rem;color:#1b1b1b;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}article{border-top:1px solid #ccc;padding:.8rem 0}
header{color:#555;font-size:.9rem}.problem{margin:.3rem 0;font-weight:600;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}th,td{padding:.25rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid #eee}
td.step{white-space:pre-wrap;overflow-wrap:anywhere;width:70%}td.score{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.bad{background:#fde2dc;font-weight:600}td.good{background:#e8f4e8}.right{color:#18602a}.wrong{color:#a02010}
.scroll{overflow-x:auto}nav a{margin-right:1rem}"""
PER_KIND = 12  # solutions of each kind, model, protocol and benchmark
CHARACTERS = 3000  # of a step that are shown
ORDER = ("right answer, flagged step", "wrong answer, no flagged step", "wrong answer, flagged step", "right answer, no flagged step")

Row = StepRow
"""One sample: model, protocol, benchmark, id, sample, problem, answer, response, correct, and scores by verifier."""


def kind_of(row: Row, verdicts: Mapping[str, Verdicts]) -> str:
    """Which of `ORDER` a solution is: a step is flagged where any verifier flags it."""
    flagged = any(first_wrong(row["scores"][name], one.threshold) is not None for name, one in verdicts.items())
    return f"{'right' if row['correct'] else 'wrong'} answer, {'flagged' if flagged else 'no flagged'} step"


def chosen(rows: Iterable[Row], verdicts: Mapping[str, Verdicts]) -> dict[str, list[Row]]:
    """At most `PER_KIND` solutions of each kind, the first ones in the order given; different texts of a problem only."""
    found: dict[str, list[Row]] = {kind: [] for kind in ORDER}
    seen = set()
    for row in rows:
        kind = kind_of(row, verdicts)
        key = (row["id"], row["response"])
        if len(found[kind]) < PER_KIND and key not in seen:
            seen.add(key)
            found[kind].append(row)
    return found


def _solution(row: Row, verdicts: Mapping[str, Verdicts]) -> str:
    steps = reasoning_steps(row["response"])
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in verdicts)
    lines = []
    for place, step in enumerate(steps):
        cells = ""
        for name, one in verdicts.items():
            score = row["scores"][name][place]
            flagged = score < one.threshold
            mark = "✗" if flagged else "✓"  # not by colour alone
            cells += f'<td class="score {"bad" if flagged else "good"}">{mark} {score:.2f}</td>'
        lines.append(f'<tr><td>{place + 1}</td><td class="step">{html.escape(step[:CHARACTERS])}</td>{cells}</tr>')
    verdict = "right" if row["correct"] else "wrong"
    where = " · ".join(html.escape(str(row[key])) for key in ("model", "protocol", "benchmark", "id"))
    return (
        f'<article><header>{where} · sample {row["sample"]} · <span class="{verdict}">answer {verdict}</span>, expected '
        f'{html.escape(row["answer"])}</header><p class="problem">{html.escape(row["problem"])}</p><div class="scroll" tabindex="0">'
        f"<table><thead><tr><th>step</th><th>text</th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div></article>"
    )


def steps_page(found: Mapping[str, Sequence[Row]], verdicts: Mapping[str, Verdicts]) -> str:
    """The page of the `chosen` solutions."""
    names = ", ".join(f"{html.escape(name)} (flags below {one.threshold:g})" for name, one in verdicts.items())
    links = "".join(f'<a href="#kind-{number}">{kind} ({len(found[kind])})</a>' for number, kind in enumerate(ORDER))
    parts = [
        f'<h2 id="kind-{number}">{kind[0].upper()}{kind[1:]}</h2>'
        + ("".join(_solution(row, verdicts) for row in found[kind]) or "<p>None among the samples.</p>")
        for number, kind in enumerate(ORDER)
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Steps</title>'
        f"<style>{STYLE}</style><h1>Solutions step by step</h1>"
        f"<p>Each step with the score of each verifier, 0 (wrong) to 1 (right): {names}. "
        "A marked step is flagged. A right answer with a flagged step is either flawed or falsely flagged: read it.</p>"
        f"<nav>{links}</nav>{''.join(parts)}</html>\n"
    )
