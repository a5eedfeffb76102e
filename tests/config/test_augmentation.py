"""Entries of `augmentation`: defaults, the messages that bad ones get, and what of a stage's `data` names them."""

import copy
import json

import pytest
import yaml
from mathrl.config import augmentation, reading, validation
from mathrl.config.entry import Entry, Server
from mathrl.core.files import UserError
from mathrl.data.downloads import pin_rows

PLAIN = {"kind": "variants", "model": "m", "address": "http://127.0.0.1:8000/v1", "budget": {"requests": 100}}
KEY = "sk-0123456789abcdefghijklmnop"


@pytest.fixture
def check(root, config):
    def validated(entry=None, data="clean", **run):
        made = copy.deepcopy(config)
        made["augmentation"] = {"retold": PLAIN | (entry or {})}
        made["runs"]["mine"] = {"mini_batch_size": 88, "data": data, **run}
        made["select"] = ["mine"]
        return validation.validate(made, lambda _: pin_rows(root / "pins.tsv"))[0]

    return validated


def test_numbers_of_an_entry_stay_as_they_were_written(check):
    """The answer to a request is known by its numbers: 1.0 in the place of 1 would be asked and paid for again."""
    spelled = check({"temperature": 1, "timeout": 5}).augmentation["retold"].as_dict()
    assert json.dumps([spelled["temperature"], spelled["timeout"], spelled["holds"]["temperature"]]) == "[1, 5, 0.7]"


def test_an_entry_has_defaults_and_survives_a_command_line(check):
    made = check().augmentation["retold"]
    assert made == Entry.of(made.as_dict())
    assert (made.holds.m, made.holds.k, made.per_problem, made.useful, made.asks_solver) == (3, 4, 1, True, True)
    assert made.checker == made.proposer == Server(model="m", address="http://127.0.0.1:8000/v1")


BAD = [
    ({"kind": "paraphrase"}, "augmentation.retold.kind is 'paraphrase'; it may be variants, harder, easier, solutions"),
    ({"budget": {}}, "augmentation.retold.budget"),
    ({"budget": {"tokens": None}}, "augmentation.retold.budget: sets no limit"),
    ({"budget": {"money": 1.0}}, "augmentation.retold.budget.money: counts nothing without prices"),
    ({"holds": {"m": 5}}, "augmentation.retold.holds: m 5 of k 4 solutions cannot be"),
    ({"kind": "harder", "holds": {"by": "base"}}, "augmentation.retold.holds.by: base checks a known answer only"),
    ({"address": None}, "augmentation.retold: has neither address nor cache"),
    ({"address": "127.0.0.1:8000"}, "augmentation.retold.address: '127.0.0.1:8000' is no address"),
    ({"address": "engine", "solver": {"model": "s", "address": "http://s/v1"}}, "augmentation.retold.solver: address engine has one model"),
    ({"holds": {"by": "both"}}, "augmentation.retold.holds.by is 'both'; it may be model, base"),
    ({"solver": {"model": "s"}}, "augmentation.retold.solver lacks the key 'address'"),
    ({"temprature": 1}, "unknown key 'augmentation.retold.temprature'"),
    ({"timeout": float("inf")}, "augmentation.retold.timeout is inf; it must be a finite number"),
]


@pytest.mark.parametrize(("entry", "message"), BAD, ids=[str(next(iter(entry.items()))) for entry, _ in BAD])
def test_bad_entries_are_named(check, entry, message):
    with pytest.raises(UserError) as error:
        check(entry)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "entry",
    [{"key": KEY}, {"solver": {"model": "s", "address": "http://s/v1", "key": KEY}}, {"address": f"http://me:{KEY}@host/v1"},
     {"key": KEY, "kind": "nonsense"}, {"key": KEY.replace("-", "_")}],
)  # fmt: skip
def test_a_key_in_the_configuration_is_refused_and_not_repeated(check, entry):
    with pytest.raises(UserError) as error:
        check(entry)
    assert "retold" in str(error.value) and KEY[3:] not in str(error.value).replace("_", "-")


