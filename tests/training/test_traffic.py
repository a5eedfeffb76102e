"""What GPUs exchange by the formula, what is said of a slow link, and memory held against the table before verl starts."""

import pytest
from mathrl.core.files import UserError
from mathrl.execution import nvidia
from mathrl.models.shape import OPENSEEK
from mathrl.training import gpu_room, memory, traffic
from mathrl.training.plan import StagePlan
from support.settings import stage_of

GPU = nvidia.Gpu("0", "GPU-0", "NVIDIA A100-PCIE-40GB", "580.65.06", "Default", 40 << 30, 0)


@pytest.fixture
def stage(config):
    return stage_of(config)


def test_the_finalists_step_and_the_fast_one(stage):
    model = memory.read_model(OPENSEEK)
    updates, log_probs = 4 * 72 * 6 // 6 // 4, 1728 // 6 // 4  # of verl's padded batch, micro-batches of four samples
    expected = 5 / 6 * model.parameters * (updates * (2 * 2 + 4) + log_probs * 2)
    assert traffic.per_step(model, stage) == pytest.approx(expected)
    assert 800e9 < expected < 880e9
    fast = stage.changed(mini_batch_size=88, dynamic_batch=True)
    assert traffic.per_step(model, fast) < expected / 8
    assert traffic.per_step(model, fast, tokens=2560) > 3 * traffic.per_step(model, fast)
    assert traffic.per_step(model, stage.changed(gpus=1)) == 0
    assert traffic.per_step(model, stage.changed(lora={"rank": 8})) < 0.65 * expected, "gradients of adapters alone"
    half = {"terms": {"correct": 1.0}, "process": {"verifiers": ["v"], "mode": "filter"}}
    assert traffic.per_step(model, stage.changed(mini_batch_size=44, reward=half)) == pytest.approx(
        traffic.per_step(model, stage.changed(mini_batch_size=44, train_batch_size=132))
    ), "a filter leaves half of the samples"


def test_pcie_is_said_with_its_cost(stage):
    model = memory.read_model(OPENSEEK)
    assert traffic.told(model, stage, "NV18") is None and traffic.told(model, stage, None) is None
    assert traffic.told(model, stage, "PHB") == (
        "GPUs are linked by PCIe (PHB), not NVLink: a step exchanges about 837 GB per GPU, some 42 s; packed micro-batches "
        "(dynamic_batch: true, as of the run grpo-fast) 70 GB, 3 s"
    )


@pytest.mark.parametrize(
    ("gpus", "gib", "said"),
    [(6, 80, ""), (6, 12, "the memory table expects no room on 12 GiB: micro_batch_size"), (1, 20, None)],
    ids=["fits", "tight", "impossible"],
)
def test_memory_is_held_against_the_table(stage, tmp_path, monkeypatch, capsys, gpus, gib, said):
    from dataclasses import replace

    from mathrl.core.files import write_json

    write_json(tmp_path / "config.json", OPENSEEK)
    monkeypatch.setattr(nvidia, "gpus", lambda names: [replace(GPU, index=str(i), total=gib << 30) for i in range(gpus)])
    monkeypatch.setattr(nvidia, "slowest_link", lambda found: None)
    files = dict.fromkeys(("train_file", "validation_file", "root", "log"), tmp_path)
    plan = StagePlan(run="grpo", stage_name="main", stage=stage.changed(gpus=gpus), accelerator="cuda", model=tmp_path, **files)
    if said is None:
        with pytest.raises(
            UserError, match=r"train grpo: weights, optimizer and gradients take 21 GiB on each of 1 GPU\(s\), which have 20"
        ):
            gpu_room.check(plan)
    else:
        gpu_room.check(plan)
        assert said in capsys.readouterr().err
