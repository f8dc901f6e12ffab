"""Adapt the language model that will write the synthetic notes."""

import shutil
from pathlib import Path

from wasabi import msg

from scripts.generators.load import load_generator
from scripts.notes.files import files_named_in, is_current, write_manifest
from scripts.notes.jsonl import read_notes
from scripts.notes.step import Arg, Opt, load_config, run_step


def main(
    private: Path = Arg(..., help="Notes to adapt on (JSONL)"),
    holdout: Path = Arg(..., help="Notes of other patients, for early stopping (JSONL)"),
    out: Path = Arg(..., help="Folder of the adapted generator"),
    config: Path = Opt(..., help="configs/generator/*.cfg"),
    seed: int = Opt(0),
    gpu_id: int = Opt(-1),
):
    """Adapt the generator of CONFIG on the private notes; the result never leaves."""
    settings = dict(load_config(config)["generator"])
    settings.pop("writing", None)  # how notes are drawn later changes nothing here
    inputs = {"private": private, "holdout": holdout} | files_named_in(settings)
    if is_current(out, inputs, settings, seed):
        msg.good("The generator is up to date", out)
        return
    if not is_current(out / "work", inputs, settings, seed):
        # Checkpoints of other notes or settings are of no use; those of this very run are.
        shutil.rmtree(out, ignore_errors=True)
        (out / "work").mkdir(parents=True)
        write_manifest(out / "work", inputs=inputs, config=settings, sensitivity="private", counts={}, seed=seed)
    notes = list(read_notes(private))
    report = load_generator(config).adapt(notes, list(read_notes(holdout)), out, seed, gpu_id)
    shutil.rmtree(out / "work")
    write_manifest(
        out, inputs=inputs, config=settings, sensitivity="private", counts={"n_notes": len(notes), **report}, seed=seed
    )
    msg.good(f"Adapted on {len(notes)} notes, dev loss {report['best_dev_loss']} nats a token", out)


if __name__ == "__main__":
    run_step(main)
