"""DeepSeek-V3's forward pass written out from the published tensors, one token and one expert at a time: the reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def logits(folder: Path, ids: list[int]) -> torch.Tensor:
    """Logits (tokens, vocabulary) in float32, from published files; the head is the embedding."""
    import torch  # not above: every worker would pay for it while it collects
    from safetensors.torch import load_file

    c = json.loads((folder / "config.json").read_text())
    w = {name: tensor.float() for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}
    heads, nope, rope, value = (c[key] for key in ("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
    length = len(ids)
    # Pairs of neighbours turn together (the published code's interleaved layout).
    frequency = c["rope_theta"] ** (-torch.arange(0, rope, 2).float() / rope)
    turn = torch.polar(torch.ones(length, rope // 2), torch.outer(torch.arange(length).float(), frequency))

    def norm(x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + c["rms_norm_eps"]) * weight

    def rotate(x):  # (tokens, heads, rope)
        return torch.view_as_real(torch.view_as_complex(x.reshape(length, -1, rope // 2, 2)) * turn[:, None]).flatten(2)

    def gated(x, prefix):
        up = torch.nn.functional.silu(x @ w[f"{prefix}.gate_proj.weight"].T) * (x @ w[f"{prefix}.up_proj.weight"].T)
        return up @ w[f"{prefix}.down_proj.weight"].T

    x = w["model.embed_tokens.weight"][ids]
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        a = p + "self_attn."
        h = norm(x, w[p + "input_layernorm.weight"])
        q = (h @ w[a + "q_proj.weight"].T).view(length, heads, nope + rope)
        latent, shared = (h @ w[a + "kv_a_proj_with_mqa.weight"].T).split([c["kv_lora_rank"], rope], dim=-1)
        kv = norm(latent, w[a + "kv_a_layernorm.weight"]) @ w[a + "kv_b_proj.weight"].T
        k, v = kv.view(length, heads, nope + value).split([nope, value], dim=-1)
        q = torch.cat([q[..., :nope], rotate(q[..., nope:])], dim=-1)
        k = torch.cat([k, rotate(shared[:, None]).expand(length, heads, rope)], dim=-1)
        scores = torch.einsum("qhd,khd->hqk", q, k) / (nope + rope) ** 0.5
        scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf")).softmax(-1)
        x = x + torch.einsum("hqk,khd->qhd", scores, v).flatten(1) @ w[a + "o_proj.weight"].T
        h = norm(x, w[p + "post_attention_layernorm.weight"])
        m = p + "mlp"
        if layer < c["first_k_dense_replace"]:
            x = x + gated(h, m)
            continue
        affinity = torch.sigmoid(h @ w[f"{m}.gate.weight"].T)
        out = gated(h, f"{m}.shared_experts")
        for token in range(length):
            chosen = (affinity[token] + w[f"{m}.gate.e_score_correction_bias"]).topk(c["num_experts_per_tok"]).indices
            share = affinity[token, chosen] / affinity[token, chosen].sum() * c["routed_scaling_factor"]
            for expert, weight in zip(chosen.tolist(), share, strict=True):
                out[token] += weight * gated(h[token], f"{m}.experts.{expert}")
        x = x + out
    return norm(x, w["model.norm.weight"]) @ w["model.embed_tokens.weight"].T
