from dataclasses import replace
from pathlib import Path

import pytest

from scripts.notes.errors import UserError
from scripts.notes.note import Note, Span
from scripts.privacy.capitals import capitalised_names, ordinary_words
from scripts.privacy.collect import load_identifier_policy
from scripts.privacy.keys import keys_of

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("kind", "value", "keys"),
    [
        ("name", "Ana Lee", {"analee", "leeana"}),
        ("name", "Anna B. Lee", {"annablee", "bleeanna", "leeannab", "annalee", "leeanna"}),
        ("name", "Lee", set()),
        ("name", "J. Okimaw", set()),  # an initial and a surname
        ("number", "HN 4821-0093", {"hn48210093", "48210093"}),
        ("number", "(0271) 440 918 26", {"027144091826"}),
        ("number", "P401", set()),
        ("number", "Ana.Lee@x.org", {"analeexorg"}),
        ("number", "bleep", set()),
        ("address", "14 Quillon Lane, Ashmere", {"14quillonlaneashmere", "14quillonlane"}),
        ("address", "Ashmere", set()),
        ("name", "Řehoř Ğüler-Ångström", {"rehorgulerangstrom", "gulerangstromrehor", "angstromrehorguler"}),
        ("name", "Иван Ёлкин", {"иванелкин", "елкиниван"}),
        ("name", "И. Ёлкин", set()),
        ("name", "王小明", {"王小明"}),
        ("name", "山田 太郎", {"山田太郎", "太郎山田"}),
        ("name", "김민수", {"김민수"}),
        ("name", "王", set()),
        ("address", "東京都新宿区西新宿2丁目8番1号", {"東京都新宿区西新宿2丁目8番1号"}),
        ("number", "北京市 48210093", {"北京市48210093", "48210093"}),
    ],
)
def test_keys(kind, value, keys):
    assert keys_of(kind, value) == keys


def test_a_note_gives_its_meta_labels_and_patterns(identifiers, victim):
    known = identifiers.collect([victim])
    assert known.keys["hn48210093"] == "number" and known.keys["zbigniewoberghallorann"] == "name"
    assert known.keys["027144091826"] == "number" and known.keys["zobergquillonexample"] == "number"
    assert {day.isoformat() for day in known.births} == {"1951-03-12"}
    assert known.parts == {"zbigniew", "oberg", "hallorann"}
    assert known.own >= {"hn48210093", "zbigniewoberghallorann"} and "027144091826" not in known.own
    # name, record, telephone (label; its pattern spells it alike), e-mail, address, birth date; P-77-1 is too short
    assert dict(known.n_values) == {"name": 1, "number": 3, "address": 1, "birth": 1}
    assert dict(known.n_unsearchable) == {"number": 1}


def test_labels_can_be_left_out(identifiers, victim):
    known = replace(identifiers, capitals=False).collect([replace(victim, meta={})], with_labels=False)
    assert "zbigniewoberghallorann" not in known.keys  # no pattern finds a name
    assert "zobergquillonexample" in known.keys and "027144091826" in known.keys


@pytest.mark.parametrize(
    ("relative", "keys"),
    [
        ("abuela materna", set()),
        ("Tía paterna", set()),
        ("hermana Ann Lee", {"annlee", "leeann"}),
        ("padres  Eva Ruiz y Juan Gil", {"evaruiz", "ruizeva", "juangil", "giljuan"}),
    ],
)
def test_of_a_labelled_relative_the_names_are_looked_for(identifiers, relative, keys):
    text = f"Vive con su {relative}."
    span = Span(text.index(relative), len(text) - 1, "FAMILIARES_SUJETO_ASISTENCIA")
    found = replace(identifiers, capitals=False).collect([Note("n1", text, (span,))])
    assert keys <= set(found.keys)
    assert bool(found.keys) == bool(keys)


def test_capitals_show_names_where_nobody_has_told_one(identifiers, victim):
    unnamed = replace(victim, meta={})
    assert "zbigniewoberghallorann" in identifiers.collect([unnamed], with_labels=False).keys
    told = identifiers.collect([replace(unnamed, text=f"{victim.text} Dr Ilse Quennell")])  # the labels tell a name
    assert "zbigniewoberghallorann" in told.keys and "ilsequennell" not in told.keys
    known = identifiers.collect([unnamed], with_labels=False)
    assert not known.parts  # a capital alone is no name


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Seen by Ilse Quennell today.", {"Ilse Quennell"}),
        ("Vio a Ana de la Vega", {"Ana de la Vega"}),  # "vega" is a word, Ana is none
        ("Apellidos: García\nBayona, NHC", {"García\nBayona"}),
        ("J. Quennell and Rose Quennell-Ward", {"Rose Quennell-Ward", "Rose Quennell", "Quennell-Ward"}),
        ("Past Medical History: Type. CT Head. TAC Normal", set()),
        ("quennell ilse, Quennell", set()),
    ],
)
def test_names_by_capitals(text, names):
    ordinary = ordinary_words(["past medical history, type, normal head ct. seen by, vio, apellidos; rose and vega"])
    assert set(capitalised_names(text, ordinary)) == names


