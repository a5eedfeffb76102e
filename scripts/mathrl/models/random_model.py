"""Random weights in OpenSeek's sizes: what a step costs can be measured without the checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

from mathrl.core.files import read_json, write_json
from mathrl.models.records import ModelConfig
from mathrl.models.shape import BIAS, OPENSEEK, shapes

# Beside the sizes: what the published configuration says.
SETTINGS = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "hidden_act": "silu",
    "max_position_embeddings": 8192,
    "moe_layer_freq": 1,
    "norm_topk_prob": True,
    "num_nextn_predict_layers": 0,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000,
    "routed_scaling_factor": 2.446,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "torch_dtype": "bfloat16",
}
# Of the embedding, which is the head as well: logits of about 2.5, so that tokens differ in probability as a trained model's do.
EMBEDDING_DEVIATION = 0.07


def write(folder: Path, *, tokenizer_of: Path, sizes: ModelConfig = OPENSEEK, seed: int = 1) -> None:
    """Write a model directory: bfloat16 weights, one tensor an expert, and the tokenizer of another model.

    Its responses hardly ever end by themselves: every one is as long as it may be.
    """
    import torch
    from safetensors.torch import save_file

    config = cast(ModelConfig, {**SETTINGS, **sizes})
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes(config).items():
        if name.endswith(BIAS):
            state[name] = torch.zeros(shape, dtype=torch.float32)
        elif name.endswith("norm.weight"):
            state[name] = torch.ones(shape, dtype=torch.bfloat16)
        else:
            deviation = EMBEDDING_DEVIATION if name == "model.embed_tokens.weight" else 0.02
            state[name] = torch.empty(shape, dtype=torch.bfloat16).normal_(0, deviation, generator=generator)
    if config["tie_word_embeddings"]:
        state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()  # vLLM reads no tie
    shutil.copytree(tokenizer_of, folder, ignore=shutil.ignore_patterns("*.safetensors*", "config.json"))
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    ends = {key: value for key, value in read_json(tokenizer_of / "config.json").items() if key.endswith("_token_id")}
    write_json(folder / "config.json", config | ends)
