"""What trainer and engine can compute of a model, and in which precision; the rest is refused by name before verl starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from mathrl.core.files import UserError, read_json
from mathrl.models.records import ModelConfig
from mathrl.models.shape import DEEPSEEK_V3
from mathrl.models.usual import USUAL
from mathrl.verl.keys import Value

FUSED = "actor_rollout_ref.model.use_fused_kernels"
# What leaves logits alone, of keys that Gemma 2, Cohere and Granite have.
PLAIN_HEAD = {"final_logit_softcapping": None, "logit_scale": 1.0, "logits_scaling": 1.0}


def precision(dtype: str) -> dict[str, str]:
    """FSDP's mixed precision: what it computes in. verl reads `dtype` for the engine alone; unset, FSDP computes in bfloat16.

    In float16 verl scales the loss, so that small gradients do not vanish. Gradients are summed in float32 in any case.
    """
    return {"param_dtype": {"float32": "fp32", "float16": "fp16"}[dtype], "reduce_dtype": "fp32", "buffer_dtype": "fp32"}


def check_precision(dtype: str, accelerator: str, model: str, *, hub: str = "", key: str = "training.dtype") -> None:
    """Refuse a precision that trainer or engine does not have.

    Args:
        dtype: of the computation.
        accelerator: `cuda` or `cpu`.
        model: Hugging Face directory.
        hub: its name on a hub, by which a usual model's sizes are known before it is there.
        key: of the configuration, for the message.

    Raises:
        UserError: float16 on a CPU, or float32 for DeepSeek-V3's shape on a GPU.
    """
    if dtype == "float16" and accelerator == "cpu":
        raise UserError(f"{key}: float16 needs a GPU (its loss scaler, and vLLM's kernels); write bfloat16 or float32")
    if dtype == "float32" and accelerator == "cuda" and sizes(model, hub).get("model_type") == DEEPSEEK_V3:
        raise UserError(
            f"{key}: vLLM has no float32 kernels on a GPU for the latent attention of {model} (deepseek_v3); write bfloat16 or float16"
        )


def sizes(model: str, hub: str = "") -> ModelConfig:
    """The model's config.json, or what is known of a usual model by its name on a hub; nothing where neither is there.

    Raises:
        UserError: config.json is damaged.
    """
    return _published(model) or USUAL.get(hub, {})


def _published(model: str) -> ModelConfig:
    """The model's config.json; nothing where it is not there yet.

    Raises:
        UserError: it is damaged.
    """
    path = Path(model) / "config.json"
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise UserError(f"{path}: is no object; fetch or copy the model again")
    return cast(ModelConfig, found)


def shape(model: str) -> ModelConfig:
    """The model's config.json; nothing where it is not there yet. tie_word_embeddings is as transformers reads it."""
    found = _published(model)
    if "tie_word_embeddings" not in found and "model_type" in found:
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING

        # each architecture has a default of its own: Llama's and Qwen's is untied, Gemma's tied
        if found["model_type"] in CONFIG_MAPPING:
            found["tie_word_embeddings"] = CONFIG_MAPPING[found["model_type"]]().tie_word_embeddings
    return found


def check_head(model: str, own: Mapping[str, Value]) -> None:
    """Refuse a model whose head does more than a product with its weight, which verl's log-probabilities in chunks leave out.

    `own` are the user's keys for verl.

    Raises:
        UserError: such a model, unless the user has verl take log-probabilities from whole logits.
    """
    if own.get(FUSED) is False:
        return
    found = _published(model)
    scaled = [key for key, plain in PLAIN_HEAD.items() if found.get(key, plain) not in (plain, None)]
    if scaled:
        raise UserError(
            f"{model}: its head changes logits ({scaled[0]}), which verl's log-probabilities in chunks do not; choose another base_model, "
            f"or whole logits, for seven times their memory: training.verl: {{{FUSED}: false}}"
        )
