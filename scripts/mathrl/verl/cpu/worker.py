"""vLLM's worker extension for verl on a CPU (rollout.engine_kwargs.vllm.worker_extension_cls).

vLLM's CPU linear layer packs its weight into a oneDNN handle when the model is loaded and frees the weight itself. A trainer
that sends new weights would then write into nothing: the rollout would stay the base model for ever. Here the layer keeps its
weight and multiplies by it, so that every sync takes effect; so do experts, whose kernel wants packed weights as well. With
`mathrl.models.cpu_kernels` models of DeepSeek-V3's shape are sampled right, too.
"""

import torch
import vllm.model_executor.layers.utils as layers
from torch.nn.functional import linear, silu
from verl.workers.rollout.vllm_rollout.utils import vLLMColocateWorkerExtension

from mathrl.models import cpu_kernels


def keep_weight(layer: torch.nn.Module, remove_weight: bool) -> None:
    """vLLM's hook after loading a linear layer: multiply by the layer's own, live weight."""
    layer.cpu_linear = linear


def run_experts(
    tokens: torch.Tensor,
    gate_up: torch.Tensor,
    down: torch.Tensor,
    gate_up_bias: torch.Tensor | None,
    down_bias: torch.Tensor | None,
    weights: torch.Tensor,
    experts: torch.Tensor,
    activation: str,
    isa: str,
    weighted_input: bool,
) -> torch.Tensor:
    """vLLM's kernel for experts, in torch: `tokens` (T, H), `gate_up` (E, 2F, H), `down` (E, H, F), `weights` and `experts` (T, K)."""
    if activation != "silu" or gate_up_bias is not None or weighted_input:
        raise ValueError("experts on a CPU: SiLU without biases only, as DeepSeek-V3 has them")
    result = torch.zeros_like(tokens)
    for expert in experts.unique().tolist():
        rows, places = (experts == expert).nonzero(as_tuple=True)
        gate, up = linear(tokens[rows], gate_up[expert]).chunk(2, dim=-1)
        made = linear(silu(gate) * up, down[expert])
        result.index_add_(0, rows, made * weights[rows, places, None].to(made.dtype))
    return result


layers.dispatch_cpu_unquantized_gemm = keep_weight
moe = cpu_kernels.experts()
moe.cpu_prepack_moe_weight = lambda weight, isa: weight
moe.cpu_fused_moe = run_experts
if hasattr(moe, "CPUFusedMOE"):  # vLLM 0.24 has another way where it has no kernel: none for AVX2
    moe.CPUFusedMOE.check_grouped_gemm = lambda self, layer: (True, "vec")
cpu_kernels.apply()


class LiveWeightExtension(vLLMColocateWorkerExtension):
    """verl's own extension; importing this module is what changes the linear layers."""
