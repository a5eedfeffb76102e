"""Every bad key gets one clear line before any job; defaults and schema do not drift apart."""

import copy
import re

import pytest
import yaml
from mathrl import config as configuration
from mathrl.io import UserError

DELETE = object()


@pytest.fixture
def schema(root):
    return yaml.safe_load((root / "rules/schemas/config.schema.yaml").read_text())


@pytest.fixture
def pins(root):
    return configuration.read_pins(root / "pins.tsv")


def change(config, key, value):
    changed = copy.deepcopy(config)
    *path, last = key.split(".")
    place = changed
    for part in path:
        place = place[part]
    if value is DELETE:
        del place[last]
    else:
        place[last] = value
    return changed


def test_shipped_config_is_valid(config, schema, pins):
    notices = configuration.validate(config, schema, pins)
    assert any("1584 to 1728" in notice for notice in notices), "264/72 is padded by verl: a user must see it"


def test_demo_overlay_is_valid(config, schema, root):
    overlay = yaml.safe_load((root / "profiles/demo/demo.yaml").read_text())
    demo = configuration.merge(config, overlay)
    assert configuration.validate(demo, schema, configuration.read_pins(root / demo["pins"])) == []


def test_the_reports_instruction_byte_for_byte(config):
    instruction = r"Please reason step by step,and must put your final answer within \boxed{}.Question:"
    assert config["prompt"] == {"instruction": instruction, "separator": " "}


def test_every_key_has_a_description(schema):
    def walk(node, where):
        for name, child in node.get("properties", {}).items():
            assert child.get("description"), f"{where}{name} has no description"
            walk(child, f"{where}{name}.")

    walk(schema, "")


def test_defaults_cover_the_schema(config, schema):
    def walk(node, value, where):
        assert set(value) == set(node["properties"]) - ({"demo"} if not where else set()), where
        for name, child in node["properties"].items():
            if name in value and child.get("type") == "object" and child.get("properties") and isinstance(value[name], dict):
                walk(child, value[name], f"{where}{name}.")

    walk(schema, config, "")


def test_the_table_of_our_keys_and_verls_is_whole(schema, root):
    table = (root / "docs/training.md").read_text().split("What the report does not state")[0]
    keys = {key for line in table.splitlines() if line.startswith("|") for key in re.findall(r"`(\w+)", line.split("|")[1])}
    assert set(schema["properties"]["training"]["properties"]) - keys == set()


# key, value, what the message must hold
BAD = [
    ("trainning", {}, "unknown key 'trainning'; known here:"),  # a slip of the pen
    ("training.lerning_rate", 1e-5, "unknown key 'training.lerning_rate'"),
    ("training.train_batch_size", -264, "training.train_batch_size is -264; it must be at least 1"),
    ("training.train_batch_size", "264", "training.train_batch_size is '264'; it must be integer"),  # quoted in YAML
    ("training.learning_rate", "1e-5", "it must be number"),  # YAML reads 1e-5 without a point as text
    ("training.learning_rate", 0, "it must be more than 0"),
    ("training.rollout_n", 1, "a group of one has no advantage"),
    ("training.dtype", "fp16", "it may be bfloat16, float32"),
    ("training.gpus", 0, "at least 1"),
    ("training.nodes", 0, "hosts of a training job"),
    ("runs.grpo", {"rollout_n": 5, "train_batch_size": 265}, "must divide by 6 cards; nearest that do: train_batch_size 258, 264, 270"),
    ("training.mini_batch_size", 300, "larger than train_batch_size 264"),
    ("accelerator", "gpu", "it may be cuda, cpu"),
    ("benchmarks", ["aime24", "amc32"], "unknown benchmark 'amc32'; pins.tsv knows: aime24, amc23"),
    ("benchmarks", [], "benchmarks"),
    ("dataset", "bigmath", "unknown dataset 'bigmath'; pins.tsv knows: big-math"),
    ("base_model", "gsm8k", "unknown model 'gsm8k'"),  # a name of another kind
    ("select", ["grop"], "unknown run 'grop'; known: grpo"),
    ("runs.base", {}, "runs.base: this name is taken"),
    ("runs.fast", {"lr": 1}, "run fast, stage main: unknown key 'lr'"),
    ("runs.fast", {"steps": 0}, "run fast, stage main: steps is 0"),
    ("runs.fast", {"stages": [{"name": "a", "epochs": 0}]}, "run fast, stage a: epochs is 0"),
    ("evaluation.select", ["raport"], "unknown protocol 'raport'; known: report, contest"),
    ("evaluation.primary", DELETE, "evaluation lacks the key 'primary'"),
    ("evaluation.protocols.report.n", -1, "evaluation.protocols.report.n is -1"),
    ("training.validation_benchmark", "svamp", "validation_benchmark 'svamp' is not in benchmarks"),
    ("decontamination.fuzzy_similarity", 85, "at most 1"),  # percent for a share
]


