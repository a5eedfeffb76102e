"""A policy loss and an advantage estimator of the user's, from docs/how-to/your-own-code.md in a folder outside the repository: one update
by verl's functions, against the formula and against verl's own."""

import json

import pytest
import yaml
from mathrl.config import reading
from mathrl.core import code_files
from mathrl.training import training_code
from mathrl.verl import users_functions
from support import method_updates, pages
from support.settings import keys_of

PAGE = "docs/how-to/your-own-code.md"
UPDATES = """
import json, os, sys
sys.path.insert(0, "tests")
from support import method_updates
found = []
for keys in json.loads(sys.argv[1]):
    os.environ |= {key.rpartition(".")[2]: value for key, value in keys.items() if ".env_vars.MATHRL_USERS" in key}
    sys.modules.pop("mathrl.verl.users_registry", None)
    try:
        found.append(method_updates.update(keys))
    except Exception as error:
        found.append(str(error))
print("FOUND" + json.dumps(found))
"""
BAD = {
    "policy_loss": ("def f(log_prob, **_):\n    return log_prob.sum()\n", "answers a tensor (); it must be a loss per token, (8, 6)"),
    "advantage": ("def f(**_):\n    return 1.0\n", "answers a float; it must be an advantage per response, (8,), or per token, (8, 6)"),
}
PAIR = "def f(log_prob, advantages, **_):\n    return -(log_prob * advantages).sum(), {'actor/mine': 1.0}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    pages.write_files(PAGE, folder)
    for key, (text, _) in BAD.items():
        (folder / f"{key}.py").write_text(text)
    (folder / "pair.py").write_text(PAIR)
    return folder


@pytest.fixture(scope="module")
def given():
    return yaml.safe_load((pages.ROOT / "config.yaml").read_text())


def keys(given, folder, **training):
    own = {key: f"{folder}/{value}" if ".py:" in str(value) else value for key, value in training.items()}
    return keys_of(reading.merge(given, {"runs": {"grpo": own}}), accelerator="cpu")


@pytest.fixture(scope="module")
def updates(given, folder, verl):
    asked = {
        "vanilla": {},
        "loss": {"policy_loss": "mine/loss.py:truncated", "clip_high": 1.0},
        "weighted": {"policy_loss": "mine/loss.py:truncated", "clip_high": 1.0, "rollout_correction": 2.0},
        "advantage": {"advantage": "mine/advantage.py:over_median"},
        "pair": {"policy_loss": "pair.py:f"},
        **{f"bad {key}": {key: f"{key}.py:f"} for key in BAD},
    }
    every = [keys(given, folder, **training) for training in asked.values()]
    printed = verl("cpu").ask(UPDATES, json.dumps(every))
    (line,) = [line for line in printed.splitlines() if line.startswith("FOUND")]
    return dict(zip(asked, json.loads(line.removeprefix("FOUND")), strict=True))


def gradient(advantages, weights=None, aggregate=None):
    """Of the logits, by the page's formula."""
    import torch

    given = method_updates.batch()
    logits = given["logits"].clone().requires_grad_()
    now = logits.log_softmax(-1).gather(-1, given["tokens"][..., None])[..., 0]
    weight = (now - given["old"]).exp().detach().clamp(max=2.0) * (1.0 if weights is None else torch.tensor(weights))
    per_token = -weight * torch.tensor(advantages) * now * given["mask"]
    whole = per_token.sum() / given["mask"].sum() if aggregate is None else aggregate(now, torch.tensor(advantages))
    whole.backward()
    return logits.grad


@pytest.mark.parametrize("kind", ["loss", "weighted"])
def test_a_loss_of_ones_own_is_its_formula_and_not_vanilla(updates, kind):
    import torch

    found = torch.tensor(updates[kind]["gradient"])
    assert torch.allclose(found.double(), gradient(updates[kind]["advantages"], updates[kind]["weights"]), atol=1e-7)
    assert updates[kind]["advantages"] == updates["vanilla"]["advantages"]
    assert not torch.allclose(found, torch.tensor(updates["vanilla"]["gradient"]), atol=1e-4)


def test_a_pair_is_what_verl_wants_as_it_is(updates):
    import torch

    wanted = gradient(updates["pair"]["advantages"], aggregate=lambda now, advantages: -(now * advantages).sum())
    assert torch.allclose(torch.tensor(updates["pair"]["gradient"]).double(), wanted, atol=1e-6)


def test_an_advantage_of_ones_own_is_its_formula(updates):
    for group in (range(4), range(4, 8)):
        rewards = [method_updates.REWARDS[place] for place in group]
        median = sorted(rewards)[1]  # torch takes the lower of the two in the middle
        for place, reward in zip(group, rewards, strict=True):
            row = updates["advantage"]["advantages"][place]
            length = method_updates.LENGTHS[place]
            assert row == pytest.approx([reward - median] * length + [0.0] * (len(row) - length), abs=1e-6)


@pytest.mark.parametrize("key", BAD)
def test_what_is_no_loss_and_no_advantage_is_said_in_one_line(updates, key, folder):
    assert updates[f"bad {key}"].startswith(f"training.{key}: '{folder}/{key}.py:f' {BAD[key][1]}")


def test_a_newcomer_writes_few_lines():
    for name in ("loss", "advantage"):
        mine = [block for block in pages.blocks(PAGE) if (block.file or "").startswith(f"mine/{name}.")]
        assert len(mine) == 2 and sum(len(block.text.splitlines()) for block in mine) <= 30


def test_only_stages_that_name_one_are_told_of_it(given, folder):
    assert not [key for key in keys(given, folder) if users_functions.NAMES in key or "users" in str(keys(given, folder)[key])]
    mine = keys(given, folder, policy_loss="mine/loss.py:truncated")
    assert mine["actor_rollout_ref.model.external_lib"] == "mathrl.verl.users_registry"
    assert mine["actor_rollout_ref.actor.policy_loss.loss_mode"] == f"{folder}/mine/loss.py:truncated"


def test_processes_on_several_nodes_are_told_of_it(given, folder, monkeypatch):
    """They have the environment of their node's Ray, not that of verl's driver."""
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    mine = keys(given, folder, policy_loss="mine/loss.py:truncated")
    told = json.loads(mine[f"+ray_kwargs.ray_init.runtime_env.env_vars.{users_functions.NAMES}"])
    assert told == {"policy_loss": f"{folder}/mine/loss.py:truncated"}


def test_its_code_counts_and_its_place_does_not(folder, tmp_path):
    """As reward terms do, whose names stand beside their weights."""
    (tmp_path / "a").mkdir()
    text, beside = "from words import X\n\ndef f(**_):\n    return X\n", "X = 1\n"

    def found(text=text, beside=beside, name="mine.py", function="f"):
        (tmp_path / "a" / name).write_text(text)
        (tmp_path / "a" / "words.py").write_text(beside)
        code_files.direct.cache_clear()
        code = training_code.Code([])
        named = code.named_by({"loss": f"{tmp_path}/a/{name}:{function}"})["loss"], code.term(f"{tmp_path}/a/{name}:{function}")
        return named, set(code.files().values())

    first = found()
    assert first[0][0] == first[0][1] and first[0][0].startswith("code ") and first[0][0].endswith(":f")
    assert found("# short\n" + text) == first == found(name="moved.py")
    assert found(beside="X = 2\n") != first
    assert found(function="g", text=text.replace("def f", "def g")) != first
