"""One stage of training: every key of `training`, with what verl calls it and what the finalist set it to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints
from pydantic_core import PydanticCustomError

from mathrl.config.process import Process
from mathrl.config.reward_terms import Terms
from mathrl.config.section import (
    SILENT,
    STATED,
    Count,
    Distinct,
    Dtype,
    Name,
    NotNegative,
    Number,
    Positive,
    PositiveShare,
    Section,
    Several,
    Share,
    UsersFile,
    WholeNumber,
    key,
)
from mathrl.config.sources import AddedRows, Removing

A, R = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
NOT_IN_VERL = {
    "gdpo": "fails in verl 0.9.1's trainer: it needs a score per reward term, and the trainer keeps one per response; use grpo",
    "remax": "fails in verl 0.9.1's trainer: it needs the reward of a greedy response, which the trainer does not sample; use rloo",
    "optimal_token_baseline": "fails in verl 0.9.1's trainer: it needs sums of squared probabilities, which never reach it; use opo",
}
"""Advantage estimators that verl has a function for and its trainer cannot compute."""


def _can_be_computed(value: Any) -> Any:
    if isinstance(value, str) and value in NOT_IN_VERL:
        raise PydanticCustomError("not_in_verl", "{reason}", {"reason": NOT_IN_VERL[value]})
    return value


Advantage = Annotated[
    Literal["grpo", "rloo", "opo", "reinforce_plus_plus", "reinforce_plus_plus_baseline", "grpo_passk", "maxrl"] | UsersFile,
    BeforeValidator(_can_be_computed),
]


class Reward(Section):
    """The reward of a response: weighted terms, summed, and what its reasoning steps are worth."""

    terms: Annotated[Terms, Field(min_length=1)] = key(
        {"format": 0.1, "correct": 0.9},
        "weight by term: format (a box is there), correct (its answer is right), answer_format, FILE.py:function or module:function; a "
        "mapping in place of the weight tells a function of yours more",
        verl=("reward.custom_reward_function.reward_kwargs.terms",),
    )
    process: Process | None = key(
        None,
        "scores of reasoning steps besides, by verifiers; null: none",
        verl=("reward.custom_reward_function.path", "reward.custom_reward_function.reward_kwargs.process"),
    )


class OverlongPenalty(Section):
    """The last `buffer` tokens before the limit lose up to `factor` of reward."""

    buffer: Count = key(128, "length of the last part of a response", "tokens")
    factor: Positive = key(1.0, "reward lost at the limit", "reward")


class RolloutCorrection(Section):
    """Importance weights between rollout and trainer; a plain number is `high` per token."""

    level: Literal["token", "sequence"] = key("token", "token: a weight per token; sequence: their product, one per response")
    low: Positive | None = key(None, "IcePop: a weight outside [low, high] becomes 0; null: weights above `high` are cut off there")
    high: Positive = key(2.0, "upper bound of a weight")


class Lora(Section):
    """Low-rank adapters are trained, the model's own weights stay: less memory for gradients and optimizer."""

    rank: Count = key(32, "of an adapter's two matrices")
    alpha: Count = key(64, "the adapter is added with weight alpha / rank")
    targets: Literal["all-linear"] | Annotated[Distinct[Name], Field(min_length=1)] = key(
        "all-linear",
        "layers with an adapter, such as [q_proj, v_proj]; all-linear: every linear layer, of a model with experts the attention's",
    )


class Skipping(Section):
    """Prompts whose answers were all right or all wrong lately are drawn less often, from the second pass over the data on (GRESO)."""

    explore: PositiveShare = key(0.5, "chance, at first, that such a prompt is drawn again; once more of no use, its square, and so on")
    useless: PositiveShare = key(0.25, "share of a step's groups that may be of no use; the chance falls above it and rises below", "share")
    change: Share = key(0.01, "of the chance, per step", "share")


class Budget(Section):
    """Training ends when one is used up, by all stages of a run together or by a stage that has its own; null: no limit."""

    tokens: Count | None = key(None, "generated tokens, of discarded groups too", "tokens")
    gpu_hours: Positive | None = key(None, "hours of steps and validations times GPUs (on a CPU, ranks)", "GPU-hours")

    @property
    def bounds(self) -> dict[str, Number]:
        """Those that there are, by name."""
        return {name: limit for name, limit in self if limit is not None}


