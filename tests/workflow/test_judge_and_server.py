"""The judge before vLLM's own server: it hears what the server says to anybody, and it costs what the server counts."""

import json
import urllib.request

import pytest
from mathrl.config.verifiers import Settings
from mathrl.core.files import UserError
from mathrl.models.spending import Account
from mathrl.verifiers import judge, load
from support.vllm_server import serving

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(1800)]
# In the form that the demo's model learnt, so that it answers with a number in a box: a judge's reply, if the number is a step's.
PROMPT = "{steps}\nPlease reason step by step,and must put your final answer within \\boxed{}.Question: {problem}"
PROBLEMS = [f"Find the value of ${first} - {second}$." for first in range(3, 9) for second in range(3, 9)]
STEPS = ["0 + 1 = 1"]


def said(address: str, text: str, temperature: float = 0.0) -> tuple[str, int]:
    """The server's reply to this text, and the tokens that it counts."""
    body = {"model": "small", "messages": [{"role": "user", "content": text}], "temperature": temperature, "max_tokens": 60}
    request = urllib.request.Request(f"{address}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        found = json.load(reply)
    return found["choices"][0]["message"]["content"], found["usage"]["total_tokens"]


def test_scores_are_what_the_server_says_and_cost_what_it_counts(finished, tmp_path):
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(PROMPT)
    model = finished.directory / "results/grpo/model"
    with serving(model, "small", tmp_path / "server.log") as address:
        replies = [said(address, judge.fill(PROMPT, problem, STEPS)) for problem in PROBLEMS]
        own = {"url": address, "model": "small", "prompt": str(prompt), "max_tokens": 60, "max_total_tokens": 100_000}
        verifier = load.make(Settings("small", "judge", own=own), root=tmp_path, timeout=120.0, retries=0, batch_size=1)
        heard: list[list[float] | None] = []
        for problem in PROBLEMS:
            try:
                heard += verifier.score([problem], [STEPS])
            except UserError as error:
                assert "names no step" in str(error)
                heard.append(None)
        spent = Account(tmp_path / "spending/small", "small").spent
        with pytest.raises(UserError, match=r"context|maximum|too long"):
            verifier.score(["long " * 2000], [STEPS])
    expected = []
    for reply, _ in replies:
        try:
            expected.append(judge.scores_of(reply, len(STEPS)))
        except ValueError:
            expected.append(None)
    assert heard == expected and None in heard and any(scores is not None for scores in heard), replies
    assert spent.tokens == sum(tokens for _, tokens in replies)
