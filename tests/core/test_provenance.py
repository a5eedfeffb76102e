"""What a result says of the image and the model that made it."""

import pytest
from mathrl.core import hashes, provenance
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


def test_an_untrained_export_is_the_model_that_training_began_with(tmp_path, script):
    """Neither the model card of the run before nor the note of its export make another model of it."""
    start = tmp_path / "start"
    start.mkdir()
    for name in ("config.json", "model.safetensors"):
        (start / name).write_text(name)
    (start / ".snakemake_timestamp").write_text("")
    first = hashes.model_sha256(start)
    (start / "README.md").write_text("the model card of another run")
    manifest = {"run": "r", "stage": "main", "checkpoints": "none", "chosen_step": 0, "chosen_why": "no better", "start_model": "start"}
    write_json(tmp_path / "manifest.json", manifest)
    assert script("export_model.py", "--manifest", "manifest.json", "--accelerator", "cpu", "--out", "model").returncode == 0
    assert read_json(tmp_path / "model/export.json")["model_sha256"] == first == hashes.model_sha256(tmp_path / "model")
    assert not (tmp_path / "model/README.md").exists()
