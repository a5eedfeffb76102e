"""train_shapes.py FOLDER RANK WORLD CASE…: two real updates of verl's FSDP2 engine on tiny models, beside the same updates without verl.

A CASE is kind:tied:dtype; with :lora an adapter alone is trained, with :speed weights and gradients are exchanged less often, with
:packed two samples make a row. Rank 0 prints, per case, a line of JSON: verl's losses before and after the first update, transformers' own
(with PEFT's adapter), the mean difference of its samples' token probabilities before, the largest difference of a weight after both,
that of all weights together in parts of what they moved, and how far what a weight sync would send is from that of the reference, base
and adapter summed. Every rank holds other samples; the reference takes them all.
"""

import functools
import json
import os
import sys
from pathlib import Path

folder, rank, world, *cases = sys.argv[1:]
folder, rank, world = Path(folder), int(rank), int(world)

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
import verl  # noqa: E402, F401
from mathrl.config.stage import Lora  # noqa: E402
from mathrl.models import adapter, router  # noqa: E402
from mathrl.verl import precision  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from tensordict import TensorDict  # noqa: E402
from torch.distributed.fsdp import sharded_grad_scaler  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402
from transformers.models.deepseek_v3 import modeling_deepseek_v3  # noqa: E402
from verl.trainer.config import CheckpointConfig  # noqa: E402
from verl.utils import tensordict_utils as tu  # noqa: E402
from verl.workers.config import FSDPEngineConfig, FSDPOptimizerConfig, HFModelConfig  # noqa: E402
from verl.workers.engine.fsdp import transformer_impl  # noqa: E402
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead  # noqa: E402

torch.set_num_threads(1)
SIZES = {"vocab_size": 300, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
MORE = {
    "qwen3": {"head_dim": 32},
    "gemma": {"head_dim": 16},
    "deepseek_v3": {
        "num_key_value_heads": 4, "moe_intermediate_size": 32, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1,
        "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": None, "kv_lora_rank": 32, "qk_rope_head_dim": 16,
        "qk_nope_head_dim": 16, "v_head_dim": 16, "n_shared_experts": 1,
    },
}  # fmt: skip
RATE, LENGTHS = 1e-3, (5, 9, 7, 9)
LORA = Lora(rank=4, alpha=8)
# verl's scaler works on CUDA alone. It begins with a scale at which none of these gradients overflows, so that both updates are made.
SCALER = functools.partial(sharded_grad_scaler.ShardedGradScaler, device="cpu", init_scale=2.0**8)
SPEED = {"reshard_after_forward": False, "forward_prefetch": True, "use_no_sync_for_gradient_accumulation": True}


def write(place, kind, tied):
    """A model directory with random float32 weights."""
    torch.manual_seed(1)
    config = AutoConfig.for_model(kind, **(SIZES | MORE.get(kind, {})), tie_word_embeddings=tied, attn_implementation="sdpa")
    AutoModelForCausalLM.from_config(config).float().save_pretrained(place)


def rows():
    """Samples of all ranks: token ids."""
    generator = torch.Generator().manual_seed(7)
    return [torch.randint(3, 300, (length,), generator=generator) for length in LENGTHS * world]


def batch(ids, packed):
    """What verl's trainer hands to its engine."""

    def nested(values):
        return torch.nested.as_nested_tensor(values, layout=torch.jagged)

    positions = [torch.arange(len(row)) for row in ids]
    masks = [torch.ones(len(row), dtype=torch.bool) for row in ids]
    data = TensorDict({"input_ids": nested(ids), "position_ids": nested(positions), "loss_mask": nested(masks)}, batch_size=len(ids))
    tu.assign_non_tensor(data, use_remove_padding=packed, use_fused_kernels=True, use_dynamic_bsz=False, micro_batch_size_per_gpu=2)
    tu.assign_non_tensor(data, temperature=1.0, calculate_entropy=False, pad_token_id=0)
    return data


seen = []  # log-probabilities of the samples of this rank, of both updates


def loss(model_output, data, dp_group=None):
    """Minus the mean log-probability of the next token, over all ranks; verl averages gradients over ranks."""
    rows = [row[:-1] for row in model_output["log_probs"].unbind()]
    seen.extend(row.detach().clone() for row in rows)
    total = sum(row.sum() for row in rows)
    return -total * world / data["batch_num_tokens"], {}


def whole(value):
    return getattr(value, "full_tensor", lambda: value)().detach().clone()


def same_start(model):
    """An adapter whose first weights are the same everywhere, and none of them zero, so that both halves learn."""
    generator = torch.Generator().manual_seed(3)
    for name, value in sorted(model.named_parameters()):
        if "lora_" in name:
            value.data.copy_(torch.randn(value.shape, generator=generator) * 0.05)


def with_verl(place, dtype, lora, speed, packed):
    """Losses of both updates, the weights after them, those that a weight sync sends, and log-probabilities before the first."""
    library = None if precision.shape(str(place))["tie_word_embeddings"] else "mathrl.verl.untied_heads"
    seen.clear()
    override = {"attn_implementation": "sdpa"}
    options = {"load_tokenizer": False, "use_fused_kernels": True, "use_remove_padding": packed, "override_config": override}
    options["fused_kernel_options"] = {"impl_backend": "torch"}
    if lora:
        library = "mathrl.verl.lora"
        options |= {"lora_rank": LORA.rank, "lora_alpha": LORA.alpha, "lora": {"merge": True}}
        options["target_modules"] = adapter.targets(LORA, precision.shape(str(place)), "m")
        transformer_impl.get_peft_model = lambda *given: (made := get_peft_model(*given), same_start(made))[0]
    model = HFModelConfig(path=str(place), external_lib=library, **options)
    names = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
    mixed = {"param_dtype": names[dtype], "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
    engine_config = FSDPEngineConfig(strategy="fsdp2", mixed_precision=mixed, use_torch_compile=False, use_dynamic_bsz=False, **speed)
    optimizer = FSDPOptimizerConfig(lr=RATE, weight_decay=0.0, clip_grad=1e9, lr_warmup_steps=0, total_training_steps=10)
    engine = FSDPEngineWithLMHead(model, engine_config, optimizer, CheckpointConfig())
    engine.initialize()
    assert (engine.scaler is not None) == (dtype == "float16")
    own = rows()[rank::world]
    losses = []
    for _ in range(2):
        with engine.train_mode():
            made = engine.train_batch(batch(own, packed), loss)
        value = torch.tensor(sum(made["loss"]))
        dist.all_reduce(value)
        losses.append(float(value) / world)
    before = {name: whole(value) for name, value in engine.module.state_dict().items()}
    sent = dict(engine.get_per_tensor_param()[0]) if lora else {}
    after = {name: whole(value) for name, value in engine.module.state_dict().items()}
    assert all(torch.equal(before[name], after[name]) for name in before), "a weight sync changed the trainer"
    return losses, after, sent, seen[: len(own)]


def without(place, dtype, lora):
    """The same by transformers and torch alone, from whole logits; below float32 by autocast, which FSDP's mixed precision amounts to."""
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, attn_implementation="sdpa")
    if lora:
        chosen = adapter.targets(LORA, precision.shape(str(place)), "m")
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=LORA.rank, lora_alpha=LORA.alpha, target_modules=chosen))
        same_start(model)
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=RATE, weight_decay=0.0, betas=(0.9, 0.999))
    losses, samples, first = [], rows(), []
    for update in range(2):
        total = 0
        for row in samples:
            with torch.autocast("cpu", getattr(torch, dtype), enabled=dtype != "float32"):
                logits = model(input_ids=row[None]).logits[0, :-1].float()
            logprobs = logits.log_softmax(-1).gather(-1, row[1:, None])[:, 0]
            first += [logprobs.detach()] if not update else []
            total = total - logprobs.sum()
        total = total / sum(map(len, samples))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    trained = {name: value.detach().clone() for name, value in model.state_dict().items()}
    if lora:
        model.merge_and_unload().save_pretrained(f"{place}-merged")
    return losses, trained, first


