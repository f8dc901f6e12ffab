"""From a trained pipeline to a wheel that remembers nothing but the released notes."""

import json
import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example

from scripts import package
from scripts.notes.docbins import make_docs, write_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import sensitivity_of, sha256_of, write_json, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note, Span
from scripts.notes.tokenizer import blank
from scripts.package import main
from scripts.privacy.datasheet import make_datasheet
from scripts.privacy.gate import hash_of_files_named
from scripts.privacy.scrub import scrub_pipeline

ROOT = Path(__file__).resolve().parent.parent
NAME = "Zbigniew Hallorann"
RELEASED = [
    Note(f"s{i}", f"Took {drug} for {days} days after the {scan}, no rash.")
    for i, (drug, days, scan) in enumerate(
        (drug, days, scan)
        for drug in ("aspirin", "warfarin", "digoxin")
        for days, scan in ((3, "CT head"), (9, "biopsy"))
    )
]
META = {"patient": "P1", "name": NAME, "record": "HN 48210093"}
PRIVATE = [Note("p1", f"{NAME}, a kestrelous man, took aspirin.", None, META)]


def train(nlp) -> None:
    """A few steps on the released notes; the private words enter the vocabulary as those of a dev corpus do."""
    examples = []
    for note in RELEASED:
        doc = nlp.make_doc(note.text)
        drug, scan = note.text.split()[1], note.text.split(" the ")[1].split(",")[0]
        places = [(note.text.index(words), words, label) for words, label in ((drug, "DRUG"), (scan, "PROCEDURE"))]
        spans = [(start, start + len(words), label) for start, words, label in places]
        examples.append(Example.from_dict(doc, {"entities": spans}))
    spacy.util.fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    assert any(doc.ents for doc in nlp.pipe(note.text for note in RELEASED))  # else equal answers would prove nothing
    list(nlp.pipe(note.text for note in PRIVATE))


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("student") / "model-best"
    nlp = blank("en")
    nlp.add_pipe("ner", config={"model": {"tok2vec": {"width": 32, "depth": 1, "embed_size": 200}}})
    train(nlp)
    nlp.config["paths"] |= {"train": f"{folder}/train.spacy", "dev": f"{folder}/{NAME}.spacy"}
    nlp.config["initialize"]["before_init"] = {"@callbacks": "clinical.tokenizer.v1"}
    nlp.meta["notes_on_training"] = f"dev corpus of {NAME}"
    nlp.to_disk(folder)
    (folder / "docs.pickle").write_bytes(NAME.encode())
    assert "kestrelous" in json.loads((folder / "vocab/strings.json").read_text())
    return folder


@pytest.fixture(scope="module")
def paths(tmp_path_factory, student) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("project")
    names = (
        "private",
        "holdout",
        "gold",
        "released",
        "synthetic",
        "canaries",
        "audit",
        "evaluation",
        "packages",
        "silver",
    )
    files = {name: root / f"{name}{'.jsonl' if i < 6 else ''}" for i, name in enumerate(names)}
    for name, notes in {
        "private": PRIVATE,
        "holdout": RELEASED[:1],
        "gold": RELEASED[:1],
        "released": RELEASED,
        "synthetic": RELEASED,
        "canaries": [],
    }.items():
        write_notes(files[name], notes)
    write_manifest(files["released"], inputs={}, config={}, sensitivity="released", counts={})
    made = {"generator": {"base": "some/where"}}
    write_manifest(
        files["synthetic"], inputs={"generator": "0f" * 32}, config=made, sensitivity="synthetic", counts={}, seed=3
    )
    config = ROOT / "configs/audit_small.cfg"
    hashes = {name: sha256_of(files[name]) for name in names[:5]} | {"config": sha256_of(config)}
    hashes["policy_files"] = hash_of_files_named(config)
    audit = {"verdict": "PASS", "policy": "small-corpus policy", "shows_not": "no canaries", "config": str(config)}
    figures = {"excess": 0.12345678, "offending_notes": ["s3"]}
    check = {"id": "G1", "name": "direct identifiers", "verdict": "PASS", "figures": figures, "meaning": "x"}
    write_json(files["audit"], audit | {"counts": {"n_released": 6}, "hashes": hashes, "checks": [check]})
    strict = {"strict": {"f1": 0.5, "ci95": [0.25, 0.75], "precision": 0.6, "recall": 0.4}}
    scores = {"micro": strict, "DRUG": strict}
    write_json(files["evaluation"], {"n_notes": 7, "systems": {"student": {"scores": scores}}})
    label_silver(files["silver"], files["released"])
    return files | {"model": student}


