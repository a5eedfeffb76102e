"""Small SVG charts in text: a few kilobytes each, readable at 360 pixels, with alt texts and a text to hover over at every line.

No drawing library: matplotlib takes 270 ms and 19 to 96 kB a chart where these take 8 ms and 5 to 43 kB, its identifiers clash where
several charts stand in one page, and it writes no texts to hover over.
Colours are Okabe and Ito's palette, which stays apart for colour-blind readers; series also differ in their dashes.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Points = Sequence[tuple[float, float]]

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7b5ea7")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "", "6 3", "2 3", "8 3 2 3")
REFERENCE = "#767676"

STYLE = """
.chart{font:11px/1.2 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#4a5160}
.chart .title{font-size:13px;font-weight:600;fill:#1c2230}
.chart .grid{stroke:#dfe3ea;stroke-width:1}
.chart .axis{stroke:#9aa3b2;stroke-width:1}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .raw{fill:none;stroke-width:1;opacity:.28}
.chart .band{opacity:.16;stroke:none}
.chart .chosen{stroke-width:1.5;stroke-dasharray:3 3}
.chart .stage{stroke-width:1;opacity:.6}
.chart .flag{stroke:#fff;stroke-width:1}
.chart .strong{fill:#1c2230}
.chart .inverse{fill:#fff}
""".strip()


@dataclass(frozen=True)
class Series:
    """One line: points (x, y), the raw curve behind a smoothed one, and limits (x, low, high) for a band."""

    name: str
    points: Points
    raw: Points = ()
    band: Sequence[tuple[float, float, float]] = ()
    colour: str = PALETTE[0]
    dash: str = ""
    dots: bool = False


@dataclass(frozen=True)
class Mark:
    """An upright at x: a dotted one (`chosen`), a thin one (`stage`), or a triangle at the top (`flag`), with a text to hover over."""

    x: float
    colour: str
    text: str
    kind: str = "chosen"


def colours(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and dash of each name in the order of first mention; `base` is grey."""
    others = list(dict.fromkeys(name for name in names if name != "base"))
    chosen = {name: (PALETTE[i % len(PALETTE)], DASHES[i % len(DASHES)]) for i, name in enumerate(others)}
    return {"base": (REFERENCE, "4 3")} | chosen


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`."""
    if not high > low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / max(most - 1, 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 12) for place in range(first, last + 1)]


def number(value: float) -> str:
    """Short text of a number: 8000 → 8k, 0.25 → 0.25."""
    if abs(value) >= 10_000 or (abs(value) >= 1000 and value % 1000 == 0):
        return f"{value / 1000:g}k"
    return f"{value:.4g}"


def thousands(value: float | None) -> str:
    """A count with narrow spaces, a smaller number with three digits, a dash for None: 12345 → 12 345, 2.5 → 2.5."""
    if value is None:
        return "–"
    return f"{value:,.0f}".replace(",", "\u202f") if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"


def percent(value: float) -> str:
    """A share as percent."""
    return f"{100 * value:.3g} %"


def escape(text: str) -> str:
    """Text for SVG and HTML, attributes included; what no XML may hold becomes �."""
    return html.escape(_NOT_IN_XML.sub("\ufffd", str(text)), quote=True)


def frame(title: str, description: str, width: float, height: float, body: str) -> str:
    """An SVG element with title, description and body; sizes are its natural pixels."""
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(title)}. {escape(description)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{body}</svg>"
    )


def side_by_side(drawn: Sequence[str], title: str, description: str, columns: int, width: float = 370, height: float = 260) -> str:
    """Charts of one size in rows of `columns`, as one."""
    body = "".join(
        svg.replace("<svg ", f'<svg x="{place % columns * width:g}" y="{place // columns * height:g}" ', 1)
        for place, svg in enumerate(drawn)
    )
    return frame(title, description, min(columns, len(drawn)) * width, math.ceil(len(drawn) / columns) * height, body)


def standalone(svg: str) -> str:
    """The same SVG as a file of its own: with its style and a white ground."""
    head, _, rest = svg.partition(">")
    return f'{head}><style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{rest}\n'


@dataclass(frozen=True)
class _Plane:
    """The area of a chart in pixels, and the values at its edges."""

    left: float
    right: float
    top: float
    base: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return self.left + (value - self.x_low) / (self.x_high - self.x_low) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.base - (value - self.y_low) / (self.y_high - self.y_low) * (self.base - self.top)

    def path(self, points: Points) -> str:
        return "M" + "L".join(f"{self.x(a):.1f} {self.y(b):.1f}" for a, b in points)


def line_chart(
    series: Sequence[Series],
    title: str,
    description: str,
    x_label: str = "step",
    y_format: Callable[[float], str] = number,
    y_from: float | None = None,
    marks: Sequence[Mark] = (),
    x_names: Mapping[float, str] | None = None,
    width: float = 370,
    height: float = 260,
) -> str:
    """Lines over a common x axis; `x_names` names the x values. Empty series are left out."""
    series = [one for one in series if len(one.points)]
    if not series:
        return empty_chart(title, description, width)
    every = [p for one in series for p in (*one.points, *one.raw)] + [
        (x, limit) for one in series for x, *limits in one.band for limit in limits
    ]
    x_values, y_values = [p[0] for p in every], [p[1] for p in every]
    rows = ticks(min(y_values) if y_from is None else min(y_from, min(y_values)), max(y_values))
    columns = {value: x_names[value] for value in x_names} if x_names else {v: number(v) for v in ticks(min(x_values), max(x_values))}
    x_low, x_high = min(x_values), max(x_values)
    if x_low == x_high:
        x_low, x_high = x_low - 0.5, x_high + 0.5
    legend, legend_height = _legend(series, width)
    left = 14 + 6.2 * max(len(y_format(v)) for v in rows)
    plane = _Plane(left, width - 14.0, 26 + legend_height, height - 36.0, x_low, x_high, rows[0], rows[-1])
    body = [f'<text class="title" x="{left:g}" y="15">{escape(title)}</text>', legend]
    body += _axes(plane, {value: y_format(value) for value in rows}, columns, x_label)
    for one in series:
        if one.band:
            edge = [(a, high) for a, _, high in one.band] + [(a, low) for a, low, _ in reversed(one.band)]
            body.append(f'<path class="band" fill="{one.colour}" d="{plane.path(edge)}Z"/>')
        if one.raw:
            body.append(f'<path class="raw" stroke="{one.colour}" d="{plane.path(one.raw)}"/>')
    body += [_mark(plane, mark) for mark in marks if x_low <= mark.x <= x_high]
    for one in series:
        body += _line(plane, one, y_format, x_names or {})
    return frame(title, description, width, height, "".join(body))


def _axes(plane: _Plane, rows: Mapping[float, str], columns: Mapping[float, str], x_label: str) -> list[str]:
    """Grid lines with their values, the x axis with its own; `rows` and `columns` are the texts by value."""
    ends = f'x1="{plane.left:.1f}" x2="{plane.right:.1f}"'
    body = []
    for value, text in rows.items():
        y = plane.y(value)
        body.append(f'<line class="grid" {ends} y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(f'<text x="{plane.left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in columns.items():
        if plane.x_low <= value <= plane.x_high:
            body.append(f'<text x="{plane.x(value):.1f}" y="{plane.base + 16:.1f}" text-anchor="middle">{escape(text)}</text>')
    body.append(f'<line class="axis" {ends} y1="{plane.base:.1f}" y2="{plane.base:.1f}"/>')
    middle = (plane.left + plane.right) / 2
    body.append(f'<text x="{middle:.1f}" y="{plane.base + 31:.1f}" text-anchor="middle">{escape(x_label)}</text>')
    return body


def _mark(plane: _Plane, mark: Mark) -> str:
    place, told = plane.x(mark.x), f"<title>{escape(mark.text)}</title>"
    if mark.kind == "flag":
        return f'<path class="flag" fill="{mark.colour}" d="M{place - 6:.1f} {plane.top - 3:.1f}h12l-6 10z">{told}</path>'
    ends = f'x1="{place:.1f}" x2="{place:.1f}" y1="{plane.top:.1f}" y2="{plane.base:.1f}"'
    return f'<line class="{mark.kind}" stroke="{mark.colour}" {ends}>{told}</line>'


def _line(plane: _Plane, one: Series, y_format: Callable[[float], str], x_names: Mapping[float, str]) -> list[str]:
    """A series' line, and its dots where it has them."""
    dash = f' stroke-dasharray="{one.dash}"' if one.dash else ""
    last = y_format(one.points[-1][1])
    body = [
        f'<path class="line" stroke="{one.colour}"{dash} d="{plane.path(one.points)}">'
        f"<title>{escape(one.name)}: {escape(last)} at the end</title></path>"
    ]
    if one.dots or len(one.points) == 1:
        body += [
            f'<circle cx="{plane.x(a):.1f}" cy="{plane.y(b):.1f}" r="3" fill="{one.colour}">'
            f"<title>{escape(one.name)}: {escape(y_format(b))} at {escape(x_names.get(a) or number(a))}</title></circle>"
            for a, b in one.points
        ]
    return body


def _legend(series: Sequence[Series], width: float) -> tuple[str, float]:
    """Legend entries in rows, and the height they take; nothing for a single unnamed line."""
    named = list({one.name: one for one in series if one.name}.values())
    if not named:
        return "", 0.0
    left, row, parts = 14.0, 0, []
    for one in named:
        size = 30 + 6.3 * len(one.name)
        if left + size > width and left > 14:
            left, row = 14.0, row + 1
        height = 32 + 16 * row
        dash = f' stroke-dasharray="{one.dash}"' if one.dash else ""
        parts.append(
            f'<line x1="{left:.1f}" x2="{left + 20:.1f}" y1="{height - 4}" y2="{height - 4}" stroke="{one.colour}" '
            f'stroke-width="2.5"{dash}/><text x="{left + 25:.1f}" y="{height}">{escape(one.name)}</text>'
        )
        left += size + 10
    return "".join(parts), 16.0 * (row + 1) + 4


def empty_chart(title: str, description: str, width: float = 370) -> str:
    """A frame that says that there is nothing to draw."""
    body = f'<text class="title" x="14" y="15">{escape(title)}</text><text x="14" y="48">nothing logged yet</text>'
    return frame(title, description, width, 70, body)


def bar_chart(bars: Sequence[tuple[str, float, str]], title: str, description: str, width: float = 560) -> str:
    """Horizontal bars (label, value, text at the end), in the given order."""
    if not bars:
        return empty_chart(title, description, width)
    left = 14 + 6.4 * max(len(label) for label, _, _ in bars)
    most = max(value for _, value, _ in bars) or 1.0
    room = width - left - 16 - 6.4 * max(len(text) for _, _, text in bars)
    body = [f'<text class="title" x="14" y="15">{escape(title)}</text>']
    for place, (label, value, text) in enumerate(bars):
        y = 30 + 26 * place
        size = max(1.0, room * value / most)
        body.append(
            f'<text x="{left - 8:.1f}" y="{y + 14}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{left:.1f}" y="{y}" width="{size:.1f}" height="20" rx="3" fill="{PALETTE[0]}" opacity=".85"/>'
            f'<text class="strong" x="{left + size + 6:.1f}" y="{y + 14}">{escape(text)}</text>'
        )
    return frame(title, description, width, 38 + 26 * len(bars), "".join(body))


def histogram_chart(
    edges: Sequence[float], counts: Sequence[tuple[str, Sequence[int], str, str]], title: str, description: str, x_label: str
) -> str:
    """Outlined histograms over common bins: (name, counts, colour, dash), each drawn as the share of its own total."""
    series = []
    for name, values, colour, dash in counts:
        total = sum(values)
        if total:
            points = [(edges[0], 0.0)]
            for place, value in enumerate(values):
                points += [(edges[place], value / total), (edges[place + 1], value / total)]
            series.append(Series(name, [*points, (edges[len(values)], 0.0)], colour=colour, dash=dash))
    return line_chart(series, title, description, x_label=x_label, y_format=percent, y_from=0, height=230)


def _cut(text: str, most: int) -> str:
    """Text that fits a box."""
    return text if len(text) <= most else text[: most - 1] + "…"


def graph(columns: Sequence[Sequence[tuple[str, str, str]]], edges: Sequence[tuple[str, str]], title: str, description: str) -> str:
    """Boxes in columns, left to right: (key, label, note); edges between keys."""
    wide, high, gap_x, gap_y = 132, 44, 32, 14
    tallest = max(len(column) for column in columns)
    height = 20 + tallest * (high + gap_y)
    places, body = {}, []
    for x, column in enumerate(columns):
        top = 10 + (tallest - len(column)) * (high + gap_y) / 2
        for row, (key, _, _) in enumerate(column):
            places[key] = (10 + x * (wide + gap_x), top + row * (high + gap_y))
    for start, end in edges:
        x1, y1 = places[start][0] + wide, places[start][1] + high / 2
        x2, y2 = places[end][0], places[end][1] + high / 2
        middle = (x1 + x2) / 2
        body.append(
            f'<path d="M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2 - 5:.0f} {y2:.0f}" fill="none" '
            f'stroke="#9aa3b2" stroke-width="1.5"/><path d="M{x2 - 6:.0f} {y2 - 3.5:.1f}l6 3.5l-6 3.5z" fill="#9aa3b2"/>'
        )
    for column in columns:
        for key, label, note in column:
            x, y = places[key]
            body.append(
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{wide}" height="{high}" rx="8" class="box" fill="#f0f6fb" stroke="#8fb8d8"/>'
                f'<text class="strong" x="{x + wide / 2:.0f}" y="{y + 19:.0f}" text-anchor="middle">{escape(_cut(label, 20))}</text>'
                f'<text x="{x + wide / 2:.0f}" y="{y + 34:.0f}" text-anchor="middle">{escape(_cut(note, 22))}</text>'
            )
    return frame(title, description, 20 + len(columns) * (wide + gap_x) - gap_x, height, "".join(body))


def forest_chart(rows: Sequence[tuple[str, float, float, float]], title: str, description: str, width: float = 560) -> str:
    """Effects (label, value, low, high) below each other with their intervals, in points, and an upright at no difference."""
    if not rows:
        return empty_chart(title, description, width)
    columns = ticks(min(0.0, *(low for _, _, low, _ in rows)), max(0.0, *(high for _, _, _, high in rows)))
    left = 14 + 6.4 * max(len(_cut(label, 34)) for label, *_ in rows)
    height = 74 + 24 * len(rows)
    plane = _Plane(left, width - 128.0, 28, height - 38.0, columns[0], columns[-1], 0, len(rows))
    body = [f'<text class="title" x="14" y="15">{escape(title)}</text>']
    body += _axes(plane, {}, {value: number(value) for value in columns}, "points")
    zero = plane.x(0)
    body.append(f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="{plane.top}" y2="{plane.base:.1f}"/>')
    for place, (label, value, low, high) in enumerate(rows):
        y, colour = plane.top + 16 + 24 * place, PALETTE[0]
        told = f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
        body.append(
            f'<text x="{left - 8:.1f}" y="{y + 4}" text-anchor="end">{escape(_cut(label, 34))}</text>'
            f'<line x1="{plane.x(low):.1f}" x2="{plane.x(high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
            f'<circle cx="{plane.x(value):.1f}" cy="{y}" r="4" fill="{colour}"><title>{escape(label)}: {told}</title></circle>'
            f'<text class="strong" x="{plane.right + 8:.1f}" y="{y + 4}">{told}</text>'
        )
    return frame(title, description, width, height, "".join(body))
