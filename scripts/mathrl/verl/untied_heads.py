"""Models with untied embeddings under FSDP2, with log-probabilities taken in chunks (`use_fused_kernels`).

verl imports this where it loads such a model (`actor_rollout_ref.model.external_lib`; grpo_config sets it).

verl's chunks read `lm_head.weight` itself, past the module's own forward. FSDP2 gathers a wrapped module's weights in its forward,
so a head that is wrapped by itself, as verl wraps an untied one, is still a shard there: `mixed torch.Tensor and DTensor`. The head is
left to the whole model's group, whose weights are gathered before its forward and stay until the backward pass is over, as a tied
head's are.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    import torch


def leave_the_head_to_the_model(fsdp_utils: ModuleType) -> None:
    """Take the head out of what verl wraps by itself."""
    select = fsdp_utils._select_fsdp2_wrap_targets

    def selected(model: torch.nn.Module, layers: list[str]) -> list[torch.nn.Module]:
        head = model.get_output_embeddings()
        return [module for module in select(model, layers) if module is not head]

    fsdp_utils._select_fsdp2_wrap_targets = selected  # type: ignore[attr-defined]


after_import("verl.utils.fsdp_utils", leave_the_head_to_the_model)
