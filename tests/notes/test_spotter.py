import pytest

from scripts.notes.canaries import Spotter, end_of, planted
from scripts.notes.note import Note

END = "alpha bravo charlie delta echo foxtrot golf hotel india"
PLANTED = Note("c1", f"He came. {END}.", None, {"canary": "planted", "end": 9})
TWIN = Note("c2", "She went. kilo lima mike november oscar papa quebec romeo", None, {"canary": "twin", "end": 10})


def test_what_is_planted_and_what_a_canary_ends_with():
    assert planted([PLANTED, TWIN]) == [PLANTED]
    assert end_of(PLANTED) == f"{END}."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Before. {END} after", {"c1"}),
        ("bravo charlie delta echo foxtrot golf hotel india", {"c1"}),  # eight
        ("charlie delta echo foxtrot golf hotel india", set()),
        ("Alpha, BRAVO\n charlie: delta - echo; foxtrot (golf) hotel", {"c1"}),
        ("alpha bravo charlie delta other foxtrot golf hotel india", set()),
        ("He came.", set()),
        ("", set()),
    ],
)
def test_eight_tokens_of_an_end_in_a_row_are_spotted(text, found):
    assert Spotter({"c1": END, "c3": "one two three"}).find(text) == found
