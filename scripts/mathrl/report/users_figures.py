"""The study report's figures of training: ours, and those of the user's in place of ours or beside them.

A figure of the user's is a function `(runs, benchmark) -> SVG`, or `-> (SVG, caption)`. `runs` is what `results/figures/curves.json` holds:
by run, its joined curves, stages and flags. `benchmark` is the validation set. `mathrl.report.charts` draws lines and bars.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from mathrl.core import users_code
from mathrl.core.files import UserError
from mathrl.report.figures import CAPTIONS, figure_charts
from mathrl.report.records import RunCurves

Figure = tuple[str, str, str]
"""Name, SVG, caption."""


def training_figures(
    runs: Mapping[str, RunCurves], benchmark: str | None, users: Mapping[str, str], order: Sequence[str] = ()
) -> list[Figure]:
    """Figures 1 to 4, those of `users` by one of our names in their place, all others behind them.

    Raises:
        UserError: a figure of the user's cannot be had, or draws no SVG.
    """
    ours = figure_charts(runs, benchmark, order)
    found = [(name, svg, CAPTIONS[name]) if name not in users else _drawn(name, users[name], runs, benchmark) for name, svg in ours.items()]
    return found + [_drawn(name, function, runs, benchmark) for name, function in users.items() if name not in ours]


def _drawn(name: str, function: str, runs: Mapping[str, RunCurves], benchmark: str | None) -> Figure:
    where = f"report.figures.{name}"
    if "/" in name:  # it is a file's name
        raise UserError(f"{where}: a figure's name holds no '/'; rename it")
    draw = users_code.load(function, where)
    try:
        given = draw(copy.deepcopy(dict(runs)), benchmark)  # what it changes in them no other figure shows
    except (Exception, SystemExit) as error:  # code of the user's may raise anything
        path = users_code.path_of(function) if users_code.is_file(function) else None
        raise UserError(f"{where}: '{function}' failed: {users_code.told(error, path)}; mend it") from None
    pair = given if isinstance(given, tuple) and len(given) == 2 else (given, CAPTIONS.get(name, ""))
    svg, caption = pair
    if not isinstance(svg, str) or not isinstance(caption, str):
        odd = caption if isinstance(svg, str) else svg
        raise UserError(f"{where}: '{function}' answers a {type(odd).__name__}; it must be SVG as a text, or a pair of that and a caption")
    try:
        (svg + caption).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: '{function}' answers a text that no file can hold ({error.reason})") from None
    return name, _checked(svg, f"{where}: '{function}'"), caption


def _checked(svg: str, where: str) -> str:
    """The element `svg` alone, without what stands before it in a file.

    Raises:
        UserError: it is none, or would run a script in the page.
    """
    begin = svg.find("<svg")
    text = svg[begin:].strip() if begin >= 0 else svg
    try:
        root = ElementTree.fromstring(text if "xmlns" in text.partition(">")[0] else text.replace("<svg", '<svg xmlns="svg"', 1))
    except ElementTree.ParseError as error:
        raise UserError(f"{where} answers no SVG ({error})") from None
    if root.tag.rpartition("}")[2] != "svg" or any(map(_runs_a_script, root.iter())):
        raise UserError(f"{where} answers no SVG without a script")
    return text


def _runs_a_script(part: ElementTree.Element) -> bool:
    """As HTML reads it, where capitals do not count."""
    names = {name.rpartition("}")[2].lower(): value for name, value in part.attrib.items()}
    links = "".join(names.get("href", "").split()).lower().startswith("javascript:")
    return links or part.tag.rpartition("}")[2].lower() == "script" or any(name.startswith("on") for name in names)
