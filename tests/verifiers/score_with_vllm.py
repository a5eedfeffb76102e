"""Scores of one kind of verifier through vLLM on a CPU, in a process of its own: KIND ASKED.json GOT.json."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from mathrl.verifiers.hf_prm import PublishedRewardModel
from mathrl.verifiers.likelihood import StepLikelihood
from mathrl.verifiers.prm import ProcessRewardModel

if __name__ == "__main__":
    kind, asked, got = sys.argv[1:]
    given = json.loads(Path(asked).read_text())
    kinds = {"prm": ProcessRewardModel, "likelihood": StepLikelihood, "hf-prm": PublishedRewardModel}
    verifier = kinds[kind](Path(given["model"]), "cpu", "float32")
    verifier.backend = "vllm"
    Path(got).write_text(json.dumps(verifier.score(given["problems"], given["steps"])))
