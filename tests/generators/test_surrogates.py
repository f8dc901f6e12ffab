import random
import re
import unicodedata
from datetime import datetime
from pathlib import Path

import pytest
from faker import Faker
from faker.providers.person.es_ES import Provider as Spanish
from faker.providers.person.sv_SE import Provider as Swedish
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.generators.load import load_generator
from scripts.generators.surrogates import make_surrogates
from scripts.llm.answers import spans_of_copy
from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.notes.surrogates import surrogate

LABELS = {"NAME": "name", "STREET": "street", "ID": "number", "DATE": "date"}
NAMES = [*Swedish.first_names, *Swedish.last_names]


def note_of(marked: str, id: str = "n1") -> Note:
    """The note whose spans MARKED shows as <LABEL>mention</LABEL>."""
    text = re.sub(r"</?[A-Z]+>", "", marked)
    return Note(id, text, tuple(spans_of_copy(marked, text, [*LABELS, "DRUG"])), {"patient": "p1"})


def texts_of(marked: str, n: int, seed: int = 0) -> list[str]:
    """N copies of the note in MARKED, each with surrogates of its own."""
    return [note.text for note in make_surrogates("es_ES", LABELS, n)([note_of(marked)], seed)]


def others(kind: str, mention: str, n: int = 30) -> list[str]:
    """N surrogates of MENTION."""
    fake, rng = Faker("es_ES"), random.Random(0)
    fake.seed_instance(0)
    return [surrogate(kind, mention, fake, rng) for _ in range(n)]


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", unicodedata.normalize("NFC", text).casefold()))


def test_a_mention_gets_the_same_surrogate_throughout_a_note():
    name, record = "<NAME>Zoilo Quiroga</NAME>", "<ID>4821-0093</ID>"
    for text in texts_of(f"{name} ({record}): {name} came. {record}", 10):
        first, number, again, last = re.fullmatch(r"(.+) \((.+)\): (.+) came\. (.+)", text).groups()
        assert (first, number) == (again, last)
        assert (first, number) != ("Zoilo Quiroga", "4821-0093")


@pytest.mark.parametrize(
    ("kind", "mention", "form"),
    [
        ("number", "HN 4821-0093/K", r"HN \d{4}-\d{4}/K"),
        ("number", "+34 91 123.45.67", r"\+\d\d \d\d \d{3}\.\d\d\.\d\d"),
        ("name", "Quiroga, J.", r"[A-ZÁÉÍÓÚÑ][a-záéíóúüñç]+, J\."),
        ("name", "QUIROGA LUNA", r"[A-ZÁÉÍÓÚÜÑÇ]+ [A-ZÁÉÍÓÚÜÑÇ]+"),
        ("name", "Zoilo de la Quiroga", r"\w+ de la \w+"),
        ("name", "Zoilo  del Quiroga-Luna", r"\w+  del \w+-\w+"),
        ("street", "Calle Quiroga 3, 2º A", r"Calle \w+ \d, \dº A"),
        ("street", "Avda. de la Quiroga 12", r"Avda\. de la \w+ \d\d"),
        ("place", "28001", r"\d{5}"),
        ("place", "MADRID", r"[^a-z]+"),
        ("email", "zq@quillon.es", r"[a-z]+@[a-z]+\.es"),
        ("email", "z_quiroga-luna83@salud.quillon.org", r"[a-z]_[a-z]+-[a-z]+\d\d@[a-z]+\.[a-z]+\.org"),
        ("email", "zquiroga@hotmail.com", r"[a-z]+@hotmail\.com"),
        ("email", "ZQ at quillon.es", r"[A-Z]+ [a-z]+ [a-z]+\.[a-z]+"),
        ("date", "12/03/1951", r"\d\d/\d\d/\d{4}"),
        ("date", "12.03.51, 14:30", r"\d\d\.\d\d\.\d\d, 14:30"),
    ],
)
def test_the_form_of_a_mention_is_kept(kind, mention, form):
    for other in others(kind, mention):
        assert re.fullmatch(form, other)


