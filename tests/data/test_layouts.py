# ruff: noqa: E501 - tables are read by lines
"""Data sets as they are published: each layout of the field, each way to write a file, and what must never be read in silence."""

import bz2
import gzip
import json
import lzma

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
import zstandard
from mathrl.core.files import UserError
from mathrl.data import gold, layouts, prompts, published
from mathrl.data.benchmarks import canonical_rows
from mathrl.data.raw_rows import read_rows

TEXTS = ["What is $2+3$?", "How many primes are below 12?", "Find $x$ if $x^2=49$ and $x>0$."]
BOXED = "so we get $\\boxed{5}$, or rather $\\boxed{7}$."
DAPO = (
    "Solve the following math problem step by step. The last line of your response should be of the form Answer: $Answer (without quotes) "
    "where $Answer is the answer to the problem.\n\n{}\n\nRemember to put your answer on its own line after \"Answer:\"."
)  # fmt: skip
BOX = "{} Let's think step by step and output the final answer within \\boxed{{}}."
PLEASE = "{}\nPlease reason step by step, and put your final answer within \\boxed{{}}."


def user(text):
    return [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": text}]


def verl(gold, wrap="{}", **extra):
    return lambda text: {
        "data_source": "set", "prompt": user(wrap.replace("{{}}", "{}").replace("{}", text, 1)), "ability": "math",
        "reward_model": {"ground_truth": gold, "style": "rule"}, "extra_info": {"index": 1, **extra},
    }  # fmt: skip


# name of the layout, row of a text, its gold, its problem where it is not the text alone
LAYOUTS = [
    ("Big-Math", lambda t: {"prompt": t, "solution": "7", "source": "a", "domain": ["x"], "llama8b_solve_rate": 0.5}, "7", None),
    ("problem and answer", lambda t: {"problem": t, "solution": "long", "answer": "7", "year": 1983, "difficulty": 4.0}, "7", None),
    ("verl", verl("7", BOX), "7", None),
    ("verl", verl("7", DAPO), "7", None),
    ("verl", verl('["7"]'), "7", None),
    ("verl", verl(7), "7", None),
    ("verl", lambda t: verl("7", PLEASE, question=t)(t), "7", None),
    ("DAPO (processed)", lambda t: {"prompt": t, "solution": "7", "source_prompt": user(t), **{"reward_model": {"ground_truth": "7"}}}, "7", None),
    ("GSM8K", lambda t: {"question": t, "answer": "It is 3 + 4 = <<3+4=7>>7.\n#### 7"}, "7", None),
    ("GSM8K", lambda t: {"question": t, "answer": "A lot.\n#### 70,000"}, "70000", None),
    ("GSM8K", lambda t: {"question": t, "answer": "A point.\n#### (1,200)"}, "(1,200)", None),
    ("DeepMath", lambda t: {"question": t, "final_answer": "7", "difficulty": 4.5, "topic": "x", "r1_solution_1": BOXED}, "7", None),
    ("NuminaMath", lambda t: {"problem": t, "solution": BOXED, "answer": "7", "problem_type": "Algebra", "question_type": "MCQ"}, "7", None),
    ("NuminaMath-CoT", lambda t: {"source": "a", "problem": t, "solution": BOXED, "messages": user(t)}, "7", None),
    ("OpenMathReasoning", lambda t: {"expected_answer": "7", "problem": t, "pass_rate_72b_tir": "n/a", "generated_solution": BOXED}, "7", None),
    ("Polaris", lambda t: {"problem": t, "answer": "7", "difficulty": "2/8"}, "7", None),
    ("SimpleRL", lambda t: {"question": t, "gt_answer": "7", "target": "7", "level": 3}, "7", None),
    ("SYNTHETIC-1", lambda t: {"prompt": PLEASE.format(t), "verification_info": '{"ground_truth": "7"}', "task_type": "m"}, "7", None),
    ("Tülu", lambda t: {"messages": user(f"Question: Two?\nAnswer: It is 2.\n\nQuestion: {t}\nAnswer:"), "ground_truth": "7"}, "7", None),
    ("MathQA", lambda t: {"Problem": t, "options": "a ) 24 , b ) 7 , c ) 1,024", "correct": "b"}, "B", "(A) 24\n(B) 7\n(C) 1,024"),
    ("PURE", lambda t: {"question": t, "answer": "null", "ref_answer": "7", "level": "3"}, "7", None),
    ("ROLL", lambda t: {"prompt": t, "ground_truth": "7", "case_type": "", "messages": json.dumps(user(t))}, "7", None),
    ("MATH", lambda t: {"problem": t, "level": "3", "type": "Algebra", "solution": BOXED}, "7", None),
    ("SwS", lambda t: {"problem": t, "label_answer": "7", "model_acc": 0.125}, "7", None),
    ("ape210k", lambda t: {"id": "1", "original_text": t, "ans": "(1/2)", "equation": "x=1/2"}, "1/2", None),
    ("Open-Reasoner-Zero", lambda t: {"prompt": [{"from": "user", "value": t}], "final_answer": "7"}, "7", None),
    (
        "Open-Reasoner-Zero (turns)",
        lambda t: {"turns": [{"from": "human", "value": t}, {"from": "assistant", "ground_truth": {"value": "7"}}]}, "7", None,
    ),
    ("NeMo-Skills", lambda t: {"id": "a", "problem": t, "expected_answer": "7", "reference_solution": ""}, "7", None),
    ("MathArena", lambda t: {"problem_idx": 1, "problem": t, "answer": "7", "problem_type": ["Algebra"]}, "7", None),
    ("AQuA", lambda t: {"question": t, "options": ["A)21", "B)7", "C)3"], "rationale": "", "correct": "B"}, "B", "(A) 21\n(B) 7\n(C) 3"),
    ("SAT", lambda t: {"question": t, "options": "A) 21\nB) 7", "Answer": "B"}, "B", "(A) 21\n(B) 7"),
    ("MMLU", lambda t: {"question": t, "choices": ["21", "7"], "answer": 1}, "B", "(A) 21\n(B) 7"),
    ("problem and answer", lambda t: {"question": t, "A": 21, "B": 7, "C": "", "D": None, "answer": "B"}, "B", "(A) 21\n(B) 7"),
    ("problem and answer", lambda t: {"question": t, "option_a": "21", "option_b": "7", "answer": "b"}, "B", "(A) 21\n(B) 7"),
    ("problem and answer", lambda t: {"question": t, "optionA": "21", "optionB": "7", "answer": "B"}, "B", "(A) 21\n(B) 7"),
    ("problem and answer", lambda t: {"question": t, "candidates": ["21", "7"], "answer": "B"}, "B", "(A) 21\n(B) 7"),
    ("AGIEval", lambda t: {"question": t, "options": {"A": "21", "B": "7"}, "label": "B", "answer": None}, "B", "(A) 21\n(B) 7"),
    ("ARC", lambda t: {"id": "a", "question": t, "choices": {"text": ["21", "7"], "label": ["A", "B"]}, "answerKey": "B"}, "B", "(A) 21\n(B) 7"),
    ("ARC", lambda t: {"question": t, "choices": {"text": ["2", "3", "7"], "label": ["1", "2", "3"]}, "answerKey": "3"}, "C", "(B) 3\n(C) 7"),
    (
        "ARC",
        lambda t: {"question": {"stem": t, "choices": [{"text": "21", "label": "A"}, {"text": "7", "label": "B"}]}, "answerKey": "B"},
        "B", "(A) 21\n(B) 7",
    ),
    ("choice_answer", lambda t: {"question": t, "answer": "7", "choice_answer": "B"}, "B", None),
    ("ASDiv", lambda t: {"body": "Eve has 7 apples.", "question": t, "answer": "9 (apples)"}, "9", "Eve has 7 apples."),
    ("SVAMP", lambda t: {"Body": "Eve has 7.", "Question": t, "Answer": 9.0}, "9", "Eve has 7."),
    ("MAWPS", lambda t: {"input": t, "target": 0.5}, "0.5", None),
    ("CARP", lambda t: {"content": t, "answer": "7", "steps": ""}, "7", None),
    ("TheoremQA", lambda t: {"Question": t, "Answer": True, "Answer_type": "bool", "Picture": None}, "True", None),
    ("OlympiadBench", lambda t: {"question": t, "final_answer": ["$3$", "$4$"], "is_multiple_answer": True, "context": None}, "3, 4", None),
    ("problem and answer", lambda t: {"problem": t, "answer": ["\\frac{1}{2}", "0.5"]}, "\\frac{1}{2}", None),
    ("MetaMathQA", lambda t: {"type": "GSM", "query": t, "original_question": "?", "response": "So 3+4=7.\n#### 1,007\nThe answer is: 1,007"}, "1007", None),
    ("MetaMathQA", lambda t: {"query": t, "response": "The answer is: $\\frac{1}{2}$."}, "\\frac{1}{2}", None),
    ("prompt and completion", lambda t: {"prompt": t, "completion": BOXED}, "7", None),
    ("prompt and completion", lambda t: {"prompt": user(t), "completion": [{"role": "assistant", "content": "Thus the answer is 7."}]}, "7", None),
    ("messages", lambda t: {"messages": [*user(t), {"role": "assistant", "content": BOXED}]}, "7", None),
    ("messages", lambda t: {"conversations": [{"from": "human", "value": t}, {"from": "gpt", "value": "It is 3+4.\n#### 7"}]}, "7", None),
    ("instruction and output", lambda t: {"instruction": t, "output": "5, no.\n\n**Final Answer:** The final answer is $7$. I hope it is correct."}, "7", None),
    ("problem and short solution", lambda t: {"problem": t, "solution": "7"}, "7", None),
    ("problem and answer", lambda t: {"prompt": PLEASE.format(t), "answer": "7", "source": "a", "id": "1"}, "7", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "gold", "shown"), LAYOUTS, ids=[f"{n}-{entry[0]}" for n, entry in enumerate(LAYOUTS)])
def test_layout_is_recognised_and_read(name, row, gold, shown, tmp_path):
    rows = [row(text) for text in TEXTS]
    assert layouts.recognise(rows, "file").name == name
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in rows))
    count, notice = published.write_dataset([tmp_path / "data.jsonl"], {}, tmp_path / "out.parquet", "file")
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert count == 3 and f"layout '{name}'" in notice and table["left_out"].null_count() == 3
    assert table["answer"].to_list() == [gold] * 3
    for text, problem in zip(TEXTS, table["problem"], strict=True):
        assert problem == text if shown is None else (text in problem and shown in problem)


