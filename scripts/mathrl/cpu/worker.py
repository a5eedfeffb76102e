"""vLLM's worker extension for verl on a CPU (rollout.engine_kwargs.vllm.worker_extension_cls).

vLLM's CPU linear layer packs its weight into a oneDNN handle when the model is loaded and frees the weight itself. A trainer
that sends new weights would then write into nothing: the rollout would stay the base model for ever. Here the layer keeps its
weight and multiplies by it, so that every sync takes effect.
"""

import torch
import vllm.model_executor.layers.utils as layers
from verl.workers.rollout.vllm_rollout.utils import vLLMColocateWorkerExtension


def keep_weight(layer: torch.nn.Module, remove_weight: bool) -> None:
    """vLLM's hook after loading a linear layer: multiply by the layer's own, live weight."""
    layer.cpu_linear = torch.nn.functional.linear


layers.dispatch_cpu_unquantized_gemm = keep_weight


class LiveWeightExtension(vLLMColocateWorkerExtension):
    """verl's own extension; importing this module is what changes the linear layers."""
