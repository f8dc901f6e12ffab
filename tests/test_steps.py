"""What every step does with a person's mistakes: one clear line, exit status 1, nothing half-written."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import typer
from typer.testing import CliRunner

from scripts.notes import step as step_module
from scripts.notes.errors import UserError
from scripts.notes.step import check_variables, command_line_of_parent, load_config, run_step


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


RUN = ["python", "-m", "spacy", "project", "run", "all"]


@pytest.fixture
def project(tmp_path) -> Path:
    path = tmp_path / "project.yml"
    path.write_text('vars:\n  lang: "en"\n  generator: "smollm2"\n  gpu_id: -1\n')
    return path


@pytest.mark.parametrize("words", [["--vars.genrator", "scratch"], ["--vars.genrator=scratch"]])
def test_a_misspelt_variable_is_named_with_the_nearest_right_one(words, project):
    with pytest.raises(UserError, match=r"--vars\.genrator: there is no such") as error:
        check_variables([*RUN, "--vars.lang", "sv", *words], project)
    assert error.value.remedy == "Did you mean --vars.generator? There are: lang, generator, gpu_id"


def test_a_variable_like_no_other_is_named_with_all_that_there_are(project):
    with pytest.raises(UserError, match=r"--vars\.zzz") as error:
        check_variables([*RUN, "--vars.zzz", "1"], project)
    assert error.value.remedy == "There are: lang, generator, gpu_id"


@pytest.mark.parametrize("words", [[], ["--vars.lang", "sv", "--vars.gpu_id=0"], ["--vars.lang=--vars.x"], ["vars.x"]])
def test_variables_that_the_project_has_pass(words, project):
    check_variables([*RUN, *words], project)


def test_outside_a_project_variables_are_nobodys_business(tmp_path):
    check_variables([*RUN, "--vars.zzz", "1"], tmp_path / "project.yml")


def test_a_step_reads_the_command_line_that_started_it():
    code = "from scripts.notes.step import command_line_of_parent; print(command_line_of_parent())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == str(psutil.Process().cmdline())
    assert command_line_of_parent() == psutil.Process().parent().cmdline()


def test_a_step_says_how_long_it_took(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["scripts/adapt.py"])
    with pytest.raises(SystemExit) as stop:
        run_step(lambda: print("adapted"))
    assert not stop.value.code
    assert re.fullmatch(r"adapted\n\s*adapt took \d+ s\n", capsys.readouterr().out)


def test_a_misspelt_variable_stops_a_step_before_it_does_anything(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["scripts/adapt.py"])
    monkeypatch.setattr(step_module, "command_line_of_parent", lambda: [*RUN, "--vars.genrator", "scratch"])
    with pytest.raises(SystemExit) as stop:
        run_step(lambda: print("adapted"))
    assert stop.value.code == 1
    shown = "".join(capsys.readouterr())
    assert "Did you mean --vars.generator?" in shown
    assert "adapted" not in shown and "took" not in shown


@pytest.mark.parametrize("step", ["models", "prepare", "adapt", "generate", "audit", "teach", "annotate", "split",
                                  "evaluate", "package", "visualize", "clean"])  # fmt: skip
def test_every_step_has_help(step):
    """In this process: starting twelve others would take half of the fast tests' minute."""
    app = typer.Typer()
    app.command()(importlib.import_module(f"scripts.{step}").main)
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0, done.output
    assert "Usage" in done.output