def test_a_missing_key_is_told_before_any_job(check):
    made = check({"key": "MY_KEY", "solver": {"model": "s", "address": "http://s/v1", "key": "OTHER_KEY"}}).augmentation["retold"]
    assert "MY_KEY is empty" in augmentation.missing_key(made, "retold", {"OTHER_KEY": "x"})
    assert "OTHER_KEY is empty" in augmentation.missing_key(made, "retold", {"MY_KEY": "x", "OTHER_KEY": " "})
    assert augmentation.missing_key(made, "retold", {"MY_KEY": "x", "OTHER_KEY": "y"}) is None
    assert augmentation.missing_key(check({"key": "MY_KEY", "address": None, "cache": "a"}).augmentation["retold"], "retold", {}) is None


STAGES = [
    ({"augmented": ["retold"]}, {}, None),
    ({"rows": "raw", "augmented": ["retold"]}, {}, None),
    ({"repeated": ["retold"]}, {}, None),
    ({"augmented": ["other"]}, {}, "data.augmented: unknown entry 'other' of augmentation; known: retold"),
    ({"repeated": ["other"]}, {}, "data.repeated: unknown entry 'other'"),
    ({"rows": "as_given", "augmented": ["retold"]}, {}, "data"),
    ({}, {}, "data"),
    (
        None,
        {"algorithm": "supervised", "solutions": "results/augmentation/retold/rows.parquet"},
        "'retold' of augmentation is of kind variants",
    ),
    (None, {"algorithm": "supervised", "solutions": "results/augmentation/other/rows.parquet"}, "no such file"),
]


@pytest.mark.parametrize(("data", "run", "message"), STAGES, ids=[str(number) for number in range(len(STAGES))])
def test_a_stage_names_entries_that_are_there(check, data, run, message):
    given = {"data": data} if data is not None else {}
    if message is None:
        made = check(**given, **run)
        stage = made.stage("mine", "main")
        assert augmentation.used(made, [stage]) == ["retold"] and augmentation.data_kind(stage) == data.get("rows", "clean")
        assert "retold" in augmentation.data_words(stage)
    else:
        with pytest.raises(UserError, match="config: .*" + message.replace("[", ".")):
            check(**(given or {}), **run)


def test_solutions_of_an_entry_need_no_file_yet(check):
    run = {"algorithm": "supervised", "solutions": "results/augmentation/retold/rows.parquet", "steps": 5}
    made = check({"kind": "solutions"}, **run)
    assert augmentation.used(made, [made.stage("mine", "main")]) == ["retold"]
    with pytest.raises(UserError, match="'retold' holds solutions"):
        check({"kind": "solutions"}, {"augmented": ["retold"]})


def test_the_demos_overlay_is_valid(root, config):
    read = lambda name: yaml.safe_load((root / "profiles/demo" / name).read_text())  # noqa: E731
    raw = reading.merge(reading.merge(config, read("demo.yaml")), read("augmented.yaml"))
    made, notices = validation.validate(raw, lambda path: pin_rows(root / path))
    assert notices == []
    words = {augmentation.data_words(made.stage(run, "main")) for run in made.select}
    assert len(made.select) == 9
    assert words == {"clean data", "clean data and augmented rows of retold", "clean data and repeated rows of retold"}


def test_what_is_wrong_in_a_mapping_of_data_is_named(check):
    with pytest.raises(UserError, match=r"unknown key 'data\.augment'; known here: augmented, hints, repeated, rows"):
        check(data={"augment": ["retold"]})
    with pytest.raises(UserError, match="data is 'dirty'; it must be clean, raw, as_given or mapping"):
        check(data="dirty")


def of_solutions(check, hints, **run):
    return check({"kind": "solutions"}, {"hints": hints}, **run)


