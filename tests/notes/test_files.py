"""Files are whole or absent, and a manifest vouches for the inputs and settings that it names."""

import pytest

from scripts.notes.errors import UserError
from scripts.notes.files import (
    atomic_folder,
    atomic_write,
    files_named_in,
    is_current,
    manifest_path,
    read_manifest,
    sensitivity_of,
    sha256_of,
    write_manifest,
)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "new" / "x.txt"
    with atomic_write(path) as stream:
        stream.write("a\nb")
    with pytest.raises(RuntimeError), atomic_write(path) as stream:
        stream.write("half")
        raise RuntimeError
    assert path.read_bytes() == b"a\nb"
    assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_a_failed_folder_leaves_what_was_there(tmp_path):
    path = tmp_path / "model"
    with atomic_folder(path) as beside:
        (beside / "old").write_text("1")
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as beside:
        (beside / "new").write_text("2")
        raise KeyboardInterrupt
    assert [p.name for p in path.iterdir()] == ["old"] and [p.name for p in tmp_path.iterdir()] == ["model"]
    with atomic_folder(path) as beside:
        (beside / "new").write_text("2")
    assert [p.name for p in path.iterdir()] == ["new"]


def test_a_hash_follows_names_and_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    before = sha256_of(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert sha256_of(tmp_path) != before


@pytest.mark.parametrize("change", ["input", "config", "order", "seed", "output", "nothing", "key order", "manifest"])
def test_what_makes_an_output_stale(tmp_path, change):
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("in")
    output.write_text("out")
    inputs, config, seed = {"in": source}, {"n": (1, 2), "stages": {"*": {"a": {}, "b": {"x": 1, "y": 2}}}}, 0
    assert not is_current(output, inputs, config, seed)
    write_manifest(output, inputs=inputs, config=config, sensitivity="synthetic", counts={"n": 1}, seed=seed)
    if change == "input":
        source.write_text("other")
    elif change == "config":
        config = config | {"n": (1, 3)}
    elif change == "order":  # of stages: another setting, though the dicts are equal
        config = config | {"stages": {"*": {"b": {"x": 1, "y": 2}, "a": {}}}}
    elif change == "key order":
        config = {"stages": {"*": {"a": {}, "b": {"y": 2, "x": 1}}}, "n": (1, 2)}
    elif change == "seed":
        seed = 1
    elif change == "output":
        output.write_text("cut")
    elif change == "manifest":
        manifest_path(output).unlink()
    assert is_current(output, inputs, config, seed) == (change in ("nothing", "key order"))


def test_without_a_manifest_a_file_is_private(tmp_path):
    (tmp_path / "x").write_text("x")
    assert sensitivity_of(tmp_path / "x") == "private"
    with pytest.raises(UserError, match="no manifest"):
        read_manifest(tmp_path / "x")
    write_manifest(tmp_path / "x", inputs={}, config={}, sensitivity="public", counts={})
    assert sensitivity_of(tmp_path / "x") == "public"


def test_a_config_that_names_a_file_depends_on_it(tmp_path):
    prompt, model, bare = tmp_path / "prompt.jinja", tmp_path / "adapter", tmp_path / "model"
    prompt.write_text("x")
    for folder in (model, bare):
        folder.mkdir()
    (model / "manifest.json").write_text("{}")
    config = {
        "a": {"template": str(prompt), "models": [str(model), (str(bare),)]},
        "b": ["no/such/file", 3, "en", None],
    }
    assert set(files_named_in(config).values()) == {prompt, model / "manifest.json", bare}


def test_a_folder_of_texts_that_a_config_names_is_hashed_with_all_below_it(tmp_path):
    (tmp_path / "public" / "a").mkdir(parents=True)
    text = tmp_path / "public" / "a" / "1.txt"
    text.write_text("one")
    found = files_named_in({"pretraining": {"texts": str(tmp_path / "public")}})
    output = tmp_path / "out"
    output.write_text("out")
    write_manifest(output, inputs=found, config={}, sensitivity="private", counts={})
    assert is_current(output, found, {})
    text.write_text("two")
    assert not is_current(output, found, {})
