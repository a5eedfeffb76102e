"""Which edits of code are another training. Nobody raises a version by hand: the test edits the code and does nothing else."""

import contextlib
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from mathrl.config import reading
from mathrl.core import code_files
from mathrl.core.files import UserError
from mathrl.training import fingerprints, plan, training_code
from support.models import NO_WEIGHTS
from support.settings import plan_of, stage_of

ROOT = Path(__file__).resolve().parents[2]


class Tree:
    """A copy of scripts/ that may be edited, and the fingerprint of the demo's training by it."""

    def __init__(self, folder, config):
        self.scripts, self.folder, self.stage = folder / "scripts", folder, stage_of(config)
        shutil.copytree(code_files.SCRIPTS, self.scripts, ignore=shutil.ignore_patterns("__pycache__", "report", "checks"))
        (folder / "train.parquet").write_bytes(b"rows")
        (folder / "model").mkdir()
        (folder / "model/model.safetensors").write_bytes(NO_WEIGHTS)

    def name(self):
        code_files.direct.cache_clear()
        model = self.folder / "model"
        return fingerprints.name(plan_of(self.stage, self.folder / "train.parquet", model, "cpu").fingerprint)

    def edit(self, file, old, new):
        path = self.scripts / file
        text = path.read_text()
        assert old in text, f"{file} has no '{old}' any more: adapt this test"
        path.write_text(text.replace(old, new, 1))

    def move(self, old, new):
        """Move a module and adapt every import of it."""
        (self.scripts / new).parent.mkdir(exist_ok=True)
        (self.scripts / old).rename(self.scripts / new)
        before, after = (name.removesuffix(".py").replace("/", ".") for name in (old, new))
        (package, module), (new_package, new_module) = (name.rsplit(".", 1) for name in (before, after))
        for path in self.scripts.rglob("*.py"):
            text = re.sub(rf"\b{re.escape(before)}\b", after, path.read_text())
            text = re.sub(rf"from {re.escape(package)} import {module}\b", f"from {new_package} import {new_module} as {module}", text)
            if new_package == package:  # among others
                text = re.sub(rf"(from {re.escape(package)} import (?:\w+, )+){module}\b", rf"\g<1>{new_module} as {module}", text)
            path.write_text(text)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config = reading.merge(config, yaml.safe_load((ROOT / "profiles/demo/demo.yaml").read_text()))
    tree = Tree(tmp_path_factory.mktemp("tree"), config)
    yield tree
    code_files.direct.cache_clear()


@pytest.fixture(scope="module")
def before(tree):
    with below(tree.scripts):
        return tree.name()


