"""Credit by the worst step through verl's own functions: rewards at the ends of the steps, and PURE's advantage over them."""

import json
import math
from pathlib import Path

import pytest
import yaml
from mathrl.rewards import process_min as rules
from mathrl.verl.process_min import Places, at_tokens
from support.settings import process_keys


class Words:
    """A tokenizer: token n is the n-th text."""

    def __init__(self, *texts):
        self.texts, self.calls = texts, 0

    def decode(self, ids, *, skip_special_tokens):
        self.calls += 1
        return "".join(self.texts[number] for number in ids)


class Bytes:
    """A tokenizer of single bytes: a character may take four tokens, and a part of one cannot be read. 0 ends a response."""

    def decode(self, ids, *, skip_special_tokens):
        return bytes(one for one in ids if one).decode(errors="replace")


def test_the_token_in_which_a_step_ends():
    places = Places(Words("1 + ", "1", " = 2", ".\n", "Th", "en 2. So", " \\boxed{2}", ".", "<end>"))
    steps = ["1 + 1 = 2.", "Then 2.", "So \\boxed{2}."]
    found = places.find(range(9), rules.ends(steps))
    assert found == [3, 5, 8], "the second and the beginning of the third share a token; the last ends with the response"
    assert places.find([], [0]) == [-1] and places.find(range(3), [0]) == [2], "no steps: one credit at the end"


@pytest.mark.parametrize("response", ["é = 1. 好 2。\nSo 🙂 \\boxed{3}. ", "1 + 1 = 2.\nSo 2.", "🙂\n🙂\n🙂"])
def test_characters_of_several_tokens(response):
    ids = [*response.encode(), 0]
    steps = rules.ends([step for step in response.splitlines() if step])
    for token, end in zip(Places(Bytes()).find(ids, steps)[:-1], steps[:-1], strict=True):
        before, upto = ("".join(bytes(ids[:stop]).decode(errors="ignore").split()) for stop in (token, token + 1))
        assert len(before) < end == len(upto), (token, end)


def test_tokens_are_read_once():
    tokenizer = Words(*"abcdefgh")
    places = Places(tokenizer)
    for _ in range(50):
        places.find(range(8), [3, 8])
    assert tokenizer.calls == 8 + 50, "each token once, and each response once to see whether its tokens add up to it"


def test_credit_lies_at_the_tokens_and_padding_has_none():
    places = Places(Words("ab", "c ", "d", "ef"))
    rewards, lengths = at_tokens([[0, 1, 2, 3], [3], [0, 1]], [[(3, 0.25), (3, 0.5), (6, -1.0)], [], [(3, -0.5)]], places, 5)
    assert rewards.tolist() == [[0, 0.75, 0, -1, 0], [0] * 5, [0, -0.5, 0, 0, 0]]
    assert lengths.tolist() == [[0, 2, 0, 2, 0], [0] * 5, [0, 2, 0, 0, 0]]


# verl's _compute_advantage on rows in memory, a padded one among them; what it writes back, and its metrics of the rewards.
ADVANTAGES = """
import json, sys, types
sys.path.insert(0, "tests")
import torch
from omegaconf import OmegaConf
from support import queue_rows
from mathrl.verl import grpo_config
from verl.utils.import_utils import import_external_libs
cases = [(OmegaConf.create(grpo_config.resolve(keys)), rows) for keys, rows in json.loads(sys.argv[1])]
from mathrl.verl.grpo_trainer import Trainer, trainer_base
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
import_external_libs(OmegaConf.to_container(cases[0][0].actor_rollout_ref.model.external_lib))
usual = trainer_base.compute_advantage_for_multi_trajectories
class Tokenizer:
    eos_token_id = pad_token_id = 0
    def decode(self, ids, *, skip_special_tokens=True):
        return "".join("abcdefghijklmnopqrstuvwxyz"[one] for one in ids if one)
def run(config, rows):
    queue = queue_rows.Rows().install()
    for key, tokens, score, credit in rows:
        info = {"acc": 1.0, "format": 1.0, "pred": "", "status": "equal", "process_credit": json.dumps(credit)}
        queue.rows[key] = queue_rows.row(key.split("_")[0], len(tokens), score, info, tokens)
    batch = queue.kv_batch_put([key for key, *_ in rows], "train", tags=[queue_rows.tag(len(tokens)) for _, tokens, *_ in rows])
    batch = upsample_batch_to_divisible_size(batch, len(rows) + 2, 0)
    trainer, metrics = object.__new__(Trainer), {}
    trainer.config, trainer.tokenizer = config, Tokenizer()
    after = trainer._compute_advantage(batch, metrics)
    assert trainer_base.compute_advantage_for_multi_trajectories is usual
    found = {key: [queue.rows[key][name].tolist() for name in ("advantages", "returns", "rm_scores")] for key in after.keys}
    return {key if key in dict.fromkeys(row[0] for row in rows) else "pad": value for key, value in found.items()}
print("FOUND" + json.dumps([run(*case) for case in cases]))
"""
NAMED = {"eq": {"kind": "arithmetic"}}
# name, letters of the response as tokens, reward of the whole, what each step earns and where it ends: after how many letters
ROWS = [
    ("a_0_0", [1, 2, 3, 4, 5], 0.5 - 0.45 + 0.05, [(3, -0.45), (5, 0.05)]),
    ("a_1_0", [1, 2, 3, 4, 5, 6, 7], 0.0 + 0.3, [(4, 0.15), (5, 0.1), (7, 0.05)]),
    ("a_2_0", [1], 0.05 - 0.1, [(1, -0.1)]),
    ("b_0_0", [1, 2, 3, 4], 0.5 + 0.4, [(2, 0.3), (4, 0.1)]),
    ("b_1_0", [1, 2, 3], 0.0 - 0.5, [(3, -0.5)]),
]


