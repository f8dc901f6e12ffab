"""From a trained pipeline to a wheel that remembers nothing but the released notes."""

import json
import zipfile
from pathlib import Path

import pytest
import spacy
from spacy.training import Example

from scripts.notes.errors import UserError
from scripts.notes.files import sha256_of, write_json, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note
from scripts.notes.tokenizer import blank
from scripts.package import main
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
PRIVATE = [Note("p1", f"{NAME}, a kestrelous man, took aspirin.", None, {"patient": "P1", "name": NAME})]


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
    names = ("private", "holdout", "gold", "released", "audit", "evaluation", "packages")
    files = {name: root / name for name in names}
    for name, notes in {
        "private": PRIVATE,
        "holdout": RELEASED[:1],
        "gold": RELEASED[:1],
        "released": RELEASED,
    }.items():
        write_notes(files[name], notes)
    write_manifest(files["released"], inputs={}, config={}, sensitivity="released", counts={})
    config = ROOT / "configs/audit_small.cfg"
    hashes = {name: sha256_of(files[name]) for name in names[:4]} | {"config": sha256_of(config)}
    audit = {"verdict": "PASS", "policy": "small-corpus policy", "shows_not": "no canaries", "config": str(config)}
    write_json(files["audit"], audit | {"counts": {"n_released": 6}, "hashes": hashes})
    strict = {"strict": {"f1": 0.5, "ci95": [0.25, 0.75], "precision": 0.6, "recall": 0.4}}
    scores = {"micro": strict, "DRUG": strict}
    write_json(files["evaluation"], {"n_notes": 7, "systems": {"student": {"scores": scores}}})
    return files | {"model": student}


def run(paths: dict[str, Path], **changed) -> None:
    options = {"name": "tiny", "version": "0.1.0", "generator": "smollm2", "annotator": "embedded", "licence": "MIT"}
    main(**paths | options | changed)


@pytest.fixture(scope="module")
def wheel(paths) -> Path:
    run(paths)
    return paths["packages"] / "en_tiny-0.1.0-py3-none-any.whl"


def test_the_wheel_and_its_manifest(wheel, paths):
    manifest = json.loads((paths["packages"] / "manifest.json").read_text())
    assert manifest["file"] == wheel.name and manifest["sha256"] == sha256_of(wheel)
    assert manifest["sensitivity"] == "released" and manifest["scan"]["n_found"] == 0
    assert manifest["scan"]["n_identifiers"] == 2  # the name, from either end


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
