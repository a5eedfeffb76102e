"""verl's synchronous trainer, plus what a run needs to be stopped, monitored and looked at.

The process that trains imports this module (mathrl.verl.plugin); verl then finds our class under the name `sync`.
The name must stay, because verl takes a trainer of any other name for an asynchronous one.

- A file `stop` beside the checkpoints ends training after the step at work: see `mathrl.verl.stop_file`.
- Each step that is saved is validated too, whatever `test_freq` says: a checkpoint is chosen by an accuracy of its own.
- The parts of the reward and the grader's verdicts, which verl 0.9.1 drops, become metrics: see `mathrl.verl.reward_metrics`.
- Every generated token is counted, also of groups that dynamic sampling throws away (`training/generated_tokens`), and the share
  of responses cut off at the limit (`training/truncated`); so are the tokens of prompts and responses trained on (`training/tokens`).
- The entropy is per token, however the loss is aggregated, so that runs can be compared and the monitor's limits hold.
- A few rollouts of each step are kept, whole groups, with their verdicts.
- A checkpoint holds the metrics of its step, which verl logs only after the validation: a kill between them loses no point of a curve.
- Where training is to be deterministic, samples are dealt, finished and ordered as `mathrl.verl.deterministic` says.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf, open_dict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1 import trainer_base
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.import_utils import import_external_libs

from mathrl.core.files import write_json
from mathrl.core.tensorboard import write_scalars
from mathrl.verl import deterministic, reward_metrics, stop_file

if TYPE_CHECKING:
    from verl.experimental.agent_loop import AgentLoopManager


class Trainer(PPOTrainerSync):
    """PPOTrainerSync with the additions above."""

    _names: deterministic.Names | None = None  # of a deterministic training
    _batch: KVBatchMeta | None = None  # of the step that was trained and is not logged yet
    _rollout_moe_lb_metrics_accumulator: object  # verl's
    _rollouts_of = 0  # the last step whose rollouts were kept
    total_training_steps: int  # verl's

    def __init__(self, config: DictConfig) -> None:
        libraries = OmegaConf.to_container(config.actor_rollout_ref.model).get("external_lib")
        import_external_libs(libraries)  # verl does so later, when prompts are dealt already
        if config.trainer.get("deterministic"):
            self._names = deterministic.install()
        super().__init__(config)
        place = Path(config.trainer.default_local_dir)
        write_json(place / "verl_config.json", OmegaConf.to_container(config, resolve=True))  # what verl really got
        self._save_every, self._validate_every = config.trainer.save_freq, config.trainer.test_freq
        self._discarded_tokens = 0
        clear = self.replay_buffer._clear_groups

        def clear_and_count(partition_id: str, uids: set[str]) -> None:
            if partition_id == "train":
                rows = self.replay_buffer.partitions[partition_id].items()
                self._discarded_tokens += sum(tag.get("response_len", 0) for key, tag in rows if key.split("_")[0] in uids)
            clear(partition_id, uids)

        self.replay_buffer._clear_groups = clear_and_count
        if config.trainer.device == "cpu":
            # verl's two seconds are longer than a whole step of a small model; each look costs it and TransferQueue a few milliseconds
            self.replay_buffer.poll_interval = 0.1

    def fit(self, agent_loop_manager: AgentLoopManager) -> None:
        if self._names:
            one_engine = self.config.trainer.device == "cpu"  # grpo_config.py refuses more than one there
            deterministic.give_turns(agent_loop_manager, self._names, self.config.actor_rollout_ref.rollout, one_engine)
        super().fit(agent_loop_manager)

    def on_step_begin(self) -> None:
        super().on_step_begin()
        if self._names:
            self._names.begin("train", self.global_steps)

    def on_validate_begin(self) -> None:
        super().on_validate_begin()
        print(stop_file.LOADED, flush=True)
        if self._names:
            self._names.begin("validate", self.global_steps)

    def on_train_begin(self) -> None:
        super().on_train_begin()
        print(f"{stop_file.TOTAL}{self.total_training_steps}", flush=True)

    def step(self, metrics: dict, timing_raw: dict) -> KVBatchMeta:
        """One step; a stop that was asked for meanwhile makes it the last. verl saves and validates after it, by its frequencies."""
        self._batch, self._began = None, time.perf_counter()
        batch = super().step(metrics, timing_raw)
        save, validate = self._save_every, self._validate_every
        if min(save, validate) > 0 and self.global_steps % save == 0:
            validate = 1
        kind = stop_file.asked(Path(self.config.trainer.default_local_dir))
        if kind == stop_file.PAUSE and self.global_steps >= self.total_training_steps:
            kind = None  # nothing is left to pause: the last step ends as it always does
        if kind:
            save = -1 if kind == stop_file.ABANDON else 1
            validate = 1 if kind == stop_file.FINISH else -1
            self.total_training_steps = self.global_steps
        with open_dict(self.config):
            self.config.trainer.save_freq, self.config.trainer.test_freq = save, validate
        self._batch, self._metrics = batch, metrics
        return batch

    def _save_checkpoint(self) -> None:
        if self._batch is not None:
            self._save_metrics(self._batch)
        super()._save_checkpoint()

    def _save_metrics(self, batch: KVBatchMeta) -> None:
        """Write what verl will log of this step into its checkpoint, and its rollouts where they belong: all is there before the mark."""
        metrics, discarded = dict(self._metrics), self._discarded_tokens
        timing, epoch = {**self.timing_raw, "step": time.perf_counter() - self._began}, (self.global_steps - 1) // self.steps_per_epoch
        loads = self._rollout_moe_lb_metrics_accumulator
        self._rollout_moe_lb_metrics_accumulator = copy.deepcopy(loads)
        self._compute_metrics(batch, metrics, timing, self.global_steps, epoch)
        self._discarded_tokens, self._rollout_moe_lb_metrics_accumulator = discarded, loads  # verl counts them once more
        write_scalars(Path(self.config.trainer.default_local_dir) / f"global_step_{self.global_steps}", self.global_steps, metrics)
        kept = self.config.trainer.get("rollout_data_dir", None)
        if kept:
            self._log_rollout_data(batch, timing, kept)
            for future in self._dump_futures:
                future.result()

    def _compute_old_log_prob(self, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        """verl aggregates `actor/entropy` as the loss: a sum over the tokens of a response for some. Only this driver's copy is changed."""
        actor = self.config.actor_rollout_ref.actor
        aggregation, actor.loss_agg_mode = actor.loss_agg_mode, "token-mean"
        try:
            return super()._compute_old_log_prob(batch, metrics)
        finally:
            actor.loss_agg_mode = aggregation

    def _compute_metrics(self, batch: KVBatchMeta, metrics: dict, timing_raw: dict, global_steps: int, epoch: int) -> None:
        super()._compute_metrics(batch, metrics, timing_raw, global_steps, epoch)
        metrics.update(reward_metrics.summarize(reward_metrics.infos(batch)))
        real = [tag for tag in batch.tags if not tag.get("is_padding")]  # verl's perf/total_num_tokens counts the padding too
        metrics["training/tokens"] = sum(tag.get("seq_len", 0) for tag in real)
        lengths = [tag.get("response_len", 0) for tag in real]
        metrics["training/generated_tokens"] = sum(lengths) + self._discarded_tokens
        # verl's response_length/clip_ratio counts those as long as the longest of the batch, whatever the limit
        limit = self.config.data.max_response_length
        metrics["training/truncated"] = sum(length >= limit for length in lengths) / max(1, len(lengths))
        self._discarded_tokens = 0

    def _log_rollout_data(self, batch: KVBatchMeta, timing_raw: dict, rollout_data_dir: str) -> None:
        """Keep the first few rows instead of all, with our reward's details, which verl's dump lacks."""
        if self._rollouts_of == self.global_steps:
            return  # with the checkpoint
        self._rollouts_of = self.global_steps
        rows = [(key, tag) for key, tag in zip(batch.keys, batch.tags, strict=True) if not tag.get("is_padding")]
        rows = sorted(rows, key=lambda row: row[0].rsplit("_", 2))[: self.config.trainer.rollouts_per_step]
        few = KVBatchMeta(partition_id=batch.partition_id, keys=[key for key, _ in rows], tags=[tag for _, tag in rows])
        infos = reward_metrics.infos(few)
        self._rollout_details = {name: [info.get(name) for info in infos] for name in ("acc", "format", "pred", "status")}
        super()._log_rollout_data(few, timing_raw, rollout_data_dir)

    def _dump_generations(
        self,
        inputs: list[str],
        outputs: list[str],
        gts: list[str],
        scores: list[float],
        reward_extra_infos_dict: dict[str, list],
        dump_path: str,
    ) -> None:
        if dump_path == self.config.trainer.get("rollout_data_dir", None):
            reward_extra_infos_dict = {**reward_extra_infos_dict, **self._rollout_details}
        super()._dump_generations(inputs, outputs, gts, scores, reward_extra_infos_dict, dump_path)


trainer_base.TRAINER_REGISTRY["sync"] = Trainer
