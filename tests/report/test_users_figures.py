"""A figure of the user's in place of figure 2, from docs/how-to/your-own-code.md in a folder outside the repository."""

import json

import pytest
import yaml
from mathrl.config.report import FIGURES
from mathrl.core.files import UserError
from mathrl.report.figures import CAPTIONS
from mathrl.report.users_figures import training_figures
from support import pages

PAGE = "docs/how-to/your-own-code.md"
RUNS = {
    "grpo": {"curves": {"train": {"reward": [(1, 0.2), (2, 0.9), (3, 0.3)]}}, "stages": [], "flags": [], "missing": [], "monitored": False},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    pages.write_files(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_newcomer_changes_figure_2(folder):
    mine = [block for block in pages.blocks(PAGE) if (block.file or "").startswith("mine/figure")]
    assert len(mine) == 2 and sum(len(block.text.splitlines()) for block in mine) <= 30
    users = yaml.safe_load((folder / "mine/figure.yaml").read_text())["report"]["figures"]
    ours, found = ({name: (svg, text) for name, svg, text in training_figures(RUNS, None, some)} for some in ({}, users))
    assert list(found) == list(CAPTIONS) == list(FIGURES) and {name for name in found if found[name] != ours[name]} == {"reward"}
    assert found["reward"][1] == "Figure 2. Raw mean reward." and "Raw reward" in found["reward"][0]
    assert len(training_figures(RUNS, None, {"more": users["reward"]})) == len(CAPTIONS) + 1


def test_the_script_that_plots_takes_it(folder, script):
    manifest = folder / "results/grpo/main/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"steps": 0}))
    done = script(
        *("plot_training.py", "--runs", "grpo=main", "--figures", "reward=mine/figures.py:raw_reward", "more=mine/figures.py:raw_reward"),
        *("--out", "figures"),
    )
    assert done.returncode == 0, done.stderr
    drawn = {path.stem: path.read_text() for path in (folder / "figures").glob("*.svg")}
    assert set(drawn) == {*CAPTIONS, "more"} and "Raw reward" in drawn["reward"] and drawn["more"] == drawn["reward"]


BAD = [
    ("def f(*_):\n    return 1\n", "answers a int; it must be SVG as a text"),
    ("def f(*_):\n    return 1 / 0\n", r"failed: ZeroDivisionError: division by zero \(line 2 of f.py\); mend it"),
    ("def f(*_):\n    return '<svg><g></svg>'\n", r"answers no SVG \(mismatched tag"),
    ("def f(*_):\n    return '<svg><script>1</script></svg>'\n", "answers no SVG without a script"),
    ("def g(*_):\n    pass\n", "there is no function 'f'"),
    ("import sys\n\ndef f(*_):\n    sys.exit(0)\n", "failed: SystemExit: 0"),
    ("def f(*_):\n    return '<svg><SCRIPT>1</SCRIPT></svg>'\n", "answers no SVG without a script"),
    ("def f(*_):\n    return '<svg onload=\"x()\"></svg>'\n", "answers no SVG without a script"),
    ("def f(*_):\n    return '<svg><a href=\" javascript:x()\"></a></svg>'\n", "answers no SVG without a script"),
    ("def f(*_):\n    return '<svg>\\ud800</svg>'\n", "answers a text that no file can hold"),
    ("def f(*_):\n    return '<svg/>', None\n", "answers a NoneType; it must be SVG"),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[case[1][:40] for case in BAD])
def test_what_is_no_figure_is_said_in_one_line(tmp_path, text, said):
    (tmp_path / "f.py").write_text(text)
    with pytest.raises(UserError, match=f"report.figures.reward: .*{said}") as error:
        training_figures(RUNS, None, {"reward": f"{tmp_path}/f.py:f"})
    assert "\n" not in str(error.value)


def test_what_a_figure_changes_no_other_one_shows(tmp_path):
    (tmp_path / "f.py").write_text("def f(runs, benchmark):\n    runs.clear()\n    return '<svg/>'\n")
    (tmp_path / "g.py").write_text("def f(runs, benchmark):\n    return '<svg/>', ' '.join(runs)\n")
    found = training_figures(RUNS, None, {"one": f"{tmp_path}/f.py:f", "two": f"{tmp_path}/g.py:f"})
    assert found[-1] == ("two", "<svg/>", " ".join(RUNS))


def test_a_figure_is_written_nowhere_else(folder, script):
    done = script("plot_training.py", "--runs", "--figures", "../x=mine/figures.py:raw_reward", "--out", "figures")
    assert done.returncode == 2 and done.stderr == "error: report.figures.../x: a figure's name holds no '/'; rename it\n"
    assert not (folder / "x.svg").exists()
