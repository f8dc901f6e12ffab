"""What of a file that leaves is searched, and what is nobody's number."""

import json

import pytest

from scripts.notes.docbins import make_docs, write_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import write_json, write_manifest
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank
from scripts.privacy.documents import bytes_of, documents_in, notes_of, strings_in, texts_of
from scripts.privacy.normalize import tokenize
from scripts.privacy.scan import Scanner

RECORD = "4420917"
NOTE = Note("p1", "x", None, {"patient": "P1", "name": "Ana Quillon", "record": RECORD, "born": "1951-03-12"})


def page_of(tmp_path, html: str) -> list[str]:
    (tmp_path / "x.html").write_text(html, "utf8")
    return [" ".join(t.text for t in tokenize(text)) for _, text in texts_of(tmp_path / "x.html")]


def test_a_page_is_read_as_a_reader_reads_it(tmp_path):
    html = 'An<b>a</b> <mark class="x">Qui<small>llon</small><span class="tag">PERSON</span></mark><br>next<p>par</p>'
    text, beside = page_of(tmp_path, html)
    assert text == "ana quillon next par" and "person" in beside


def test_the_coordinates_of_a_drawing_are_nobodys_number(tmp_path):
    drawing = f'<svg viewBox="0 {RECORD}"><path d="M 1.{RECORD} 2" id="m{RECORD}"/><text x="{RECORD}">0.8</text></svg>'
    assert not any(RECORD in text for text in page_of(tmp_path, drawing))
    assert any(RECORD in text for text in page_of(tmp_path, f'{drawing}<p id="m{RECORD}">x</p>'))
    assert any(RECORD in text for text in page_of(tmp_path, f"<svg><title>{RECORD}</title></svg>"))


def test_figures_are_nobodys_number_but_long_whole_ones_can_be():
    value = {"a": [0.4420917, 44209, 4420917, True, None], "7": {"b": "c"}}
    assert list(strings_in(value)) == ["a", "4420917", "7", "b", "c"]
    assert list(strings_in(value, with_keys=False)) == ["4420917", "c"]


def test_hashes_are_nobodys_number_and_everything_else_is_searched(identifiers, tmp_path):
    scanner = Scanner(identifiers, [NOTE], [], "en")
    write_json(tmp_path / "x.json", {"sha256": f"a{RECORD}{'b' * 56}", "n": 0.4420917})
    assert scanner.scan_documents([tmp_path / "x.json"]) == ([], 1)
    write_json(tmp_path / "x.json", {"sha256": f"a{RECORD}{'b' * 55}"})  # no hash: too short
    (finding,) = scanner.scan_documents([tmp_path / "x.json"])[0]
    assert (finding.member, finding.what) == ("x.json", "an identifier (number)")
    write_json(tmp_path / "x.json", {"day": "on 12 March 1951"})
    assert [f.what for f in scanner.scan_documents([tmp_path / "x.json"])[0]] == ["an identifier (birth)"]


def test_a_docbin_is_its_notes_its_strings_and_what_stands_beside(tmp_path):
    docs, _ = make_docs([Note("s1", "Ana Quillon came", (Span(0, 3, "DRUG"),), {"k": "v"})], blank("en"), ["DRUG"])
    docs[0].user_data["._."] = ("a tuple", 1.5)
    write_docbin(tmp_path / "x.spacy", docs, store_user_data=True)
    texts = dict(texts_of(tmp_path / "x.spacy"))
    assert texts["doc 1"] == "Ana Quillon came"
    assert "a tuple" in texts["doc 1, beside the text"] and "v" in texts["doc 1, beside the text"]
    held = notes_of(tmp_path / "x.spacy")
    assert held.texts == ["Ana Quillon came"] and "Quillon" in held.strings
    assert held.used == {"Ana", "Quillon", "came", "DRUG"}
    assert b"a tuple" in bytes_of(tmp_path / "x.spacy")


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.spacy", "x.html"])
def test_a_file_that_cannot_be_read_is_an_error_without_its_text(tmp_path, name):
    (tmp_path / name).write_bytes(b'{"Ana Quillon\xff')
    with pytest.raises(UserError) as error:
        [bytes_of(tmp_path / name), *texts_of(tmp_path / name)]
    assert name in str(error.value) and "Quillon" not in str(error.value)


def test_a_folder_is_its_own_files_but_for_what_is_inside(tmp_path):
    for name in ("a.json", "b.json", ".c.part", "inside/d.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps({}))
    write_manifest(tmp_path / "b.json", inputs={}, config={}, sensitivity="private", counts={})
    write_manifest(tmp_path / "a.json", inputs={}, config={}, sensitivity="public", counts={})
    assert [path.name for path in documents_in([tmp_path])] == ["a.json", "a.json.manifest.json"]
    assert [path.name for path in documents_in([tmp_path / "a.json"])] == ["a.json", "a.json.manifest.json"]
    for path, said in ((tmp_path / "b.json", "is private"), (tmp_path / "none", "does not exist")):
        with pytest.raises(UserError, match=said):
            documents_in([path])
