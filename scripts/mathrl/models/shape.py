"""What a DeepSeek-V3 configuration says about its tensors: names and shapes, as published (experts one tensor each)."""

from __future__ import annotations

from mathrl.models.records import ModelConfig

DEEPSEEK_V3 = "deepseek_v3"  # its model_type
BIAS = "mlp.gate.e_score_correction_bias"

# BAAI/OpenSeek-Small-v1-SFT: FlagAI-Open/OpenSeek, configs/OpenSeek-Small-v1-Baseline/train/train_deepseek_v3_1_4b.yaml. With a copy
# of the embedding as head and all of it in bfloat16, these sizes give the published file's length to the byte.
OPENSEEK: ModelConfig = {
    "model_type": DEEPSEEK_V3,
    "vocab_size": 151851,
    "hidden_size": 1280,
    "intermediate_size": 7168,
    "moe_intermediate_size": 896,
    "num_hidden_layers": 6,
    "num_attention_heads": 10,
    "num_key_value_heads": 10,
    "n_shared_experts": 2,
    "n_routed_experts": 64,
    "num_experts_per_tok": 6,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 512,
    "q_lora_rank": None,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "n_group": 1,
    "topk_group": 1,
    "tie_word_embeddings": True,
}


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shape by tensor name, without multi-token prediction; `lm_head.weight` is left out where embeddings are tied.

    Raises:
        KeyError: the configuration lacks a size.
    """
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    rope, nope, value, latent = config["qk_rope_head_dim"], config["qk_nope_head_dim"], config["v_head_dim"], config["kv_lora_rank"]
    found: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], hidden),
        "model.norm.weight": (hidden,),
    }
    if not config.get("tie_word_embeddings"):
        found["lm_head.weight"] = (config["vocab_size"], hidden)

    def gated(prefix: str, width: int) -> dict[str, tuple[int, ...]]:
        up: dict[str, tuple[int, ...]] = dict.fromkeys((f"{prefix}.gate_proj.weight", f"{prefix}.up_proj.weight"), (width, hidden))
        return up | {f"{prefix}.down_proj.weight": (hidden, width)}

    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        attention = f"{prefix}.self_attn"
        queries = heads * (nope + rope)
        found[f"{prefix}.input_layernorm.weight"] = found[f"{prefix}.post_attention_layernorm.weight"] = (hidden,)
        if rank := config.get("q_lora_rank"):
            found[f"{attention}.q_a_proj.weight"] = (rank, hidden)
            found[f"{attention}.q_a_layernorm.weight"] = (rank,)
            found[f"{attention}.q_b_proj.weight"] = (queries, rank)
        else:
            found[f"{attention}.q_proj.weight"] = (queries, hidden)
        found[f"{attention}.kv_a_proj_with_mqa.weight"] = (latent + rope, hidden)
        found[f"{attention}.kv_a_layernorm.weight"] = (latent,)
        found[f"{attention}.kv_b_proj.weight"] = (heads * (nope + value), latent)
        found[f"{attention}.o_proj.weight"] = (hidden, heads * value)
        if config.get("attention_bias"):
            found |= {f"{attention}.kv_a_proj_with_mqa.bias": (latent + rope,), f"{attention}.o_proj.bias": (hidden,)}
            if rank:
                found[f"{attention}.q_a_proj.bias"] = (rank,)
        mlp = f"{prefix}.mlp"
        if layer < config["first_k_dense_replace"]:
            found |= gated(mlp, config["intermediate_size"])
            continue
        experts, width = config["n_routed_experts"], config["moe_intermediate_size"]
        found[f"{mlp}.gate.weight"] = (experts, hidden)
        found[f"{prefix}.{BIAS}"] = (experts,)
        found |= gated(f"{mlp}.shared_experts", width * config["n_shared_experts"])
        for expert in range(experts):
            found |= gated(f"{mlp}.experts.{expert}", width)
    return found
