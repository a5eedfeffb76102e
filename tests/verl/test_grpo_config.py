"""What verl makes of our configuration, composed and validated by verl's own code."""

import json

import pytest
import yaml
from mathrl.config import batches, model_names, reading, verl_keys
from mathrl.config.stage import Stage
from mathrl.core.files import UserError
from mathrl.data.downloads import pin_rows
from mathrl.verl import grpo_config, precision
from mathrl.verl.environment import verl_environment
from support.settings import keys_of, stage_of

HOOK = "+ray_kwargs.ray_init.runtime_env.worker_process_setup_hook"
RESOLVE = """
import json, sys
from mathrl.verl import grpo_config
try:
    print("RESOLVED" + json.dumps(grpo_config.resolve(json.loads(sys.argv[1]))))
except grpo_config.UserError as error:
    print("REFUSED" + str(error))
"""


def overrides(config, run="grpo", **given):
    return keys_of(config, run, **given)


@pytest.fixture
def resolve(verl):
    """What verl makes of keys, or the line with which it refuses them."""

    def ask(keys, accelerator="cuda"):
        printed = verl(accelerator).ask(RESOLVE, json.dumps(keys)).splitlines()
        return next(line for line in printed if line.startswith(("RESOLVED", "REFUSED")))

    return ask


def assert_contains(found, golden, where=""):
    for key, value in golden.items():
        assert key in found, f"{where}{key} is not in verl's configuration"
        if isinstance(value, dict):
            assert_contains(found[key], value, f"{where}{key}.")
        else:
            assert found[key] == value, f"{where}{key}"


def test_the_report_at_full_size(root, config, resolve):
    answer = resolve(overrides(config))
    assert answer.startswith("RESOLVED"), answer
    golden = yaml.safe_load((root / "tests/golden/verl_grpo.yaml").read_text())
    assert_contains(json.loads(answer.removeprefix("RESOLVED")), golden)


def write_config(tmp_path, **shape):
    """A model directory as far as its config.json."""
    (tmp_path / "config.json").write_text(json.dumps(shape))
    return str(tmp_path)


@pytest.mark.parametrize(("dtype", "fsdp"), [("bfloat16", None), ("float32", "fp32"), ("float16", "fp16")])
def test_trainer_and_engine_compute_in_the_same_precision_on_gpus(config, resolve, dtype, fsdp):
    """FSDP reads its own key: without it, it computes in bfloat16, whatever `dtype` says."""
    config["training"]["dtype"] = dtype
    answer = resolve(overrides(config))
    assert answer.startswith("RESOLVED"), answer
    found = json.loads(answer.removeprefix("RESOLVED"))["actor_rollout_ref"]
    assert found["rollout"]["dtype"] == dtype
    mixed = found["actor"]["fsdp_config"].get("mixed_precision")
    assert mixed == (fsdp and {"param_dtype": fsdp, "reduce_dtype": "fp32", "buffer_dtype": "fp32"})


@pytest.mark.parametrize(
    ("dtype", "accelerator", "kind", "message"),
    [
        ("float16", "cpu", "llama", "float16 needs a GPU"),
        ("float32", "cuda", "deepseek_v3", "no float32 kernels on a GPU for the latent attention"),
        ("float32", "cuda", "llama", None),
        ("float32", "cpu", "deepseek_v3", None),
        ("float16", "cuda", "deepseek_v3", None),
    ],
)
def test_a_precision_that_an_engine_lacks_is_refused(tmp_path, dtype, accelerator, kind, message):
    model = write_config(tmp_path, model_type=kind, tie_word_embeddings=True)
    if message is None:
        return precision.check_precision(dtype, accelerator, model)
    with pytest.raises(UserError, match=message):
        precision.check_precision(dtype, accelerator, model)


@pytest.mark.parametrize("base_model", ["openseek", f"BAAI/OpenSeek-Small-v1-SFT@{'a' * 40}"])
def test_a_usual_model_is_known_before_it_is_there(root, base_model):
    """By its commit, or by its row in the table of downloads."""
    hub = model_names.on_a_hub(base_model, pin_rows(root / "pins.tsv"))
    assert precision.sizes("nowhere", hub)["num_attention_heads"] == 10
    with pytest.raises(UserError, match=r"evaluation\.dtype: vLLM has no float32 kernels on a GPU"):
        precision.check_precision("float32", "cuda", "nowhere", hub=hub, key="evaluation.dtype")
    assert precision.sizes("nowhere", model_names.on_a_hub(f"nobody/knows-it@{'a' * 40}", {})) == {}


