import io
import zipfile

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
