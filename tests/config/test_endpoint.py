"""The register of endpoints: appended to, never replaced, and every change told."""

import json

import pytest
from mathrl.config.controls import sweeps
from mathrl.config.endpoint import Endpoint, changes, check, damaged, register, registered
from mathrl.config.experiment import spelled_out
from mathrl.core.files import UserError
from mathrl.report.evidence import endpoint_story
from mathrl.statistics.power import plan, told


def test_an_endpoint_is_registered_once_and_its_changes_are_kept(config, tmp_path):
    path = tmp_path / "checkpoints/endpoints.jsonl"
    assert register(spelled_out(config), path) and not register(spelled_out(config), path)
    config["evaluation"]["endpoint"] = {"metric": "maj@n"}
    assert register(spelled_out(config), path)
    config["evaluation"]["protocols"]["contest"]["max_tokens"] = 512
    assert register(spelled_out(config), path)
    entries = registered(path)
    assert [len(entry["sha256"]) for entry in entries] == [64] * 3 and entries[0]["time"].endswith("Z")
    first, second = changes(entries)
    assert first == "metric: pass@1 → maj@n" and "settings" in second and "512" in second


def test_a_line_of_an_earlier_commit_has_no_checksum(config, tmp_path):
    register(spelled_out(config), tmp_path / "r")
    line = json.loads((tmp_path / "r").read_text())
    del line["checksum"]
    (tmp_path / "r").write_text(json.dumps(line) + "\n")
    assert not register(spelled_out(config), tmp_path / "r") and damaged(tmp_path / "r") == 0


def test_what_is_no_part_of_the_endpoint_changes_nothing(config, tmp_path):
    register(spelled_out(config), tmp_path / "r")
    config["training"]["learning_rate"] = 1e-6
    config["evaluation"]["shards"] = 2
    assert not register(spelled_out(config), tmp_path / "r")


def test_a_line_that_was_cut_off_is_left_out_and_swallows_no_other(config, tmp_path):
    register(spelled_out(config), tmp_path / "r")
    (tmp_path / "r").write_text((tmp_path / "r").read_text() + '{"time": "2026')
    assert len(registered(tmp_path / "r")) == 1 and damaged(tmp_path / "r") == 1
    config["evaluation"]["endpoint"] = {"metric": "maj@n"}
    assert register(spelled_out(config), tmp_path / "r") and not register(spelled_out(config), tmp_path / "r")
    assert len(registered(tmp_path / "r")) == 2 and damaged(tmp_path / "r") == 1


@pytest.mark.parametrize(
    "edit",
    [
        lambda line: line.replace("pass@1", "greedy"),
        lambda line: line.replace('"time": "2', '"time": "zz'),
        lambda line: line.replace('"time": "2', '"time": "1'),
        lambda line: '{"time": 5, "sha256": 7, "endpoint": {}}',
        lambda line: "[" * 5000 + "]" * 5000,
        lambda line: '{"time": "2026-01-01T00:00:00Z", "sha256": "", "endpoint": {"a": ' + "[" * 900 + "]" * 900 + "}}",
        lambda line: "\udcff\udcfe",
        lambda line: line.replace("{", "{\u2028", 1),
        lambda line: "5",
    ],
    ids=["another endpoint", "no time", "an earlier time", "other types", "deep", "deep endpoint", "no text", "no JSON", "a number"],
)
def test_an_edited_line_is_told_and_left_out(edit, config, tmp_path):
    register(spelled_out(config), tmp_path / "r")
    good = (tmp_path / "r").read_text()
    (tmp_path / "r").write_bytes((edit(good.strip()) + "\n" + good).encode(errors="surrogateescape"))
    assert len(registered(tmp_path / "r")) == 1 and damaged(tmp_path / "r") == 1
    assert not register(spelled_out(config), tmp_path / "r")
    story = endpoint_story(Endpoint.of(spelled_out(config)), registered(tmp_path / "r"), [], damaged(tmp_path / "r"))
    assert "1 line of the register is not as written" in story["lines"][-1] and not story["late"]


def test_a_time_that_no_hash_covers_is_told(config, tmp_path):
    """A line of an earlier version, or one whose hash somebody took away to give it another time."""
    register(spelled_out(config), tmp_path / "r")
    row = json.loads((tmp_path / "r").read_text())
    assert len(row.pop("checksum")) == 64
    (tmp_path / "r").write_text(json.dumps(row | {"time": "2020-01-01T00:00:00Z"}) + "\n")
    assert damaged(tmp_path / "r") == 0 and not register(spelled_out(config), tmp_path / "r")
    story = endpoint_story(Endpoint.of(spelled_out(config)), registered(tmp_path / "r"), [])
    assert story["lines"][-1].startswith("No hash covers the time of 1 of 1 lines")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"benchmarks": ["nowhere"]}, "'nowhere' is not in benchmarks"),
        ({"against": ["nobody"]}, "unknown run 'nobody'"),
        ({"metric": "greedy"}, "has no greedy response"),
        ({"expected": [{"run": "grp", "effect": "gain"}]}, "unknown run 'grp'"),
        ({"expected": [{"run": "grpo", "effect": "gain", "metric": "greedy"}]}, "expected.0.metric greedy: protocol contest has no greedy"),
    ],
)
def test_an_endpoint_that_nobody_measures_is_refused(config, own, said):
    config["evaluation"]["endpoint"] = own
    with pytest.raises(UserError, match=said):
        check(spelled_out(config))


def test_the_default_is_the_mean_that_the_contest_counts(config):
    endpoint = Endpoint.of(spelled_out(config))
    assert (endpoint.protocol, endpoint.metric, endpoint.against) == ("contest", "pass@1", ("base", "grpo"))
    assert endpoint.benchmarks == tuple(config["benchmarks"]) and endpoint.sha256 == Endpoint.of(spelled_out(config)).sha256


def test_families_of_a_sweep_are_known_by_their_names(config):
    config["runs"] = {"grpo": {}, "wide": {"sweep": {"rollout_n": [4, 8], "learning_rate": [1.0e-5, 1.0e-6]}, "seeds": [1, 2]}}
    config["select"] = ["grpo", "wide"]
    found = sweeps(spelled_out(config))
    assert list(found) == ["wide"] and len(found["wide"]) == 8


SIX = {"aime24": 30, "amc23": 40, "gsm8k": 1319, "math500": 500, "minerva_math": 272, "olympiadbench": 675}


def test_power_before_anything_is_spent():
    one, five = plan(SIX, 16, 1), plan(SIX, 16, 5)
    assert 0.012 < one.checkpoints < 0.025 and one.algorithm is None and five.checkpoints < one.checkpoints < five.algorithm
    assert 0.70 <= one.anatomy["aime24"] + one.anatomy["amc23"] <= 0.83, "70 of 2,836 problems"
    assert sum(one.anatomy.values()) == pytest.approx(1)
    assert "nothing is shown about the algorithm" in told(one, 16, 1) and "Over 5 seeds" in told(five, 16, 5)


def test_power_over_seeds_has_students_quantiles():
    from scipy.stats import t

    spread, seeds = 0.02, 4
    found = plan({"toy": 10**9}, 10**9, seeds, spread).algorithm
    assert found == pytest.approx((t.ppf(0.975, 3) + t.ppf(0.8, 3)) * spread / 2, rel=1e-3)
