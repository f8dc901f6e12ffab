from pathlib import Path

import pytest

from scripts.annotators.load import check_egress, load_annotator
from scripts.notes.errors import UserError
from scripts.notes.files import write_manifest

REMOTE = Path("configs/annotator/paper_a.cfg")
LOCAL = Path("configs/annotator/embedded.cfg")


@pytest.mark.parametrize("sensitivity", ["private", "synthetic"])
def test_notes_that_did_not_pass_the_gate_go_to_local_models_only(sensitivity):
    check_egress(LOCAL, sensitivity)
    check_egress(Path("configs/annotator/teacher.cfg"), sensitivity)
    with pytest.raises(UserError, match="another host"):
        check_egress(REMOTE, sensitivity)


@pytest.mark.parametrize("sensitivity", ["released", "public"])
def test_released_notes_may_go_anywhere(sensitivity):
    check_egress(REMOTE, sensitivity)


@pytest.mark.parametrize("sensitivity", ["released", "public"])
def test_private_examples_of_a_prompt_keep_released_notes_from_another_host(sensitivity, tmp_path):
    examples, config = tmp_path / "examples.jsonl", tmp_path / "remote.cfg"
    examples.write_text('{"text": "On aspirin.", "spans": [{"start": 3, "end": 10, "label": "DRUG"}]}\n')
    config.write_text(REMOTE.read_text("utf8").replace('form = "json"', f'form = "json"\nexamples = "{examples}"'))
    with pytest.raises(UserError, match="the prompt's examples are private"):  # nothing is known of them
        check_egress(config, sensitivity)
    for kind in ("private", "synthetic"):
        write_manifest(examples, inputs={}, config={}, sensitivity=kind, counts={})
        with pytest.raises(UserError, match=f"another host, and the prompt's examples are {kind}"):
            check_egress(config, sensitivity)
    for kind in ("released", "public"):
        write_manifest(examples, inputs={}, config={}, sensitivity=kind, counts={})
        check_egress(config, sensitivity)
        with pytest.raises(UserError, match="these notes are private"):
            check_egress(config, "private")


def test_a_local_model_may_be_shown_private_examples():
    check_egress(Path("configs/annotator/few_shot.cfg"), "private")


def test_a_config_that_is_not_there_names_those_that_are():
    with pytest.raises(UserError, match="embedded"):
        load_annotator(Path("configs/annotator/embeded.cfg"))