@pytest.mark.parametrize(
    ("value", "rate"),
    [("5/8", 0.625), ("60%", 0.6), ("0.5", 0.5), (1, 1.0), ("nan/5", None), ("1e999", None), (10**400, None), (float("inf"), None), ("1/0", None),
     (True, None), ({"a": 1}, None), (None, None), ("", None)],
)  # fmt: skip
def test_solve_rate_is_a_finite_number_or_none(value, rate):
    assert published.share(value) == rate


def test_text_that_holds_json_too_deep_is_a_text():
    """A character beyond 16 bits is written as two halves; together they are one."""
    deep = "[" * 60_000 + "]" * 60_000
    assert layouts.look({"prompt": deep}, "prompt[0].content") is None and prompts.message_text('[{"role":' + deep) is not None
    assert layouts.look({"prompt": '[{"content": "\\ud83d\\ude00"}]'}, "prompt[0].content") == "\U0001f600"


def test_solve_rates_and_domains_come_with_their_layout(tmp_path):
    rows = [{"problem": "a b", "answer": "1", "difficulty": "2/8", "topic": "Sums"}, {"problem": "c d", "answer": "2", "difficulty": "8/8"}]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    published.write_dataset([tmp_path / "d.json"], {}, tmp_path / "o.parquet", "file")
    table = pl.read_parquet(tmp_path / "o.parquet")
    assert table["solve_rate"].to_list() == [0.25, 1.0] and table["domain"].to_list() == [["Sums"], None]


