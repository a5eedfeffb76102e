"""Log-probabilities in chunks and sequences packed into a row, without flash-attn: verl's own results are those of whole padded logits."""

import types

import pytest

DEEPSEEK = {
    "vocab_size": 600, "hidden_size": 128, "intermediate_size": 320, "moe_intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 4, "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 2,
    "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": None, "kv_lora_rank": 64, "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 32, "v_head_dim": 32,
}  # fmt: skip
LLAMA = {"vocab_size": 600, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 6}
LENGTHS = (7, 19, 3, 11)


def forward(model, ids, packed, fused):
    """What verl's FSDP engine makes of a micro-batch: log-probabilities and entropies, sequence after sequence."""
    import torch
    from tensordict import TensorDict
    from verl.utils import tensordict_utils as tu
    from verl.utils import torch_functional as verl_f
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead

    def nested(rows):
        return torch.nested.as_nested_tensor(rows, layout=torch.jagged)

    engine = object.__new__(FSDPEngineWithLMHead)
    engine.use_ulysses_sp = engine.pad_to_length = False
    engine.engine_config = types.SimpleNamespace(entropy_checkpointing=False, entropy_from_logits_with_chunking=False)
    engine.compute_entropy_from_logits = verl_f.entropy_from_logits
    batch = TensorDict({"input_ids": nested(ids), "position_ids": nested([torch.arange(len(row)) for row in ids])}, batch_size=len(ids))
    tu.assign_non_tensor(batch, use_remove_padding=packed, use_fused_kernels=fused)
    tu.assign_non_tensor(batch, temperature=1.0, calculate_entropy=True, pad_token_id=0)
    inputs, rest = engine.prepare_model_inputs(batch)
    assert len(inputs["input_ids"]) == (1 if packed else len(ids))
    made = engine.prepare_model_outputs(model(**inputs, use_cache=False), rest, batch, None)
    return torch.stack([made["log_probs"].values(), made["entropy"].values()])


@pytest.mark.parametrize("sizes", [DEEPSEEK, LLAMA], ids=["deepseek_v3", "llama"])
@pytest.mark.parametrize("training", [False, True], ids=["log-probabilities", "update"])
@pytest.mark.parametrize(("packed", "fused"), [(False, True), (True, False), (True, True)], ids=["in-chunks", "packed", "packed-in-chunks"])
def test_as_padded_and_whole(sizes, training, packed, fused, monkeypatch):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from verl.models.transformers.monkey_patch import patch_forward_with_backends

    torch.manual_seed(0)
    kind = "deepseek_v3" if sizes is DEEPSEEK else "llama"
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes), attn_implementation="sdpa")
    model.train(training)
    if training:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    ids = [torch.randint(0, sizes["vocab_size"], (length,)) for length in LENGTHS]
    gradients = []
    for changed in (False, True):
        model.zero_grad()
        if changed and fused:
            monkeypatch.setattr(type(model), "forward", type(model).forward)  # verl replaces it for good
            patch_forward_with_backends(model, use_fused_kernels=True, fused_kernels_backend="torch")
        made = forward(model, ids, changed and packed, changed and fused)
        ends = torch.tensor(LENGTHS).cumsum(0) - 1  # the last token of a sequence predicts nothing of it
        inside = [place for place in range(made.shape[1]) if place not in ends]
        made[:, inside].sum().backward()
        gradients.append((made[:, inside].detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])))
    assert torch.allclose(gradients[0][0], gradients[1][0], atol=1e-5)
    assert torch.allclose(gradients[0][1], gradients[1][1], atol=1e-4)
