from pathlib import Path

import pytest

from scripts.annotators.load import check_egress, load_annotator
from scripts.notes.errors import UserError

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


def test_a_config_that_is_not_there_names_those_that_are():
    with pytest.raises(UserError, match="embedded"):
        load_annotator(Path("configs/annotator/embeded.cfg"))