@pytest.mark.parametrize("locale", ["ru_RU", "ja_JP", "et_EE", "en_GB"])
def test_an_address_is_one_in_any_language(locale):
    note = Note("n", "z.quiroga@quillon.es is all", (Span(0, 20, "MAIL"),))
    (made,) = make_surrogates(locale, {"MAIL": "email"})([note], 0)
    assert re.fullmatch(r"[a-y]\.[a-z]+@[a-z]+\.es is all", made.text)


@pytest.mark.parametrize(
    ("mention", "form"),
    [
        ("12/03/1951", "%d/%m/%Y"),
        ("31-12-51", "%d-%m-%y"),
        ("03/25/1951", "%m/%d/%Y"),
        ("1951-03-31", "%Y-%m-%d"),
    ],
)
def test_a_date_becomes_another_one_of_the_same_years_that_the_calendar_has(mention, form):
    made = others("date", mention, 300)
    days = [datetime.strptime(other, form) for other in made]
    assert {len(other) for other in made} == {len(mention)}
    assert all(abs(day.year - datetime.strptime(mention, form).year) <= 5 for day in days)
    assert len({day.month for day in days}) == 12


def test_a_given_name_becomes_a_given_name_and_surnames_become_surnames():
    assert set(others("name", "Antonio")) <= set(Spanish.first_names)
    assert set(others("name", "Quiroga")) <= set(Spanish.last_names)
    for other in others("name", "Antonio Quiroga Luna"):
        given_name, *surnames = other.rsplit(" ", 2)
        assert given_name in Spanish.first_names
        assert set(surnames) <= set(Spanish.last_names)


@pytest.mark.parametrize(
    ("mention", "kept"),
    [
        ("abuela materna", "abuela materna"),
        ("Tía paterna", "Tía paterna"),
        ("Antonio", ""),
        ("Zyx Quiroga Luna", ""),
        ("padres  Antonio y Juan Carlos", "padres y"),
        ("hermana, Mª Antonia", "hermana"),
    ],
)
def test_of_a_relative_only_the_names_are_others(mention, kept):
    for other in others("relative", mention):
        assert words_of(other) & words_of(mention) == words_of(kept)
        assert len(other.split()) >= len(mention.split())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    st.sampled_from(NAMES),
    st.from_regex(r"[0-9]{2}-[0-9]{2,8}", fullmatch=True),
    st.integers(0, 99),
)
def test_no_labelled_name_street_or_number_survives(names, street, number, seed):
    marked = f"<NAME>{' '.join(names)}</NAME> lives at <STREET>Avda. {street} 1234</STREET>, <ID>{number}</ID>."
    (note,) = make_surrogates("sv_SE", LABELS)([note_of(marked)], seed)
    assert words_of(note.text).isdisjoint(words_of(f"{' '.join(names)} {street}"))
    assert not note.text.endswith(f", {number}.") and " 1234," not in note.text
    assert " lives at Avda. " in note.text


def test_no_name_of_a_note_is_drawn_for_it_however_common():
    note = note_of("<NAME>Anna Andersson</NAME>, <NAME>Erik Johansson</NAME> of <STREET>Karlssons 1</STREET>")
    names = {"anna", "andersson", "erik", "johansson"}
    for made in make_surrogates("sv_SE", LABELS, 200)([note], 0):
        assert names.isdisjoint(words_of(made.text))


@pytest.mark.parametrize("mention", ["7", "12"])
def test_a_short_number_is_never_its_own_surrogate(mention):
    assert mention not in others("number", mention, 300)


@pytest.mark.parametrize(
    ("kind", "mention", "gone"),
    [
        ("name", "zoilo quiroga", "zoilo quiroga"),
        ("name", unicodedata.normalize("NFD", "Zoílo Quirógaren"), "garen"),  # accents as characters of their own
        ("street", "Quirogavägen 12", "quirogavägen"),
        ("street", "C/Quiroga, 15", "quiroga"),
        ("street", "calle quiroga 12", "quiroga"),
        ("date", "12 de marzo de 1951", "1951"),
        ("date", "marzo de 1951", "1951"),
        ("email", "zquiroga4@quillon.salud.es", "zquiroga 4@ quillon salud"),
    ],
)
def test_what_is_written_in_another_way_does_not_survive_either(kind, mention, gone):
    for other in others(kind, mention):
        assert unicodedata.normalize("NFC", mention) != unicodedata.normalize("NFC", other)
        assert not any(word in other.casefold() for word in gone.split())


