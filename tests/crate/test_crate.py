"""A study packed, what stays out of it, and its score table rebuilt from it."""

import base64
import errno
import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from mathrl.core import named_judges
from mathrl.core.files import UserError
from mathrl.core.provenance import git_commit
from mathrl.crate import archive, claims, licences, private, withheld
from mathrl.crate import rebuild as rebuilding
from mathrl.crate.metadata import JOBS
from mathrl.evaluation.grading import evaluate, read_samples
from mathrl.judges import protocols

from .conftest import ITEMS, MODELS, RESPONSES, SECRET, USER

OPEN = "results/grpo/contest/samples/open.jsonl.zst"

HOME = "/" + "home/joe"  # in two parts: no file of the tree names a home


def texts(crate):
    """Every file of a crate as text by name, unpacked where it is packed."""
    found = {}
    with zipfile.ZipFile(crate) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith(".zst"):
                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
            if name.endswith(".parquet"):
                data = json.dumps(pl.read_parquet(io.BytesIO(data)).to_dicts()).encode()
            text = data.decode()
            for packed in re.findall(r"[A-Za-z0-9+/=]{200,}", text) if name.endswith(".html") else []:
                text += gzip.decompress(base64.b64decode(packed)).decode() if packed.startswith("H4sI") else ""
            found[name] = text
    return found


def test_the_table_is_rebuilt_from_a_crate_and_fetched_problems(crate, rebuild, tmp_path):
    code, said = rebuild(crate)
    assert (code, said.splitlines()[-1]) == (0, "identical: the score table, and every grade that it is made from")
    assert "graded 24 samples again" in said
    for name in ("scores.csv", "scores.md"):
        assert (tmp_path / "rebuilt" / name).read_text() == Path("results", name).read_text()


def test_without_the_problems_it_says_which_verdicts_need_them(crate, rebuild, tmp_path):
    code, said = rebuild(crate, "--benchmark-dir", tmp_path / "none")
    assert code == 0
    (line,) = [line for line in said.splitlines() if line.startswith("closed: ")]
    assert "2 verdicts need them: base/contest/c/0, grpo/contest/c/-1" in line
    assert "snakemake --cores 1 resources/benchmarks/closed.jsonl" in line
    needed = json.loads((tmp_path / "rebuilt/need_problems.json").read_text())["benchmarks"]["closed"]
    assert needed[0] == {"model": "base", "protocol": "contest", "id": "c", "sample": 0}
    assert (tmp_path / "rebuilt/scores.csv").read_text() == Path("results/scores.csv").read_text()
    own = "2 verdicts of closed are the sender's own, its others were graded without the problems"
    assert said.splitlines()[-1] == f"identical where it could be graded; {own}"


def test_problems_of_another_version_are_not_used(crate, rebuild, tmp_path):
    other = [{**item, "problem": item["problem"] + " "} for item in ITEMS["closed"]]
    (tmp_path / "closed.jsonl").write_text("".join(json.dumps(item) + "\n" for item in other))
    assert "closed: its problem texts did not travel" in rebuild(crate, "--benchmark-dir", tmp_path)[1]


def test_a_withheld_text_is_in_no_file(crate):
    found = texts(crate)
    for name, text in found.items():
        for part in (SECRET, SECRET.lower(), SECRET[5:60], "seventeen hens and buys twice as many geese"):
            assert part not in text and json.dumps(part)[1:-1] not in text, name
    assert RESPONSES["a"][1] in found["results/grpo/contest/samples/open.jsonl.zst"].replace("\\\\", "\\")
    assert "What is 3 + 4?" in found["resources/benchmarks/open.jsonl"]
    assert hashlib.sha256(SECRET.encode()).hexdigest() in found["resources/benchmarks/closed.jsonl"]
    assert "(x-17)^2" in found["resources/benchmarks/closed.jsonl"]
    assert "closed | Apache-2.0 (repository); problems © Somebody | left out" in found["README.md"]


