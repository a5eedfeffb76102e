"""The atlas of methods: what is claimed, what is not, what was expected and what it cost, on results with a known truth."""

import html
import random
import shlex
import subprocess

import pytest
from mathrl.config.endpoint import Endpoint, register, registered
from mathrl.config.experiment import spelled_out
from mathrl.config.reading import read_yaml
from mathrl.config.validation import validate
from mathrl.core.files import UserError, read_json, write_json
from mathrl.demo import atlas as work
from mathrl.report.atlas import spending, write_atlas
from mathrl.statistics.arms import claim_of, verdict
from support.report_world import ROOT, call

BENCHMARKS = ("demo_symbols", "demo_words", "demo_mixed")
# share of problems' solve rate that an arm adds, strict and lenient: cispo's true effect is grpo's, sapo's that of the best control
TRUTH = {"base": (0.0, 0.0), "grpo": (0.3, 0.3), "cispo": (0.3, 0.3), "sapo": (0.1, 0.0), "control-random": (0.0, 0.0)}
TRUTH |= {"control-inverted": (-0.2, -0.2), "control-format": (0.1, 0.0), "control-constant": (0.0, 0.0)}


def evaluation(gains, seed):
    """Solve rates of 60 problems, the same for all models before their gain; four samples each."""
    draw, problems = random.Random(seed), random.Random(0)
    columns = {name: [] for name in ("id", "n", "correct", "strict", "lenient", "greedy", "majority", "contaminated")}
    for number in range(60):
        rate = problems.uniform(0.2, 0.6)
        strict, lenient = (sum(draw.random() < rate + gain for _ in range(4)) for gain in gains)
        row = {"id": f"p{number}", "n": 4, "correct": strict, "strict": strict, "lenient": lenient, "greedy": None, "majority": 0}
        for name, value in (row | {"contaminated": ""}).items():
            columns[name].append(value)
    share = sum(columns["correct"]) / 240
    metric = {"value": share, "low": max(0, share - 0.05), "high": min(1, share + 0.05), "n": 60}
    empty = {"statuses": {}, "counts": {"samples": 240, "truncated": 0}, "clean_subset": {"available": False}, "breakdowns": {}}
    return {"metrics": {"pass@1": metric}, "per_problem": columns, "provenance": {}, "n_samples": 4} | empty


@pytest.fixture(scope="module")
def raw():
    over = work.settings(work.Atlas(ROOT, arms=("grpo", "cispo", "sapo"), seeds=3), tokens=29_000)
    write = read_yaml(ROOT / "config.yaml", work.DEMO, work.ATLAS)
    return work.merge(write, over)


@pytest.fixture(scope="module")
def study(raw, tmp_path_factory):
    """Results of eight arms × three seeds as Snakemake leaves them, and the page made from them by the rule's command."""
    folder, config = tmp_path_factory.mktemp("atlas"), spelled_out(raw)
    register(config, folder / "checkpoints/endpoints.jsonl")
    results, curves = folder / "results", {}
    for place, run in enumerate(["base", *config.select]):
        for number, name in enumerate(BENCHMARKS):
            write_json(results / run / f"finalist/eval/{name}.json", evaluation(TRUTH[run.partition("-seed-")[0]], 100 * place + number))
        if run != "base":
            tokens = 30_000 + 10 * place
            manifest = {"run": run, "stage": "main", "steps": 30, "generated_tokens": tokens, "seconds": 60.0 + place}
            if run.startswith("control-inverted"):
                flag = {"limit": "boxed_drop", "metric": "boxed_rate", "step": 13, "value": 0.1, "bound": 0.2}
                manifest["collapse"] = [flag]
            train = {"entropy": [[s, 1.0 / s] for s in range(1, 31)], "response_length": [[s, 20.0 + s] for s in range(1, 31)]}
            write_json(results / run / "main/manifest.json", manifest)
            curves[run] = {"curves": {"train": train}, "manifests": [manifest], "missing": [], "flags": [], "stages": [], "monitored": True}
    write_json(results / "figures/curves.json", {"runs": curves})
    write_json(folder / "config.json", config.plain())
    out = folder / "results/atlas"
    call("render_atlas.py", "--results", results, "--config", folder / "config.json", "--models", "base", *config.select, "--out", out)
    return read_json(out / "atlas.json"), (out / "index.html").read_text(), folder


