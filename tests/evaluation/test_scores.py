"""The score table and what it says about what it lacks."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mathrl.config.endpoint import Endpoint
from mathrl.core.files import UserError, write_json
from mathrl.evaluation.means import mean_over
from mathrl.evaluation.scores import PUBLISHED, PUBLISHED_BENCHMARKS, load_evals, published_notes, table, to_csv, to_markdown
from mathrl.report.terminal import read_scores, tables
from mathrl.statistics.comparisons import claim, compare, compare_all, run_groups, split_effect
from scipy.stats import t

ROOT = Path(__file__).parents[2]
SIX = sorted(PUBLISHED_BENCHMARKS)


def share(value, n=30):
    return {"value": value, "low": max(0.0, value - 0.1), "high": min(1.0, value + 0.1), "n": n}


def evaluation(value):
    metrics = {"pass@1": share(value), "greedy": share(value / 2), "maj@4": share(value)}
    table = {"id": ["a", "b"], "n": [4, 4], "correct": [round(8 * value), 0], "greedy": [None, None]}
    return {
        "metrics": metrics,
        "per_problem": table,
        "clean_subset": {"available": True, "clean": share(value), "contaminated": share(0.0, 0)},
    }


@pytest.fixture
def results(tmp_path):
    for model, value in (("base", 0.1), ("grpo", 0.2)):
        for benchmark in SIX:
            if (model, benchmark) != ("grpo", "aime24"):
                write_json(tmp_path / f"{model}/contest/eval/{benchmark}.json", evaluation(value))
    return tmp_path


def test_rows_columns_and_the_mean(results):
    evals, missing = load_evals(results, ["base", "grpo"], ["contest"], SIX)
    rows = table(evals, ["base", "grpo"], ["contest"], SIX, "contest")
    parsed = list(csv.DictReader(io.StringIO(to_csv(rows, SIX))))
    base, grpo = parsed[0], parsed[1]
    assert (base["model"], base["mean"], base["gsm8k"], base["gsm8k_n"]) == ("base", "10.00", "10.00", "30")
    assert float(base["mean_low"]) < 10 < float(base["mean_high"])
    assert (grpo["mean"], grpo["aime24"], grpo["gsm8k"]) == ("", "", "20.00"), "no mean over fewer benchmarks"
    assert [entry["path"].endswith("grpo/contest/eval/aime24.json") for entry in missing] == [True]
    assert "snakemake" in missing[0]["make"]
    assert missing[0]["make"] in to_markdown(rows, SIX, missing)


def test_published_rows_cannot_be_taken_for_measured_ones(results):
    evals, _ = load_evals(results, ["base"], ["contest"], SIX)
    rows = [row for row in table(evals, ["base"], ["contest"], SIX, "contest") if row["kind"] == "published"]
    assert [row["mean"]["value"] for row in rows] == pytest.approx([0.0765, 0.1302])
    for row in rows:
        assert row["model"].startswith("published: ") and row["source"] and row["mean"]["low"] is None
    assert all(entry["source"] for entry in PUBLISHED)
    parsed = list(csv.DictReader(io.StringIO(to_csv(rows, SIX))))
    assert {row["kind"] for row in parsed} == {"published"} and not parsed[0]["mean_low"]


def test_published_rows_stand_only_beside_the_same_benchmarks(results):
    evals, _ = load_evals(results, ["base"], ["contest"], SIX[:5])
    assert all(row["kind"] == "measured" for row in table(evals, ["base"], ["contest"], SIX[:5], "contest"))
    more = [*SIX, "aime25"]
    rows = [row for row in table(evals, ["base"], ["contest"], more, "contest") if row["kind"] == "published"]
    assert rows[0]["cells"]["gsm8k"]["value"] == pytest.approx(0.21) and [row["mean"] for row in rows] == [None, None], "no mean over seven"
    for benchmarks in (SIX[:5], more):
        assert any("7.65" in note and "13.02" in note for note in published_notes(["contest"], benchmarks)), "they do not vanish in silence"


def test_published_scores_of_other_protocols_stand_beside_the_table_with_their_protocol():
    assert "pull request 170" in PUBLISHED[0]["source"] and "no figure of the organisers" in PUBLISHED[0]["source"]
    (note,) = published_notes(["contest"], SIX)
    assert "12.85" in note and "chosen on the tests" in note and "13.9" in note and "temperature 0," in note
    assert published_notes(["finalist"], SIX) == published_notes(["contest"], ["toy"]) == []


def test_published_mean_is_the_mean_of_its_benchmarks():
    values = PUBLISHED[0]["benchmarks"].values()
    assert sum(values) / len(values) == pytest.approx(PUBLISHED[0]["mean"], abs=0.01)


def test_mean_needs_every_benchmark():
    assert mean_over([evaluation(0.1), None], "pass@1") is None and mean_over([], "pass@1") is None


def run(script, *arguments):
    return subprocess.run([sys.executable, ROOT / "scripts" / script, *arguments], capture_output=True, text=True)


def test_scripts(results, tmp_path):
    out = tmp_path / "scores"
    common = ["--models", "base", "grpo", "--protocols", "contest", "--benchmarks", *SIX]
    done = run("tabulate_scores.py", "--results", results, *common, "--out", out)
    assert done.returncode == 0, done.stderr
    shown = run("show_scores.py", "--scores", f"{out}.csv")
    assert shown.returncode == 0 and "base" in shown.stdout and "10.00" in shown.stdout and "quoted" in shown.stdout


def printed(path):
    """What show_scores prints."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100)
    for part in tables(read_scores(path), False):
        console.print(part)
    return console.file.getvalue()


