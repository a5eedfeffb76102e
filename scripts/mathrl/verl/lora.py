"""LoRA under FSDP2: what the engine gets at a weight sync is base and adapter, summed in the precision of the master weights.

verl imports this where it trains an adapter (`actor_rollout_ref.model.external_lib`; grpo_config and sft_config set it).

verl's own sum is rounded to bfloat16 whatever the engine computes in, so that in float32 trainer and engine differed by 2e-4 on average
instead of 1e-8. It also writes the sum into the base and takes a copy back afterwards, and hands experts on as transformers packs them,
which vLLM does not read. Here each weight is summed on its way: nothing of the trainer changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mathrl.verl import untied_heads  # noqa: F401  a head of its own needs it with and without an adapter
from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    import torch

BASE = ".base_layer.weight"  # how PEFT calls the weight that it wraps


def merged(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Names as in a model's files and whole weights, base and adapter summed, one at a time; every rank must take them all."""
    from peft.tuners.lora import LoraLayer
    from verl.utils.fsdp_utils import normalize_peft_param_name

    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, LoraLayer)}
    for name, value in module.state_dict().items():
        for plain in normalize_peft_param_name({name: value}):  # none for the adapter's own
            weight = _whole(value)
            if name.endswith(BASE):
                (adapter,) = layers[name.removesuffix(BASE)].active_adapters
                weight = weight + _whole(layers[name.removesuffix(BASE)].get_delta_weight(adapter)).to(weight.dtype)
            yield plain, weight


def _whole(value: Any) -> torch.Tensor:
    """A tensor of all ranks' shards, which nobody else holds."""
    value = value.detach()
    return value.full_tensor() if hasattr(value, "full_tensor") else value.clone()


def send_what_is_trained(engines: ModuleType) -> None:
    """Put our sum in the place of verl's."""

    def per_tensor(engine: Any) -> Iterator[tuple[str, torch.Tensor]]:
        import torch

        try:
            with torch.no_grad():
                yield from engines.unfuse_moe_params(merged(engine.module), engine.model_config.hf_config.model_type)
        finally:
            if engine._is_offload_param:
                engines.offload_fsdp_model_to_cpu(engine.module)

    engines.FSDPEngine._merged_lora_per_tensor_param = per_tensor


after_import("verl.workers.engine.fsdp.transformer_impl", send_what_is_trained)
