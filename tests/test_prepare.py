"""The step `prepare`: the shipped notes in all languages, and every kind of bad input."""

import json
import unicodedata
from itertools import combinations
from pathlib import Path

import pytest

from scripts.corpora.read import read_corpus
from scripts.notes.docbins import read_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import read_manifest, sha256_of
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Span
from scripts.notes.tokenizer import blank
from scripts.prepare import main
from scripts.privacy.collect import load_identifier_policy

ROOT = Path(__file__).parent.parent
TASK = Path("configs/task/drugs_procedures.yml")
POLICY = Path("configs/audit_small.cfg")
OUTPUTS = ("canaries.jsonl", "private.jsonl", "holdout.jsonl", "gold.jsonl", "gold.spacy")


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def row(i, **changes):
    text = f"Note number {i}: took aspirin, then a CT head."
    start = text.index("aspirin")
    spans = [{"start": start, "end": start + 7, "label": "DRUG"}]
    return {"id": f"n{i}", "text": text, "spans": spans, "meta": {"patient": f"p{i}"}} | changes


def config(
    folder, split="private = null\nlabelled = 3\nholdout = 3\ngold = 4\nsalt = 1", source="notes.jsonl", more=""
):
    path = folder / "corpus.cfg"
    path.write_text(
        f'[vars]\nlang = "en"\n\n[notes]\nformat = "jsonl"\npath = "{folder / source}"\n\n[split]\n{split}\n{more}',
        "utf8",
    )
    return path


def prepare(folder, rows, **kwargs):
    """Run the step on ROWS (dicts or raw lines); returns its folder."""
    lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in rows]
    (folder / "notes.jsonl").write_bytes(b"\n".join(lines))
    main(config(folder, **kwargs), folder / "corpus", TASK, POLICY, None)
    return folder / "corpus"


def read_parts(out):
    return {name: list(read_notes(out / f"{name}.jsonl")) for name in ("private", "holdout", "gold")}


def fails(folder, rows, message, **kwargs):
    with pytest.raises(UserError, match=message) as error:
        prepare(folder, rows, **kwargs)
    assert not (folder / "corpus").exists()
    assert "aspirin" not in str(error.value)


# The shipped notes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lang", "sizes"),
    [
        ("shipped", "en", (100, 40, 50, 40)),
        ("demo", "en", (14, 8, 8, 10)),
        ("shipped", "et", (5, 2, 3, 2)),
        ("shipped", "sv", (5, 2, 3, 2)),
        ("shipped", "es", (5, 2, 3, 2)),
    ],
)
def test_shipped_notes(tmp_path, name, lang, sizes):
    main(Path(f"configs/corpus/{name}.cfg"), tmp_path, TASK, POLICY, lang)
    parts = read_parts(tmp_path)
    n_labelled = sum(note.spans is not None for note in parts["private"])
    assert (*(len(part) for part in parts.values()), n_labelled) == sizes
    for a, b in combinations(parts.values(), 2):
        assert not {note.patient for note in a} & {note.patient for note in b}
    labelled = {note.patient for note in parts["private"] if note.spans is not None}
    assert not labelled & {note.patient for note in parts["private"] if note.spans is None}
    for part in ("holdout", "gold"):
        assert all(note.spans is not None for note in parts[part])
    labels = {span.label for part in parts.values() for note in part for span in note.spans or ()}
    assert labels == {"DRUG", "PROCEDURE"}
    docs = list(read_docbin(tmp_path / "gold.spacy", blank(lang)))
    assert [doc.text for doc in docs] == [note.text for note in parts["gold"]]
    assert sum(len(doc.ents) for doc in docs) == sum(len(note.spans) for note in parts["gold"])
    for output in OUTPUTS:
        manifest = read_manifest(tmp_path / output)
        assert manifest["sensitivity"] == "private" and manifest["sha256"] == sha256_of(tmp_path / output)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*OUTPUTS, *(f"{o}.manifest.json" for o in OUTPUTS)])


