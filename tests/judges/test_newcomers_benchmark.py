"""A benchmark and a judge of the user's, from docs/how-to/your-own-code.md in a folder outside the repository."""

import pytest
import yaml
from mathrl.config import experiment, validation
from mathrl.core import named_judges
from mathrl.core.files import UserError
from mathrl.data import fetch
from mathrl.data.downloads import find_pin, pin_rows
from mathrl.data.gold import NoGold, text_of
from mathrl.grading import grade
from mathrl.judges import protocols
from support import pages

PAGE = "docs/how-to/your-own-code.md"
NAMES = ("mine/words.jsonl", "mine/judge.py", "mine/words.yaml")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    pages.write_files(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def judges(folder, monkeypatch):
    """The page's judge is known, as Snakemake makes it known to its jobs."""
    monkeypatch.setenv(named_judges.NAMES, "")
    known = yaml.safe_load((folder / "mine/words.yaml").read_text())["grader_protocols"]
    clear()
    named_judges.configure(known)
    yield known
    clear()


def clear():
    for cache in (protocols.load, protocols.gold_of, protocols._made):
        cache.cache_clear()


def test_it_takes_three_files_and_thirty_lines():
    mine = [block for block in pages.blocks(PAGE) if block.file in NAMES]
    assert len(mine) == 3 and sum(len(block.text.splitlines()) for block in mine) <= 30


def test_the_judge_decides_in_grader_reward_and_evaluation(judges, folder):
    from mathrl.data.benchmarks import read_benchmark_file
    from mathrl.evaluation.grading import evaluate
    from mathrl.rewards.outcome import reward

    items = {row["id"]: row for row in read_benchmark_file(folder / "mine/words.jsonl", {})}
    gold = items["w1"]["answer"]
    assert [grade(rf"\boxed{{{word}}}", gold).correct for word in ("level", "radar", "refers", "words", "noon")] == [
        True,
        True,
        *[False] * 3,
    ]
    assert reward("words", r"\boxed{civic}", gold)["acc"] == 1 and protocols.shown(gold) == "level"
    samples = [{"id": key, "sample": 0, "response": r"\boxed{kayak}", "tokens": 3, "finish_reason": "stop"} for key in items]
    found = evaluate(samples, items, grader="ours", extraction="strict", workers=1)
    assert found["statuses"]["equal"] == 1 and found["grader_protocols"]["palindromes"].startswith("1 ")
    before = found["grader_protocols"]["palindromes"]
    with open("mine/judge.py", "a") as file:
        file.write("# a comment\n")
    clear()
    assert protocols.versions([gold])["palindromes"] == before
    with open("mine/judge.py", "a") as file:
        file.write("WORDS = open('mine/words.txt' if False else __file__)\n")
    clear()
    assert protocols.versions([gold])["palindromes"] != before, "its code counts"


FAULTS = [
    ("while True: pass", "error"),
    ("raise SystemExit", "error"),
    ("return 1 / 0", "error"),
    ("return bytearray(20 << 30)", "error"),
    ("import os; os._exit(0)", "error"),
    ("return 'yes'", "error"),
    ("return 1", "error"),
    ("return None", "different"),
    ("import numpy; return numpy.bool_(False)", "different"),
    ("import numpy; return numpy.bool_(True)", "equal"),
]


@pytest.mark.parametrize(("body", "status"), FAULTS, ids=[body for body, _ in FAULTS])
def test_a_judges_verdict_or_how_it_failed(body, status, judges, folder, monkeypatch):
    monkeypatch.setattr(protocols, "CPU_SECONDS", 0.5)
    protocols._calls.cache_clear()
    (folder / "mine/judge.py").write_text(f"class Palindromes:\n def right(self, e, g):\n  {body}\n def version(self): return 1\n")
    gold = protocols.gold_text("palindromes", "level")
    found = grade(r"\boxed{level}", gold)
    protocols._calls.cache_clear()
    assert (found.status, found.correct) == (status, status == "equal")


SLOW = """import time
class Palindromes:
    def right(self, e, g):
        time.sleep(30 if e == "slow" else 0)
        return e == "level"
    def version(self): return 1
"""


def test_the_answer_after_one_that_took_too_long_has_its_own_verdict(judges, folder, monkeypatch):
    """The worker that was ended is lent to nobody, however long it takes to be gone."""
    monkeypatch.setattr(protocols, "CPU_SECONDS", 0.05)  # two seconds on the clock
    protocols._calls.cache_clear()
    (folder / "mine/judge.py").write_text(SLOW)
    gold = protocols.gold_text("palindromes", "level")
    found = [grade(rf"\boxed{{{word}}}", gold).status for word in ("level", "slow", "level", "slow", "level")]
    protocols._calls.cache_clear()
    assert found == ["equal", "error", "equal", "error", "equal"]


def test_a_judge_that_is_made_too_slowly_says_so(judges, folder, monkeypatch):
    monkeypatch.setattr(protocols, "CPU_SECONDS", 0.05)
    (folder / "mine/judge.py").write_text(
        SLOW.replace("    def right", "    def __init__(self):\n        sum(range(10**7))\n    def right", 1)
    )
    with pytest.raises(
        UserError, match=r"^grader_protocols\.palindromes: making it takes .* an answer has 0 s, and the first one includes this"
    ):
        protocols.versions([protocols.gold_text("palindromes", "level")])


def test_a_judge_that_forks_answers_each_question_once(judges, folder):
    protocols._calls.cache_clear()
    (folder / "mine/judge.py").write_text(
        "import os\nclass Palindromes:\n def right(self, e, g):\n  os.fork()\n  return e == g['answer']\n def version(self): return 1\n"
    )
    gold = protocols.gold_text("palindromes", "level")
    found = [grade(rf"\boxed{{{word}}}", gold).correct for word in ("level", "noon", "level", "noon")]
    protocols._calls.cache_clear()
    assert found == [True, False, True, False]


BAD_JUDGES = [
    (
        "class Palindromes:\n    needs = 'words'\n    def right(self, e, g): pass\n    def version(self): return 1\n",
        "its needs are 'words'; write a list of keys, such as",
    ),
    ("class Palindromes:\n    def right(self, e, g): pass\n", "Palindromes has no function version; see Protocol"),
    ("class Palindromes:\n    def __init__(self, x): pass\n", "Palindromes cannot be made (TypeError"),
    ("import nowhere_at_all\nclass Palindromes: pass\n", "importing"),
    ("class Palindromes:\n    def right(self, e, g): pass\n    def version(self): return 1 / 0\n", "its version cannot be had"),
]


@pytest.mark.parametrize(("text", "said"), BAD_JUDGES, ids=[said for _, said in BAD_JUDGES])
def test_a_judge_that_is_none_is_one_line(text, said, judges, folder):
    (folder / "mine/judge.py").write_text(text)
    with pytest.raises(UserError, match=r"^grader_protocols\.palindromes: ") as error:
        protocols.versions([protocols.gold_text("palindromes", "level")])
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_gold_in_a_text_may_have_spaces_and_a_list_of_them_is_none(judges):
    spaced = '{ "answer": "level",\n  "protocol": "palindromes" }'
    assert protocols.gold_of(text_of(spaced)) == {"protocol": "palindromes", "answer": "level"}
    with pytest.raises(NoGold, match="a list in which an entry names a judge"):
        text_of([{"protocol": "palindromes", "answer": "level"}, {"protocol": "palindromes", "answer": "noon"}])
    for text in ('{"protocol": "palindromes", "answer": "level"', '[{"protocol": "palindromes", "answer": "level"}]'):
        with pytest.raises(NoGold, match="is no JSON object"):
            text_of(text)


def test_a_file_that_only_the_host_sees_is_told_with_the_container(folder):
    with pytest.raises(UserError, match=r"/not/here\.jsonl does not exist \(in a container only the working directory and /tmp are seen\)"):
        fetch.fetch(find_pin(pages.ROOT / "pins.tsv", "words=/not/here.jsonl", "benchmark"), pages.ROOT / "pins.tsv")


BAD_LINES = [
    ({"benchmark_files": {"gsm8k": "mine/words.jsonl"}}, "benchmark_files.gsm8k: a row of pins.tsv has this name; choose another"),
    ({"benchmark_files": {"words": "mine/nothing.jsonl"}}, "benchmark_files.words: there is no file mine/nothing.jsonl"),
    ({"benchmark_files": {"words": "mine"}}, "benchmark_files.words: there is no file mine ("),
    ({"benchmark_files": {"words": "x" * 5000}}, "benchmark_files.words: there is no file xxx"),
    ({"benchmark_files": {"words": "mine/wo\nrds"}}, "benchmark_files.words: 'mine/wo\\nrds': a path with a line break"),
    ({"benchmark_files": {"words": "mine/{x}.jsonl"}}, "benchmark_files.words: 'mine/{x}.jsonl': Snakemake takes braces in a path"),
    ({"grader_protocols": {"mine": "mine/{x}.py:Judge"}}, "grader_protocols.mine: 'mine/{x}.py:Judge': Snakemake takes braces in a path"),
    ({"benchmark_files": {"words": "mine/.words"}}, "benchmark_files.words: mine/.words: a name with '.' first"),
    ({"benchmark_files": {"words": "./resources/benchmarks/words.jsonl"}}, "the workflow writes its own files there; move yours"),
    (
        {"benchmark_files": {"taken": "mine/words.jsonl"}},
        "benchmark_files.taken: resources/by_hand/taken/ has files, which are read in place",
    ),
    ({"benchmark_files": {"dev": "mine/words.jsonl"}}, "benchmark_files.dev: the held-out problems have this name; choose another"),
    ({"benchmark_files": {"mean": "mine/words.jsonl"}}, "benchmark_files.mean: the mean over all benchmarks has this name"),
    ({"grader_protocols": {"reasoning-gym": "mine/judge.py:Palindromes"}}, "grader_protocols.reasoning-gym: a judge of ours has this name"),
    ({"grader_protocols": {"mine": "os:system"}}, "grader_protocols.mine: 'os:system' is not of the form FILE.py:Class"),
    ({"grader_protocols": {"mine": "mine/judge.py:Other"}}, "there is no function 'Other' in"),
    ({"grader_protocols": {"mine": "mine/no.py:Judge"}}, "grader_protocols.mine: there is no file"),
]


@pytest.mark.parametrize(("lines", "said"), BAD_LINES, ids=[said for _, said in BAD_LINES])
def test_a_wrong_line_of_configuration_is_one_line(lines, said, folder):
    for place in ("mine/.words", "resources/benchmarks/words.jsonl", "resources/by_hand/taken/x.jsonl"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).touch()
    raw = yaml.safe_load((pages.ROOT / "config.yaml").read_text()) | lines
    with pytest.raises(UserError, match=r"^config: ") as error:
        validation.validate(raw, lambda path: pin_rows(pages.ROOT / path))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_the_configuration_of_a_study_holds_the_benchmark_once(folder):
    raw = yaml.safe_load((pages.ROOT / "config.yaml").read_text()) | {"benchmark_files": {"words": "mine/words.jsonl"}}
    once = experiment.spelled_out(raw)
    again = experiment.spelled_out(once.plain() if hasattr(once, "plain") else raw)
    assert once.benchmarks == again.benchmarks == (*raw["benchmarks"], "words")
