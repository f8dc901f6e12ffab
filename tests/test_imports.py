"""The direction of the house: steps -> {corpora, generators, annotators, privacy, scoring} -> llm -> notes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOMS = {"notes": 0, "llm": 1, "corpora": 2, "generators": 2, "annotators": 2, "privacy": 2, "scoring": 2}
FILES = sorted(Path("scripts").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The rooms of this project that the file PATH imports from, at any depth of the code."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        rooms |= {parts[1] for parts in (n.split(".") for n in names) if parts[0] == "scripts" and len(parts) > 1}
    return rooms


@pytest.mark.parametrize("path", [p for p in FILES if len(p.parts) == 3], ids=str)
def test_a_room_imports_only_rooms_below_it_and_itself(path):
    room = path.parts[1]
    # `functions` registers the plug-ins: whoever reads a config needs it.
    for other in imports(path) - {room, "functions"}:
        assert other in ROOMS, f"{path} imports the step {other}"
        assert ROOMS[other] < ROOMS[room], f"{path} imports {other}"


def test_importing_a_note_loads_nothing_heavy():
    code = "import sys, scripts.notes.note, scripts.notes.jsonl, scripts.notes.files; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"spacy", "torch", "numpy", "transformers", "pydantic"}.isdisjoint(loaded)
