"""Preparation of the published layout: same logits, nothing of the hub's code run, one line for everything that is wrong."""

import json
import os
import resource
import shutil
import struct
import subprocess
import sys

import pytest
from mathrl.core.files import UserError, sha256_tree
from mathrl.models import random_model, tensors
from mathrl.models.prepare import prepare
from mathrl.models.shape import OPENSEEK, shapes
from support import reference

CHAT = [{"role": "user", "content": "What is 3 + 4?"}]


def chat_ids(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True) + "So \\boxed{7}"
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def logits(folder, ids):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert type(model).__module__ == "transformers.models.deepseek_v3.modeling_deepseek_v3"
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def by_hand(source):
    """transformers' DeepSeek-V3 with the published tensors put in by hand: experts stacked, head tied."""
    import torch
    from safetensors.torch import load_file
    from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

    config = json.loads((source / "config.json").read_text())
    config.pop("auto_map")
    model = DeepseekV3ForCausalLM(DeepseekV3Config(**config)).float().eval()
    given = load_file(source / "model.safetensors")
    state = {name: tensor for name, tensor in given.items() if ".experts." not in name}
    for layer in range(config["first_k_dense_replace"], config["num_hidden_layers"]):
        place = f"model.layers.{layer}.mlp.experts"
        each = [
            {part: given[f"{place}.{e}.{part}_proj.weight"] for part in ("gate", "up", "down")} for e in range(config["n_routed_experts"])
        ]
        state[f"{place}.gate_up_proj"] = torch.stack([torch.cat([expert["gate"], expert["up"]]) for expert in each])
        state[f"{place}.down_proj"] = torch.stack([expert["down"] for expert in each])
    model.load_state_dict(state)
    return model


def test_logits_are_those_of_the_published_tensors(prepared):
    import torch

    source, model, _ = prepared
    ids = chat_ids(model)
    after = logits(model, ids)
    with torch.no_grad():
        before = by_hand(source)(torch.tensor([ids])).logits[0]
    assert (after - before).abs().max() <= 1e-5
    written_out = reference.logits(source, ids)
    assert (after - written_out).abs().max() <= 1e-5 * max(1.0, float(written_out.abs().max()))
    assert after.std() > 0.1  # a model of zeros would pass everything above


def test_every_tensor_is_bit_identical(prepared):
    """Nothing of the weights changes, so that the file is linked; the tied head stays, vLLM's DeepSeek-V3 needs it."""
    source, model, _ = prepared
    assert (model / "model.safetensors").stat().st_ino == (source / "model.safetensors").stat().st_ino
    expected = shapes(json.loads((model / "config.json").read_text()) | {"tie_word_embeddings": False})
    assert {name: tensor.shape for name, tensor in tensors.read_checkpoint(model).items()} == expected


def test_a_tied_head_that_is_missing_is_written(published, prepared, tmp_path):
    source = published()
    change_weights(lambda s: s.pop("lm_head.weight"))(source)
    assert "lm_head.weight written as a copy" in "\n".join(prepare(source, tmp_path / "out")["changes"])
    one, other = tensors.read_checkpoint(tmp_path / "out"), tensors.read_checkpoint(prepared[1])
    assert set(one) == set(other) and all(tensors.same_bytes(one[name], other[name]) for name in one)
    prepare(tmp_path / "out", tmp_path / "twice")
    assert sha256_tree(tmp_path / "twice") == sha256_tree(tmp_path / "out")


def test_a_tied_model_that_transformers_saved_gets_its_head(prepared, tmp_path):
    """transformers leaves the tied tensor out; everything else of the directory stays as it is."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _, model, _ = prepared
    AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).save_pretrained(tmp_path / "saved", max_shard_size="100KB")
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "saved")
    before = tensors.read_checkpoint(tmp_path / "saved")
    assert "lm_head.weight" not in before and (tmp_path / "saved" / tensors.INDEX).is_file()
    report = prepare(tmp_path / "saved", tmp_path / "out")
    assert report["layout"] == "ordinary" and len(report["changes"]) == 1
    after = tensors.read_checkpoint(tmp_path / "out")
    assert set(after) - set(before) == {"lm_head.weight"} and all(tensors.same_bytes(before[name], after[name]) for name in before)
    assert tensors.same_bytes(after["lm_head.weight"], after["model.embed_tokens.weight"])
    assert (logits(tmp_path / "out", [3, 1, 4]) == logits(model, [3, 1, 4])).all()
    assert "lm_head.weight" not in tensors.read_checkpoint(tmp_path / "saved")  # the source is not changed


def test_shapes_are_those_of_transformers():
    """OpenSeek's own sizes: as many parameters as transformers makes, as many bytes as the published file has."""
    import torch
    from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

    config = OPENSEEK
    with torch.device("meta"):
        model = DeepseekV3ForCausalLM(DeepseekV3Config(**config))
    bias = 5 * 64  # a buffer
    assert sum(p.numel() for p in model.parameters()) == count(shapes(config)) - bias == 1_394_598_912
    published = shapes(config | {"tie_word_embeddings": False})  # the file holds a copy of the tied embedding
    header = {name: {"dtype": "BF16", "shape": list(shape), "data_offsets": [0, 0]} for name, shape in sorted(published.items())}
    place = 0
    for name, shape in sorted(published.items()):
        size = 2 * count({name: shape})
        header[name]["data_offsets"] = [place, place + size]
        place += size
    text = len(json.dumps({"__metadata__": {"format": "pt"}} | header, separators=(",", ":")))
    assert 8 + text + -text % 8 + place == 3_178_063_824


