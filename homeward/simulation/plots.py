"""Draws the plots of the report as SVG that needs nothing from outside.

Solid colour is recorded in the data; hatching is modelled.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK = "#1f2a37"
MUTED = "#6b7684"
GRID = "#e4e8ec"
TEAL = "#0f766e"
SAND = "#e0b458"
BRICK = "#b4532a"
SLATE = "#9fb3c8"

#: How wide and high a plot is, in inches: across the page, and in one of two columns.
WIDE = (10.4, 3.5)
HALF = (5.4, 3.5)

#: Most weeks whose numbers have room below a plot.
WEEKS_NAMED = 26

_STYLE: Any = {
    "svg.fonttype": "none",
    # Fixed names inside the SVG, so that the same seed gives the same page.
    "svg.hashsalt": "homeward",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "hatch.linewidth": 1.4,
    "hatch.color": "white",
}


def funnel(steps: Sequence[Mapping[str, Any]]) -> str:
    """Draw how many people came how far, from the first step on top to the last."""
    with mpl.rc_context(_STYLE):
        figure, axes = _canvas(grid="x", size=WIDE)
        most = max([step["people"] for step in steps] + [1])
        for place, step in enumerate(steps):
            modelled = step["kind"] == "modelled"
            axes.barh(
                place, step["people"], height=0.68, color=TEAL, alpha=1 - 0.07 * place,
                hatch="///" if modelled else None, edgecolor="white", linewidth=0,
            )  # fmt: skip
            share = f"{step['people']} · {100 * step['people'] / most:.0f} %"
            axes.text(step["people"] + most * 0.012, place, share, va="center", color=INK)
        axes.set_yticks(range(len(steps)), [step["step"] for step in steps], color=INK)
        axes.invert_yaxis()
        axes.set_xlim(0, most * 1.16)
        axes.set_xlabel("people")
        return _svg(figure)


def attendance(weeks: Sequence[Mapping[str, Any]]) -> str:
    """Draw attended and missed patient-sessions week by week, and the share attended."""
    with mpl.rc_context(_STYLE):
        figure, axes = _canvas(grid="y", size=HALF)
        numbers = [week["week"] for week in weeks]
        attended = [week["attended"] for week in weeks]
        missed = [week["missed"] for week in weeks]
        axes.bar(numbers, attended, width=0.78, color=TEAL, hatch="///", linewidth=0, label="attended")
        axes.bar(
            numbers, missed, width=0.78, bottom=attended, color=SAND, hatch="///", linewidth=0, label="missed"
        )
        axes.set_xlabel("week of the simulation")
        axes.set_ylabel("patient-sessions")
        axes.set_xticks(numbers[:: math.ceil(len(numbers) / WEEKS_NAMED)])
        axes.set_ylim(0, max([a + m for a, m in zip(attended, missed, strict=True)] + [1]) * 1.12)
        share = axes.twinx()
        known = [
            (week["week"], week["attended_percent"]) for week in weeks if week["attended_percent"] is not None
        ]
        share.plot([n for n, _ in known], [p for _, p in known], color=BRICK, marker="o", markersize=4)
        share.set_ylim(0, 112)
        share.set_yticks([0, 25, 50, 75, 100])
        share.set_ylabel("percent attended", color=BRICK)
        for side in ("top", "left", "right", "bottom"):
            share.spines[side].set_visible(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False, ncols=2)
        return _svg(figure)


def outreach(counts: Mapping[str, int]) -> str:
    """Draw how soon a missed session was followed by a first attempt to reach the patient."""
    names = {
        "15": "≤ 15 min", "30": "≤ 30 min", "45": "≤ 45 min", "60": "≤ 1 h", "120": "≤ 2 h",
        "240": "≤ 4 h", "480": "≤ 8 h", "1440": "≤ 24 h", "later": "later", "never": "never",
    }  # fmt: skip
    with mpl.rc_context(_STYLE):
        figure, axes = _canvas(grid="y", size=HALF)
        total = sum(counts.values())
        in_time = ("15", "30", "45", "60")
        for place, (label, n) in enumerate(counts.items()):
            axes.bar(place, n, width=0.78, color=TEAL if label in in_time else SAND, hatch="///", linewidth=0)
            if n:
                axes.text(
                    place, n, f"{100 * n / total:.0f} %", ha="center", va="bottom", color=INK, fontsize=9
                )
        axes.axvline(len(in_time) - 0.5, color=BRICK, linewidth=1.4, linestyle=(0, (4, 3)))
        axes.text(len(in_time) - 0.42, max([*counts.values(), 1]) * 1.04, "one hour", color=BRICK, fontsize=9)
        axes.set_ylim(0, max([*counts.values(), 1]) * 1.14)
        axes.set_xticks(range(len(counts)), [names[label] for label in counts], fontsize=8.5, rotation=35)
        axes.set_ylabel("missed sessions")
        return _svg(figure)


def stays(by_reason: Mapping[str, Mapping[str, Any]], *, national_median: int) -> str:
    """Draw how long people stayed, by the reason for which they left."""
    groups = (
        ("completed", ("1",), TEAL),
        ("dropped out", ("2",), SAND),
        ("transferred", ("4",), SLATE),
        ("terminated, other", ("3", "5", "6", "7"), BRICK),
    )
    with mpl.rc_context(_STYLE):
        figure, axes = _canvas(grid="y", size=HALF)
        days = [[d for code in codes for d in by_reason[code]["days"]] for _, codes, _ in groups]
        longest = max([d for group in days for d in group] + [national_median, 84])
        edges = list(range(0, longest + 14, 7))
        _, _, bars = axes.hist(
            days, bins=edges, stacked=True, label=[name for name, _, _ in groups],
            color=[colour for _, _, colour in groups], rwidth=0.9, linewidth=0,
        )  # fmt: skip
        for container in cast("list[BarContainer]", bars):
            for bar in container:
                bar.set_hatch("///")
        axes.axvline(national_median, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        # Nobody is part of a person, also where nobody was discharged at all.
        top = max(axes.get_ylim()[1], 1.0)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.text(national_median + 1, top * 1.02, f"national median: {national_median} d", fontsize=8.5)
        axes.set_ylim(0, top * 1.12)
        axes.set_xticks(edges[::2] if len(edges) < 24 else edges[::4])
        axes.set_xlabel("days from admission to last contact")
        axes.set_ylabel("people discharged")
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, 1.15),
            frameon=False,
            ncols=4,
            fontsize=8.5,
            columnspacing=1,
            handlelength=1.4,
        )
        return _svg(figure)


def _canvas(*, grid: Literal["x", "y"], size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.grid(axis=grid, color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    return figure, axes


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(out, format="svg", metadata=nothing)
    # Inside a page the SVG needs neither its prologue nor descriptions that name other places.
    text = out.getvalue()
    text = text[text.index("<svg") :]
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
