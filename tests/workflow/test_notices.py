"""`notices` in a real call of Snakemake: its end, its failure, and that neither a notice nor its failure changes anything else."""

import json

import pytest

from .conftest import job_counts

TARGET = "resources/benchmarks/demo_words.jsonl"


@pytest.fixture(scope="module")
def fresh(make_workflow):
    return make_workflow("notices")


def test_end_and_failure_are_told_and_change_no_rerun(fresh, tmp_path):
    told = tmp_path / "told"
    setting = "notices=" + json.dumps(
        {"command": ["sh", "-c", f'cat >> {told}; printf %s "$MATHRL_NOTICE" >> {told}'], "webhook": "NOT_SET"}
    )
    done = fresh.snakemake("--config", setting, "--", TARGET)
    assert done.returncode == 0, done.stdout
    text, notice = told.read_text().splitlines()
    assert text.endswith("2 of 2 jobs done") and json.loads(notice)["event"] == "end"
    assert "notice: the environment variable NOT_SET holds no http(s) URL" in done.stdout
    told.unlink()

    planned = fresh.run("snakemake", "-n", "--profile", "profiles/demo", "--", TARGET)
    assert "Nothing to be done" in planned.stdout and job_counts(planned.stdout) == {}, "another notice reruns nothing"
    assert not told.exists()

    rows = (fresh.directory / "profiles/demo/pins.tsv").read_text().splitlines()
    rows = [row.replace("demo_words.jsonl\t\t\t\t", f"demo_words.jsonl\t\t\t{'0' * 64}\t") for row in rows]
    (fresh.directory / "wrong.tsv").write_text("\n".join(rows) + "\n")
    done = fresh.snakemake("--config", setting, "pins=wrong.tsv", "--", TARGET)
    assert done.returncode == 1
    *lines, notice = told.read_text().splitlines()
    assert json.loads(notice)["event"] == "failure"
    assert lines[1].startswith("fetch_benchmark failed: ") and "demo_words" in lines[1]