@contextlib.contextmanager
def below(scripts):
    """Our code lies in `scripts`."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (training_code, plan.grpo_config):
            patch.setattr(module, "SCRIPTS", scripts)
        yield


ANOTHER_TRAINING = [
    ("mathrl/rewards/outcome.py", "float(result.correct),", "1.0 - float(result.correct),", "the reward is inverted"),
    ("mathrl/rewards/outcome.py", "math.fsum(weight *", "math.fsum(-weight *", "its sum is"),
    ("scripts/reward.py", "str(ground_truth)", "str(ground_truth).strip()", "what verl calls"),
    ("mathrl/grading/numbers.py", "\ndef ", "\nROUNDING = 3\n\n\ndef ", "the grader's rounding"),
    ("mathrl/grading/judge.py", "def grade(", "def grade_as_before(", "another judge"),
    ("mathrl/config/reward_terms.py", "def ", "LOWER = True\n\n\ndef ", "what the reward imports from another room"),
    ("mathrl/verl/grpo_trainer.py", 'actor.loss_agg_mode = actor.loss_agg_mode, "token-mean"', 'actor.loss_agg_mode = "", ""', "the loss"),
    ("mathrl/verl/base_plugin.py", "pop(", "get(", "what verl imports"),
    ("mathrl/verl/cpu/worker.py", "import torch", "import torch\n\nSCALE = 2", "the engine's layers"),
    ("mathrl/models/engine.py", '"VLLM_MLA_DISABLE": "1"', '"VLLM_MLA_DISABLE": "0"', "the engine's environment"),
]


QUICK = ("the reward is inverted", "the grader's rounding", "the loss", "the engine's layers")  # the others take a second each


def cases():
    for case in ANOTHER_TRAINING:
        yield pytest.param(*case, id=case[-1], marks=[] if case[-1] in QUICK else pytest.mark.full)


@pytest.mark.parametrize(("file", "old", "new", "reason"), cases())
def test_an_edit_that_can_change_a_gradient_is_another_training(tree, before, file, old, new, reason):
    path = tree.scripts / file.removeprefix("scripts/")
    text = path.read_text()
    tree.edit(path.relative_to(tree.scripts), old, new)
    with below(tree.scripts):
        assert tree.name() != before, reason
    path.write_text(text)


def comment(tree):
    tree.edit("mathrl/grading/judge.py", "\n\n\n", "\n\n\n# a comment\n")


def docstring(tree):
    tree.edit("mathrl/grading/judge.py", '"""', '"""Other words. ')
    tree.edit("mathrl/grading/judge.py", '"""', '"""Other words. ')


def reformatting(tree):
    written = "'format':lambda result,*_:(\n float(result.format)) ,"
    tree.edit("mathrl/rewards/outcome.py", '"format": lambda result, *_: float(result.format),', written)


def order_of_imports(tree):
    tree.edit("mathrl/rewards/outcome.py", "import asyncio\nimport math\n", "import math\nimport asyncio\n")


def moved_module(tree):
    tree.move("mathrl/grading/units.py", "mathrl/grading/measures.py")


def moved_to_another_room(tree):
    (tree.scripts / "mathrl/terms").mkdir()
    (tree.scripts / "mathrl/terms/__init__.py").write_text('"""A room."""\n')
    tree.move("mathrl/rewards/outcome.py", "mathrl/terms/result.py")


def moved_module_that_verl_knows_by_name(tree):
    tree.move("mathrl/verl/reward_metrics.py", "mathrl/verl/metrics_of_reward.py")


def code_that_trains_nothing(tree):
    for file in ("evaluation/metrics.py", "training/session.py", "decontamination/search.py"):
        tree.edit(f"mathrl/{file}", "\n\n\n", "\n\nMORE = 1\n\n\n")
    (tree.scripts / "mathrl/grading/new.py").write_text("X = 1\n")


HARMLESS = [comment, docstring, reformatting, order_of_imports, moved_module, moved_to_another_room, moved_module_that_verl_knows_by_name]
HARMLESS += [code_that_trains_nothing]


def test_edits_that_change_no_gradient_are_none(tree, before):
    """One after the other; none can undo another."""
    for change in HARMLESS[:3], HARMLESS[3:]:
        for edit in change:
            edit(tree)
        with below(tree.scripts):
            assert tree.name() == before, f"one of {', '.join(edit.__name__ for edit in change)}"


class Terms:
    """A folder of the user's as scripts/: a term, what it imports and reads, and what it does not."""

    FILES = {  # noqa: RUF012
        "my_terms.py": "import json\nfrom my_words import LIMIT\n\ndef brief(*_):\n    return LIMIT\n",
        "my_words.py": "from importlib import import_module\nLIMIT = open('words.tsv')\nimport_module('my_late')\n",
        "my_late.py": "X = 1\n",
        "words.tsv": "a\n",
        "other.py": "",
    }

    def __init__(self, scripts):
        self.scripts = scripts
        scripts.mkdir()
        for name, text in self.FILES.items():
            (scripts / name).write_text(text)

    def code(self, term="my_terms:brief"):
        """The name under which the term counts, and the code behind it."""
        code_files.direct.cache_clear()
        code = training_code.Code([])
        return code.term(term), code.files()


@pytest.fixture
def terms(tmp_path):
    with below(tmp_path / "scripts"):
        yield Terms(tmp_path / "scripts")
    code_files.direct.cache_clear()


def meanings(found):
    """What counts of code: neither places nor names."""
    term, files = found
    return term, set(files.values())


@pytest.mark.parametrize("file", ["my_terms.py", "my_words.py", "my_late.py", "words.tsv"])
def test_a_reward_term_and_all_that_it_imports_and_reads_count(terms, file):
    first = terms.code()
    assert set(first[1]) == {"my_terms.py", "my_words.py", "my_late.py", "words.tsv"}
    (terms.scripts / file).write_text((terms.scripts / file).read_text() + "Y = 2\n")
    assert meanings(terms.code()) != meanings(first)


def test_a_comment_in_a_term_or_another_name_of_its_module_does_not(terms):
    first = terms.code()
    (terms.scripts / "my_terms.py").write_text("# brief is better\n" + Terms.FILES["my_terms.py"])
    (terms.scripts / "other.py").write_text("x = 1\n")
    assert terms.code() == first
    (terms.scripts / "my_terms.py").rename(terms.scripts / "terms_of_mine.py")
    assert meanings(terms.code("terms_of_mine:brief")) == meanings(first)
    assert meanings(terms.code("terms_of_mine:long")) != meanings(first)


def test_the_import_of_another_module_of_the_same_names_counts(terms):
    """Both are imported already, and bind the same name."""
    for name, value in (("one", 1), ("two", 2)):
        (terms.scripts / f"{name}.py").write_text(f"LIMIT = {value}\n")
    text = "import one\nimport two\nfrom one import LIMIT\n\ndef brief(*_):\n    return LIMIT\n"
    (terms.scripts / "my_terms.py").write_text(text)
    first = terms.code()
    (terms.scripts / "my_terms.py").write_text(text.replace("from one import", "from two import"))
    assert meanings(terms.code()) != meanings(first)


