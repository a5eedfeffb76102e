"""A model whose weights are all zero, though its directory says to be the trained model, scores zero: by evaluation and by training."""

import json
import shutil

import pytest
from mathrl.core.hashes import model_sha256
from support.models import zeroed

from .conftest import copy_demo, job_counts

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def zero(finished, tmp_path_factory):
    """The directory; its export.json is the trained model's."""
    return zeroed(finished.directory / "results/grpo/model", tmp_path_factory.mktemp("zero") / "model")


def test_it_scores_zero(finished, zero, make_workflow, tmp_path):
    workflow = copy_demo(finished, make_workflow("zero", tmp_path), "checkpoints")
    shutil.copytree(zero, workflow.directory / "zero")
    (workflow.directory / "more.json").write_text(json.dumps({"models": {"zero": "zero"}}))
    targets = [f"results/zero/finalist/eval/demo_{name}.json" for name in ("symbols", "words", "mixed")]
    done = workflow.snakemake("--configfile", "profiles/demo/demo.yaml", "more.json", "--", *targets)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "train_policy" not in job_counts(done.stdout)
    made = json.loads((workflow.directory / "results/zero/generation/0.json").read_text())
    assert made["made"] == made["requests"] and made["model_sha256"] == model_sha256(zero)
    for target in targets:
        assert json.loads((workflow.directory / target).read_text())["metrics"]["pass@1"]["value"] == 0.0


def test_training_that_starts_from_it_begins_at_zero(finished, zero, short):
    stage = short.stage(steps=1, save_every=1, validate_every=1, validate_before=True)
    manifest = short.train(stage, model=zero)
    said = json.loads((zero / "export.json").read_text())["model_sha256"]
    assert manifest["provenance"]["model_sha256"] == model_sha256(zero) != said
    assert set(manifest["validation"]["dev"].values()) == {0.0}