def count(named):
    total = 0
    for shape in named.values():
        size = 1
        for length in shape:
            size *= length
        total += size
    return total


def test_what_was_changed_is_said(prepared):
    _, model, report = prepared
    config = json.loads((model / "config.json").read_text())
    assert "auto_map" not in config and config["num_nextn_predict_layers"] == 0
    assert not list(model.glob("*.py")) and not list(model.glob("*.tiktoken"))
    said = "\n".join(report["changes"])
    for part in ("auto_map removed", "num_nextn_predict_layers 1 → 0", "qwen.tiktoken", "is no JSON"):
        assert part in said
    assert report["vocabulary"]["rows"] == report["vocabulary"]["tokens"] and report["vocabulary"]["placeholders"] == 0


def test_ends_of_a_response(prepared):
    """The template closes a turn with <|im_end|>, the published settings name <|extra_204|>: either ends a response."""
    from transformers import AutoTokenizer

    _, model, report = prepared
    tokenizer = AutoTokenizer.from_pretrained(model)
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|extra_204|>"])
    generation = json.loads((model / "generation_config.json").read_text())
    assert generation["eos_token_id"] == report["end_of_response"] == ends
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.bos_token) == ("<|im_end|>", "<|endoftext|>", "<|extra_203|>")
    config = json.loads((model / "config.json").read_text())
    assert config["eos_token_id"] == ends[0] and config["pad_token_id"] == tokenizer.pad_token_id
    assert len(tokenizer) == config["vocab_size"]  # verl and vLLM agree only then
    text = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert text.startswith("<|im_start|>system\nYou are a helpful assistant<|im_end|>\n<|im_start|>user\nWhat is 3 + 4?")
    assert text.endswith("<|im_start|>assistant\n")


def test_again_gives_the_same_bytes(prepared, tmp_path):
    source, model, _ = prepared
    prepare(source, tmp_path / "again")
    assert sha256_tree(tmp_path / "again") == sha256_tree(model)


def test_preparing_the_prepared_passes_it_through(prepared, tmp_path):
    _, model, _ = prepared
    assert prepare(model, tmp_path / "twice") == {"layout": "ordinary", "changes": []}
    assert sha256_tree(tmp_path / "twice") == sha256_tree(model)


def test_an_ordinary_model_stays_bit_identical(tmp_path):
    """Any other model, its extra folders and unknown files included, is linked and not copied."""
    model = tmp_path / "model"
    (model / "1_Pooling").mkdir(parents=True)
    for name in ("config.json", "1_Pooling/config.json", "tokenizer.json"):
        (model / name).write_text('{"model_type": "bert"}')
    (model / "weights.bin").write_bytes(b"\0" * 1000)
    report = prepare(model, tmp_path / "out")
    assert report["layout"] == "ordinary" and sha256_tree(tmp_path / "out") == sha256_tree(model)
    assert (tmp_path / "out/weights.bin").stat().st_ino == (model / "weights.bin").stat().st_ino