def test_a_term_outside_the_workflow_counts_with_what_lies_beside_it(terms, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "installed_terms.py").write_text("import installed_words\nfrom my_words import LIMIT\n")
    (own / "installed_words.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(own)
    first = terms.code("installed_terms:brief")
    assert set(first[1]) == {"installed_terms.py", "installed_words.py", "my_words.py", "my_late.py", "words.tsv"}
    (own / "installed_words.py").write_text("X = 2\n")
    assert meanings(terms.code("installed_terms:brief")) != meanings(first)
    sys.modules.pop("installed_terms", None)


@pytest.mark.parametrize(
    ("reads", "counts"),
    [
        ("open(HERE / 'words.txt')", True),
        ("open(HERE / 'lists' / 'words.txt')", True),
        ("open(os.path.join(HERE, 'lists', 'words'))", True),
        ("HERE.joinpath('lists', 'words')", True),
        ("open('mine/lists/words.txt')", True),  # from the working directory
        ("open('words.txt')", True),  # the same; of two files of that name the one beside the code is meant
        ("open(HERE / f'{which}.txt')", False),
        ("sorted(HERE.glob('lists/*'))", False),
        ("open('../other/words.txt')", False),  # another folder
        ("open('other/words.txt')", False),
        pytest.param(repr("é" * 150 + ".txt"), False, id="long"),  # a name that no file can have
    ],
)
def test_a_data_file_below_the_folder_of_a_plug_in_counts_where_the_code_spells_out_its_name(tmp_path, monkeypatch, reads, counts):
    monkeypatch.chdir(tmp_path)
    places = ["mine/words.txt", "mine/lists/words.txt", "mine/lists/words", "other/words.txt", "words.txt"]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("a\n")
    (tmp_path / "mine/terms.py").write_text(f"def brief(*_):\n    return {reads}\n")

    def code():
        found = training_code.Code([])
        return found.term("mine/terms.py:brief"), set(found.files().values())

    first = code()
    for place in places:
        (tmp_path / place).write_text("b\n")
    assert (code() != first) is counts


def test_two_files_of_one_name_both_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "terms.py").write_text(f"def brief(*_):\n    return '{folder}'\n")
    code = training_code.Code([])
    for folder in ("one", "two"):
        code.term(f"{folder}/terms.py:brief")
    assert set(code.files()) == {"terms.py", "terms.py (2)"}


def test_a_term_of_an_installed_package_counts_with_the_package_alone(terms, tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    (site / "pack").mkdir(parents=True)
    (site / "other.py").write_text("X = 1\n")
    for name, text in {"__init__.py": "", "terms.py": "import other\nfrom pack.words import X\n", "words.py": "X = 1\n"}.items():
        (site / "pack" / name).write_text(text)
    monkeypatch.syspath_prepend(site)
    first = terms.code("pack.terms:brief")
    (site / "other.py").write_text("X = 2\n")
    assert terms.code("pack.terms:brief") == first, "other packages count by their versions at most"
    (site / "pack/words.py").write_text("X = 2\n")
    assert meanings(terms.code("pack.terms:brief")) != meanings(first)
    for name in ("pack", "pack.terms"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("key", ["data.custom_cls.path", "reward.custom_reward_function.path"])
def test_a_plug_in_that_a_raw_key_names_counts(terms, tmp_path, config, key):
    for path in ("my_dataset.py", "my_rows.py", "train.parquet"):
        (tmp_path / path).write_text("X = 1\n")
    (tmp_path / "my_dataset.py").write_text("import my_rows\n")
    (tmp_path / "model").mkdir()
    for place in (*fingerprints.CODE, "reward.py"):
        (terms.scripts / place).parent.mkdir(parents=True, exist_ok=True)
        (terms.scripts / place).write_text("")
    stage = stage_of(config, verl={key: str(tmp_path / "my_dataset.py")})

    def name():
        code_files.direct.cache_clear()
        return fingerprints.name(plan_of(stage, tmp_path / "train.parquet", tmp_path / "model").fingerprint)

    first = name()
    (tmp_path / "my_rows.py").write_text("X = 1  # a comment\n")
    assert name() == first
    (tmp_path / "my_rows.py").write_text("X = 2\n")
    assert name() != first


@pytest.mark.parametrize("term", ["nowhere_terms:brief", "nowhere.terms:brief", "sys:exit"])
def test_a_term_without_a_module_is_refused(terms, term):
    name = term.partition(":")[0]
    with pytest.raises(UserError, match=f"config: reward.terms: '{term}': there is no module '{name}'; write scripts/"):
        terms.code(term)


def test_a_term_that_is_no_python_is_refused_in_one_line(terms):
    (terms.scripts / "my_terms.py").write_text("def brief(:\n")
    with pytest.raises(UserError, match=r"my_terms\.py: is no Python \(invalid syntax"):
        terms.code()