def label_silver(folder: Path, released: Path, user_data: dict | None = None, text: str = "") -> None:
    """The released notes with labels in FOLDER, with an annotator's manifest; in the first one USER_DATA and TEXT."""
    nlp = blank("en")
    notes = [Note(n.id, f"{n.text} {text}" if i == 0 and text else n.text, n.spans) for i, n in enumerate(RELEASED)]
    docs, _ = make_docs(notes, nlp, ["DRUG"])
    docs[0].user_data |= user_data or {}
    write_docbin(folder / "00000.spacy", docs, store_user_data=True)
    inputs = {"released": released, "configs/prompts/echo.jinja": ROOT / "configs/prompts/echo.jinja"}
    write_manifest(folder, inputs=inputs, config={"llm": "https://inside.example"}, sensitivity="released", counts={})


def run(paths: dict[str, Path], **changed) -> None:
    options = {"name": "tiny", "version": "0.1.0", "generator": "smollm2", "annotator": "embedded", "licence": "MIT"}
    main(**{"leaves": ()} | paths | options | changed)


@pytest.fixture(scope="module")
def wheel(paths) -> Path:
    run(paths)
    return paths["packages"] / "en_tiny-0.1.0-py3-none-any.whl"


@pytest.mark.slow
def test_the_wheel_and_its_manifest(wheel, paths):
    manifest = json.loads((paths["packages"] / "manifest.json").read_text())
    assert manifest["file"] == wheel.name and manifest["sha256"] == sha256_of(wheel)
    assert manifest["sensitivity"] == "released" and manifest["scan"]["n_found"] == 0
    assert manifest["scan"]["n_identifiers"] == 4  # the name, from either end; the record with and without its letters


@pytest.mark.slow
def test_no_member_holds_a_trace(wheel, paths):
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert any(name.endswith("strings.json") for name in members)
    for name, data in members.items():
        for trace in (
            "Hallorann",
            "Zbigniew",
            "kestrelous",
            str(ROOT),
            "clinical.tokenizer.v1",
            "docs.pickle",
            "/tmp/",
        ):
            assert trace.encode() not in name.encode() + data, (name, trace)


@pytest.mark.slow
def test_what_meta_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        meta = json.loads(archive.read("en_tiny/meta.json"))
    assert meta["name"] == "tiny" and meta["version"] == "0.1.0" and meta["license"] == "MIT"
    assert meta["performance"]["ents_f"] == 0.5 and meta["performance"]["ents_per_type"]["DRUG"]["r"] == 0.4
    said = meta["description"] + meta["notes"]
    for words in (
        "smollm2",
        "embedded",
        "PASS (small-corpus policy)",
        "no canaries",
        "0.500 (95 % 0.250 to 0.750)",
        "7 gold",
    ):
        assert words in said
    assert any(requirement.startswith("spacy>=") for requirement in meta["requirements"])


@pytest.mark.slow
def test_two_builds_are_the_same_bytes(wheel, paths, tmp_path):
    run(paths, packages=tmp_path)
    assert sha256_of(tmp_path / wheel.name) == sha256_of(wheel)


@pytest.mark.slow
def test_the_config_is_stock(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (config,) = tmp_path.rglob("config.cfg")
    loaded = spacy.util.load_config(config, interpolate=True)
    assert loaded["paths"]["train"] is None and loaded["initialize"]["before_init"] is None
    assert loaded["training"] == blank("en").config.interpolate()["training"]


def refuse(paths, match: str, **changed) -> None:
    packages = paths["packages"].with_name("refused")
    packages.mkdir(exist_ok=True)
    (packages / "en_old-0.0.1-py3-none-any.whl").write_text("of an earlier run")
    with pytest.raises(UserError, match=match) as error:
        run(paths, packages=packages, **changed)
    assert list(packages.iterdir()) == []
    assert "Hallorann" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"verdict": "FAIL"}, "the gate said FAIL"),
        ({"verdict": "INCONCLUSIVE"}, "the gate said INCONCLUSIVE"),
        ({"hashes": {}}, "not the file that was audited"),
    ],
)
def test_without_a_pass_on_these_files_there_is_no_wheel(paths, tmp_path, change, match):
    audit = tmp_path / "audit.json"
    write_json(audit, json.loads(paths["audit"].read_text()) | change)
    refuse(paths, match, audit=audit)


