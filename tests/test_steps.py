"""What every step does with a person's mistakes: one clear line, exit status 1, nothing half-written."""

import subprocess
import sys

import pytest

from scripts.notes.errors import UserError
from scripts.notes.step import load_config, run_step


def test_a_user_error_is_one_clear_line_and_status_1(capsys, monkeypatch):
    def main(path: str):
        raise UserError(f"{path}:17: no 'text'", "Each line needs a 'text'")

    monkeypatch.setattr(sys, "argv", ["step", "notes.jsonl"])
    with pytest.raises(SystemExit) as stop:
        run_step(main)
    assert stop.value.code == 1
    shown = "".join(capsys.readouterr())
    assert "notes.jsonl:17: no 'text'" in shown
    assert "Each line needs a 'text'" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(("error", "status"), [(OSError(28, "No space left"), 1), (KeyboardInterrupt(), 130)])
def test_a_full_disk_and_ctrl_c_say_what_is_kept(error, status, capsys, monkeypatch):
    def main():
        raise error

    monkeypatch.setattr(sys, "argv", ["step"])
    with pytest.raises(SystemExit) as stop:
        run_step(main)
    assert stop.value.code == status
    assert "same command" in "".join(capsys.readouterr())


def test_a_bug_keeps_its_traceback_without_the_values_of_locals():
    code = (
        "from scripts.notes.step import run_step\n"
        "def main():\n    note = 'Zebulon Quackenbush'\n    len(note) + {}['x']\n"
        "run_step(main)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "KeyError" in done.stderr
    assert "Zebulon" not in done.stderr


def test_a_config_that_is_not_there_names_its_neighbours(tmp_path):
    (tmp_path / "there.cfg").write_text("[a]\nb = 1\n")
    with pytest.raises(UserError, match="there"):
        load_config(tmp_path / "missing.cfg")
    with pytest.raises(UserError, match=r"broken\.cfg"):
        (tmp_path / "broken.cfg").write_text("[a\nb = 1\n")
        load_config(tmp_path / "broken.cfg")
    assert load_config(tmp_path / "there.cfg", {"a.b": 2})["a"]["b"] == 2


@pytest.mark.parametrize("step", ["models", "prepare", "adapt", "generate", "audit", "teach", "annotate", "split",
                                  "evaluate", "package", "visualize", "clean"])  # fmt: skip
def test_every_step_has_help(step):
    done = subprocess.run([sys.executable, "-m", f"scripts.{step}", "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
