"""What is read of each published set: a first row with the values that its columns really hold, and its right problem and gold.

`layouts.tsv` beside this clone has the columns of 71 sets. Columns that a row here does not give hold `words of NAME`, so that a problem
or gold that is read from the wrong one is seen.
"""

import csv
import json

import polars as pl
import pyarrow as pa
import pytest
from mathrl.data import published
from mathrl.data.benchmarks import read_benchmark_file

Q = "What is $2+3$, if $x > 0$?"
WORKED = "We add both, and get $\\boxed{4}$ first, then $\\boxed{5}$."
BOX = f"{Q} Let's think step by step and output the final answer within \\boxed{{}}."
DAPO = (
    "Solve the following math problem step by step. The last line of your response should be of the form Answer: $Answer (without quotes) "
    f"where $Answer is the answer to the problem.\n\n{Q}\n\nRemember to put your answer on its own line after \"Answer:\"."
)  # fmt: skip
SHOTS = f"Question: What is $1+1$?\nAnswer: It is 2.\n\nQuestion: {Q}\nAnswer:"
SHOWN = "\n(A) 4\n(B) 5\n(C) 6\n(D) 7"


def asked(text=Q):
    return [{"content": text, "role": "user"}]


def verl(gold="5", text=BOX, **more):
    return {"prompt": asked(text), "reward_model": {"ground_truth": gold, "style": "rule"}, **more}


