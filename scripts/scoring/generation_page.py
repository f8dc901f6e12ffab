"""What metrics/generation.json says, as the rows of tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .generation_chart import draw_generation
from .words import show_figure, show_words

SIDES = ("private", "synthetic")
NEAR = "{:.0%} of their runs of five words in common"


@dataclass(frozen=True)
class Row:
    """A figure of PRIVATE and of SYNTHETIC notes, as text, and what it MEANS."""

    name: str
    private: str
    synthetic: str
    means: str = ""


def describe_generation_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the template needs of REPORT, as `describe_generation` made it."""
    drawn = report["drawn"]
    return {
        "n_notes": report["n_notes"],
        "chart": draw_generation(report),
        "rejected": [(reason, n, of(n, drawn["n"])) for reason, n in by_count(drawn["rejected"])],
        "n_drawn": drawn["n"],
        "rows": list(rows_of(report)),
        "control": {key: _control(found) for key, found in report["control"].items()},
        "headings": _headings(report["sections"]["headings"]),
        "novelty": novelty_rows(report["mentions_not_in_private"] or {}),
    }


def rows_of(report: Mapping[str, Any]) -> Iterator[Row]:
    """Private against synthetic, one measure a row."""
    for name, key in (("Length in words", "length_in_words"), ("Sections a note", "per_note")):
        sides = report["sections"][key] if key == "per_note" else report[key]
        yield Row(name, *(_spread(sides[side]) for side in SIDES), "median, and the middle nine tenths")
    yield _pair("Empty sections", report["sections"]["empty"], _count, "a heading with nothing beneath it")
    diversity = report["diversity"]
    for n, found in diversity["distinct"].items():
        words = f"different {n}-grams among all, in {show_figure(diversity['n_words'])} words of each"
        yield _pair(f"Distinct-{n}", found, show_figure, words)
    texts = f"{show_figure(diversity['n_notes'])} notes of each; higher is more alike"
    yield _pair("Self-BLEU", diversity["self_bleu"], show_figure, texts)
    if model := report["held_out_model"]:
        means = f"under an n-gram model of {show_figure(model['n_notes'])} holdout notes; 95 % interval"
        yield _pair("Bits a word", model, _bits, means)
        unknown = {side: model[side]["unknown_words"] for side in SIDES}
        yield _pair("Words that the holdout does not have", unknown, _count, "all of them one to that model")
    near = report["near_duplicates"]
    for name, side in (("one another", "synthetic"), ("private notes", "private"), ("holdout notes", "holdout")):
        means = f"with {show_figure(near[side]['n_compared_with'])} of these; {NEAR.format(near['threshold'])}"
        yield Row(f"Near copies of {name}", "–", _count(near[side]), means)


def novelty_rows(found: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    """For each label how many different mentions no private note holds, as text."""
    return [(label, _count(row)) for label, row in found.items()]


def by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """COUNTS, the largest first."""
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))


def of(count: int, n: int) -> str:
    """COUNT of N as a percentage; a dash for none of none."""
    return f"{100 * count / n:.1f} %" if n else "–"


def _control(found: Mapping[str, Any]) -> dict[str, Any]:
    sides = ("private", "requested", "delivered")
    totals = {side: sum(row[side] for row in found["values"].values()) for side in sides}
    recognised = found["recognised"] or {}
    return {
        "values": [(v, *(of(row[side], totals[side]) for side in sides)) for v, row in found["values"].items()],
        "totals": [show_figure(totals[side]) for side in sides],
        "tvd": [(show_words(name), show_figure(value)) for name, value in found["tvd"].items()],
        "recognised": [(side, _count(row), of(row["most_frequent"], row["n"])) for side, row in recognised.items()],
    }


def _headings(found: Mapping[str, Any]) -> dict[str, Any]:
    n_notes, n_sections = found["n_notes"], found["n_sections"]
    rows = [(h, *(of(row[s], n_notes[s]) for s in SIDES)) for h, row in found["notes_with"].items()]
    others = [of(found["sections_not_named"][side], n_sections[side]) for side in SIDES]
    return {"rows": rows, "others": others, "tvd": show_figure(found["tvd"])}


def _pair(name: str, found: Mapping[str, Any], show: Any, means: str) -> Row:
    return Row(name, *(show(found[side]) for side in SIDES), means)


def _count(row: Mapping[str, int]) -> str:
    return f"{show_figure(row['count'])} of {show_figure(row['n'])}, {of(row['count'], row['n'])}"


def _spread(found: Mapping[str, Any]) -> str:
    if not found["n"]:
        return "–"
    return f"{show_figure(found['median'])} ({show_figure(found['q05'])} to {show_figure(found['q95'])})"


def _bits(side: Mapping[str, Any]) -> str:
    low, high = side["ci95"]
    return f"{side['bits_per_word']:.2f} ({low:.2f} to {high:.2f})"
