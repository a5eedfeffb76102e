"""The model card of an exported model: README.md in Hugging Face's form, filled from manifest, configuration and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from mathrl.config.augmentation import data_kind, data_words
from mathrl.config.experiment import Configuration
from mathrl.config.reading import Raw
from mathrl.config.reward_terms import weights
from mathrl.config.runs import stages
from mathrl.decontamination.records import Contamination
from mathrl.evaluation.means import cell, mean_over
from mathrl.evaluation.records import Evaluation
from mathrl.evaluation.scores import cell_text
from mathrl.report.costs import training_cost
from mathrl.statistics.records import measured
from mathrl.training.records import Manifest


def model_card(
    run: str,
    config: Configuration,
    settings: Raw,
    manifests: Sequence[Manifest],
    evals: Mapping[tuple[str, str, str], Evaluation],
    contamination: Contamination | None,
) -> str:
    """Markdown text; whatever is not known yet is said to be missing. `settings` are the run's merged training settings."""
    last = manifests[-1] if manifests else cast(Manifest, {})
    final = config.stage(run, stages(config, run)[-1])
    lines = [
        "---",
        _metadata(run, config, evals),
        "---",
        "",
        f"# {run}",
        "",
        f"{config.base_model} trained by {str(settings.get('algorithm', '')).upper()} with verl on "
        f"{config.dataset} ({data_words(final)}), reward "
        + " + ".join(f"{weight:g} × {name}" for name, weight in weights(settings["reward"]["terms"]).items())
        + ".",
        "",
        "## Use",
        "",
        "One user message, through the model's own chat template:",
        "",
        "```",
        f"{config.prompt.instruction}{config.prompt.separator}<problem>",
        "```",
        "",
        "The answer is the content of the last `\\boxed{}`.",
        "",
        "## Training",
        "",
        "| setting | value |",
        "|---|---|",
    ]
    lines += [f"| {key} | {settings[key]} |" for key in _SETTINGS if settings.get(key) is not None]
    for m in manifests:
        lines.append(f"| stage {m.get('stage')} | step {m.get('chosen_step')} of {m.get('steps')} ({m.get('chosen_why')}) |")
    cost = training_cost(manifests)
    lines += [f"| generated tokens | {cost['tokens']} |", f"| GPU-hours | {cost['gpu_hours']} |"]
    lines += ["", *_scores(run, config, evals), "## Contamination", ""]
    if contamination:
        kept = "were removed before training" if data_kind(final) == "clean" else f"were left in on purpose ({data_kind(final)} data)"
        lines.append(f"{contamination['rows_removed']} of {contamination['rows']} training rows matched a benchmark item and {kept}.")
    else:
        lines.append("Not known: `results/data/contamination.json` is missing.")
    limits = (
        "Trained on short, verifiable answers; the reward looks at the final answer alone, so that the steps before it may be "
        "wrong. One seed unless the study report says otherwise."
    )
    lines += ["", "## Limits", "", limits, "", "## Provenance", ""]
    trained = last.get("trained_by") or [{"git_commit": "unknown", "first_step": 1, "last_step": last.get("steps")}]
    lines.append(f"Training fingerprint `{last.get('fingerprint', 'unknown')}`, workflow commit ")
    lines[-1] += "; ".join(f"`{part['git_commit']}` (steps {part['first_step']}–{part['last_step']})" for part in trained) + "."
    lines += [f"Called harmless by the user: {change}." for part in trained for change in part.get("harmless") or []]
    return "\n".join(lines) + "\n"


def _metadata(run: str, config: Configuration, evals: Mapping[tuple[str, str, str], Evaluation]) -> str:
    """The YAML that hubs read, with the scores as `model-index`: percent, their 95 % interval and n in the metric's name."""
    from huggingface_hub import EvalResult, ModelCardData

    results = []
    for protocol in config.evaluation.select:
        for benchmark in config.benchmarks:
            for metric in ("pass@1", "greedy"):
                found = cell(evals.get((run, protocol, benchmark)), metric)
                if not measured(found):
                    continue
                interval = f"95 % interval {100 * found['low']:.1f} to {100 * found['high']:.1f}, n = {found['n']}"
                results.append(
                    EvalResult(
                        task_type="text-generation",
                        task_name="mathematical reasoning",
                        dataset_type=benchmark,
                        dataset_name=benchmark,
                        dataset_split="test",
                        dataset_config=protocol,
                        metric_type="accuracy",
                        metric_name=f"{metric}, protocol {protocol} ({interval})",
                        metric_value=round(100 * found["value"], 2),
                    )
                )
    data = ModelCardData(
        model_name=run if results else None,
        eval_results=results or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["math", "reinforcement-learning", "grpo", "verl"],
    )
    return data.to_yaml().strip()


def _scores(run: str, config: Configuration, evals: Mapping[tuple[str, str, str], Evaluation]) -> list[str]:
    """The section of scores: a table a protocol, the base model beside the run."""
    benchmarks, evaluation = list(config.benchmarks), config.evaluation
    lines = ["## Scores", "", "Percent of problems, 95 % interval in brackets; mean is unweighted over the benchmarks.", ""]
    for protocol in evaluation.select:
        p = evaluation.protocols[protocol]
        found = {b: cell(evals.get((run, protocol, b)), "pass@1") for b in benchmarks}
        heads = [f"{b} (n = {part['n'] if part else 0})" for b, part in found.items()]
        told = f"Protocol `{protocol}`: {p.n} samples at temperature {p.temperature}, at most {p.max_tokens} tokens."
        lines += [told, "", "| model | " + " | ".join(heads) + " | mean |", "|---" * (len(benchmarks) + 2) + "|"]
        for model in ("base", run):
            results = [evals.get((model, protocol, b)) for b in benchmarks]
            cells = [cell(result, "pass@1") for result in results]
            lines.append(f"| {model} | " + " | ".join(map(cell_text, cells)) + f" | {cell_text(mean_over(results, 'pass@1'))} |")
        lines.append("")
    return lines


_SETTINGS = (
    "algorithm",
    "data",
    "train_batch_size",
    "mini_batch_size",
    "rollout_n",
    "max_prompt_length",
    "max_response_length",
    "temperature",
    "learning_rate",
    "dtype",
    "epochs",
    "seed",
)