def test_nothing_is_claimed_where_the_interval_net_of_control_holds_0(study):
    atlas, page, _ = study
    arms = {arm["group"]: arm for arm in atlas["arms"]}
    assert [claim["told"].split()[0] for claim in atlas["claims"]] == ["grpo", "cispo"], "their true effect net of control is 20 points"
    assert arms["sapo"]["effects"]["base"]["low"] > 0 and "its interval holds 0" in arms["sapo"]["claim"]["told"], "format is no skill"
    assert arms["sapo"]["effects"]["net"]["model"] == "control-format (3 seeds)", "the arm that gained most"
    assert arms["grpo"]["effects"]["net"]["low"] <= 0.2 <= arms["grpo"]["effects"]["net"]["high"]
    assert all("control arm" in arms[name]["claim"]["told"] for name in arms if name.startswith("control-"))
    low, high = (arms["cispo"]["effects"]["reference"][key] for key in ("low", "high"))
    assert low <= 0 <= high and arms["grpo"]["effects"]["reference"] is None
    for text in ("grpo (3 seeds) gains", "sapo (3 seeds): no claim", "Against grpo".lower(), "With 80 % power this design sees effects of"):
        assert text in page, text
    assert "control-inverted-seed-2: collapse flagged at step 13: boxed_rate 0.1 is beyond 0.2" in page
    assert [bool(run["flags"]) for run in arms["grpo"]["runs"] + arms["control-inverted"]["runs"]] == [False] * 3 + [True] * 3
    assert page.count("<svg") == 3 and "<script" not in page


def test_what_was_expected_stands_beside_what_came(study, raw):
    atlas, page, folder = study
    assert [row["verdict"] for row in atlas["expected"]] == ["as expected"] * 6, atlas["expected"]
    (line,) = registered(folder / "checkpoints/endpoints.jsonl")
    assert line["sha256"] == atlas["sha256"] and "control-inverted" in line["endpoint"]["expected"], "registered with time and hash"
    assert any(line["time"] in said for said in atlas["registered"]) and atlas["sha256"][:16] in page and not atlas["late"]
    without = work.merge(raw, {"evaluation": {"endpoint": {"expected": []}}})
    assert "expected" not in Endpoint.of(spelled_out(without)).plain(), "registers of studies without it hold"


@pytest.mark.parametrize(
    ("effect", "low", "high", "said"),
    [
        ("gain", 0.1, 0.2, "as expected"),
        ("gain", -0.1, 0.2, "not shown"),
        ("gain", -0.2, -0.1, "contradicted"),
        ("none", -0.1, 0.1, "as expected"),
        ("none", 0.01, 0.1, "contradicted"),
        ("loss", -0.2, -0.1, "as expected"),
        ("loss", 0.1, 0.2, "contradicted"),
    ],
)
def test_verdicts(effect, low, high, said):
    assert verdict(effect, {"low": low, "high": high}) == said and verdict(effect, None) == "not measured"


NET = {"model": "control-random (3 seeds)", "level": "seeds", "value": 0.2, "low": 0.1, "high": 0.3}
ROW = {"model": "m (3 seeds)", "control": None, "net": NET, "p": 0.001, "p_adjusted": 0.01}


@pytest.mark.parametrize(
    ("change", "claimed", "said"),
    [
        ({}, True, "m (3 seeds) gains +20.0 points [+10.0, +30.0] beyond control-random"),
        ({"net": None}, False, "no control arm was run"),
        ({"net": NET | {"low": -0.01}}, False, "holds 0"),
        ({"net": NET | {"level": "problems"}}, False, "one seed"),
        ({"p": None, "p_adjusted": None}, False, "one seed"),
        ({"p_adjusted": 0.2}, False, "0.20 after Holm's correction"),
        ({"net": NET | {"value": -0.2, "low": -0.3, "high": -0.1}}, True, "is worse than control-random"),
        ({"control": "random"}, False, "a control arm"),
    ],
)
def test_claims(change, claimed, said):
    found = claim_of(ROW | change)
    assert found["claimed"] == claimed and said in found["told"], found


def run(name, tokens, steps=30, budget=29_000):
    return {"run": name, "tokens": tokens, "steps": steps, "budget": budget}


@pytest.mark.parametrize(
    ("runs", "equal", "said"),
    [
        ([run("a", 29_500), run("b", 30_400)], True, "they end 500 tokens above to 1\u202f400 tokens above it"),
        ([run("a", 28_500), run("b", 29_400)], True, "they end 500 tokens below to 400 tokens above it"),
        ([run("a", 29_100), run("b", 30_400)], False, "not equal within one step's worth"),  # 1,300 apart, a step's worth is 1,013
        ([run("a", 12_000, steps=60), run("b", 29_900)], False, "Their steps ended these before the budget did: a (12\u202f000)"),
        ([run("a", 28_050, steps=40), run("b", 30_400)], False, "they end 950 tokens below to"),  # its last step cost less than foreseen
        ([run("a", 29_900), run("s", None)], True, "Of 1 trainings no generated tokens are known"),
        ([run("s", None)], None, "No training has generated tokens yet"),
    ],
)
def test_equal_cost(runs, equal, said):
    found = spending(runs)
    assert found["equal"] == equal and any(said in line for line in found["told"]), found


def test_costs_and_ends_are_told(study):
    atlas, page, _ = study
    (grpo,) = (arm for arm in atlas["arms"] if arm["group"] == "grpo")
    assert [single["tokens"] for single in grpo["runs"]] == [30_010, 30_020, 30_030] and grpo["tokens"]["value"] == 30_020
    assert grpo["length"]["value"] == pytest.approx(48) and grpo["entropy"]["value"] == pytest.approx(sum(1 / s for s in range(26, 31)) / 5)
    said = html.unescape(page)
    assert atlas["spending"]["equal"] and "equal within one step's worth" in said and "expected to use up its budget: they end" in said