ROWS = [{"question": text, "answer": str(number)} for number, text in enumerate(TEXTS)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CSV = b'question,answer\n"What is $2+3$?",0\n"How many primes are below 12?",1\n"Find $x$ if $x^2=49$ and $x>0$.",2\n'
FILES = {
    "lines": LINES,
    "lines with a mark": b"\xef\xbb\xbf" + LINES,
    "lines called json": LINES,
    "list": json.dumps(ROWS).encode(),
    "list, indented": json.dumps(ROWS, indent=2).encode(),
    "map of rows": json.dumps({f"r{n}": row for n, row in enumerate(ROWS)}).encode(),
    "map of columns": json.dumps({name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]}).encode(),
    "columns of lists": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}).encode(),
    "below a key": json.dumps({"version": 1, "data": ROWS}, indent=1).encode(),
    "csv": CSV,
    "tsv": CSV.replace(b'",', b'"\t').replace(b"question,", b"question\t"),
    "gzip": gzip.compress(LINES),
    "bzip2": bz2.compress(LINES),
    "xz": lzma.compress(LINES),
    "zstd": zstandard.compress(LINES),
}


@pytest.mark.parametrize("name", FILES)
def test_text_file_is_read_whatever_it_is_called(name, tmp_path):
    (tmp_path / "file.data").write_bytes(FILES[name])
    rows = [{key: str(row[key]) for key in ("question", "answer")} for row in read_rows(tmp_path / "file.data")]
    assert rows == ROWS