def test_other_released_notes_than_the_audited_ones(paths, tmp_path):
    other = tmp_path / "released"
    write_notes(other, RELEASED[1:])
    refuse(paths, "not marked as released", released=other)
    write_manifest(other, inputs={}, config={}, sensitivity="released", counts={})
    refuse(paths, "not the file that was audited", released=other)


@pytest.mark.parametrize("name", ["no-name", "1st", "a b"])
def test_a_name_that_cannot_be_imported(paths, name):
    with pytest.raises(UserError, match="cannot be imported"):
        run(paths, name=name)


@pytest.mark.slow
def test_a_leak_in_the_model_leaves_no_wheel(paths, tmp_path):
    """A name that scrubbing cannot know of: a label."""
    nlp = spacy.load(paths["model"])
    nlp.get_pipe("ner").add_label(NAME)
    nlp.to_disk(tmp_path / "model")
    refuse(paths, r"no wheel: an identifier \(name\)", model=tmp_path / "model")


@pytest.mark.slow
def test_a_pipeline_that_needs_our_code_leaves_no_wheel(paths, tmp_path):
    nlp = spacy.load(paths["model"])
    nlp.config["nlp"]["after_creation"] = {"@callbacks": "clinical.tokenizer.v1"}
    nlp.to_disk(tmp_path / "model")
    refuse(paths, "does not load or run", model=tmp_path / "model")


# Everything else that leaves


