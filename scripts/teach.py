"""Teach an annotator what the labelled notes show."""

import shutil
from pathlib import Path

import spacy
from wasabi import msg

from scripts.annotators.load import annotator_config, load_annotator
from scripts.notes.errors import UserError
from scripts.notes.files import files_named_in, is_current, write_manifest
from scripts.notes.jsonl import read_notes
from scripts.notes.step import Arg, Opt, run_step


def main(
    private: Path = Arg(..., help="Private notes, some of them labelled (JSONL)"),
    holdout: Path = Arg(..., help="Labelled notes of other patients, to choose the best epoch on (JSONL)"),
    out: Path = Arg(..., help="Folder below which each annotator gets one of its own"),
    config: list[Path] = Opt(..., help="configs/annotator/*.cfg; may be given several times"),
    task: Path = Opt(..., help="configs/task/*.yml"),
    ner: Path = Opt("configs/ner/trf.cfg", help="The config of an annotator that is a NER"),
    lang: str = Opt("en"),
    seed: int = Opt(0),
    gpu_id: int = Opt(-1),
):
    """Teach each annotator of CONFIG on the labelled notes; one without a [teach] block needs none."""
    common = {"private": private, "holdout": holdout, "task": task}
    variables = {"lang": lang, "task": str(task), "ner": str(ner), "gpu_id": gpu_id}
    labelled = [note for note in read_notes(private) if note.spans is not None]
    if not labelled:
        raise UserError(f"{private} has no labelled note", "Label a few, or choose an annotator that needs none")
    judged = [note for note in read_notes(holdout) if note.spans is not None]
    for path in config:
        settings = annotator_config(path, variables)
        folder = out / path.stem
        # A config also names what is made here; that it changes is the purpose.
        named = {name: file for name, file in files_named_in(settings).items() if folder not in file.parents}
        inputs = common | named
        if is_current(folder, inputs, dict(settings), seed):
            msg.good(f"{path.stem} is up to date", folder)
            continue
        work = folder.with_name(f".{folder.name}.part")
        if not is_current(work, inputs, dict(settings), seed):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            write_manifest(work, inputs=inputs, config=settings, sensitivity="private", counts={}, seed=seed)
        report = {}
        if "teach" in settings:
            nlp = load_annotator(path, variables)
            teach = spacy.registry.resolve({"teach": settings["teach"]})["teach"]
            report = teach(nlp, labelled, judged or labelled, work, seed, gpu_id)
            shutil.rmtree(work / "work", ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
        counts = {"n_labelled": len(labelled), "n_holdout": len(judged), **report}
        write_manifest(folder, inputs=inputs, config=settings, sensitivity="private", counts=counts, seed=seed)
        msg.good(
            f"{path.stem}: {f'taught on {len(labelled)} labelled notes' if report else 'needs no teaching'}", folder
        )


if __name__ == "__main__":
    run_step(main)
