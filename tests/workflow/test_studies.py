"""Whole studies beyond the demo's one run: a curriculum in two stages, a sweep of four runs with one table. Minutes each."""

import csv
import json

import pytest
import yaml
from mathrl.core.tensorboard import read_scalars

from .conftest import ROOT, copy_data, copy_demo

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]


@pytest.fixture
def study(finished, make_workflow):
    """The demo's directory once more, its data and base model made already; run it with an overlay."""
    workflow = copy_data(finished, make_workflow("study"))

    def run(overlay, *targets):
        (workflow.directory / "study.yaml").write_text(yaml.safe_dump(overlay))
        done = workflow.snakemake("--configfile", "profiles/demo/demo.yaml", "study.yaml", "--", *targets, timeout=3000)
        assert done.returncode == 0, done.stdout[-5000:]
        return workflow.directory

    return run


def test_a_curriculum_starts_its_second_stage_from_the_firsts_chosen_checkpoint(study):
    stages = [{"name": "easy", "difficulty": [1, 2, 3], "steps": 6}, {"name": "hard", "difficulty": [4, 5], "steps": 4}]
    place = study(
        {
            "select": ["curriculum"],
            "training": {"save_every": 2, "validate_every": 2, "choose": "best", "keep_last": 9},
            "runs": {"curriculum": {"mini_batch_size": 12, "stages": stages}},
        }
    )
    easy, hard = (json.loads((place / f"results/curriculum/{stage}/manifest.json").read_text()) for stage in ("easy", "hard"))
    assert (easy["steps"], hard["steps"]) == (6, 4)
    export = json.loads((place / "results/curriculum/easy/model/export.json").read_text())
    assert hard["start_model"] == "results/curriculum/easy/model" and export["step"] == easy["chosen_step"]
    bands = {
        stage: {info["difficulty"] for info in rows(place / f"results/curriculum/{stage}/train.parquet")} for stage in ("easy", "hard")
    }
    assert bands == {"easy": {1, 2, 3}, "hard": {4, 5}}
    assert [row["model"] for row in table(place)][:2] == ["base", "curriculum"]


def test_a_stage_that_nothing_of_the_budget_is_left_for_is_a_row_like_any_other(study):
    """The first stage uses the run's tokens up; the second ends at once, and what it starts from is exported, scored and reported."""
    stages = [{"name": "easy", "steps": 6}, {"name": "hard", "steps": 4}]
    place = study(
        {
            "select": ["shared"],
            "training": {"save_every": 2, "validate_every": 2, "choose": "last"},
            "runs": {"shared": {"mini_batch_size": 12, "budget": {"tokens": 2000}, "stages": stages}},
        }
    )
    easy, hard = (json.loads((place / f"results/shared/{stage}/manifest.json").read_text()) for stage in ("easy", "hard"))
    assert 0 < easy["steps"] < 6 and "budget.tokens 2000 used up" in easy["stopped_by"]
    assert (hard["steps"], hard["chosen_step"]) == (0, 0) and "earlier stages left nothing" in hard["stopped_by"]
    first, last = (json.loads((place / f"results/shared/{model}/export.json").read_text()) for model in ("easy/model", "model"))
    assert first["model_sha256"] == last["model_sha256"]
    assert [row["model"] for row in table(place)][:2] == ["base", "shared"]


