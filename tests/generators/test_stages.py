"""Stages in their order, and what each of them owes: spans on their mentions, canaries untouched, the same by seed."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.generators.drop_near_duplicates import DropNearDuplicates
from scripts.generators.load import load_generator
from scripts.generators.mentions import make_mentions
from scripts.generators.notes_per_patient import NotesPerPatient
from scripts.generators.recombine import make_sections
from scripts.generators.stages import Stages, make_stages
from scripts.generators.surrogates import make_surrogates
from scripts.notes.canaries import is_canary
from scripts.notes.errors import UserError
from scripts.notes.files import is_current, write_manifest
from scripts.notes.note import Note, Span
from scripts.notes.step import load_config

LABELS = ("NAME", "DATE", "ID", "DRUG")
SURROGATES = make_surrogates("es_ES", {"NAME": "name", "DATE": "date", "ID": "number"}, 2)
STAGES = {
    "near duplicates": DropNearDuplicates(0.5),
    "notes per patient": NotesPerPatient(1),
    "surrogates": SURROGATES,
    "mentions": make_mentions(["DRUG", "ID"], "assets/lists/en.yml", share=0.8, copies=2),
    "sections": make_sections(2, 0.5, 0.5, ["sex"]),
    "sections across patients": make_sections(2, 0.5, 0.5, across_patients=True),
    "all of them": make_stages(
        DropNearDuplicates(0.9),
        NotesPerPatient(2),
        SURROGATES,
        make_mentions(["DRUG"]),
        make_sections(2, 0.5, 0.5, across_patients=True),
    ),
}
# A mention in the text says by itself where it stands, and as what.
_MARKED = re.compile(r"⟦(\w+)=([^⟧]*)⟧")


def note_of(id: str, text: str, meta: dict) -> Note:
    """The note whose spans stand where TEXT has ⟦LABEL=mention⟧."""
    return Note(id, text, spans_of(text), meta)


def spans_of(text: str) -> tuple[Span, ...]:
    return tuple(Span(*match.span(2), match[1]) for match in _MARKED.finditer(text))


MENTION = st.text("aBé1 2/-.\n:", min_size=1, max_size=12).filter(lambda text: text == text.strip())
PIECE = st.one_of(
    st.sampled_from(["seen today", " ", "\n", "\n\n", "\nPlan: ", "\nHistory:\n", "Dr. A.", "\r\n \r\n", "5 mg; "]),
    st.builds("⟦{}={}⟧".format, st.sampled_from(LABELS), MENTION),
)
TEXT = st.lists(PIECE, min_size=1, max_size=12).map("".join)
META = st.fixed_dictionaries({"patient": st.sampled_from("ABC"), "sex": st.sampled_from("FM")})


@st.composite
def some_notes(draw) -> list[Note]:
    drawn = draw(st.lists(st.tuples(TEXT, META, st.booleans()), min_size=1, max_size=8))
    notes = [note_of(f"n{i}", f"Note {i}. {text}", meta) for i, (text, meta, _) in enumerate(drawn)]
    return [
        note if is_labelled else note.with_spans(None) for note, (_, _, is_labelled) in zip(notes, drawn, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=25, deadline=None)
@given(notes=some_notes(), seed=st.integers(0, 99))
def test_spans_stand_where_their_mentions_do_and_notes_without_labels_have_none(name, notes, seed):
    stage, before = STAGES[name], {note.id: note for note in notes}
    made = list(stage(notes, seed))
    assert made
    for note in made:
        assert note.meta == before[note.id].meta
        if before[note.id].spans is None:
            assert note.spans is None
        else:
            assert note.spans == spans_of(note.text)
    assert list(stage(notes, seed)) == made


@pytest.mark.slow
@pytest.mark.parametrize("name", ["surrogates", "mentions"])
@settings(max_examples=25, deadline=None)
@given(notes=some_notes(), seed=st.integers(0, 99))
def test_a_stage_that_replaces_mentions_keeps_all_labels_and_all_other_text(name, notes, seed):
    made = list(STAGES[name](notes, seed))
    assert [note.id for note in made] == 2 * [note.id for note in notes]
    for before, after in zip(2 * notes, made, strict=True):
        assert [s.label for s in after.spans or ()] == [s.label for s in before.spans or ()]
        assert rest_of(after) == rest_of(before)


def rest_of(note: Note) -> list[str]:
    ends = [0, *(end for span in note.spans or () for end in (span.start, span.end)), len(note.text)]
    return [note.text[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True)]


CANARY = Note(
    "canary-1", "Seen today. ⟦ID=1⟧\n\nPlan: knee\n\nsleep", None, {"patient": "A", "canary": "planted", "end": 5}
)


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=25, deadline=None)
@given(notes=some_notes(), seed=st.integers(0, 99), place=st.integers(0, 8), n=st.integers(1, 4))
def test_canaries_are_handed_on_and_change_nothing_about_the_others(name, notes, seed, place, n):
    made = list(STAGES[name]([*notes[:place], *n * [CANARY], *notes[place:]], seed))
    assert [note for note in made if not is_canary(note)] == list(STAGES[name](notes, seed))
    canaries = [note for note in made if is_canary(note)]
    assert len(canaries) >= n and set(map(repr, canaries)) == {repr(CANARY)}


def test_a_canary_is_shown_as_often_as_any_note():
    note = note_of("n1", "⟦DRUG=aspirin⟧ and ⟦NAME=Ann⟧", {"patient": "A"})
    for stage, n_copies in ((SURROGATES, 2), (make_mentions(["DRUG"], copies=3), 3), (make_sections(5), 5)):
        assert Counter(made.id for made in stage([note, CANARY], 0)) == {"n1": n_copies, "canary-1": n_copies}


CONFIG = """
[generator]
@misc = "clinical.ScratchLM.v1"
control = []
[generator.schedule]
[generator.writing]
[generator.stages]
@misc = "clinical.stages.v1"
"""
ONE = '[generator.stages.*.z_one]\n@misc = "clinical.notes_per_patient.v1"\nmost = 1\n'
TWO = '[generator.stages.*.a_two]\n@misc = "clinical.mentions.v1"\nlabels = ["DRUG"]\n'


@pytest.mark.parametrize(
    ("sections", "names"), [(ONE + TWO, ["NotesPerPatient", "Mentions"]), (TWO + ONE, ["Mentions", "NotesPerPatient"])]
)
def test_the_order_in_the_file_is_the_order_of_the_stages_and_part_of_the_setting(sections, names, tmp_path):
    path = tmp_path / "g.cfg"
    path.write_text(CONFIG + sections)
    stages = load_generator(path).stages
    assert [name for name, _ in stages.steps([], 0)] == names
    # An override has confection write the config and read it again.
    overridden = load_generator(path, {"generator.vocab_size": 300})
    assert overridden.shape["vocab_size"] == 300 and overridden.stages == stages
    write_manifest(tmp_path / "g.cfg", inputs={}, config=load_config(path), sensitivity="private", counts={})
    assert is_current(tmp_path / "g.cfg", {}, load_config(path))
    other = tmp_path / "other.cfg"
    other.write_text(CONFIG + (TWO + ONE if sections == ONE + TWO else ONE + TWO))
    assert not is_current(tmp_path / "g.cfg", {}, load_config(other))


def test_each_stage_takes_what_the_one_before_has_made():
    notes = [Note(f"n{i}", f"Note {i}", None, {"patient": "A"}) for i in range(3)]
    steps = make_stages(NotesPerPatient(2), make_sections(3)).steps(notes, 0)
    assert [(name, len(made)) for name, made in steps] == [("NotesPerPatient", 2), ("Sections", 6)]
    assert list(Stages()(notes, 0)) == notes


ACROSS = make_sections(across_patients=True)


def test_patients_are_mixed_only_after_surrogates():
    with pytest.raises(UserError, match="nothing before it replaces personal data"):
        make_stages(ACROSS, SURROGATES)
    make_stages(SURROGATES, ACROSS)
    make_stages(make_sections())


def test_patients_are_not_mixed_while_a_marked_identifier_of_theirs_is_left():
    place, name = Span(14, 20, "PLACE"), Span(0, 3, "NAME")
    labelled = Note("n1", "Ann came from Madrid", (name,), {}, (name, place))
    stages = make_stages(SURROGATES, ACROSS)
    with pytest.raises(UserError, match="mix patients whose PLACE no stage"):
        list(stages([labelled], 0))
    assert len(list(stages([Note("n1", labelled.text, (name,), {}, (name,))], 0))) == 2
    # Nobody knows where all identifiers of an unlabelled note stand: it is mixed with its own patient's alone.
    assert len(list(stages([labelled.with_spans(None)], 0))) == 2


def test_a_stage_that_loses_canaries_is_named():
    def forgetful(notes, seed):
        return (note for note in notes if not is_canary(note))

    with pytest.raises(UserError, match="forgetful loses 2 canaries"):
        list(make_stages(forgetful)([Note("n1", "x"), CANARY, CANARY], 0))


def test_apart_no_patients_notes_depend_on_anothers():
    """Stages that look across notes: duplicates are known, mentions are taken and a cap is drawn within a patient."""
    texts = {"A": "Takes ⟦DRUG=aspirin⟧ and ⟦DRUG=heparin⟧ here.", "B": "Takes ⟦DRUG=insulin⟧ or ⟦DRUG=warfarin⟧ now."}
    notes = [
        note_of(f"{patient}{i}", f"{i} {texts[patient]}", {"patient": patient}) for i in (1, 2, 3) for patient in "AB"
    ]
    stages = make_stages(DropNearDuplicates(0.99), NotesPerPatient(2), make_mentions(["DRUG"], copies=2))
    steps = stages.apart([*notes, replace(CANARY, meta={**CANARY.meta, "patient": "C"})], 0)
    assert [(name, len(made)) for name, made in steps] == [
        ("DropNearDuplicates", 7),
        ("NotesPerPatient", 5),
        ("Mentions", 10),
    ]
    for patient in "AB":
        own = [note for note in notes if note.patient == patient]
        made = [note for note in steps[-1][1] if note.patient == patient]
        assert made == stages.apart(own, 0)[-1][1]
        mentions = {note.mention(span) for note in own for span in note.spans}
        assert {note.mention(span) for note in made for span in note.spans} <= mentions
    assert make_stages().apart(notes, 0) == []


WITH_WEIGHTS = [path for path in sorted(Path("configs/generator").glob("*.cfg")) if "LM.v1" in path.read_text("utf8")]


@pytest.mark.parametrize("path", WITH_WEIGHTS, ids=lambda path: path.stem)
def test_every_shipped_config_is_a_generator_whose_stages_are_known(path):
    generator = load_generator(path)
    assert isinstance(generator.stages, Stages)
    n_named = path.read_text("utf8").count("[generator.stages.*.") - path.read_text("utf8").count(".labels]")
    assert len(generator.stages.stages) == n_named
