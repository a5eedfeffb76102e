"""A tiny random model with the demo's tokenizer."""

import random

import pytest
from mathrl.demo.world import draw, write_response


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Its Hugging Face directory."""
    import torch
    from mathrl.demo.model import new_model, train_tokenizer

    folder = tmp_path_factory.mktemp("tiny") / "model"
    rng = random.Random(0)
    problems = [draw(rng, kind) for kind in ("symbols", "words") * 30]
    tokenizer = train_tokenizer([f"{p.text} {write_response(rng, p, 0.5, 0.5)}" for p in problems])
    torch.manual_seed(0)
    model = new_model(len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)  # so that scores differ
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
