"""Charts of trainings that differ in their seed: the mean over seeds, with their range as a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mathrl.report import charts

Shares = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
"""By habit and mode a curve of each seed: the share of responses that show the habit, a value per step."""


def habit_charts(shares: Shares) -> str:
    """A chart for each habit, side by side: its share by step, a line for each mode."""
    drawn = []
    for habit, modes in shares.items():
        series = []
        for place, (mode, curves) in enumerate(modes.items()):
            steps = list(zip(*curves, strict=False))  # as far as all seeds came
            points = [(step, sum(values) / len(values)) for step, values in enumerate(steps, 1)]
            band = [(step, min(values), max(values)) for step, values in enumerate(steps, 1)]
            series.append(charts.Series(mode, points, band=band, colour=charts.PALETTE[place], dash=charts.DASHES[place]))
        told = f"Share of responses that show the habit {habit} at each step; the band is the range over seeds."
        drawn.append(charts.line_chart(series, f"habit {habit}", told, y_format=charts.percent, y_from=0.0))
    return charts.standalone(charts.side_by_side(drawn, "Planted hacks", "A chart for each habit.", columns=3))
