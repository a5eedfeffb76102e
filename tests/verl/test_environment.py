"""Environment of the training process and of verl's workers."""

from mathrl.core.code_files import SCRIPTS
from mathrl.verl.environment import verl_environment


def test_the_users_pythonpath_stays_behind_ours(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/mine:/other")
    assert verl_environment("cpu")["PYTHONPATH"] == f"{SCRIPTS}:/mine:/other"
    monkeypatch.setenv("PYTHONPATH", "")
    assert verl_environment("cuda")["PYTHONPATH"] == str(SCRIPTS), "an empty part would be the working directory"
