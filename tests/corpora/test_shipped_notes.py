"""The shipped notes: what their README promises, and the rules of both guides that code can check."""

import re
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest

from scripts.corpora.read import read_corpus
from scripts.notes.task import read_task
from scripts.notes.tokenizer import blank

ROOT = Path(__file__).parent.parent.parent
LANGUAGES = ("en", "et", "sv", "es")
GENRES = """admission discharge operation procedure outpatient emergency nursing radiology medication_review referral
progress consult"""
AGE_GROUPS = {"0-1": 0, "2-17": 2, "18-39": 18, "40-64": 40, "65-79": 65, "80+": 80}
META = {"patient", "name", "record", "born", "genre", "specialty", "sex", "age_group"}
PHI = read_task(ROOT / "configs/task/phi.yml").labels
LABELS = {*PHI, *read_task(ROOT / "configs/task/drugs_procedures.yml").labels}
# Labels whose strings mean the same wherever they stand; "iron" may be a drug here and a test there.
ALWAYS = {"PERSON", "ID", "CONTACT"}
VAGUE = {
    "DRUG": "meds medication medications treatment analgesia sedation fluids oxygen contrast latex alcohol tobacco",
    "PROCEDURE": "surgery operation procedure imaging scan intervention",
    "DATE": "monday tuesday wednesday thursday friday saturday sunday today yesterday tomorrow tonight",
    "LOCATION": "home ward",
    "ORGANIZATION": "icu ward hospital clinic",
}
DOSE = re.compile(r"\d\s*(mg|mcg|µg|g|ml|units?|iu|mmol)\b", re.IGNORECASE)
TITLES = re.compile(r"(dr|mr|mrs|ms|miss|prof|sr|sra|dra|doctor|nurse|sister)\b\.?\s", re.IGNORECASE)


@pytest.fixture(scope="module")
def notes():
    return {lang: list(read_corpus(ROOT / "assets" / "notes" / lang, "markup")) for lang in LANGUAGES}


@pytest.fixture(scope="module")
def spans(notes):
    """Every span: its note's id, label, mention, and the characters before and after it."""
    return [
        (note.id, s.label, note.mention(s), note.text[max(0, s.start - 1) : s.start], note.text[s.end : s.end + 1])
        for part in notes.values()
        for note in part
        for s in note.spans
    ]


@pytest.mark.slow
def test_how_many(notes):
    english = notes["en"]
    assert len(english) >= 190
    assert len({note.meta["genre"] for note in english}) >= 8
    assert len({note.meta["specialty"] for note in english}) >= 10
    assert [len(notes[lang]) for lang in LANGUAGES[1:]] == [10, 10, 10]
    ids = [note.id for part in notes.values() for note in part]
    assert len(ids) == len(set(ids))


def test_length(notes):
    wrong = {n.id: len(n.text.split()) for part in notes.values() for n in part if not 60 <= len(n.text.split()) <= 250}
    assert not wrong


def test_meta(notes):
    for note in (note for part in notes.values() for note in part):
        meta = note.meta
        assert set(meta) == META, note.id
        assert meta["genre"] in GENRES.split(), note.id
        assert meta["age_group"] in AGE_GROUPS, note.id
        assert meta["sex"] in {"M", "F"}, note.id
        assert meta["specialty"] == meta["specialty"].lower(), note.id
        date.fromisoformat(meta["born"])


def test_a_patient_is_one_person_and_a_name_one_patient(notes):
    people, patients = defaultdict(set), defaultdict(set)
    for note in (note for part in notes.values() for note in part):
        people[note.patient].add(tuple(note.meta[key] for key in ("name", "record", "born", "sex")))
        patients[note.meta["name"]].add(note.patient)
    assert not {patient: len(found) for patient, found in people.items() if len(found) > 1}
    assert not {next(iter(found)): len(found) for found in patients.values() if len(found) > 1}


def test_every_label_is_of_a_task_and_used(notes):
    used = Counter(span.label for part in notes.values() for note in part for span in note.spans)
    assert set(used) == LABELS
    for lang in LANGUAGES:
        assert {"DRUG", "PROCEDURE", "PERSON", "DATE"} <= {s.label for note in notes[lang] for s in note.spans}


def test_spans_are_whole_words(spans):
    wrong = [
        (id, label)
        for id, label, mention, before, after in spans
        if mention != mention.strip()
        or mention[-1] in ",;:!?"
        or mention[0] in ",.;:!?)"
        or (before.isalnum() and mention[0].isalnum())
        or (after.isalnum() and mention[-1].isalnum())
    ]
    assert not wrong


@pytest.mark.slow
def test_our_tokens_can_hold_every_span(notes):
    for lang, part in notes.items():
        nlp = blank(lang)
        for note in part:
            doc = nlp.tokenizer(note.text)
            assert all(doc.char_span(span.start, span.end) for span in note.spans), note.id


def test_no_vague_word_is_a_span(spans):
    assert not [(id, label) for id, label, mention, *_ in spans if mention.lower() in VAGUE.get(label, "").split()]


def test_drugs_carry_no_dose_and_people_no_title(spans):
    assert not [id for id, label, mention, *_ in spans if label == "DRUG" and DOSE.search(mention)]
    assert not [id for id, label, mention, *_ in spans if label == "PERSON" and TITLES.match(mention)]


def test_numbers_where_there_must_be_some(spans):
    for label in ("ID", "AGE"):
        assert not [id for id, own, mention, *_ in spans if own == label and not re.search(r"\d", mention)]
    assert not [id for id, label, mention, *_ in spans if label == "CONTACT" and not re.search(r"\d|@|\.", mention)]


def test_addresses_of_the_net_are_invented(spans):
    mails = [(id, mention) for id, label, mention, *_ in spans if label == "CONTACT" and "@" in mention]
    assert mails
    assert not [id for id, mention in mails if not mention.endswith(".example")]


def test_every_repeat_of_an_identifier_is_labelled(notes):
    wrong = []
    for note in (note for part in notes.values() for note in part):
        labelled = {i for span in note.spans for i in range(span.start, span.end)}
        for string in {note.mention(span) for span in note.spans if span.label in ALWAYS}:
            for match in re.finditer(rf"(?<!\w){re.escape(string)}(?!\w)", note.text):
                if match.start() not in labelled:
                    wrong.append((note.id, match.start()))
    assert not wrong


def test_no_bracket_and_no_confession_is_left(notes):
    for note in (note for part in notes.values() for note in part):
        assert not re.search(r"[\[\]]", note.text), note.id
        assert not re.search(r"fictional|synthetic patient|invented", note.text, re.IGNORECASE), note.id