def test_the_terminal_rounds_once(results, tmp_path):
    """An end of 65.446 is 65.45 in scores.csv and 65.4 on the page: made of the CSV's, 65.5 would be a third number."""
    evals = {("base", "p", "toy"): evaluation(0.7)}
    evals["base", "p", "toy"]["metrics"]["pass@1"] = {"value": 0.7, "low": 0.65446, "high": 0.80244, "n": 100}
    (tmp_path / "scores.csv").write_text(to_csv(table(evals, ["base"], ["p"], ["toy"], "p"), ["toy"]))
    shown = printed(tmp_path / "scores.csv")
    assert "65.45–80.24" in shown and "65.5" not in shown


HEAD = "protocol,metric,model,kind,t,mean,t_low,t_high,t_n,mean_low,mean_high,mean_n,source\n"


def test_a_strangers_score_table_does_not_command_the_terminal(tmp_path):
    line = "p[/red],pass@1,ba\x1b[31mse\x1b]0;title\x07\u202e[bold],measured,1.00,2.00,0.10,3.00,10,1.00,3.00,10,\n"
    (tmp_path / "scores.csv").write_text(HEAD + line)
    shown = printed(tmp_path / "scores.csv")
    assert "p[/red]" in shown and "[bold]" in shown, "no markup"
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