def test_page_and_data_are_small_enough_to_be_committed(study, tmp_path):
    atlas, page, _folder = study
    write_atlas(tmp_path, atlas)
    assert (tmp_path / "index.html").read_text() == page and read_json(tmp_path / "atlas.json") == atlas
    with pytest.raises(UserError, match="more than 1,000,000"):
        write_atlas(tmp_path, atlas | {"no_claims": [{"told": "x" * 400_000}] * 3})


FORECAST = {"steps": 60, "generated_tokens": 60_000, "start_seconds": 60.0, "step_seconds": 4.0, "validation_seconds": 5.0}
FORECAST |= {"save_seconds": 1.0, "disk_gb": 0.1}


def test_the_plan_follows_the_forecast(tmp_path):
    atlas = work.Atlas(tmp_path)
    assert atlas.trainings == 39 and work.budget({"generated_tokens": 29_876}) == 29_876, "what the reference run generated"
    assert "39 trainings (9 arms and 4 controls × 3 seeds)" in (told := work.told(atlas, FORECAST, 2))
    assert "3.1 minutes each, 2 at once: 1.0 hours" in told and "30,000 generated tokens" in told and "3.9 GB" in told
    assert (work.at_once(20 * 2**30, 2), work.at_once(19 * 2**30, 8), work.at_once(99 * 2**30, 1)) == (2, 1, 1)


def test_a_directory_holds_one_atlas(tmp_path):
    work.write_overlay(work.Atlas(tmp_path))
    work.write_overlay(work.Atlas(tmp_path, arms=("gspo",)), 5000)  # nothing was trained before
    work.write_overlay(work.Atlas(tmp_path, arms=("gspo",)), 6000)
    assert read_json(tmp_path / "atlas.json")["training"]["budget"] == {"tokens": 5000}, "a call that goes on has the same budget"
    with pytest.raises(UserError, match="other arms, seeds, steps or model began here"):
        work.write_overlay(work.Atlas(tmp_path, arms=("dapo",)), 5000)
    with pytest.raises(UserError, match="ARMS: 'nothing' is no run"):
        work.settings(work.Atlas(tmp_path, arms=("nothing",)))
    for text in ("[]", '{"training": null}'):
        (tmp_path / "atlas.json").write_text(text)
        with pytest.raises(UserError, match=r"atlas\.json: is no atlas; give another DIRECTORY, or remove the file"):
            work.write_overlay(work.Atlas(tmp_path))


def test_a_directory_of_make_atlas_may_have_a_space_and_is_no_file(tmp_path, script):
    given = ("ARMS=gspo dapo; true", "DIRECTORY=a b", "SEEDS=2", "DRY_RUN=1")
    said = subprocess.run(["make", "-n", "atlas", *given], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = shlex.split(said[said.index("scripts/make_atlas.py") :].replace("\\\n", " "))
    assert words[1:] == ["--directory", "a b", "--seeds", "2", "--steps", "30", "--arms", "gspo", "dapo;", "true", "--dry-run"]
    (tmp_path / "file").write_text("")
    done = script("make_atlas.py", "--directory", tmp_path / "file", "--dry-run")
    assert done.returncode == 2 and done.stderr == f"error: --directory: {tmp_path}/file is a file; give a directory\n"


def test_the_same_arms_for_a_model_on_gpus_have_config_yamls_sizes(tmp_path):
    atlas = work.Atlas(tmp_path, arms=("cispo", "rejection-sampling"), model="openseek", gpus=6)
    merged = work.merge(read_yaml(ROOT / "config.yaml"), work.settings(atlas, 5000))
    found, _ = validate(merged, lambda path: {row: {"name": row, "kind": kind} for row, kind in KNOWN}, asked=set())
    assert found.accelerator == "cuda" and found.base_model == "openseek" and len(found.select) == atlas.trainings
    stage = found.stage("cispo-seed-2", "main")
    assert (stage.train_batch_size, stage.gpus, stage.budget.tokens, stage.seed) == (264, 6, 5000, 2)
    sizes = {found.stage(run, "main").mini_batch_size for run in found.select if "rejection" not in run}
    assert sizes == {88}, "grpo's padded 72 would be a second difference to every other arm"
    assert found.stage("rejection-sampling-seed-1", "main").budget.tokens is None and found.evaluation.endpoint.expected
    assert "gpu=6" in work.arguments(atlas, "all") and str(work.DEMO) not in work.arguments(atlas, "all")


KNOWN = [("openseek", "model"), ("minilm", "model"), ("big-math", "dataset")]
KNOWN += [(name, "benchmark") for name in ("aime24", "amc23", "gsm8k", "math500", "minerva_math", "olympiadbench")]
