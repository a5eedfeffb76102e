"""Random weights are the same numbers in any version of torch: what two versions make of them can be compared."""

import hashlib
import json

import pytest
from mathrl.models import random_model
from mathrl.models.shape import OPENSEEK
from mathrl.models.usual import USUAL

SMALL = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
SMALL |= {"vocab_size": 300}


@pytest.mark.parametrize(
    ("sizes", "sha256"),
    [
        (OPENSEEK | SMALL | {"moe_intermediate_size": 32, "n_routed_experts": 4, "num_experts_per_tok": 2}, "2a083ef32c56"),
        (USUAL["Qwen/Qwen3-0.6B"] | SMALL | {"head_dim": 32}, "ef90110133f6"),
        (USUAL["Qwen/Qwen2.5-Math-1.5B"] | SMALL, "8ec6534b02bc"),
    ],
    ids=["experts", "tied", "biases"],
)
def test_weights_are_these_bytes(tmp_path, sizes, sha256):
    """torch 2.13 draws other bfloat16 numbers than torch 2.11 from one seed: a bound that held in the one did not in the other."""
    import torch
    from safetensors.torch import load_file

    (tmp_path / "small").mkdir()
    (tmp_path / "small/config.json").write_text(json.dumps({"eos_token_id": 1}))
    (tmp_path / "small/tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0, "<end>": 1}}, "added_tokens": []}))
    random_model.write(tmp_path / "model", tokenizer_of=tmp_path / "small", sizes=sizes)
    weights = load_file(tmp_path / "model/model.safetensors")
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].view(torch.uint8).numpy().tobytes())
    assert digest.hexdigest()[:12] == sha256