def test_lengthen_gives_its_second_stage_more_room_and_the_firsts_weights(study):
    """The shipped stages in small: a 32nd of their lengths, so that the first one cuts responses off; four steps each."""
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text())["runs"]["lengthen"]["stages"][:2]
    short, medium = (stage["max_response_length"] // 32 for stage in shipped)
    assert short < medium
    stages = [{"name": s["name"], "max_response_length": s["max_response_length"] // 32, "steps": 4} for s in shipped]
    place = study(
        {
            "select": ["lengthen"],
            "training": {"save_every": 2, "validate_every": 4, "choose": "last"},
            "runs": {"lengthen": {"mini_batch_size": 4, "micro_batch_size": 24, "stages": stages}},
        },
        "results/lengthen/medium/manifest.json",
    )
    for stage, limit in (("short", short), ("medium", medium)):
        manifest = json.loads((place / f"results/lengthen/{stage}/manifest.json").read_text())
        assert manifest["steps"] == manifest["chosen_step"] == 4
        resolved = json.loads((place / manifest["checkpoints"] / "verl_config.json").read_text())
        assert resolved["data"]["max_response_length"] == limit
        rollout = resolved["actor_rollout_ref"]["rollout"]
        assert (rollout["response_length"], rollout["max_model_len"]) == (limit, 96 + limit)
        curves = read_scalars(place / manifest["tensorboard"])
        longest = [value for _, value in curves["response_length/max"]]
        assert max(longest) <= limit
        if stage == "short":
            assert max(longest) == limit and max(value for _, value in curves["training/truncated"]) > 0
        else:
            assert max(longest) > short
            model = resolved["actor_rollout_ref"]["model"]["path"]
            assert model == manifest["start_model"] == "results/lengthen/short/model"
    export = json.loads((place / "results/lengthen/short/model/export.json").read_text())
    assert export["step"] == 4


def test_a_sweep_of_four_runs_ends_in_one_table(study):
    place = study(
        {
            "select": ["lengths"],
            "training": {"steps": 4, "save_every": 4, "validate_every": 4, "mini_batch_size": 12},
            "runs": {
                "lengths": {
                    "micro_batch_size": 24,
                    "micro_batch_size_log_prob": 24,
                    "sweep": {"rollout_n": [4, 6], "max_response_length": [32, 40]},
                }
            },
        }
    )
    wanted = {f"lengths-max_response_length-{length}-rollout_n-{n}" for n in (4, 6) for length in (32, 40)}
    assert wanted <= {row["model"] for row in table(place)}


def test_a_stage_trains_on_what_its_own_base_model_sometimes_solves(study):
    """The base model is asked, its answers graded, and only problems between always and never are left."""
    import polars

    place = study(
        {
            "select": ["within"],
            "data": {"own_solve_rates": {"problems": 256, "n": 4}},
            "training": {"steps": 4, "save_every": 4, "validate_every": 4, "mini_batch_size": 12},
            "runs": {"within": {"solve_rates": "own", "solve_rate": [0.01, 0.99]}},
        }
    )
    rates = polars.read_parquet(place / "results/data/solve_rates.parquet")
    assert len(rates) == 256 and set(rates["n"]) == {4} and 0 < rates["solve_rate"].mean() < 1
    between = set(rates.filter(polars.col("solve_rate").is_between(0.01, 0.99))["id"])
    trained = {info["id"] for info in rows(place / "results/within/main/train.parquet")}
    assert trained and trained <= between
    counts = json.loads((place / "results/within/main/data.json").read_text())["counts"]
    assert counts["not_measured"] > 0 and counts["outside_solve_rate"] > 0


def rows(path):
    import polars

    return polars.read_parquet(path)["extra_info"].to_list()


def table(place):
    with open(place / "results/scores.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_forecast_of_the_demo_is_within_thirty_percent(finished, make_workflow):
    """Against the time that Snakemake measured for the demo's own training job, on the same machine."""
    workflow = copy_demo(finished, make_workflow("forecast"))
    done = workflow.run("make", "forecast", "RUN=grpo", "PROFILE=profiles/demo")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "forecast grpo: 60 steps of" in done.stdout
    forecast = json.loads((workflow.directory / "results/grpo/main/forecast.json").read_text())
    with open(finished.directory / "logs/train_policy/grpo/main.tsv", newline="") as handle:
        seconds = float(next(csv.DictReader(handle, delimiter="\t"))["s"])
    assert abs(forecast["hours"] * 3600 / seconds - 1) <= 0.3, (forecast, seconds)
    assert not list((workflow.directory / "checkpoints").glob("forecast-*"))
