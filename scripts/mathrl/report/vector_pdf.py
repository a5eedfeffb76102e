"""The report's SVG charts as PDF, for LaTeX: the few shapes that `charts` writes, drawn again by matplotlib's PDF writer.

It is no converter for other people's SVG: an element that `charts` does not write is an error, so that none is lost unseen.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from mathrl.report import charts

_SVG = "{http://www.w3.org/2000/svg}"
_SILENT = {"title", "desc", "style", "g"}
POINTS = 0.75  # points of a CSS pixel

# The style sheet of `charts` by class; an element's own attributes come first.
_CLASSES: dict[str, dict[str, str]] = {
    name: dict(part.split(":", 1) for part in body.split(";")) for name, body in re.findall(r"\.chart \.(\w+)\{([^}]*)\}", charts.STYLE)
}


def to_pdf(svg: str) -> bytes:
    """PDF of one chart, of its natural size; the same chart gives the same bytes.

    Raises:
        ValueError: an element or a path command that `charts` does not write.
    """
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    root = ET.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    figure = Figure(figsize=(width / 96, height / 96))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    for order, element in enumerate(root):
        _draw(axes, element, order)
    buffer = io.BytesIO()
    FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None, "Title": root.findtext(f"{_SVG}title")})
    return buffer.getvalue()


def _draw(axes: Any, element: ET.Element, order: int) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch, PathPatch

    tag, given = element.tag.removeprefix(_SVG), element.attrib
    if tag in _SILENT:
        return
    look = _CLASSES.get(given.get("class", ""), {}) | dict(given)
    number = {key: float(value) for key, value in given.items() if re.fullmatch(r"-?[\d.]+", value)}
    paint = _paint(look) | {"zorder": order}
    if tag == "text":
        place = {"middle": "center", "end": "right"}.get(look.get("text-anchor", ""), "left")
        weight = "bold" if look.get("font-weight") == "600" else "normal"
        size = float(look.get("font-size", "11").removesuffix("px")) * POINTS
        drawn = axes.text(number["x"], number["y"], element.text or "", ha=place, va="baseline", size=size, weight=weight)
        drawn.set(color=_colour(look.get("fill", "#4a5160")), zorder=order, parse_math=False)
    elif tag == "line":
        stroke = {key: value for key, value in paint.items() if key not in ("facecolor", "edgecolor")}
        axes.plot([number["x1"], number["x2"]], [number["y1"], number["y2"]], color=paint["edgecolor"], **stroke)
    elif tag == "rect":
        box = (number["x"], number["y"]), number["width"], number["height"]
        axes.add_patch(FancyBboxPatch(*box, boxstyle=f"round,pad=0,rounding_size={number.get('rx', 0)}", **paint))
    elif tag == "circle":
        axes.add_patch(Circle((number["cx"], number["cy"]), number["r"], **paint))
    elif tag == "path":
        axes.add_patch(PathPatch(_path(given["d"]), **paint))
    else:
        raise ValueError(f"the element <{tag}> is none of our charts; add it to mathrl.report.vector_pdf")


def _colour(value: str) -> str:
    return "none" if value in ("", "none") else value


def _paint(look: Mapping[str, str]) -> dict[str, object]:
    """matplotlib's words for fill, stroke, its width in points, dashes and opacity."""
    size = float(look.get("stroke-width", 1)) * POINTS
    dashes = [float(part) * POINTS / size for part in look.get("stroke-dasharray", "").split()]
    fill = look.get("fill", "none" if "stroke" in look else "#4a5160")
    paint: dict[str, object] = {"facecolor": _colour(fill), "edgecolor": _colour(look.get("stroke", "none")), "linewidth": size}
    if dashes:
        paint["linestyle"] = (0, dashes)
    return paint | ({"alpha": float(look["opacity"])} if "opacity" in look else {})


def _path(told: str) -> Any:
    """The path commands that `charts` writes: M, L, C and Z, and h and l relative to the last point."""
    from matplotlib.path import Path

    points: list[tuple[float, float]] = []
    codes: list[int] = []
    for command, rest in re.findall(r"([A-Za-z])([^A-Za-z]*)", told):
        values = [float(part) for part in re.findall(r"-?[\d.]+", rest)]
        if command in "Zz":
            points.append(points[0])
            codes.append(Path.CLOSEPOLY)
            continue
        if command == "h":
            values, command = [values[0], 0.0], "l"
        if command not in "MLCl":
            raise ValueError(f"the path command {command} is none of our charts; add it to mathrl.report.vector_pdf")
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if command == "l":
            pairs = [(points[-1][0] + pairs[0][0], points[-1][1] + pairs[0][1])]
        points += pairs
        codes += [{"M": Path.MOVETO, "C": Path.CURVE4}.get(command, Path.LINETO)] * len(pairs)
    return Path(points, codes)