STORY = {"problem": Q, "answer": "5"}
QUESTION = {"question": Q, "answer": "5"}
SOLVED = {"question": Q, "answer": "She adds 2 + 3 = <<2+3=5>>5.\n#### 5"}
PROBLEM = {"problem": Q, "solution": WORKED}
# name of the file, its first row, the problem where it is not Q alone, the gold where it is not 5
READ = {
    "bigmath.jsonl": ({"prompt": Q, "solution": "5", "domain": ["Mathematics -> Algebra"]},),
    "deepscaler_aime.json": ({**PROBLEM, "answer": "5"},),
    "dsr_sub.parquet": (verl(),),
    "e2p_math.parquet": (verl(extra_info={"accuracy": 1, "index": 0, "question": Q, "split": "train"}),),
    "gsm8k-train.arrow": (SOLVED,),
    "gsm8k_train.jsonl": (SOLVED,),
    "gsmplus.jsonl": ({**QUESTION, "seed_question": "Another?", "seed_answer": "9", "perturbation_type": "numerical substitution"},),
    "l_dapo.parquet": (verl(text=DAPO, extra_info={"index": "9a9b6eb4-a1cb"}),),
    "l_dapo_processed.parquet": (verl(text=DAPO, prompt=Q, solution="5", source_prompt=asked(DAPO)),),
    "l_deepmath.parquet": ({"question": Q, "final_answer": "5", "difficulty": 4.5, "r1_solution_1": WORKED},),
    "l_numina15.parquet": ({**PROBLEM, "answer": "5", "problem_is_valid": "Yes", "solution_is_valid": "Yes"},),
    "l_numina_cot.parquet": ({**PROBLEM, "messages": [*asked(), {"role": "assistant", "content": WORKED}]},),
    "l_omr.parquet": (
        {"problem": Q, "expected_answer": "5", "pass_rate_72b_tir": "n/a", "generated_solution": "<think>\\boxed{9}</think>"},
    ),
    "l_openr1.parquet": ({**PROBLEM, "answer": "5", "generations": ["\\boxed{9}"]},),
    "l_or1.parquet": (verl('["5"]', extra_info={"index": 0, "model_difficulty": {"DeepSeek-R1-Distill-Qwen-1.5B": 3}}),),
    "l_polaris.parquet": ({**STORY, "difficulty": "3/8"},),
    "l_simplerl.parquet": ({"question": Q, "gt_answer": "5", "target": "5"},),
    "l_synthetic1.parquet": (
        {
            "prompt": f"{Q}\nPlease reason step by step, and put your final answer within \\boxed{{}}.",
            "verification_info": '{"ground_truth": "5"}',
        },
    ),
    "l_tulu_rlvr.parquet": ({"messages": asked(SHOTS), "ground_truth": "5"},),
    "limr_8k.json": ({"prompt": Q, "answer": "5"},),
    "mathqa.json": (
        {"Problem": "two plus three is", "options": "a ) 4 , b ) 5 , c ) 6 , d ) 7", "correct": "b"},
        "two plus three is" + SHOWN,
        "B",
    ),
    "pure_8k.json": ({"question": Q, "answer": "null", "ref_answer": "5"},),
    "roll_deepmath.jsonl": ({"prompt": BOX, "messages": json.dumps(asked(BOX)), "ground_truth": "5"},),
    "spurious_l1.json": ({"prompt": Q, "answer": "5"},),
    "swift_math.json": (PROBLEM,),
    "sws.jsonl": ({"problem": Q, "label_answer": "5", "model_acc": 0.25},),
    "valid.ape.json": (
        {"segmented_text": "甲 数 是 2", "original_text": "甲数是2，乙数是3，和是多少．", "ans": "(5/1)", "equation": "x=2+3"},
        "甲数是2，乙数是3，和是多少．",
        "5/1",
    ),
    "aime24.jsonl": ({**PROBLEM, "answer": "005", "question": Q},),
    "aime24x8.jsonl": ({**PROBLEM, "answer": "5", "question": Q},),
    "aimo_aime.jsonl": ({**QUESTION, "solution": WORKED},),
    "amc23.jsonl": ({**STORY, "answer": 5.0, "question": Q},),
    "aqua.jsonl": ({"question": Q, "options": ["A)4", "B)5", "C)6", "D)7"], "correct": "B"}, Q + SHOWN, "B"),
    "asdiv.jsonl": (
        {"body": "Two apples and three.", "question": "How many are there?", "answer": "5 (apples)"},
        "Two apples and three.\nHow many are there?",
    ),
    "carp_en.jsonl": ({"content": Q, "answer": "5"},),
    "cmath.jsonl": (QUESTION,),
    "cn_middle_school.jsonl": (
        {"question": f"{Q} ( ) A. 4 B. 5 C. 6 D. 7", "answer": "5", "choice_answer": "B"},
        f"{Q} ( ) A. 4 B. 5 C. 6 D. 7",
        "B",
    ),
    "college_math.jsonl": (QUESTION,),
    "gaokao2023en.jsonl": (QUESTION,),
    "gaokao2024_mix.jsonl": ({**QUESTION, "choice_answer": ""},),
    "gaokao_math_cloze.jsonl": (QUESTION,),
    "gaokao_math_qa.jsonl": ({"question": Q, "options": {"A": "4", "B": "5", "C": "6", "D": "7"}, "label": "B"}, Q + SHOWN, "B"),
    "gsm8k.jsonl": (SOLVED,),
    "justrl_aime25.json": ({"prompt": Q, "answer": "5"},),
    "justrl_hmmt25.parquet": (STORY,),
    "justrl_minerva.parquet": (verl(),),
    "limr_amc23.jsonl": (QUESTION,),
    "lr1_aime25.parquet": (verl(5),),
    "math500.jsonl": ({**PROBLEM, "answer": "5"},),
    "mawps.jsonl": ({"input": Q, "target": 5.0},),
    "mawps_singleop.jsonl": ({"input": Q, "target": 5.0},),
    "minerva_math.jsonl": (PROBLEM,),
    "mmlu_stem.jsonl": ({"question": Q, "choices": ["4", "5", "6", "7"], "answer": 1}, Q + SHOWN, "B"),
    "nemo_aime25.jsonl": ({"problem": Q, "expected_answer": "5"},),
    "olymmath_en.jsonl": (STORY,),
    "olymmath_zh.jsonl": ({"problem": "2加3等于几？", "answer": "5"}, "2加3等于几？"),
    "olympiad_full.json": ({"question": Q, "solution": [WORKED], "final_answer": ["5", "-5"]}, Q, "5, -5"),
    "oneshot_math500.parquet": (
        verl(extra_info={"index": 0, "level": "Level 1", "solution": WORKED, "subject": "Algebra", "unique_id": "u", "url": ""}),
    ),
    "or1_aime24.parquet": (verl('["5"]'),),
    "orz_math500.json": ({"prompt": [{"from": "user", "value": Q}], "final_answer": "$5$"},),
    "prime_math500.json": (
        {"problem": {"0": Q, "1": "What is $1+1$?"}, "solution": {"0": WORKED, "1": WORKED}, "answer": {"0": "5", "1": "2"}},
    ),
    "rllm_aime.json": ({**PROBLEM, "answer": "5"},),
    "rllm_amc.json": ({**STORY, "answer": 5.0},),
    "rllm_minerva.json": ({**PROBLEM, "answer": ["5"]},),
    "rllm_olympiad.json": ({"problem": Q, "solution": [WORKED], "answer": ["5", "-5"]}, Q, "5, -5"),
    "roll_bench.jsonl": ({"prompt": BOX, "messages": json.dumps(asked(BOX)), "ground_truth": "5"},),
    "sat_math.jsonl": ({"question": Q, "options": "A) 4 B) 5 C) 6 D) 7", "Answer": "B"}, Q + SHOWN, "B"),
    "spur_amc.json": ({"prompt": Q, "answer": "5"},),
    "still_aime25.jsonl": ({"problem": Q, "solution": "5"},),
    "still_hmmt.jsonl": ({"problem": Q, "solution": "\\frac{5}{1}"}, Q, "\\frac{5}{1}"),
    "svamp.jsonl": (
        {"Body": "Two apples and three.", "Question": "How many are there?", "Answer": 5.0, "Equation": "( 2.0 + 3.0 )"},
        "Two apples and three.\nHow many are there?",
    ),
    "theoremqa.json": ({"Question": Q, "Answer": 5, "Answer_type": "integer", "Picture": None},),
}


