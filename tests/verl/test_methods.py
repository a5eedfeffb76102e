"""Each named method is on: what it changes of verl's configuration, and one update by verl's functions against the paper's formula."""

import json
import math

import pytest
import yaml
from mathrl.config import experiment, validation
from mathrl.core.files import UserError
from support import method_diffs, method_updates
from support.settings import keys_of

UPDATES = """
import json, sys
sys.path.insert(0, "tests")
from support import method_updates
print("FOUND" + json.dumps([method_updates.update(keys) for keys in json.loads(sys.argv[1])]))
"""
# What each paper says, in terms of ratios, advantages and weights; the first is what the others must differ from.
METHODS = (
    "grpo-unpadded", "gspo", "dr-grpo", "cispo", "sapo", "gmpo", "dppo", "kl-cov", "clip-cov", "lite-ppo", "rloo", "opo", "maxrl",
    "pass-at-k", "sequence-weights", "icepop",
)  # fmt: skip
GROUPS = ([0, 1, 2, 3], [4, 5, 6, 7])


@pytest.fixture(scope="module")
def updates(config_of_file, verl):
    """By method, what verl made of the batch."""
    keys = [keys_of(config_of_file, run, accelerator="cpu") for run in METHODS]
    printed = verl("cpu").ask(UPDATES, json.dumps(keys))
    (line,) = [line for line in printed.splitlines() if line.startswith("FOUND")]
    return dict(zip(METHODS, json.loads(line.removeprefix("FOUND")), strict=True))


@pytest.fixture(scope="module")
def config_of_file():
    return yaml.safe_load((method_diffs.ROOT / "config.yaml").read_text())


def test_what_each_method_changes_of_verls_configuration(config_of_file, verl):
    found = method_diffs.diffs(config_of_file, verl("cuda"))
    assert found == yaml.safe_load(method_diffs.GOLDEN.read_text())


def mean(values):
    return math.fsum(values) / len(values)


def deviation(values):
    return math.sqrt(math.fsum((value - mean(values)) ** 2 for value in values) / (len(values) - 1))


def advantages_of(run):
    """One number per response, as the paper of the method defines it."""
    found = [0.0] * 8
    for group in GROUPS:
        rewards, lengths = ([row[i] for i in group] for row in (method_updates.REWARDS, method_updates.LENGTHS))
        for place, i in enumerate(group):
            reward, others = rewards[place], [other for j, other in enumerate(rewards) if j != place]
            if run == "rloo":
                found[i] = reward - mean(others)
            elif run == "opo":
                found[i] = reward - sum(r * n for r, n in zip(rewards, lengths, strict=True)) / sum(lengths)
            elif run == "maxrl":
                found[i] = (reward - mean(rewards)) / mean(rewards)
            elif run == "pass-at-k":
                second = sorted(rewards)[-2]
                found[i] = (reward - second) / deviation(rewards) if reward > second else 0.0
            elif run in ("dr-grpo", "lite-ppo"):
                found[i] = reward - mean(rewards)
            else:
                found[i] = (reward - mean(rewards)) / deviation(rewards)
    if run == "lite-ppo":  # the deviation is that of all tokens of the batch
        tokens = [value for value, length in zip(found, method_updates.LENGTHS, strict=True) for _ in range(length)]
        found = [(value - mean(tokens)) / deviation(tokens) for value in found]
    return found


@pytest.mark.parametrize("run", METHODS)
def test_advantages_are_the_papers(updates, run):
    wanted = advantages_of(run)
    for row, value, length in zip(updates[run]["advantages"], wanted, method_updates.LENGTHS, strict=True):
        assert row == pytest.approx([value] * length + [0.0] * (len(row) - length), abs=1e-5)