@pytest.mark.parametrize(
    "content",
    [
        b"protocol,metric,model,mean\np,pass@1,x,1\n",
        HEAD.encode() + b"p,pass@1,x,measured,1,2,0,3,ten,0,3,10,\n",
        HEAD.encode() + b"p,pass@1,x,measured,1\n",
        HEAD.encode() + b"p,pass@1,x,measured,1,2,0,3,10,0,3,10,,more,\n",
        b"protocol,metric,model,kind,t,mean\np,pass@1,x,measured,1,2\n",
        b"\xff\xfe\x00",
        HEAD.encode() + b"x" * 200_000,
    ],
    ids=["no kind", "no number", "cut off", "too long", "no limits", "no text", "one long line"],
)
def test_a_damaged_score_table_is_one_line(content, tmp_path):
    (tmp_path / "scores.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"scores\.csv: (is no score table|cannot be read)"):
        read_scores(tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (
            "tabulate_scores.py",
            ["--results", "x", "--models", "m", "--protocols", "p", "--benchmarks", "b", "--out", "o"],
            "holds no eval JSON",
        ),
        ("show_scores.py", ["--scores", "nowhere.csv"], "nowhere.csv: no such file"),
        ("plot_training.py", ["--runs", "grpo", "--out", "o"], "must be RUN=STAGE"),
        ("render_report.py", ["--config", "{", "--models", "m", "--out", "o"], "is no JSON"),
        ("render_report.py", ["--config", "{}", "--models", "m", "--out", "o"], "lacks the key"),
        ("simulate_intervals.py", ["--repeats", "0"], "at least 1"),
        ("simulate_intervals.py", ["--samples", "0"], "--samples and --problems must be at least 1"),
        ("simulate_intervals.py", ["--seed", "-1"], "--seed at least 0"),
        ("simulate_intervals.py", ["--accuracy", "0.1", "--run", "0.55"], "less than halfway"),
    ],
)
def test_bad_input_is_one_line(script, arguments, message, tmp_path):
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_comparisons_stand_in_the_table_with_what_may_be_claimed(results, tmp_path):
    write_json(results / "grpo/contest/eval/aime24.json", evaluation(0.2))
    common = ["--models", "base", "grpo", "--protocols", "contest", "--benchmarks", *SIX]
    config = {"benchmarks": SIX, "evaluation": {}, "training": {"learning_rate": 1, "seed": 1}, "runs": {"grpo": {}, "again": {"seed": 2}}}
    for more, said in ((["--config", json.dumps(config)], "no claim between algorithms"), ([], "no claim between algorithms")):
        done = run("tabulate_scores.py", "--results", results, *common, "--out", tmp_path / "scores", *more)
        assert done.returncode == 0, done.stderr
        text = (tmp_path / "scores.md").read_text()
        assert "| grpo | base | problems | **+" in text and said in text


def scored(*counts):
    """An eval JSON in which problem i has counts[i] right samples of four."""
    metrics = {"pass@1": share(sum(counts) / 4 / len(counts), len(counts))}
    ids = [str(place) for place in range(len(counts))]
    columns = {"id": ids, "n": [4] * len(ids), "correct": list(counts), "greedy": [None] * len(ids), "contaminated": [""] * len(ids)}
    return {"metrics": metrics, "per_problem": columns, "clean_subset": {"available": False}}


SEEDS = {"base": (0, 0, 1, 0), "grpo-seed-1": (2, 1, 1, 0), "grpo-seed-2": (3, 1, 1, 1), "grpo-seed-3": (2, 2, 1, 1), "dapo": (4, 2, 1, 1)}
GROUPS = {"grpo": ["grpo-seed-1", "grpo-seed-2", "grpo-seed-3"], "dapo": ["dapo"]}


@pytest.fixture
def seeds():
    """Three replicates of one run, a run of one seed, and a checkpoint on its way, on one benchmark."""
    return {(model, "p", "toy"): scored(*counts) for model, counts in (SEEDS | {"dapo@step-10": (1, 1, 1, 0)}).items()}


def test_problems_and_seeds_are_crossed_by_hand(seeds):
    runs = [{"toy": seeds[run, "p", "toy"]} for run in GROUPS["grpo"]]
    found = compare(runs, [{"toy": seeds["base", "p", "toy"]}], ["toy"], seeds=True)
    scores = np.array([SEEDS[run] for run in GROUPS["grpo"]]) / 4
    gains = scores.mean(axis=0) - np.array(SEEDS["base"]) / 4
    # the pair's size: as of the gains seen, and of four further ones with a correlation of 0.4 in four samples (base has no more)
    pair = ((gains**2).sum() + 4 * (0.4 + 0.6 / 4)) / ((gains != 0).sum() + 4)
    problems = (((gains - gains.mean()) ** 2).sum() + 2 * pair) / (4 + 1) / (4 + 2)
    rest = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    over_seeds = max(scores.mean(axis=1).var(ddof=1) / 3 - (rest**2).sum() / (2 * 3) / 12, 0)
    half = np.sqrt(problems * t.ppf(0.975, 5) ** 2 + over_seeds * t.ppf(0.975, 2) ** 2)
    assert found["mean"]["value"] == pytest.approx(gains.mean())
    assert (found["mean"]["low"], found["mean"]["high"]) == (pytest.approx(gains.mean() - half), pytest.approx(gains.mean() + half))
    assert found["mean"]["n"] == 3 and 0 < found["p"] < 1 and found["level"] == "seeds"


