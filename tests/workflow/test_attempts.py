"""A failed job comes again with more memory and time, where the profile asks for retries."""

import re


def test_a_second_attempt_has_more_memory_and_time(make_workflow):
    workflow = make_workflow("attempts")
    broken = workflow.directory / "resources/demo/problems.parquet"
    broken.parent.mkdir(parents=True)
    broken.write_text("no parquet\n")
    plain = ("--workflow-profile", "none", "--configfile", "profiles/demo/demo.yaml", "--cores", "1")
    only = ("--allowed-rules", "fetch_dataset", "--retries", "1", "--", "resources/datasets/demo.parquet")
    done = workflow.run("snakemake", *plain, *only, timeout=120)
    assert done.returncode == 1, done.stdout
    given = re.findall(r"resources: .*?runtime=(\d+), mem_mb=(\d+)", done.stdout)
    assert given == [("120", "2000"), ("240", "4000")], done.stdout
