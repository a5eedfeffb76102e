"""Every bad key gets one clear line before any job; defaults and schema do not drift apart."""

import copy
import re

import pytest
import yaml
from mathrl.config import documents, experiment, model_names, reading, runs, validation
from mathrl.config.stage import Lora, Stage
from mathrl.core.files import UserError
from mathrl.data import downloads
from mathrl.data.downloads import pin_rows
from mathrl.verl import grpo_config

TERMS = "reward.custom_reward_function.reward_kwargs.terms"
DELETE = "(the key is taken out)"


@pytest.fixture
def schema(root):
    return yaml.safe_load((root / "rules/schemas/config.schema.yaml").read_text())


@pytest.fixture
def pins(root):
    rows = pin_rows(root / "pins.tsv")
    return lambda _: rows


def change(config, key, value):
    changed = copy.deepcopy(config)
    *path, last = key.split(".")
    place = changed
    for part in path:
        place = place[part]
    if value == DELETE:
        del place[last]
    else:
        place[last] = value
    return changed


def test_shipped_config_is_valid(config, pins):
    _, notices = validation.validate(config, pins)
    assert any("1584 to 1728" in notice for notice in notices), "264/72 is padded by verl: a user must see it"


def test_demo_overlay_is_valid(config, schema, root):
    overlay = yaml.safe_load((root / "profiles/demo/demo.yaml").read_text())
    demo = reading.merge(config, overlay)
    assert validation.validate(demo, lambda path: pin_rows(root / path))[1] == []


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


def test_defaults_of_the_models_are_the_files(config):
    """config.yaml is the finalist's experiment, and so are the models: nobody gets other values by leaving a key out."""
    assert experiment.Configuration().model_dump(exclude={"runs", "demo"}) == experiment.spelled_out(config).model_dump(
        exclude={"runs", "demo"}
    )


def test_schema_and_page_are_written_from_the_models(root):
    assert (root / "rules/schemas/config.schema.yaml").read_text() == documents.schema_text()
    assert (root / "docs/reference/configuration.md").read_text() == documents.page()


# Another value of each key that says it sets keys of verl.
OTHER = {
    "gpus": 3, "nodes": 2, "epochs": 2, "steps": 7, "train_batch_size": 528, "mini_batch_size": 88, "micro_batch_size": 2, "rollout_n": 12,
    "max_prompt_length": 100, "max_response_length": 100, "temperature": 0.5, "learning_rate": 1e-6, "warmup_steps": 3,
    "normalize_advantage": False, "policy_loss": "gspo", "loss_aggregation": "seq-mean-token-sum-norm", "clip_low": 0.1, "clip_high": 0.28,
    "entropy_coefficient": 0.1, "dynamic_sampling": True, "skipping": {},
    "overlong_penalty": {"buffer": 8, "factor": 0.5}, "rollout_correction": 2.0,
    "dtype": "float32", "seed": 2, "deterministic": True, "validate_before": False, "validate_every": 3, "save_every": 3,
    "rollouts_per_step": 0, "micro_batch_size_log_prob": 2, "dynamic_batch": True, "max_tokens_per_gpu": 5000,
    "trackers": ["wandb"],
    "advantage": "rloo", "dual_clip": 4.0, "gate_positive": 2.0, "gate_negative": 2.0, "clip_cov_share": 0.1, "clip_cov_low": 0.5,
    "clip_cov_high": 6.0, "kl_cov_share": 0.1, "kl_cov_coefficient": 1.0,
    "gradient_checkpointing": False, "gpu_memory_utilization": 0.4, "tensor_parallel": 2, "reward": {"terms": {"correct": 1.0}},
    "lora": Lora(rank=4, targets=("q_proj",)),
}  # fmt: skip