def test_hints_name_an_entry_of_solutions_or_a_file(check, tmp_path):
    made = of_solutions(check, {"solutions": "retold"})
    stage = made.stage("mine", "main")
    assert augmentation.used(made, [stage]) == ["retold"], "its funnel is a part of the study"
    assert augmentation.hint_solutions(stage, made) == "results/augmentation/retold/rows.parquet"
    assert augmentation.hints(stage).shares == (0.5, 0.5) and augmentation.data_kind(stage) == "clean"
    assert augmentation.data_words(stage) == "clean data and hints from retold"
    for path in ("results/augmentation/retold/rows.parquet", "./results/augmentation//retold/rows.parquet"):
        made = of_solutions(check, {"solutions": path})
        stage = made.stage("mine", "main")
        assert augmentation.used(made, [stage]) == ["retold"], "the rows of an entry are the entry"
        assert augmentation.hint_solutions(stage, made) == "results/augmentation/retold/rows.parquet"
    file = tmp_path / "mine.parquet"
    file.touch()
    made = of_solutions(check, {"solutions": str(file), "share": [0.3, 0.7], "solve_rate": [0, 0.2]})
    stage = made.stage("mine", "main")
    assert augmentation.used(made, [stage]) == [] and augmentation.hint_solutions(stage, made) == str(file)
    assert augmentation.hints(stage).shares == (0.3, 0.7)
    plain = check().stage("mine", "main")
    assert augmentation.hints(plain) is None and augmentation.hint_solutions(plain, check()) is None


BAD_HINTS = [
    ({}, {}, r"data\.hints lacks the key 'solutions'"),
    ({"solutions": "other"}, {}, r"data\.hints\.solutions: 'other' is no file and no entry .* of kind solutions \(known: retold\)"),
    ({"solutions": "own"}, {}, r"data\.hints\.solutions: own is for supervised stages; name an entry .*\(known: retold\)"),
    ({"solutions": "{x}.parquet"}, {}, r"data\.hints\.solutions: '{x}\.parquet' has braces, .*; rename the file"),
    ({"solutions": "retold", "share": 0}, {}, r"data\.hints\.share is 0"),
    ({"solutions": "retold", "share": 1.5}, {}, r"data\.hints\.share is 1\.5"),
    ({"solutions": "retold", "share": [0.7, 0.3]}, {}, r"data\.hints\.share \[0\.7, 0\.3\] holds none; .* \[0\.3, 0\.7\]"),
    ({"solutions": "retold", "solve_rate": [0.5, 0.1]}, {}, r"data\.hints\.solve_rate \[0\.5, 0\.1\] holds none"),
    ({"solutions": "retold"}, {"algorithm": "supervised", "solutions": "own", "steps": 5}, r"data\.hints: a supervised stage trains on"),
]


@pytest.mark.parametrize(("hints", "run", "message"), BAD_HINTS, ids=[str(number) for number in range(len(BAD_HINTS))])
def test_bad_hints_are_named(check, hints, run, message):
    with pytest.raises(UserError, match="config: .*" + message):
        of_solutions(check, hints, **run)


def test_hints_of_an_entry_that_holds_no_solutions_are_refused(check):
    with pytest.raises(UserError, match=r"data\.hints\.solutions: entry 'retold' of augmentation is of kind variants"):
        check(data={"hints": {"solutions": "retold"}})
    with pytest.raises(UserError, match=r"data\.hints\.solutions: entry 'retold' of augmentation is of kind variants"):
        check(data={"hints": {"solutions": "results/augmentation/retold/rows.parquet"}})


def test_a_later_stage_trains_without_hints(check):
    """How hints end: the next stage of the run names none."""
    made = of_solutions(check, {"solutions": "retold"}, stages=[{"name": "hinted", "steps": 5}, {"name": "alone", "data": "clean"}])
    assert augmentation.hints(made.stage("mine", "hinted")) and augmentation.hints(made.stage("mine", "alone")) is None
