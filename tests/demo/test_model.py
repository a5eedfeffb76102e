"""The demo's base model: what its bytes do not depend on."""

import pytest
import torch
from mathrl.demo import model


class Enough(Exception):
    """What is looked at has been seen."""


def test_it_is_made_with_two_threads_whatever_snakemake_gives(monkeypatch, tmp_path):
    seen = []

    def look(texts):
        seen.append(torch.get_num_threads())
        raise Enough

    monkeypatch.setattr(model, "train_tokenizer", look)
    before = torch.get_num_threads()
    settings = {"pretraining_steps": 1, "supervised_steps": 1, "worked": 0.5, "boxed": 0.5, "habits": 0.0}
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            with pytest.raises(Enough):
                model.make(instruction="Think. ", seed=1, items=5, out=tmp_path / "base", **settings)
    finally:
        torch.set_num_threads(before)
    assert seen == [2, 2]
