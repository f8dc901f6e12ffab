"""Remove what the steps made; notes in assets, tracked files, each README, and what took people or money stay."""

import shutil
import subprocess
from pathlib import Path

from wasabi import msg

from scripts.notes.step import Opt, run_step

ROOT = Path(__file__).resolve().parent.parent
DERIVED = ("corpus", "training", "metrics", "packages", "reports")
KEPT = (
    Path("metrics/bench"),
    # after a crash the last answers of the journal are beside it
    Path("training/journal.sqlite-wal"),
    Path("training/journal.sqlite-shm"),
)
PRECIOUS = {
    Path("corpus/checked.jsonl"): "labels that a person has set",
    Path("training/journal.sqlite"): "answers of language models, maybe paid for; `annotate --forget` deletes them",
}


def main(root: Path = Opt(ROOT, help="The project's folder")):
    """Remove every derived file of the project, and print what went."""
    removed = clean(root)
    for path in removed:
        msg.text(f"removed {path}")
    msg.good(f"{len(removed)} removed" if removed else "Nothing to remove")
    for path, what in PRECIOUS.items():
        if (root / path).is_file():
            msg.info(f"kept {path}: {what}")


def clean(root: Path) -> list[Path]:
    """Remove the derived files under ROOT; returns the files and folders removed, relative to it.

    A link is removed, never what it points to.
    """
    kept = {Path(folder, "README.md") for folder in DERIVED} | set(KEPT) | set(PRECIOUS) | _tracked(root)
    kept_folders = {parent for path in kept for parent in path.parents}
    removed = []
    for folder in DERIVED:
        removed += _remove(root, Path(folder), kept, kept_folders)
    return removed + _remove(root, Path("project.lock"), kept, kept_folders)


def _remove(root: Path, path: Path, kept: set[Path], kept_folders: set[Path]) -> list[Path]:
    here = root / path
    if path in kept or not (here.exists() or here.is_symlink()):
        return []
    if here.is_symlink() or here.is_file():
        here.unlink()
        return [path]
    if path in kept_folders:
        inner = sorted(child.relative_to(root) for child in here.iterdir())
        return [gone for child in inner for gone in _remove(root, child, kept, kept_folders)]
    shutil.rmtree(here)
    return [path]


def _tracked(root: Path) -> set[Path]:
    """What git has under the derived folders; nothing where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", *DERIVED, "project.lock"], cwd=root, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return set()
    return {Path(name.decode()) for name in listed.stdout.split(b"\0") if name}


if __name__ == "__main__":
    run_step(main)
