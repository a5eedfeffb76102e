"""Problems from generators, which the generators themselves judge."""

import json

import pytest
from mathrl.grading import grade
from mathrl.judges import protocols


def test_seed_of_exports_depends_on_all_weights_and_on_no_order(tmp_path):
    from mathrl.core.files import UserError
    from mathrl.data.generated import seed_of

    paths = []
    for name in "abc":
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps({"model_sha256": name * 64}))
    assert seed_of(paths) == seed_of(paths[::-1]) != seed_of(paths[:2])
    with pytest.raises(UserError, match="--exports"):
        seed_of([])
    for content in ("[]", "{}", '{"model_sha256": null}', "[" * 100_000):
        paths[0].write_text(content)
        with pytest.raises(UserError, match=r"a\.json: is no"):
            seed_of(paths)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_generators_make_data_sets_and_benchmarks_that_their_judge_grades(tmp_path, script):
    """Every generator of the package: made twice alike and its own answers right, or refused in one line."""
    from mathrl.core.files import UserError, read_jsonl
    from mathrl.data import generated as made
    from mathrl.data.downloads import Origin, Pin
    from reasoning_gym.factory import DATASETS

    sound, refused = {}, {}
    for name in sorted(DATASETS):
        pin = Pin(name, "benchmark", Origin("reasoning-gym", name, "7"), rows=3)
        try:
            sound[name] = list(made.rows(pin, 7))
        except UserError as error:
            refused[name] = str(error)
    print(
        len(sound),
        "generators;",
        sum(bool(protocols.gold_of(rows[0]["answer"])) for rows in sound.values()),
        "by their own judge;",
        refused,
    )
    assert len(sound) >= 90 and {"chain_sum", "countdown", "gcd", "simple_integration"} <= set(sound)
    assert all(grade("\\boxed{" + protocols.shown(row["answer"]) + "}", row["answer"]).correct for rows in sound.values() for row in rows)
    countdown = sound["countdown"][0]["answer"]
    other = " + ".join(protocols.shown(countdown).split(" + ")[::-1])
    assert grade(f"\\boxed{{{other}}}", countdown).correct or " - " in other
    assert not grade("\\boxed{1 + 1}", countdown).correct
    (tmp_path / "pins.tsv").write_text(
        "name\tkind\tsource\tid\trevision\tfile\tsha256\trows\tlicence\turl\n"
        "puzzles\tdataset\treasoning-gym\tcountdown\t3\tmin_numbers=3 max_numbers=4\t\t40\tApache-2.0\t\n"
        "late\tbenchmark\treasoning-gym\tgcd\texports\t\t\t5\tApache-2.0\t\n"
    )
    done = script("fetch_dataset.py", "--pins", "pins.tsv", "--name", "puzzles", "--out", "puzzles.parquet")
    assert done.returncode == 0, done.stderr
    done = script(
        "clean_problems.py", "--dataset", "puzzles.parquet", "--verifiable", "--out", "problems.parquet", "--quarantine", "q.parquet",
        "--funnel", "funnel.json",
    )  # fmt: skip
    assert done.returncode == 0 and json.loads((tmp_path / "funnel.json").read_text())["steps"][-1]["rows_out"] >= 36, done.stderr
    for number, weights in enumerate(("a" * 64, "b" * 64)):
        (tmp_path / "export.json").write_text(json.dumps({"model_sha256": weights}))
        done = script("fetch_benchmark.py", "--pins", "pins.tsv", "--name", "late", "--exports", "export.json", "--out", f"{number}.jsonl")
        assert done.returncode == 0, done.stderr
    first, second = (list(read_jsonl(tmp_path / f"{number}.jsonl", required=())) for number in (0, 1))
    assert len(first) == 5 and not {row["problem"] for row in first} & {row["problem"] for row in second}
    assert not (tmp_path / "pins.lock" / "late.json").exists(), "another study has other problems"
