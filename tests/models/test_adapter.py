"""Adapters: which layers have one, what is trained of a real model, and base and adapter summed as PEFT sums them."""

import json

import pytest
import torch
from mathrl.config.stage import Lora
from mathrl.core.files import UserError
from mathrl.models import adapter
from mathrl.models.shape import OPENSEEK
from safetensors.torch import load_file, save_file

LLAMA = {
    "model_type": "llama", "vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "tie_word_embeddings": True,
}  # fmt: skip
DEEPSEEK = OPENSEEK | {
    "vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "n_routed_experts": 4, "num_experts_per_tok": 2, "kv_lora_rank": 16,
    "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
}  # fmt: skip


def build(sizes):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(2)
    settings = {key: value for key, value in sizes.items() if key != "model_type"}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(sizes["model_type"], **settings))


def with_adapter(sizes, lora):
    """As verl makes it."""
    from peft import LoraConfig, get_peft_model

    chosen = adapter.targets(lora, sizes, "m")
    settings = LoraConfig(task_type="CAUSAL_LM", r=lora.rank, lora_alpha=lora.alpha, target_modules=chosen)
    return get_peft_model(build(sizes), settings)


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj", "o_proj")])
@pytest.mark.parametrize("sizes", [LLAMA, DEEPSEEK, DEEPSEEK | {"q_lora_rank": 12, "q_proj": None}], ids=["llama", "deepseek", "queries"])
def test_what_is_trained_of_a_real_model(sizes, targets):
    if sizes.get("q_lora_rank") and targets != "all-linear":
        targets = ("q_b_proj",)
    lora = Lora(rank=4, targets=targets)
    model = with_adapter(sizes, lora)
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    assert adapter.numbers(lora, adapter.linear_layers(sizes)) == trained > 0
    assert model(torch.arange(8)[None]).logits.shape == (1, 8, 60)


@pytest.mark.parametrize(
    ("sizes", "name", "message"),
    [
        (
            LLAMA,
            "q_porj",
            "m has no 'q_porj' that may have an adapter; it has: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj",
        ),
        (DEEPSEEK, "gate_proj", "its experts and router stay as they are; it has: q_proj, kv_a_proj_with_mqa"),
    ],
    ids=["no-such-layer", "experts"],
)
def test_a_layer_without_an_adapter_is_one_line(sizes, name, message):
    with pytest.raises(UserError, match=r"config: training\.lora\.targets: ") as error:
        adapter.targets(Lora(targets=(name,)), sizes, "m")
    assert message in str(error.value)


def test_base_and_adapter_are_summed_as_peft_sums_them(tmp_path):
    """The directory is as verl's merger leaves it: the model's own weights in bfloat16, and the adapter below it."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    lora = Lora(rank=4, alpha=12)
    model = with_adapter(LLAMA, lora).to(torch.bfloat16)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.5)
    base, out = tmp_path / "base", tmp_path / "out"
    for place in (base, out):
        build(LLAMA).to(torch.bfloat16).save_pretrained(place)
    (out / adapter.MERGERS).mkdir()
    halves = {name.replace(".default.weight", ".weight"): value for name, value in model.state_dict().items() if "lora_" in name}
    save_file(halves, out / adapter.MERGERS / "adapter_model.safetensors")
    settings = {
        "r": 4,
        "lora_alpha": 12,
        "target_modules": adapter.targets(lora, LLAMA, "m"),
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
    }
    (out / adapter.MERGERS / "adapter_config.json").write_text(json.dumps(settings))

    assert adapter.fold(out)
    ids = torch.arange(20)[None]
    merged = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    before = plain(ids).logits
    adapted = PeftModel.from_pretrained(plain, out / adapter.FOLDER)(ids).logits
    assert (adapted - before).abs().max() > 0.1, "the adapter does something"
    # what is left is that a sum is rounded to bfloat16
    assert (merged(ids).logits - adapted).abs().max() < 0.03 * (adapted - before).abs().max()
    exact = with_adapter(LLAMA, lora).float()
    exact.load_state_dict({name: value.float() for name, value in model.state_dict().items()})
    expected = exact.merge_and_unload().state_dict()["model.layers.1.mlp.down_proj.weight"].to(torch.bfloat16)
    assert torch.equal(load_file(out / "model.safetensors")["model.layers.1.mlp.down_proj.weight"], expected)
    assert not adapter.fold(out), "once"


def test_an_adapter_of_another_model_is_refused(tmp_path):
    build(LLAMA).save_pretrained(tmp_path)
    (tmp_path / adapter.MERGERS).mkdir()
    halves = {f"base_model.model.model.layers.9.mlp.up_proj.lora_{half}.weight": torch.zeros(2, 2) for half in "AB"}
    save_file(halves, tmp_path / adapter.MERGERS / "adapter_model.safetensors")
    (tmp_path / adapter.MERGERS / "adapter_config.json").write_text('{"r": 2, "lora_alpha": 4}')
    with pytest.raises(UserError, match=r"an adapter of model\.layers\.9\.mlp\.up_proj, which .* does not have"):
        adapter.fold(tmp_path)
