"""What Snakemake trains again: code of a reward term, a verifier or a policy loss counts, a model card does not. `--touch` trains here."""

import json

import pytest

from .conftest import job_counts

OVERLAY = {
    "accelerator": "cpu",
    "reward": {"terms": {"format": 0.1, "correct": 0.8, "my_terms:brief": 0.1}},
    "verifiers": {"named": {"mine": {"kind": "my_verifier:scores"}, "outside": {"kind": "../outside/steps.py:scores"}}},
    "runs": {
        "second": {"start_from": "grpo"},
        "gated": {"reward": {"terms": {"correct": 1.0}, "process": {"verifiers": ["mine", "outside"]}}},
    },
    "select": ["grpo", "second", "gated"],
}
SCORES = "def scores(problems, responses):\n    return [[1.0] * len(steps) for steps in responses]\n"
LOSS = "from beside import CLIP\nTABLE = HERE / 'data' / 'clips.txt'\n\ndef loss(**_):\n    return CLIP\n"
OUTSIDE = {"loss.py": LOSS, "beside.py": "CLIP = 2.0\n", "steps.py": SCORES, "data/clips.txt": "1\n"}
RUNS = ("grpo", "second", "gated")
TARGETS = (*(f"results/{run}/main/manifest.json" for run in RUNS), "results/grpo/main/forecast.json")


CODE = {
    "my_terms.py": "from my_words import LIMIT\n\ndef brief(*_):\n    return LIMIT\n",
    "my_words.py": "LIMIT = 1.0\n",
    "my_verifier.py": SCORES,
}


@pytest.fixture(scope="module")
def contaminated(make_workflow):
    workflow = make_workflow("terms")
    made = [f"results/{run}/main/{name}" for run in RUNS for name in ("train.parquet", "val.parquet", "manifest.json")]
    made += ["resources/models/openseek/config.json", "results/grpo/model/export.json", "results/grpo/main/forecast.json"]
    code = {f"scripts/{name}": text for name, text in CODE.items()} | {f"../outside/{name}": text for name, text in OUTSIDE.items()}
    overlay = OVERLAY | {"training": {"policy_loss": "../outside/loss.py:loss"}}
    for name, text in {**code, **dict.fromkeys(made, "{}"), "overlay.json": json.dumps(overlay)}.items():
        path = workflow.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    forced = ("--touch", "--forcerun", "train_policy", "export_model", "forecast_training")
    done = call(workflow, "--cores", "1", *forced)
    assert done.returncode == 0, done.stdout
    return workflow


@pytest.fixture
def trained(contaminated):
    """Code as it was when it was trained with; its contents count, not its time."""
    for name, text in CODE.items():
        (contaminated.directory / "scripts" / name).write_text(text)
    for name, text in OUTSIDE.items():
        (contaminated.directory / "../outside" / name).write_text(text)
    return contaminated


def call(workflow, *options):
    return workflow.run("snakemake", *options, "--workflow-profile", "none", "--configfile", "config.yaml", "overlay.json", "--", *TARGETS)


def planned(workflow) -> dict[str, int]:
    done = call(workflow, "-n", "--cores", "1")
    assert done.returncode == 0, done.stdout
    return {rule: jobs for rule, jobs in job_counts(done.stdout).items() if rule != "export_model"}


@pytest.mark.parametrize("name", ["my_terms.py", "my_words.py"])
def test_an_edit_of_a_reward_terms_code_trains_again(trained, name):
    with open(trained.directory / "scripts" / name, "a") as file:
        file.write("MORE = 2\n")
    assert planned(trained) == {"train_policy": len(RUNS), "forecast_training": 1}


@pytest.mark.parametrize("name", ["scripts/my_verifier.py", "../outside/steps.py"])
def test_an_edit_of_a_verifiers_code_trains_again_what_asks_it(trained, name):
    with open(trained.directory / name, "a") as file:
        file.write("MORE = 2\n")
    assert planned(trained) == {"train_policy": 1}


@pytest.mark.parametrize("name", ["loss.py", "beside.py", "data/clips.txt"])
def test_an_edit_of_a_policy_loss_outside_the_repository_trains_again(trained, name):
    with open(trained.directory / "../outside" / name, "a") as file:
        file.write("MORE = 2\n")
    assert planned(trained) == {"train_policy": len(RUNS), "forecast_training": 1}


def test_a_model_card_trains_nothing_again(trained):
    (trained.directory / "results/grpo/model/README.md").write_text("scores")
    assert planned(trained) == {}


def test_a_term_that_is_no_python_is_said_in_one_line(trained):
    (trained.directory / "scripts/my_terms.py").write_text("def brief(:\n")
    done = call(trained, "-n", "--cores", "1")
    assert done.returncode != 0 and "my_terms.py: is no Python (invalid syntax" in done.stdout and "Traceback" not in done.stdout
