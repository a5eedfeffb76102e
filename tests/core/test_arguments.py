"""NAME=VALUE options: every way to give them, and what is refused."""

import argparse
from pathlib import Path

import pytest
from mathrl.core.arguments import Help, NamedFiles, NamedLists, split_pair
from mathrl.core.files import UserError


def parse(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+")
    parser.add_argument("--runs", action=NamedLists, nargs="*", form="RUN=STAGE,STAGE")
    parser.add_argument("--group", action=NamedLists, form="NAME=RUN,RUN")
    return parser.parse_args(words)


def test_repeated_and_listed_options_are_one_dict():
    given = parse("--benchmark", "a=1.jsonl", "b=x=y.jsonl", "--benchmark", "c=2.jsonl", "--group", "g=a,b", "--group", "h=c")
    assert given.benchmark == {"a": Path("1.jsonl"), "b": Path("x=y.jsonl"), "c": Path("2.jsonl")}
    assert given.group == {"g": ["a", "b"], "h": ["c"]} and given.runs == {}
    assert parse().benchmark == {}, "one call leaves nothing behind for the next"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--benchmark", "b.jsonl"], "--benchmark b.jsonl: must be NAME=FILE"),
        (["--benchmark", "=b.jsonl"], "must be NAME=FILE"),
        (["--benchmark", "b="], "must be NAME=FILE"),
        (["--benchmark", "a=1", "a=2"], "--benchmark a=2: 'a' is given twice"),
        (["--runs", "grpo"], "--runs grpo: must be RUN=STAGE,STAGE"),
        (["--runs", "grpo=main,"], "--runs grpo=main,: must be RUN=STAGE,STAGE"),
    ],
)
def test_refusals_name_the_option(words, message):
    with pytest.raises(UserError, match=message):
        parse(*words)


def test_a_pair_alone():
    assert split_pair("a=b=c", "--x") == ("a", "b=c")


def test_help_says_what_is_required_and_what_the_defaults_are():
    parser = argparse.ArgumentParser(formatter_class=Help)
    parser.add_argument("--out", required=True, help="file to write")
    parser.add_argument("--n", type=int, default=0, help="how many")
    parser.add_argument("--model", help="its folder")
    parser.add_argument("--seed", type=int, default=3, help="seed; default 3")
    said = " ".join(parser.format_help().split())
    assert "file to write (required)" in said and "how many (default: 0)" in said and "its folder (default: none)" in said
    assert said.endswith("seed; default 3")


@pytest.mark.parametrize("script", sorted((Path(__file__).resolve().parents[2] / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_each_program_says_its_defaults(script):
    """In the texts of its options, or by the formatter that says them; parsers that several programs share are in mathrl."""
    text = script.read_text(encoding="utf-8")
    assert "argparse.ArgumentParser(" not in text or "formatter_class=Help" in text or "default" in text or ".add_to(parser)" in text