@pytest.mark.parametrize("text", ["DOB 12/03/1951", "Fecha de nacimiento: 12 de marzo de 1951", "born on 12 Mar 1951"])
def test_birth_dates_after_a_cue(identifiers, text):
    assert "1951-03-12" in {day.isoformat() for day in identifiers.collect([Note("1", text)]).births}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("MRN: HN 48210.", "48210"),
        ("Nº Historia Clínica: 54 321", "54321"),
        ("NHC 100-234, 2ª planta", "100234"),
        ("Patient ID (ward 7): 48210", None),  # the ward's number comes first
        ("Record of 12.03.2021", None),
        ("MRN 4821", None),
        ("MRN was not known then: 48210", None),
        ("Platelets 48210", None),
        ("MRN 4821.01234", "482101234"),
    ],
)
def test_short_numbers_after_a_cue(identifiers, text, number):
    known = replace(identifiers, capitals=False).collect([Note("1", text)])
    assert set(known.keys) == ({number} if number else set())


def test_other_dates_and_short_numbers_are_no_identifiers(identifiers):
    known = identifiers.collect([Note("1", "Seen 12/03/2021 14:30, BP 120/80, wt 80.5, 12.03.2021 08.15")])
    assert not known.keys and not known.births


def test_the_index_adds_the_private_patients_only(identifiers, tmp_path):
    index = tmp_path / "index.csv"
    index.write_text("patient,name,phone\nP1,Ana Lee,0271 440 918\nP2,Bo Ek Ask,0271 440 919\n", encoding="utf8")
    known = replace(identifiers, index=str(index)).collect([Note("1", "text", None, {"patient": "P1"})])
    assert {"analee", "0271440918"} <= known.own and "boekask" not in known.keys


@pytest.mark.parametrize("header", ["patient,shoe_size", "name"])
def test_an_index_with_unknown_columns_is_an_error(identifiers, tmp_path, header):
    index = tmp_path / "index.csv"
    index.write_text(f"{header}\n1,2\n", encoding="utf8")
    with pytest.raises(UserError, match="kind"):
        replace(identifiers, index=str(index)).collect([Note("1", "text")])


def test_a_missing_index_is_an_error(identifiers, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        replace(identifiers, index=str(tmp_path / "none.csv")).collect([Note("1", "text")])


def test_public_names(identifiers, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Alois Alzheimer\n", encoding="utf8")
    assert replace(identifiers, public_names=str(names)).public_keys() == {"aloisalzheimer", "alzheimeralois"}


def test_public_parts_are_the_words_of_the_files_names_and_of_the_locales(identifiers, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Alois Alzheimer\nÖrjan Quillon-Ek\n", encoding="utf8")
    nobody = replace(identifiers, public_locales=[])
    assert nobody.public_parts() == set()
    assert replace(nobody, public_names=str(names)).public_parts() == {"alois", "alzheimer", "orjan", "quillon", "ek"}
    swedish = replace(nobody, public_locales=["sv_SE"]).public_parts()
    assert {"lindqvist", "ulla", "bjork", "goran"} <= swedish  # without accents, as the gate reads
    assert swedish.isdisjoint({"quiroga", "hallorann", "zbigniew"})
    both = replace(nobody, public_names=str(names), public_locales=["sv_SE", "es_ES"]).public_parts()
    assert both > swedish | {"alzheimer", "nunez"}


def test_a_locale_that_faker_lacks_is_named(identifiers):
    with pytest.raises(UserError, match=r"xx_YY.*public_locales"):
        replace(identifiers, public_locales=["sv_SE", "xx_YY"]).public_parts()


def test_a_kind_that_is_none_is_an_error(identifiers):
    with pytest.raises(ValueError, match="shoe"):
        replace(identifiers, meta={"size": "shoe"})


def test_both_policies_know_the_same_identifiers():
    small, full = (load_identifier_policy(ROOT / f"configs/{name}.cfg") for name in ("audit_small", "audit"))
    assert small == full
