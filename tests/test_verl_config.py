"""What verl makes of our configuration, composed and validated by verl's own code."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from mathrl import config as configuration
from mathrl import verl_config
from mathrl.io import UserError

RESOLVE = """
import json, sys
from mathrl import verl_config
try:
    print("RESOLVED" + json.dumps(verl_config.resolve(json.loads(sys.argv[1]))))
except verl_config.UserError as error:
    print("REFUSED" + str(error))
"""


def overrides(config, run="grpo", accelerator="cuda"):
    stage = configuration.stage_config(config, run, "main")
    paths = {"model": "resources/models/m", "train_file": "train.parquet", "validation_file": "val.parquet", "checkpoints": "c"}
    return verl_config.overrides(stage, accelerator=accelerator, run=run, reward=config["reward"], **paths)


def resolve(root, keys, accelerator="cuda"):
    """Compose in a process of its own: verl reads its platform from the environment at import."""
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, json.dumps(keys)],
        env={**os.environ, **verl_config.environment(accelerator)},
        capture_output=True,
        text=True,
        cwd=root,
        timeout=300,
    )
    line = [line for line in done.stdout.splitlines() if line.startswith(("RESOLVED", "REFUSED"))]
    assert line, done.stderr[-2000:]
    return line[0]


def assert_contains(found, golden, where=""):
    for key, value in golden.items():
        assert key in found, f"{where}{key} is not in verl's configuration"
        if isinstance(value, dict):
            assert_contains(found[key], value, f"{where}{key}.")
        else:
            assert found[key] == value, f"{where}{key}"


def test_the_report_at_full_size(root, config):
    answer = resolve(root, overrides(config))
    assert answer.startswith("RESOLVED"), answer
    golden = yaml.safe_load((root / "tests/golden/verl_grpo.yaml").read_text())
    assert_contains(json.loads(answer.removeprefix("RESOLVED")), golden)


def test_nothing_of_the_cpu_is_in_a_gpu_run(config):
    text = json.dumps(overrides(config))
    assert "mathrl.cpu" not in text and "trainer.device" not in text
    assert not {"VERL_PLATFORM", "VERL_USE_EXTERNAL_MODULES", "VERL_ENGINE_DEVICE"} & set(verl_config.environment("cuda"))


def test_cpu_configuration_is_accepted_by_verl(root, config):
    overlay = yaml.safe_load((root / "profiles/demo/demo.yaml").read_text())
    demo = configuration.merge(config, overlay)
    answer = resolve(root, overrides(demo, accelerator="cpu"), "cpu")
    assert answer.startswith("RESOLVED"), answer
    assert json.loads(answer.removeprefix("RESOLVED"))["trainer"]["device"] == "cpu"


def test_verl_refuses_in_one_line(root, config):
    config["training"]["verl"] = {"actor_rollout_ref.actor.clip_rate_high": 0.28}
    answer = resolve(root, overrides(config))
    assert answer.startswith("REFUSED") and "clip_rate_high" in answer


def test_raw_overrides_come_last(config):
    config["training"]["verl"] = {"actor_rollout_ref.actor.clip_ratio_high": 0.28}
    keys = overrides(config)
    assert list(keys)[-1] == "actor_rollout_ref.actor.clip_ratio_high"
    assert "actor_rollout_ref.actor.clip_ratio_high=0.28" in verl_config.arguments(keys)


@pytest.mark.parametrize(
    ("batch", "mini", "n", "gpus", "notice"),
    [
        (264, 72, 6, 6, "1584 to 1728"),  # the report's numbers
        (264, 88, 6, 6, None),
        (264, 44, 6, 6, None),
        (264, 132, 6, 6, None),
        (288, 72, 6, 6, None),
        (12, 12, 6, 1, None),  # the demo
    ],
)
def test_padding_is_announced(batch, mini, n, gpus, notice):
    stage = {"train_batch_size": batch, "mini_batch_size": mini, "rollout_n": n, "gpus": gpus, "nodes": 1}
    found = verl_config.check_batches(stage)
    assert (found == []) if notice is None else (notice in found[0])


def test_batches_that_do_not_divide_are_refused_with_the_nearest():
    stage = {"train_batch_size": 265, "mini_batch_size": 72, "rollout_n": 5, "gpus": 6, "nodes": 1}
    with pytest.raises(UserError, match=r"nearest batch sizes that do: .*264"):
        verl_config.check_batches(stage)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1e-5, "1e-05"),
        ("a b", '"a b"'),
        ([1, "x"], '[1,"x"]'),
        ('{"format": 0.1, "pkg.mod:term": 0.5}', None),  # the reward's terms travel as JSON text
        ({"param_dtype": "fp32"}, '{param_dtype:"fp32"}'),
    ],
)
def test_values_survive_hydras_grammar(value, text):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    argument = verl_config.arguments({"+key": value})[0]
    assert text is None or argument == f"+key={text}"
    assert OverridesParser.create().parse_override(argument).value() == value