def made(kind: str, name: str):
    """A value of the kind that the table of layouts names: `text`, `[text]`, `{a: int, b: [text]}`."""
    kind = kind.strip()
    if kind.startswith("["):
        return [made(part, name) for part in apart(kind[1:-1], ",")]
    if kind.startswith("{"):
        return {key.strip(): made(value, key.strip()) for key, value in (part.split(":", 1) for part in apart(kind[1:-1], ","))}
    word = kind.split()[0]
    if word == "text":
        return "user" if name in ("role", "from") else f"words of {name}"
    return {"int": 8, "float": 8.5, "bool": True}.get(word)


def apart(text: str, separator: str) -> list[str]:
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[{") - (char in "]}")
        if char == separator and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part.strip()]


def write(row, name, folder):
    """The row as a file of the kind that the set has; more than one, so that a column of empty values keeps its kind."""
    path = folder / name
    if name.endswith(".parquet"):
        pl.DataFrame([row]).write_parquet(path)
    elif name.endswith(".arrow"):
        table = pa.Table.from_pylist([row])
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
    else:
        value = (
            row if "prime" in name else {"7": row} if "swift" in name else [row] if name.endswith(".json") and "ape" not in name else row
        )
        path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def table(shared):
    path = shared.parent / "cases" / "data" / "layouts.tsv"
    if not path.is_file():
        pytest.skip("no table of layouts beside this clone")
    with open(path, encoding="utf-8", newline="") as handle:
        return {line["name"]: line for line in csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)}


@pytest.mark.parametrize("name", READ)
def test_problem_and_gold_are_the_right_ones(name, table, tmp_path):
    given, problem, gold = (*READ[name], Q, "5")[:3] if len(READ[name]) == 1 else (*READ[name], "5")[:3]
    columns = dict(part.split(":", 1) for part in apart(table[name]["first row"], ";")) if "prime" not in name else {}
    path = write({key.strip(): made(kind, key.strip()) for key, kind in columns.items()} | given, name, tmp_path)
    if table[name]["role"] == "training":
        published.write_dataset([path], {}, tmp_path / "out.parquet", name)
        read = pl.read_parquet(tmp_path / "out.parquet").to_dicts()[0]
        read = {"problem": read.get("problem", read.get("prompt")), "answer": read.get("answer", read.get("solution"))}
    else:
        read = read_benchmark_file(path)[0]
    assert (read["problem"], read["answer"]) == (problem, gold)


def test_every_published_layout_has_its_right_value(table):
    assert set(READ) == set(table)
