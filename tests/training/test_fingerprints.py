"""What opens a new directory of checkpoints and what does not."""

import polars as pl
import pytest
import yaml
from mathrl.config import process, reading
from mathrl.config.stage import Stage
from mathrl.config.verifier import Verifiers
from mathrl.core.files import write_json
from mathrl.data import hints
from mathrl.data.verl_rows import verl_rows
from mathrl.training import directories, fingerprints, plan
from support.settings import plan_of, stage_of, with_reward

from .conftest import Place

# Keys that are handed to verl and hashed. A key that is new must be put here, or into fingerprints.UNHASHED with the reason.
HASHED = {
    "data.train_batch_size",
    "data.max_prompt_length",
    "data.max_response_length",
    "data.filter_overlong_prompts",
    "data.truncation",
    "data.seed",
    "data.shuffle",
    "data.dataloader_num_workers",  # the place of a resume in the data is saved by each worker
    "algorithm.adv_estimator",
    "algorithm.norm_adv_by_std_in_grpo",
    "algorithm.filter_groups.enable",
    "algorithm.filter_groups.metric",
    "algorithm.use_kl_in_reward",
    "actor_rollout_ref.model.use_remove_padding",
    "actor_rollout_ref.model.use_fused_kernels",
    "actor_rollout_ref.model.override_config.attn_implementation",
    "actor_rollout_ref.actor.use_kl_loss",
    "actor_rollout_ref.actor.entropy_coeff",
    "actor_rollout_ref.actor.strategy",
    "actor_rollout_ref.actor.ppo_mini_batch_size",
    "actor_rollout_ref.actor.policy_loss.loss_mode",
    "actor_rollout_ref.actor.loss_agg_mode",
    "actor_rollout_ref.actor.clip_ratio_low",
    "actor_rollout_ref.actor.clip_ratio_high",
    "actor_rollout_ref.actor.use_dynamic_bsz",
    "actor_rollout_ref.actor.optim.lr",
    "actor_rollout_ref.actor.optim.lr_warmup_steps",
    "actor_rollout_ref.actor.data_loader_seed",
    "actor_rollout_ref.actor.fsdp_config.seed",
    "actor_rollout_ref.actor.fsdp_config.model_dtype",
    "actor_rollout_ref.actor.fsdp_config.dtype",
    "actor_rollout_ref.rollout.name",
    "actor_rollout_ref.rollout.n",
    "actor_rollout_ref.rollout.temperature",
    "actor_rollout_ref.rollout.dtype",
    "actor_rollout_ref.rollout.seed",
    "actor_rollout_ref.rollout.max_model_len",
    "actor_rollout_ref.rollout.calculate_log_probs",
    "reward.custom_reward_function.name",
    "trainer.nnodes",  # a checkpoint is in shards, one a rank
    "trainer.n_gpus_per_node",
}
HASHED_ON_A_CPU = {
    "trainer.device",
    "actor_rollout_ref.actor.use_torch_compile",
    "actor_rollout_ref.actor.fsdp_config.use_torch_compile",
    "actor_rollout_ref.actor.fsdp_config.mixed_precision",
    "actor_rollout_ref.rollout.engine_kwargs.vllm.worker_extension_cls",
    "trainer.deterministic",
    "actor_rollout_ref.rollout.enable_prefix_caching",
    "actor_rollout_ref.rollout.enable_chunked_prefill",
}
HASHED_SUPERVISED = {
    "data.train_batch_size",
    "data.use_dynamic_bsz",
    "data.max_length",
    "data.truncation",
    "data.num_workers",
    "optim.lr",
    "optim.lr_warmup_steps",
    "model.use_remove_padding",
    "model.override_config.attn_implementation",
    "engine.strategy",
    "engine.model_dtype",
    "engine.dtype",
    "engine.seed",
    "trainer.seed",
    "trainer.nnodes",
    "trainer.n_gpus_per_node",
}


@pytest.fixture
def supervised(stage, place):
    return stage.changed(algorithm="supervised", solutions=str(place.folder / "solutions.parquet"))


def plain(content):
    return {key.lstrip("+") for key in content["verl"]}


