"""reshard.py FOLDER RANK WORLD: verl's FSDP2 engine saves a tiny model after an update, or goes on from what another number of ranks saved.

One rank begins, saves, and prints a hash of its weights; more ranks load that, print theirs, the moments that their optimizers hold
before the next update and the steps of the schedule, and save, which one rank prints the names of.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

folder, rank, world = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
import verl  # noqa: E402, F401
from tensordict import TensorDict  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402
from verl.trainer.config import CheckpointConfig  # noqa: E402
from verl.utils import tensordict_utils as tu  # noqa: E402
from verl.workers.config import FSDPEngineConfig, FSDPOptimizerConfig, HFModelConfig  # noqa: E402
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead  # noqa: E402

torch.set_num_threads(1)
os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
dist.init_process_group("cpu:gloo", init_method=f"file://{folder}/store{world}", rank=rank, world_size=world)
if world == 1:
    torch.manual_seed(1)
    # 33 rows do not divide by two ranks
    sizes = {"vocab_size": 33, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(**sizes, tie_word_embeddings=False)).float().save_pretrained(folder / "model")
options = {
    "load_tokenizer": False,
    "use_fused_kernels": True,
    "use_remove_padding": False,
    "override_config": {"attn_implementation": "sdpa"},
}
libraries = ["mathrl.verl.untied_heads", "mathrl.verl.reshard"]
model = HFModelConfig(path=str(folder / "model"), external_lib=libraries, fused_kernel_options={"impl_backend": "torch"}, **options)
mixed = {"param_dtype": "fp32", "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
settings = FSDPEngineConfig(strategy="fsdp2", mixed_precision=mixed, use_torch_compile=False, use_dynamic_bsz=False)
schedule = FSDPOptimizerConfig(lr=1e-3, weight_decay=0.0, clip_grad=1e9, lr_warmup_steps=4, total_training_steps=10)
contents = ["model", "optimizer", "extra"]
engine = FSDPEngineWithLMHead(model, settings, schedule, CheckpointConfig(save_contents=contents, load_contents=contents))
engine.initialize()


def weights() -> str:
    """SHA-256 of all weights, each put together."""
    whole = {name: getattr(value, "full_tensor", lambda value=value: value)() for name, value in engine.module.state_dict().items()}
    return hashlib.sha256(b"".join(whole[name].numpy().tobytes() for name in sorted(whole))).hexdigest()


def update() -> float:
    ids = [torch.arange(3 + rank, 12 + rank) for _ in range(2)]
    nested = {"input_ids": ids, "position_ids": [torch.arange(9)] * 2, "loss_mask": [torch.ones(9, dtype=torch.bool)] * 2}
    data = {name: torch.nested.as_nested_tensor(rows, layout=torch.jagged) for name, rows in nested.items()}
    batch = TensorDict(data, batch_size=2)
    tu.assign_non_tensor(batch, use_remove_padding=False, use_fused_kernels=True, use_dynamic_bsz=False, micro_batch_size_per_gpu=2)
    tu.assign_non_tensor(batch, temperature=1.0, calculate_entropy=False, pad_token_id=0)
    with engine.train_mode():
        made = engine.train_batch(batch, lambda model_output, data, dp_group=None: (-model_output["log_probs"].values().mean(), {}))
    engine.lr_scheduler.step()
    return float(sum(made["loss"]))


said = {}
if world == 1:
    said["losses"] = [update(), update()]
else:
    engine.load_checkpoint(str(folder / "global_step_1/actor"))
said |= {"weights": weights(), "schedule": engine.lr_scheduler.last_epoch}
said["moments"] = len(engine.optimizer.state)
if world > 1:
    said["losses"] = [update()]
engine.save_checkpoint(str(folder / f"global_step_{world}/actor"), global_step=world)
if world > 1:  # its own is loaded with the optimizer
    engine.load_checkpoint(str(folder / f"global_step_{world}/actor"))
    said["own moments"] = len(engine.optimizer.state)
if rank == 0:
    print(json.dumps({"said": said}), flush=True)
dist.barrier()
dist.destroy_process_group()
