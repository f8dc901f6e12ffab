import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.privacy import members
from scripts.privacy.members import walk_members


def test_of_a_zip_archive_itself_names_comments_and_what_lies_around_members_are_seen():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("first.txt", "inside the first")
        stream.write(b"between the two")
        archive.start_dir = stream.tell()
        archive.writestr("second.txt", "inside the second")
        archive.comment = b"a comment"
    members = dict(walk_members("", stream.getvalue()))
    assert members["first.txt"] == b"inside the first"
    assert members["second.txt"] == b"inside the second"
    for seen in (b"first.txt", b"second.txt", b"between the two", b"a comment"):
        assert seen in members[""]
    assert b"inside" not in members[""]  # members are looked at by themselves


PIECES = ["abc", "Zoë", "Ωμέγα", "王小明", "\x00\x05", "e", "  "]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=8),
            st.builds(str.encode, st.sampled_from(PIECES), st.sampled_from(["utf8", "utf-16-le", "utf-16-be"])),
        ),
        max_size=12,
    )
)
def test_the_runs_of_text_are_those_that_the_patterns_find_anywhere(pieces):
    data = b"".join(pieces)
    patterns = {"utf8": members._UTF8, "utf-16-le": members._UTF16_LE, "utf-16-be": members._UTF16_BE}
    found = {kind: list(runs) for kind, runs in members._runs_in(data)}
    assert found.pop("latin1") == members._LATIN1.findall(data)
    assert found == {kind: pattern.findall(data) for kind, pattern in patterns.items()}