@pytest.mark.parametrize("kind", ["parquet", "arrow stream", "arrow file"])
def test_table_is_read(kind, tmp_path):
    path, table = tmp_path / "file", pl.DataFrame(ROWS)
    if kind == "parquet":
        table.write_parquet(path)
    else:
        opener = pa.ipc.new_stream if kind == "arrow stream" else pa.ipc.new_file
        with opener(str(path), table.to_arrow().schema) as out:
            out.write_table(table.to_arrow())
    assert list(read_rows(path)) == ROWS


def test_packed_file_that_is_cut_off_anywhere_is_refused_and_one_of_several_frames_read_whole(tmp_path):
    path = tmp_path / "f.jsonl.zst"
    rows = [{"problem": f"What is {number}+3?".ljust(40), "answer": str(number + 3)} for number in range(8000)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    packed = zstandard.ZstdCompressor(level=1).compress(lines)
    for end in range(100, len(packed), len(packed) // 40):
        path.write_bytes(packed[:end])
        with pytest.raises(UserError, match="no whole zstd file"):
            list(read_rows(path))
    skipped = 4096 - len(packed) % 4096 + 4096  # bytes of a skippable frame, so that a frame ends where a block that is read ends
    skippable = b"\x50\x2a\x4d\x18" + (skipped - 8).to_bytes(4, "little") + bytes(skipped - 8)
    for content in (packed * 2, packed + skippable + packed):
        path.write_bytes(content)
        assert list(read_rows(path)) == rows * 2
        path.write_bytes(content[:-5])
        with pytest.raises(UserError, match="no whole zstd file"):
            list(read_rows(path))


@pytest.mark.parametrize(
    "head", [b'{"problem":"a","answer":"1"}\n{"problem":"', b"a,b\n1,", b'{"problem":"', b'[{"problem":"a",\n"x":"', b""]
)
def test_line_without_an_end_is_not_read(head, tmp_path, monkeypatch):
    monkeypatch.setattr("mathrl.data.raw_rows.MAX_JSON", 1 << 21)
    with open(tmp_path / "f.zst", "wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as out:
        out.write(head)
        for _ in range(5):
            out.write(b" " * (1 << 24))
    with pytest.raises(UserError, match=r"longer than (2|64) Mi characters|more than 2 Mi characters"):
        list(read_rows(tmp_path / "f.zst"))


NO_DATA = [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:90\nsize 1\n", "git-LFS pointer"),
    (b"<!DOCTYPE html><html>sign in</html>", "web page (HTML)"),
    (b"\n\n<html><body>sign in", "web page (HTML)"),
    (b"<!-- cached --><div>sign in</div>", "web page (HTML)"),
    (b"<body class='x'>sign in", "web page (HTML)"),
    (b"<h1>429 Too Many Requests</h1>", "web page (HTML)"),
    (b" \n", "is empty; fetch it again"),
    (b"", "is empty"),
    (b"\n \n", "is empty"),
    (b"PK\x03\x04...", "zip archive"),
    (b"PAR1 and nothing", "no whole parquet file"),
    (gzip.compress(LINES)[:-20], "no whole gzip file"),
    (LINES + b'{"question": "cut', "line 4 cannot be read"),
    (b'{"question": "a", "answer": "1"}\n[1]\n', "line 2 is no JSON object"),
    (b"[1, 2]", "row 1 is no JSON object"),
    (b"problem,answer,answer\na,5,6\n", "two columns have the name 'answer'"),
    (b"problem,answer, answer\na,5,6\n", "two columns have the name 'answer'"),
    (b'{"problem": "a", "answer": ' + b"[" * 60_000 + b"]" * 60_000 + b"}\n", "line 1 cannot be read (nested more than 100 deep)"),
    (LINES + b'{"question": "a", "answer": ' + b"[" * 900 + b"]" * 900 + b"}\n", "line 4 cannot be read (nested more than 100 deep)"),
    (b'{"problem": "a\\ud800", "answer": "5"}\n' + LINES, "line 1 cannot be read (half a character, \\ud800"),
    (LINES + b'{"question": "a", "answer": "\\udfff"}\n', "line 4 cannot be read (half a character, \\udfff"),
    (b'[{"problem": "a", "answer": "\\uD83D"}]', "line 1 cannot be read (half a character, \\ud83d"),
    (b'[\n{"problem": "a", "answer": "\\uD83D"}]', "is no JSON (half a character, \\ud83d"),
    (b"just some words\nmore", "no data file that is known"),
    (b"a,b\n1,2,3\n", "row 1 has more or fewer cells"),
    (b'{"question": "caf\xe9", "answer": "1"}\n', "no UTF-8"),
    (b"[]", "holds no rows"),
    (b'{"text": "a", "label": null}\n', "no layout is known with these columns: text, label"),
]


@pytest.mark.parametrize(("content", "message"), NO_DATA, ids=[message for _, message in NO_DATA])
def test_what_is_no_data_is_named(content, message, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError) as error:
        published.write_dataset([tmp_path / "file"], {}, tmp_path / "out.parquet", str(tmp_path / "file"))
    assert message in str(error.value) and str(tmp_path / "file") in str(error.value)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (float("nan"), "no number"), ({"value": "4"}, "object"), ('{"func_name": "f"}', "JSON object"), ([], "no answer"), (None, "no answer"),
        ("None", "the text 'none'"), ("proof", "the text 'proof'"), ("notfound", "the text 'notfound'"), ("  ", "no answer"),
        ([{"a": 1}], "object"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_left_out_with_its_reason(answer, reason, tmp_path):
    rows = [{"problem": text, "answer": "7"} for text in TEXTS] + [{"problem": "Which?", "answer": answer}]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    count, notice = published.write_dataset([tmp_path / "f.jsonl"], {}, tmp_path / "o.parquet", "f")
    assert count == 4 and "1 of 4 rows" in notice and reason in notice and "row 4" in notice
    assert reason in pl.read_parquet(tmp_path / "o.parquet")["left_out"][3]
    with pytest.raises(UserError, match="1 of 1 items cannot be used"):
        canonical_rows(rows[3:], "f")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"options_text": "(A) 4 (B) 7"}, "options_text"), ({"story": ["Two", "lines"], "image_path": {"bytes": None, "path": "0.png"}}, "story, image_path"),
        ({"context": ["a list is no body"]}, "context"), ({"question": "Another text?"}, "question"), ({f"c{n}": "x" for n in range(15)}, ", ".join(f"c{n}" for n in range(12)) + " and 3 more"),
        ({"source": "a", "year": 1983, "level": "5", "hint": "  ", "body": "A story.", "options": []}, ""), ({"answer": "B", "option_a": "6", "option_b": "7"}, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["jsonl", "parquet", "benchmark"])
def test_columns_with_texts_that_are_not_read_are_named_once(more, told, form, tmp_path, capsys):
    rows = [{"problem": text, "answer": "7", **more} for text in TEXTS]
    if form == "benchmark":
        canonical_rows(rows, "f")
        notice = capsys.readouterr().err
    else:
        path = tmp_path / f"f.{form}"
        pl.DataFrame(rows).write_parquet(path) if form == "parquet" else path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        notice = published.write_dataset([path], {}, tmp_path / "o.parquet", "f")[1]
    said = f"columns with texts that are not read: {told}" if told else ""
    assert notice.count("not read") == bool(told) and said in notice.split("; ")[-1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"query": "Which?", "response": "I cannot say."}, "states no final answer"),
        ({"query": "Which?", "response": ""}, "no answer"),
        ({"query": "Which?", "response": "The answer is"}, "states no final answer"),
    ],
)
def test_response_without_a_final_answer_is_left_out_and_counted(row, reason, tmp_path):
    rows = [{"query": text, "response": "The answer is: 7"} for text in TEXTS] + [row]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in rows))
    assert published.write_dataset([tmp_path / "f.jsonl"], {}, tmp_path / "o.parquet", "f")[0] == 4
    table = pl.read_parquet(tmp_path / "o.parquet")
    assert table["answer"].to_list() == ["7", "7", "7", None] and reason in table["left_out"][3]


