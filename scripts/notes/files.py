"""Files that are whole or absent, and the manifest that says how each was made."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Literal

from .errors import UserError

Sensitivity = Literal["private", "synthetic", "released", "public"]

Inputs = Mapping[str, Path | str]  # files, or the hashes of files

# The packages whose versions can change a result.
VERSIONED = (
    "spacy",
    "spacy-llm",
    "spacy-transformers",
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "opacus",
    "thinc",
    "numpy",
)


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO]:
    """Open a file beside PATH for writing and rename it to PATH if the block ends well; else remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open(mode, **({} if "b" in mode else {"encoding": "utf8", "newline": "\n"})) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a fresh folder beside PATH that replaces PATH if the block ends well; else remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        shutil.rmtree(path, ignore_errors=True)
        os.replace(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write VALUE to PATH as indented JSON, atomically."""
    with atomic_write(path) as stream:
        json.dump(value, stream, ensure_ascii=False, indent=2)
        stream.write("\n")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, or of a folder's file names and bytes in order, as hex."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    for file in files:
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def manifest_path(output: Path) -> Path:
    """Where the manifest of OUTPUT lies: beside a file, inside a folder."""
    return output / "manifest.json" if output.is_dir() else output.with_name(output.name + ".manifest.json")


def write_manifest(
    output: Path,
    *,
    inputs: Inputs,
    config: Mapping[str, Any],
    sensitivity: Sensitivity,
    counts: Mapping[str, Any],
    seed: int | None = None,
) -> None:
    """Say how OUTPUT was made; written last, so that a manifest vouches for a whole file.

    Holds hashes, settings, versions and counts, never note text or a path outside the project.
    """
    write_json(
        manifest_path(output),
        {
            "output": output.name,
            "sha256": sha256_of(output) if output.is_file() else None,
            "sensitivity": sensitivity,
            "inputs": hashes_of(inputs),
            "config": dict(config),
            "seed": seed,
            "counts": dict(counts),
            "versions": versions(),
        },
    )


def read_manifest(output: Path) -> dict[str, Any]:
    """The manifest of OUTPUT; a UserError if there is none."""
    path = manifest_path(output)
    if not path.is_file():
        raise UserError(f"{output} has no manifest", "Run the step that makes it again: it did not finish")
    return json.loads(path.read_text(encoding="utf8"))


def sensitivity_of(path: Path) -> Sensitivity:
    """What the manifest of PATH says of its sensitivity; without a manifest, private."""
    return read_manifest(path)["sensitivity"] if manifest_path(path).is_file() else "private"


def is_current(output: Path, inputs: Inputs, config: Mapping[str, Any], seed: int | None = None) -> bool:
    """Whether OUTPUT is whole and was made from these very INPUTS, CONFIG and SEED."""
    if not (output.exists() and manifest_path(output).is_file()):
        return False
    made = read_manifest(output)
    settings = json.loads(json.dumps(config))
    same = (made["inputs"], made["config"], made["seed"]) == (hashes_of(inputs), settings, seed)
    same = same and _orders_of(made["config"]) == _orders_of(settings)
    return same and (made["sha256"] is None or made["sha256"] == sha256_of(output))


def _orders_of(config: Any) -> list[list[str]]:
    """The names under each `*` of CONFIG in their order, which is part of a setting: equal dicts may differ in it."""
    if not isinstance(config, Mapping):
        return []
    own = [list(value) for key, value in config.items() if key == "*" and isinstance(value, Mapping)]
    return own + [order for key in sorted(config) for order in _orders_of(config[key])]


def files_named_in(config: Any) -> dict[str, Path]:
    """The files among the values of CONFIG, by name: prompts, lists; of a folder its manifest or else all of it."""
    if isinstance(config, Mapping):
        config = list(config.values())
    if isinstance(config, list | tuple):
        return {name: path for value in config for name, path in files_named_in(value).items()}
    if not (isinstance(config, str) and "/" in config and "\n" not in config and Path(config).exists()):
        return {}
    path = (
        manifest_path(Path(config)) if Path(config).is_dir() and manifest_path(Path(config)).is_file() else Path(config)
    )
    return {path.as_posix(): path}


def versions() -> dict[str, str]:
    """The installed versions of the packages that can change a result."""
    found = {}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def hashes_of(inputs: Inputs) -> dict[str, str]:
    """The sha256 of each of INPUTS; a hash stays as it is."""
    return {name: sha256_of(found) if isinstance(found, Path) else found for name, found in inputs.items()}
