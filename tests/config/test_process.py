"""The section reward.process: short where it is null by default, and each mistake one line."""

import json

import pytest
from mathrl.config import process, reading, served, validation, verifiers
from mathrl.config.runs import verifying_runs
from mathrl.core.files import UserError
from mathrl.data.downloads import pin_rows

NAMED = {
    "eq": {"kind": "arithmetic"},
    "prm": {"kind": "prm", "model": "grpo"},
    "judge": {"kind": "judge", "url": "http://localhost:8000/v1", "model": "m", "threshold": 0.3, "aggregate": "mean", "parallel": 2},
    "both": {"kind": "ensemble", "of": ["eq", "judge"]},
}


@pytest.fixture
def given(root, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a clone whose demo has run holds the model of `grpo`, and its context would be looked at
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
        ({"verifiers": ["eq"], "mode": "add"}, "reward.process.mode is 'add'; it may be gate, blend, filter, min"),
        ({"verifiers": ["eq"], "combine": "max"}, "reward.process.combine is 'max'; it may be vote, min, mean, lower_bound"),
        ({"verifiers": ["eq"], "weight": 0}, "reward.process.weight is 0; it must be more than 0"),
        ({"verifiers": ["eq"], "weight": 1.5}, "reward.process.weight is 1.5; it must be at most 1"),
        ({"verifiers": ["eq"], "wieght": 0.5}, "unknown key 'reward.process.wieght'; known here: combine, drop, gpu_memory, "),
        ({"verifiers": ["eq"], "weight": 0.95}, "weight 0.95 is more than the term correct gives, 0.9: a right answer would be worth less"),
        ({"verifiers": ["eq"], "drop": 2}, "reward.process.drop 2 changes nothing under mode gate, only under filter; remove it"),
        (
            {"verifiers": ["eq"], "mode": "filter", "weight": 0.2},
            "weight 0.2 changes nothing under mode filter, only under gate, bl",
        ),
        ({"verifiers": ["eq"], "mode": "min", "wrong": "at_random"}, "wrong at_random changes nothing under mode min, only under filter"),
        ({"verifiers": ["eq"], "mode": "blend", "temperature": 1.0}, "temperature 1.0 changes nothing under mode blend, only under min"),
        ({"verifiers": ["eq"], "mode": "filter", "wrong": "all"}, "reward.process.wrong is 'all'; it may be by_score, at_random"),
        ({"verifiers": ["eq"], "mode": "filter", "drop": 0}, "reward.process.drop is 0; it must be at least 1"),
        (
            {"verifiers": ["eq"], "mode": "filter", "steps": [9, 3]},
            r"process.steps \[9, 3\] holds no number of steps; exchange them",
        ),
        ({"verifiers": ["eq"], "mode": "filter", "steps": [2]}, r"reward.process.steps is \[2\]; it must hold at least 2"),
        ({"verifiers": ["eq"], "mode": "min", "temperature": 0}, "reward.process.temperature is 0; it must be more than 0"),
        ({"verifiers": ["eq"], "gpus": 1}, "reward.process.gpus 1 changes nothing without a verifier that is a model"),
        ({"verifiers": ["eq"], "gpu_memory": 0.3}, "process.gpu_memory 0.3 changes nothing without a verifier that is a model"),
        ({"verifiers": ["prm", "eq"], "gpus": 2}, "process.gpus 2: 1 verifier.s. are models, and each works on one GPU; lower it"),
        ({"verifiers": ["prm"], "gpus": -1}, "reward.process.gpus is -1; it must be at least 0"),
        ({"verifiers": ["prm"], "gpu_memory": 0}, "reward.process.gpu_memory is 0; it must be more than 0"),
        ({"verifiers": ["eq"], "combine": "mean"}, "reward.process.combine mean changes nothing with one verifier; remove it"),
        ({"verifiers": ["both"]}, "'both' is of kind ensemble: name its members, and set combine"),
    ],
)
def test_mistakes(given, own, why):
    with pytest.raises(UserError, match=why) as error:
        validation.validate(*with_process(given, own))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