class Limits(Section):
    """Limits that flag a collapse, for means over a window of steps; null switches one off."""

    stop: bool = key(False, "end the stage when it is flagged")
    window: Count = key(10, "length of the window", "steps")
    reward_drop: NotNegative | None = key(0.5, "share of the best mean reward so far that may be lost", "share")
    boxed_drop: NotNegative | None = key(0.5, "share of the best boxed rate so far that may be lost", "share")
    length_min: NotNegative | None = key(2, "shortest mean response", "tokens")
    truncated_max: NotNegative | None = key(0.95, "share of responses cut at max_response_length", "share")
    entropy_min: NotNegative | None = key(0.0005, "lowest entropy", "nats per token")
    entropy_max: NotNegative | None = key(3.0, "highest entropy", "nats per token")
    clip_fraction_max: NotNegative | None = key(0.5, "share of tokens whose ratio is clipped", "share")
    grad_norm_max: NotNegative | None = key(100.0, "norm of the gradient before clipping")
    probability_gap_max: NotNegative | None = key(0.1, "mean difference of token probabilities between rollout and trainer", "0 to 1")
    process_drop: NotNegative | None = key(
        0.3, "fall of the correlation of process score and correctness below its best so far, while the process score rises", "correlation"
    )
    process_rise: NotNegative | None = key(
        0.8, "rise of the mean process score of right answers above its first window", "standard deviations of the scores there"
    )
    stall_minutes: Positive | None = key(60, "without a line of verl for so long it is taken for hung and ended; null: wait", "minutes")


