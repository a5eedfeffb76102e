"""The memory table's formula against bytes that torch, transformers and verl really hold."""

import json
import weakref
from typing import ClassVar

import pytest
from mathrl.config.stage import Lora
from mathrl.models import adapter
from mathrl.models.shape import OPENSEEK
from mathrl.training import memory
from support.settings import stage_of

GIB = memory.GIB
TINY = OPENSEEK | {
    "vocab_size": 600,
    "hidden_size": 128,
    "intermediate_size": 320,
    "moe_intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "n_routed_experts": 8,
    "kv_lora_rank": 64,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
}
LLAMA = {
    "model_type": "llama",
    "vocab_size": 500,
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
}


@pytest.fixture
def stage(config):
    return stage_of(config)


def test_exchanging_less_often_takes_memory(stage):
    """FSDP's keys for slow links may be tried without starting anew: the table says what they hold."""
    model, usual = memory.read_model(OPENSEEK), memory.estimate(memory.read_model(OPENSEEK), stage, 80 * GIB)
    fsdp = "actor_rollout_ref.actor.fsdp_config"
    kept = memory.estimate(model, stage.changed(verl={f"{fsdp}.reshard_after_forward": False}), 80 * GIB)
    assert kept["update"] - usual["update"] == pytest.approx(2 * model.parameters)
    whole = {f"{fsdp}.use_no_sync_for_gradient_accumulation": True}
    assert memory.estimate(model, stage.changed(verl=whole), 80 * GIB)["gradients"] == pytest.approx(
        usual["gradients"] + 4 * model.parameters
    )
    one = stage.changed(gpus=1)
    assert memory.estimate(model, one.changed(verl=whole), 80 * GIB) == memory.estimate(model, one, 80 * GIB), "nothing is exchanged"


@pytest.mark.parametrize("key", memory.EXPERTS)
def test_experts_of_another_shape_are_not_taken_for_a_dense_model(key):
    """Qwen3-30B-A3B would have counted as one of 3 billion parameters, and fitted everywhere."""
    with pytest.raises(KeyError, match="experts"):
        memory.read_model(LLAMA | {"model_type": "qwen3_moe", key: 128})


def build(sizes):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    settings = {key: value for key, value in sizes.items() if key != "model_type"}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(sizes["model_type"], **settings))


def saved_bytes(compute, weights=()):
    """Bytes of all tensors that autograd keeps for the backward pass of `compute()`, each storage once; `weights` left out."""
    import torch

    kept, sizes = [], {}
    own = {parameter.untyped_storage().data_ptr() for parameter in weights}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept.append(tensor)
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = compute()
    return sum(sizes.values()), result


@pytest.mark.parametrize("sizes", [TINY, LLAMA], ids=["deepseek_v3", "llama"])
def test_state_and_gradients(sizes, stage):
    """Float32 weights, Adam's moments and gradients of a real model after a step: 12 and 4 bytes a parameter."""
    import torch

    model = build(sizes)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.arange(40).view(2, 20), labels=torch.arange(40).view(2, 20)).loss.backward()
    gradients = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    for p in model.parameters():  # experts that no token reached
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    optimizer.step()
    moments = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
    held = sum(p.nbytes for p in model.parameters()) + sum(value.nbytes for value in moments)
    parts = memory.estimate(memory.read_model(sizes), stage.changed(gpus=1), GIB)
    assert (parts["state"], parts["gradients"]) == (held, gradients)
    assert memory.estimate(memory.read_model(sizes), stage.changed(gpus=6), GIB)["state"] == held / 6


@pytest.mark.parametrize("sizes", [TINY, LLAMA], ids=["deepseek_v3", "llama"])
def test_state_and_gradients_of_an_adapter(sizes, stage):
    """The same of a model whose adapters alone are trained."""
    import torch
    from peft import LoraConfig, get_peft_model

    lora = Lora(rank=8)
    chosen = adapter.targets(lora, sizes, "m")
    model = get_peft_model(build(sizes), LoraConfig(task_type="CAUSAL_LM", r=8, target_modules=chosen))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    model(torch.arange(40).view(2, 20), labels=torch.arange(40).view(2, 20)).loss.backward()
    optimizer.step()
    moments = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
    held = sum(p.nbytes for p in model.parameters()) + sum(value.nbytes for value in moments)
    parts = memory.estimate(memory.read_model(sizes), stage.changed(gpus=1, lora={"rank": 8}), GIB)
    assert (parts["state"], parts["gradients"]) == (held, sum(p.grad.nbytes for p in model.parameters() if p.grad is not None))


