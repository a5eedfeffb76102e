"""docs/how-to/bring-your-own.md does what it says: its files are written, its commands run, and each layout of its table is read."""

import gzip
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from mathrl.checks import real_model
from mathrl.data.problems import dataset_columns
from support import pages

ROOT = Path(__file__).parents[2]
PAGE = "docs/how-to/bring-your-own.md"
COMMANDS = [words for block in pages.blocks(PAGE) if block.language == "sh" for words in pages.commands(block.text)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walkthrough")
    real_model.copy_workflow(folder)
    pages.write_files(PAGE, folder)
    (folder / "mine/model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "mine/model" / name).write_text("{}")
    return folder


def run(folder, words):
    program = sys.executable if words[0] == "python" else words[0]
    return subprocess.run([program, *words[1:]], cwd=folder, env=real_model.environment(), capture_output=True, text=True)


def test_the_page_has_its_files_and_commands():
    files = {block.file for block in pages.blocks(PAGE)} - {None}
    assert files == {
        "mine/make_dataset.py", "mine/sums.jsonl", "mine/evaluate.yaml", "mine/pins.tsv", "mine/my_terms.py", "mine/config.yaml",
    }  # fmt: skip
    assert [words[0] for words in COMMANDS] == ["python", "snakemake", "python", "python", "snakemake", "snakemake", "snakemake"]


def test_the_commands(copy):
    if not (ROOT / ".venv-driver/bin/snakemake").exists():
        pytest.skip("Snakemake's environment is not made (make env)")
    make, evaluate, reward, _, _, dry, real = COMMANDS  # the two of a preset run with every page's in tests/docs
    assert run(copy, make).returncode == 0
    only = run(copy, evaluate)
    assert only.returncode == 0, only.stderr + only.stdout
    assert "results/theirs/contest/eval/gsm8k.json" in only.stdout + only.stderr and "train_policy" not in only.stdout + only.stderr
    graded = run(copy, reward)
    found = json.loads(graded.stdout)
    assert found["score"] == pytest.approx(1.0) and found["term_brief"] == 1.0
    planned = run(copy, dry)
    assert planned.returncode == 0, planned.stderr + planned.stdout
    for path in ("resources/benchmarks/sums.jsonl", "results/theirs/contest/eval/sums.json"):
        assert path in planned.stdout + planned.stderr
    done = run(copy, real)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = [json.loads(line) for line in (copy / "resources/benchmarks/sums.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["42", "35"]
    assert json.loads((copy / "results/data/contamination.json").read_text())["table"][0]["benchmark"] == "sums"


ADVICE = "\nPlease reason step by step, and put your final answer within \\boxed{}."
DAPO = """Solve the following math problem step by step. The last line of your response should be of the form Answer: $Answer \
(without quotes) where $Answer is the answer to the problem.

%s

Remember to put your answer on its own line after "Answer:"."""
ASKED = {"What is $9+3$?": "12", "How many primes are below 20?": "8", "A hen lays 5 eggs a day. How many eggs is that in 6 days?": "30"}
STORY = "Eve keeps a diary of all her sums."


def asks(text):
    return [{"role": "user", "content": text}]


def solved(gold):
    return f"We count, and count again: \\boxed{{{gold}}}."


def verl(text, gold):
    return {"data_source": "a", "prompt": asks(text), "ability": "math", "reward_model": {"ground_truth": gold, "style": "rule"}}


def options(gold, form="{} {}"):
    """Three options of which the second is right, each behind its letter."""
    return [form.format(letter, option) for letter, option in zip("ABC", (f"{gold}0", gold, f"{gold}1"), strict=True)]


# layout as the page's table calls it; the ending of its file; a row with this problem and this gold
PUBLISHED = [
    ("Big-Math", "parquet", lambda t, g: {"prompt": t, "solution": g, "source": "a", "domain": ["b"], "llama8b_solve_rate": 0.5}),
    ("GSM8K", "jsonl", lambda t, g: {"question": t, "answer": f"That makes <<{g}={g}>>{g}.\n#### {g}"}),
    ("MATH", "jsonl.gz", lambda t, g: {"problem": t, "level": "Level 3", "type": "Algebra", "solution": solved(g)}),
    ("NuminaMath-CoT", "parquet", lambda t, g: {"source": "a", "problem": t, "solution": solved(g), "messages": asks(t)}),
    (
        "NuminaMath", "parquet",
        lambda t, g: {"problem": t, "solution": solved(g), "answer": g, "problem_type": "Algebra", "question_type": "math-word-problem"},
    ),
    ("DeepScaleR", "json", lambda t, g: {"problem": t, "answer": g, "solution": solved(g)}),
    ("OpenR1", "parquet", lambda t, g: {"problem": t, "solution": solved(g), "answer": g, "uuid": t, "generations": [solved(g), "4"]}),
    ("MathArena", "parquet", lambda t, g: {"problem_idx": len(t), "problem": t, "answer": int(g)}),
    ("verl", "parquet", lambda t, g: verl(t + ADVICE, g)),
    ("DAPO", "parquet", lambda t, g: verl(DAPO % t, g)),
    ("Skywork", "parquet", lambda t, g: verl(t, json.dumps([g])) | {"extra_info": {"index": 1, "model_difficulty": {"a": 3}}}),
    ("DeepMath", "parquet", lambda t, g: {"question": t, "final_answer": g, "difficulty": 3.0, "topic": "a"}),
    ("OlympiadBench", "jsonl", lambda t, g: {"question": t, "final_answer": [g], "is_multiple_answer": False}),
    ("Open-Reasoner-Zero", "json", lambda t, g: [{"from": "human", "value": t}, {"from": "assistant", "ground_truth": {"value": g}}]),
    ("Open-Reasoner-Zero", "json", lambda t, g: {"prompt": [{"from": "user", "value": t}], "final_answer": g}),
    ("OpenMathReasoning", "parquet", lambda t, g: {"expected_answer": g, "problem": t, "pass_rate_72b_tir": "0.5", "inference_mode": "a"}),
    ("NeMo-Skills", "jsonl", lambda t, g: {"problem": t, "expected_answer": g, "reference_solution": ""}),
    ("Tülu", "parquet", lambda t, g: {"messages": asks(f"Question: Two?\nAnswer: It is 2.\n\nQuestion: {t}\nAnswer:"), "ground_truth": g}),
    ("ape210k", "jsonl", lambda t, g: {"id": str(len(t)), "original_text": t, "ans": g, "equation": f"x={g}"}),
    ("MetaMathQA", "json", lambda t, g: {"type": "GSM", "query": t, "response": f"So.\n#### {g}\nThe answer is: {g}"}),
    ("prompt and completion", "jsonl", lambda t, g: {"prompt": t, "completion": f"We count. The answer is ${g}$."}),
    ("messages", "parquet", lambda t, g: {"messages": [*asks(t), {"role": "assistant", "content": solved(g)}]}),
    ("Alpaca", "json", lambda t, g: {"instruction": STORY, "input": t, "output": f"We count. The answer is {g}."}),
    ("AQuA", "jsonl", lambda t, g: {"question": t, "options": options(g, "{}){}"), "correct": "B"}),
    (
        "ARC", "parquet",
        lambda t, g: {"id": t, "question": t, "choices": {"text": [f"{g}0", g, f"{g}1"], "label": ["1", "2", "3"]}, "answerKey": "2"},
    ),
    ("MathQA", "json", lambda t, g: {"Problem": t, "options": " , ".join(options(g, "{} ) {}")).lower(), "correct": "b"}),
    ("MMLU", "parquet", lambda t, g: {"question": t, "subject": "a", "choices": [f"{g}0", g, f"{g}1"], "answer": 1}),
    ("SAT", "jsonl", lambda t, g: {"question": t, "options": "\n".join(options(g, "{}) {}")), "Answer": "B"}),
    ("AGIEval", "jsonl", lambda t, g: {"passage": None, "question": t, "options": options(g, "({}){}"), "label": "B"}),
    ("ASDiv", "jsonl", lambda t, g: {"body": STORY, "question": t, "answer": f"{g} (eggs)"}),
    ("SVAMP", "json", lambda t, g: {"Body": STORY, "Question": t, "Answer": float(g)}),
]  # fmt: skip


def write(path, rows):
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def test_the_layouts_of_the_table(tmp_path, monkeypatch, capsys):
    """A made set of each, through the scripts that the page's commands start: as a dataset, read as for cleaning, and as a benchmark."""
    table = re.search(r"\| layout \|.*?\n\n", pages.read(PAGE), re.S)[0].strip().splitlines()[2:]
    named = [name for line in table for name in line.split("|")[1].strip().split(", ")]
    assert named == list(dict.fromkeys(name for name, *_ in PUBLISHED))
    monkeypatch.chdir(tmp_path)
    head = next(block.text for block in pages.blocks(PAGE) if block.file == "mine/pins.tsv").splitlines()[1]
    started = {name: runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))["main"] for name in ("fetch_dataset", "fetch_benchmark")}

    def start(script, **given):
        words = [word for option, value in given.items() for word in (f"--{option}", str(value))]
        monkeypatch.setattr(sys, "argv", [script, *words])
        started[script]()

    for number, (name, ending, row) in enumerate(PUBLISHED):
        path = tmp_path / f"{number}.{ending}"
        write(path, [row(text, gold) for text, gold in ASKED.items()])
        pins = ["\t".join([f"{kind[0]}{number}", kind, "file", path.name, *[""] * 7]) for kind in ("dataset", "benchmark")]
        Path("pins.tsv").write_text("\n".join([head, *pins]) + "\n")
        start("fetch_dataset", pins="pins.tsv", name=f"d{number}", out="dataset.parquet")
        start("fetch_benchmark", pins="pins.tsv", name=f"b{number}", out="benchmark.jsonl")
        rows = pl.scan_parquet("dataset.parquet").select(dataset_columns("dataset.parquet")).select("problem", "answer").collect().rows()
        items = [json.loads(line) for line in Path("benchmark.jsonl").read_text().splitlines()]
        assert rows == [(item["problem"], item["answer"]) for item in items], name
        for (problem, answer), (text, gold) in zip(rows, ASKED.items(), strict=True):
            if name in ("AQuA", "ARC", "MathQA", "MMLU", "SAT", "AGIEval"):
                assert answer == "B" and problem == "\n".join([text, *options(gold, "({}) {}")]), name
            else:
                told = f"{STORY}\n{text}" if name in ("ASDiv", "SVAMP", "Alpaca") else text
                assert (problem, answer) == (told, gold), name
    capsys.readouterr()