def test_twice_is_the_same(tmp_path):
    rows = [row(i) for i in range(20)]
    out = prepare(tmp_path, rows)
    before = {name: (out / name).read_bytes() for name in OUTPUTS}
    prepare(tmp_path, rows)
    assert before == {name: (out / name).read_bytes() for name in OUTPUTS}


def test_sizes_and_manifest_counts(tmp_path):
    out = prepare(tmp_path, [row(i, meta={"patient": f"p{i // 2}"}) for i in range(20)])
    assert {name: len(part) for name, part in read_parts(out).items()} == {"private": 14, "holdout": 2, "gold": 4}
    assert read_manifest(out / "private.jsonl")["counts"] == {
        "n_notes": 14,
        "n_patients": 7,
        "n_labelled": 2,
        "n_spans": 2,
    }
    assert read_manifest(out / "gold.spacy")["counts"] == {"n_notes": 4, "n_spans": 4, "n_lost": {}}


CANARIES = "\n[canaries]\nn = {}\n"


def wordy(i):
    """A note of words that many share, and of a name and a number that none does."""
    words = " ".join(f"word{chr(97 + j % 26)}{chr(97 + j // 26)}" for j in range(i % 7, i % 7 + 150))
    return row(i, text=f"Quillonby{chr(97 + i % 26)} 4821{i:04} came. {words}.", spans=[])


@pytest.mark.slow
def test_canaries_are_written_when_asked_for_to_a_file_of_their_own(tmp_path, capsys):
    rows = [wordy(i) for i in range(87)]
    out = prepare(tmp_path, rows, more=CANARIES.format(4))
    canaries = list(read_notes(out / "canaries.jsonl"))
    assert sorted(c.meta["canary"] for c in canaries) == ["planted"] * 4 + ["twin"] * 4
    manifest = read_manifest(out / "canaries.jsonl")
    assert manifest["sensitivity"] == "private" and manifest["counts"] == {"n_planted": 4, "n_twins": 4}
    assert len(read_parts(out)["private"]) == 80  # as without canaries
    assert "4 canaries will be planted" in capsys.readouterr().out
    before = (out / "canaries.jsonl").read_bytes()
    prepare(tmp_path, rows, more=CANARIES.format(4))
    assert (out / "canaries.jsonl").read_bytes() == before
    prepare(tmp_path, rows)
    assert (out / "canaries.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (5, "5 canaries are more than 5 % of the 80 private notes"),
        (0, "n is no number from 1 on"),
        ("true", "n is no number from 1 on"),
    ],
)
def test_too_many_canaries_or_none_are_a_fault_of_the_config(tmp_path, n, message):
    fails(tmp_path, [wordy(i) for i in range(87)], message, more=CANARIES.format(n))


def test_notes_that_share_too_few_words_give_no_canaries(tmp_path):
    fails(tmp_path, [row(i) for i in range(87)], "too few for canaries", more=CANARIES.format(1))


# What is unsound stops the step before anything is written


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(99, text=""), "notes.jsonl:21: the text is empty"),
        (row(99, text=" \n\t"), "notes.jsonl:21: the text is empty"),
        (row(99, text="took\x00 aspirin"), "notes.jsonl:21: the text holds a NUL"),
        (row(99, text="took \ud83d aspirin"), "notes.jsonl:21: a lone surrogate at character 5"),
        (b'{"text": "caf\xe9 aspirin"}', "notes.jsonl:21: byte 13 is not UTF-8"),
        (row(3), "notes.jsonl:21: the id of line 4 again"),
        (row(99, spans=[{"start": 5, "end": 999, "label": "DRUG"}]), "notes.jsonl:21: span 5-999 lies outside"),
        (
            row(99, spans=[{"start": 1, "end": 6, "label": "DRUG"}, {"start": 5, "end": 8, "label": "DRUG"}]),
            "notes.jsonl:21: span 5-8 overlaps",
        ),
        (row(99, spans=[{"start": 1, "end": 6, "label": "DRUGS"}]), "note n99: label DRUGS is not in task"),
        (b"{]", "notes.jsonl:21: not JSON"),
    ],
)
def test_unsound_notes(tmp_path, bad, message):
    fails(tmp_path, [*(row(i) for i in range(20)), bad], message)


