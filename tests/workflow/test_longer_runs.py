"""A stage that was trained goes on where it is to train longer, or with less memory; it never starts again for that."""

import pytest
from mathrl.core.curves import read_scalars

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]


def test_more_steps_and_smaller_micro_batches_go_on_from_the_last_checkpoint(short):
    stage = short.stage(steps=3, save_every=3, validate_every=3)
    first = short.train(stage)
    longer = stage | {"steps": 5, "micro_batch_size": 4, "micro_batch_size_log_prob": 8, "gradient_checkpointing": False}
    more = short.train(longer)
    assert "goes on from step 3" in short.said() and "new checkpoints" not in short.said()
    assert (more["fingerprint"], more["steps"]) == (first["fingerprint"], 5)
    assert [step for step, _ in read_scalars(more["tensorboard"])["critic/score/mean"]] == [1, 2, 3, 4, 5]
    short.train(stage, code=2)
    assert "is trained up to step 5, beyond the 3 that training.steps and epochs ask for" in short.said()
    assert short.train(longer)["steps"] == 5 and "training was complete at step 5" in short.said()
