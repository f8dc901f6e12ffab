"""Figures of JSON files as a reader sees them."""

from collections.abc import Mapping
from typing import Any


def show_decimal(value: float | None) -> str:
    """VALUE with three decimals; a dash for an undefined score."""
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def show_figure(value: Any) -> str:
    """Any figure of a JSON file for a reader: numbers short, an interval as "a to b", lists and objects joined."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return (f"{value:,.0f}" if value % 1 == 0 else f"{value:.4g}").replace("-", "−")
        case [int() | float() as low, int() | float() as high]:
            return f"{show_figure(low)} to {show_figure(high)}"
        case [str(), str(), str(), str(), *_]:
            return f"{len(value)} of them"  # ids, such as those of the notes that were dropped
        case list() | tuple():
            return ", ".join(map(show_figure, value)) or "none"
        case Mapping():
            return ", ".join(f"{show_words(key)} {show_figure(v)}" for key, v in value.items()) or "none"
        case _:
            return str(value)


def show_words(name: str) -> str:
    """A key of a JSON file as words: `n_notes` → "notes"."""
    return str(name).removeprefix("n_").replace("_", " ")
