"""What an entry will cost before anything is sent: requests, tokens and money, as expected and at most."""

from __future__ import annotations

from collections.abc import Sequence

from mathrl.augmentation import budget, prompts
from mathrl.augmentation.records import Asked, Forecast, Source, Unit
from mathrl.augmentation.requests import proposals
from mathrl.config.entry import Entry
from mathrl.models.chat import PER_MESSAGE
from mathrl.models.spending import Cost, one_request, total

TYPICAL = 0.5  # of max_tokens that an answer takes, where nothing was measured yet


def expected(entry: Entry, prompt: str, source: Asked | Source) -> Cost:
    """What one source problem costs if each proposal is checked and answers take `TYPICAL` of their limit."""
    characters = len(prompts.filled(prompt, source["problem"], source["answer"]))
    asked, made = characters // budget.CHARS_PER_TOKEN + PER_MESSAGE, round(TYPICAL * entry.max_tokens)
    found = one_request(entry.prices, asked, made)
    if entry.asks_solver:
        question = (len(prompts.SOLVE) + len(source["problem"])) // budget.CHARS_PER_TOKEN + PER_MESSAGE
        solution = round(TYPICAL * entry.holds.max_tokens)
        found += one_request(entry.prices, question, solution).times(entry.holds.k)
    return found.times(entry.per_problem)


def forecast(name: str, entry: Entry, prompt: str, sources: Sequence[Asked | Source]) -> Forecast:
    """The forecast of an entry: `expected` and `most` over its sources, its budget, and which of them the budget reaches at most."""
    likely = total(expected(entry, prompt, source) for source in sources)
    most = total(budget.most(entry, proposals(entry, prompt, source)[0].prompt_bound) for source in sources)
    settings = entry.as_dict()
    limits = settings["budget"]
    over = [key for key, limit in limits.items() if limit is not None and getattr(likely, key) > limit]
    return {
        "entry": name,
        "kind": entry.kind,
        "sources": len(sources),
        "expected": likely.as_dict(),
        "most": most.as_dict(),
        "budget": limits,
        "prices": settings["prices"],
        "ends_it": over,
    }


def told(found: Forecast) -> str:
    """The forecast in lines for a terminal."""
    likely, most, limits = found["expected"], found["most"], found["budget"]
    lines = [
        f"augmentation {found['entry']} ({found['kind']}): {found['sources']:,} problems",
        f"{'':10}{'expected':>16}{'at most':>16}{'budget':>16}",
    ]
    forms: tuple[tuple[Unit, str], ...] = (("requests", ",.0f"), ("tokens", ",.0f"), ("money", ",.4f"))
    for key, form in forms:
        limit = "none" if limits[key] is None else format(limits[key], form)
        lines.append(f"{key:10}{format(likely[key], form):>16}{format(most[key], form):>16}{limit:>16}")
    for over in found["ends_it"]:
        lines.append(f"the budget of {over} will probably end it before all problems are asked about")
    return "\n".join(lines)


def bounds_of_configuration(name: str, entry: Entry, prompt: str) -> str:
    """One line before any data is there, for a dry run."""
    count = entry.problems.count
    if count is None:
        return f"augmentation {name}: asks about every problem that it may, within {budget.left(entry.budget, Cost())}"
    source: Asked = {"problem": "x" * 400, "answer": "x" * 4}  # a problem of Big-Math has 200 to 400 characters
    found = forecast(name, entry, prompt, [source])
    likely, most = (Cost(**spent).times(count) for spent in (found["expected"], found["most"]))
    budgeted = budget.left(entry.budget, Cost())
    return (
        f"augmentation {name}: about {likely.requests:,} requests, {likely.tokens:,} tokens, {likely.money:,.2f} money for {count:,} "
        f"problems (at most {most.requests:,}, {most.tokens:,}, {most.money:,.2f}); budget {budgeted}"
    )
