"""The same seed gives the same bytes where groups are thrown away and replaced, whatever --cores says."""

import pytest
from mathrl.core.files import sha256_file
from mathrl.core.tensorboard import read_scalars

from .conftest import ShortTraining
from .test_runs_that_end import weights

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]


def test_two_trainings_with_dynamic_sampling_are_the_same_bytes(finished, tmp_path):
    """Snakemake sets the number of threads from --cores: 1 for the first, 2 for the second."""
    found = []
    for cores in ("1", "2"):
        place = tmp_path / cores
        place.mkdir()
        short = ShortTraining(finished, place)
        stage = short.stage("dapo", rollouts_per_step=1000)
        assert stage["dynamic_sampling"]
        started = short.start(stage, run="dapo", environment={f"{name}_NUM_THREADS": cores for name in ("OMP", "MKL", "OPENBLAS")})
        assert started.wait(timeout=900) == 0, short.said() + short.log()[-3000:]
        directory = short.directory()
        curves = {tag: dict(curve) for tag, curve in read_scalars(directory / "tensorboard").items()}
        trained_on = {step: stage["train_batch_size"] * stage["rollout_n"] * mean for step, mean in curves["response_length/mean"].items()}
        assert all(curves["training/generated_tokens"][step] > tokens + 1 for step, tokens in trained_on.items()), "groups were replaced"
        rollouts = {path.name: sha256_file(path) for path in directory.glob("rollouts/*.jsonl")}
        found.append((rollouts, weights(directory / "global_step_4")))
    (first, ours), (second, theirs) = found
    assert len(first) == 4 and first == second
    assert ours == theirs
