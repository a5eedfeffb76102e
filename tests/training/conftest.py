"""A training whose code is a few short files: reading all of ours takes a second, and test_training_code.py does it."""

import pytest
from mathrl.core import code_files
from mathrl.training import fingerprints, plan, training_code


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