def test_what_the_models_say_of_verls_keys_is_what_verl_gets():
    """A key that claims one of verl's changes it; a key that claims none changes none."""

    def keys(**changes):
        stage = Stage(**changes)
        plan = grpo_config.overrides(stage, accelerator="cuda", model="m")
        found = plan | grpo_config.places(stage, train_file="t", validation_file="v", checkpoints="c", run="r", store="s")
        return {key.lstrip("+"): value for key, value in found.items()}

    before = keys()
    for name, field in Stage.model_fields.items():
        claimed = set((field.json_schema_extra or {}).get("verl", [])) | ({TERMS} if name == "reward" else set())
        after = keys(**{name: OTHER[name]}) if name in OTHER else before
        assert name in OTHER or not claimed, name
        changed = {key for key in {*before, *after} if before.get(key, ...) != after.get(key, ...)}
        assert claimed <= changed, f"{name}: {claimed - changed} stay as they are"
        assert not name.startswith("clip") or claimed == changed


def test_the_table_of_our_keys_and_verls_is_whole(schema, root):
    table = (root / "docs/reference/training.md").read_text().split("What the finalist does not state")[0]
    keys = {key for line in table.splitlines() if line.startswith("|") for key in re.findall(r"`(\w+)", line.split("|")[1])}
    assert set(schema["properties"]["training"]["properties"]) - keys == set()


PROTOCOL = {
    "prompt": "training", "temperature": 0.6, "top_p": 0.95, "n": 4, "greedy": True, "max_tokens": 512, "seed": 0, "grader": "ours",
    "extraction": "strict",
}  # fmt: skip
# What a case of BAD needs besides its own key.
BESIDE = {
    "training.sources": ("data.filters.sources", ["gsm8k"]),
    "training.difficulty": ("data.difficulty_bands", [0.6, 0.3]),
    "training.remove": ("embedding_model", None),
    "decontamination.remove": ("decontamination.methods", ["exact"]),
    "evaluation.protocols.finalist.n": ("evaluation.protocols.finalist.greedy", False),
}