def test_shards(published, tmp_path):
    """Weights in two files with an index: only the file that changes is written anew."""
    from safetensors.torch import load_file, save_file

    source = published()
    state = load_file(source / "model.safetensors")
    halves = [{n: t for n, t in state.items() if ("experts" in n) == kept} for kept in (True, False)]
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for name, half in zip(names, halves, strict=True):
        save_file(half, source / name, metadata={"format": "pt"})
    (source / "model.safetensors").unlink()
    where = {tensor: name for name, half in zip(names, halves, strict=True) for tensor in half}
    (source / tensors.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))
    change_weights(lambda s: s.pop("lm_head.weight"), names[1])(source)
    where.pop("lm_head.weight")
    (source / tensors.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))
    before = reference.logits(source, [3, 1, 4, 1, 5])
    prepare(source, tmp_path / "out")
    assert (logits(tmp_path / "out", [3, 1, 4, 1, 5]) - before).abs().max() <= 1e-4
    assert (tmp_path / "out" / names[0]).stat().st_ino == (source / names[0]).stat().st_ino
    (source / names[1]).unlink()
    with pytest.raises(UserError, match=r"which model\.safetensors\.index\.json names, is missing"):
        prepare(source, tmp_path / "out")


def test_fused_experts_are_written_one_each(published, prepared, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    source = published()
    state = load_file(source / "model.safetensors")
    for layer in (1, 2):
        place = f"model.layers.{layer}.mlp.experts"
        each = [[state.pop(f"{place}.{e}.{part}_proj.weight") for part in ("gate", "up", "down")] for e in range(8)]
        state[f"{place}.gate_up_proj"] = torch.stack([torch.cat(expert[:2]) for expert in each])
        state[f"{place}.down_proj"] = torch.stack([expert[2] for expert in each])
    save_file(state, source / "model.safetensors", metadata={"format": "pt"})
    prepare(source, tmp_path / "out")
    one, other = tensors.read_checkpoint(tmp_path / "out"), tensors.read_checkpoint(prepared[1])
    assert set(one) == set(other) and all(tensors.same_bytes(one[name], other[name]) for name in one)


def change_config(**changes):
    def change(source):
        config = json.loads((source / "config.json").read_text()) | changes
        (source / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value != "gone"}))

    return change


def change_weights(change, file="model.safetensors"):
    def changed(source):
        from safetensors.torch import load_file, save_file

        state = load_file(source / file)
        change(state)
        (source / file).unlink()
        save_file(state, source / file, metadata={"format": "pt"})

    return changed


def cut(name, length):
    return lambda source: (source / name).write_bytes((source / name).read_bytes()[:length])


def unlink(name):
    return lambda source: (source / name).unlink()


