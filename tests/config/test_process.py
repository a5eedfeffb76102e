"""The section reward.process: short where it is null by default, and each mistake one line."""

import pytest
from mathrl.config import process, reading, validation, verifiers
from mathrl.core.files import UserError
from mathrl.data.downloads import pin_rows

NAMED = {
    "eq": {"kind": "arithmetic"},
    "prm": {"kind": "prm", "model": "grpo"},
    "judge": {"kind": "judge", "url": "http://localhost:8000/v1", "model": "m", "threshold": 0.3, "aggregate": "mean", "parallel": 2},
    "both": {"kind": "ensemble", "of": ["eq", "judge"]},
}


@pytest.fixture
def given(root, config):
    config["verifiers"]["named"] = NAMED
    return config, lambda _: pin_rows(root / "pins.tsv")


def with_process(given, own):
    config, table = given
    return reading.merge(config, {"reward": {"process": own}}), table


def test_only_the_verifiers_must_be_said(given):
    found, _ = validation.validate(*with_process(given, {"verifiers": ["eq"]}))
    own = found.stage("grpo", "main").reward.process
    assert (own.mode, own.weight, own.combine) == ("gate", 0.5, "min")
    config, table = given
    assert validation.validate(config, table)[0].reward.process is None, "off by default"


def test_a_run_or_a_stage_has_its_own(given):
    config, table = given
    reward = {"terms": {"correct": 1.0}, "process": {"verifiers": ["eq"], "mode": "blend"}}
    config["runs"]["two"] = {"mini_batch_size": 88, "stages": [{"name": "a"}, {"name": "b", "reward": reward}]}
    found, _ = validation.validate(config, table, asked={"two"})
    assert found.stage("two", "a").reward.process is None
    assert found.stage("two", "b").reward.process.mode == "blend"


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"verifiers": ["magic"]}, "config: reward.process.verifiers: unknown verifier 'magic'; known: eq, prm, judge, both"),
        ({"verifiers": []}, r"reward.process.verifiers is \[\]; it must hold at least 1"),
        ({"verifiers": ["eq", "eq"]}, "holds 'eq' twice"),
        ({"mode": "gate"}, "reward.process lacks the key 'verifiers'"),
        ({"verifiers": ["eq"], "mode": "add"}, "reward.process.mode is 'add'; it may be gate, blend"),
        ({"verifiers": ["eq"], "combine": "max"}, "reward.process.combine is 'max'; it may be vote, min, mean, lower_bound"),
        ({"verifiers": ["eq"], "weight": 0}, "reward.process.weight is 0; it must be more than 0"),
        ({"verifiers": ["eq"], "weight": 1.5}, "reward.process.weight is 1.5; it must be at most 1"),
        ({"verifiers": ["eq"], "wieght": 0.5}, "unknown key 'reward.process.wieght'; known here: combine, mode, verifiers, weight"),
        ({"verifiers": ["eq"], "weight": 0.95}, "weight 0.95 is more than the term correct gives, 0.9: a right answer would be worth less"),
        ({"verifiers": ["prm"]}, "'prm' is of kind prm: its model is not served beside a training yet"),
        ({"verifiers": ["both"]}, "'both' is of kind ensemble: name its members, and set combine"),
    ],
)
def test_mistakes(given, own, why):
    with pytest.raises(UserError, match=why) as error:
        validation.validate(*with_process(given, own))
    assert "\n" not in str(error.value)


def test_a_judge_without_a_limit_is_told_what_it_will_be_asked(given):
    config, table = with_process(given, {"verifiers": ["judge"]})
    told = "run grpo, stage main: judge 'judge' has neither max_total_tokens nor max_usd and is asked about up to 1584 responses per step"
    assert told in validation.validate(config, table)[1]
    config["verifiers"]["named"] = NAMED | {"judge": NAMED["judge"] | {"max_total_tokens": 10**6}}
    assert told not in validation.validate(config, table)[1]


def test_a_mistake_of_a_run_names_it(given):
    config, table = given
    config["runs"]["odd"] = {"reward": {"terms": {"correct": 1.0}, "process": {"verifiers": ["nobody"]}}}
    with pytest.raises(UserError, match=r"config: run odd, stage main: reward.process.verifiers: unknown verifier 'nobody'"):
        validation.validate(config, table)


def test_a_wait_that_looks_like_a_hang_is_refused(given):
    config, table = with_process(given, {"verifiers": ["judge"]})
    config["verifiers"]["timeout"] = 900
    with pytest.raises(UserError, match=r"verifiers\.timeout 900 s: a training that waits so long counts as hung; lower it to 480"):
        validation.validate(config, table)


def test_one_verifier_is_read_as_it_says_and_several_as_an_ensemble(given):
    section = verifiers.read({"named": NAMED}, "verifiers")
    alone = process.reading(process.Process(verifiers=("judge",)), section)
    assert (alone.threshold, alone.aggregate) == (0.3, "mean")
    both = process.reading(process.Process(verifiers=("judge", "eq"), combine="vote"), section)
    assert (both.threshold, both.aggregate, both.own["combine"]) == (0.5, "min", "vote")
    handed = process.part(process.Process(verifiers=("judge",)), section)
    assert list(handed.named) == ["judge"] and handed.timeout == section.timeout