# key, value, what the message must hold
BAD = [
    ("trainning", {}, "unknown key 'trainning'; did you mean 'training'?"),  # a slip of the pen
    ("training.lerning_rate", 1e-5, "unknown key 'training.lerning_rate'; did you mean 'learning_rate'? every key is in docs"),
    ("training.extra_layers", 2, "extra_layers: only a supervised stage may put layers on its model"),
    ("training.extra_layers", -1, "training.extra_layers is -1"),
    ("training.xyzzy", 1, "unknown key 'training.xyzzy'; every key is in docs/reference/configuration.md"),
    ("runs.fast", {"training": {"steps": 3}}, "unknown key 'training'; a run and a stage take the keys of training without that word"),
    ("training.train_batch_size", -264, "training.train_batch_size is -264; it must be at least 1"),
    ("training.train_batch_size", "264", "training.train_batch_size is '264'; it must be integer"),  # quoted in YAML
    ("training.lora", {"rank": 0}, "training.lora.rank is 0; it must be at least 1"),
    ("training.lora", {"ranks": 8}, "unknown key 'training.lora.ranks'"),
    ("training.lora", {"targets": "attention"}, "training.lora.targets"),
    ("training.reshard", True, "reshard: names no checkpoints; write adopt: '<name of the directory below checkpoints/grpo/main>' too"),
    ("training.learning_rate", "1e-5x", "it must be number"),
    ("training.learning_rate", "1e+999", "finite number"),
    ("base_model", "Qwen/Qwen2.5-Math-1.5B", "names no commit; write organisation/name@ and all 40 digits"),
    ("base_model", "./nowhere", "base_model: './nowhere' is no directory, no organisation/name@commit and no name in the table"),
    ("embedding_model", "docs", "unknown model 'docs'; pins.tsv knows: openseek, minilm"),
    ("models", {"q": "Qwen/Qwen2.5-Math-1.5B@main"}, "models.q: 'Qwen/Qwen2.5-Math-1.5B@main' is no directory and no model of pins.tsv"),
    ("training.verl", {"actor_rollout_ref.actor.clip_ratio_hgih": 0.3}, "did you mean 'actor_rollout_ref.actor.clip_ratio_high'?"),
    ("training.verl", {"actor.clip": 0.3}, "verl has no key 'actor.clip'; A key that is new"),
    ("training.learning_rate", 0, "it must be more than 0"),
    ("training.rollout_n", 1, "a group of one has no advantage"),
    ("training.dtype", "fp16", "it may be bfloat16, float32"),
    ("training.gpus", 0, "at least 1"),
    ("notices.command", "mail", "notices.command is 'mail'; it must be list or null"),
    ("notices.command", [], "it must hold at least 1"),
    ("notices.webhook", "https://hooks.example.org/T0P", "WEBHOOK_URL; a URL itself belongs into no file: export it"),
    ("notices.key", "my token", "notices.key: must be the name of an environment variable, such as OPENAI_API_KEY"),
    ("notices.wehbook", "MY_URL", "unknown key 'notices.wehbook'; known here: command, key, webhook"),
    ("training.nodes", 0, "hosts of a training job"),
    ("runs.grpo", {"rollout_n": 5, "train_batch_size": 265}, "must divide by 6 GPUs; nearest that do: train_batch_size 258, 264, 270"),
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
    ("evaluation.select", ["raport"], "unknown protocol 'raport'; known: finalist, contest"),
    ("evaluation.primary", DELETE, "evaluation lacks the key 'primary'"),
    ("evaluation.protocols.finalist.n", -1, "evaluation.protocols.finalist.n is -1"),
    ("runs", {"grpo": {}, "scores.csv": {}}, "runs.scores.csv: this name is taken"),
    (
        "evaluation.protocols.finalist.temperature",
        float("nan"),
        "evaluation.protocols.finalist.temperature is nan; it must be a finite number",
    ),
    ("training.validate_every", 0, "training.validate_every is 0; it must be at least 1"),
    ("training.save_every", 0, "training.save_every is 0; it must be at least 1"),
    ("training.budget.gpu_hours", 0, "training.budget.gpu_hours is 0; it must be more than 0"),
    ("training.budget.tokens", -1, "training.budget.tokens is -1; it must be at least 1"),
    ("training.solve_rate", [0.9, 0.1], "solve_rate [0.9, 0.1] holds no rate; write the lowest first: [0.1, 0.9]"),
    ("training.overlong_penalty", {"buffer": 513, "factor": 1.0}, "overlong_penalty.buffer 513 is more than max_response_length 512"),
    ("training.sources", ["math"], "sources: data.filters.sources leaves out 'math'"),
    ("training.difficulty", [1, 4], "difficulty: there is no band 4; the 2 cut-offs of data.difficulty_bands make 3"),
    ("training.remove", ["semantic"], "remove: semantic needs a model; name one as embedding_model"),
    ("decontamination.remove", ["fuzzy"], "remove: fuzzy needs the method fuzzy; add it to decontamination.methods"),
    ("data.difficulty_bands", [], "data.difficulty_bands"),
    ("reward.terms", {"corect": 1.0}, "reward term 'corect' is neither correct, format, answer_format nor 'module:function'"),
    ("reward.terms", {"correct": 1.0, "mine:correct": 1.0}, "would share one curve"),
    ("select", ["grpo", "grpo"], "select"),
    ("evaluation.protocols.finalist.n", 0, "n 0 without greedy asks for no response"),
    ("evaluation.protocols.model", PROTOCOL, "evaluation.protocols.model: this name is taken"),
    ("evaluation.protocols.main", PROTOCOL, "runs.grpo: stage 'main' has the name of a protocol"),
    ("runs.s", {"stages": []}, "runs.s.stages"),
    ("runs.s", {"seeds": []}, "runs.s.seeds"),
    ("runs.s", {"seeds": [1, 1]}, "runs.s.seeds"),
    ("runs.s", {"sweep": {}}, "runs.s.sweep"),
    ("runs.s", {"sweep": {"rollout_n": []}}, "runs.s.sweep.rollout_n"),
    ("training.validation_benchmark", "svamp", "validation_benchmark 'svamp' is not in benchmarks"),
    ("decontamination.fuzzy_similarity", 85, "at most 1"),  # percent for a share
    ("launcher", {"hosts": ["-oProxyCommand=x"], "command": "ssh {host} {command}"}, "launcher.hosts.0 is '-oProxyCommand=x'; it must be"),
    ("launcher", {"hosts": ["a;b"], "command": "ssh {host} {command}"}, "launcher.hosts.0 is 'a;b'; it must be of the form"),
    ("launcher", {"hosts": ["{command}"], "command": "ssh {host} {command}"}, "launcher.hosts.0 is '{command}'; it must be of the form"),
    ("launcher", {"hosts": ["a"], "command": "ssh '{host} {command}"}, "cannot be read as words (No closing quotation); mend its quotes"),
    ("launcher", {"hosts": ["a", "b"], "command": "sh -c {command}"}, "reaches one host where launcher.hosts names 2; write {host}"),
]


