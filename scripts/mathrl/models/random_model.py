"""Random weights in the sizes of a published model: what a step costs can be measured without the checkpoint."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from mathrl.core.files import read_json, write_json
from mathrl.models.records import ModelConfig
from mathrl.models.shape import BIAS, DEEPSEEK_V3, OPENSEEK, shapes

if TYPE_CHECKING:
    import torch

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
# Of a token's logits, so that tokens differ in probability as a trained model's do: the state before the head has numbers of about 1.
LOGITS = 2.5


def write(folder: Path, *, tokenizer_of: Path, sizes: ModelConfig = OPENSEEK, seed: int = 1) -> None:
    """Write a model directory: bfloat16 weights and the tokenizer of another model.

    Its responses hardly ever end by themselves: every one is as long as it may be.

    Args:
        folder: to make.
        tokenizer_of: a model directory.
        sizes: a config.json as in `mathrl.models.usual`: DeepSeek-V3's shape, as published (one tensor an expert), or a dense one.
        seed: of the weights.
    """
    make = _deepseek if sizes["model_type"] == DEEPSEEK_V3 else _dense
    shutil.copytree(tokenizer_of, folder, ignore=shutil.ignore_patterns("*.safetensors*", "config.json"))
    _name_all_rows(folder / "tokenizer.json", sizes["vocab_size"])
    config = make(folder, sizes, seed)
    ends = {key: value for key, value in read_json(tokenizer_of / "config.json").items() if key.endswith("_token_id")}
    write_json(folder / "config.json", config | ends)


def _name_all_rows(file: Path, rows: int) -> None:
    """Give a tokenizer of fewer tokens one for each row of the embedding.

    verl's engine never samples a row beyond the tokenizer, and leaves it out of the probabilities, which the trainer does not.
    """
    content = read_json(file)
    known = content["model"]["vocab"]
    known |= {token["content"]: token["id"] for token in content["added_tokens"]}  # else they are numbered anew, behind all others
    known |= {f"<|row_{row}|>": row for row in range(1 + max(known.values()), rows)}
    write_json(file, content)


def _normal(generator: np.random.Generator, shape: Sequence[int], deviation: float) -> torch.Tensor:
    """float32 numbers, by numpy: torch draws others in other versions, and the GPU's and the laptop's are to be compared."""
    import torch

    return torch.from_numpy(generator.standard_normal(tuple(shape), dtype=np.float32)).mul_(deviation)


def _deviation(config: ModelConfig) -> float:
    """Of the weights of the head."""
    return LOGITS / math.sqrt(config["hidden_size"])


def _deviation_of_layers(config: ModelConfig) -> float:
    """Of the weights of the layers: 0.02 as usual, more in a small model.

    There they would add so little to a token's embedding that a tied head says the token again, with all of the probability.
    """
    return max(0.02, 12.8 / config["hidden_size"])


def _deepseek(folder: Path, sizes: ModelConfig, seed: int) -> ModelConfig:
    import torch
    from safetensors.torch import save_file

    config = cast(ModelConfig, {**SETTINGS, **sizes})
    generator = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes(config).items():
        if name.endswith(BIAS):
            state[name] = torch.zeros(shape, dtype=torch.float32)
        elif name.endswith("norm.weight"):
            state[name] = torch.ones(shape, dtype=torch.bfloat16)
        else:
            outside = name in ("model.embed_tokens.weight", "lm_head.weight")
            deviation = _deviation(config) if outside else _deviation_of_layers(config)
            state[name] = _normal(generator, shape, deviation).bfloat16()
    if config["tie_word_embeddings"]:
        state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()  # vLLM reads no tie
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return config


def _dense(folder: Path, sizes: ModelConfig, seed: int) -> ModelConfig:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {key: value for key, value in sizes.items() if key != "model_type"} | {"initializer_range": _deviation_of_layers(sizes)}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(sizes["model_type"], **settings), dtype=torch.bfloat16)
    generator, head = np.random.default_rng(seed), model.get_output_embeddings().weight
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:  # the others are zeros and ones
                weight.copy_(_normal(generator, weight.shape, _deviation(sizes) if weight is head else _deviation_of_layers(sizes)))
    model.save_pretrained(folder)
    return cast(ModelConfig, read_json(folder / "config.json"))
