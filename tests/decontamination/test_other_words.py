# ruff: noqa: E501 - tables are read by lines
"""One word exchanged makes another problem; a copy in other mark-up, inside other text, or with words of one meaning is a copy."""

import re
import resource

import numpy as np
import polars as pl
import pytest
from mathrl.decontamination import Settings, find_matches
from mathrl.decontamination.meanings import same_stem, same_words, slip
from mathrl.decontamination.texts import Text

CARRIER = "A group of 36 people spends 24 days in a camp and counts the {} things in the yard, 7 on each day, and writes them on a board. How many are counted?"
ENGLISH = [
    "half third",
    "daily weekly",
    "inside outside",
    "gain loss",
    "Monday Friday",
    "inclusive exclusive",
    "ordered unordered",
    "discount tax",
    "rational irrational",
    "prime composite",
    "ascending descending",
    "north south",
    "above below",
    "morning evening",
    "longest shortest",
    "older younger",
    "red blue",
    "wooden golden",
    "boys girls",
    "adults children",
    "perpendicular parallel",
    "interior exterior",
    "isosceles equilateral",
    "square round",
    "length width",
    "radius diameter",
    "cylinder cone",
    "positive negative",
    "odd even",
    "smallest largest",
    "first last",
    "real complex",
    "sum product",
    "before after",
    "faster slower",
    "all some",
    "apples oranges",
    "cats dogs",
    "numerator denominator",
    "teacher student",
    "clockwise counterclockwise",
    "together separately",
    "mother father",
    "broken mended",
]
CHINESE = [("一桶油重60千克，用去3/5，{}多少千克？", "还剩", "用去"), ("已知 $x^2-4x+3\\le 0$，求 $x^2+2x+5$ 的{}。", "最大值", "最小值"),
           ("从1到100的所有{}的和是多少？", "奇数", "偶数"), ("甲数是48，乙数是36，甲乙两数的{}是多少？", "和", "差")]  # fmt: skip
RUSSIAN = [("Найдите {} значение функции $y=x^3-3x+4$ на отрезке $[-2;0]$.", "наибольшее", "наименьшее"),
           ("Магазин купил 120 яблок и продал {} из них. Сколько яблок осталось?", "половину", "треть")]  # fmt: skip
PAIRS = [(CARRIER, *pair.split()) for pair in ENGLISH] + CHINESE + RUSSIAN


def matches(rows, items, **settings):
    frame = pl.DataFrame({"id": [str(number) for number in range(len(rows))], "problem": rows})
    return find_matches(
        frame, {"b": [{"id": str(n), "problem": text, "answer": "1"} for n, text in enumerate(items)]}, Settings(workers=1, **settings)
    )


def same(found) -> set[int]:
    return {int(row) for row, item in found.select("problem_id", "item_id").iter_rows() if row == item}


def test_one_word_exchanged_is_another_problem_in_three_languages():
    """Both ways, so that no direction is favoured; at most one in ten."""
    items = [text.format(word) for text, one, other in PAIRS for word in (one, other)]
    rows = [text.format(word) for text, one, other in PAIRS for word in (other, one)]
    removed = same(matches(rows, items))  # the default methods remove what they match
    print(f"{len(removed)} of {len(rows)} are removed ({len(removed) / len(rows):.1%})")
    assert len(PAIRS) >= 40 and len(removed) <= 0.1 * len(rows)
    assert same(matches(items, items)) == set(range(len(items)))


ITEM = "A tank holds $\\frac{3}{4}$ of 120 liters. Water flows out at $2x + 5$ liters per minute, where $x^{2} - 4\\sqrt{11} = 9$. After how many minutes is it empty?"
SHORT = "Simplify $\\sqrt{242}$."
OTHER = "Let $b$ be a number. Tom has 15 apples and gives 6 to Ann. How many apples has he?"
FRAMES = {
    "two dollars": lambda t: t.replace("$", "$$"), "brackets for dollars": lambda t: t.replace("$", "\\(", 1).replace("$", "\\)", 1),
    "no dollars": lambda t: t.replace("$", ""), "question": lambda t: f"Question: {t}\nAnswer:", "behind another": lambda t: f"{OTHER} {t}",
    "before another": lambda t: f"{t} {OTHER}", "between others": lambda t: f"{OTHER}\n\n{t}\n\n{OTHER.replace('15', '19')}",
    "bold numbers": lambda t: re.sub(r"(?<![\w.,])(120|9)(?![\w,]|\.\d)", r"**\1**", t), "quoted": lambda t: "> " + t.replace(". ", ".\n> "),
    "ascii": lambda t: t.replace("\\frac{3}{4}", "(3)/(4)").replace("\\sqrt{11}", "sqrt(11)").replace("\\sqrt{242}", "sqrt(242)").replace("$", ""),
    "unicode": lambda t: t.replace("^{2}", "²").replace("-", "−").replace("\\sqrt{11}", "√11").replace("\\sqrt{242}", "√242"),
    "environment": lambda t: f"\\begin{{problem}}[12 points]\n{t}\n\\end{{problem}}", "numbered": lambda t: f"17. (3 points) {t}",
    "blanks": lambda t: t.replace(" ", "  ").replace("+", " + "), "html": lambda t: f"<p>{t}</p>",
    "instructed": lambda t: f"You are a careful helper. {t} Put your final answer within \\boxed{{}}. Let's think step by step.",
}  # fmt: skip


