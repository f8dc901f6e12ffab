import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.notes.note import Span
from scripts.scoring.marks import PALETTE, Mark, render_note

INK_LIGHT, INK_DARK = "#1c1e21", "#eceef0"  # --ink of style.css


def text_of(rendered):
    """What a browser shows: without tags and labels, with line breaks."""
    body = re.search(r"<div[^>]*>(.*)</div>", rendered, re.DOTALL)[1]
    body = re.sub(r'<span class="tag">.*?</span>', "", body, flags=re.DOTALL)
    return html.unescape(re.sub(r"<(?!br)[^>]*>", "", body).replace("<br>", "\n"))


def test_a_mark_names_its_label_and_kind():
    rendered = render_note("CT head\nok", [Mark(Span(0, 7, "PROCEDURE"), "missed", "n1-gold-0")], ["DRUG", "PROCEDURE"])
    assert (
        '<mark class="label-1 missed" id="n1-gold-0">CT head<span class="tag">PROCEDURE</span></mark><br>ok' in rendered
    )


def test_text_and_labels_are_escaped():
    label = "<i>\"A&B'"
    rendered = render_note("<script>x</script> & co", [Mark(Span(0, 8, label))], [label])
    assert "<script" not in rendered and "<i>" not in rendered
    assert '<mark class="label-0">' in rendered
    assert text_of(rendered) == "<script>x</script> & co"


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab<>&\"'{}\n\t é\u05d0İ\U0001f600"), min_size=1, max_size=30), st.data())
def test_every_character_is_shown_in_its_place(text, data):
    edges = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = [Span(a, b, "DRUG") for a, b in zip(edges[::2], edges[1::2], strict=False)]
    rendered = render_note(text, map(Mark, spans), ["DRUG"])
    assert text_of(rendered) == text
    shown = re.findall(r"<mark[^>]*>(.*?)<span", rendered, re.DOTALL)
    assert [html.unescape(s) for s in shown] == [text[s.start : s.end] for s in spans]


def test_a_carriage_return_makes_no_line_of_its_own():
    assert text_of(render_note("a\r\nb", [], [])) == "a \nb"


@pytest.mark.parametrize("light, dark", PALETTE)
def test_marks_are_legible(light, dark):
    assert contrast(light, INK_LIGHT) >= 7
    assert contrast(dark, INK_DARK) >= 7


def contrast(a, b):
    """WCAG 2's contrast ratio of two colours."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_contrast_by_hand():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
