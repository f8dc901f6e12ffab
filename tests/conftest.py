"""Fixtures that many rooms share: a language model so small that a test can train it."""

import os
import runpy
import signal
import tempfile
from pathlib import Path

import pytest

# Tests run beside each other's servers and browsers: threads that spin while they wait would starve them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from toy import PHRASES, label

from scripts.notes.note import Note

# In a shell's background Ctrl-C is ignored, and what is started there inherits that; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test, and no process that a test starts, connects to another machine: tests/guard/sitecustomize.py sees to it.
GUARD = Path(__file__).parent / "guard"
if "CONNECTIONS" not in os.environ:
    os.environ["CONNECTIONS"] = str(Path(tempfile.mkdtemp()) / "connections.txt")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(GUARD), os.environ.get("PYTHONPATH"))))
    runpy.run_path(str(GUARD / "sitecustomize.py"))


def pytest_sessionfinish(session):
    if connections() and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"connections to other machines: {len(connections())}")
    for line in connections():
        terminalreporter.write_line(f"  {line}", red=True)


def connections() -> list[str]:
    """The attempts to connect to another machine, of this session and all processes that it started."""
    path = Path(os.environ["CONNECTIONS"])
    return path.read_text("utf8").splitlines() if path.is_file() else []


@pytest.fixture(scope="session")
def toy_notes() -> list[Note]:
    genres = ("clinic", "ward")
    return [
        label(f"n{i}", f"{PHRASES[i % 4]} {PHRASES[(i + 1) % 4]}", {"patient": f"p{i}", "genre": genres[i % 2]})
        for i in range(8)
    ]


@pytest.fixture(scope="session")
def toy_lm(tmp_path_factory, toy_notes) -> str:
    """The folder of a causal LM of some ten thousand random weights, with a byte-level tokenizer."""
    from scripts.generators.scratch import new_model, new_tokenizer

    folder = tmp_path_factory.mktemp("toy_lm")
    tokenizer = new_tokenizer([n.text for n in toy_notes] + [" other same drug procedure DRUG PROCEDURE"] * 9, 400)
    new_model(tokenizer, {"width": 32, "n_layers": 2, "n_heads": 2}, 256, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
