"""The report on what a generator wrote: its numbers by hand, and that it names nothing rare."""

import json
import re
import xml.etree.ElementTree as ET
from math import log2

import pytest

from scripts.notes.note import Note, Span
from scripts.scoring.distributions import RARE
from scripts.scoring.generation import describe_generation
from scripts.scoring.generation_chart import draw_generation, panels_of
from scripts.scoring.generation_page import describe_generation_report

LONG = " ".join(f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(104))  # 100 runs of five
SECRETS = ("Quackenbush", "Zebulon", "porphyria", "warfarin", "7788")


def private_notes() -> list[Note]:
    """Five patients who share a heading and a genre; a doctor is a heading in all their notes, a surname in two."""
    texts = [f"Letter\nPlan: rest {i}\nZebulon: seen 7788\n{'Quackenbush: x' if i < 2 else ''}" for i in range(5)]
    meta = [{"patient": f"p{i}", "genre": "ward" if i < 4 else "porphyria"} for i in range(5)]
    notes = [Note(f"n{i}", text, None, m) for i, (text, m) in enumerate(zip(texts, meta, strict=True))]
    spans = (Span(notes[0].text.index("Zebulon"), notes[0].text.index("Zebulon") + 7, "PERSON"),)
    return [Note(notes[0].id, notes[0].text, None, notes[0].meta, spans), *notes[1:], Note("long", LONG)]


SYNTHETIC = [
    Note("s1", "Letter\nPlan:\n\nwarfarin", (Span(14, 22, "DRUG"),), {"genre": "ward"}),
    Note("s2", LONG, (), {"genre": "porphyria"}),
    Note("s3", LONG.upper() + " and more", (), {"genre": "ward"}),
    Note("s4", "a b", (), {"genre": "ward"}),
]


@pytest.fixture(scope="module")
def report() -> dict:
    asked = [*(note.meta for note in SYNTHETIC), {"genre": "porphyria"}]
    return describe_generation(private_notes(), [Note("h", "a b a")], SYNTHETIC, asked, {"loop": 1}, 0)


def strings_in(value) -> set[str]:
    if isinstance(value, dict):
        return {str(key) for key in value} | set().union(*map(strings_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(strings_in, value))
    return {value} if isinstance(value, str) else set()


@pytest.mark.slow
def test_nothing_is_named_that_fewer_than_three_patients_share_or_that_is_an_identifier(report):
    told = json.dumps(report, ensure_ascii=False).casefold()
    assert "plan" in told and "ward" in told  # what four patients share is
    for secret in SECRETS:
        assert secret.casefold() not in told
    page = json.dumps(describe_generation_report(report), default=vars).casefold()
    assert "plan" in page and not any(secret.casefold() in page for secret in SECRETS)


def test_the_report_holds_no_string_but_keys_of_ours_and_shared_names(report):
    ours = strings_in(describe_generation([Note("p", "x y")], [Note("h", "x")], [Note("s", "x y")], [{}], {}, 0))
    more = {"genre", "values", "tvd", "requested_delivered", "private_delivered", "requested", "delivered"}
    more |= {"recognised", "loop", "rejected", "all", "DRUG", "mean", "q05", "q25", "median", "q75", "q95", RARE}
    assert strings_in(report) - ours - more <= {"plan", "ward"}


def test_counts_by_hand(report):
    assert report["n_notes"] == {"private": 6, "holdout": 1, "synthetic": 4}
    assert report["drawn"] == {"n": 5, "rejected": {"loop": 1}}
    assert report["control"]["genre"]["values"] == {
        "ward": {"private": 4, "requested": 3, "delivered": 3},
        RARE: {"private": 1, "requested": 2, "delivered": 1},
    }
    assert report["control"]["genre"]["tvd"] == {"requested_delivered": 0.15, "private_delivered": 0.05}
    assert report["sections"]["empty"]["synthetic"] == {"count": 0, "n": 1}
    headings = report["sections"]["headings"]
    assert headings["notes_with"] == {"plan": {"private": 5, "synthetic": 1}}
    assert headings["sections_not_named"] == {"private": 7, "synthetic": 0}
    assert report["mentions_not_in_private"] == {"all": {"count": 1, "n": 1}, "DRUG": {"count": 1, "n": 1}}
    near = {other: report["near_duplicates"][other]["count"] for other in ("private", "synthetic", "holdout")}
    assert near == {"private": 2, "synthetic": 2, "holdout": 0}
    assert report["length_in_words"]["synthetic"]["median"] == 53.5  # 2, 3, 104, 106


def test_bits_a_word_under_the_model_of_the_holdout():
    holdout, private, synthetic = Note("h", "a b a"), Note("p", "c 7"), Note("s", "a b")
    model = describe_generation([private], [holdout], [synthetic], [], {}, 0)["held_out_model"]
    # P(a) = 8/15; b after a (1 + 1/3) / 2; all unknown words (2/3) / 5
    assert model["synthetic"]["bits_per_word"] == pytest.approx(-(log2(8 / 15) + log2(2 / 3)) / 2, abs=1e-4)
    assert model["private"]["bits_per_word"] == pytest.approx(-log2(2 / 15), abs=1e-4)
    assert model["private"]["ci95"] == [model["private"]["bits_per_word"]] * 2  # one note, drawn again and again
    assert model["private"]["unknown_words"] == {"count": 2, "n": 2}
    assert model["synthetic"]["unknown_words"] == {"count": 0, "n": 2}
    assert describe_generation([private], [], [synthetic], [], {}, 0)["held_out_model"] is None


def test_samples_are_of_one_size_and_the_same_for_the_same_seed():
    private = [Note(f"p{i}", f"one two three {i}") for i in range(9)]
    synthetic = [Note(f"s{i}", "one two three four") for i in range(2)]
    first, again = (describe_generation(private, [], synthetic, [], {}, 3) for _ in range(2))
    assert first == again
    diversity = first["diversity"]
    assert (diversity["n_notes"], diversity["n_words"]) == (2, 8)
    assert diversity["distinct"]["1"] == {"private": 5 / 8, "synthetic": 0.5}
    assert diversity["self_bleu"]["synthetic"] == 1


def test_the_chart_shows_lengths_control_values_and_headings(report):
    lengths, genre, headings = panels_of(report)
    assert [name for name, _ in lengths.rows] == ["private", "synthetic"]
    assert genre.title == "genre: share of notes"
    assert genre.rows[0] == ("ward", {"private": 0.8, "synthetic": 0.75, "requested": 0.6})
    assert headings.rows == [("plan", {"private": 5 / 6, "synthetic": 1 / 4})]
    svg = draw_generation(report)
    ET.fromstring(svg)
    assert not re.search("#[0-9a-f]{6}", svg)
    for text in ("Length in words", "genre: share of notes", "ward", "requested", "plan"):
        assert f">{text}<" in svg


def test_without_control_or_headings_lengths_are_left():
    notes = [Note("n", "one two")]
    report = describe_generation(notes, notes, notes, [], {}, 0)
    assert [panel.title for panel in panels_of(report)] == ["Length in words"]
    described = describe_generation_report(report)
    assert described["control"] == {} and described["headings"]["rows"] == []
    assert "0 of 0, –" in {row.private for row in described["rows"]}