@pytest.mark.parametrize(("key", "value", "message"), BAD, ids=[f"{k}={v!r:.30}" for k, v, _ in BAD])
def test_bad_values_are_named(config, pins, key, value, message):
    if key in BESIDE:
        config = change(config, *BESIDE[key])
    with pytest.raises(UserError) as error:
        validation.validate(change(config, key, value), pins)
    assert message in str(error.value) or str(error.value).endswith(message)
    assert "\n" not in str(error.value)


def test_stages_override_runs_override_defaults(config):
    config["runs"]["long"] = {"rollout_n": 8, "stages": [{"name": "short"}, {"name": "long", "max_response_length": 1024, "rollout_n": 4}]}
    found = experiment.spelled_out(config)
    assert runs.stages(found, "long") == ["short", "long"]
    first, second = (found.stage("long", name) for name in ("short", "long"))
    assert (first.rollout_n, first.max_response_length) == (8, 512)
    assert (second.rollout_n, second.max_response_length) == (4, 1024)


def test_a_run_or_a_stage_may_have_a_reward_of_its_own(config, pins):
    """It takes the place of the whole reward, terms that it leaves out included; other runs keep the file's."""
    own = {"reward": {"terms": {"correct": 1.0}}, "mini_batch_size": 88}
    config["runs"]["control"] = own | {"stages": [{"name": "a"}, {"name": "b", "reward": {"terms": {"format": 1.0}}}]}
    found, _ = validation.validate(config, pins, asked={"control"})
    terms = {stage: found.stage("control", stage).reward.terms for stage in ("a", "b")}
    assert terms == {"a": {"correct": 1.0}, "b": {"format": 1.0}}
    assert found.stage("grpo", "main").reward.terms == {"format": 0.1, "correct": 0.9}
    config["runs"]["control"]["reward"] = {"terms": {"corect": 1.0}}
    with pytest.raises(UserError, match=r"config: run control, stage a: reward.terms: reward term 'corect' is neither"):
        validation.validate(config, pins)


def test_a_number_that_yaml_reads_as_text_is_taken(config, pins):
    """YAML 1.1 wants a point in 1e-6; so do PyYAML and Snakemake. An integer stays one: the fingerprint knows 1 from 1.0."""
    config["training"] |= yaml.safe_load("{learning_rate: 1e-6, clip_high: 1}")
    assert config["training"]["learning_rate"] == "1e-6"
    stage = validation.validate(config, pins)[0].stage("grpo", "main")
    assert stage.learning_rate == 1e-6 and isinstance(stage.clip_high, int)


def test_raw_keys_of_verl_that_it_has_or_that_are_new_are_taken(config, pins):
    new = "+actor_rollout_ref.rollout.engine_kwargs.vllm.max_logprobs"
    config["training"]["verl"] = {"actor_rollout_ref.actor.clip_ratio_high": 0.28, new: 5, "~trainer.balance_batch": None}
    assert set(validation.validate(config, pins)[0].stage("grpo", "main").verl) == set(config["training"]["verl"])