EXPERT = "model.layers.1.mlp.experts.3.up_proj.weight"
WRONG = {
    "no config.json": (unlink("config.json"), "config.json is missing"),
    "no weights": (unlink("model.safetensors"), "holds no weights"),
    "weights cut off": (cut("model.safetensors", 60_000), "is no whole safetensors file"),
    "weights are text": (cut("model.safetensors", 5), "is no whole safetensors file"),
    "an expert is missing": (change_weights(lambda s: s.pop(EXPERT)), "lacks 1 tensors that config.json asks for, the first is " + EXPERT),
    "the router's bias is missing": (change_weights(lambda s: s.pop("model.layers.2.mlp.gate.e_score_correction_bias")), "lacks 1 tensors"),
    "a tensor of another model": (change_weights(lambda s: s.update(a=s["model.norm.weight"].clone())), "does not know, the first is a"),
    "a layer more than declared": (change_config(num_hidden_layers=1), "declares 1 layers and 1 for multi-token prediction"),
    "another width": (change_config(moe_intermediate_size=32), r"has shape \[64, 24\], config.json asks for \[64, 32\]"),
    "another vocabulary": (change_config(vocab_size=700), r"has shape .* config.json asks for \[700, 64\]"),
    "a size is missing": (change_config(kv_lora_rank="gone"), "lacks 'kv_lora_rank'"),
    "softmax router": (change_config(scoring_func="softmax"), "compute 'sigmoid' only"),
    "rope not interleaved": (change_config(rope_interleave=False), "rope_interleave is False"),
    "quantised": (change_config(quantization_config={"quant_method": "fp8"}), "quantised weights cannot be trained"),
    "no ranks": (unlink("qwen.tiktoken"), "has no [*].tiktoken and no tokenizer.json"),
    "ranks cut off": (cut("qwen.tiktoken", 1000), "has no token for the byte|is not 'base64 rank'"),
    "another family with its own code": (change_config(model_type="other"), "only deepseek_v3 checkpoints can be prepared"),
    "an end token that is no token": (
        lambda source: (source / "special_tokens_map.json").write_text('{"eos_token": "</s>"}'),
        "eos_token '</s>' is no token of the tokenizer",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_one_line_for_what_is_wrong(published, tmp_path, what):
    change, message = WRONG[what]
    source = published()
    change(source)
    with pytest.raises(UserError, match=message) as error:
        prepare(source, tmp_path / "out")
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_more_tokens_than_rows(published, tmp_path, ranks):
    with pytest.raises(UserError, match=f"has {len(ranks) + 208} tokens and the embedding {len(ranks) + 200} rows"):
        prepare(published(vocab_size=len(ranks) + 200), tmp_path / "out")


def test_rows_without_a_token(published, tmp_path, ranks):
    from transformers import AutoTokenizer

    report = prepare(published(vocab_size=len(ranks) + 256), tmp_path / "out")
    assert "48 of" in "\n".join(report["changes"]) and report["vocabulary"]["placeholders"] == 48
    assert len(AutoTokenizer.from_pretrained(tmp_path / "out")) == len(ranks) + 256


def test_multi_token_prediction_weights_are_left_out(published, prepared, tmp_path):
    source = published()
    change_weights(lambda s: s.update({"model.layers.3.eh_proj.weight": s["model.norm.weight"].clone()}))(source)
    report = prepare(source, tmp_path / "out")
    assert "1 tensors of multi-token prediction removed" in "\n".join(report["changes"])
    one, other = tensors.read_checkpoint(tmp_path / "out"), tensors.read_checkpoint(prepared[1])
    assert set(one) == set(other) and all(tensors.same_bytes(one[name], other[name]) for name in one)


def test_a_head_that_is_not_the_embedding_is_said(published, tmp_path):
    source = published()
    change_weights(lambda s: s["lm_head.weight"].mul_(2))(source)
    assert "it differed, though config.json ties it" in "\n".join(prepare(source, tmp_path / "out")["changes"])
    after = tensors.read_checkpoint(tmp_path / "out")
    assert tensors.same_bytes(after["lm_head.weight"], after["model.embed_tokens.weight"])


def test_code_of_a_hub_is_needed(tmp_path):
    source = tmp_path / "model"
    source.mkdir()
    (source / "config.json").write_text('{"model_type": "my_own", "auto_map": {"AutoConfig": "mine.Config"}}')
    (source / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="needs code from its hub"):
        prepare(source, tmp_path / "out")


def test_script(prepared, tmp_path, script):
    source, model, _ = prepared
    done = script("prepare_model.py", "--published", source, "--out", tmp_path / "out", "--changes", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    assert "auto_map removed" in done.stderr and sha256_tree(tmp_path / "out") == sha256_tree(model)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["schema_version"] == 1 and set(report["provenance"]["inputs"]) == {"published"}
    shutil.rmtree(tmp_path / "out")
    broken = shutil.copytree(source, tmp_path / "broken")
    (broken / "qwen.tiktoken").unlink()
    done = script("prepare_model.py", "--published", broken, "--out", tmp_path / "out", "--changes", tmp_path / "other.json")
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "other.json").exists()


@pytest.mark.parametrize(("template", "code"), [("{{ messages }}", 0), (None, 2)])
def test_a_model_that_is_trained_has_a_chat_template(tmp_path, script, template, code):
    """What is only evaluated needs none; without the check the first that says so is a traceback of a GPU's job."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": template} if template else {}))
    (model / "weights.bin").write_bytes(b"\0" * 1000)
    command = ("prepare_model.py", "--published", model, "--out", tmp_path / "out", "--changes", tmp_path / "report.json")
    assert script(*command).returncode == 0
    done = script(*command, "--trained")
    line = "has no chat template, and the training prompt goes through one; put a chat_template.jinja there"
    assert done.returncode == code and (code == 0 or line in done.stderr), done.stderr


ROUND_TRIP = """
import sys, torch
import torch.distributed as dist
from pathlib import Path
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM, AutoTokenizer
source, out = Path(sys.argv[1]), Path(sys.argv[2])
dist.init_process_group("gloo")
rank, ranks = dist.get_rank(), dist.get_world_size()
mesh = init_device_mesh("cpu", (ranks,), mesh_dim_names=("fsdp",))
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)  # verl's master weights
for layer in model.model.layers:
    fully_shard(layer, mesh=mesh)
fully_shard(model, mesh=mesh)
out.mkdir(parents=True, exist_ok=True)
torch.save(model.state_dict(), out / f"model_world_size_{ranks}_rank_{rank}.pt")
if rank == 0:
    model.config.save_pretrained(out / "huggingface")
    model.generation_config.save_pretrained(out / "huggingface")
    AutoTokenizer.from_pretrained(source).save_pretrained(out / "huggingface")
    (out / "fsdp_config.json").write_text('{"FSDP_version": 2, "world_size": %d}' % ranks)
dist.destroy_process_group()
"""


@pytest.mark.full
def test_sharded_save_merge_and_load_are_exact(prepared, tmp_path, root):
    """Two FSDP2 ranks save as verl does, its own merger joins them as scripts/export_model.py lets it: the same tensors."""
    _, model, _ = prepared
    (tmp_path / "save.py").write_text(ROUND_TRIP)
    actor = tmp_path / "global_step_1/actor"
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(tmp_path / "save.py")]
    place = {**os.environ, "TMPDIR": str(tmp_path)}  # torchrun keeps a folder of logs there
    subprocess.run([*run, str(model), str(actor)], check=True, capture_output=True, timeout=300, env=place)
    manifest = {
        "run": "r",
        "stage": "main",
        "chosen_step": 1,
        "chosen_why": "last",
        "checkpoints": str(tmp_path),
        "start_model": str(model),
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    export = [sys.executable, root / "scripts/export_model.py", "--manifest", tmp_path / "manifest.json", "--accelerator", "cpu"]
    subprocess.run([*export, "--out", tmp_path / "merged"], check=True, capture_output=True, timeout=300, cwd=tmp_path)
    before, after = tensors.read_checkpoint(model), tensors.read_checkpoint(tmp_path / "merged")
    assert set(before) == set(after)
    assert [name for name in before if not tensors.same_bytes(before[name], after[name])] == []
    ids = chat_ids(tmp_path / "merged")
    assert ids == chat_ids(model)
    assert (logits(tmp_path / "merged", ids) == logits(model, ids)).all()
    config = json.loads((tmp_path / "merged/config.json").read_text())
    assert config["num_nextn_predict_layers"] == 0 and config["topk_method"] == "noaux_tc"  # what vLLM reads


def test_a_weight_sync_sends_what_the_engine_loads(prepared):
    """verl turns the trainer's fused experts and tied head into the tensors of the checkpoint, by name and value: vLLM reads those."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM
    from verl.utils.model import convert_weight_keys
    from verl.workers.engine.fsdp.utils import unfuse_moe_params

    _, folder, _ = prepared
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)  # verl's master weights
    assert any(tensor.dim() == 3 for tensor in model.state_dict().values())  # fused here
    sent = dict(unfuse_moe_params(convert_weight_keys(model.state_dict(), model).items(), model.config.model_type))
    wanted = load_file(folder / "model.safetensors")
    assert set(sent) == set(wanted) and "lm_head.weight" in sent
    assert [name for name in wanted if not torch.equal(sent[name], wanted[name].float())] == []