def test_an_empty_and_a_missing_file(tmp_path):
    fails(tmp_path, [], "holds no notes")
    with pytest.raises(UserError, match="does not exist"):
        main(config(tmp_path, source="nowhere.jsonl"), tmp_path / "corpus", TASK, POLICY, None)


def test_what_stands_stays_when_new_notes_are_unsound(tmp_path):
    out = prepare(tmp_path, [row(i) for i in range(20)])
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UserError):
        prepare(tmp_path, [*(row(i) for i in range(20)), row(20, text="")])
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_nothing_is_replaced_when_the_disk_fills_up(tmp_path, monkeypatch):
    out = prepare(tmp_path, [row(i) for i in range(20)])
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scripts.notes.docbins.write_docbin", full)
    with pytest.raises(OSError):
        prepare(tmp_path, [row(i) for i in range(30)])
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


# What is odd but sound comes through unchanged


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "control \x01\x07\x0b\x1b characters, aspirin",
        "dos\r\nline\rends\n",
        unicodedata.normalize("NFD", "José Núñez õhtul, Åsa"),
        "pills \U0001f48a\U0001f469\u200d⚕️ and 👍🏽",
        "דוד כהן אושפז \u202baspirin\u202c",
        "\ufeffa mark inside, \u2028 and \x85 and \u00a0",
        "a megabyte. " * 90_000,
    ],
)
def test_odd_text_comes_through(tmp_path, text):
    rows = [row(0, text=text, spans=[{"start": 0, "end": 1, "label": "DRUG"}]), *(row(i) for i in range(1, 20))]
    split = "private = 2\nlabelled = null\nholdout = 2\ngold = 16\nsalt = 1"
    out = prepare(tmp_path, rows, split=split)
    by_id = {note.id: note for part in read_parts(out).values() for note in part}
    assert by_id["n0"].text == text
    gold = [note.text for note in read_parts(out)["gold"]]
    assert [doc.text for doc in read_docbin(out / "gold.spacy", blank("en"))] == gold
    assert text in gold


def test_a_byte_order_mark_and_dos_lines_of_the_file(tmp_path):
    rows = [json.dumps(row(i)).encode() + b"\r" for i in range(20)]
    rows[0] = b"\xef\xbb\xbf" + rows[0]
    assert sum(map(len, read_parts(prepare(tmp_path, rows)).values())) == 20


def test_notes_without_patients_are_said(tmp_path, capsys):
    out = prepare(tmp_path, [row(i, meta={}) for i in range(20)])
    assert "20 notes name no patient" in capsys.readouterr().out
    assert sum(map(len, read_parts(out).values())) == 20


def test_near_duplicates_losses_and_leftovers_are_said(tmp_path, capsys):
    words = " ".join(f"word{i}" for i in range(30))
    split = "private = 2\nlabelled = 2\nholdout = 2\ngold = 2\nsalt = 1"
    out = prepare(
        tmp_path,
        [row(i, text=f"{words} {i}", spans=[{"start": 1, "end": 4, "label": "DRUG"}]) for i in range(9)],
        split=split,
    )
    said = capsys.readouterr().out
    assert "3 notes are left over" in said
    assert "4 near-duplicates across private and gold" in said
    assert "gold.spacy lacks 2 spans" in said
    assert "word3" not in said
    assert read_manifest(out / "gold.spacy")["counts"] == {"n_notes": 2, "n_spans": 0, "n_lost": {"DRUG": 2}}


# Labels, and a gold of its own


