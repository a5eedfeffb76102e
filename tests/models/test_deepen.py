"""More layers on a model: it answers as before, and the new ones can learn."""

import pytest
import torch
from mathrl.core.files import UserError, read_json
from mathrl.core.hashes import model_sha256
from mathrl.models.deepen import deepen
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

SIZES = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2}


@pytest.fixture(params=["llama", "qwen2", "qwen3"])
def model(request, tmp_path):
    torch.manual_seed(0)
    config = AutoConfig.for_model(request.param, **SIZES, num_hidden_layers=2, tie_word_embeddings=request.param != "qwen2")
    largest = "8KB" if request.param == "qwen2" else "1GB"  # of a file: one model lies in several
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model", max_shard_size=largest)
    return tmp_path / "model"


def test_a_deepened_model_answers_as_before_and_all_its_new_layers_can_learn(model, tmp_path):
    deepen(model, 2, tmp_path / "out")
    before, after = (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (model, tmp_path / "out"))
    tokens = torch.arange(12)[None]
    assert torch.equal(before(tokens).logits, after(tokens).logits)
    assert after.config.num_hidden_layers == 4 and len(after.model.layers) == 4
    after(tokens, labels=tokens).loss.backward()
    assert all(layer.mlp.down_proj.weight.grad.any() and layer.self_attn.o_proj.weight.grad.any() for layer in after.model.layers)
    first = model_sha256(tmp_path / "out")
    deepen(model, 2, tmp_path / "out")
    assert model_sha256(tmp_path / "out") == first, "the same bytes again: no training begins anew"


def test_what_lies_beside_the_weights_comes_along_but_for_the_note_of_an_export(model, tmp_path):
    for name in ("tokenizer.json", "chat_template.jinja", "export.json"):
        (model / name).write_text("{}")
    (model / ".snakemake_timestamp").touch()
    deepen(model, 1, tmp_path / "out")
    assert not (tmp_path / "out" / ".snakemake_timestamp").exists(), "as a link, it would make the start model new whenever this one is"
    assert (tmp_path / "out" / "tokenizer.json").is_file() and (tmp_path / "out" / "chat_template.jinja").is_file()
    assert not (tmp_path / "out" / "export.json").exists()
    assert [read_json(path / "config.json")["num_hidden_layers"] for path in (model, tmp_path / "out")] == [2, 3]


def test_a_model_of_experts_is_refused(model, tmp_path):
    path = next(model.glob("*.safetensors"))
    kept = {name: value for name, value in load_file(path).items() if "mlp" not in name}
    save_file(kept, path, {"format": "pt"})
    (model / "model.safetensors.index.json").unlink(missing_ok=True)
    for other in set(model.glob("*.safetensors")) - {path}:
        other.unlink()
    with pytest.raises(UserError, match=r"no .*mlp.down_proj.weight; only dense models"):
        deepen(model, 1, tmp_path / "out")