@pytest.fixture(scope="module")
def told(verl, tmp_path_factory):
    """What verl's trainer writes back, by estimator."""
    place = tmp_path_factory.mktemp("min")
    estimators = ("rloo", "reinforce_plus_plus")
    config = yaml.safe_load((Path(__file__).resolve().parents[2] / "config.yaml").read_text())
    asked = [(process_keys(config, place, NAMED, {"advantage": name}, mode="min"), ROWS) for name in estimators]
    (line,) = [line for line in verl("cuda").ask(ADVANTAGES, json.dumps(asked)).splitlines() if line.startswith("FOUND")]
    return dict(zip(estimators, json.loads(line.removeprefix("FOUND")), strict=True))


def earned_from(row, token, per_token=0.0):
    """What the steps from a token's own on earn, less so much per token of them."""
    found, begins = 0.0, 0
    for end, reward in row[3]:
        if token < end:
            found += reward - per_token * (end - begins)
        begins = end
    return found


def whitened(rows, ddof):
    values = [value for row in rows for value in row]
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - ddof))
    return [[(value - mean) / deviation for value in row] for row in rows]


def test_the_advantage_is_pures(told):
    """A(i, t) = Σ over the steps from t's own on of (r − b · tokens), plus o(i) less the mean o of the others, whitened; b is what the
    others earn per token, o the outcome."""
    wanted = []
    for row in ROWS:
        others = [one for one in ROWS if one[0][0] == row[0][0] and one is not row]
        per_token = sum(reward for one in others for _, reward in one[3]) / sum(len(one[1]) for one in others)
        outcome, *rest = (one[2] - sum(reward for _, reward in one[3]) for one in (row, *others))
        wanted.append([earned_from(row, token, per_token) + outcome - sum(rest) / len(rest) for token in range(len(row[1]))])
    for row, expected in zip(ROWS, whitened(wanted, 0), strict=True):
        advantages, returns, scores = told["rloo"][row[0]]
        assert advantages == pytest.approx(expected, abs=1e-5) and returns == advantages
        assert scores == pytest.approx([0.0] * (len(row[1]) - 1) + [row[2]]), "verl's metrics of the reward stay what they were"
    assert told["rloo"]["pad"][0] == [0.0]


def test_another_estimator_gets_the_rewards_of_the_steps(told):
    """REINFORCE++: the rewards to come, whitened over the batch."""
    wanted = []
    for row in ROWS:
        outcome = row[2] - sum(reward for _, reward in row[3])
        wanted.append([earned_from(row, token) + outcome for token in range(len(row[1]))])
    for row, expected in zip(ROWS, whitened(wanted, 1), strict=True):
        assert told["reinforce_plus_plus"][row[0]][0] == pytest.approx(expected, abs=1e-5)
        assert len(set(told["reinforce_plus_plus"][row[0]][0])) == len(row[3]), "a value for each step"
    assert told["reinforce_plus_plus"]["pad"][0] == [0.0]