@pytest.mark.parametrize("sizes", [TINY, LLAMA], ids=["deepseek_v3", "llama"])
def test_parameters(sizes):
    """In all, of the largest layer, and outside the layers."""
    model = build(sizes)
    ours = memory.read_model(sizes)
    layers = [sum(p.numel() for p in layer.parameters()) for layer in model.model.layers]
    total = sum(p.numel() for p in model.parameters())
    assert (ours.parameters, ours.largest_layer, ours.outside) == (total, max(layers), total - sum(layers))


@pytest.mark.parametrize("sizes", [TINY, LLAMA], ids=["deepseek_v3", "llama"])
def test_numbers_that_a_layer_keeps(sizes):
    """What autograd keeps of the largest layer in bfloat16 is what the formula says, within a third."""
    import torch

    model = build(sizes).to(torch.bfloat16)
    ids = torch.randint(0, sizes["vocab_size"], (2, 64))
    taken = {}
    layer = model.model.layers[-1]
    handle = layer.register_forward_pre_hook(lambda _, args, kwargs: taken.update(args=args, kwargs=kwargs), with_kwargs=True)
    with torch.no_grad():
        model(ids, use_cache=False)
    handle.remove()
    hidden = taken["args"][0].detach().requires_grad_()
    kept, _ = saved_bytes(lambda: layer(hidden, *taken["args"][1:], **taken["kwargs"]), layer.parameters())
    expected = ids.numel() * 2 * memory.read_model(sizes).kept
    assert 0.75 < kept / expected < 4 / 3, kept / expected


