"""The scores as a chart: dots with their intervals, as SVG that takes its colours from the page."""

import io
import re
from typing import Any

from .report import MICRO

# Matplotlib needs colours; the page replaces these by its own, for light and dark.
PLACEHOLDERS = {"#010101": "currentColor", "#020202": "var(--muted)", "#030303": "var(--line)"}
INK, MUTED, LINE = PLACEHOLDERS
MARKERS = "oDs^v<>pP*"  # systems differ by shape too: colour alone is lost in print
MAX_LABELS = 10
WIDTH, ROW, GROUP_GAP, LETTER = 9.0, 0.17, 0.22, 0.1  # inches


def draw_scores(evaluation: dict[str, Any], measure: str = "strict") -> str:
    """An SVG of each system's F1 with its interval, all labels together first and then the most frequent labels."""
    import matplotlib
    from matplotlib.figure import Figure

    systems, scopes = evaluation["systems"], [MICRO, *frequent_labels(evaluation)]
    names = ["all labels", *scopes[1:]]
    step = len(systems) * ROW + GROUP_GAP
    height, left = len(scopes) * step + 0.75, 0.3 + LETTER * max(map(len, names))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scores", "font.size": 10.5}):
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes((left / WIDTH, 0.42 / height, 0.97 - left / WIDTH, 1 - 0.75 / height))
        for number, (name, system) in enumerate(systems.items()):
            axes.plot([], MARKERS[number % len(MARKERS)], color=colour(number), label=name.replace("_", " "))
            for group, scope in enumerate(scopes):
                _draw_dot(axes, number, group * step + (number + 0.5) * ROW, system["scores"][scope][measure])
        for group in range(1, len(scopes)):
            axes.axhline(group * step - GROUP_GAP / 2, color=LINE, linewidth=0.8)
        ticks = [group * step + len(systems) * ROW / 2 for group in range(len(scopes))]
        axes.set_yticks(ticks, names, color=INK)
        _style(axes, len(scopes) * step - GROUP_GAP / 2)
        figure.legend(loc="upper left", bbox_to_anchor=(0, 1), ncols=len(systems), frameon=False, labelcolor=INK)
        return to_svg(figure, len(systems), "scores")


def frequent_labels(evaluation: dict[str, Any]) -> list[str]:
    """The labels that the chart has room for: the most frequent in gold, in the task's order."""
    scores = next(iter(evaluation["systems"].values()))["scores"]
    by_frequency = sorted(evaluation["labels"], key=lambda label: -scores[label]["n_gold"])
    return [label for label in evaluation["labels"] if label in by_frequency[:MAX_LABELS]]


def _draw_dot(axes: Any, number: int, y: float, scored: dict[str, Any]) -> None:
    """One score with its interval; nothing where the score is undefined."""
    if scored["f1"] is None:
        return
    ink, marker = colour(number), MARKERS[number % len(MARKERS)]
    axes.plot(scored["ci95"], [y, y], color=ink, linewidth=1.8, solid_capstyle="round", zorder=2)
    axes.plot(scored["f1"], y, marker, color=ink, markersize=6.5, markeredgewidth=0, zorder=3)


def _style(axes: Any, bottom: float) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom, -GROUP_GAP / 2)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", ".2", ".4", ".6", ".8", "1"], color=MUTED)
    axes.grid(axis="x", color=LINE, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=8)
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def to_svg(figure: Any, n_series: int, name: str) -> str:
    """FIGURE as SVG whose ids begin with NAME, for a page with others, in the page's colours: N_SERIES of `colour`."""
    figure.patch.set_visible(False)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)  # it holds the date and links
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)  # the page sets the size
    svg = re.sub(r"font-family: [^;\"]*; ?", "", svg)
    svg = re.sub(r'( id="|xlink:href="#|url\(#)', rf"\g<1>{name}_", svg)
    for placeholder, value in (PLACEHOLDERS | _series(n_series)).items():
        svg = svg.replace(placeholder, value)
    return svg.strip()


def colour(number: int) -> str:
    """What stands for the page's colour of series NUMBER until `to_svg`."""
    return f"#0404{number:02x}"


def _series(n_series: int) -> dict[str, str]:
    return {colour(number): f"var(--series-{number % 6})" for number in range(n_series)}
