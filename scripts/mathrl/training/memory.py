"""Expected memory per GPU: training with FSDP2 beside a vLLM engine that shares the GPU.

Bytes on one GPU of N; P parameters, w bytes a number in computation (2 for bfloat16), B samples of T tokens in a micro-batch.

    state      12·P/N               float32 weights and Adam's two moments, sharded
    gradients  4·P/N                float32, sharded
    layers     (2·w + w + 4)·L + 2·w·R   L the largest layer: two gathered at once, its gradient, that gradient's float32 copy while
                                    it is reduced; R what belongs to no layer (embedding, head), gathered all the time, with gradient
    saved      B·T·hidden·w·layers  with gradient checkpointing only each layer's input
    recomputed 2·B·T·w·U            U numbers a token in the largest layer, with their gradients (without checkpointing: in all layers)
    mask       (1 + w)·T²·B         torch's attention wants the mask written out, as truth values and as numbers
    logits     16·w·512·vocabulary  of 512 tokens at a time: logits, their softmax and gradients, several of them in float32
    context    1.5 GiB              CUDA, NCCL, allocator; assumed
    asleep     1.0 GiB              what the sleeping engine keeps (graphs); assumed
    sync       2.0 GiB              verl's buffer on its way to the engine (update_weights_bucket_megabytes)

Update: all but sync. Rollout: state + context + sync + the engine's share (gpu_memory_utilization × GPU), of which w·P weights and
1.5 GiB for activations leave the rest to the KV cache. T is the longest prompt and response: an upper bound, most sequences are shorter.
With `lora` the model's weights are frozen: state 4·P/N + 12·A/N, gradients 4·A/N and layers 2·w·L + w·R, with A numbers of adapters.
On several GPUs weights stay gathered with FSDP's `reshard_after_forward: false` (layers: w·P more), and gradients whole with its
`use_no_sync_for_gradient_accumulation: true` (gradients: 4·P more, or 4·A).
Verifiers that are models and share the GPU (reward.process.gpus: 0) hold their share of it (gpu_memory) and a context each, in both sums.
With `dynamic_batch` sequences are packed into one row: B = 1, T = max_tokens_per_gpu. Attention keeps no T × T matrix of scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mathrl.config.stage import Stage
from mathrl.models import adapter
from mathrl.models.records import ModelConfig
from mathrl.models.shape import BIAS, DEEPSEEK_V3, shapes

GIB = 1 << 30
CONTEXT = 1.5 * GIB
ASLEEP = 1.0 * GIB
SYNC = 2.0 * GIB
ENGINE = 1.5 * GIB
LOGIT_COPIES = 16
CHUNK = 512  # tokens; verl's
WIDTH = {"bfloat16": 2, "float16": 2, "float32": 4}
FSDP = "actor_rollout_ref.actor.fsdp_config"
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")  # by which a model of another shape says that it has some


@dataclass(frozen=True)
class Model:
    """What of a model the formula needs: parameters (all, of the largest layer, outside layers), numbers a token."""

    parameters: int
    largest_layer: int
    outside: int
    layers: int
    hidden: int
    vocabulary: int
    kept: int  # numbers a token that the largest layer keeps for its backward pass
    cache: int  # numbers a token in the KV cache, all layers
    linear: Mapping[str, int]  # inputs and outputs of linear layers that may have an adapter, by name


@dataclass(frozen=True)
class Held:
    """What verifiers that are models hold of a GPU that trains: how many are there at most, and the share that each takes, 0 to 1."""

    count: int
    share: float

    def bytes(self, gpu: float) -> float:
        """Of a GPU of `gpu` bytes."""
        return self.count * (self.share * gpu + CONTEXT)


NOTHING = Held(0, 0.0)


def read_model(config: ModelConfig) -> Model:
    """Sizes from a config.json: DeepSeek-V3 and everything shaped like Llama.

    Raises:
        KeyError: it lacks a size, or has experts of another shape, whose parameters would not be counted.
    """
    hidden, layers, heads = (config[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
    if config.get("model_type") == DEEPSEEK_V3:
        named = {name: math.prod(shape) for name, shape in shapes(config).items() if not name.endswith(BIAS)}
        sizes = [sum(size for name, size in named.items() if name.startswith(f"model.layers.{layer}.")) for layer in range(layers)]
        total = sum(named.values())
        nope, rope, value, latent = (config[key] for key in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_lora_rank"))
        # A norm keeps its input in float32, the normalised input and its output; the router's input is float32 too.
        attention = 2 * heads * (nope + rope + value) + 5 * latent + rope
        routed = config["num_experts_per_tok"] * (2 * hidden + 4 * config["moe_intermediate_size"])
        routed += 4 * config["n_shared_experts"] * config["moe_intermediate_size"]
        kept = 10 * hidden + attention + max(4 * config["intermediate_size"], routed)
        cache = layers * (latent + rope)
    elif any(config.get(key) for key in EXPERTS):
        raise KeyError("sizes of its experts in a known form")
    else:
        groups = config.get("num_key_value_heads") or heads
        head = config.get("head_dim") or hidden // heads
        block = hidden * head * (2 * heads + 2 * groups) + 3 * hidden * config["intermediate_size"] + 2 * hidden
        ends = config["vocab_size"] * hidden * (1 if config.get("tie_word_embeddings") else 2) + hidden
        sizes, total = [block], layers * block + ends
        kept = 8 * hidden + 2 * head * (heads + 2 * groups) + 4 * config["intermediate_size"]
        cache = layers * 2 * groups * head
    outside = total - (sum(sizes) if len(sizes) == layers else layers * sizes[0])
    return Model(total, max(sizes), outside, layers, hidden, config["vocab_size"], kept, cache, adapter.linear_layers(config))


def estimate(model: Model, stage: Stage, gpu: float, held: Held = NOTHING) -> dict[str, float]:
    """Bytes per GPU by part, for a stage of training on GPUs of `gpu` bytes; `update` and `rollout` are the two sums."""
    ranks, width = stage.all_gpus, WIDTH[stage.dtype]
    sequences, length = stage.micro_batch_size, stage.longest
    if stage.dynamic_batch:
        sequences, length = 1, max(stage.max_tokens_per_gpu, stage.longest)
    rows = sequences * length
    blocks = 1 if stage.gradient_checkpointing else model.layers
    trained, frozen = model.parameters, 0
    layers = (3 * width + 4) * model.largest_layer + 2 * width * model.outside
    if stage.lora:
        trained, frozen = adapter.numbers(stage.lora, model.linear), model.parameters
        layers = 2 * width * model.largest_layer + width * model.outside
    gradients, raw = 4 * trained / ranks, {key.lstrip("+"): value for key, value in stage.verl.items()}
    if ranks > 1 and raw.get(f"{FSDP}.reshard_after_forward") is False:
        layers += width * model.parameters
    if ranks > 1 and raw.get(f"{FSDP}.use_no_sync_for_gradient_accumulation") is True:
        gradients += 4 * trained
    parts = {
        "state": (12 * trained + 4 * frozen) / ranks,
        "gradients": gradients,
        "layers": layers,
        "saved": rows * model.hidden * width * model.layers,
        "recomputed": 2 * rows * width * model.kept * blocks,
        "mask": (1 + width) * sequences * length**2,
        "logits": LOGIT_COPIES * min(rows, CHUNK) * width * model.vocabulary,
    }
    parts["verifiers"] = held.bytes(gpu)
    parts["update"] = sum(parts.values()) + CONTEXT + ASLEEP
    parts["engine"] = stage.gpu_memory_utilization * gpu
    parts["cache"] = parts["engine"] - width * model.parameters / stage.tensor_parallel - ENGINE
    parts["rollout"] = parts["state"] + CONTEXT + SYNC + parts["engine"] + parts["verifiers"]
    # MLA's latent is not split over the GPUs of an engine, so neither is it counted as if it were
    parts["cached_tokens"] = max(0.0, parts["cache"]) / (width * model.cache)
    return parts


def fits(parts: Mapping[str, float], stage: Stage, gpu: float) -> bool:
    """Do both phases fit on a GPU, with room in the cache for eight whole sequences?"""
    return parts["update"] <= gpu and parts["rollout"] <= gpu and parts["cached_tokens"] >= 8 * stage.longest


def changes(model: Model, stage: Stage, gpu: float, held: Held = NOTHING) -> dict[str, float] | None:
    """Keys of `training` to change until it fits, none of which changes a result; None where it cannot fit."""
    if fits(estimate(model, stage, gpu, held), stage, gpu):
        return {}
    keys: dict[str, float] = {} if stage.gradient_checkpointing else {"gradient_checkpointing": True}
    changed = stage.changed(**keys)
    rows = "max_tokens_per_gpu" if stage.dynamic_batch else "micro_batch_size"
    least = stage.longest if stage.dynamic_batch else 1
    while estimate(model, changed, gpu, held)["update"] > gpu and getattr(changed, rows) > least:
        keys[rows] = max(least, getattr(changed, rows) // 2)
        if rows == "micro_batch_size":
            keys["micro_batch_size_log_prob"] = keys[rows]
        changed = stage.changed(**keys)
    for share in (stage.gpu_memory_utilization, *(step / 20 for step in range(17, 1, -1))):
        smaller = changed.changed(gpu_memory_utilization=share)
        if fits(estimate(model, smaller, gpu, held), smaller, gpu):
            if share != stage.gpu_memory_utilization:
                keys["gpu_memory_utilization"] = share
            return keys
    return None


def advice(model: Model, stage: Stage, gpu: float, held: Held = NOTHING) -> str:
    """`fits`, or the keys of `training` to change until it does, or that it cannot."""
    keys = changes(model, stage, gpu, held)
    if keys is not None:
        return ", ".join(f"{key}: {str(value).lower()}" for key, value in keys.items()) or "fits"
    rows = {"max_tokens_per_gpu": stage.longest} if stage.dynamic_batch else {"micro_batch_size": 1}
    needed = estimate(model, stage.changed(gradient_checkpointing=True, **rows), gpu, held)["update"] / GIB
    verifiers = ", GPUs of their own for verifiers (reward.process.gpus)" if held.count else ""
    return f"does not fit: an update takes {needed:.0f} GiB at least; more GPUs (gpus){verifiers}, or a shorter max_response_length"


def table(model: Model, stage: Stage, gpus: list[float], held: Held = NOTHING) -> str:
    """A Markdown table, GiB, a row a GPU size (given in GiB); with a column for verifiers where some are held."""
    head = [
        "gpu",
        "state",
        "gradients",
        "layers",
        "activations",
        "logits",
        *(["verifiers"] if held.count else []),
        "**update**",
        "engine",
        "**rollout**",
        "KV cache, tokens",
        "verdict",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for size in gpus:
        parts = estimate(model, stage, size * GIB, held)
        gib = {key: f"{value / GIB:.1f}" for key, value in parts.items()}
        activations = f"{(parts['saved'] + parts['recomputed'] + parts['mask']) / GIB:.1f}"
        row = [f"{size:g}", gib["state"], gib["gradients"], gib["layers"], activations, gib["logits"]]
        row += [gib["verifiers"]] if held.count else []
        row += [gib["update"], gib["engine"], gib["rollout"], f"{parts['cached_tokens']:,.0f}", advice(model, stage, size * GIB, held)]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)