def documents(paths, folder: Path, **files: object) -> list[Path]:
    """FILES, by their names with __ for a dot, written into FOLDER."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf8")
    return [folder]


@pytest.mark.slow
def test_the_manifest_lists_all_that_may_leave_and_its_hashes(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(package, "make_wheel", fake_wheel)
    leaves = documents(paths, tmp_path / "metrics", scores__json={"f1": 0.5}, page__html="<p>fine</p>")
    (tmp_path / "metrics" / "inside").mkdir()
    (tmp_path / "metrics" / "inside" / "worst.json").write_text(json.dumps({"who": NAME}))
    documents(paths, tmp_path / "metrics", worst__json={"who": NAME})
    write_manifest(tmp_path / "metrics/worst.json", inputs={}, config={}, sensitivity="private", counts={})
    packages = tmp_path / "packages"
    run(paths, packages=packages, leaves=leaves)
    manifest = json.loads((packages / "manifest.json").read_text())
    assert set(manifest["documents"]) == {
        *("released.jsonl", "released.jsonl.manifest.json", "00000.spacy"),  # the folder lies outside the project
        *("manifest.json", "scores.json", "page.html"),
    }
    assert manifest["documents"]["scores.json"] == sha256_of(tmp_path / "metrics/scores.json")
    assert set(manifest["files"]) == {"en_tiny-0.1.0-py3-none-any.whl", "sbom.cdx.json"}
    assert manifest["scan"]["n_documents"] == 7  # and the bill of materials
    sums = dict(reversed(line.split("  ")) for line in (packages / "sha256sums.txt").read_text().splitlines())
    assert sums == {path.name: sha256_of(path) for path in packages.iterdir() if path.name != "sha256sums.txt"}
    assert {*sums, "sha256sums.txt"} == {*manifest["files"], "manifest.json", "sha256sums.txt"}
    for path in packages.iterdir():
        for trace in (str(tmp_path), str(ROOT), "Hallorann", socket.gethostname()):
            assert trace.encode() not in path.read_bytes(), (path, trace)


LEAKS = {
    "figures": {"scores__json": {"note": f"about {NAME}"}},
    "a key of figures": {"scores__json": {NAME: 1}},
    "a number": {"scores__json": {"record": 48210093}},
    "a page": {"index__html": f"<p>{NAME}</p>"},
    "a name half marked": {"index__html": '<p><mark>Zbigniew<span class="tag">PERSON</span></mark> Hallorann</p>'},
    "a page's title": {"index__html": f'<p title="{NAME}">x</p>'},
    "a page's comment": {"index__html": f"<!-- {NAME} --><p>x</p>"},
    "an escape of a page": {"index__html": "<p>Zbigniew&nbsp;H&#97;llorann</p>"},
    "a drawing": {"index__html": f'<svg><text x="1">{NAME}</text></svg>'},
    "a released note": {"more__jsonl": json.dumps({"text": "x", "meta": {"who": NAME}})},
    "any file": {"notes__txt": f"by {NAME}"},
    "a file's name": {f"{NAME}__json": {}},
    "a path": {"scores__json": {"at": str(ROOT / "corpus")}},
    "a key": {"scores__json": {"at": "sk-" + "a1" * 12}},
}


@pytest.mark.slow
@pytest.mark.parametrize("place", LEAKS)
def test_a_leak_in_anything_that_leaves_leaves_no_wheel(paths, tmp_path, place, monkeypatch):
    """The wheel itself is found clean; making it takes seconds, so that it is left out here."""
    monkeypatch.setattr(package, "make_wheel", fake_wheel)
    leaves = documents(paths, tmp_path / "out", **LEAKS[place])
    for file in list(leaves[0].iterdir()):
        write_manifest(file, inputs={}, config={}, sensitivity="released", counts={})
    fine = documents(paths, tmp_path / "fine", index__html="<p>fine</p>")
    write_manifest(tmp_path / "fine/index.html", inputs={}, config={}, sensitivity="synthetic", counts={})
    what = {"a path": "a local path", "a key": "shaped as a key"}.get(place, "an identifier")
    refuse(paths | {"leaves": leaves + fine}, f"no wheel: .*{what}")
    # Nothing that holds it says that it is released, and nothing else lost its manifest.
    assert all(sensitivity_of(file) == "private" for file in leaves[0].iterdir())
    assert sensitivity_of(tmp_path / "fine/index.html") == "synthetic"


def fake_wheel(nlp, meta, scanner, trial, scratch):
    wheel = scratch / "en_tiny-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("en_tiny-0.1.0.dist-info/METADATA", "Name: en_tiny\nVersion: 0.1.0\nRequires-Dist: srsly>=2\n")
    return wheel, {"n_members": 1, "n_bytes": 1, "n_identifiers": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("user_data", r"an identifier \(name\) in 00000.spacy, doc 1, beside the text"),
        ("text", r"an identifier \(name\) in 00000.spacy, doc 1"),
        ("another text", "1 texts of no released note in 00000.spacy, docs"),
        ("strings", "1 words of private, holdout or gold notes in 00000.spacy, strings"),
    ],
)
def test_a_leak_in_the_labelled_notes_leaves_no_wheel(paths, tmp_path, place, what, monkeypatch):
    monkeypatch.setattr(package, "make_wheel", fake_wheel)
    hidden = {"user_data": {("._.", "who", None, None): [NAME]}}.get(place)
    label_silver(tmp_path / "silver", paths["released"], hidden, {"text": NAME, "another text": "no"}.get(place, ""))
    if place == "strings":
        docbin = DocBin().from_disk(tmp_path / "silver/00000.spacy")
        docbin.strings.add("kestrelous")
        docbin.to_disk(tmp_path / "silver/00000.spacy")
    refuse(paths | {"silver": tmp_path / "silver"}, f"no wheel: .*{what}")
    assert sensitivity_of(tmp_path / "silver") == "private" and sensitivity_of(paths["released"]) == "released"


@pytest.mark.slow
def test_what_the_gate_let_pass_in_the_released_notes_may_stand_in_their_copies(paths, tmp_path, monkeypatch):
    """A doctor whom private and holdout notes name is excused; elsewhere than in the released notes nobody is."""
    monkeypatch.setattr(package, "make_wheel", fake_wheel)
    doctor = Note("x", "Seen by Dr Quirina Aspel-Tromp.", (Span(8, 30, "PERSON"),), {"patient": "P7"})
    assert doctor.mention(doctor.spans[0]) == "Dr Quirina Aspel-Tromp"
    other = tmp_path / "project"
    files = dict(paths)
    notes = {"private": [*PRIVATE, doctor], "holdout": [*RELEASED[:1], replace(doctor, id="y", meta={"patient": "P8"})]}
    said = [Note("s0", f"{RELEASED[0].text} {doctor.text}"), *RELEASED[1:]]
    notes |= {"released": said, "synthetic": said}
    for name, group in notes.items():
        files[name] = other / f"{name}.jsonl"
        write_notes(files[name], group)
    write_manifest(files["released"], inputs={}, config={}, sensitivity="released", counts={})
    write_manifest(files["synthetic"], inputs={}, config={}, sensitivity="synthetic", counts={})
    audit = json.loads(paths["audit"].read_text())
    audit["hashes"] |= {name: sha256_of(files[name]) for name in notes}
    files["audit"] = other / "audit.json"
    write_json(files["audit"], audit)
    label_silver(other / "silver", files["released"], text=doctor.text)
    files["silver"] = other / "silver"
    page = documents(paths, tmp_path / "reports", index__html=f"<p>{doctor.text}</p>")
    run(files, packages=tmp_path / "packages", leaves=page)
    assert (tmp_path / "packages/manifest.json").is_file()
    documents(paths, tmp_path / "reports", index__html=f"<p>{doctor.text} {NAME}</p>")
    refuse(files | {"leaves": page}, "an identifier .name. in index.html")


def test_the_door_does_not_believe_a_verdict(paths, tmp_path, monkeypatch):
    """An audit file that says PASS of notes in which a patient stands: hashes and manifests are right."""
    monkeypatch.setattr(package, "make_wheel", fake_wheel)
    files = dict(paths)
    for name in ("released", "synthetic"):
        files[name] = tmp_path / f"{name}.jsonl"
        write_notes(files[name], [*RELEASED, Note("s9", f"Seen with {NAME}.")])
    write_manifest(files["released"], inputs={}, config={}, sensitivity="released", counts={})
    write_manifest(files["synthetic"], inputs={}, config={}, sensitivity="synthetic", counts={})
    audit = json.loads(paths["audit"].read_text())
    audit["hashes"] |= {name: sha256_of(files[name]) for name in ("released", "synthetic")}
    files["audit"] = tmp_path / "audit.json"
    write_json(files["audit"], audit)
    label_silver(tmp_path / "silver", files["released"])
    refuse(files | {"silver": tmp_path / "silver"}, "do not pass G1 .FAIL.")
    assert sensitivity_of(files["released"]) == "private"


def test_labels_of_other_notes_and_files_that_must_not_leave(paths, tmp_path):
    label_silver(tmp_path / "silver", paths["private"])
    refuse(paths, "labels other notes", silver=tmp_path / "silver")
    refuse(paths, "does not exist", leaves=[tmp_path / "none.json"])
    private = tmp_path / "private.jsonl"
    write_notes(private, PRIVATE)
    write_manifest(private, inputs={}, config={}, sensitivity="private", counts={})
    refuse(paths, "is private", leaves=[private])


@pytest.mark.slow
def test_the_datasheet(wheel, paths):
    with zipfile.ZipFile(wheel) as archive:
        sheet = json.loads(archive.read("en_tiny/meta.json"))["datasheet"]
    assert sheet["gate"]["verdict"] == "PASS" and sheet["gate"]["policy"] == "small-corpus policy"
    assert sheet["gate"]["checks"] == [
        {"id": "G1", "name": "direct identifiers", "verdict": "PASS", "figures": {"excess": 0.1235}, "p_values": {}}
    ]
    assert sheet["annotator"]["prompts_sha256"] == {"echo.jinja": sha256_of(ROOT / "configs/prompts/echo.jinja")}
    assert sheet["generator"] | {"config_sha256": None, "made": None} == {
        "name": "smollm2",
        "made": None,
        "config_sha256": None,
        "model_manifest_sha256": "0f" * 32,
        "seed": 3,
        "differential_privacy": "none",
    }
    assert sheet["generator"]["made"].startswith("a causal language model adapted on private notes")
    assert sheet["data"]["sha256"] == sha256_of(paths["released"]) and sheet["data"]["n_notes"]["n_released"] == 6
    assert sheet["scores"]["student"]["DRUG"] == {"f1": 0.5, "ci95": [0.25, 0.75], "precision": 0.6, "recall": 0.4}
    assert sheet["limits"]
    assert "inside.example" not in json.dumps(sheet) and "s3" not in json.dumps(sheet)


def test_the_datasheet_of_notes_that_a_server_wrote():
    verdict = {"verdict": "PASS", "policy": "p", "shows_not": "x", "counts": {}, "hashes": {}}
    scores = {"n_notes": 1, "systems": {"student": {"scores": {}}}}
    manifest = {"config": {}, "inputs": {}, "seed": 0, "versions": {}, "counts": {"usage": {"calls: answered": 3}}}
    manifest["counts"]["privacy"] = {"unit": "patient", "epsilon": 7.98765, "delta": 3.14159e-06, "steps": 20}
    sheet = make_datasheet(verdict, scores, manifest, manifest, "endpoint", "written")
    spent = {"unit": "patient", "epsilon": 7.99, "delta": 3.14e-06, "steps": 20}
    assert sheet["generator"]["differential_privacy"] == spent
    assert sheet["generator"]["made"] == "a language model behind a server, asked with prompts and adapted on no note"


@pytest.mark.slow
def test_the_bill_of_materials(wheel, paths):
    bill = json.loads((paths["packages"] / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
    root = bill["metadata"]["component"]
    assert (root["name"], root["version"], root["licenses"]) == ("en_tiny", "0.1.0", [{"license": {"name": "MIT"}}])
    assert root["hashes"] == [{"alg": "SHA-256", "content": sha256_of(wheel)}]
    parts = {part["name"].lower(): part for part in bill["components"]}
    assert parts["spacy"]["version"] == spacy.__version__ and parts["spacy"]["scope"] == "required"
    assert parts["spacy"]["licenses"] == [{"license": {"name": "MIT License"}}]  # its classifier
    assert parts["thinc"]["scope"] == "required"  # spaCy's own requirement
    assert parts["pytest"]["scope"] == "excluded"  # had a part in the building alone
    refs = [root["bom-ref"], *(part["bom-ref"] for part in bill["components"])]
    assert len(refs) == len(set(refs))
    needs = {row["ref"]: row["dependsOn"] for row in bill["dependencies"]}
    assert parts["spacy"]["bom-ref"] in needs[root["bom-ref"]]
    assert parts["thinc"]["bom-ref"] in needs[parts["spacy"]["bom-ref"]]
    assert {ref for row in needs.values() for ref in row} <= set(refs)
    assert all(set(part) <= PART_KEYS for part in bill["components"])


PART_KEYS = {"type", "bom-ref", "name", "version", "scope", "purl", "licenses"}


def make_encoder(folder: Path) -> None:
    """A BERT of a few random weights."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True)
    letters = [chr(97 + i) for i in range(26)]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{x}" for x in letters), ",", "."]
    (folder / "vocab.txt").write_text("\n".join(vocab))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=128).save_pretrained(folder)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(vocab), **shape)).save_pretrained(folder)