@pytest.mark.slow
def test_what_people_labelled_as_identifying_is_set_aside_for_the_gate(tmp_path):
    """Of all notes, the unlabelled ones too; the source's own names, whatever the task calls its labels."""
    main(Path("configs/corpus/shipped.cfg"), tmp_path, TASK, POLICY, None)
    parts = read_parts(tmp_path)
    source = {note.id: note for note in read_corpus(ROOT / "assets/notes/en", "markup")}
    for note in (note for part in parts.values() for note in part):
        kept = tuple(s for s in source[note.id].spans if s.label in ("PERSON", "ID", "CONTACT", "LOCATION"))
        assert note.identifiers == kept
        assert "identifiers" not in note.meta
    assert any(note.spans is None and note.identifiers for note in parts["private"])
    (en101,) = (note for part in parts.values() for note in part if note.id == "en101")
    assert ("name", "P. Udoh") in set(load_identifier_policy(POLICY).labelled(en101))


def test_identifying_labels_are_those_of_the_policy_and_of_the_source(tmp_path):
    def own(i):
        spans = [{"start": 5, "end": 11, "label": "PERSON"}, {"start": 12, "end": 13, "label": "AGE"}]
        return row(i) | {"spans": [{**row(i)["spans"][0], "label": "Medication"}, *spans]}

    more = '\n[notes.labels]\nMedication = "DRUG"\n'
    for note in (
        note for part in read_parts(prepare(tmp_path, [own(i) for i in range(20)], more=more)).values() for note in part
    ):
        assert note.identifiers == (Span(5, 11, "PERSON"),)
        assert {span.label for span in note.spans or ()} <= {"DRUG"}


def test_a_source_may_bring_identifiers_of_its_own(tmp_path):
    given = [{"start": 5, "end": 11, "label": "PERSON"}, {"start": 0, "end": 11, "label": "ID"}]
    parts = read_parts(prepare(tmp_path, [row(i, identifiers=given) for i in range(20)]))
    assert {note.identifiers for part in parts.values() for note in part} == {
        (Span(0, 11, "ID"), Span(5, 11, "PERSON"))
    }
    (tmp_path / "x").mkdir()
    fails(tmp_path / "x", [row(99, identifiers=[{"start": 5, "end": 999, "label": "ID"}])], "span 5-999 lies outside")


def test_gold_is_drawn_from_labelled_patients(tmp_path):
    rows = [row(i) if i % 2 else {k: v for k, v in row(i).items() if k != "spans"} for i in range(20)]
    parts = read_parts(prepare(tmp_path, rows))
    assert len(parts["gold"]) == 4 and all(note.spans for note in parts["gold"])
    assert sum(note.spans is not None for note in parts["private"]) == 3
    unlabelled = [{k: v for k, v in row(i).items() if k != "spans"} for i in range(20)]
    (tmp_path / "x").mkdir()
    fails(tmp_path / "x", unlabelled, "gold needs 4 labelled notes")


def test_an_own_gold(tmp_path):
    gold = tmp_path / "gold.jsonl"
    more = f'\n[gold]\nformat = "jsonl"\npath = "{gold}"'
    split = "private = null\nlabelled = null\nholdout = 5\ngold = null\nsalt = 1"
    gold.write_text("\n".join(json.dumps(row(i)) for i in range(20, 27)), "utf8")
    parts = read_parts(prepare(tmp_path, [row(i) for i in range(20)], split=split, more=more))
    assert {note.id for note in parts["gold"]} == {f"n{i}" for i in range(20, 27)}
    assert (len(parts["private"]), len(parts["holdout"])) == (15, 5)
    assert all(note.spans for note in parts["private"])


def test_the_source_has_names_of_its_own_for_the_labels(tmp_path, capsys):
    def own(i):
        found = row(i)
        end = len(found["text"]) - 1
        return found | {
            "spans": [{**found["spans"][0], "label": "Medication"}, {"start": end - 7, "end": end, "label": "X"}]
        }

    parts = read_parts(prepare(tmp_path, [own(i) for i in range(20)], more='\n[notes.labels]\nMedication = "DRUG"\n'))
    labels = {span.label for part in parts.values() for note in part for span in note.spans or ()}
    assert labels == {"DRUG"}
    assert "20 spans of labels that the corpus config does not name" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"spans": None}, "gold note n30 is unlabelled"), ({"meta": {"patient": "p3"}}, "1 patients are in")],
)
def test_a_bad_own_gold(tmp_path, changes, message):
    gold = tmp_path / "gold.jsonl"
    gold.write_text("\n".join(json.dumps(r) for r in (row(29), row(30, **changes))), "utf8")
    more = f'\n[gold]\nformat = "jsonl"\npath = "{gold}"'
    fails(tmp_path, [row(i) for i in range(20)], message, more=more)