@pytest.mark.parametrize(
    ("accelerator", "hashed"), [("cuda", HASHED), ("cpu", HASHED | HASHED_ON_A_CPU)], ids=["full size", "the demo on a CPU"]
)
def test_every_key_of_verl_is_decided(config, place, root, accelerator, hashed):
    if accelerator == "cpu":
        config = reading.merge(config, yaml.safe_load((root / "profiles/demo/demo.yaml").read_text()))
    content = place.content(stage_of(config), accelerator=accelerator)
    assert plain(content) == hashed


def test_every_key_of_a_supervised_stage_is_decided(place, supervised):
    assert plain(place.content(supervised)) == HASHED_SUPERVISED


# What observes, what is fast, what only chooses rows of a file that is hashed, and how long it goes.
HARMLESS = {
    "trackers": ("tensorboard", "mlflow"),
    "choose": "last",
    "save_every": 10,
    "validate_every": 5,
    "validate_before": False,
    "end_minutes": 1,
    "keep_last": 9,
    "keep_every": 1000,
    "adopt": "0123456789ab",
    "reshard": True,
    "validation_benchmark": "math500",
    "rollouts_per_step": 0,
    "budget": {"tokens": 5, "gpu_hours": None},
    "monitor": {"stop": True},
    "gpu_memory_utilization": 0.4,
    "gradient_checkpointing": False,
    "micro_batch_size": 2,
    "micro_batch_size_log_prob": 2,
    "max_tokens_per_gpu": 8192,
    "tensor_parallel": 2,
    "epochs": 16,
    "steps": 20000,
    "remove": ["exact", "ngram", "fuzzy"],
    "data": "raw",
    "difficulty": [1, 2],
    "sources": ["a"],
    "solve_rate": [0.1, 0.9],
    "solve_rates": "own",
    "start_from": "base",
    "extra_layers": 2,  # the start model is known by its weights
    "verl": {
        "actor_rollout_ref.actor.fsdp_config.param_offload": True,
        "actor_rollout_ref.actor.fsdp_config.reshard_after_forward": False,
        "actor_rollout_ref.actor.fsdp_config.forward_prefetch": True,
        "actor_rollout_ref.actor.fsdp_config.use_no_sync_for_gradient_accumulation": True,
        "++ray_kwargs.ray_init.num_cpus": 99,
    },
}
# Another value of each of these is another training.
DETERMINING = {
    "deterministic": True,
    "train_batch_size": 528,
    "mini_batch_size": 88,
    "rollout_n": 12,
    "max_prompt_length": 1024,
    "max_response_length": 1024,
    "temperature": 0.9,
    "learning_rate": 2e-5,
    "warmup_steps": 10,
    "normalize_advantage": False,
    "policy_loss": "gspo",
    "advantage": "maxrl",
    "dual_clip": 4.0,
    "gate_positive": 2.0,
    "gate_negative": 2.0,
    "clip_cov_share": 0.1,
    "clip_cov_low": 0.5,
    "clip_cov_high": 6.0,
    "kl_cov_share": 0.1,
    "kl_cov_coefficient": 1.0,
    "loss_aggregation": "seq-mean-token-mean",
    "clip_low": 0.1,
    "clip_high": 0.28,
    "entropy_coefficient": 0.01,
    "dynamic_sampling": True,
    "skipping": {},
    "overlong_penalty": {"buffer": 128, "factor": 1.0},
    "rollout_correction": 2.0,
    "dtype": "float32",
    "seed": 2,
    "gpus": 3,
    "nodes": 2,
    "dynamic_batch": True,
    "lora": {"rank": 8},
    "verl": {"actor_rollout_ref.actor.clip_ratio_c": 4.0},
}


@pytest.mark.parametrize("key", HARMLESS)
def test_what_changes_no_step_keeps_the_checkpoints(place, stage, key):
    assert getattr(stage, key) != HARMLESS[key]
    assert place.directory(stage) == place.directory(stage.changed(**{key: HARMLESS[key]}))