def test_one_seed_has_no_p(seeds):
    rows = compare_all(seeds, GROUPS, Endpoint("p", ("toy",)))
    assert [(row["level"], row["p"] is None, row["p_adjusted"] is None) for row in rows] == [
        ("seeds", False, False),
        ("problems", True, True),
        ("problems", True, True),
    ]
    assert rows[0]["p_adjusted"] == pytest.approx(min(1, 3 * rows[0]["p"])), "the two others were compared too"
    again = compare_all(seeds, GROUPS, Endpoint("p", ("toy",)), further=5)
    assert again[0]["p_adjusted"] == pytest.approx(min(1, 8 * rows[0]["p"])), "and so were five that are not shown"


def test_an_inverse_variance_mean_weighs_by_the_base_models_precision_alone():
    """Whatever the run solves, the weights stay; they stand beside the contest's mean and change nothing of it."""
    counts = {"toy": (0, 0, 1, 0), "other": (4, 0, 3, 1)}
    evals = {("base", "p", name): scored(*some) for name, some in counts.items()}
    evals |= {("run", "p", "toy"): scored(4, 4, 4, 4), ("run", "p", "other"): scored(4, 0, 4, 2)}
    found = {}
    for named in (False, True):
        (found[named],) = compare_all(evals, {"run": ["run"]}, Endpoint("p", tuple(counts), against=("base",), inverse_variance=named))
    precision = []
    for some in counts.values():
        score = np.array(some) / 4
        off = score - np.rint(score.mean())
        pair = ((off**2).sum() + 4 * (0.4 + 0.6 / 4)) / ((off != 0).sum() + 4)
        precision.append((4 + 1) * (4 + 2) / (((score - score.mean()) ** 2).sum() + 2 * pair))
    toy = precision[0] / sum(precision)
    assert found[True]["weights"] == pytest.approx({"toy": toy, "other": 1 - toy}) and toy > 0.5
    assert found[True]["weighted"]["value"] == pytest.approx(toy * 15 / 16 + (1 - toy) * 2 / 16)
    assert found[True]["mean"] == found[False]["mean"] and found[False]["weighted"] is None


def test_effect_net_of_control(seeds):
    groups = GROUPS | {"random": ["random"], "constant": ["constant"]}
    more = {("random", "p", "toy"): scored(1, 0, 2, 0), ("constant", "p", "toy"): scored(0, 0, 1, 0)}
    rows = compare_all(seeds | more, groups, Endpoint("p", ("toy",)), {"random": "random", "constant": "constant"})
    by_model = {row["model"]: row for row in rows if row["against"] == "base"}
    assert by_model["dapo"]["net"]["model"] == "random", "the arm that gained most"
    assert by_model["dapo"]["net"]["value"] == pytest.approx(8 / 16 - 3 / 16) and by_model["random"]["net"] is None


@pytest.mark.parametrize(
    ("terms", "kind"),
    [
        ({"format": 0.1, "correct": 0.9}, None),
        ({"format": 1.0}, "format"),
        ({"random": 1.0}, "random"),
        ({"my.module:random_reward": 0.9, "format": 0.1}, "random"),
        ({"correct": -1.0}, "inverted"),
        ({"constant": 1.0}, "constant"),
        ({"format": 0.0}, "constant"),
        ({"format": 1.0, "correct": 0.0}, "format"),
    ],
)
def test_a_control_arm_is_known_by_its_reward(config, terms, kind):
    from mathrl.config.controls import control_kind
    from mathrl.config.experiment import spelled_out

    config["reward"] = {"terms": terms}
    assert control_kind(spelled_out(config), "grpo") == kind


