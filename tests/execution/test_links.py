"""Paths that Snakemake would misread reach a rule by another name, and lead to the same file."""

from mathrl.execution import links


def test_a_path_without_braces_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [links.without_braces(path) for path in ("a b/c", tmp_path / "x")] == ["a b/c", str(tmp_path / "x")]
    assert not list(tmp_path.iterdir())


def test_a_folder_with_braces_elsewhere_stands_behind_a_link(tmp_path, monkeypatch):
    files = [tmp_path / "my{x}dir/mathrl/a.py", tmp_path / "my{x}dir/sums{1}.jsonl", tmp_path / "{}" / "b", tmp_path / "checker.{new}"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.name)
    (tmp_path / "plain").mkdir()
    monkeypatch.chdir(tmp_path / "plain")
    for file in files:
        named = links.without_braces(file)
        assert "{" not in named and (tmp_path / "plain" / named).samefile(file)
        assert links.without_braces(file) == named and named.endswith("" if "{" in file.suffix else file.suffix)
    assert len(list((tmp_path / "plain" / links.BRACED).iterdir())) == 4


def test_a_link_is_turned_where_its_target_is_another(tmp_path):
    link = tmp_path / "images/cpu.sif"
    assert links.made(link, "a b") == links.made(link, "c d") == str(link)
    assert link.readlink().name == "c d" and len(list(link.parent.iterdir())) == 1
