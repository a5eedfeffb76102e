"""verl's SFT trainer, plus an end that can be asked for: see `mathrl.verl.stop_file`. Run in place of `verl.trainer.sft_trainer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from verl.trainer import sft_trainer

from mathrl.verl import stop_file

if TYPE_CHECKING:
    from tensordict import TensorDict


class Trainer(sft_trainer.SFTTrainer):
    """SFTTrainer that takes the step at work for its last, which it saves, once an end was asked for."""

    def fit(self) -> None:
        if self.rank == 0:
            print(f"{stop_file.TOTAL}{self.total_training_steps}", flush=True)  # from here on there is a step to save
        super().fit()

    def _get_batch_seqlens(self, data: TensorDict) -> list[int]:
        # The one place of ours in a step. Each rank looks for itself, so they agree first: saving is for all of them.
        asked = torch.tensor(int(stop_file.asked(Path(self.config.trainer.default_local_dir)) is not None), device=self.device_name)
        torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX)
        if asked.item():
            self.total_training_steps = 0
        return super()._get_batch_seqlens(data)


sft_trainer.SFTTrainer = Trainer

if __name__ == "__main__":
    sft_trainer.main()
