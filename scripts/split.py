"""Split the silver notes into what the student learns from and what its best epoch is chosen on."""

import random
from pathlib import Path

from wasabi import msg

from scripts.notes.docbins import read_docbin, write_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import sensitivity_of, write_manifest
from scripts.notes.step import Arg, Opt, run_step
from scripts.notes.tokenizer import blank


def main(
    silver: Path = Arg(..., help="Folder of DocBins that `annotate` wrote"),
    train: Path = Arg(..., help="DocBin to train on"),
    dev: Path = Arg(..., help="DocBin to choose the best epoch on"),
    share: float = Opt(0.15, help="Share of the notes that go to DEV"),
    lang: str = Opt("en"),
    seed: int = Opt(0),
):
    """Split the silver notes at random; ids, meta and span groups stay behind."""
    docs = list(read_docbin(silver, blank(lang)))
    usable = [doc for doc in docs if any(t.ent_iob for t in doc)]
    random.Random(seed).shuffle(usable)
    n_dev = max(1, round(share * len(usable)))
    if len(usable) <= n_dev:
        raise UserError(f"{len(usable)} of {len(docs)} silver notes are usable", "Generate more notes")
    for path, part in ((dev, usable[:n_dev]), (train, usable[n_dev:])):
        write_docbin(path, part)
        counts = {"n_notes": len(part), "n_entities": sum(len(d.ents) for d in part)}
        write_manifest(
            path,
            inputs={"silver": silver},
            config={"share": share},
            sensitivity=sensitivity_of(silver),
            counts=counts,
            seed=seed,
        )
    msg.good(
        f"{len(usable) - n_dev} notes to train on, {n_dev} to choose on, {len(docs) - len(usable)} undecided left out"
    )


if __name__ == "__main__":
    run_step(main)
