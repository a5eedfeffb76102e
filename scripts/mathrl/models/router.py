"""DeepSeek-V3's router in float32, in trainer and engine alike.

Its logits choose a token's experts. Rounded to bfloat16, they send some tokens of a hundred to other experts in each layer. Both sides
round them: vLLM 0.24 computes them in the model's own precision, and verl's autocast takes back the float32 that transformers' code
asks for, of the scores as well. Weights and tokens stay as they are: a product of two numbers of bfloat16 is exact in float32.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mathrl.core.files import read_json
from mathrl.models.shape import DEEPSEEK_V3

if TYPE_CHECKING:
    import torch

TRAINERS, ENGINES = "transformers.models.deepseek_v3.modeling_deepseek_v3", "vllm.model_executor.models.deepseek_v2"


def has_one(model: Path) -> bool:
    """Whether a Hugging Face directory holds a model with this router."""
    file = model / "config.json"
    found = read_json(file) if file.is_file() else None
    return isinstance(found, dict) and found.get("model_type") == DEEPSEEK_V3


def in_the_trainer(modeling: ModuleType) -> None:
    """Keep autocast out of the router, in transformers' module of the model."""
    import torch

    usual = modeling.DeepseekV3TopkRouter.forward

    def forward(self: torch.nn.Module, hidden_states: torch.Tensor) -> torch.Tensor:
        with torch.autocast(hidden_states.device.type, enabled=False):
            return usual(self, hidden_states)

    modeling.DeepseekV3TopkRouter.forward = forward


def in_the_engine(deepseek: ModuleType) -> None:
    """Give the models of vLLM's module gates whose logits are float32: by its own kernel where the GPU has one, else by torch's."""
    import torch
    from torch.nn.functional import linear
    from vllm.model_executor.layers.linear import UnquantizedLinearMethod

    class Float32Method(UnquantizedLinearMethod):
        def process_weights_after_loading(self, layer: torch.nn.Module) -> None:
            """On a CPU vLLM would pack the weight for its own kernel and free it."""

        def apply(self, layer: torch.nn.Module, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
            return linear(x.float(), layer.weight.float(), bias)

    class Float32Gate(deepseek.GateLinear):  # type: ignore[name-defined]  # vLLM's, known when it runs
        def __init__(self, *sizes: int, **named: object) -> None:
            super().__init__(*sizes, **{**named, "out_dtype": torch.float32})
            self.quant_method = Float32Method()

    deepseek.GateLinear = Float32Gate  # type: ignore[attr-defined]