def test_a_model_is_named_by_hub_and_commit_or_by_its_directory(config, pins, tmp_path):
    """Without a row of pins.tsv, or a copy of that file."""
    commit = "4a83ca6e4526a4f2da3aa259ec36c259f66b2ab2"
    (tmp_path / "mine.v1").mkdir()
    (tmp_path / "mine.v1/config.json").write_text("{}")
    (tmp_path / "mine.v1/model.safetensors").touch()
    config |= {"base_model": f"Qwen/Qwen2.5-Math-1.5B@{commit}", "embedding_model": str(tmp_path / "mine.v1")}
    config["models"] = {"hub": config["base_model"]}
    found, _ = validation.validate(config, pins)
    assert runs.model_source(found, "hub", {}) == ("pin", "Qwen--Qwen2.5-Math-1.5B-4a83ca6e")
    rows = downloads.rows_of_models([found.base_model, found.embedding_model])
    hub, local = rows["Qwen--Qwen2.5-Math-1.5B-4a83ca6e"], rows[model_names.place(found.embedding_model)]
    assert (hub["source"], hub["id"]) == ("huggingface", "Qwen/Qwen2.5-Math-1.5B")
    assert (local["source"], local["id"]) == ("file", found.embedding_model)
    pin = downloads.find_pin(tmp_path / "no table", hub["name"], "model")
    assert (str(pin.origin), pin.name) == (f"huggingface:Qwen/Qwen2.5-Math-1.5B@{commit}", "Qwen--Qwen2.5-Math-1.5B-4a83ca6e")
    assert pin.wants("model-00001-of-00002.safetensors") and not pin.wants("pytorch_model.bin")


def test_numbers_on_the_command_line_are_numbers(config):
    """Snakemake gives the values of --config key={…} as text."""
    given = {"training": {"steps": "20", "learning_rate": "0.0001", "validate_before": "false", "dtype": "float32"}}
    typed = reading.from_command_line(reading.merge(config, given), given, yaml.safe_load)["training"]
    assert (typed["steps"], typed["learning_rate"], typed["validate_before"], typed["dtype"]) == (20, 0.0001, False, "float32")
    assert typed["rollout_n"] == 6
    given = {"runs": {"new": {"seeds": ["1"], "stages": [{"name": "a", "steps": "3", "difficulty": ["1", "2"]}]}}}
    typed = reading.from_command_line(reading.merge(config, given), given, yaml.safe_load)["runs"]["new"]
    assert typed == {"seeds": [1], "stages": [{"name": "a", "steps": 3, "difficulty": [1, 2]}]}


def test_seeds_and_sweeps_become_runs(config):
    config["runs"]["lengths"] = {"sweep": {"rollout_n": [4, 6], "max_response_length": [512, 1024]}}
    config["runs"]["three"] = {"seeds": [1, 2, 3], "clip_high": 0.28}
    config["select"] = ["grpo", "lengths", "three"]
    groups = reading.expanded(config)[1]
    found = experiment.spelled_out(config)
    swept = [f"lengths-rollout_n-{n}-max_response_length-{length}" for n in (4, 6) for length in (512, 1024)]
    assert found.select == ("grpo", *swept, "three-seed-1", "three-seed-2", "three-seed-3")
    assert found.stage(swept[1], "main").max_response_length == 1024
    second = found.stage("three-seed-2", "main")
    assert (second.seed, second.clip_high) == (2, 0.28)
    assert groups["three-seed-2"] == {"group": "three", "seed": 2} and groups["grpo"] == {"group": "grpo", "seed": 1}