@pytest.mark.parametrize("key", DETERMINING)
def test_what_determines_training_opens_a_new_directory_and_keeps_the_old(place, stage, key):
    old, new = place.directory(stage), place.directory(stage.changed(**{key: DETERMINING[key]}))
    assert old != new and old.exists()


def test_a_control_arms_reward_changes_its_own_fingerprint_and_nobody_elses(tmp_path, stage):
    """The code of the controls' rewards is part of the trainings that use them alone."""
    place = Place(tmp_path)  # with our real code
    plain = place.content(stage)
    arm = place.content(with_reward(stage, **{"mathrl.rewards.controls:inverted_reward": 1.0}))
    assert "mathrl/rewards/controls.py" in arm["code_files"] and "mathrl/rewards/controls.py" not in plain["code_files"]
    assert fingerprints.name(arm) != fingerprints.name(plain) == fingerprints.name(place.content(stage))
    other = place.content(with_reward(stage, **{"mathrl.rewards.controls:random_reward": 1.0}))
    assert fingerprints.name(other) not in (fingerprints.name(arm), fingerprints.name(plain))


def hinted_rows(place, carried):
    """The training file of one problem in verl's columns, with this hint or without hints."""
    problem = {"id": "a", "problem": "2 + 3?", "answer": "5", "domain": None, "solve_rate": None, "source": "x", "difficulty": None}
    rows = verl_rows(pl.DataFrame([problem]), pl.col("source"), "Reason. ", pl.int_range(1, eager=True))
    found = carried and pl.DataFrame([{"id": "a", "hint": carried, "hint_steps": 1, "hint_request": None}])
    hints.beside(rows, found).write_parquet(place.train)


def test_hints_are_another_training_and_runs_without_them_stay_as_they_were(tmp_path, stage):
    """Hints count by the rows that they make. Their code makes data: it is no part of any fingerprint, nor is a key of the stage."""
    place = Place(tmp_path)  # with our real code
    names = {}
    for carried in (None, "We count.", "We add."):
        hinted_rows(place, carried)
        plain = place.content(stage)
        asked = place.content(stage.changed(data={"hints": {"solutions": "worked", "share": 0.3}}))
        assert plain == asked, "the same rows are the same training, whatever chose them"
        names[carried] = fingerprints.name(plain)
        assert not {"mathrl/data/hints.py", "mathrl/data/given_away.py", "mathrl/data/training_files.py"} & set(plain["code_files"])
        assert "mathrl/grading/judge.py" in plain["code_files"], "this is the real code"
    assert len(set(names.values())) == 3


def test_the_size_of_a_micro_batch_counts_where_a_loss_is_computed_within_it(place, stage):
    """verl averages, ranks or centres these losses within a micro-batch; it sums the others over the mini-batch."""
    for loss in ("geo_mean", "clip_cov", "kl_cov"):
        own = stage.changed(policy_loss=loss)
        assert place.directory(own) != place.directory(own.changed(micro_batch_size=2)), loss
        packed = own.changed(dynamic_batch=True)
        assert place.directory(packed) == place.directory(packed.changed(micro_batch_size=2)), loss
        assert place.directory(packed) != place.directory(packed.changed(max_tokens_per_gpu=5000)), loss


def test_every_key_of_a_stage_is_tried_above():
    assert set(HARMLESS) | set(DETERMINING) | {"algorithm", "solutions", "reward"} == set(Stage.model_fields)


def test_other_data_model_or_reward_is_another_training(place, stage):
    seen = {place.directory(stage), place.directory(with_reward(stage, correct=1.0))}
    place.train.write_bytes(b"other rows")
    seen.add(place.directory(stage))
    (place.model / "tokenizer.json").write_text('{"a": 1}')
    seen.add(place.directory(stage))
    (place.model / "model.safetensors").write_text("other weights")
    seen.add(place.directory(stage))
    assert len(seen) == 5