def test_conversation_that_ends_with_a_question_has_no_gold(tmp_path):
    rows = [{"messages": [*user(text), {"role": "assistant", "content": BOXED}]} for text in TEXTS]
    rows.append({"messages": user("Which? Put your final answer in \\boxed{5}.")})
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in rows))
    assert "messages[-1].role is user (1: row 4)" in published.write_dataset([tmp_path / "f.jsonl"], {}, tmp_path / "o.parquet", "f")[1]


@pytest.mark.parametrize("indent", [None, 1])
def test_one_row_of_messages_is_a_row(indent, tmp_path):
    row = {"messages": [*user(TEXTS[0]), {"role": "assistant", "content": BOXED}]}
    (tmp_path / "f.jsonl").write_text(json.dumps(row, indent=indent) + "\n")
    assert list(read_rows(tmp_path / "f.jsonl")) == [row]
    published.write_dataset([tmp_path / "f.jsonl"], {}, tmp_path / "o.parquet", "f")
    assert pl.read_parquet(tmp_path / "o.parquet").select("problem", "answer").rows() == [(TEXTS[0], "7")]


@pytest.mark.parametrize(
    ("labels", "key", "reason"), [(["A"], "A", "one label each"), (["1", "2"], "3", "none of the choices"), (["A", "B"], "", "no answer")]
)
def test_choices_whose_labels_do_not_fit_have_no_gold(labels, key, reason):
    rows = [{"question": text, "choices": {"text": ["21", "7"], "label": labels}, "answerKey": key} for text in TEXTS]
    with pytest.raises(UserError, match=reason):
        canonical_rows(rows, "f")