def test_a_replicate_starts_from_the_replicate_of_its_seed(config, pins):
    config["runs"] = {
        "a": {"mini_batch_size": 88, "seeds": [1, 2, 3]},
        "b": {"mini_batch_size": 88, "seeds": [1, 2, 3], "stages": [{"name": "x", "start_from": "a"}, {"name": "y"}]},
        "wide": {"mini_batch_size": 88, "seeds": [2], "start_from": "a", "sweep": {"clip_high": [0.2, 0.3]}},
        "one": {"mini_batch_size": 88, "start_from": "wide-clip_high-0.3"},  # a single run stands for itself
    }
    config["select"] = ["b", "wide-clip_high-0.3"]
    found, notices = validation.validate(config, pins)
    assert notices == []
    starts = {(run, stage): runs.start_of(found, run, stage) for run in found.runs for stage in runs.stages(found, run)}
    assert [starts[f"b-seed-{seed}", "x"] for seed in (1, 2, 3)] == [("run", f"a-seed-{seed}") for seed in (1, 2, 3)]
    assert starts["b-seed-2", "y"] == ("stage", "x") and starts["wide-clip_high-0.2-seed-2", "main"] == ("run", "a-seed-2")
    assert starts["one", "main"] == ("run", "wide-clip_high-0.3-seed-2")
    assert found.select[-1] == "wide-clip_high-0.3-seed-2"
    assert config["runs"]["b"]["stages"][0]["start_from"] == "a", "the configuration itself is not changed"


def test_the_stages_of_a_run_share_its_budget(config):
    config["runs"]["sft"] = {
        "budget": {"gpu_hours": 100},
        "stages": [
            {"name": "warm", "algorithm": "supervised", "solutions": "s.parquet", "budget": {"gpu_hours": None}},
            {"name": "easy"},
            {"name": "hard", "budget": {"gpu_hours": 30}},
        ],
    }
    found = experiment.spelled_out(config)
    assert runs.run_budget(found, "sft").model_dump() == {"tokens": None, "gpu_hours": 100}
    assert found.stage("sft", "hard").budget.gpu_hours == 30
    assert [runs.sharing_budget(found, "sft", stage) for stage in ("warm", "easy", "hard")] == [[], [], ["easy"]]
    assert runs.sharing_budget(found, "curriculum", "hard") == [], "without a budget nothing is shared"