def test_an_effect_comes_apart_into_answers_and_format():
    def both(right, lenient):
        result = scored(*right)
        result["per_problem"] |= {"lenient": list(lenient)}
        return result

    evals = {("base", "p", "toy"): both((0, 1, 0, 0), (2, 2, 0, 0)), ("grpo", "p", "toy"): both((4, 3, 2, 0), (4, 3, 3, 0))}
    (row,) = compare_all(evals, {"grpo": ["grpo"]}, Endpoint("p", ("toy",)))
    parts = row["parts"]
    assert parts["answers"]["value"] == pytest.approx((10 - 4) / 16) and parts["format"]["value"] == pytest.approx((9 - 1) / 16 - 6 / 16)
    assert parts["answers"]["value"] + parts["format"]["value"] == pytest.approx(row["mean"]["value"])
    assert parts["unsolved_before"] == pytest.approx(2 / 16), "the third problem: never solved by base, box or not"


@pytest.mark.parametrize("metric", ["greedy", "maj@n"])
def test_the_parts_are_of_sampled_responses_alone(metric):
    """A greedy gain less a sampled one is no part of anything."""
    evals = {("base", "p", "toy"): scored(0, 1, 0, 0), ("grpo", "p", "toy"): scored(4, 3, 2, 0)}
    for result in evals.values():
        columns = result["per_problem"]
        columns |= {"greedy": [True, False, True, False], "majority": [1, 0, 1, 0], "lenient": columns["correct"]}
    (row,) = compare_all(evals, {"grpo": ["grpo"]}, Endpoint("p", ("toy",), metric=metric))
    assert row["mean"] and row["parts"] is None


def test_the_parts_of_an_effect_over_seeds_are_over_seeds_too(seeds):
    for number, (_, result) in enumerate(sorted(seeds.items())):
        result["per_problem"]["lenient"] = [min(4, count + number % 2) for count in result["per_problem"]["correct"]]
    row, *_ = compare_all(seeds, GROUPS, Endpoint("p", ("toy",)))
    assert row["level"] == "seeds" and {cell["n"] for cell in (row["mean"], row["parts"]["answers"], row["parts"]["format"])} == {3}
    over_problems = split_effect(
        [{"toy": seeds[run, "p", "toy"]} for run in GROUPS["grpo"]], [{"toy": seeds["base", "p", "toy"]}], ["toy"], "correct"
    )
    for part in ("answers", "format"):
        wide, narrow = row["parts"][part], over_problems[part]
        assert wide["value"] == pytest.approx(narrow["value"]) and wide["high"] - wide["low"] > narrow["high"] - narrow["low"]


def test_replicates_are_compared_once_and_checkpoints_never(seeds):
    rows = compare_all(seeds, GROUPS, Endpoint("p", ("toy",)))
    assert [(row["model"], row["against"], row["level"]) for row in rows] == [
        ("grpo (3 seeds)", "base", "seeds"),
        ("dapo", "base", "problems"),
        ("dapo", "grpo (3 seeds)", "problems"),  # one seed against three says nothing about another seed
    ]
    assert rows[0]["mean"]["n"] == 3
    assert rows[2]["mean"]["value"] == pytest.approx(8 / 16 - (4 + 6 + 6) / 3 / 16), "replicates are averaged problem by problem"