@pytest.mark.parametrize(
    ("shape", "refused"),
    [
        ({"model_type": "gemma2", "final_logit_softcapping": 30.0}, True),
        ({"model_type": "cohere", "logit_scale": 0.0625}, True),
        ({"model_type": "granite", "logits_scaling": 8.0}, True),
        ({"model_type": "gemma3", "final_logit_softcapping": None}, False),
        ({"model_type": "granite", "logits_scaling": 1.0}, False),
        ({"model_type": "llama"}, False),
    ],
)
def test_a_head_that_changes_logits_is_refused_by_name(tmp_path, shape, refused):
    model = write_config(tmp_path, tie_word_embeddings=True, **shape)
    precision.check_head(model, {precision.FUSED: False})
    if not refused:
        return precision.check_head(model, {})
    with pytest.raises(UserError, match=rf"its head changes logits \({list(shape)[1]}\)"):
        precision.check_head(model, {})


@pytest.mark.parametrize(
    ("shape", "untied"),
    [
        ({"model_type": "qwen2", "tie_word_embeddings": False}, True),
        ({"model_type": "qwen2", "tie_word_embeddings": True}, False),
        ({"model_type": "llama"}, True),
        ({"model_type": "gemma"}, False),
        ({}, False),
    ],
    ids=["untied", "tied", "llamas-default", "gemmas-default", "not-there-yet"],
)
def test_an_untied_head_is_left_to_the_model(tmp_path, config, shape, untied):
    keys = overrides(config, model=write_config(tmp_path, **shape))
    assert (keys.get("actor_rollout_ref.model.external_lib") == "mathrl.verl.untied_heads") is untied


@pytest.mark.parametrize("accelerator", ["cuda", "cpu"])
@pytest.mark.parametrize("cluster", [False, True])
def test_the_router_of_deepseek_v3_is_that_of_every_process(tmp_path, config, resolve, monkeypatch, accelerator, cluster):
    """The trainer imports it as an external library, the engine's processes as one of verl's modules."""
    if cluster:
        monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    config["training"] |= {"lora": {"rank": 4, "alpha": 8, "targets": "all-linear"}} if cluster else {}
    sizes = {"num_attention_heads": 4, "qk_nope_head_dim": 64, "qk_rope_head_dim": 64, "kv_lora_rank": 32}
    model = write_config(tmp_path, model_type="deepseek_v3", tie_word_embeddings=True, **sizes)
    keys = overrides(config, accelerator=accelerator, model=model)
    library = keys["actor_rollout_ref.model.external_lib"]
    assert library == (["mathrl.verl.lora", "mathrl.verl.router"] if cluster else "mathrl.verl.router")
    answer = resolve(keys, accelerator)
    assert answer.startswith("RESOLVED"), answer
    init = json.loads(answer.removeprefix("RESOLVED"))["ray_kwargs"]["ray_init"]
    modules = init["runtime_env"]["env_vars"]["VERL_USE_EXTERNAL_MODULES"]
    assert modules == verl_environment(accelerator)["VERL_USE_EXTERNAL_MODULES"] + ",mathrl.verl.router"


HOOKED = """
import importlib
from mathrl.models import router
importlib.import_module("mathrl.verl.router")
print(importlib.import_module(router.TRAINERS).DeepseekV3TopkRouter.forward.__module__)
print(importlib.import_module(router.ENGINES).GateLinear.__name__)
"""


@pytest.mark.full
def test_the_router_is_replaced_when_transformers_and_vllm_are_imported(verl):
    assert verl("cpu").ask(HOOKED).split()[-2:] == ["mathrl.models.router", "Float32Gate"]


def test_a_deterministic_training_on_gpus_asks_for_other_kernels(config, resolve):
    config["training"] |= {"deterministic": True}
    answer = resolve(overrides(config))
    assert answer.startswith("RESOLVED"), answer
    found = json.loads(answer.removeprefix("RESOLVED"))
    assert found["trainer"]["deterministic"] is True
    assert found["actor_rollout_ref"]["actor"]["fsdp_config"]["full_determinism"] is True
    assert found["actor_rollout_ref"]["rollout"]["enable_prefix_caching"] is False
    assert found["ray_kwargs"]["ray_init"]["runtime_env"]["env_vars"]["VLLM_BATCH_INVARIANT"] == "1"


NAMED = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    module, _, last = name.rpartition(".")
    getattr(importlib.import_module(module), last)
