"""Sizes of the base models that people train most, as their published config.json has them."""

from __future__ import annotations

from mathrl.models.records import ModelConfig
from mathrl.models.shape import OPENSEEK


def _dense(kind: str, vocabulary: int, hidden: int, intermediate: int, layers: int, heads: int, groups: int, tied: bool) -> ModelConfig:
    return {
        "model_type": kind,
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "tie_word_embeddings": tied,
    }


USUAL: dict[str, ModelConfig] = {
    "BAAI/OpenSeek-Small-v1-SFT": OPENSEEK,
    "Qwen/Qwen3-0.6B": _dense("qwen3", 151936, 1024, 3072, 28, 16, 8, True) | {"head_dim": 128},
    "Qwen/Qwen2.5-1.5B-Instruct": _dense("qwen2", 151936, 1536, 8960, 28, 12, 2, True),
    "Qwen/Qwen2.5-Math-1.5B": _dense("qwen2", 151936, 1536, 8960, 28, 12, 2, True),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": _dense("qwen2", 151936, 1536, 8960, 28, 12, 2, False),
    "Qwen/Qwen3-1.7B": _dense("qwen3", 151936, 2048, 6144, 28, 16, 8, True) | {"head_dim": 128},
    "meta-llama/Llama-3.2-3B-Instruct": _dense("llama", 128256, 3072, 8192, 28, 24, 8, True) | {"head_dim": 128},
    "Qwen/Qwen2.5-Math-7B": _dense("qwen2", 152064, 3584, 18944, 28, 28, 4, False),
    "meta-llama/Llama-3.1-8B-Instruct": _dense("llama", 128256, 4096, 14336, 32, 32, 8, False),
    "Qwen/Qwen3-8B": _dense("qwen3", 151936, 4096, 12288, 36, 32, 8, False) | {"head_dim": 128},
}