def test_a_trained_verifier_scores_beside_any_training_but_its_own_run(given, accelerator):
    config, table = given
    config["accelerator"] = accelerator
    reward = {"terms": {"correct": 1.0}, "process": {"verifiers": ["checked"]}}
    config["runs"]["checker"] = {"algorithm": "supervised", "solutions": "results/verifiers/labels.parquet"}
    config["runs"]["pleasing"] = {"mini_batch_size": 88, "reward": reward}
    config["verifiers"]["named"] = NAMED | {"checked": {"kind": "prm", "model": "checker"}}
    found, _ = validation.validate(config, table, asked={"pleasing"})
    assert verifying_runs(found, "pleasing", "main") == ["checker"] and verifying_runs(found, "checker", "main") == []
    config["runs"]["checker"] |= {"start_from": "pleasing"}
    with pytest.raises(
        UserError,
        match=r"a verifier's model or labels, goes round in a circle: (pleasing → checker → pleasing|checker → pleasing → checker)",
    ):
        validation.validate(config, table, asked={"pleasing"})


MODELS = {"prm": {"kind": "prm", "model": "grpo"}, "other": {"kind": "hf-prm", "model": "openseek"}, "eq": {"kind": "arithmetic"}}
# accelerator, settings of the stage, of the process reward → why they are refused; None: they are not
SERVED = [
    ("cuda", {}, {}, None),
    ("cuda", {"gpus": 1}, {}, None),
    ("cuda", {"gpus": 1}, {"gpu_memory": 0.49}, None),
    ("cpu", {"gpus": 1}, {}, None),
    ("cuda", {"gpus": 1}, {"verifiers": ["prm", "other"], "gpu_memory": 0.24}, None),
    ("cuda", {"gpus": 2}, {"verifiers": ["prm", "other"], "gpu_memory": 0.4}, None),
    ("cuda", {"gpus": 1, "gpu_memory_utilization": 0.9}, {"gpus": 1, "gpu_memory": 0.9}, None),
    ("cuda", {"gpus": 1}, {"gpu_memory": 0.5}, "reward.process.gpu_memory 0.5 and gpu_memory_utilization 0.5 leave nothing of a GPU for"),
    ("cuda", {"gpu_memory_utilization": 0.8}, {}, "reward.process.gpu_memory 0.2 and gpu_memory_utilization 0.8 leave nothing of a GPU"),
    (
        "cuda",
        {"gpus": 1},
        {"verifiers": ["prm", "eq", "other"], "gpu_memory": 0.25},
        "reward.process.gpu_memory 0.25, 2 verifiers on a GPU, and gpu_memory_utilization 0.5 leave nothing of a GPU for the weights",
    ),
    (
        "cuda",
        {},
        {"verifiers": ["prm", "other"], "gpus": 1, "gpu_memory": 0.6},
        "reward.process.gpu_memory 0.6, 2 verifiers on a GPU, takes 1.2 of it; lower it, or raise reward.process.gpus",
    ),
    ("cuda", {"nodes": 2}, {}, "'prm' is a model and served on one host, and the rewards of nodes 2 are computed on all of them; write n"),
    ("cpu", {"nodes": 2}, {}, "'prm' is a model and served on one host"),
    ("cuda", {"deterministic": True}, {}, "deterministic: true and 'prm' in reward.process: on a GPU its scores depend, in their last d"),
    ("cpu", {}, {"gpus": 1}, "reward.process.gpus 1 changes nothing with accelerator: cpu; remove it"),
    ("cpu", {}, {"gpu_memory": 0.1}, "reward.process.gpu_memory 0.1 changes nothing with accelerator: cpu; remove it"),
]


def served_stage(given, accelerator, settings, own):
    config, table = given
    config["accelerator"] = accelerator
    config["verifiers"]["named"] = MODELS
    reward = {"terms": {"correct": 1.0}, "process": {"verifiers": ["prm"], **own}}
    config["runs"]["tried"] = {"mini_batch_size": 88, "reward": reward, **settings}
    found, _ = validation.validate(config, table, asked={"tried"})
    return found.stage("tried", "main"), found.verifiers