"""


def test_what_verl_loads_of_ours_by_name_is_there(config, verl):
    named = [value for value in overrides(config, accelerator="cpu").values() if str(value).startswith("mathrl.")]
    assert any("Checkpoints" in name for name in named)
    verl("cpu").ask(NAMED, json.dumps(named))


def test_nothing_of_the_cpu_is_in_a_gpu_run(config):
    text = json.dumps(overrides(config))
    assert "mathrl.verl.cpu" not in text and "trainer.device" not in text
    variables = verl_environment("cuda")
    assert not {"VERL_PLATFORM", "VERL_ENGINE_DEVICE"} & set(variables)
    assert variables["VERL_USE_EXTERNAL_MODULES"] == "mathrl.verl.plugin"


def test_cpu_configuration_is_accepted_by_verl(root, config, resolve):
    overlay = yaml.safe_load((root / "profiles/demo/demo.yaml").read_text())
    demo = reading.merge(config, overlay)
    answer = resolve(overrides(demo, accelerator="cpu"), "cpu")
    assert answer.startswith("RESOLVED"), answer
    found = json.loads(answer.removeprefix("RESOLVED"))
    assert found["trainer"]["device"] == "cpu"
    assert found["actor_rollout_ref"]["rollout"]["engine_kwargs"]["vllm"]["distributed_executor_backend"] == "uni"


@pytest.mark.parametrize("accelerator", ["cuda", "cpu"])
def test_classes_that_verl_loads_by_name_are_there(root, config, accelerator):
    given = overrides(config, accelerator=accelerator)
    assert given.pop(HOOK) == "mathrl.verl.doors.close"  # a function, which Ray calls: test_doors.py
    names = [value for value in given.values() if str(value).startswith("mathrl.")]
    assert len(names) == {"cuda": 1, "cpu": 2}[accelerator]
    for name in names:
        module, _, found = name.rpartition(".")
        assert f"class {found}" in (root / "scripts" / module.replace(".", "/")).with_suffix(".py").read_text(), name


def test_an_engine_over_two_ranks_keeps_its_processes(config):
    config["training"] |= {"gpus": 2, "tensor_parallel": 2}
    assert not [key for key in overrides(config, accelerator="cpu") if "distributed_executor_backend" in key]


def test_a_cluster_that_is_there_is_not_told_its_size(config, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    overlay = {"training": {"gpus": 1, "train_batch_size": 12, "mini_batch_size": 12}}
    keys = overrides(reading.merge(config, overlay), accelerator="cpu")
    init = {key: value for key, value in keys.items() if "ray_init" in key}
    # verl's driver may run on any node: where the events go must not depend on the environment of this one
    assert init == {"+ray_kwargs.ray_init.runtime_env.env_vars.TENSORBOARD_DIR": "c/tensorboard", HOOK: "mathrl.verl.doors.close"}


def test_verl_refuses_in_one_line(config, resolve):
    config["training"]["verl"] = {"actor_rollout_ref.actor.clip_rate_high": 0.28}
    answer = resolve(overrides(config))
    assert answer.startswith("REFUSED") and "clip_rate_high" in answer


def test_raw_overrides_come_last(config):
    config["training"]["verl"] = {"actor_rollout_ref.actor.clip_ratio_high": 0.28}
    keys = overrides(config)
    assert "actor_rollout_ref.actor.clip_ratio_high=0.28" in grpo_config.arguments(keys)


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
    stage = Stage(train_batch_size=batch, mini_batch_size=mini, rollout_n=n, gpus=gpus)
    found = batches.check_batches(stage)
    assert (found == []) if notice is None else (notice in found[0])


def test_batches_that_do_not_divide_are_refused_with_the_nearest():
    stage = Stage(train_batch_size=265, rollout_n=5)
    with pytest.raises(
        UserError, match=r"train_batch_size 265 times rollout_n 5 must .* train_batch_size 258, 264, 270; or so many GPUs: 1, 5"
    ):
        batches.check_batches(stage)


def test_a_number_of_gpus_that_does_not_divide_is_refused_with_what_works(config):
    config["training"]["gpus"] = 5
    with pytest.raises(UserError, match=r"train_batch_size 260, 265, 270; mini_batch_size 65, 70, 75; or so many GPUs: 3, 4, 6"):
        batches.check_batches(stage_of(config), "run grpo")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tensor_parallel": 4}, "6 GPUs do not divide into engines of tensor_parallel 4; nearest that do: 2, 3, 6"),
        ({"dynamic_batch": True, "max_tokens_per_gpu": 2048}, "max_tokens_per_gpu 2048 holds no whole sequence; write 2560 or more"),
        ({"algorithm": "supervised", "nodes": 2}, "a supervised stage trains on one node; write nodes: 1 there"),
    ],
)
def test_what_verl_would_refuse_hours_later_is_refused_at_once(config, changes, message):
    with pytest.raises(UserError, match=message):
        batches.check_batches(stage_of(config, **changes), "run grpo")


def test_a_micro_batch_that_does_not_divide_is_refused_with_the_nearest(config):
    config["training"]["micro_batch_size"] = 5
    with pytest.raises(UserError, match=r"micro_batch_size 5 must divide the 72 samples that a GPU has .* nearest that do: 3, 4, 6"):
        batches.check_batches(stage_of(config), "run grpo")


def test_a_supervised_stage_is_not_refused_for_what_it_never_uses(config):
    unused = {"algorithm": "supervised", "micro_batch_size_log_prob": 7, "tensor_parallel": 4, "mini_batch_size": 7, "rollout_n": 7}
    assert batches.check_batches(stage_of(config, **unused), "run s") == []
    with pytest.raises(UserError, match="micro_batch_size 5 must divide the 44 samples"):
        batches.check_batches(stage_of(config, **unused, micro_batch_size=5), "run s")


# What a variant changes in verl's resolved configuration at full size; all else is as in the report's run, but for the mini-batch.
VARIANTS = {
    "grpo-unpadded": {"actor_rollout_ref.actor.ppo_mini_batch_size": 88},
    "grpo-fast": {
        "actor_rollout_ref.actor.use_dynamic_bsz": True,
        "actor_rollout_ref.rollout.log_prob_use_dynamic_bsz": True,
        "actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu": 16384,
        "actor_rollout_ref.model.use_remove_padding": True,  # or one long response among short ones would not fit any GPU
        "actor_rollout_ref.actor.use_remove_padding": True,
        "actor_rollout_ref.model.use_fused_kernels": True,
        "actor_rollout_ref.actor.use_fused_kernels": True,
    },
    "dapo": {
        "actor_rollout_ref.actor.clip_ratio_low": 0.2,
        "actor_rollout_ref.actor.clip_ratio_high": 0.28,
        "actor_rollout_ref.actor.loss_agg_mode": "token-mean",
        "algorithm.filter_groups.enable": True,
        "algorithm.filter_groups.metric": "acc",
        "reward.reward_manager.name": "dapo",
        "reward.reward_kwargs.max_resp_len": 512,
        "reward.reward_kwargs.overlong_buffer_cfg.len": 128,
    },
    "gspo": {
        "actor_rollout_ref.actor.policy_loss.loss_mode": "gspo",
        "actor_rollout_ref.actor.loss_agg_mode": "seq-mean-token-mean",
        "actor_rollout_ref.actor.clip_ratio_low": 3e-4,
        "actor_rollout_ref.actor.clip_ratio_high": 4e-4,
    },
    "dr-grpo": {
        "algorithm.norm_adv_by_std_in_grpo": False,
        "actor_rollout_ref.actor.loss_agg_mode": "seq-mean-token-sum-norm",
        "actor_rollout_ref.actor.loss_scale_factor": 512,
    },
    "lengthen/long": {"data.max_response_length": 2048, "actor_rollout_ref.rollout.max_model_len": 4096},
}


def test_each_variant_is_on_and_none_has_kl(config, resolve):
    for name in VARIANTS:
        run, _, stage = name.partition("/")
        assert batches.check_batches(stage_of(config, run, stage or "main")) == []
        answer = resolve(keys_of(config, run, stage or "main"))
        assert answer.startswith("RESOLVED"), answer
        resolved = json.loads(answer.removeprefix("RESOLVED"))
        for key, wanted in VARIANTS[name].items():
            value = resolved
            for part in key.split("."):
                value = value[part]
            assert value == wanted, f"{name}: {key}"
        assert resolved["actor_rollout_ref"]["actor"]["use_kl_loss"] is False, name
        assert resolved["algorithm"]["use_kl_in_reward"] is False, name


def test_the_list_of_verls_keys_is_that_of_the_installed_verl():
    """Raw keys are held against it before anything is queued, where verl is not installed."""
    for algorithm, trainer in verl_keys.TRAINERS.items():
        assert verl_keys.known(algorithm) == set(grpo_config.all_keys(trainer))


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
        (json.dumps({"log": "/münchen/v.log", "options": {"pattern": r"\d+\\", "text": 'two\nlines, "quoted"'}}), None),
        ("ends with \\", None),
        ('\\"a\\\\"', None),
    ],
)
def test_values_survive_hydras_grammar(value, text):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    argument = grpo_config.arguments({"+key": value})[0]
    assert text is None or argument == f"+key={text}"
    assert OverridesParser.create().parse_override(argument).value() == value


def test_a_weight_sync_has_room_for_the_largest_weight(tmp_path, config):
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 49152, "hidden_size": 576}))
    key = "actor_rollout_ref.rollout.checkpoint_engine.update_weights_bucket_megabytes"
    for model, megabytes in ((tmp_path, 109), (tmp_path / "nowhere", 64)):
        found = keys_of(config, accelerator="cpu", model=model)
        assert found[key] == megabytes