@pytest.mark.parametrize("depth", [50, 300])
def test_lists_in_lists_are_one_line(depth, tmp_path):
    kind, value = pa.string(), "7"
    for _ in range(depth):
        kind, value = pa.list_(kind), [value]
    table = pa.table({"problem": pa.array(TEXTS), "answer": pa.array([value] * 3, type=kind)})
    pa_parquet.write_table(table, tmp_path / "f.parquet", store_schema=False)
    with pytest.raises(UserError, match="'answer' is nested more than 100 deep" if depth > 100 else "a list nested more than 10 deep"):
        published.write_dataset([tmp_path / "f.parquet"], {}, tmp_path / "o.parquet", "f")


def test_answer_of_lists_in_lists_beyond_any_stack_is_no_gold():
    value = "7"
    for _ in range(5_000):
        value = [value]
    with pytest.raises(gold.NoGold, match="nested more than 10 deep"):
        gold.text_of(value)


def test_shards_that_differ_in_types_and_columns_are_one_data_set(tmp_path):
    first = pl.DataFrame({"problem": ["a b"], "answer": ["1"], "solve_rate": [0.5]}, schema_overrides={"solve_rate": pl.Float32})
    first.write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"year": [1], "answer": [2.0], "problem": ["c d"], "solve_rate": [0.25]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"problem": ["e f"], "answer": [3], "solve_rate": [None]}).write_parquet(tmp_path / "c.parquet")
    paths = [tmp_path / f"{name}.parquet" for name in "abc"]
    assert published.write_dataset(paths, {}, tmp_path / "o.parquet", "shards")[0] == 3
    assert pl.read_parquet(tmp_path / "o.parquet").select("problem", "answer", "solve_rate").rows() == [
        ("a b", "1", 0.5), ("c d", "2", 0.25), ("e f", "3", None),
    ]  # fmt: skip


