"""What a generator wrote beside the private notes, as one SVG: lengths, control values, headings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .chart import INK, LETTER, LINE, MARKERS, MUTED, WIDTH, colour, to_svg

SERIES = ("private", "synthetic", "requested")
ROW, HEAD, FOOT, LEGEND = 0.26, 0.42, 0.3, 0.4  # inches
MAX_NAME = 32  # characters of a name in the margin
MAX_VALUES = 12  # of a control key: those that the private notes have most often


@dataclass(frozen=True)
class Panel:
    """Rows under a TITLE; of each row a name and, by series, one number or a spread of numbers."""

    title: str
    rows: list[tuple[str, dict[str, Any]]]
    is_share: bool = True


def draw_generation(report: Mapping[str, Any]) -> str:
    """An SVG of the REPORT that `describe_generation` made."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = panels_of(report)
    heights = [len(panel.rows) * ROW + FOOT for panel in panels]
    height = LEGEND + sum(heights) + HEAD * len(panels)
    left = 0.3 + LETTER * max(len(name) for panel in panels for name, _ in panel.rows)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "generation", "font.size": 10.5}):
        figure = Figure(figsize=(WIDTH, height))
        top = height - LEGEND
        for panel, tall in zip(panels, heights, strict=True):
            top -= HEAD + tall
            box = (left / WIDTH, (top + FOOT) / height, 0.97 - left / WIDTH, (tall - FOOT) / height)
            _draw_panel(figure.add_axes(box), panel)
        shown = [n for n, series in enumerate(SERIES) if any(series in row for p in panels for _, row in p.rows)]
        handles = [figure.axes[0].plot([], MARKERS[n], color=colour(n), label=SERIES[n])[0] for n in shown]
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, labelcolor=INK)
        return to_svg(figure, len(SERIES), "generation")


def panels_of(report: Mapping[str, Any]) -> list[Panel]:
    """The panels that REPORT has figures for."""
    lengths = {side: found for side, found in report["length_in_words"].items() if found["n"]}
    panels = [Panel("Length in words", [(side, {side: found}) for side, found in lengths.items()], is_share=False)]
    names = {"private": "private", "delivered": "synthetic", "requested": "requested"}
    for key, control in report["control"].items():
        totals = {side: sum(row[side] for row in control["values"].values()) for side in names}
        frequent = sorted(control["values"], key=lambda value: -control["values"][value]["private"])[:MAX_VALUES]
        rows = [
            (value, {names[side]: row[side] / totals[side] for side in names if totals[side]})
            for value, row in control["values"].items()
            if value in frequent
        ]
        panels.append(Panel(f"{key}: share of notes", rows))
    headings = report["sections"]["headings"]
    n_notes = headings["n_notes"]
    rows = [(name, {s: row[s] / n_notes[s] for s in row if n_notes[s]}) for name, row in headings["notes_with"].items()]
    panels.append(Panel("Headings: share of notes", rows))
    return [
        Panel(_short(panel.title), [(_short(name), row) for name, row in panel.rows], panel.is_share)
        for panel in panels
        if panel.rows
    ]


def _short(name: str) -> str:
    name = " ".join(name.split()).replace("$", "")  # matplotlib would read a formula
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def _draw_panel(axes: Any, panel: Panel) -> None:
    for y, (_, row) in enumerate(panel.rows):
        for number, series in enumerate(SERIES):
            if series in row:
                _draw(axes, number, y, row[series])
    axes.set_title(panel.title, loc="left", color=INK, fontsize=10.5, pad=6)
    axes.set_yticks(range(len(panel.rows)), [name for name, _ in panel.rows], color=INK)
    axes.set_ylim(len(panel.rows) - 0.4, -0.6)
    right = axes.get_xlim()[1]
    axes.set_xlim(-0.01 * right, right)
    if panel.is_share:
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    axes.grid(axis="x", color=LINE, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=8)
    axes.tick_params(axis="x", colors=MUTED)
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw(axes: Any, number: int, y: float, value: Any) -> None:
    """A dot at a number; of a spread the median, half of all and nine in ten."""
    ink = colour(number)
    if isinstance(value, Mapping):
        axes.plot([value["q05"], value["q95"]], [y, y], color=ink, linewidth=1.2, zorder=2)
        axes.plot([value["q25"], value["q75"]], [y, y], color=ink, linewidth=4.5, solid_capstyle="butt", zorder=2)
        value = value["median"]
    axes.plot(value, y, MARKERS[number], color=ink, markersize=7 - number, markeredgewidth=0, alpha=0.9, zorder=3)
