"""The manifest of a run, from those of its stages."""

import json

STAGE = {"run": "lengthen", "steps": 20, "stopped_by": None, "chosen_step": 15, "chosen_why": "best", "fingerprint": "f", "more": 1}


def test_stages_are_gathered_in_order(script, tmp_path):
    paths = []
    for name, steps in (("short", 20), ("long", 7)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(STAGE | {"stage": name, "steps": steps}))
    done = script("summarize_run.py", "--run", "lengthen", "--manifests", *paths, "--out", "manifest.json")
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "manifest.json").read_text())
    assert (made["schema_version"], made["run"], made["steps"]) == (1, "lengthen", 27)
    assert [stage["stage"] for stage in made["stages"]] == ["short", "long"]
    assert made["stages"][1] == {
        "stage": "long",
        "steps": 7,
        "stopped_by": None,
        "chosen_step": 15,
        "chosen_why": "best",
        "fingerprint": "f",
    }
    assert set(made["provenance"]["inputs"]) == {"short", "long"} and made["provenance"]["git_commit"]


def test_what_is_no_manifest_of_the_run_is_one_line(script, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps(STAGE | {"stage": "short", "run": "dapo"}))
    (tmp_path / "less.json").write_text(json.dumps({"run": "lengthen", "stage": "short", "steps": 1}))
    for name, message in (("other", "is of run dapo, not of lengthen"), ("less", "it lacks 'stopped_by'"), ("none", "no such file")):
        done = script("summarize_run.py", "--run", "lengthen", "--manifests", f"{name}.json", "--out", "manifest.json")
        assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "manifest.json").exists()
