"""The page that `make gpu-check` ends in, Markdown; docs/reference/gpu.md shows how to read it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from mathrl.checks.gpu_parts import Check
from mathrl.checks.records import HostFound, Ours, Part, Result, Resumed, Sampled, Trained, Weights

# prime-rl, one H100, full GRPO steps of this model with responses of a trained one: 11.9k tokens/s, MFU 11.1 %
ANCHOR = ("qwen3-0.6b", "prime-rl on one H100 has 11,900 tokens/s and MFU 11.1 %")


def page(check: Check, records: Sequence[Part], today: datetime.date) -> str:
    """The whole page.

    Args:
        check: what was asked for.
        records: of all parts.
        today: printed.
    """
    results = {record["part"]: record["result"] for record in records if record["result"] is not None}
    host = cast(HostFound, results["host"])
    memory = f", {host['memory_gib']} GiB" if host["memory_gib"] else ""
    more = "".join(f", {word} {value}" for word, value in (("driver", host.get("driver")), ("link", host.get("link"))) if value)
    lines = [
        f"# GPU check: {check.gpus} × {host['device']}{memory}",
        "",
        f"{today.isoformat()}, commit {host['commit'] or 'unknown'}{more}. {_versions(host)}",
        "Random weights, so each response has the full length. Medians over steps, the first left out.",
        "",
    ]
    for shape in check.shapes:
        lines += _shape(shape, results)
    lines += ["## Other parts", "", *_others(check, results), ""]
    failed = [f"- {record['part']}: {record['failed']}" for record in records if record["failed"]]
    lines += ["## What failed", "", *(failed or ["Nothing."]), ""]
    return "\n".join(lines)


def _versions(host: HostFound) -> str:
    named = host["versions"]
    return ", ".join(f"{name} {named[name]}" for name in ("torch", "vllm", "verl", "transformers", "ray") if named.get(name)) + "."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows), ""]


def _shape(shape: str, results: Mapping[str, Result]) -> list[str]:
    """What was measured of one shape: ours beside verl's own, shares of a step, memory beside the table."""
    ours = cast("Ours | None", results.get(f"{shape}/ours"))
    plain = cast("Trained | None", results.get(f"{shape}/plain"))
    lines = [f"## {shape}", ""]
    if ours is None:
        return [*lines, "Not measured.", ""]
    stage = ours["stage"]
    parameters = cast(Weights, results[f"{shape}/weights"])["parameters"] / 1e9
    lines += [
        f"{parameters:.3f} billion parameters, {stage['dtype']}; {stage['train_batch_size']} prompts × {stage['rollout_n']} responses of "
        f"up to {stage['max_response_length']} tokens per step, {ours['steps']} steps.",
        "",
    ]
    lines += _table(("", "ours", "verl's own", "ours / verl's"), _costs(ours, plain))
    if shape == ANCHOR[0]:
        lines += [f"To compare: {ANCHOR[1]}.", ""]
    shares = [(phase, f"{share:.1%}", f"{plain['shares'].get(phase, 0):.1%}" if plain else "–") for phase, share in ours["shares"].items()]
    shares += [("reward, one after the other (goal: at most 1 %)", f"{ours['reward_share']:.2%}", "–")]
    lines += _table(("share of a step", "ours", "verl's own"), shares)
    table = ours["table_gib"]
    phases = {phase: ours["memory_gib"].get(phase) for phase in ("rollout", "log-probabilities", "update", "sync")}
    seen = [(phase, _number(most, 1), _number(table.get(phase), 1)) for phase, most in phases.items()]
    lines += _table(("most memory, GiB", "measured", "memory table"), seen)
    gap = f"Probabilities of trainer and engine differ by {ours['gap_mean']:.2g} on average, {ours['gap_max']:.2g} at most; "
    gap += f"their correlation is {_number(ours.get('correlation'), 4)}."
    sampled = cast("Sampled | None", results.get(f"{shape}/sampling"))
    if sampled:
        gap += f" vLLM alone samples {sampled['tokens_per_second']:,} tokens/s ({sampled['samples']} responses)."
    return [*lines, gap, ""]


def _costs(ours: Trained, plain: Trained | None) -> Iterable[Sequence[str]]:
    """Rows of the first table; a ratio above 1 says that ours is the faster."""
    speed = f"{ours['tokens_per_second'] / plain['tokens_per_second']:.2f}" if plain else "–"

    def row(name: str, key: str, form: str, ratio: str = "") -> Sequence[str]:
        values = [cast("float | None", one and one.get(key)) for one in (ours, plain)]
        return (name, *("–" if value is None else format(value, form) for value in values), ratio)

    yield row("seconds per step", "seconds_per_step", ".2f")
    yield row("steps per hour", "steps_per_hour", ",.0f")
    yield row("tokens/s, prompts and responses", "tokens_per_second", ",.0f", speed)
    yield row("tokens of a response, mean", "response_tokens", ".0f")
    yield row("MFU of the update", "mfu_update", ".2%")
    yield row("MFU of the whole step", "mfu_step", ".2%")
    yield row("seconds before the first step", "start_seconds", ".0f")


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _others(check: Check, results: Mapping[str, Result]) -> Iterable[str]:
    """A line for each part of the smallest shape."""
    if resumed := cast("Resumed | None", results.get("resume")):
        yield (
            f"- A kill after step {resumed['killed_after']}, of all processes at once: the same command trained to step "
            f"{resumed['steps']}, each step once. The second start took {resumed['seconds_of_the_second_start']:.0f} s with its steps."
        )
    for name, told in (("lora", "Adapters (LoRA)"), ("float16", "float16")):
        if trained := cast("Trained | None", results.get(name)):
            yield (
                f"- {told}: {trained['seconds_per_step']:.2f} s per step, {trained['tokens_per_second']:,.0f} tokens/s; probabilities of "
                f"trainer and engine differ by {trained['gap_mean']:.2g} on average."
            )
    if check.accelerator == "cpu":
        yield "- float16 is not checked: a CPU has no kernels for it."
