"""What verifiers say of graded samples, by hand."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from mathrl.config.verifiers import Settings
from mathrl.core.files import UserError, read_jsonl, write_jsonl
from mathrl.evaluation.metrics import GradedProblem, GradedSample
from mathrl.evaluation.scores import load_evals, score_table
from mathrl.evaluation.verified import Verdicts, best_of, verdicts, verified, weighted_majority
from mathrl.report.page import verifiers_part
from mathrl.report.verifiers import verifier_rows

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "rules/schemas/eval.schema.json").read_text())
ITEMS = [{"id": "a", "problem": "What is 3 + 4?", "answer": "7"}, {"id": "b", "problem": "What is 1 + 1?", "answer": "2"}]
TEXTS = {
    "a": ["3 + 4 = 7. So \\boxed{7}.", "3 + 4 = 8. So \\boxed{8}.", "3 + 5 = 9. So \\boxed{8}."],
    "b": ["1 + 1 = 3. So \\boxed{2}.", "So \\boxed{2}.", "1 + 1 = 2. No idea."],
}


def graded(answers, correct):
    samples = [
        GradedSample(number, 3, False, True, right, right, right, "equal" if right else "different", answer)
        for number, (answer, right) in enumerate(zip(answers, correct, strict=True))
    ]
    return GradedProblem("p", "What?", "7", samples=samples)


def by_text(answers):
    return [sorted(set(answers)).index(answer) for answer in answers]


@pytest.mark.parametrize(
    ("weights", "best", "majority"),
    [
        ([0.9, 0.1, 0.1, 0.0], 1.0, 1.0),
        ([0.3, 0.2, 0.2, 0.0], 1.0, 0.0),
        ([0.2, 0.9, 0.1, 1.0], 0.0, 0.0),
        ([0.4, 0.4, 0.0, 0.0], 0.5, 0.5),
        ([0.0, 0.0, 0.0, 1.0], 1 / 3, 0.5),
    ],
)
def test_choosing(weights, best, majority):
    problem = graded(["7", "8", "8", None], [True, False, False, False])
    assert best_of(problem, weights) == pytest.approx(best)
    assert weighted_majority(problem, weights, by_text) == majority
    nothing = graded([None, None], [False, False])
    assert best_of(nothing, [1, 1]) == weighted_majority(nothing, [1, 1], by_text) == 0.0


def test_right_for_a_wrong_reason():
    problem = graded(["7", "7", "8"], [True, True, False])
    found = Verdicts("v", 0.5, "min", {("p", 0): [0.9, 0.9], ("p", 1): [0.9, 0.1, 0.8], ("p", 2): [0.2]})
    result = verified([problem], [1.0], found, by_text)
    assert result["flawed_but_right"]["value"] == 0.5 and result["steps_right"]["value"] == 4 / 6
    assert result["first_wrong_step"] == {"1": 1, "2": 1, "none": 1}
    assert result["best_of_n"]["value"] == 1.0 and result["best_of_n_minus_majority"]["value"] == 0.0
    with pytest.raises(UserError, match="verifier v: has no scores of sample 0 of item p"):
        verified([problem], [1.0], Verdicts("v", 0.5, "min", {}), by_text)


def test_an_ensemble_is_put_together_from_its_members():
    settings = {
        "x": Settings("x", "arithmetic"),
        "y": Settings("y", "arithmetic"),
        "xy": Settings("xy", "ensemble", own={"of": ["x", "y"], "combine": "min"}),
    }
    scored = {"x": {("p", 0): [1.0, 0.2], ("p", 1): []}, "y": {("p", 0): [0.4, 0.3], ("p", 1): []}}
    [found] = verdicts(settings, ["xy"], scored)
    assert found.scores == {("p", 0): [0.4, 0.2], ("p", 1): []} and found.disagreement == 0.5


@pytest.fixture
def study(tmp_path):
    """Two items with three samples each, scored and graded by the scripts."""
    write_jsonl(tmp_path / "toy.jsonl", ITEMS)
    rows = [{"id": key, "sample": n, "response": text, "tokens": 9} for key, own in TEXTS.items() for n, text in enumerate(own)]
    folder = tmp_path / "results/base/finalist"
    write_jsonl(folder / "samples/toy.jsonl.zst", rows)
    section = {
        "named": {
            "steps": {"kind": "arithmetic"},
            "again": {"kind": "arithmetic"},
            "same": {"kind": "ensemble", "of": ["steps", "again"], "combine": "mean"},
        },
        "use": ["steps"], "batch_size": 4, "timeout": 60, "retries": 0,
    }  # fmt: skip
    run = lambda script, *words: subprocess.run(  # noqa: E731
        [sys.executable, ROOT / "scripts" / script, *map(str, words)], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    text = json.dumps(section)
    named = (f"toy={folder / 'samples/toy.jsonl.zst'}", "--benchmark", "toy=toy.jsonl")
    run("score_steps.py", "--verifiers", text, "--verifier", "steps", "--samples", *named, "--out", folder / "steps/steps")
    scores = folder / "steps/steps/toy.jsonl.zst"
    grade = ("--samples", folder / "samples/toy.jsonl.zst", "--benchmark", "toy.jsonl", "--model", "base", "--protocol", "finalist")
    run("grade_samples.py", *grade, "--verifiers", text, "--steps", f"steps={scores}", "--out", folder / "eval/toy.json")
    return tmp_path, section, run


def test_from_samples_to_score_table_and_page(study):
    folder, section, run = study
    results = folder / "results"
    assert [row["scores"] for row in read_jsonl(results / "base/finalist/steps/steps/toy.jsonl.zst")] == [
        [1, 1], [0, 1], [0, 1], [0, 1], [1], [1, 1],
    ]  # fmt: skip
    found = json.loads((results / "base/finalist/eval/toy.json").read_text())
    jsonschema.validate(found, SCHEMA)
    own = found["verifiers"]["steps"]
    assert found["metrics"]["maj@3"]["value"] == 0.5, "8 wins for a"
    assert own["best_of_n"]["value"] == own["weighted_majority"]["value"] == 1.0
    assert own["best_of_n_minus_majority"]["value"] == 0.5 and own["flawed_but_right"]["value"] == pytest.approx(1 / 3)
    evals, _ = load_evals(results, ["base"], ["finalist"], ["toy"])
    table = score_table(evals, [], ["base"], ["finalist"], ["toy"], "finalist", {})
    assert "finalist,best_of_n by steps,base,measured,100.00" in table.csv()
    line = next(line for line in table.markdown().splitlines() if line.startswith("| base | finalist | toy | steps | 50.00"))
    assert "+50.00 [" in line
    (row,) = verifier_rows({"models": ["base"], "primary": "finalist", "benchmarks": ["toy"], "evals": evals})
    assert (row["verifier"], row["best_of_n"]["mean"]["value"], row["best_of_n_minus_majority"]["value"]) == ("steps", 1.0, 0.5)
    assert row["flawed_but_right"]["mean"]["value"] == pytest.approx(1 / 3)
    part = verifiers_part({"models": ["base"], "primary": "finalist", "benchmarks": ["toy"], "evals": evals})
    assert 'href="steps.html"' in part.markup and "+50.00" in part.markup
    page = ("--results", results, "--models", "base", "--protocols", "finalist", "--benchmark", "toy=toy.jsonl")
    run("render_steps.py", *page, "--verifiers", json.dumps(section), "--out", folder / "steps.html")
    html = (folder / "steps.html").read_text()
    assert "1 + 1 = 3." in html and "✗ 0.00" in html and "Right answer, flagged step" in html


def test_an_evaluation_without_verifiers_says_nothing_of_them(study):
    folder, _, run = study
    samples = folder / "results/base/finalist/samples/toy.jsonl.zst"
    run("grade_samples.py", "--samples", samples, "--benchmark", "toy.jsonl", "--out", "plain.json")
    assert "verifiers" not in json.loads((folder / "plain.json").read_text())


def test_the_page_escapes_what_a_model_wrote():
    from mathrl.report.step_pages import chosen, steps_page

    found = {"v": Verdicts("v", 0.5, "min", {})}
    row = {"model": "m", "protocol": "p", "benchmark": "b", "id": "<i>", "sample": 0, "problem": "<script>x</script>", "answer": "<b>"}
    rows = [row | {"response": "<img src=x onerror=alert(1)>. Then </table>", "correct": True, "scores": {"v": [0.1, 0.9]}}] * 3
    page = steps_page(chosen(rows, found), found)
    assert "<img" not in page and "<script" not in page and "Then &lt;/table&gt;" in page and page.count("<article>") == 1