def test_a_dataset_that_may_not_be_passed_on_is_in_no_file(study, command, tmp_path, monkeypatch):
    shutil.copytree(".", tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    Path("pins.tsv").write_text(Path("pins.tsv").read_text().replace("Apache-2.0\t\t\nbase", "research only\t\t\nbase"))
    said = command("write_crate", "--config", "config.json", "--models", *MODELS, "--pins", "pins.tsv", "--out", "new.zip")[1]
    assert "without the problem texts of closed, train" in said
    found = texts("new.zip")
    assert [name for name, text in found.items() if "What is 3+4 ?" in text or "what is 3 + 4" in text] == []
    assert "What is 3+4 ?" in texts("results/crate.zip")["results/report.html"]


def test_who_trained_which_steps_is_told(crate):
    with zipfile.ZipFile(crate) as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    (action,) = [entity for entity in graph if entity["@id"] == "#train_policy/grpo/main"]
    assert action["description"] == f"steps 1 to 4: commit {'2' * 40}; steps 5 to 6: commit {'1' * 40}"
    assert action["result"] == {"@id": "results/grpo/main/manifest.json"}


def test_no_file_names_a_person_a_folder_or_a_host(crate):
    for name, text in texts(crate).items():
        for part in (USER, str(Path.cwd()), str(Path.home()) + "/", "joe:token", "fileserver", "/scratch/", "/mnt/", "/tmp/"):
            assert part not in text, name
    with zipfile.ZipFile(crate) as archive:
        config, pins = json.loads(archive.read("config.json")), archive.read("pins.tsv").decode()
    assert config["models"] == {"mine": "elsewhere/model"}
    assert "https://example.org/open.jsonl" in pins and "elsewhere/closed.jsonl" in pins


def test_the_same_study_gives_the_same_bytes(crate, study, command, tmp_path):
    command("write_crate", "--config", json.dumps(study), "--models", *MODELS, "--pins", "pins.tsv", "--out", tmp_path / "again.zip")
    assert crate.read_bytes() == (tmp_path / "again.zip").read_bytes()


def repacked(crate, out, change):
    """The crate with changed files, and metadata that agree with them: what a forger would send."""
    with zipfile.ZipFile(crate) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(files.pop("ro-crate-metadata.json"))
    change(files, metadata)
    for entity in metadata["@graph"]:
        if entity["@id"] in files:
            data = files[entity["@id"]]
            entity |= {"sha256": hashlib.sha256(data).hexdigest(), "contentSize": str(len(data))}
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {"ro-crate-metadata.json": json.dumps(metadata).encode(), **files}.items():
            archive.writestr(name, data)
    return out


def matches_of(rows, name):
    def change(files, _):
        table = pa.table({"benchmark": ["open"] * rows, "item_id": [name] * rows, "method": ["exact"] * rows, "removed": [True] * rows})
        packed = io.BytesIO()
        pq.write_table(table, packed, compression="zstd")
        files["results/data/matches.parquet"] = packed.getvalue()

    return change


def test_no_judge_is_asked_about_golds_of_a_crate(crate, rebuild, tmp_path, monkeypatch):
    """Not even where the golds are the only thing that was changed: a judge of reasoning-gym may evaluate them."""

    def change(files, _):
        gold = json.dumps({"protocol": "reasoning-gym", "answer": "7", "generator": "countdown", "metadata": "__import__('os').abort()"})
        rows = [json.loads(line) | {"answer": gold} for line in files["resources/benchmarks/open.jsonl"].splitlines()]
        files["resources/benchmarks/open.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()

    monkeypatch.setattr("mathrl.judges.protocols.load", lambda name: pytest.fail(f"{name} is asked"))
    code, said = rebuild(repacked(crate, tmp_path / "forged.zip", change))
    assert code == 0
    assert "open: its golds name a judge" in said and "identical where it could be graded; 12 verdicts of open are the sender's own" in said
    assert "graded 12 samples again" in said


def test_golds_of_a_judge_that_is_not_here_are_not_graded_as_wrong(tmp_path, monkeypatch):
    """A script that is started by hand knows the users' judges by MATHRL_GRADER_PROTOCOLS alone."""
    gold = protocols.gold_text("palindromes", "level")
    row = {"id": "w", "problem": "Name a palindrome.", "answer": gold}
    fetched = tmp_path / "words.jsonl"
    fetched.write_text(json.dumps(row) + "\n")
    (tmp_path / "judge.py").write_text("class P:\n def right(self, e, g): return True\n def version(self): return 1\n")
    monkeypatch.setenv(named_judges.NAMES, "")
    for judges, known in (({}, None), ({"palindromes": f"{tmp_path}/judge.py:P"}, {"w": row})):
        protocols.load.cache_clear()
        protocols.gold_of.cache_clear()
        named_judges.configure(judges)
        assert rebuilding._with_texts({"w": row}, fetched) == known
    protocols.load.cache_clear()
    protocols.gold_of.cache_clear()


def test_a_changed_cell_is_named(crate, rebuild, tmp_path):
    def change(files, _):
        files["results/scores.csv"] = re.sub(rb"(measured,)[0-9.]+", rb"\g<1>99.00", files["results/scores.csv"], count=1)

    code, said = rebuild(repacked(crate, tmp_path / "forged.zip", change))
    assert code == 1
    assert re.search(r"^differs: scores.csv: contest, pass@1, base, open: 75.00, the crate says '99.00'$", said, re.M)


def test_a_changed_response_is_named_and_so_is_another_commit(crate, rebuild, tmp_path, monkeypatch):
    monkeypatch.setattr("mathrl.crate.rebuild.git_commit", lambda: "3" * 40)

    def change(files, _):
        rows = zstandard.ZstdDecompressor().decompressobj().decompress(files[OPEN]).replace(b"boxed{0.5}", b"boxed{0.6}")
        files[OPEN] = zstandard.compress(rows)

    code, said = rebuild(repacked(crate, tmp_path / "forged.zip", change))
    assert code == 1
    assert f"were graded by commit {git_commit()}, here by {'3' * 40}" in said
    assert "differs: grpo, contest, open: sample -1 of b is graded 0, the crate says 1" in said


EVAL = "results/base/contest/eval/closed.json"


def graded_as(change):
    """Change an eval JSON whose samples cannot be graded, and the table by it: the forger's own rebuilding."""

    def changed(files, _):
        told = json.loads(files[EVAL])
        change(told, told["per_problem"])
        files[EVAL] = json.dumps(told).encode()

    return changed


FORGED = {
    "a metric": (lambda told, _: told["metrics"]["pass@1"].update(value=0.99), "metrics.pass@1.value is not as the crate says"),
    "an interval": (lambda told, _: told["metrics"]["maj@2"].update(low=0.5), "metrics.maj@2.low is not as the crate says"),
    "a greedy metric": (lambda told, _: told["metrics"]["greedy_strict"].update(value=1.0), "metrics.greedy_strict.value is not as"),
    "the clean items": (lambda told, _: told["clean_subset"]["clean"].update(value=1.0), "clean_subset.clean.value is not as"),
    "a count": (lambda _, columns: columns["correct"].__setitem__(0, 2), "per_problem.correct.0. is not as the crate says"),
    "a strict count": (lambda _, columns: columns["strict"].__setitem__(0, 2), "per_problem.strict.0. is not as the crate says"),
    "a lenient count": (lambda _, columns: columns["lenient"].__setitem__(0, 2), "per_problem.lenient.0. is not as the crate says"),
    "a majority": (lambda _, columns: columns["majority"].__setitem__(0, 1.0), "per_problem.majority.0. is not as the crate says"),
    "a metric of none": (lambda told, _: told["metrics"].update({"pass@16": {"value": 1.0}}), "metrics.pass@16 is not as the crate says"),
    "contamination": (lambda _, columns: columns["contaminated"].__setitem__(0, ""), "per_problem.contaminated.0. is not as"),
}


@pytest.mark.parametrize(("change", "said"), FORGED.values(), ids=FORGED)
def test_a_score_that_does_not_follow_from_the_verdicts_is_named(crate, rebuild, tmp_path, change, said):
    forged = repacked(crate, tmp_path / "forged.zip", graded_as(change))
    code, lines = rebuild(forged, "--benchmark-dir", tmp_path / "none")
    assert code == 1 and re.search(f"^differs: base, contest, closed: {said}", lines, re.M)
    assert "identical" not in lines
    assert (tmp_path / "rebuilt/scores.csv").read_text() == Path("results/scores.csv").read_text()


def test_a_verdict_that_needs_no_problem_is_graded_without_it(crate, rebuild, tmp_path):
    def change(files, _):
        name = "results/base/contest/samples/closed.jsonl.zst"
        rows = zstandard.ZstdDecompressor().decompressobj().decompress(files[name]).replace(b"boxed{even}", b"text{even}")
        files[name] = zstandard.compress(rows)

    code, said = rebuild(repacked(crate, tmp_path / "forged.zip", change), "--benchmark-dir", tmp_path / "none")
    assert code == 1
    assert "differs: base, contest, closed: sample 0 of d is graded b, the crate says '1'" in said


@pytest.mark.parametrize("extraction", ["strict", "lenient"])
@pytest.mark.parametrize("sampled", [0, 1, 4])
def test_grades_that_were_made_follow_from_their_verdicts(sampled, extraction):
    items = {
        "c": {"id": "c", "problem": SECRET, "answer": "(x-17)^2"},
        "d": {"id": "d", "problem": "Two?", "answer": "12", "domain": ["A"]},
    }
    texts = ["It is 12", "\\boxed{12}", "", "nothing", "\\boxed{x^2 - 34 x + 289}"][: sampled + 1]
    rows = [{"id": key, "sample": place - 1, "response": text, "tokens": 3 * place} for key in items for place, text in enumerate(texts)]
    matches = {"contaminated": {"c": frozenset(["exact"])}, "removing": frozenset(["exact"])}
    samples = read_samples(rows, items, "")
    told = json.loads(json.dumps(evaluate(samples, items, grader="ours", extraction=extraction, workers=1, **matches)))
    assert rebuilding._differences(claims.recompute(told, samples, items, **matches), told) == []


@pytest.mark.parametrize("verdicts", [["1", "10"], ["x0", "10"], [5, 6]])
def test_verdicts_that_are_not_of_the_samples_are_refused(crate, rebuild, tmp_path, verdicts):
    forged = repacked(crate, tmp_path / "forged.zip", graded_as(lambda _, columns: columns.update(verdicts=verdicts)))
    with pytest.raises(UserError, match=r"are not those of its samples|make no score table"):
        rebuild(forged, "--benchmark-dir", tmp_path / "none")


def test_what_an_earlier_rebuilding_wrote_is_replaced_as_a_whole(crate, rebuild, tmp_path):
    out = tmp_path / "rebuilt"
    rebuild(crate, "--benchmark-dir", tmp_path / "none")
    assert (out / "need_problems.json").is_file()
    before = sorted(path for path in out.rglob("*"))
    with pytest.raises(UserError, match="holds a name of"):
        rebuild(repacked(crate, tmp_path / "forged.zip", matches_of(10, "a" * 1000)))
    assert sorted(path for path in out.rglob("*")) == before
    rebuild(crate)
    assert sorted({path.name for path in out.iterdir()}) == ["base", "grpo", "rebuilt.json", "scores.csv", "scores.md"]
    (out / "rebuilt.json").unlink()
    with pytest.raises(UserError, match="holds other files, and it would be replaced as a whole"):
        rebuild(crate)
    shutil.rmtree(out)
    out.write_text("a file")
    with pytest.raises(UserError, match="is no folder"):
        rebuild(crate)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forged.zip", "rebuilt"]


def test_a_full_disk_is_not_blamed_on_the_sender(crate, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.touch", full)
    with pytest.raises(UserError, match=r"cannot be written .No space left on device.; TMPDIR names another folder"):
        archive.unpack(crate, tmp_path / "unpacked")


def test_a_crate_is_not_written_over_a_folder(study, command, tmp_path):
    with pytest.raises(UserError, match="is a folder; name the zip file"):
        command("write_crate", "--config", "config.json", "--models", *MODELS, "--pins", "pins.tsv", "--out", tmp_path)


def test_a_crate_in_a_folder_is_read_and_its_links_are_not(crate, rebuild, tmp_path):
    with zipfile.ZipFile(crate) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert rebuild(tmp_path / "unpacked")[0] == 0
    (tmp_path / "unpacked/results/scores.md").unlink()
    (tmp_path / "unpacked/results/scores.md").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        rebuild(tmp_path / "unpacked")


def test_a_study_that_is_not_finished_or_not_of_one_piece_is_refused(study, command, tmp_path, monkeypatch):
    shutil.copytree(".", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def write():
        command("write_crate", "--config", json.dumps(study), "--models", *MODELS, "--pins", "pins.tsv", "--out", "new.zip")

    samples = Path("results/grpo/contest/samples/open.jsonl.zst")
    Path("results/.checksums/grpo/contest/samples/open.jsonl.zst.sha256").unlink()
    samples.write_bytes(Path("results/base/contest/samples/open.jsonl.zst").read_bytes())
    with pytest.raises(UserError, match="was made from other content of results/grpo/contest/samples/open"):
        write()
    samples.unlink()
    with pytest.raises(UserError, match=r"open.jsonl.zst: is missing.*snakemake --cores all results/grpo"):
        write()
    assert not Path("new.zip").exists()


LICENCES = [
    ("MIT", True),
    ("apache-2.0 ", True),
    ("CC0-1.0", True),
    ("CC-BY-SA-4.0", True),
    ("Apache-2.0 (repository); problems © MAA", False),
    ("MIT OpenCourseWare, CC BY-NC-SA", False),
    ("CC-BY-NC-SA-4.0", False),
    ("proprietary", False),
    ("", False),
]


@pytest.mark.parametrize(("licence", "permitted"), LICENCES)
def test_only_a_licence_of_the_table_permits(licence, permitted):
    assert bool(licences.permits(licence)) == permitted


def test_the_pins_that_ship_say_what_travels(root):
    from mathrl.data.downloads import read_pins

    said = {name: bool(licences.permits(pin.licence)) for name, pin in read_pins(root / "pins.tsv").items() if pin.kind != "model"}
    assert [name for name, permitted in said.items() if not permitted] == [
        *("aime24", "amc23", "minerva_math"),
        *("aime25", "aime26", "hmmt25", "hmmt26", "brumo25", "cmimc25"),
    ]
    assert all(licences.permits(pin.licence) for pin in read_pins(root / "profiles/demo/pins.tsv").values())


def test_a_gold_for_a_judge_is_a_hash_where_the_text_stays_out(tmp_path):
    row = {
        "id": "c",
        "problem": SECRET,
        "answer": json.dumps({"protocol": "reasoning-gym", "answer": "7", "generator": "chain_sum", "question": SECRET}),
    }
    there = withheld.item_without_text(row)
    assert SECRET not in json.dumps(there)
    (tmp_path / "closed.jsonl").write_text(json.dumps(row) + "\n")
    assert rebuilding._with_texts({"c": there}, tmp_path / "closed.jsonl")["c"]["answer"] == row["answer"]
    assert rebuilding._with_texts({"c": there}, tmp_path / "none.jsonl") is None


@pytest.mark.parametrize(
    "text", [SECRET, f"first {SECRET} then {SECRET[10:70]}", SECRET[3:50] + SECRET[60:], "nothing of it", "", SECRET * 3]
)
def test_what_is_cut_out_can_be_put_back(text):
    left, cuts = withheld.cut(text, SECRET)
    assert not any(SECRET[at : at + withheld.SHORTEST] in left for at in range(len(SECRET) - withheld.SHORTEST)) or not cuts
    assert withheld.restore(left, cuts, SECRET, "it") == text


@pytest.mark.parametrize(
    "cuts", [None, [[0, 1]], [["0", 1, 2]], [[5, 0, 1]], [[0, 0, 10**6]], [[2, 0, 1], [1, 0, 1]], [[0, -3, 2]], [[True, 0, 1]]]
)
def test_cuts_that_do_not_fit_are_refused(cuts):
    with pytest.raises(UserError, match="a cut does not fit"):
        withheld.restore("abc", cuts, SECRET, "it")


SCRUBBED = [
    ("/srv/study/results/a.json", "results/a.json"),
    ("see /srv/study, or", "see ., or"),
    (f"file://{HOME}/x.parquet", "elsewhere/x.parquet"),
    (f"start: {HOME}/models/m (step 3)", "start: elsewhere/m (step 3)"),
    ("~joe/models/m", "elsewhere/m"),
    ("http://joe:pw@example.org/a/b", "http://example.org/a/b"),
    ("http://10.0.0.3:8080/a", "http://elsewhere/a"),
    ("https://gpu7.corp/x", "https://elsewhere/x"),
    ("joe@login1:/scratch/joe/a", "elsewhere/a"),
    ("node-17: out of memory", "elsewhere: out of memory"),
    ("https://huggingface.co/BAAI/Open", "https://huggingface.co/BAAI/Open"),
    ("huggingface:open-r1/Big-Math@main", "huggingface:open-r1/Big-Math@main"),
    ("docker://ghcr.io/a/b@sha256:1", "docker://ghcr.io/a/b@sha256:1"),
    ("containers/cpu.sif, 3/4, and/or \\frac{a}{b}/c", "containers/cpu.sif, 3/4, and/or \\frac{a}{b}/c"),
    ("clip 0.2 / 0.28", "clip 0.2 / 0.28"),
]


@pytest.mark.parametrize(("text", "left"), SCRUBBED)
def test_private_places_are_taken_out_and_nothing_else(text, left):
    assert private.scrub_text(text, ["/srv/study"], ["node-17"]) == left


def test_the_jobs_of_the_metadata_are_those_of_the_rules(root):
    rules = "\n".join(path.read_text() for path in root.glob("rules/*.smk"))
    for job in JOBS:
        body = re.search(rf"^(?:use )?rule [^\n]*\b{job.rule}\b[^\n]*:\n(.*?)(?=^\S|\Z)", rules, re.S | re.M)
        assert body and f'"{job.script}"' in body[1], job.rule
        assert all(("results" in made or "resources" in made) for made in job.makes)


def profile_findings(root, crate, home):
    """By roc-validator, in the driver's environment, without network."""
    code = "import json, pathlib, sys; from mathrl.crate import profile_check as check;"
    code += "print(json.dumps(check.findings(pathlib.Path(sys.argv[1]))))"
    command = [root / ".venv-driver/bin/python", "-c", code, crate]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(root / "scripts"), "HOME": str(home)})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_conforms_to_the_profile(crate, root, tmp_path):
    assert profile_findings(root, crate, tmp_path) == []


@pytest.mark.full  # the validator takes its time for each crate
def test_a_crate_whose_actions_have_no_instrument_does_not_conform(crate, root, tmp_path):
    def change(_, metadata):
        for entity in metadata["@graph"]:
            if entity["@type"] == "CreateAction":
                del entity["instrument"]

    worse = repacked(crate, tmp_path / "worse.zip", change)
    assert any("instrument" in line for line in profile_findings(root, worse, tmp_path))


def test_a_reader_of_crates_finds_workflow_actions_and_files(crate, root):
    """rocrate opens it and names what it should."""
    code = (
        "import sys; from rocrate.rocrate import ROCrate; crate = ROCrate(sys.argv[1]);"
        "print(crate.mainEntity.id, len(crate.get_by_type('CreateAction')), len(crate.data_entities))"
    )
    done = subprocess.run([root / ".venv-driver/bin/python", "-c", code, crate], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    workflow, actions, files = done.stdout.split()
    assert workflow == "Snakefile" and int(actions) >= 12 and int(files) >= 40