def objective(run, given, now, advantages, weights):
    """What is maximised, per token or (GMPO) per response, by the paper; the second value says how it is averaged."""
    import torch

    ratio, mask = torch.exp(now - given["old"]), given["mask"]
    gain = ratio * advantages
    if run == "cispo":
        return torch.clamp(ratio, max=5.0).detach() * advantages * now, "tokens"
    if run == "sapo":
        tau = torch.where(advantages > 0, 1.0, 1.05)
        return 4 / tau * torch.sigmoid(tau * (ratio - 1)) * advantages, "responses"
    if run == "gmpo":
        signed = torch.sign(advantages) * torch.log(ratio)
        kept = torch.sign(advantages) * torch.minimum(signed, torch.clamp(signed, -0.4, 0.4))
        return advantages[:, 0] * torch.exp((kept * mask).sum(1) / mask.sum(1)), "mean"
    if run == "dppo":
        moved = (torch.exp(now) - torch.exp(given["old"])).detach()
        outside = ((advantages > 0) & (moved > 0.15)) | ((advantages <= 0) & (moved < -0.15))
        return torch.where(outside, 0.0, torch.clamp(ratio, max=20.0).detach() * advantages * now), "tokens"
    if run == "gspo":
        length = mask.sum(1, keepdim=True)
        whole = torch.exp(((now - given["old"]) * mask).sum(1, keepdim=True) / length)
        return torch.minimum(whole * advantages, torch.clamp(whole, 1 - 3e-4, 1 + 4e-4) * advantages).expand_as(mask), "responses"
    if run == "kl-cov":
        worst = (covariance(now, advantages, mask)).flatten().argmax()  # a share of 0.002 of 30 tokens is one
        penalty = torch.zeros_like(now).flatten()
        penalty[worst] = 1.0
        return gain - penalty.view_as(now) * (now - given["old"]).abs(), "tokens"
    low, high = (1.0, 1.0) if run == "clip-cov" else (0.2, 0.2)
    clipped = torch.minimum(gain, torch.clamp(ratio, 1 - low, 1 + high) * advantages)
    if run != "clip-cov":  # PPO's second clip, of negative advantages
        clipped = torch.where(advantages < 0, torch.maximum(clipped, 3.0 * advantages), clipped)
    return clipped * (1.0 if weights is None else weights), {"dr-grpo": "fixed"}.get(run, "tokens")


def covariance(now, advantages, mask):
    """The centred products of advantage and log-probability, per token; below all others where there is no token."""
    import torch

    real = mask > 0
    product = (advantages - advantages[real].mean()) * (now - now[real].mean()).detach()
    return torch.where(real, product, -math.inf)


def gradient(run, left_out=None):
    """Of the mean objective with respect to the logits, downhill as verl's loss."""
    import torch

    given = method_updates.batch()
    logits = given["logits"].clone().requires_grad_()
    now = logits.log_softmax(-1).gather(-1, given["tokens"][..., None])[..., 0]
    advantages = torch.tensor(advantages_of(run), dtype=torch.float64)[:, None] * given["mask"]
    terms, kind = objective(run, given, now, advantages, weights_of(run, given))
    mask = given["mask"].clone()
    if left_out is not None:
        mask.view(-1)[left_out] = 0
    count = given["mask"].sum()
    if kind == "mean":
        value = terms.mean()
    elif kind == "responses":
        value = ((terms * mask).sum(1) / given["mask"].sum(1)).mean()
    elif kind == "fixed":
        value = (terms * mask).sum(1).mean() / 512
    else:
        value = (terms * mask).sum() / count
    (-value).backward()
    return logits.grad


def weights_of(run, given):
    """Importance weights between engine and trainer, as the papers define them; None without."""
    import torch

    distance = (given["old"] - given["rollout"]) * given["mask"]
    if run == "sequence-weights":
        return torch.exp(distance.sum(1, keepdim=True)).clamp(max=2.0).expand_as(distance)
    ratio = torch.exp(distance)
    return torch.where((ratio >= 0.5) & (ratio <= 5.0), ratio, 0.0) if run == "icepop" else None


