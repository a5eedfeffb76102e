"""NAME=VALUE options: every way to give them, and what is refused."""

import argparse
from pathlib import Path

import pytest
from mathrl.core.arguments import NamedFiles, NamedLists, split_pair
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