def test_mapping_of_a_pin_says_where_things_are(tmp_path):
    (tmp_path / "f.jsonl").write_text(json.dumps({"ask": "What?", "deep": {"sol": "It is #ANS# 7"}, "rate": "1/4", "kind": "x"}) + "\n")
    mapping = layouts.parse_mapping(
        'problem: ask, answer: deep.sol, gold: {after: "#ANS#"}, solve_rate: rate, source: kind', "pins.tsv: line 2"
    )
    published.write_dataset([tmp_path / "f.jsonl"], mapping, tmp_path / "o.parquet", "f")
    assert pl.read_parquet(tmp_path / "o.parquet").rows() == [("What?", "7", "x", None, 0.25, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("problem: [", "is no mapping"),
        ("question: ask", "'question' is none of problem, answer"),
        ("gold: first", "gold 'first' is none of as_is, last_box"),
        ("layout: gsm", "layout 'gsm' is none of"),
        ("problem: 3", "problem must be a text"),
        ("problem: nowhere, answer: deep.sol", "no row has 'nowhere'"),
    ],
)
def test_wrong_mapping_is_one_line(text, message, tmp_path):
    (tmp_path / "f.jsonl").write_text(json.dumps({"ask": "What?", "deep": {"sol": "7"}}) + "\n")
    with pytest.raises(UserError, match=message):
        published.write_dataset([tmp_path / "f.jsonl"], layouts.parse_mapping(text, "pins.tsv: line 2"), tmp_path / "o.parquet", "f")


def test_instruction_that_nobody_knows_is_what_all_prompts_share():
    texts = [f"The number {n} is odd or even? Say how {n} is made." for n in range(12)]
    wrapped = [
        f"You are a kind tutor. Work on the following problem.\n{text}\nGive your response after careful reasoning." for text in texts
    ]
    wrapper = prompts.Wrapper(wrapped)
    assert [wrapper.problem(text) for text in wrapped] == texts
    plain = [f"A farmer has {n} cows and buys 7 more. How many cows has he now?" for n in range(12)]
    assert [prompts.Wrapper(plain).problem(text) for text in plain] == plain


def test_benchmark_items_that_come_again_are_counted(capsys):
    rows = [{"id": 1, "problem": "a?", "answer": "1"}] * 3 + [
        {"id": 1, "problem": "b?", "answer": "2"},
        {"id": 9, "problem": "a?", "answer": "1"},
    ]
    assert [row["id"] for row in canonical_rows(rows, "f")] == ["1", "1-2", "9"]
    said = capsys.readouterr().err
    assert "the item comes again (2: row 2, 3)" in said and "1 items have the problem of an earlier item" in said


def test_items_of_a_benchmark_without_an_answer_are_dropped_and_counted_and_most_of_them_refused(capsys):
    rows = [{"question": f"{n}?", "answer": str(n)} for n in range(30)]
    assert len(canonical_rows([*rows, {"question": "x?", "answer": ""}], "f")) == 30
    assert "1 of 31 rows are left out: no answer" in capsys.readouterr().err
    many = [{"question": f"x{n}?", "answer": ""} for n in range(31)]
    assert len(canonical_rows([*rows, *many[:30]], "f")) == 30
    assert "30 of 60 rows are left out: no answer" in capsys.readouterr().err
    with pytest.raises(UserError, match="31 of 61 items cannot be used"):
        canonical_rows([*rows, *many], "f")


@pytest.mark.parametrize("answer", ["8", 8, 1, "AB", "a letter"])
def test_columns_that_hold_no_choices_change_nothing(answer):
    row = {"problem": "Which root of x^2 - 9x + 8 is larger?", "A": 1, "B": 8, "answer": answer}
    (found,) = canonical_rows([row], "f")
    assert found["problem"] == row["problem"] and found["answer"] == str(answer)


def test_choices_with_a_gap_are_left_out(capsys):
    rows = [{"question": f"{n}?", "A": "1", "B": "2", "C": "3", "D": "4", "answer": "D"} for n in range(20)]
    assert len(canonical_rows([*rows, {**rows[0], "question": "odd?", "C": ""}], "f")) == 20
    assert "1 of 21 rows are left out: a choice in the middle is missing" in capsys.readouterr().err


@pytest.mark.parametrize("first", ["<question>,<answer>", "<think>,answer", "<s>,x"])
def test_a_table_may_begin_with_what_looks_like_a_tag(tmp_path, first):
    (tmp_path / "t.csv").write_text(f"{first}\n1?,2\n")
    assert len(list(read_rows(tmp_path / "t.csv"))) == 1
