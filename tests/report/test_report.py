"""The study report: complete, honest about what is missing, deaf to hostile text, readable at any width."""

import base64
import gzip
import hashlib
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from mathrl.core.files import write_json, write_jsonl
from support.browser import Browser, chromium
from support.events import write_events

ROOT = Path(__file__).parents[2]
HOSTILE = "</script><script>window.stolen=1</script><img src=x onerror=window.stolen=1><svg/onload=window.stolen=1> {{7*7}} ]]> \u202e\x00"
SCRIPTS = ROOT / "scripts"
MODELS = ("base", "grpo", "dapo", "grpo@step-20", "grpo@last")


def call(script, *arguments, code=0):
    done = subprocess.run([sys.executable, SCRIPTS / script, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def configuration():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    protocol = {"prompt": "training", "temperature": 1.0, "top_p": 1.0, "n": 4, "greedy": True, "max_tokens": 40, "seed": 0}
    protocol |= {"grader": "ours", "extraction": "strict"}
    config["benchmarks"] = ["toy", "other"]
    config["runs"] = {"grpo": {}, "dapo": {"clip_high": 0.28, "stages": [{"name": "short"}, {"name": "long"}]}}
    config["select"] = ["grpo", "dapo"]
    config["evaluation"] |= {"protocols": {"finalist": protocol}, "select": ["finalist"], "primary": "finalist", "steps": [20, "last"]}
    config["training"]["validation_benchmark"] = "toy"
    return config


def make_world(folder, hostile=HOSTILE):
    """Results of a small study with three models, leaks, training logs, rollouts and hostile text wherever text can stand."""
    import polars as pl

    results = folder / "results"
    for benchmark in ("toy", "other"):
        problems = [
            {
                "id": f"{benchmark}-{i}",
                "problem": f"What is {i} + 1? {hostile}",
                "answer": str(i + 1),
                "domain": [hostile if i % 2 else "Algebra"],
            }
            for i in range(20)
        ]
        write_jsonl(folder / f"benchmarks/{benchmark}.jsonl", problems)
    matches = [
        {"problem_id": "p1", "benchmark": "toy", "item_id": f"toy-{i}", "method": m, "score": 0.9, "evidence": hostile, "removed": True}
        for i in (0, 3)
        for m in ("exact", "ngram")
    ]
    (results / "data").mkdir(parents=True)
    pl.DataFrame(matches).write_parquet(results / "data/matches.parquet")
    pl.DataFrame({"id": ["p1"], "problem": [f"What is 0 + 1? {hostile}"]}).write_parquet(results / "data/problems.parquet")
    row = {"items": 20, "items_found": 2, "items_left": 0, "rows": 1, "rows_removed": 1, "share_of_benchmark": 0.1, "share_of_score": 0.05}
    table = [row | {"benchmark": b, "method": m} for b in ("toy", "other") for m in ("raw", "exact", "any")]
    totals = {"rows": 100, "rows_matched": 1, "rows_removed": 1, "share_of_score": 0.05, "table": table}
    write_json(results / "data/contamination.json", totals)
    write_json(results / "data/funnel.json", {"steps": [{"step": "contract", "rows_in": 110, "rows_out": 100}]})
    for model, skill in (("base", 0.2), ("grpo", 0.6), ("dapo", 0.5)):
        for benchmark in ("toy", "other"):
            rows = []
            for i in range(20):
                for number in (-1, 0, 1, 2, 3):
                    answer = i + 1 if (i * 7 + number * 3) % 10 < 10 * skill else 0
                    text = f"{hostile} {i} + 1 = {i + 1} so \\boxed{{{answer}}} {hostile}"
                    rows.append({"id": f"{benchmark}-{i}", "sample": number, "response": text, "finish_reason": "stop", "tokens": 20 + i})
            path = results / f"{model}/finalist/samples/{benchmark}.jsonl.zst"
            write_jsonl(path, rows)
            flags = ["--samples", path, "--benchmark", folder / f"benchmarks/{benchmark}.jsonl", "--model", model, "--protocol", "finalist"]
            call(
                "grade_samples.py",
                *flags,
                "--matches",
                results / "data/matches.parquet",
                "--out",
                results / f"{model}/finalist/eval/{benchmark}.json",
            )
    for point, step in (("step-20", 20), ("last", 60)):  # the same responses stand in for those of other checkpoints
        shutil.copytree(results / "grpo", results / f"grpo@{point}")
        write_json(results / f"grpo@{point}/model/export.json", {"step": step})
    collapse = [{"limit": "reward_drop", "metric": "reward", "step": 30, "value": 0.1234, "bound": 0.4}]
    for run, stage in (("grpo", "main"), ("dapo", "short"), ("dapo", "long")):
        logs = folder / "logs" / run / stage
        events = [(s, tag, v) for s in range(1, 61) for tag, v in (("critic/score/mean", 0.3 + s / 300), ("actor/entropy", 0.2 - s / 1000))]
        events += [(s, "response_length/mean", 200.0 + s) for s in range(1, 61)]
        events += [
            (s, f"val-{k}/mean@1", s / 100)
            for s in range(0, 61, 10)
            for k in ("core/toy/acc", "aux/toy/format", "aux/toy/reward", "core/dev/acc")
        ]
        write_events(logs, events)
        rollouts = folder / "rollouts" / run / stage
        write_jsonl(
            rollouts / "10.jsonl",
            [{"input": "problem", "output": hostile, "gts": "1", "score": 1.0, "step": 10, "acc": 1.0}, {"output": "no", "score": 0.1}],
        )
        manifest = {"run": run, "stage": stage, "steps": 60, "chosen_step": 40, "chosen_why": f"best {hostile}", "fingerprint": "ab" * 32}
        manifest |= {"tensorboard": str(logs), "rollouts": str(rollouts), "tokens": 12345, "gpu_hours": 1.5, "seconds": 900.0}
        if run == "dapo":
            manifest |= {"collapse": collapse if stage == "long" else []}
        write_json(results / run / stage / "manifest.json", manifest)
    call(
        "plot_training.py",
        "--results",
        results,
        "--runs",
        "grpo=main",
        "dapo=short,long",
        "--validation-benchmark",
        "toy",
        "--out",
        results / "figures",
    )
    write_json(folder / "config.json", configuration())
    return folder


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def render(folder, name="report.html", models=MODELS):
    flags = ["--results", folder / "results", "--benchmark-dir", folder / "benchmarks", "--config", folder / "config.json"]
    call("render_report.py", *flags, "--models", *models, "--out", folder / name)
    return (folder / name).read_text()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = make_world(tmp_path_factory.mktemp("world"))
    render(folder)
    return folder


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


def test_samples_are_packed_with_verdicts(world):
    page = (world / "report.html").read_text()
    packed = re.search(r'data-model="grpo"[^>]*data-benchmark="toy"[^>]*>"([^"]+)"', page).group(1)
    rows = json.loads(gzip.decompress(base64.b64decode(packed)))
    for identity, number, letter, *_, text in rows:
        i = int(identity.split("-")[1])
        assert (letter == "1") == (f"\\boxed{{{i + 1}}}" in text), (identity, number)


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if chromium() is None:
        pytest.skip("no Chromium is installed")
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_in_a_browser(world, browser, width):
    browser.messages.clear()
    browser.open(world / "report.html", width)
    assert browser.run("document.documentElement.scrollWidth") <= width, "no horizontal scroll"
    assert browser.run("typeof window.stolen") == "undefined", "no script of a response ran"
    assert browser.run("document.querySelectorAll('#list article').length") == 8
    assert "window.stolen" in browser.run("document.querySelector('#list .response').textContent"), "shown as text"
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.run("document.documentElement.scrollWidth") <= width, "nor with everything unfolded"
    assert browser.messages == []


def test_filters_work(world, browser):
    browser.open(world / "report.html", 1440)
    choose = """(id, value) => {
        const input = document.getElementById(id);
        input.value = value;
        input.dispatchEvent(new Event(input.type === "search" ? "input" : "change"));
    }"""
    for key, value in (("f-model", "grpo"), ("f-benchmark", "other"), ("f-verdict", "wrong")):
        browser.run(f"({choose})('{key}', '{value}')")
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.run("[...document.querySelectorAll('#list article')].every(a => a.classList.contains('wrong'))")
    assert browser.run("document.querySelectorAll('#list article').length") > 0
    first = browser.run("document.querySelector('#list').textContent")
    browser.run("document.getElementById('more').click(); new Promise(done => setTimeout(done, 300))")
    assert browser.run("document.querySelector('#list').textContent") != first, "the next page"
    browser.run(f"({choose})('f-text', 'no such words')")
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.run("document.getElementById('shown').textContent") == "no sample fits these filters"
    assert browser.run("document.querySelectorAll('#r-list article').length") == 2, "grpo's, of one step"
    browser.run(f"({choose})('r-run', 'dapo')")
    browser.run("new Promise(done => setTimeout(done, 300))")
    steps = browser.run("[...document.querySelectorAll('#r-step option')].map(o => o.textContent).join(' ')")
    assert steps == "all 10 70", "the second stage's step 10 comes after the first's sixty"
    for verdict, count in (("right", 2), ("wrong", 0), ("", 4)):
        browser.run(f"({choose})('r-verdict', '{verdict}')")
        browser.run("new Promise(done => setTimeout(done, 100))")
        assert browser.run("document.querySelectorAll('#r-list article').length") == count, verdict
    assert "gold answer: 1" in browser.run("document.querySelector('#r-list').textContent")


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
    import random

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
