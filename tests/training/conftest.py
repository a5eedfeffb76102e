"""A training whose code is a few short files: reading all of ours takes a second, and test_training_code.py does it."""

import pytest
from mathrl.core import code_files
from mathrl.training import directories, fingerprints, plan, training_code
from support.settings import plan_of, stage_of


class OwnCode:
    """Our code as the fingerprint sees it."""

    def __init__(self, scripts):
        self.scripts = scripts
        for name in (*fingerprints.CODE, *fingerprints.CODE_ON_A_CPU, *fingerprints.CODE_OF_SUPERVISION, "reward.py"):
            (scripts / name).parent.mkdir(parents=True, exist_ok=True)
            (scripts / name).write_text(f"NAME = '{name}'\n")

    def edit(self, name, text):
        (self.scripts / name).write_text(text)
        code_files.direct.cache_clear()


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    for module in (training_code, plan.grpo_config):
        monkeypatch.setattr(module, "SCRIPTS", tmp_path / "scripts")
    yield OwnCode(tmp_path / "scripts")
    code_files.direct.cache_clear()


@pytest.fixture
def stage(config):
    return stage_of(config)


class Place:
    """Files of a training, and the directory that a configuration of it gets."""

    def __init__(self, folder):
        self.folder, self.train, self.model = folder, folder / "train.parquet", folder / "model"
        self.train.write_bytes(b"rows")
        (folder / "solutions.parquet").write_bytes(b"solutions")
        self.model.mkdir()
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (self.model / name).write_text("{}")

    def content(self, stage, accelerator="cuda"):
        return plan_of(stage, self.train, self.model, accelerator).fingerprint

    def directory(self, stage, adopt=None, **more):
        return directories.open_directory(self.folder / "checkpoints", self.content(stage, **more), adopt, self.model)[0]


@pytest.fixture
def place(tmp_path, own_code):
    return Place(tmp_path)
