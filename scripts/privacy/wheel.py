"""A pipeline's folder as a wheel, and the wheel's answers in a process that knows nothing else of us."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.notes.errors import UserError

# The epoch of zip files: two builds of the same pipeline are the same bytes.
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "315532800"}
PIP = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--quiet"]
TRIAL = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
nlp = importlib.import_module(sys.argv[2]).load()
assert "scripts" not in sys.modules
found = [[[e.start_char, e.end_char, e.label_] for e in doc.ents] for doc in nlp.pipe(json.load(sys.stdin))]
print(json.dumps(found))
"""


def build_wheel(pipeline: Path, name: str, version: str, out: Path) -> Path:
    """The folder PIPELINE as a wheel in OUT, in spaCy's layout, built by the installed setuptools without any index."""
    from spacy.cli.package import package

    with tempfile.TemporaryDirectory() as scratch:
        package(
            pipeline,
            Path(scratch),
            name=name,
            version=version,
            create_sdist=False,
            create_wheel=False,
            require_parent=True,
        )
        (folder,) = Path(scratch).iterdir()
        # spaCy calls `python -m build`, which fetches a build environment from an index.
        built = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--use-pep517", "--wheel-dir", str(out)]
        _run([*PIP, *built, str(folder)], "the wheel could not be built", "pip install 'setuptools>=70.1'")
    (wheel,) = out.glob("*.whl")
    return wheel


def ask_wheel(wheel: Path, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    """The entities that the installed WHEEL finds in TEXTS, from a process without this repository on its path."""
    with tempfile.TemporaryDirectory() as target:
        install = ["install", "--no-deps", "--no-index", "--target", target, str(wheel.resolve())]
        _run([*PIP, *install], "the wheel could not be installed", "Look into the pipeline's requirements")
        command = [sys.executable, "-I", "-c", TRIAL, target, wheel.name.split("-")[0]]
        remedy = "A component needs code that the wheel has not: keep to spaCy's own in configs/ner"
        answer = _run(command, "the installed wheel does not load or run", remedy, cwd=target, given=json.dumps(texts))
    return [[tuple(span) for span in spans] for spans in json.loads(answer.splitlines()[-1])]


def _run(command: list[str], what: str, remedy: str, cwd: str | None = None, given: str | None = None) -> str:
    environment: dict[str, Any] = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(command, cwd=cwd, input=given, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        # The last line names the error; it is a tool's or spaCy's, which have seen released notes at most.
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"{what} ({last})", remedy)
    return done.stdout
