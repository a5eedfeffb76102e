"""Raw keys of verl in a configuration, held against those that verl has: a misspelt one is found before the queue, not after.

`verl_keys.json` lists them for both trainers of the locked verl; `scripts/write_verl_keys.py` writes it and a test holds it equal.
"""

from __future__ import annotations

import difflib
import functools
import json
from pathlib import Path

from mathrl.config.stage import Stage
from mathrl.core.files import UserError

FILE = Path(__file__).with_name("verl_keys.json")
TRAINERS = {"grpo": "ppo_trainer", "supervised": "sft_trainer_engine"}
"""verl's Hydra configuration by our `algorithm`."""


@functools.cache
def known(algorithm: str) -> frozenset[str]:
    """Keys of verl's configuration, with those that hold others."""
    return frozenset(json.loads(FILE.read_text(encoding="utf-8"))[algorithm])


def check_raw_keys(stage: Stage, where: str) -> None:
    """Refuse a raw key that verl's configuration lacks; Hydra takes a new one with a `+` in front.

    Raises:
        UserError: the first one, with the key that is nearest to it.
    """
    for given in stage.verl:
        if given.lstrip("+~") == "trainer.logger":
            raise UserError(
                f"{where}: verl: trainer.logger: write trackers: [tensorboard, wandb] instead; without TensorBoard there are no curves "
                "and no checkpoint can be chosen"
            )
        key = given.lstrip("~")
        if given.startswith("+") or "." not in key or {*"@/"} & {*key}:  # new, or Hydra's choice of a file
            continue
        keys = known(stage.algorithm)
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1, cutoff=0.8)
            guess = f"did you mean '{near[0]}'? " if near else ""
            raise UserError(f"{where}: verl: verl has no key '{key}'; {guess}A key that is new to it is written with a + in front")