def test_labels_without_a_kind_and_all_other_text_stay():
    (text,) = texts_of("Gave <DRUG>Aspirin</DRUG> to <NAME>Quiroga</NAME>, 40 mg.", 1)
    assert re.fullmatch(r"Gave Aspirin to \w+, 40 mg\.", text)
    assert "Quiroga" not in text


def test_copies_differ_and_the_same_seed_gives_the_same_ones():
    marked = "<NAME>Zoilo Quiroga</NAME>, <ID>4821-0093</ID>"
    first, again, other = texts_of(marked, 5), texts_of(marked, 5), texts_of(marked, 5, seed=1)
    assert len(set(first)) == 5
    assert first == again
    assert set(first).isdisjoint(other)


def test_a_note_keeps_its_id_its_meta_and_its_spans_on_the_surrogates():
    note = note_of("<NAME>Zoilo Quiroga</NAME> took <DRUG>aspirin</DRUG> on <DATE>12/03/1951</DATE>.")
    for made in make_surrogates("es_ES", LABELS, 20)([note], 0):
        name, drug, day = map(made.mention, made.spans)
        assert made.text == f"{name} took aspirin on {day}." and drug == "aspirin"
        assert [span.label for span in made.spans] == ["NAME", "DRUG", "DATE"]
        assert (made.id, made.meta) == (note.id, note.meta)


def test_places_are_those_of_a_list_that_are_not_the_notes_own(tmp_path):
    lists = tmp_path / "lists.yml"
    lists.write_text("TOWN: [Santiago de Compostela, Vigo, Lalín]\nNAME: [Nobody]\n")
    text = "María de Luz, Vigo 36201 VIGO"
    note = Note("n1", text, (Span(0, 12, "NAME"), Span(14, 18, "TOWN"), Span(19, 24, "TOWN"), Span(25, 29, "TOWN")))
    made = list(make_surrogates("es_ES", {"NAME": "name", "TOWN": "place"}, 50, str(lists))([note], 0))
    towns = [[m.mention(span) for span in m.spans[1:]] for m in made]
    assert {town for town, _, _ in towns} == {"Santiago de Compostela", "Lalín"}
    assert {town for _, _, town in towns} == {"SANTIAGO DE COMPOSTELA", "LALÍN"}
    assert all(re.fullmatch(r"\d{5}", code) and code != "36201" for _, code, _ in towns)
    assert not any("Nobody" in m.text for m in made)


def test_notes_without_labels_stay_as_they_are():
    note = Note("n1", "Zoilo Quiroga, 4821-0093", None, {"patient": "p1"})
    assert list(make_surrogates("es_ES", LABELS, 2)([note], 0)) == [note, note]


def test_an_unknown_kind_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"STREET is of kind 'road'.*street"):
        make_surrogates("es_ES", {"STREET": "road"})


def test_a_locale_that_faker_lacks_is_named():
    with pytest.raises(UserError, match="xx_YY"):
        list(make_surrogates("xx_YY", LABELS)([note_of("<NAME>Zoilo</NAME>")], 0))


def test_the_shipped_config_gives_meddocans_labels_their_kinds():
    generator = load_generator(Path("configs/generator/scratch_es.cfg"))
    (before, _), (after,) = generator.stages.stages, generator.finish.stages
    for surrogates in (before, after):
        assert surrogates.copies == 1
        assert surrogates.labels["NOMBRE_SUJETO_ASISTENCIA"] == "name"
        assert surrogates.labels["FECHAS"] == "date"
        assert surrogates.labels["FAMILIARES_SUJETO_ASISTENCIA"] == "relative"


def test_a_config_with_an_unknown_kind_is_one_clear_line(tmp_path):
    path = tmp_path / "bad.cfg"
    path.write_text(Path("configs/generator/scratch_es.cfg").read_text("utf8").replace('"street"', '"road"'), "utf8")
    with pytest.raises(UserError, match=r"bad\.cfg.*road"):
        load_generator(path)
