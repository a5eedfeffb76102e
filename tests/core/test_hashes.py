"""Models are known by their bytes; a cache of hashes never hides a change."""

import os
import shutil
import time

import pytest
from mathrl.core import hashes
from mathrl.core.files import UserError, read_json, write_json
from support.models import NO_WEIGHTS


@pytest.fixture
def model(tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    for name in ("config.json", "model.safetensors", "README.md", "generation_config.json", "tokenizer.json"):
        (place / name).write_text(name)
    write_json(place / "export.json", {"model_sha256": hashes.model_sha256(place)})
    return place


def edit(path, byte=3):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1
    path.write_bytes(content)


def quantised(model):
    (model / "model.safetensors").write_bytes(b"fewer bits")


def edited(model):
    edit(model / "model.safetensors")


def edited_and_its_time_set_back(model):
    path = model / "model.safetensors"
    before = path.stat()
    edit(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced_under_the_same_name_size_and_time(model):
    path = model / "model.safetensors"
    before = path.stat()
    other = model / "other"
    other.write_bytes(b"x" * before.st_size)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)


def another_tokenizer(model):
    edit(model / "tokenizer.json")


def half_written(model):
    (model / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:4])


def a_shard_more(model):
    (model / "model-00002.safetensors").write_bytes(NO_WEIGHTS)


def renamed(model):
    (model / "generation_config.json").rename(model / "generation.json")


CHANGES = [quantised, edited, edited_and_its_time_set_back, replaced_under_the_same_name_size_and_time, another_tokenizer]
CHANGES += [half_written, a_shard_more, renamed]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_a_model_changes_its_hash_with_a_cache_and_without(model, tmp_path, monkeypatch, change):
    cache = tmp_path / "hashes.json"
    monkeypatch.setattr(hashes, "SETTLED", -1)  # everything is remembered at once
    first = hashes.model_sha256(model, cache)
    said = (model / "export.json").read_bytes()
    change(model)
    assert hashes.model_sha256(model) != first, "export.json says the old hash still"
    assert hashes.model_sha256(model, cache) == hashes.model_sha256(model)
    assert (model / "export.json").read_bytes() == said


def test_a_file_is_hashed_once_while_it_stays_as_it_is(model, tmp_path, monkeypatch):
    monkeypatch.setattr(hashes, "SETTLED", -1)
    first = hashes.model_sha256(model, tmp_path / "hashes.json")
    monkeypatch.setattr(hashes, "sha256_file", None)
    assert hashes.model_sha256(model, tmp_path / "hashes.json") == first
    with pytest.raises(TypeError):
        hashes.model_sha256(model)  # without a cache it is read again


def test_a_file_that_changed_just_now_is_not_remembered(model, tmp_path):
    """Its next change may fall into the same tick of the clock."""
    hashes.model_sha256(model, tmp_path / "hashes.json")
    assert not (tmp_path / "hashes.json").exists()
    old = time.time() - 60
    os.utime(model / "config.json", (old, old))
    hashes.model_sha256(model, tmp_path / "hashes.json")
    assert not (tmp_path / "hashes.json").exists(), "ctime says when it was changed, whatever mtime claims"


def test_a_damaged_cache_is_no_cache(model, tmp_path, monkeypatch):
    monkeypatch.setattr(hashes, "SETTLED", -1)
    cache = tmp_path / "hashes.json"
    first = hashes.model_sha256(model, cache)
    text = cache.read_text()
    known = next(iter(read_json(cache)["sha256"].values()))
    for damaged in (text.replace(known, "0" * 64), text[:40], ""):
        cache.write_text(damaged)
        assert hashes.model_sha256(model, cache) == first


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(model, tmp_path, monkeypatch):
    monkeypatch.setattr(hashes, "SETTLED", -1)
    (tmp_path / "file").write_text("")
    assert hashes.model_sha256(model, tmp_path / "file/hashes.json") == hashes.model_sha256(model)


def test_what_is_no_part_of_a_model(model, tmp_path):
    first = hashes.model_sha256(model)
    for name in ("README.md", "export.json", ".snakemake_timestamp"):
        (model / name).write_text("something else")
    assert hashes.model_sha256(model) == first


def test_a_copy_and_links_are_the_same_model(model, tmp_path):
    """Hubs keep files under their hashes and put links in their place."""
    first = hashes.model_sha256(model)
    shutil.copytree(model, tmp_path / "copy")
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in model.iterdir():
        (linked / path.name).symlink_to(path)
    (tmp_path / "whole").symlink_to(model)
    assert {hashes.model_sha256(tmp_path / name) for name in ("copy", "linked", "whole")} == {first}
    edit(model / "model.safetensors")
    assert hashes.model_sha256(linked) == hashes.model_sha256(tmp_path / "whole") == hashes.model_sha256(model) != first


def test_files_below_a_linked_folder_count(model, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.safetensors").write_bytes(b"one")
    (model / "parts").symlink_to(tmp_path / "parts")
    first = hashes.model_sha256(model)
    (tmp_path / "parts/a.safetensors").write_bytes(b"two")
    assert hashes.model_sha256(model) != first
    (tmp_path / "parts/around").symlink_to(model)
    assert hashes.model_sha256(model)


def test_a_link_into_nowhere_and_a_missing_directory_are_one_line(model, tmp_path):
    (model / "model-2.safetensors").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match=r"model-2\.safetensors: links to .*gone, which is not there"):
        hashes.model_sha256(model)
    with pytest.raises(UserError, match="nowhere: no such model directory"):
        hashes.model_sha256(tmp_path / "nowhere")