@pytest.mark.parametrize(("key", "value", "message"), BAD, ids=[f"{k}={v!r:.30}" for k, v, _ in BAD])
def test_bad_values_are_named(config, schema, pins, key, value, message):
    with pytest.raises(UserError) as error:
        configuration.validate(change(config, key, value), schema, pins)
    assert message in str(error.value) or str(error.value).endswith(message)
    assert "\n" not in str(error.value)


def test_stages_override_runs_override_defaults(config):
    config["runs"]["long"] = {"rollout_n": 8, "stages": [{"name": "short"}, {"name": "long", "max_response_length": 1024, "rollout_n": 4}]}
    assert configuration.stages(config, "long") == ["short", "long"]
    first, second = (configuration.stage_config(config, "long", name) for name in ("short", "long"))
    assert (first["rollout_n"], first["max_response_length"]) == (8, 512)
    assert (second["rollout_n"], second["max_response_length"]) == (4, 1024)
    assert "stages" not in first and "name" not in second


def test_numbers_on_the_command_line_are_numbers(config):
    """Snakemake gives the values of --config key={…} as text."""
    given = {"training": {"steps": "20", "learning_rate": "0.0001", "validate_before": "false", "dtype": "float32"}}
    typed = configuration.from_command_line(configuration.merge(config, given), given, yaml.safe_load)["training"]
    assert (typed["steps"], typed["learning_rate"], typed["validate_before"], typed["dtype"]) == (20, 0.0001, False, "float32")
    assert typed["rollout_n"] == 6


def test_seeds_and_sweeps_become_runs(config):
    config["runs"]["lengths"] = {"sweep": {"rollout_n": [4, 6], "max_response_length": [512, 1024]}}
    config["runs"]["three"] = {"seeds": [1, 2, 3], "clip_high": 0.28}
    config["select"] = ["grpo", "lengths", "three"]
    found, groups = configuration.expanded(config)
    swept = [f"lengths-rollout_n-{n}-max_response_length-{length}" for n in (4, 6) for length in (512, 1024)]
    assert found["select"] == ["grpo", *swept, "three-seed-1", "three-seed-2", "three-seed-3"]
    assert configuration.stage_config(found, swept[1], "main")["max_response_length"] == 1024
    second = configuration.stage_config(found, "three-seed-2", "main")
    assert (second["seed"], second["clip_high"]) == (2, 0.28)
    assert groups["three-seed-2"] == {"group": "three", "seed": 2} and groups["grpo"] == {"group": "grpo", "seed": 1}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"a": {"start_from": "nowhere"}}, "start_from: unknown run 'nowhere'"),
        ({"a": {"start_from": "b"}, "b": {"start_from": "a"}}, "goes round in a circle: a → b → a"),
        ({"a": {"algorithm": "supervised"}}, "needs `solutions`"),
        ({"a": {"sweep": {"rollout_m": [1]}}}, "unknown key 'rollout_m'"),
        ({"a": {"seeds": [1]}, "a-seed-1": {}}, "two runs are called 'a-seed-1'"),
    ],
)
def test_runs_that_cannot_be_are_refused(config, schema, pins, runs, message):
    config["runs"] = {"grpo": {}, **runs}
    with pytest.raises(UserError, match=message):
        configuration.validate(config, schema, pins)
