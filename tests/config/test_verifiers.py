"""The section `verifiers`: each mistake gets one line."""

import copy

import pytest
from mathrl.config import validation, verifiers
from mathrl.core.files import UserError
from mathrl.data.downloads import pin_rows

NAMED = {
    "steps": {"kind": "arithmetic"},
    "prm": {"kind": "prm", "model": "checker"},
    "judge": {"kind": "judge", "url": "http://localhost:8000/v1", "model": "m"},
    "all": {"kind": "ensemble", "of": ["steps", "prm"], "combine": "vote"},
}


@pytest.fixture
def given(root, config):
    config["runs"]["checker"] = {"algorithm": "supervised", "solutions": verifiers.LABELS, "mini_batch_size": 88}
    config["verifiers"] |= {"named": NAMED, "use": ["steps", "all"]}
    return config, lambda _: pin_rows(root / "pins.tsv")


def test_a_whole_section_is_valid(given):
    config, _ = validation.validate(*given)
    section = config.verifiers
    assert verifiers.scorers(section) == ["steps", "prm"] and verifiers.trained_runs(section, config.runs) == ["checker"]
    assert verifiers.scorers(section, list(NAMED)) == ["steps", "prm", "judge"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"named": {"a": {"kind": "magic"}}}, "verifiers.named.a: kind 'magic' is neither arithmetic, prm"),
        ({"named": {"a": {"kind": "prm"}}}, "verifiers.named.a: kind prm needs the key 'model'"),
        ({"named": {"a": {"kind": "prm", "model": "nowhere"}}}, "model 'nowhere' is no a run, model of|model 'nowhere' is no"),
        ({"named": {"a": {"kind": "hf-prm", "model": "checker"}}}, "model 'checker' is no model of pins.tsv or directory"),
        ({"named": {"a": {"kind": "judge", "model": "m"}}}, "kind judge needs the key 'url'"),
        ({"named": {"a": {"kind": "judge", "model": "m", "url": "localhost"}}}, "named.a.url"),
        ({"named": {"a": {"kind": "judge", "model": "m", "url": "http://x", "max_usd": 1}}}, "max_usd and usd_per_million belong together"),
        ({"named": {"a": {"kind": "judge", "model": "m", "url": "http://x", "prompt": "no.txt"}}}, "prompt: no such file: no.txt"),
        ({"named": {"a": {"kind": "judge", "model": "m", "url": "http://x", "key": "secret"}}}, "unknown key 'verifiers.named.a.key'"),
        ({"named": {"a": {"kind": "likelihood", "model": "m", "separator": "|"}}}, "separator '|' of kind likelihood: only spaces"),
        ({"named": {"a": {"kind": "arithmetic", "model": "m"}}}, "kind arithmetic has no key 'model'"),
        ({"named": {"a": {"kind": "ensemble", "of": ["b", "c"]}}}, "of: unknown verifier 'b'"),
        ({"named": NAMED | {"b": {"kind": "ensemble", "of": ["steps", "all"]}}}, "'all' is an ensemble itself"),
        ({"named": {"a": {"kind": "arithmetic", "threshold": 2}}}, "named.a.threshold is 2; it must be at most 1"),
        ({"use": ["none"]}, "verifiers.use: unknown verifier 'none'; known: steps, prm, judge, all"),
        ({"labels": {"agree": "all"}}, "verifiers.labels.agree: 'all' is an ensemble"),
        ({"labels": {"lost": 0.5}}, "lost 0.5 is not below solvable 0.5"),
        ({"labels": {"policy": "nobody"}}, "labels.policy: 'nobody' is neither base"),
        ({"labels": {"policy": "checker"}}, "'checker' is trained on these labels itself"),
        ({"timeout": 0}, "verifiers.timeout is 0; it must be more than 0"),
    ],
)
def test_mistakes(given, change, why):
    config, table = given
    section = copy.deepcopy(config["verifiers"])
    for key, value in change.items():
        section[key] = section[key] | value if key == "labels" else value
    if "named" in change:
        section["use"] = []
    with pytest.raises(UserError, match=why) as error:
        validation.validate(config | {"verifiers": section}, table)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "named",
    [{"a": {"kind": "judge", "key_env": "sk-0123456789"}}, [{"key_env": "sk-0123456789"}], {"a": {"url": "http://me:sk-0123456789@host"}}],
)
def test_a_key_in_the_configuration_is_refused_and_not_repeated(given, named):
    config, table = given
    with pytest.raises(UserError, match="environment variable") as error:
        validation.validate(config | {"verifiers": config["verifiers"] | {"named": named, "use": []}}, table)
    assert "sk-0123456789" not in str(error.value)


def test_no_run_may_be_called_as_the_folder_of_verifiers(given):
    config, table = given
    config["runs"]["verifiers"] = {}
    with pytest.raises(UserError, match=r"runs\.verifiers: this name is taken"):
        validation.validate(config, table)
