"""A checkpoint of another number of GPUs is refused by name, unless the user asks to go on from its weights."""

import pytest
from mathrl.core.files import UserError
from mathrl.training import checkpoints, directories, resharding, trained_by
from support.settings import keys_of, stage_of


@pytest.fixture
def stage(config):
    return stage_of(config)


def save(directory, step, world):
    """What is looked at of a complete checkpoint that so many GPUs saved."""
    actor = directory / f"global_step_{step}/actor"
    actor.mkdir(parents=True)
    for rank in range(world):
        (actor / f"model_world_size_{world}_rank_{rank}.pt").write_bytes(b"x")
    checkpoints.mark_complete(directory / f"global_step_{step}")


def test_as_many_gpus_as_saved_it_need_nothing(stage, tmp_path):
    assert resharding.check(stage, tmp_path, "run grpo") is None, "nothing is trained yet"
    save(tmp_path, 200, 6)
    assert resharding.check(stage, tmp_path, "run grpo") is None
    assert resharding.check(stage.changed(gpus=3, nodes=2), tmp_path, "run grpo") is None


def test_other_gpus_are_refused_unless_asked_for(stage, tmp_path):
    save(tmp_path, 200, 6)
    with pytest.raises(UserError) as error:
        resharding.check(stage.changed(gpus=4), tmp_path, "run grpo, stage main")
    assert str(error.value) == (
        f"run grpo, stage main: {tmp_path} was saved by 6 GPUs at step 200, and training.gpus × nodes is 4: verl cannot load it; set gpus "
        "× nodes to 6, or training.reshard: true to go on from its weights with a fresh optimizer"
    )
    asked = stage.changed(gpus=4, reshard=True)
    noted = {"step": 200, "from_gpus": 6, "to_gpus": 4, "optimizer": "fresh"}
    assert resharding.check(asked, tmp_path, "run grpo") == noted
    save(tmp_path, 400, 4)
    assert resharding.check(asked, tmp_path, "run grpo") is None, "its own checkpoints have their optimizer"


@pytest.mark.parametrize(("run", "before"), [("grpo", []), ("maxrl", ["mathrl.verl.maxrl"])])
def test_a_start_from_others_weights_keeps_what_the_run_needs(config, run, before):
    found = resharding.libraries(keys_of(config, run))
    assert found == {"actor_rollout_ref.model.external_lib": [*before, "mathrl.verl.reshard"]}


def test_the_manifest_says_which_steps_had_a_fresh_optimizer(tmp_path):
    content = {"code": "c"}
    noted = {"step": 200, "from_gpus": 6, "to_gpus": 4, "optimizer": "fresh"}
    for after, resharded in ((0, None), (200, noted), (400, None)):
        trained_by.begin(tmp_path, after, {"git_commit": "a"}, content, "f", None, resharded)
    told = trained_by.told(tmp_path, 600)
    assert [(entry["first_step"], entry["last_step"], entry.get("resharded")) for entry in told] == [
        (1, 200, None),
        (201, 400, noted),
        (401, 600, None),
    ]


@pytest.mark.parametrize(
    ("old", "asks"),
    [
        ({"verl": {"trainer.n_gpus_per_node": 6, "data.seed": 1}}, True),
        ({"verl": {"trainer.n_gpus_per_node": 4, "trainer.nnodes": 2, "data.seed": 1}}, True),
        ({"verl": {"trainer.n_gpus_per_node": 6, "data.seed": 2}}, False),  # another training in any case
        ({"verl": {"trainer.n_gpus_per_node": 4, "data.seed": 1, "+trainer.deterministic": True}}, False),  # the user's own wish
    ],
)
def test_nothing_is_trained_again_unasked_because_of_other_gpus(old, asks):
    new = {"verl": {"trainer.n_gpus_per_node": 4, "data.seed": 1}}
    assert resharding.only_gpus(directories.differences(old, new)) is asks