@pytest.mark.parametrize("item", [ITEM, SHORT], ids=["long", "short"])
def test_copy_is_found_in_every_frame(item):
    rows = [frame(item) for frame in FRAMES.values()]
    found = {int(row) for row in matches(rows, [item])["problem_id"]}
    assert not {name for number, name in enumerate(FRAMES) if number not in found}


@pytest.mark.full
def test_benchmark_items_are_found_in_every_frame(benchmarks):
    """Every 12th item of the real benchmarks."""
    chosen = [(name, item) for name, part in benchmarks.items() for item in part][::12]
    rows = [(f"{name} {item['id']} {frame}", put(item["problem"])) for name, item in chosen for frame, put in FRAMES.items()]
    found = find_matches(pl.DataFrame(rows, schema=["id", "problem"], orient="row"), benchmarks, Settings())
    right = {row for row, name, item in found.select("problem_id", "benchmark", "item_id").iter_rows() if row.startswith(f"{name} {item} ")}
    missed = [row for row, _ in rows if row not in right]
    print(f"{len(right) / len(rows):.4f} of {len(rows)} are found; not: {', '.join(missed)}")
    assert len(right) >= 0.995 * len(rows)


def test_words_of_one_meaning_forms_and_slips():
    assert same_words(("buys",), ("purchases",)) and same_words(("putting", "back"), ("replacement",)) and same_stem("sells", "selling")
    assert slip("trees", "rtees") and slip("marble", "marbel") and not slip("gain", "loss") and not same_stem("inside", "outside")


class Letters:
    """A user's method: rows and items that begin with the same ten letters."""

    def __init__(self, items, settings):
        self.items = items

    def near(self, problems, label):
        pairs = [(row, item) for row, text in enumerate(problems) for item, other in enumerate(self.items) if text[:10] == other[:10]]
        return tuple(np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))

    def scored(self, pairs, texts):
        return (*pairs, np.ones(len(pairs[0])))

    def confirms(self, pair, score):
        return pair.item.numbers == pair.row.numbers

    def lists(self, pair):
        return True


def test_method_of_ones_own_is_one_class_and_one_name(monkeypatch, tmp_path):
    (tmp_path / "my_letters.py").write_text(f"from {__name__} import Letters\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("sys").modules[__name__])
    name = "my_letters:Letters"
    found = matches(
        [CARRIER.format("old")[:60] + " 7", "Nothing like it"], [CARRIER.format("new")], methods=("exact", name), remove=(name,)
    )
    assert found.select("problem_id", "method", "confirmed", "removed").rows() == [("0", name, True, True)]


def test_memory_does_not_grow_with_an_ending_that_all_rows_and_many_items_share():
    """40 items and 10,000 rows with the same 30 words at their end: 3 GB and 47 s for twice as many rows before."""
    generator = np.random.default_rng(1)
    letters = np.array(list("bcdfglmnprst"))
    words = ["".join(generator.choice(letters, 3)) + "a" for _ in range(3000)]
    ending = " Express it as a common fraction in lowest terms, and explain each step of your work in full sentences so that a reader who knows no algebra can follow."
    text = lambda count: " ".join(words[place] for place in generator.integers(0, 3000, count))  # noqa: E731
    items = [f"{text(30)}?{ending}" for _ in range(40)]
    rows = [f"{text(25)} {number}.{ending}" for number in range(10_000)] + items[:1]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = matches(rows, items)
    assert found["problem_id"].unique().to_list() == ["10000"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000


@pytest.mark.parametrize(
    ("ids", "message"), [([None, "b"], "1 rows have no id \\(the first is row 0\\)"), (["a", "a"], "the id 'a' occurs 2 times")]
)
def test_ids_that_are_missing_or_repeated_are_refused(ids, message, tmp_path):
    from mathrl.core.files import UserError
    from mathrl.decontamination import command

    pl.DataFrame({"id": ids, "problem": ["x", "y"]}).write_parquet(tmp_path / "p.parquet")
    with pytest.raises(UserError, match=message):
        command._check_ids(tmp_path / "p.parquet")


@pytest.mark.parametrize(("remove", "message"), [("fuzzy", "fuzzy needs fuzzy"), ("similar", "similar needs semantic")])
def test_removing_by_a_method_that_does_not_search_is_refused(remove, message, script, tmp_path):
    """Nothing was removed, without a word."""
    pl.DataFrame({"id": ["a"], "problem": ["x"]}).write_parquet(tmp_path / "p.parquet")
    (tmp_path / "b.jsonl").write_text('{"id": "1", "problem": "What is 1 + 1?", "answer": "2"}\n')
    outputs = ("--matches", "m.parquet", "--summary", "s.json", "--clean", "c.parquet")
    done = script(
        "decontaminate.py", "--problems", "p.parquet", "--benchmark", "b=b.jsonl", *outputs, "--methods", "exact", "--remove", remove
    )
    assert done.returncode == 2 and message in done.stderr and not [*tmp_path.glob("*.json"), *tmp_path.glob("[mc].parquet")]


def test_a_remark_in_brackets_is_no_factor():
    """A remark that another remark follows was taken for a sum as a factor, and a leak with it for another formula."""
    remark = "(The symbol $R^+$ denotes the set of reals.) (Proposed by a reader.)"
    assert not Text.of(f"Find all functions. {remark}").groups
    assert Text.of("Find $(a^2 + b)(c - d)x$.").groups.total() == 2