def peak(compute):
    """Most bytes of dense tensors alive at once, of those that `compute()` makes, backward pass included."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Alive(TorchDispatchMode):
        sizes: ClassVar[dict] = {}
        most = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            for tensor in tree_leaves(made):
                if isinstance(tensor, torch.Tensor) and not tensor.is_nested:
                    storage = tensor.untyped_storage()
                    if storage._cdata not in self.sizes:
                        self.sizes[storage._cdata] = storage.nbytes()
                        weakref.finalize(storage, self.sizes.pop, storage._cdata, None)
            self.most = max(self.most, sum(self.sizes.values()))
            return made

    with Alive() as alive:
        compute()
    return alive.most


@pytest.mark.parametrize("bonus", [False, True], ids=["update", "update-with-a-bonus"])
def test_logits_in_chunks(bonus):
    """What verl holds of the logits where it takes 512 tokens at a time."""
    import torch
    from verl.utils.experimental.torch_functional import FusedLinearForPPO

    tokens, vocabulary = 2 * memory.CHUNK, 4096
    hidden = torch.randn(tokens, 8, dtype=torch.bfloat16, requires_grad=True)
    head = torch.randn(vocabulary, 8, dtype=torch.bfloat16, requires_grad=True)

    def compute():
        chosen, entropy = FusedLinearForPPO()(hidden, head, torch.zeros(tokens, dtype=torch.long))
        (chosen.sum() + entropy.sum() if bonus else chosen.sum()).backward()

    assert FusedLinearForPPO().chunk_size == memory.CHUNK
    most = peak(compute) / (2 * memory.CHUNK * vocabulary)
    assert 0.6 * memory.LOGIT_COPIES < most < memory.LOGIT_COPIES, most


def test_openseek_in_figures(stage):
    model = memory.read_model(OPENSEEK)
    assert model.parameters == 1_394_598_912
    assert 2 * model.cache == 6 * (512 + 64) * 2 == 6912  # bytes a token: MLA keeps the latent and one rotary key a layer
    assert memory.estimate(model, stage, 80 * GIB)["logits"] == 16 * 2 * 512 * 151851
    assert memory.advice(model, stage, 80 * GIB) == "fits"
    packed = memory.estimate(model, stage.changed(dynamic_batch=True, max_tokens_per_gpu=16384), 80 * GIB)
    assert packed["mask"] == 3 * 16384**2


@pytest.mark.parametrize("gpu", [16, 24, 32, 40, 80])
@pytest.mark.parametrize("changes", [{}, {"dynamic_batch": True}, {"gradient_checkpointing": False}, {"gpu_memory_utilization": 0.9}])
def test_what_is_advised_fits(stage, gpu, changes):
    model = memory.read_model(OPENSEEK)
    stage = stage.changed(**changes)
    said = memory.advice(model, stage, gpu * GIB)
    assert "does not" not in said
    if said != "fits":
        assert not memory.fits(memory.estimate(model, stage, gpu * GIB), stage, gpu * GIB)
        stage = stage.changed(**{key: json.loads(value) for key, value in (pair.split(": ") for pair in said.split(", "))})
    assert memory.fits(memory.estimate(model, stage, gpu * GIB), stage, gpu * GIB)


def test_what_cannot_fit_is_said(stage):
    assert "does not fit" in memory.advice(memory.read_model(OPENSEEK), stage.changed(gpus=1), 16 * GIB)


def test_verifiers_that_share_a_gpu_are_in_both_sums(stage):
    """Each with its share and a context; what is advised makes room for them."""
    model, held = memory.read_model(OPENSEEK), memory.Held(2, 0.2)
    alone, beside = memory.estimate(model, stage, 40 * GIB), memory.estimate(model, stage, 40 * GIB, held)
    assert alone["verifiers"] == 0 and beside["verifiers"] == 2 * (0.2 * 40 * GIB + memory.CONTEXT)
    assert beside["update"] - alone["update"] == beside["rollout"] - alone["rollout"] == pytest.approx(beside["verifiers"])
    assert memory.fits(alone, stage, 40 * GIB) and not memory.fits(beside, stage, 40 * GIB)
    changes = memory.changes(model, stage, 40 * GIB, held)
    changed = stage.changed(**changes)
    assert changes and memory.fits(memory.estimate(model, changed, 40 * GIB, held), changed, 40 * GIB)
    assert "GPUs of their own for verifiers (reward.process.gpus)" in memory.advice(model, stage, 16 * GIB, memory.Held(2, 0.4))
    assert "verifiers" not in memory.table(model, stage, [40])
    assert "| verifiers | **update** |" in memory.table(model, stage, [40], held) and "| 19.0 |" in memory.table(model, stage, [40], held)


def test_script_names_verifiers_and_their_share(script, config, tmp_path):
    import yaml

    config["verifiers"]["named"] = {"v": {"kind": "prm", "model": "grpo"}}
    config["reward"]["process"] = {"verifiers": ["v"]}
    said = {}
    for gpus in (0, 1):
        config["reward"]["process"]["gpus"] = gpus
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        said[gpus] = script("tabulate_memory.py", "--config", tmp_path / "config.yaml", "--gpus", "80").stdout
    assert "verifier v: 0.2 of a GPU that trains too (reward.process.gpu_memory)" in said[0] and "| verifiers |" in said[0]
    assert "verifier v: 0.9 of a GPU of its own (reward.process.gpu_memory)" in said[1] and "| verifiers |" not in said[1]


def test_script(script, root, tmp_path):
    done = script("tabulate_memory.py", "--config", root / "config.yaml", "--gpus", "24,80")
    assert done.returncode == 0, done.stderr
    assert "12·P/N" in done.stdout and "| 80 |" in done.stdout and "1.395 billion parameters, 6912 bytes" in done.stdout
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    assert script("tabulate_memory.py", "--config", root / "config.yaml", "--model-config", tmp_path / "config.json").returncode == 0
    (tmp_path / "config.json").write_text('{"hidden_size": 3}')
    for wrong in (["--run", "none"], ["--gpus", "big"], ["--stage", "none"], ["--model-config", tmp_path / "config.json"]):
        done = script("tabulate_memory.py", "--config", root / "config.yaml", *wrong)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
