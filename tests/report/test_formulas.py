"""Formulas as MathML: drawn where they can be read, text where not, and never a way for text to become markup."""

import html
import re

import pytest
from mathrl.report.formulas import PATTERN, Formulas, as_markup

pytest.importorskip("latex2mathml", reason="an environment older than envs/cpu.txt: make env")


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        (r"a $\frac{1}{2}$ b", "a <math><mfrac><mn>1</mn><mn>2</mn></mfrac></math> b"),
        (r"\(x<y\)", "<math><mrow><mi>x</mi><mo>&lt;</mo><mi>y</mi></mrow></math>"),
        (r"\[x\]", '<math display="block"><mi>x</mi></math>'),
        (r"so \boxed{7}.", 'so <math><mrow class="boxed"><mn>7</mn></mrow></math>.'),
    ],
)
def test_drawn(text, drawn):
    assert as_markup(text) == drawn


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 and $6",
        r"$\frac{1$",
        r"$\left(x$",
        r"$\href{javascript:alert(1)}{x}$",
        r"$\style{background:url(//x)}{x}$",
        r"$\class{stolen}{x}$",
        r"$\phantom{hidden}$",
        r"$\color{white}hidden$",
        r"$\mathrlap{over}$ what follows",
        "$" + "{" * 60 + "}" * 60 + "$",
        "$" + r"\frac{" * 90 + "$",
        "<b>bold</b>",
    ],
    ids=lambda text: text[:20],
)
def test_what_cannot_be_read_or_hides_something_stays_text(text):
    assert as_markup(text) == html.escape(text)


@pytest.mark.parametrize(
    "hostile",
    [
        r"$\text{<script>alert(1)</script>}$",
        r"$\text{&lt;script&gt;alert(1)&lt;/script&gt;}$",
        r"$x</math><img src=x onerror=alert(1)>$",
        r"$\operatorname{<svg/onload=alert(1)>}$",
        r"$\begin{array}{c\"onclick=alert(1)}x\end{array}$",
        r"$\mathrm{</annotation-xml><style>*{display:none}</style>}$",
        "$\\unicode{x3c}script\\unicode{x3e}$",
    ],
)
def test_nothing_becomes_markup(hostile):
    """Whatever the converter makes of it: tags are MathML's and ours, attributes are allowed ones, and no text is lost from the source."""
    made = as_markup(hostile)
    tags = set(re.findall(r"</?([a-zA-Z-]+)", made))
    assert all(tag == "math" or tag.startswith("m") for tag in tags), made
    assert not re.search(r"<[^>]*\s(?:on\w+|href|style|src)\s*=", made), made


@pytest.mark.parametrize("space", [r"\hspace{-9em}", r"\kern-5em ", r"\hskip -9em ", r"\hspace{99em}", r"\hspace{12.5em}"])
def test_no_space_moves_text_over_other_text_or_out_of_sight(space):
    assert as_markup(f"$a{space}b$") == "<math><mrow><mi>a</mi><mspace></mspace><mi>b</mi></mrow></math>"


@pytest.mark.parametrize(("tex", "kept"), [(r"a\quad b", 'width="1em"'), (r"\bigl(a\bigr)", 'minsize="1.2em"'), (r"\binom{a}{b}", '"0"')])
def test_usual_sizes_are_kept(tex, kept):
    assert kept in as_markup(f"${tex}$")


def test_a_formula_is_converted_once_and_a_page_has_a_limit(monkeypatch):
    from mathrl.report import formulas

    monkeypatch.setattr(formulas, "MOST", 2)
    found = Formulas()
    found.note(["$a$ $b$ $a$", "$c$"])
    found.note_answers(["12", r"\frac{1}{2}"])
    assert list(found.table()) == ["$a$", "$b$"]


def test_the_pattern_is_one_that_the_pages_script_reads_too():
    """No named groups, no lookbehind, no flags: JavaScript's RegExp takes it as it is."""
    assert "(?P" not in PATTERN and "(?<" not in PATTERN


def test_long_hostile_text_costs_no_time():
    import time

    begin = time.process_time()
    for text in ("$" * 6000, "\\boxed{" * 900, "$$" + "a" * 6000, "\\[" * 3000, "$a" * 3000):
        as_markup(text)
    assert time.process_time() - begin < 5