# Configs


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("private = 3\nholdout = 3\ngold = 3\nsalt = 1", r"\[split\] lacks 'labelled'"),
        ("private = 3\nlabelled = 3\nholdout = 3\ngold = 3\nsalt = 1\nseed = 1", "has an unknown 'seed'"),
        ("private = 3\nlabelled = 3\nholdout = 3\ngold = 1\nsalt = 1", "gold is no number from 2 on"),
        ("private = 3\nlabelled = 3\nholdout = true\ngold = 3\nsalt = 1", "holdout is no number"),
        ("private = 3\nlabelled = 3\nholdout = 3\ngold = null\nsalt = 1", "gold of the corpus config is null"),
        ("private = null\nlabelled = 3\nholdout = null\ngold = 3\nsalt = 1", "private and holdout are both null"),
        ("private = null\nlabelled = 3\nholdout = 15\ngold = 15\nsalt = 1", "20 notes are too few"),
    ],
)
def test_bad_splits(tmp_path, split, message):
    fails(tmp_path, [row(i) for i in range(20)], message, split=split)


def test_too_few_patients(tmp_path):
    rows = [row(i, meta={"patient": f"p{i % 2}"}) for i in range(20)]
    fails(tmp_path, rows, "only 0 notes are left for")


def test_bad_configs(tmp_path):
    with pytest.raises(UserError, match="There are: cardioccc, demo, maccrobat, meddocan, private, shipped"):
        main(Path("configs/corpus/shiped.cfg"), tmp_path / "corpus", TASK, POLICY, None)
    path = tmp_path / "x.cfg"
    path.write_text('[notes]\nformat = "jsonl"\npath = "x"\n', "utf8")
    with pytest.raises(UserError, match=r"\[vars\] lacks 'lang'"):
        main(path, tmp_path / "corpus", TASK, POLICY, None)
    with pytest.raises(UserError, match="vars"):
        main(path, tmp_path / "corpus", TASK, POLICY, "en")
    with pytest.raises(UserError, match="unknown format 'xml'"):
        text = config(tmp_path).read_text("utf8").replace('"jsonl"', '"xml"')
        path.write_text(text, "utf8")
        main(path, tmp_path / "corpus", TASK, POLICY, None)
    with pytest.raises(UserError, match="language qq"):
        prepare(tmp_path, [row(i) for i in range(20)])
        main(config(tmp_path), tmp_path / "corpus2", TASK, POLICY, "qq")
    assert not (tmp_path / "corpus2").exists()


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "assets" / "meddocan").exists(), reason="MEDDOCAN is not there")
def test_meddocan(tmp_path):
    files = (ROOT / "assets" / "meddocan").glob("*/brat/*.ann")
    lines = [line for file in files for line in file.read_text("utf8").split("\n")]
    labels = {line.split("\t")[1].split()[0] for line in lines if line.startswith("T")}
    task = tmp_path / "meddocan.yml"
    task.write_text("labels:\n" + "".join(f"  {label}: a label\n" for label in sorted(labels)), "utf8")
    main(Path("configs/corpus/meddocan.cfg"), tmp_path / "corpus", task, POLICY, None)
    parts = read_parts(tmp_path / "corpus")
    assert {name: len(part) for name, part in parts.items()} == {"private": 450, "holdout": 50, "gold": 250}
    assert sum(len(note.spans) for note in parts["gold"]) == 5801
    assert sum(len(note.spans) for part in ("private", "holdout") for note in parts[part]) == 11333
