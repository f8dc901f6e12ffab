"""Read, check and split the notes: private, holdout and gold, by patient; invent canaries if the config asks."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wasabi import msg

from scripts.corpora.partition import Partition, partition
from scripts.generators.canaries import make_canaries
from scripts.notes.canaries import planted
from scripts.notes.files import manifest_path, write_manifest
from scripts.notes.jsonl import write_notes
from scripts.notes.note import Note
from scripts.notes.step import Arg, Opt, load_config, run_step
from scripts.notes.task import Task, read_task
from scripts.privacy.collect import load_identifier_policy


def main(
    config: Path = Arg(..., help="configs/corpus/*.cfg: where the notes are, and how many go where"),
    out: Path = Arg(..., help="Folder for {private,holdout,gold,canaries}.jsonl and gold.spacy"),
    task: Path = Opt(..., help="configs/task/*.yml: whose labels are kept"),
    policy: Path = Opt(..., help="configs/audit*.cfg: which labels mark identifiers, kept aside for the gate"),
    lang: str = Opt(None, help="Instead of the config's [vars] lang"),
):
    """Split the notes that CONFIG names by patient; nothing is written if one of them is unsound."""
    settings = load_config(config, {"vars.lang": lang} if lang else None)
    scheme = read_task(task)
    identifying = load_identifier_policy(policy).labels
    found = partition(settings, scheme, identifying)
    canaries = canaries_for(found.private, settings)
    write_parts(out, found, canaries, scheme, settings, {"config": config, "task": task, "policy": policy})
    tell(found)
    if canaries:
        msg.info(f"{len(planted(canaries))} canaries will be planted, as many twins will not")
    msg.good(", ".join(f"{len(part)} {name}" for name, part in found.parts.items()), out)


def canaries_for(private: Sequence[Note], settings: dict[str, Any]) -> list[Note]:
    """The canaries and twins that SETTINGS ask for; none without a block [canaries]."""
    if "canaries" not in settings:
        return []
    salt = f"{settings['split']['salt']}:canaries"
    return make_canaries(private, settings["canaries"]["n"], settings["vars"]["lang"], salt)


def write_parts(
    out: Path,
    found: Partition,
    canaries: Sequence[Note],
    task: Task,
    settings: dict[str, Any],
    configs: dict[str, Path],
) -> None:
    """Write the parts, CANARIES (an empty file if there are none) and their manifests to OUT: all, or on an error none.

    Canaries have a file of their own: they are no part of what is searched for in the synthetic notes, or counted.
    """
    from scripts.notes.docbins import make_docs, write_docbin
    from scripts.notes.tokenizer import blank

    sources = {name: Path(settings[name]["path"]) for name in ("notes", "gold") if name in settings}
    how = {"split": dict(settings["split"]), "lang": settings["vars"]["lang"]}
    docs, lost = make_docs(found.gold, blank(how["lang"]), task.labels)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".prepare.", suffix=".part", dir=out) as folder:
        beside = Path(folder)
        for name, part in found.parts.items():
            write_notes(beside / f"{name}.jsonl", part)
        write_notes(beside / "canaries.jsonl", canaries)
        write_docbin(beside / "gold.spacy", docs)
        counts = {f"{name}.jsonl": counts_of(part) for name, part in found.parts.items()}
        n_planted = len(planted(canaries))
        counts["canaries.jsonl"] = {"n_planted": n_planted, "n_twins": len(canaries) - n_planted}
        counts["gold.spacy"] = {"n_notes": len(docs), "n_spans": sum(len(d.ents) for d in docs), "n_lost": dict(lost)}
        for name, n in counts.items():
            write_manifest(beside / name, inputs=sources | configs, config=how, sensitivity="private", counts=n)
        for name in counts:
            os.replace(beside / name, out / name)
            os.replace(manifest_path(beside / name), manifest_path(out / name))
    if lost:
        msg.warn(f"gold.spacy lacks {lost.total()} spans that no tokens hold", str(dict(lost)))


def counts_of(notes: Sequence[Note]) -> dict[str, int]:
    labelled = [note for note in notes if note.spans is not None]
    return {
        "n_notes": len(notes),
        "n_patients": len({note.patient for note in notes}),
        "n_labelled": len(labelled),
        "n_spans": sum(len(note.spans) for note in labelled),
    }


def tell(found: Partition) -> None:
    """Print the counts and whatever a person should know."""
    rows = [(name, *counts_of(part).values()) for name, part in found.parts.items()]
    msg.table(rows, header=("", "notes", "patients", "labelled", "spans"), divider=True, aligns=["l", *"rrrr"])
    got = {name: len(part) for name, part in found.parts.items()} | {"labelled": len(found.labelled)}
    for name, n_asked in found.asked.items():
        if n_asked is not None and got[name] != n_asked:
            msg.warn(f"{got[name]} notes are {name}, not the {n_asked} that the config asks for")
    if found.n_unused:
        msg.info(f"{found.n_unused} notes are left over: no part asks for them")
    if found.n_without_patient:
        msg.warn(f"{found.n_without_patient} notes name no patient", "Each counts as a patient of its own")
    for what, n in found.losses.items():
        msg.warn(f"{n} {what} of the source are left out")
    for (a, b), pairs in found.duplicates.items():
        if pairs:
            some = ", ".join(f"{p.left} and {p.right} ({p.similarity:.0%})" for p in pairs[:3])
            msg.warn(f"{len(pairs)} near-duplicates across {a} and {b}", some)


if __name__ == "__main__":
    run_step(main)