@pytest.mark.parametrize(
    ("changes", "notice"),
    [
        ({"keep_every": 500}, "keep_every 500 keeps every 1000th step only"),
        ({"solve_rates": "own", "difficulty": [4, 5]}, "solve_rate: [0.01, 0.99] leaves them out"),
        ({"solve_rates": "own", "difficulty": [4, 5], "solve_rate": [0.01, 0.99]}, None),
        ({"solve_rates": "own", "difficulty": [1, 2]}, None),
    ],
)
def test_what_works_and_may_surprise_is_noticed(config, pins, changes, notice):
    config["runs"]["odd"] = {"mini_batch_size": 88, **changes}
    config["select"] = ["odd"]
    _, notices = validation.validate(config, pins)
    assert (len(notices) == 1 and notice in notices[0]) if notice else notices == []


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"a": {"start_from": "nowhere"}}, "start_from: unknown run 'nowhere'"),
        ({"a": {"start_from": "b"}, "b": {"start_from": "a"}}, "goes round in a circle: a → b → a"),
        ({"a": {"algorithm": "supervised"}}, "needs `solutions`"),
        ({"a": {"sweep": {"rollout_m": [1]}}}, "unknown key 'rollout_m'"),
        ({"a": {"seeds": [1]}, "a-seed-1": {}}, "two runs are called 'a-seed-1'"),
        ({"a": {"sweep": {"rollout_n": [4]}, "seeds": [1, 2]}, "a-rollout_n-4": {}}, "two runs are called 'a-rollout_n-4'"),
        ({"a": {"stages": [{"name": "model"}]}}, "runs.a.stages: 'model' is taken by what else lies in results/a/"),
        ({"a": {"stages": [{"name": "generation"}]}}, "'generation' is taken"),
        ({"a": {"stages": [{"name": "manifest.json"}]}}, "'manifest.json' is taken"),
        ({"a": {"stages": [{"name": "finalist"}]}}, "stage 'finalist' has the name of a protocol"),
        ({"a": {"stages": [{"name": "x"}, {"name": "x"}]}}, "two stages are called 'x'"),
        (
            {"a": {"sweep": {"clip_high": [0.2]}, "stages": [{"name": "x", "clip_high": 0.3}]}},
            "sweep over clip_high would not change stage x",
        ),
        ({"a": {"seeds": [1, 2], "stages": [{"name": "x", "seed": 3}]}}, "seeds would not change stage x, which sets seed itself"),
        ({"a": {"sweep": {"seed": [1, 2]}, "seeds": [1, 2]}}, "a sweep over seed beside seeds"),
        ({"a": {"sweep": {"stages": [1, 2]}}}, "runs.a.sweep: unknown key 'stages'"),
        ({"a": {"sweep": {"solutions": ["x/y.parquet"]}}}, "'x/y.parquet' cannot be part of a run's name"),
        ({"previous": {}}, "runs.previous: this name is taken"),
        ({"samples": {}}, "runs.samples: this name is taken"),
        (
            {"a": {"start_from": "b"}, "b": {"seeds": [1, 2]}},
            r"run a: start_from: 'b' stands for b-seed-1, b-seed-2; .* seeds: \[1, 2\] too",
        ),
        (
            {"a": {"start_from": "b", "seeds": [2, 3]}, "b": {"seeds": [1, 2]}},
            "run a-seed-3: start_from: 'b' stands for b-seed-1, b-seed-2",
        ),
        (
            {"a": {"start_from": "b"}, "b": {"sweep": {"clip_high": [0.2, 0.3]}}},
            "'b' stands for b-clip_high-0.2, b-clip_high-0.3; name one",
        ),
        (
            {
                "a": {"stages": [{"name": "x"}, {"name": "y", "start_from": "b"}]},
                "b": {"stages": [{"name": "x"}, {"name": "y", "start_from": "a"}]},
            },
            "goes round in a circle: a/y → b/y → a/y",
        ),
        ({"a": {"stages": [{"name": "x"}, {"name": "y", "start_from": "a"}]}}, "goes round in a circle: a/y → a/y"),
        (  # x waits for b, b for y, and y for what x leaves of the budget
            {
                "a": {"budget": {"tokens": 9}, "stages": [{"name": "x", "start_from": "b"}, {"name": "y", "start_from": "base"}]},
                "b": {"start_from": "a"},
            },
            "goes round in a circle: a/x → b → a/y → a/x",
        ),
    ],
)
def test_runs_that_cannot_be_are_refused(config, pins, runs, message):
    config["runs"] = {"grpo": {}, **runs}
    with pytest.raises(UserError, match=message) as error:
        validation.validate(config, pins)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"budget": {"tokens": 9}}, "run s, stage main: budget: steps alone end a supervised stage"),
        ({"solutions": "nowhere.parquet"}, "solutions: no such file: nowhere.parquet"),
        ({"algorithm": "grpo", "solve_rates": "own", "difficulty": [1]}, "raise data.own_solve_rates.n"),
    ],
)
def test_a_stage_to_be_trained_is_looked_at_more_closely(config, pins, root, own, message):
    config["data"]["own_solve_rates"]["n"] = 1
    config["runs"]["s"] = {"mini_batch_size": 88, "algorithm": "supervised", "solutions": str(root / "pins.tsv"), **own}
    validation.validate(config, pins)  # nothing trains it
    with pytest.raises(UserError, match=message):
        validation.validate(config, pins, asked={"s"})  # a target on the command line
    config["runs"]["after"] = {"mini_batch_size": 88, "start_from": "s"}
    for select in (["s"], ["after"]):
        config["select"] = select
        with pytest.raises(UserError, match=message):
            validation.validate(config, pins)


@pytest.mark.parametrize("key", ["runs", "models", "evaluation.protocols"])
def test_a_name_that_ends_in_a_newline_is_none(config, pins, key):
    *path, last = key.split(".")
    changed = copy.deepcopy(config)
    place = changed[path[0]] if path else changed
    first = next(iter(place[last].values()), "openseek")
    place[last] = {**place[last], "mine\n": first}
    with pytest.raises(UserError, match="mine"):
        validation.validate(changed, pins)