JUDGE = {"kind": "judge", "url": "http://localhost/v1", "model": "m"}
# Of a process reward and its verifiers: what another training is, and what is none.
OTHER_PROCESS = [
    ({"weight": 0.25}, {}),
    ({"mode": "blend"}, {}),
    ({"mode": "filter"}, {}),
    ({"mode": "filter", "drop": 2}, {}),
    ({"mode": "filter", "wrong": "at_random"}, {}),
    ({"mode": "filter", "steps": [1, 30]}, {}),
    ({"mode": "min"}, {}),
    ({"mode": "min", "weight": 1.0}, {}),
    ({"mode": "min", "temperature": 1.0}, {}),
    ({}, {"model": "other"}),
    ({}, {"threshold": 0.3}),
    ({}, {"prompt": "prompt.txt"}),
    ({}, {"kind": "my_verifier:f", "url": None, "model": None}),
]
SAME_PROCESS = [{"key_env": "MY_KEY"}, {"parallel": 2}, {"max_total_tokens": 10**6}, {"max_usd": 5, "usd_per_million": [1, 1]}]


def test_a_process_reward_and_what_its_verifiers_are_make_another_training(place, stage, own_code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompt.txt").write_text("{problem} {steps}")
    own_code.edit("my_verifier.py", "def f(problems, responses):\n    return []\n")
    (tmp_path / "scripts/mathrl/verifiers").mkdir(parents=True)
    for name in ("process_reward.py", "serve_verifier.py", "mathrl/verifiers/server_start.py"):
        own_code.edit(name, "X = 1\n")

    def directory(of_process=None, of_verifier=None, name="judge"):
        process = {"verifiers": (name,), **(of_process or {})}
        named = {name: {key: value for key, value in {**JUDGE, **(of_verifier or {})}.items() if value is not None}}
        gated = stage.changed(reward={"terms": {"correct": 1.0}, "process": process})
        plan = plan_of(gated, place.train, place.model)
        object.__setattr__(plan, "verifiers", Verifiers.model_validate({"named": named}))
        return directories.open_directory(place.folder / "checkpoints", plan.fingerprint, None, place.model)[0]

    plain = place.directory(with_reward(stage, correct=1.0))
    first = directory()
    seen = [plain, first, *(directory(*case) for case in OTHER_PROCESS)]
    assert len(set(seen)) == len(seen)
    assert {directory({}, case) for case in SAME_PROCESS} == {first}, "how it is asked decides no score"
    (tmp_path / "prompt.txt").write_text("{problem}: {steps}")
    assert directory({}, {"prompt": "prompt.txt"}) not in seen, "a prompt counts by what it says"
    own_code.edit("my_verifier.py", "def f(problems, responses):\n    return [[]]\n")
    assert directory(*OTHER_PROCESS[-1]) not in seen, "a function by what it does"
    trained = {"kind": "prm", "url": None, "model": str(tmp_path / "verifier")}
    (tmp_path / "verifier").mkdir()
    for weights in ("a", "b"):
        (tmp_path / "verifier/model.safetensors").write_text(weights)
        seen.append(directory({}, trained))
    (tmp_path / "verifier").rename(tmp_path / "elsewhere")
    assert len(set(seen)) == len(seen), "a model by its weights"
    trained["model"] = str(tmp_path / "elsewhere")
    assert directory({}, trained) == seen[-1], "and not by its place"
    for of_memory in ({"gpus": 1}, {"gpu_memory": 0.4}, {"gpus": 1, "gpu_memory": 0.7}):
        assert directory(of_memory, trained) == seen[-1], "nor by the GPUs and the memory that it takes"
    assert len({seen[-1], directory({}, trained | {"dtype": "float32"}), directory({}, trained | {"kind": "hf-prm"})}) == 3
    own_code.edit("mathrl/verifiers/server_start.py", "X = 2\n")
    seen.append(directory({}, trained))
    own_code.edit("serve_verifier.py", "X = 3\n")
    seen.append(directory({}, trained))
    assert len(set(seen)) == len(seen) and directory() == first, "a model by how it is served too, and nobody else"
    own_code.edit("process_reward.py", "X = 2\n")
    assert directory() not in seen and place.directory(with_reward(stage, correct=1.0)) == plain, "nobody else's training"


def test_a_mode_is_known_by_the_settings_that_it_reads():
    """So another mode's new setting makes no other training of it."""
    known = {mode: set(process.read(process.Process(verifiers=("v",), mode=mode))) for mode in ("gate", "blend", "filter", "min")}
    common = {"verifiers", "combine", "mode"}
    assert known["gate"] == known["blend"] == common | {"weight"}
    assert known["filter"] == common | {"drop", "wrong", "steps"} and known["min"] == common | {"weight", "temperature"}


def test_a_runs_own_reward_changes_its_fingerprint_and_nobody_elses(place, config):
    before = place.directory(stage_of(config))
    config["runs"]["control"] = {"reward": {"terms": {"correct": 1.0}}}
    assert place.directory(stage_of(config)) == before != place.directory(stage_of(config, "control"))


def test_an_edit_of_what_verl_gets_is_another_training(place, stage, monkeypatch):
    old = place.directory(stage)
    monkeypatch.setattr(plan.grpo_config, "overrides", with_attention(plan.grpo_config.overrides))
    assert place.directory(stage) != old


def with_attention(overrides):
    def edited(*arguments, **names):
        return overrides(*arguments, **names) | {"+actor_rollout_ref.model.override_config.attn_implementation": "eager"}

    return edited


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("actor_rollout_ref.actor.optim.lr_scheduler_type", "cosine"),
        ("actor_rollout_ref.actor.optim.lr_warmup_steps_ratio", 0.1),
        ("++actor_rollout_ref.actor.optim.warmup_style", "cosine"),
    ],
)
def test_the_length_counts_where_the_learning_rate_depends_on_it(place, stage, key, value):
    stage = stage.changed(verl={key: value})
    directories = {place.directory(stage.changed(**length)) for length in ({}, {"epochs": 16}, {"steps": 20000})}
    assert len(directories) == 3