class Stage(Section):
    """A stage of training; config.yaml holds the defaults of every run under `training`."""

    # what is trained, and on what
    algorithm: Literal["grpo", "supervised"] = key("grpo", "grpo: group-relative advantages, no KL; supervised: on given `solutions`")
    solutions: str | None = key(
        None, "parquet file with the columns problem and solution, or own: the base model's right responses; for algorithm supervised"
    )
    start_from: Name = key("previous", "previous: the stage before, and the base model for the first; base; or the name of a run")
    extra_layers: WholeNumber = key(
        0, "layers on top of that model, which change nothing until they are trained; for algorithm supervised and dense models"
    )
    data: Literal["clean", "raw", "as_given"] | AddedRows = key(
        "clean",
        "clean: without the rows that decontamination removes; raw: with them; as_given: the published file in verl's columns as it is; "
        "{augmented: [entry]} or {repeated: [entry]}: with what an entry of `augmentation` brought, or with as many repeated rows; "
        "{hints: {…}}: with beginnings of solutions in the prompts",
        finalist="all rows, not decontaminated",
    )
    remove: Distinct[Removing] | None = key(None, "methods whose matches leave clean training data; null: decontamination.remove")
    difficulty: Annotated[Distinct[Annotated[int, Field(ge=1, le=5)]], Field(min_length=1)] | None = key(
        None, "bands of training problems, 1 easy to 5 hard, such as [1, 2, 3]; null for all"
    )
    sources: Annotated[Distinct[str], Field(min_length=1)] | None = key(None, "allow-list of source names; null for all")
    solve_rate: Annotated[Several[Share], Field(min_length=2, max_length=2)] | None = key(
        None, "lowest and highest solve rate of training problems, both included; null for all"
    )
    solve_rates: Literal["dataset", "own"] = key(
        "dataset", "dataset: those that came with the problems; own: measured with the base model (data.own_solve_rates)"
    )
    reward: Reward | None = key(None, "the reward of this run or stage, in place of the whole `reward` of the file; null: that one")
    # how large
    gpus: Count = key(6, "GPUs per node; on a CPU the number of ranks", verl=("trainer.n_gpus_per_node",), finalist=STATED)
    nodes: Count = key(1, "hosts of a training job; several through SLURM or `launcher`", verl=("trainer.nnodes",), finalist=STATED)
    epochs: Count = key(15, "passes over the training problems", verl=("trainer.total_epochs",), finalist=STATED)
    steps: Count | None = key(None, "optimizer iterations; null: epochs decide", "steps", ("trainer.total_training_steps",))
    train_batch_size: Count = key(264, "batch of a step", "prompts", ("data.train_batch_size",), finalist=STATED)
    mini_batch_size: Count = key(72, "batch of an update", "prompts", (f"{A}.ppo_mini_batch_size",), finalist=STATED)
    micro_batch_size: Count = key(
        4,
        "of one forward and backward pass on a GPU",
        "samples",
        (f"{A}.ppo_micro_batch_size_per_gpu",),
        finalist=STATED,
    )
    rollout_n: Annotated[int, Field(ge=2)] = key(
        6,
        "responses per prompt; a group of one has no advantage",
        verl=(f"{R}.n",),
        finalist=STATED,
    )
    max_prompt_length: Count = key(
        2048,
        "longer prompts are dropped and counted",
        "tokens",
        ("data.max_prompt_length", f"{R}.max_model_len"),
        finalist=STATED,
    )
    max_response_length: Count = key(
        512,
        "longer responses are cut off",
        "tokens",
        ("data.max_response_length", f"{R}.max_model_len"),
        finalist=STATED,
    )
    # how it learns
    temperature: Positive = key(1.0, "of the rollout", verl=(f"{R}.temperature",), finalist=SILENT)
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = key(
        1.0e-5,
        "of AdamW, constant after the warm-up",
        verl=(f"{A}.optim.lr",),
        finalist=STATED,
    )
    warmup_steps: WholeNumber = key(0, "of linear warm-up of the learning rate", "steps", (f"{A}.optim.lr_warmup_steps",), finalist=SILENT)
    normalize_advantage: bool = key(
        True, "divide advantages by the standard deviation of their group", verl=("algorithm.norm_adv_by_std_in_grpo",), finalist=SILENT
    )
    advantage: Advantage = key(
        "grpo",
        "what a response is compared with, or FILE.py:function: grpo, the group's mean and deviation; rloo, the mean of the others; opo, "
        "the mean by length; reinforce_plus_plus_baseline, the group's mean and the batch's deviation; reinforce_plus_plus, the batch's; "
        "grpo_passk: the best of a group alone counts; maxrl: divided by the group's mean",
        verl=("algorithm.adv_estimator",),
        finalist=STATED,
    )
    policy_loss: Literal["vanilla", "gspo", "cispo", "sapo", "geo_mean", "dppo_tv", "dppo_kl", "clip_cov", "kl_cov"] | UsersFile = key(
        "vanilla",
        "or FILE.py:function; vanilla: ratio per token; gspo: ratio per response; cispo: clipped weights, no token is left out; sapo: soft "
        "gates; geo_mean: GMPO; dppo_tv, dppo_kl: bounds on the change of probabilities; clip_cov, kl_cov: against the fall of entropy",
        verl=(f"{A}.policy_loss.loss_mode",),
        finalist=SILENT,
    )
    loss_aggregation: Literal["token-mean", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm"] = key(
        "token-mean", "how token losses become one", verl=(f"{A}.loss_agg_mode", f"{A}.loss_scale_factor"), finalist=SILENT
    )
    clip_low: Annotated[Number, Field(gt=0, le=1)] = key(
        0.2,
        "the ratio is clipped below 1 minus this; geo_mean: its logarithm below minus this; dppo: bound on a probability's fall",
        verl=(f"{A}.clip_ratio_low",),
        finalist=SILENT,
    )
    clip_high: Positive = key(
        0.2,
        "the ratio is clipped above 1 plus this; geo_mean: its logarithm above this; dppo: bound on a probability's rise",
        verl=(f"{A}.clip_ratio_high",),
        finalist=SILENT,
    )
    dual_clip: Annotated[Number, Field(gt=1)] = key(
        3.0,
        "vanilla: ratio above which a bad token costs no more; dppo: upper bound of the ratio",
        verl=(f"{A}.clip_ratio_c",),
        finalist=SILENT,
    )
    gate_positive: Positive = key(1.0, "sapo: steepness of the gate where the advantage is positive", verl=(f"{A}.tau_pos",))
    gate_negative: Positive = key(1.05, "sapo: the same where it is not", verl=(f"{A}.tau_neg",))
    clip_cov_share: PositiveShare = key(
        0.0002, "clip_cov: share of tokens without a gradient", "share", (f"{A}.policy_loss.clip_cov_ratio",)
    )
    clip_cov_low: Number = key(1.0, "clip_cov: lowest covariance of such a token", verl=(f"{A}.policy_loss.clip_cov_lb",))
    clip_cov_high: Number = key(5.0, "clip_cov: highest covariance of such a token", verl=(f"{A}.policy_loss.clip_cov_ub",))
    kl_cov_share: PositiveShare = key(
        0.0002, "kl_cov: share of tokens, those of largest covariance, with a penalty", "share", (f"{A}.policy_loss.kl_cov_ratio",)
    )
    kl_cov_coefficient: NotNegative = key(
        0.1, "kl_cov: weight of the penalty, the distance of log-probabilities", verl=(f"{A}.policy_loss.ppo_kl_coef",)
    )
    entropy_coefficient: NotNegative = key(0.0, "weight of the entropy bonus", verl=(f"{A}.entropy_coeff",), finalist=SILENT)
    dynamic_sampling: bool = key(
        False,
        "replace groups of only right or only wrong answers by new prompts",
        verl=("algorithm.filter_groups.enable",),
        finalist=STATED,
    )
    skipping: Skipping | None = key(
        None,
        "{explore, useless, change}: draw prompts less often that were always right or always wrong lately; null without",
        verl=("data.skipping",),
        finalist=SILENT,
    )
    overlong_penalty: OverlongPenalty | None = key(
        None,
        "{buffer, factor}: the last `buffer` tokens before the limit lose up to `factor` of reward; null without",
        verl=("reward.reward_manager.name", "reward.reward_kwargs.max_resp_len", "reward.reward_kwargs.overlong_buffer_cfg"),
        finalist=STATED,
    )
    rollout_correction: Positive | RolloutCorrection | None = key(
        None,
        "importance weights between rollout and trainer: the upper bound of a token's, such as 2.0, or {level, low, high}; null without",
        verl=("algorithm.rollout_correction.rollout_is", "algorithm.rollout_correction.rollout_is_threshold"),
        finalist=STATED,
    )
    dtype: Literal[Dtype, "float16"] = key(
        "bfloat16",
        "of computation, of trainer and engine alike; master weights are float32; float16 on GPUs only, with a scaled loss",
        verl=(f"{R}.dtype", f"{A}.fsdp_config.dtype"),
        finalist=STATED,
    )
    seed: WholeNumber = key(
        1,
        "of data order, rollout and weights",
        verl=("data.seed", f"{R}.seed", f"{A}.data_loader_seed", f"{A}.fsdp_config.seed"),
        finalist=SILENT,
    )
    deterministic: bool | None = key(
        None,
        "the same seed gives the same bytes; null: on a CPU in float32 only. On a GPU it may cost time",
        verl=("trainer.deterministic", f"{R}.enable_prefix_caching", f"{A}.fsdp_config.full_determinism"),
        finalist=SILENT,
    )
    lora: Lora | None = key(
        None,
        "{rank, alpha, targets}: adapters are trained, and exported both merged and by themselves; null: all weights",
        verl=("actor_rollout_ref.model.lora_rank", "actor_rollout_ref.model.lora_alpha", "actor_rollout_ref.model.target_modules"),
        finalist=SILENT,
    )
    # what is looked at and kept
    validation_benchmark: str = key(
        "gsm8k", "benchmark of the validation curve; no checkpoint is chosen on it", finalist="GSM8K, and chosen by"
    )
    validate_before: bool = key(True, "validate the starting model", verl=("trainer.val_before_train",), finalist=STATED)
    validate_every: Count = key(10, "each step that is saved is validated too", "steps", ("trainer.test_freq",), finalist=STATED)
    save_every: Count = key(200, "between checkpoints", "steps", ("trainer.save_freq",), finalist=STATED)
    keep_last: Count = key(2, "newest checkpoints to keep, beside the best and one from before the monitor's window", "checkpoints")
    keep_every: Count | None = key(None, "keep each checkpoint whose step this divides; null without", "steps")
    adopt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")] | None = key(
        None, "name of an earlier checkpoint directory of the stage to go on with, what differs called harmless; null without"
    )
    reshard: bool = key(
        False,
        "go on with another number of GPUs than saved the directory that `adopt` names: from the weights, with a fresh optimizer",
    )
    choose: Literal["best", "last", "end"] = key(
        "best",
        "checkpoint to export. best: on the dev split of the training data; last: the last before a flagged collapse; end: the last in any "
        "case, for runs that are compared with controls",
    )
    rollouts_per_step: WholeNumber = key(
        12, "training samples of each step to keep for the study report", "samples",
        ("trainer.rollouts_per_step", "trainer.rollout_data_dir"),
    )  # fmt: skip
    trackers: Distinct[Literal["tensorboard", "wandb", "swanlab", "mlflow", "trackio"]] = key(
        ("tensorboard",),
        "where curves, scores, hyper-parameters and the study report go; TensorBoard always. Keys from the environment; offline without",
        verl=("trainer.logger",),
        finalist=STATED,
    )
    # memory and speed
    micro_batch_size_log_prob: Count = key(
        4, "per GPU when log-probabilities are recomputed", "samples", (f"{R}.log_prob_micro_batch_size_per_gpu",), finalist=SILENT
    )
    dynamic_batch: bool = key(
        False,
        "pack micro-batches up to max_tokens_per_gpu tokens instead of padding micro_batch_size samples",
        verl=(f"{A}.use_dynamic_bsz", "actor_rollout_ref.model.use_remove_padding"),
        finalist=STATED,
    )
    max_tokens_per_gpu: Count = key(16384, "of a packed micro-batch", "tokens", (f"{A}.ppo_max_token_len_per_gpu",))
    gradient_checkpointing: bool = key(
        True,
        "recompute activations in the backward pass: less memory, a quarter more time",
        verl=("actor_rollout_ref.model.enable_gradient_checkpointing",),
        finalist=SILENT,
    )
    gpu_memory_utilization: PositiveShare = key(
        0.5, "for vLLM while the trainer shares the GPU", "share of a GPU", (f"{R}.gpu_memory_utilization",), finalist=SILENT
    )
    tensor_parallel: Count = key(1, "GPUs per rollout engine", verl=(f"{R}.tensor_model_parallel_size",), finalist=SILENT)
    # how it ends
    budget: Budget = key(Budget(), "a run ends, all stages together, when so much was generated or used: for equal cost")
    end_minutes: Positive = key(15, "what a stage gets to finish its step and save when it is asked to end", "minutes")
    monitor: Limits = key(Limits(), "limits that flag a collapse; only `choose: end` takes a checkpoint after it")
    verl: dict[str, JsonValue] = key({}, "raw verl overrides, key: value, applied last")

    @property
    def supervised(self) -> bool:
        """Whether verl's SFT trainer trains it."""
        return self.algorithm == "supervised"

    @property
    def further_trackers(self) -> list[str]:
        """Trackers beside TensorBoard."""
        return [name for name in self.trackers if name != "tensorboard"]

    @property
    def correction(self) -> RolloutCorrection | None:
        """The importance weights, spelled out."""
        given = self.rollout_correction
        return RolloutCorrection(high=given) if isinstance(given, int | float) else given

    @property
    def all_gpus(self) -> int:
        """GPUs of the job over all nodes (on a CPU: ranks)."""
        return self.gpus * self.nodes

    @property
    def job_gpus(self) -> int:
        """GPUs of the job on each node: those that train, and those of verifiers alone."""
        process = self.reward.process if self.reward and not self.supervised else None
        return self.gpus + (process.gpus if process else 0)

    @property
    def trained_n(self) -> int:
        """Responses per prompt that are trained on; a filter drops the others."""
        process = self.reward.process if self.reward else None
        return self.rollout_n - (process.dropped(self.rollout_n) if process else 0)

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt with the longest response."""
        return self.max_prompt_length + self.max_response_length