os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
dist.init_process_group("cpu:gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
sharded_grad_scaler.ShardedGradScaler = SCALER
router.in_the_trainer(modeling_deepseek_v3)  # grpo_config has verl import it for this shape
references, before = {}, {}
if rank == 0:
    for case in cases:  # first: verl gives a model's class another forward
        kind, tied, dtype, *more = case.split(":")
        write(folder / case, kind, tied == "tied")
        before[case] = load_file(folder / case / "model.safetensors")
        references[case] = without(folder / case, dtype, "lora" in more)
dist.barrier()
for case in cases:
    dtype, *more = case.split(":")[2:]
    lora = "lora" in more
    losses, weights, sent, own = with_verl(folder / case, dtype, lora, SPEED if "speed" in more else {}, "packed" in more)
    if rank == 0:
        expected, right, first = references[case]
        found = {"case": case, "losses": losses, "expected": expected, "compared": len(weights)}
        apart = [(one.exp() - other.exp()).abs() for one, other in zip(own, first[::world], strict=True)]
        found["probabilities"] = float(torch.cat(apart).mean())
        start = {name: value for name, value in before[case].items() if name in weights and name in right}
        moved, differ = (sum(float((right[n] - o[n]).square().sum()) for n in start) ** 0.5 for o in (start, weights))
        found["moved"] = differ / moved if moved else 0.0  # the adapter's own weights have other names
        found["weights"] = max(float((weights[name] - right[name]).abs().max()) for name in right if name in weights)
        if lora:
            published = load_file(f"{folder / case}-merged/model.safetensors")
            found["unknown"] = sorted(set(published) - set(sent))
            found["sent"] = max(float((sent[name] - value).abs().max()) for name, value in published.items() if name in sent)
            found["dtypes"] = sorted({str(value.dtype) for value in sent.values()})
        print(json.dumps(found), flush=True)
    dist.barrier()
dist.destroy_process_group()
