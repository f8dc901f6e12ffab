"""project.yml tells the truth: what it names exists, each step lists its script and config, the README shows it."""

import re
import shlex
from pathlib import Path

import pytest
import srsly
from weasel.util import get_checksum

PROJECT = srsly.read_yaml("project.yml")
COMMANDS = {c["name"]: c for c in PROJECT["commands"]}
STEPS = set("prepare adapt generate audit teach annotate split train evaluate package visualize".split())  # noqa: SIM905
VARS = set("name version lang gpu_id seed task generator annotator ner n_notes".split())  # noqa: SIM905


def resolve(text: str) -> str:
    return re.sub(r"\$\{vars\.(\w+)\}", lambda m: str(PROJECT["vars"][m[1]]), text)


def outputs(command: dict) -> list[str]:
    return [resolve(o) for o in (*command.get("outputs", ()), *command.get("outputs_no_cache", ()))]


def test_the_steps_and_vars_of_the_template_are_there():
    assert set(COMMANDS) >= STEPS
    assert set(PROJECT["vars"]) >= VARS
    assert PROJECT["vars"]["gpu_id"] == -1
    for folder in ("configs", "scripts", "assets", "corpus", "training", "tests"):
        assert Path(folder).is_dir()


def test_every_variable_that_is_used_is_declared_and_the_other_way_round():
    used = set(re.findall(r"\$\{vars\.(\w+)\}", Path("project.yml").read_text("utf8")))
    assert used == set(PROJECT["vars"])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_and_a_step_names_its_script_and_configs_among_its_deps(name):
    command = COMMANDS[name]
    assert command["help"]
    deps = [resolve(d) for d in command.get("deps", ())]
    for line in map(resolve, command["script"]):
        words = shlex.split(line)
        assert words[0] == "python"
        assert not set(line) & set("|&;*$><"), "scripts are no shell"
        if not deps:
            continue
        if words[2].startswith("scripts."):
            assert f"{words[2].replace('.', '/')}.py" in deps
        for word in words[3:]:
            file = word.split("=", 1)[-1]
            if file.startswith("configs/"):
                assert file in deps


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_needs_is_in_the_clone_or_made_by_an_earlier_one(name):
    order = list(COMMANDS)
    made = {o for other in order[: order.index(name)] for o in outputs(COMMANDS[other])}
    for dep in map(resolve, COMMANDS[name].get("deps", ())):
        assert dep in made or Path(dep).exists(), f"{name} needs {dep}"


def test_private_artefacts_are_never_pushed():
    pushed = {o for c in COMMANDS.values() for o in map(resolve, c.get("outputs", ()))}
    for private in ("corpus/private", "corpus/holdout", "corpus/gold", "corpus/canaries", "corpus/synthetic",
                    "corpus/control", "corpus/predictions", "training/generator", "training/control",
                    "training/annotator", "reports/inside"):  # fmt: skip
        assert not any(o.startswith(private) for o in pushed)


def test_no_command_declares_a_folder_that_changes_by_itself():
    for command in COMMANDS.values():
        for path in (*map(resolve, command.get("deps", ())), *outputs(command)):
            assert Path(path).suffix or path.startswith(("assets/", "configs/")), path


def test_workflows_name_commands():
    for steps in PROJECT["workflows"].values():
        assert set(steps) <= set(COMMANDS)


def test_the_checksum_of_the_shipped_notes_is_current():
    (asset,) = [a for a in PROJECT["assets"] if a["dest"] == "assets/notes"]
    assert asset["checksum"] == get_checksum("assets/notes")


def test_the_readme_has_the_generated_table_of_commands(tmp_path):
    from weasel.cli.document import project_document

    project_document(Path.cwd(), tmp_path / "README.md")
    # A file that a user may put there or not is a link only where it is there.
    generated, shown = (
        re.sub(r"\[(`assets/[^`]+`)\]\([^)]+\)", r"\1", path.read_text("utf8"))
        for path in (tmp_path / "README.md", Path("README.md"))
    )
    for block in re.findall(r"^\| .*\|$", generated, re.MULTILINE):
        assert block in shown, block