def test_a_schedule_that_is_constant_in_so_many_words_has_no_end(place, stage):
    stage = stage.changed(verl={"actor_rollout_ref.actor.optim.lr_scheduler_type": "constant"})
    assert place.directory(stage) == place.directory(stage.changed(steps=20000))


def test_a_cluster_that_is_there_is_no_other_training(place, stage, monkeypatch):
    alone = place.directory(stage, accelerator="cpu")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert place.directory(stage, accelerator="cpu") == alone


def test_a_length_that_is_given_in_verls_words_counts(place, stage):
    lengths = [{"verl": {"trainer.total_training_steps": steps}} for steps in (10, 20)]
    assert len({place.directory(stage.changed(**length)) for length in lengths}) == 2


def test_a_supervised_stage(place, supervised):
    first = place.directory(supervised)
    same = ("micro_batch_size", "micro_batch_size_log_prob", "max_tokens_per_gpu", "gradient_checkpointing", "epochs", "steps", "remove")
    assert {place.directory(supervised.changed(**{key: HARMLESS[key]})) for key in same} == {first}
    assert place.directory(with_reward(supervised, correct=1.0)) == first  # nothing is graded
    cosine = supervised.changed(verl={"optim.lr_scheduler_type": "cosine"})
    others = {place.directory(supervised.changed(**{key: value})) for key, value in (("learning_rate", 1e-4), ("seed", 3), ("gpus", 2))}
    others |= {place.directory(cosine), place.directory(cosine.changed(steps=10))}
    (place.folder / "solutions.parquet").write_bytes(b"other solutions")
    others.add(place.directory(supervised))
    assert len(others | {first}) == 7


def test_a_model_card_and_another_export_of_the_same_weights_change_nothing(place, stage):
    before = place.directory(stage)
    (place.model / "README.md").write_text("scores so far")
    assert place.directory(stage) == before
    write_json(place.model / "export.json", {"model_sha256": "ab", "provenance": {"git_commit": "first"}})
    exported = place.directory(stage)
    write_json(place.model / "export.json", {"model_sha256": "ab", "provenance": {"git_commit": "second"}})
    (place.model / "README.md").write_text("all scores")
    assert place.directory(stage) == exported
    write_json(place.model / "export.json", {"model_sha256": "cd", "provenance": {"git_commit": "second"}})
    assert place.directory(stage) == before == exported, "no file beside the weights is believed"
    (place.model / "model.safetensors").write_text("0")
    assert place.directory(stage) != before