@pytest.mark.parametrize(("accelerator", "settings", "own", "why"), SERVED)
def test_verifiers_that_are_models_fit_their_gpus(given, accelerator, settings, own, why):
    if why is None:
        served_stage(given, accelerator, settings, own)
        return
    with pytest.raises(UserError, match=why) as error:
        served_stage(given, accelerator, settings, own)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "own", "gpus", "share", "most", "on_training"),
    [
        ({}, {}, 6, 0.2, 1, 1),
        ({}, {"gpu_memory": 0.3}, 6, 0.3, 1, 1),
        ({"gpus": 1}, {"verifiers": ["prm", "other"]}, 1, 0.2, 2, 2),
        ({"gpus": 1}, {"gpus": 1}, 2, 0.9, 1, 0),
        ({}, {"verifiers": ["prm", "other"], "gpus": 1}, 7, 0.45, 2, 0),
        ({}, {"verifiers": ["prm", "other"], "gpus": 2}, 8, 0.9, 1, 0),
        ({}, {"verifiers": ["eq"]}, 6, 0.0, 0, 0),
    ],
)
def test_what_a_job_takes_with_its_verifiers(given, settings, own, gpus, share, most, on_training):
    stage, section = served_stage(given, "cuda", settings, own)
    found = served.of_stage(stage, section)
    assert (stage.job_gpus, found.share, found.most, found.on_training_gpu) == (gpus, pytest.approx(share), most, on_training)
    assert stage.model_copy(update={"algorithm": "supervised"}).job_gpus == stage.gpus, "supervision has no reward"


@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"max_position_embeddings": 8225}, True),
        ({"text_config": {"max_position_embeddings": 8225}}, True),
        ({"max_position_embeddings": 8225, "rope_scaling": {"rope_type": "yarn", "factor": 4}}, False),
        ({"max_position_embeddings": 8226}, False),
        ({}, False),
        (None, False),
    ],
    ids=["too short", "inside", "stretched", "just fits", "unsaid", "not there yet"],
)
def test_a_verifier_that_reads_less_than_a_response_is_refused_before_any_job(given, tmp_path, accelerator, more, refused):
    if more is not None:
        (tmp_path / "config.json").write_text(json.dumps(more))
    stage, section = served_stage(given, accelerator, {"gpus": 1}, {})
    stage = stage.model_copy(update={"max_prompt_length": 2000, "max_response_length": 6194, "deterministic": False})
    one = section.named["prm"].model_copy(update={"model": str(tmp_path)})
    section = section.model_copy(update={"named": {**section.named, "prm": one}})
    if not refused:
        served.check(stage, section, accelerator, "x")
        return
    why = r"^x: training.max_prompt_length 2000, max_response_length 6194 .* are 8226, and verifier 'prm' .* reads 8225 .*; lower tr"
    with pytest.raises(UserError, match=why):
        served.check(stage, section, accelerator, "x")


@pytest.mark.parametrize("place", ["resources/models/grpo", "results/grpo/model"])
def test_nor_where_it_is_named_by_its_run_or_pin(given, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "config.json").write_text('{"max_position_embeddings": 64}')
    with pytest.raises(UserError, match=r"config: run tried, stage main: training.max_prompt_length .* verifier 'prm' .* reads 64 "):
        served_stage(given, "cpu", {"gpus": 1}, {})


def test_the_last_gpus_are_those_of_verifiers():
    assert served.divided(["4", "5", "6"], 2, 1) == (["4", "5"], ["6"])
    assert served.divided(["4", "5"], 2, 0) == (["4", "5"], [])
    assert served.divided(["0", "GPU-1", "2", "3"], 2, 1) == (["0", "GPU-1", "2"], ["3"])
    with pytest.raises(UserError, match=r"this job sees 2 GPU\(s\) and needs 3: training.gpus 2 and reward.process.gpus 1"):
        served.divided(["0", "1"], 2, 1)
    assert served.placed(["a", "b", "c"], ["6", "7"]) == {"a": "6", "b": "7", "c": "6"}
    assert served.placed(["a"], ["6", "7"]) == {"a": "6"}


