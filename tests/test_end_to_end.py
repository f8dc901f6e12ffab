"""The whole flow at minimal size through `spacy project run`, with a planted patient whom nothing that leaves shows."""

import shutil
import zipfile
from pathlib import Path

import pytest
import srsly
from toy import ROOT

NAME, RECORD = "Zebulon Quackenbush", "7788990011"
NOTE = f"""---
patient: {{id}}
name: {NAME}
record: "{RECORD}"
born: 1950-02-03
genre: discharge
specialty: cardiology
sex: M
age_group: 65-79
---
[{NAME}](PERSON) no [{RECORD}](ID) {{text}}
"""
TEXTS = (
    "came with fever. [Ceftriaxone](DRUG) after [CXR](PROCEDURE), home on [aspirin](DRUG) with his wife on Sunday.",
    "seen for knee pain. [Knee arthroscopy](PROCEDURE) offered, he would rather wait; [ibuprofen](DRUG) as needed.",
    "was found confused by neighbours. [CT head](PROCEDURE) clear, [thiamine](DRUG) given, slept well, ate breakfast.",
)
GENERATOR = """
[generator]
@misc = "clinical.ScratchLM.v1"
control = ["genre", "sex"]
vocab_size = 600
n_layers = 2
width = 64
n_heads = 2
max_tokens = 256
[generator.schedule]
learning_rate = 5e-3
n_epochs = 10
batch_size = 8
patience = 20
[generator.writing]
temperature = 1.0
max_new_tokens = 900
batch_size = 12
min_words = 10
max_attempts = 40
# So small a model writes no language.
max_excess_bits = 9
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which all steps but the models are run on a few notes."""
    root = tmp_path_factory.mktemp("project")
    for name in ("project.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for name in ("scripts", "configs", "assets/lists", "assets/public"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    notes = root / "assets" / "notes" / "en"
    notes.mkdir(parents=True)
    for path in sorted((ROOT / "assets/notes/en").glob("*.md"))[:27]:
        shutil.copy(path, notes)
    for number, text in enumerate(TEXTS):
        (notes / f"planted{number}.md").write_text(NOTE.format(id=f"planted{number}", text=text), "utf8")
    (root / "configs/generator/tiny.cfg").write_text(GENERATOR)
    ner = (root / "configs/ner/cnn.cfg").read_text().replace("max_steps = 3000", "max_steps = 60")
    (root / "configs/ner/tiny.cfg").write_text(ner.replace("eval_frequency = 200", "eval_frequency = 30"))
    return root


VARS = {"corpus": "demo", "generator": "tiny", "annotator": "teacher", "ner": "tiny", "n_notes": 16, "name": "tiny_ner"}


def project_steps() -> list[str]:
    """The steps of `all` but the first, whose models this test does not need."""
    return srsly.read_yaml(ROOT / "project.yml")["workflows"]["all"][1:]


def run(root: Path, command: str) -> None:
    from weasel.cli.run import project_run

    project_run(root, command, overrides={f"vars.{k}": v for k, v in VARS.items()})


@pytest.mark.slow
def test_everything_from_notes_to_wheel_and_nothing_of_the_planted_patient(project, capfd):
    for step in project_steps():
        run(project, step)
    log = "".join(capfd.readouterr())
    (wheel,) = (project / "packages").glob("*.whl")
    assert wheel.name.startswith("en_tiny_ner-0.1.0")
    leaving = [
        project / "project.lock",
        project / "reports/index.html",
        project / "reports/audit.html",
        *_files(project, "packages", "metrics", "corpus/silver"),
    ]
    leaving += [project / "corpus" / name for name in ("released.jsonl", "train.spacy", "dev.spacy")]
    inside = "".join((project / f"corpus/{name}.jsonl").read_text("utf8") for name in ("private", "holdout", "gold"))
    assert NAME in inside, "the plant is not in the split: this test would show nothing"
    for needle in ("Quackenbush", "Zebulon", RECORD):
        assert needle not in log
        for path in leaving:
            for name, data in _members(path):
                assert needle.encode() not in data, f"{path.name}/{name}"


def _files(root: Path, *folders: str) -> list[Path]:
    return [f for folder in folders for f in (root / folder).rglob("*") if f.is_file()]


def _members(path: Path):
    """The bytes of PATH, and of what is packed in it (wheels, and spaCy's compressed DocBins)."""
    import zlib

    data = path.read_bytes()
    yield path.name, data
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)
    elif path.suffix == ".spacy":
        yield "unpacked", zlib.decompress(data)