@pytest.mark.parametrize("run", METHODS)
def test_an_update_is_the_papers_and_not_vanillas(updates, run):
    import torch

    found = torch.tensor(updates[run]["gradient"], dtype=torch.float64)
    if run == "clip-cov":  # one token, drawn from those whose covariance lies in [1, 5], has no gradient
        given = method_updates.batch()
        now = given["logits"].log_softmax(-1).gather(-1, given["tokens"][..., None])[..., 0]
        advantages = torch.tensor(advantages_of(run), dtype=torch.float64)[:, None] * given["mask"]
        products = covariance(now, advantages, given["mask"]).flatten()
        ratio = torch.exp(now - given["old"])
        clipped = ((torch.clamp(ratio, 0, 2) * advantages) < ratio * advantages).flatten()
        allowed = [i for i, value in enumerate(products.tolist()) if 1.0 < value < 5.0 and not clipped[i]]
        assert allowed, "the batch has such a token"
        assert sum(torch.allclose(found, gradient(run, one), atol=1e-7) for one in allowed) == 1
    else:
        assert torch.allclose(found, gradient(run), atol=1e-7)
    vanilla = torch.tensor(updates["grpo-unpadded"]["gradient"], dtype=torch.float64)
    assert run == "grpo-unpadded" or (found - vanilla).abs().max() > 1e-4


def test_a_group_without_a_right_answer_teaches_maxrl_nothing(verl):
    program = """
import numpy as np, torch
from mathrl.verl.maxrl import compute_maxrl_advantage
rewards = torch.tensor([[0.0], [0.0], [-1.0], [0.5]])
print("FOUND", compute_maxrl_advantage(rewards, torch.ones(4, 1), np.array(["a", "a", "b", "b"]))[0].abs().sum().item())
"""
    assert "FOUND 0.0" in verl("cpu").ask(program)


REFUSED = [
    ({"advantage": "gdpo"}, "advantage is 'gdpo': fails in verl 0.9.1's trainer: it needs a score per reward term"),
    ({"advantage": "remax"}, "advantage is 'remax': fails in verl 0.9.1's trainer: it needs the reward of a greedy response"),
    ({"advantage": "optimal_token_baseline"}, "fails in verl 0.9.1's trainer: it needs sums of squared probabilities"),
    ({"advantage": "gae"}, "advantage is 'gae'; it may be grpo, rloo"),
    ({"verl": {"algorithm.adv_estimator": "remax"}}, "verl: algorithm.adv_estimator: 'remax' fails in verl 0.9.1's trainer"),
    ({"gate_positive": 2.0}, "gate_positive 2.0 changes nothing under policy_loss vanilla, only under sapo; remove it"),
    ({"policy_loss": "sapo"}, "policy_loss sapo has one aggregation in verl; write loss_aggregation: seq-mean-token-mean"),
    ({"advantage": "rloo", "normalize_advantage": False}, "normalize_advantage false changes nothing under advantage rloo"),
    ({"rollout_correction": {"level": "word"}}, "rollout_correction.level is 'word'; it may be token, sequence"),
    ({"rollout_correction": {"low": 3.0, "high": 2.0}}, "rollout_correction: low 3.0 is not below high 2.0"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_a_method_never_reads_or_cannot_do_is_refused_by_name(config_of_file, changes, message):
    raw = {**config_of_file, "runs": {**config_of_file["runs"], "own": {"mini_batch_size": 88, **changes}}}
    with pytest.raises(UserError) as refused:
        validation.check_stage(experiment.spelled_out(raw), "own", "main")
    assert message in str(refused.value)


def test_every_shipped_run_is_valid(config_of_file):
    config = experiment.spelled_out(config_of_file)
    for run in config_of_file["runs"]:
        for leg in config.runs[run].stages or [None]:
            validation.check_stage(config, run, leg.name if leg else "main")