def test_labels_are_not_made_with_what_learns_from_them(given):
    config, table = given
    config["accelerator"] = "cpu"
    config["verifiers"]["named"] = NAMED | {"checked": {"kind": "prm", "model": "checker"}}
    config["verifiers"]["labels"]["policy"] = "pleasing"
    config["runs"]["checker"] = {"algorithm": "supervised", "solutions": "results/verifiers/labels.parquet"}
    reward = {"terms": {"correct": 1.0}, "process": {"verifiers": ["checked"]}}
    config["runs"]["pleasing"] = {"mini_batch_size": 88, "reward": reward}
    with pytest.raises(UserError, match="a verifier's model or labels, goes round in a circle"):
        validation.validate(config, table, asked={"pleasing"})


def test_the_end_of_a_run_that_is_stopped_is_nowhere(given):
    config, table = given
    config["runs"]["tried"] = {"mini_batch_size": 88, "choose": "end", "monitor": {"stop": True}}
    with pytest.raises(UserError, match=r"choose: end and monitor.stop: .*; write monitor: {stop: false}"):
        validation.validate(config, table, asked={"tried"})


# settings of the stage, the process reward → why it is refused, or a notice
OF_A_STAGE = [
    (
        {},
        {"mode": "filter", "drop": 5},
        "drops 5 of rollout_n 6 leaves 1, and a response needs another one .*; write drop: 4 or less",
    ),
    ({}, {"mode": "filter", "drop": 9}, "leaves 0, .*; write drop: 4 or less"),
    ({"rollout_n": 2}, {"mode": "filter"}, "drops 1 of rollout_n 2 leaves 1, .*; raise rollout_n"),
    (
        {},
        {"mode": "min"},
        "min rewards single steps, and advantage grpo adds up the rewards of a response; write advantage: rloo or",
    ),
    ({"advantage": "maxrl"}, {"mode": "min"}, "advantage maxrl adds up"),
    ({"advantage": "rloo", "verl": {"algorithm.adv_estimator": "opo"}}, {"mode": "min"}, "advantage opo adds up"),
    (
        {"advantage": "rloo", "policy_loss": "geo_mean", "loss_aggregation": "seq-mean-token-mean"},
        {"mode": "min"},
        "policy_loss geo_mean averages the advantages of a response; write policy_loss: vanilla",
    ),
]


def of_stage(given, own, settings):
    config, table = given
    reward = {"terms": {"correct": 1.0}, "process": {"verifiers": ["eq"], **own}}
    config["runs"]["tried"] = {"mini_batch_size": 88, "reward": reward, **settings}
    return validation.validate(config, table, asked={"tried"})


@pytest.mark.parametrize(("settings", "own", "why"), OF_A_STAGE)
def test_a_mode_that_the_stage_has_no_use_for_is_refused(given, settings, own, why):
    with pytest.raises(UserError, match=f"config: run tried, stage main: reward.process.*{why}") as error:
        of_stage(given, own, settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({"mini_batch_size": 44}, {"mode": "filter"}),
        ({"dynamic_sampling": True}, {"mode": "filter", "drop": 2}),
        ({"advantage": "grpo_passk"}, {"mode": "filter", "drop": 2, "wrong": "at_random", "steps": [1, 100]}),
        ({"advantage": "rloo"}, {"mode": "min"}),
        ({"advantage": "reinforce_plus_plus", "dynamic_sampling": True}, {"mode": "min", "weight": 1.0, "temperature": 0.5}),
    ],
)
def test_a_mode_that_fits_brings_no_notice(given, settings, own):
    config, notices = of_stage(given, own, settings)
    assert not [notice for notice in notices if "run tried" in notice]
    stage = config.stage("tried", "main")
    assert stage.trained_n == {"filter": 6 - own.get("drop", 3), "min": 6}[own["mode"]]


def test_a_filter_leaves_fewer_samples_and_the_padding_is_told(given):
    """264 × 3 samples and mini-batches of 88 × 6."""
    _, notices = of_stage(given, {"mode": "filter"}, {})
    (told,) = [notice for notice in notices if "run tried" in notice]
    assert "pads each batch from 792 to 1056 samples (264 masked, 2 updates a step); mini_batch_size 44, 66, 132 with" in told
    with pytest.raises(UserError, match="micro_batch_size_log_prob 3 must divide the 176 samples that a GPU has of each step"):
        of_stage(given, {"mode": "filter"}, {"micro_batch_size_log_prob": 3})


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
