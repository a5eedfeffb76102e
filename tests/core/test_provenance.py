"""What a result says of the image and the model that made it."""

import pytest
from mathrl.core import provenance
from mathrl.core.files import read_json, write_json

VARIABLES = ("MATHRL_IMAGE", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")


@pytest.mark.parametrize(
    ("environment", "said", "reason"),
    [
        ({}, "no container", "on the host"),
        ({"MATHRL_IMAGE": "lock sha256:ab", "APPTAINER_CONTAINER": "/x/cpu.sif"}, "lock sha256:ab", "our image names its lock"),
        ({"APPTAINER_CONTAINER": "/x/other.sif"}, "other.sif, not built from a lock of ours", "somebody else's image is no host"),
    ],
)
def test_image(environment, said, reason, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert provenance.image() == said, reason


def test_the_hash_of_a_model_is_of_what_determines_it(tmp_path):
    for name in ("config.json", "model.safetensors", "README.md", "generation_config.json"):
        (tmp_path / name).write_text(name)
    first = provenance.model_sha256(tmp_path)
    (tmp_path / "README.md").write_text("another model card")
    assert provenance.model_sha256(tmp_path) == first
    write_json(tmp_path / "export.json", {"note": "of somebody else's tool"})
    assert provenance.model_sha256(tmp_path) == first
    write_json(tmp_path / "export.json", {"model_sha256": "as exported"})
    assert provenance.model_sha256(tmp_path) == "as exported"
    (tmp_path / "export.json").unlink()
    (tmp_path / "generation_config.json").write_text("another temperature")
    assert provenance.model_sha256(tmp_path) != first


def test_an_untrained_export_is_the_model_that_training_began_with(tmp_path, script):
    """Neither the model card of the run before nor the note of its export make another model of it."""
    start = tmp_path / "start"
    start.mkdir()
    for name in ("config.json", "model.safetensors"):
        (start / name).write_text(name)
    first = provenance.model_sha256(start)
    (start / "README.md").write_text("the model card of another run")
    manifest = {"run": "r", "stage": "main", "checkpoints": "none", "chosen_step": 0, "chosen_why": "no better", "start_model": "start"}
    write_json(tmp_path / "manifest.json", manifest)
    assert script("export_model.py", "--manifest", "manifest.json", "--accelerator", "cpu", "--out", "model").returncode == 0
    assert read_json(tmp_path / "model/export.json")["model_sha256"] == first == provenance.model_sha256(tmp_path / "model")
    assert not (tmp_path / "model/README.md").exists()