def test_replicates_and_checkpoints_have_rows_of_their_own_kind(seeds):
    models = [*SEEDS, "dapo@step-10"]
    rows = table(seeds, models, ["p"], ["toy"], "p", GROUPS)
    assert [(row["model"], row["kind"]) for row in rows] == [
        ("base", "measured"),
        *((run, "measured") for run in GROUPS["grpo"]),
        ("dapo", "measured"),
        ("dapo@step-10", "checkpoint"),
        ("grpo (3 seeds)", "seeds"),
    ]
    pooled = rows[-1]["cells"]["toy"]
    assert pooled["value"] == pytest.approx(16 / 48) and pooled["low"] < 4 / 16 and pooled["n"] == 4
    assert "| dapo@step-10 (checkpoint) |" in to_markdown(rows, ["toy"], [])


@pytest.mark.parametrize(
    ("groups", "said", "not_said"),
    [
        ({}, "nothing to claim", "Replicates"),
        ({"grpo": ["grpo"], "dapo": ["dapo"]}, "no claim between algorithms is made", "Replicates"),
        ({"grpo": ["a", "b"], "dapo": ["dapo"]}, "Nothing else has replicates, so that no claim between algorithms is made", "dapo"),
        ({"grpo": ["a", "b"], "dapo": ["c", "d"]}, "Replicates over seeds: grpo (2 seeds), dapo (2 seeds)", "no claim"),
        ({"grpo": ["a", "b"], "dapo": ["c", "d"], "x": ["x"]}, "With a single seed x enter no claim between algorithms", "Nothing else"),
    ],
)
def test_what_may_be_claimed(groups, said, not_said):
    assert said in claim(groups) and not_said not in claim(groups)


def test_groups_of_the_configuration_are_its_replicates(config):
    from mathrl.config.experiment import spelled_out
    from mathrl.config.reading import expanded

    config |= {"runs": {"grpo": {"seeds": [1, 2]}, "wide": {"sweep": {"rollout_n": [4, 8]}, "seeds": [1, 2]}}, "select": ["grpo", "wide"]}
    groups = expanded(config)[1]
    study = spelled_out(config)
    found = run_groups(study, study.select)
    wanted = {}
    for run, entry in groups.items():
        wanted.setdefault(entry["group"], []).append(run)
    assert found == wanted and len(found) == 3


def test_runs_of_stages_and_runs_that_start_from_others_are_replicates_too(config):
    from mathrl.config.experiment import spelled_out

    curriculum = [{"name": "easy", "steps": 5}, {"name": "hard", "learning_rate": 2e-6}]
    config["runs"] = {
        "warm": {"seeds": [1, 2], "steps": 5},
        "after": {"seeds": [1, 2], "start_from": "warm"},
        "other": {"start_from": "base", "seed": 1},
        "curriculum": {"seeds": [1, 2], "stages": curriculum},
        "longer": {"seed": 1, "stages": [{**curriculum[0], "steps": 6}, curriculum[1]]},
    }
    config["runs"] = {name: {"mini_batch_size": 88, **own} for name, own in config["runs"].items()}
    config["select"] = list(config["runs"])
    study = spelled_out(config)
    assert run_groups(study, study.select) == {
        **{name: [f"{name}-seed-1", f"{name}-seed-2"] for name in ("warm", "after")},
        "other": ["other"],
        "curriculum": ["curriculum-seed-1", "curriculum-seed-2"],
        "longer": ["longer"],
    }


def test_groups_on_the_command_line(seeds, tmp_path):
    for (model, protocol, benchmark), result in seeds.items():
        write_json(tmp_path / f"{model}/{protocol}/eval/{benchmark}.json", result)
    common = ["--results", tmp_path, "--models", *SEEDS, "--protocols", "p", "--benchmarks", "toy", "--out", tmp_path / "scores"]
    done = run("tabulate_scores.py", *common, "--group", f"grpo={','.join(GROUPS['grpo'])}")
    assert done.returncode == 0, done.stderr
    assert "| grpo (3 seeds) | base | seeds | **+27.08" in (tmp_path / "scores.md").read_text()
    for wrong in ("grpo=grpo-seed-1,nobody", "grpo"):
        done = run("tabulate_scores.py", *common, "--group", wrong)
        assert done.returncode == 2 and "must be NAME=RUN,RUN" in done.stderr