@pytest.mark.slow
def test_a_transformer_forgets_where_its_encoder_lay(tmp_path):
    spacy.util.fix_random_seed(0)
    make_encoder(tmp_path / "base" / "minibert")
    nlp = blank("en")
    architecture = "spacy-transformers.TransformerModel.v3"
    encoder = {
        "@architectures": architecture,
        "name": str(tmp_path / "base/minibert"),
        "tokenizer_config": {"use_fast": True},
    }
    nlp.add_pipe("transformer", config={"model": encoder})
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": {"@layers": "reduce_mean.v1"}}
    head = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "hidden_width": 16,
        "maxout_pieces": 2,
    }
    head |= {"extra_state_tokens": False, "use_upper": False}
    nlp.add_pipe("ner", config={"model": head | {"tok2vec": listener | {"grad_factor": 1.0}}})
    train(nlp)
    texts = [note.text for note in RELEASED]
    before = [[(e.start, e.end, e.label_) for e in doc.ents] for doc in nlp.pipe(texts)]
    scrub_pipeline(nlp, tmp_path / "clean", {"name": "tiny", "version": "0.1.0"})
    (tmp_path / "base").rename(tmp_path / "gone")
    clean = spacy.load(tmp_path / "clean")
    assert [[(e.start, e.end, e.label_) for e in doc.ents] for doc in clean.pipe(texts)] == before
    assert clean.config["components"]["transformer"]["model"]["name"] == "minibert"
    for file in (tmp_path / "clean").rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert str(tmp_path).encode() not in data and b"kestrelous" not in data and b"/base/" not in data, file
