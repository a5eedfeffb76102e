"""The study report: complete, honest about what is missing, deaf to hostile text, readable at any width."""

import base64
import gzip
import hashlib
import json
import math
import random
import re
import shutil
import time
from html.parser import HTMLParser

import pytest
from mathrl.core.files import write_json, write_jsonl
from mathrl.report import evidence
from support.events import write_events
from support.report_world import HOSTILE, MODELS, call, configuration, processor_seconds, render


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_everything_has_its_place(world):
    page = (world / "report.html").read_text()
    for section in ("scores", "contamination", "data", "training", "breakdowns", "responses", "grader", "samples", "provenance"):
        assert f'<section id="{section}">' in page
    for text in (
        "Figure 1.",
        "Figure 4.",
        "pass@k",
        "contaminated − clean",
        "no claim between algorithms",
        "grpo: response length",
        "Kept training rollouts",
    ):
        assert text in page, text
    assert 'class="missing"' not in page


def test_only_our_script_can_run(world):
    page = (world / "report.html").read_text()
    tags = Tags(page).found
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    assert [s for s in scripts if s.get("type") != "application/json"] == [{}], "one script of ours, the rest is data"
    ours = page.rsplit("<script>", 1)[1].split("</script>")[0]
    policy = next(a["content"] for t, a in tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert base64.b64encode(hashlib.sha256(ours.encode()).digest()).decode() in policy and "default-src 'none'" in policy
    assert not [a for _, attributes in tags for a in attributes if a.startswith("on")], "no event handlers in markup"
    assert not [a for _, attributes in tags for n, a in attributes.items() if n in ("src", "href") and not a.startswith("#")], "no network"
    assert not [tag for tag, _ in tags if tag in ("img", "iframe", "object", "embed", "link", "base")]


def test_same_input_gives_the_same_page(world):
    assert render(world, "again.html") == (world / "report.html").read_text()


def test_figures_have_alternative_texts(world):
    pictures = [attributes for tag, attributes in Tags((world / "report.html").read_text()).found if tag == "svg"]
    assert len(pictures) > 10
    assert all(p["role"] == "img" and len(p["aria-label"]) > 20 for p in pictures)


def test_checkpoints_have_curves_and_enter_no_comparison(world):
    page = (world / "report.html").read_text()
    assert "<h3>Along training</h3>" in page and "Scores of these checkpoints" in page
    curves = [p["aria-label"] for t, p in Tags(page).found if t == "svg" and "at checkpoints along training" in p.get("aria-label", "")]
    assert len(curves) == 3, "two benchmarks and their mean"
    for step in (0, 20, 60):
        assert re.search(rf"<title>grpo: [\d.]+ % at {step}</title>", page), step
    comparisons = page.split('aria-label="comparisons"')[1].split("</table>")[0]
    assert "@" not in comparisons and "grpo" in comparisons and "dapo" in comparisons
    assert "Holm's correction counts 3 comparisons" in page, "grpo and dapo against base, dapo against grpo"


def test_stages_stand_on_one_axis_and_flags_in_figures_and_table(world):
    page = (world / "report.html").read_text()
    assert "<title>dapo: stage long begins</title>" in page
    assert "<title>dapo: exported checkpoint of step 100</title>" in page, "sixty steps of the first stage, forty of the second"
    assert "<title>dapo, step 90: reward 0.1234, limit 0.4 (monitor.reward_drop)</title>" in page
    table = page.split('aria-label="signs of collapse"')[1].split("</table>")[0]
    assert "<td>90</td>" in table and "monitor.reward_drop" in table


def test_rollouts_as_verl_dumps_them_are_judged(tmp_path):
    """The V1 trainer carries no verdict of the reward in its dump, only score and gold answer."""
    from mathrl.report.content import _read_rollouts

    rows = [
        {"input": "q", "output": "so \\boxed{42}", "gts": "42", "score": 1.0, "step": 3, "uid": "a"},
        {"input": "q", "output": "so 42", "gts": "42", "score": 0.9, "step": 3, "uid": "b"},
        {"input": "q", "output": "so \\boxed{42}", "gts": None, "score": 0.9, "step": 3, "uid": "c"},
        {"input": "q", "output": "so \\boxed{42}", "gts": "42", "score": 0.1, "step": 3, "acc": 0.0},
    ]
    write_jsonl(tmp_path / "3.jsonl", rows)
    found = _read_rollouts([{"steps": 5}, {"rollouts": str(tmp_path), "steps": 5}])
    assert [(row[0], row[1]) for row in found] == [(8, True), (8, False), (8, None), (8, False)]


def unpacked(page, kind, *tags):
    packed = re.search("".join(f"{tag}[^>]*" for tag in tags) + f'class="{kind}">"([^"]*)"', page).group(1)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_samples_are_packed_with_verdicts(world):
    page = (world / "report.html").read_text()
    tags = ('data-model="grpo"', 'data-benchmark="toy"')
    letters = {position: letters for position, letters, *_ in unpacked(page, "sample-index", *tags)}
    ids = unpacked(page, "problem-set", 'data-benchmark="toy"')[0]
    rows = unpacked(page, "sample-set", *tags)
    assert len(rows) == 20 * 5, "all of a small study"
    for position, number, text in rows:
        i = int(ids[position].split("-")[1])
        assert (letters[position][number + 1] == "1") == (f"\\boxed{{{i + 1}}}" in text), (position, number)
        assert text.count(HOSTILE) == 2, "nothing is lost"


def test_a_later_endpoint_and_a_run_that_was_left_out_are_visible(world, tmp_path):
    from mathrl.config.endpoint import Endpoint, register
    from mathrl.config.experiment import spelled_out

    study = tmp_path / "study"
    shutil.copytree(world, study)
    config, stores = configuration(), study / "checkpoints/samples"
    register(spelled_out(config), study / "checkpoints/endpoints.jsonl")
    for model, begun in (("base", "2026-01-01"), ("grpo", "2999-01-01"), ("left-out", "2999-01-02")):
        write_json(stores / model / "content.json", {"model": f"hash-{model}", "name": model, "begun": f"{begun}T00:00:00Z"})
        if model != "left-out":
            write_json(study / f"results/{model}/generation/0.json", {"model_sha256": f"hash-{model}", "made": 100, "seconds": 10.0})
    page = render(study)
    assert "before the first benchmark sample of a trained run (2999-01-01T00:00:00Z)" in page
    assert "The endpoint was not fixed beforehand" not in page
    assert "1 of them not shown here" in page and "left-out, 2999-01-02" in page and "and 1 model left out" in page
    # the first sample was long ago, and the endpoint is edited now
    write_json(stores / "grpo/content.json", {"model": "hash-grpo", "name": "grpo", "begun": "2026-01-02T00:00:00Z"})
    config["evaluation"]["endpoint"] = {"metric": "greedy", "benchmarks": ["toy"]}
    page = render(study)
    assert "This page uses another endpoint" not in page, "the page is of config.json as it was"
    write_json(study / "config.json", config)
    assert "This page uses another endpoint" in render(study)
    register(spelled_out(config), study / "checkpoints/endpoints.jsonl")
    page = render(study)
    assert (
        "The endpoint was not fixed beforehand" in page
        and "metric: pass@1 → greedy" in page
        and Endpoint.of(spelled_out(config)).sha256[:16] in page
    )


@pytest.mark.parametrize(("high", "not_shown"), [(0.099, False), (0.101, True)])
def test_the_share_of_false_claims_is_not_shown_where_it_may_be_above_10_percent(world, tmp_path, high, not_shown):
    assert "was not measured here (<code>make calibrate</code>)" in render(world)
    study = tmp_path / "study"
    shutil.copytree(world, study)
    write_json(study / "results/calibration.json", {"pairs": 400, "share": 0.0575, "low": 0.0, "high": high, "seeds": 10})
    page = render(study)
    assert "of 400 comparisons between runs that differ in their seed alone, 5.8" in page and "10 seeds" in page
    assert ("Not shown: the share of false claims may be above 10" in page) == not_shown


CALIBRATED = {"pairs": 400, "share": 0.0575, "low": 0.0, "high": 0.1, "seeds": 10}


@pytest.mark.parametrize(
    "found",
    [
        [1],
        CALIBRATED | {"high": "<b>0</b>"},
        CALIBRATED | {"seeds": "<b>10</b>"},
        {"high": 0.05},
        CALIBRATED | {"low": math.nan},
        CALIBRATED | {"share": False, "high": False},
        CALIBRATED | {"high": 0.01},
        CALIBRATED | {"pairs": 0},
        CALIBRATED | {"seeds": 0.5},
    ],
    ids=[
        "no object",
        "text as a share",
        "text as a number",
        "half of it",
        "no number",
        "no as a share",
        "a share above its interval",
        "no comparison",
        "half a seed",
    ],
)
def test_a_damaged_calibration_counts_as_none_and_stops_no_study_report(tmp_path, found):
    (tmp_path / "calibration.json").write_text(json.dumps(found))
    assert evidence.calibration(tmp_path) is None
    write_json(tmp_path / "calibration.json", CALIBRATED)
    assert evidence.calibration(tmp_path)["shown"]


COUNTS = {"problems": 1000, "removed": 40, "near_dev": 5, "outside_difficulty": 155, "train": 700, "dev": 100, "validation": 20}


def test_counts_of_training_files_add_up_whatever_is_added_to_them():
    split = {"counts": COUNTS, "settings": {"data": "clean"}}
    (plain,) = evidence.split_rows({"a": split})
    assert (plain["outside"], plain["removed"], plain["from_dev"], plain["hints"]) == (160, 40, 0, None)
    (more,) = evidence.split_rows({"a": split | {"counts": COUNTS | {"augmented": 300, "repeated": 300}}})
    assert (more["outside"], more["from_dev"]) == (160, 0), "added rows are no problems that were left out"


def test_hints_and_what_got_none_stand_beside_the_training_files(world, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(world, study)
    told = {
        "solutions": f"results/{HOSTILE}.parquet", "share": [0.3, 0.7], "solve_rate": None, "hinted": 480, "cut_shorter": 31,
        "left_out": {"no solution known": 200, "the first step holds the answer": 20},
    }  # fmt: skip
    write_json(study / "results/grpo/main/data.json", {"counts": COUNTS, "settings": {"data": "clean"}, "hints": told})
    write_json(study / "results/dapo/long/data.json", {"counts": COUNTS, "settings": {"data": "clean"}})
    page = render(study)
    assert page.count("<small>480 with a hint</small>") == 1 and HOSTILE not in page
    assert "grpo / main: 480 of 700 training prompts carry the beginning of a solution" in page and "31 of them fewer steps" in page
    assert "Without one: no solution known 200, the first step holds the answer 20. Prompts of the evaluation carry none." in page


def test_missing_parts_are_named_with_their_command(world, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(world, broken)
    (broken / "results/grpo/finalist/eval/toy.json").unlink()
    (broken / "results/dapo/finalist/samples/other.jsonl.zst").unlink()
    (broken / "results/data/contamination.json").unlink()
    (broken / "results/data/funnel.json").write_text("{")
    (broken / "results/dapo/long/manifest.json").unlink()
    shutil.rmtree(broken / "results/figures")
    page = render(broken)
    assert 'class="missing"' in page
    for path in (
        "grpo/finalist/eval/toy.json",
        "dapo/finalist/samples/other.jsonl.zst",
        "data/contamination.json",
        "data/funnel.json",
        "dapo/long/manifest.json",
    ):
        assert re.search(rf"snakemake --cores all [^<]*{re.escape(path)}", page), path


def test_nothing_made_yet_is_still_a_report(tmp_path):
    write_json(tmp_path / "config.json", configuration())
    page = render(tmp_path)
    assert "No model has been evaluated yet." in page and "snakemake --cores all" in page


def test_score_page_and_model_card(world):
    flags = ["--results", world / "results", "--models", "base", "grpo", "--protocols", "finalist", "--benchmarks", "toy", "other"]
    call("tabulate_scores.py", *flags, "--out", world / "scores")
    assert "<script" not in (world / "scores.html").read_text()
    call(
        "write_model_card.py",
        "--run",
        "grpo",
        "--results",
        world / "results",
        "--config",
        world / "config.json",
        "--out",
        world / "card.md",
    )
    card = (world / "card.md").read_text()
    assert card.startswith("---\n") and "| grpo |" in card and "1 of 100 training rows" in card
    from huggingface_hub import ModelCard

    found = {(r.dataset_name, r.metric_name.split(",")[0]): r.metric_value for r in ModelCard(card).data.eval_results}
    evaluated = json.loads((world / "results/grpo/finalist/eval/toy.json").read_text())["metrics"]
    assert found["toy", "pass@1"] == pytest.approx(100 * evaluated["pass@1"]["value"], abs=0.01), "as a hub reads it"
    assert set(found) == {(b, m) for b in ("toy", "other") for m in ("pass@1", "greedy")}


def test_scores_reach_tensorboard(world):
    from mathrl.core.tensorboard import read_scalars

    flags = ["--results", world / "results", "--config", world / "config.json", "--runs", "grpo=main", "--out", world / "tensorboard"]
    call("log_scores.py", *flags, "--models", *MODELS)
    scalars = read_scalars(world / "tensorboard/grpo")
    evaluated = json.loads((world / "results/grpo/finalist/eval/toy.json").read_text())["metrics"]["pass@1"]["value"]
    assert scalars["eval/finalist/toy/pass@1"] == [(step, pytest.approx(evaluated)) for step in (20, 40, 60)], "checkpoints at their steps"
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(world / "tensorboard/grpo")).Reload()
    assert accumulator.PluginTagToContent("hparams")


@pytest.mark.full
def test_large_study_in_20_seconds_and_15_megabytes(tmp_path):
    """Six benchmarks of 2,836 problems × 16 samples, three models, two runs of 8,000 steps."""
    sizes = {"aime24": 30, "amc23": 40, "gsm8k": 1319, "math500": 500, "minerva_math": 272, "olympiadbench": 675}
    config = configuration() | {"benchmarks": list(sizes)}
    write_json(tmp_path / "config.json", config)
    generator = random.Random(1)
    words = [str(generator.random()) for _ in range(5000)]
    for benchmark, size in sizes.items():
        write_jsonl(
            tmp_path / f"benchmarks/{benchmark}.jsonl", ({"id": str(i), "problem": f"Problem {i}", "answer": "7"} for i in range(size))
        )
        for model in ("base", "grpo", "dapo"):
            rows = []
            for i in range(size):
                for number in range(16):
                    text = " ".join(generator.choices(words, k=40)) + f" \\boxed{{{generator.choice((7, 8))}}}"
                    rows.append({"id": str(i), "sample": number, "response": text, "finish_reason": "stop", "tokens": 300})
            path = tmp_path / f"results/{model}/finalist/samples/{benchmark}.jsonl.zst"
            write_jsonl(path, rows)
            flags = ["--samples", path, "--benchmark", tmp_path / f"benchmarks/{benchmark}.jsonl", "--out"]
            call("grade_samples.py", *flags, tmp_path / f"results/{model}/finalist/eval/{benchmark}.json")
    for run in ("grpo", "dapo"):
        tags = ["critic/score/mean", "actor/entropy", "response_length/mean", *(f"timing_s/t{k}" for k in range(40))]
        write_events(tmp_path / "logs" / run, [(s, tag, generator.random()) for s in range(8000) for tag in tags])
        manifest = {"run": run, "stage": "main", "steps": 8000, "chosen_step": 7800, "tensorboard": str(tmp_path / "logs" / run)}
        write_json(tmp_path / f"results/{run}/main/manifest.json", manifest)
    start, before = time.perf_counter(), processor_seconds()
    call("plot_training.py", "--results", tmp_path / "results", "--runs", "grpo=main", "dapo=main", "--out", tmp_path / "results/figures")
    plotted = time.perf_counter() - start
    page = render(tmp_path, models=MODELS[:3])
    seconds = time.perf_counter() - start
    spent = processor_seconds() - before
    print(f"curves {plotted:.1f} s, all {seconds:.1f} s ({spent:.1f} s of processor time), {len(page.encode()) / 1e6:.1f} MB")
    assert spent <= 20 and len(page.encode()) <= 15e6, "processor time, which a busy machine does not change"


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        (
            {"limit": "reward_drop", "metric": "reward", "step": 3, "value": 0.1, "bound": 0.4},
            "reward 0.1, limit 0.4 (monitor.reward_drop)",
        ),
        ({"limit": "not_finite", "metric": "grad_norm", "step": 3, "value": "nan", "bound": None}, "grad norm is nan"),
    ],
)
def test_a_flag_in_words(flag, text):
    from mathrl.report.figures import flag_text

    assert flag_text(flag) == text