@pytest.mark.full
def test_full_size(tmp_path, script):
    """The published sizes and ranks, weights of zeros: the file has the published length, and a gigabyte of memory is enough."""
    ranks = os.environ.get("MATHRL_QWEN_TIKTOKEN")
    if not ranks:
        pytest.skip("MATHRL_QWEN_TIKTOKEN names no qwen.tiktoken")
    source = tmp_path / "published"
    source.mkdir()
    shutil.copyfile(ranks, source / "qwen.tiktoken")
    (source / "config.json").write_text(json.dumps(OPENSEEK | {"auto_map": {}, "num_nextn_predict_layers": 1}))
    header, place = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in sorted(shapes(OPENSEEK | {"tie_word_embeddings": False}).items()):
        size = 2 * count({name: shape})
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(source / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + place)
    assert (source / "model.safetensors").stat().st_size == 3_178_063_824
    done = script("prepare_model.py", "--published", source, "--out", tmp_path / "out", "--changes", tmp_path / "report.json", timeout=600)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parameters"] == 1_394_598_912 and report["tensors"] == 1033
    assert report["vocabulary"] == {"ranks": 151_643, "special": 208, "tokens": 151_851, "rows": 151_851, "placeholders": 0}
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20  # KiB


def test_random_weights_in_the_same_layout_are_a_model(prepared, tmp_path):
    """Prepared as it is, its head the embedding, and its distribution over tokens neither flat nor a spike."""
    source, model, _ = prepared
    config = json.loads((source / "config.json").read_text())
    random_model.write(tmp_path / "random", tokenizer_of=model, sizes={key: config[key] for key in OPENSEEK})
    assert prepare(tmp_path / "random", tmp_path / "again")["layout"] == "ordinary"
    found = logits(tmp_path / "random", [5, 6, 7, 8])
    assert 0.1 < float(found.std()) < 10
