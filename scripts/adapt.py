"""Adapt the language model that will write the synthetic notes."""

import shutil
from pathlib import Path

from wasabi import msg

from scripts.generators.load import inputs_named_in, load_generator
from scripts.notes.canaries import planted
from scripts.notes.errors import UserError
from scripts.notes.files import is_current, write_manifest
from scripts.notes.jsonl import NotesFile, read_notes
from scripts.notes.lazy import Joined
from scripts.notes.step import Arg, Opt, load_config, run_step


def main(
    private: Path = Arg(..., help="Notes to adapt on (JSONL)"),
    holdout: Path = Arg(..., help="Notes of other patients, for early stopping (JSONL)"),
    out: Path = Arg(..., help="Folder of the adapted generator"),
    config: Path = Opt(..., help="configs/generator/*.cfg"),
    canaries: Path = Opt(None, help="Invented notes that `prepare` wrote; the planted ones are adapted on too (JSONL)"),
    copies: int = Opt(1, help="How often each canary is planted: more than once for the gate's positive control only"),
    seed: int = Opt(0),
    gpu_id: int = Opt(-1),
):
    """Adapt the generator of CONFIG on the private notes; the result never leaves."""
    settings = dict(load_config(config)["generator"])
    settings.pop("writing", None)  # how notes are drawn later changes nothing here
    settings |= {"copies": copies} if copies > 1 else {}
    if copies > 1 and settings.get("privacy"):
        raise UserError(
            "a positive control must be able to remember, which [generator.privacy] is there to prevent",
            "Run `control` with a generator without it, such as --vars.generator smollm2",
        )
    inputs = {"private": private, "holdout": holdout} | inputs_named_in(settings)
    inputs |= {"canaries": canaries} if canaries else {}
    if is_current(out, inputs, settings, seed):
        msg.good("The generator is up to date", out)
        return
    if not is_current(out / "work", inputs, settings, seed):
        # Checkpoints of other notes or settings are of no use; those of this very run are.
        shutil.rmtree(out, ignore_errors=True)
        (out / "work").mkdir(parents=True)
        write_manifest(out / "work", inputs=inputs, config=settings, sensitivity="private", counts={}, seed=seed)
    notes, plants = NotesFile(private), planted(read_notes(canaries)) if canaries else []
    if copies > 1 and not plants:
        raise UserError("there are no canaries to plant", "Ask for some: [canaries] in the corpus config")
    report = load_generator(config).adapt(Joined(notes, copies * plants), NotesFile(holdout), out, seed, gpu_id)
    shutil.rmtree(out / "work")
    counts = {"n_notes": len(notes), "n_canaries": len(plants), **report}
    write_manifest(out, inputs=inputs, config=settings, sensitivity="private", counts=counts, seed=seed)
    if not report.get("adapted", True):
        msg.good("Nothing to adapt: this generator learns from its prompts alone", out)
        return
    if stages := report.get("stages"):
        msg.info("Notes after each stage: " + ", ".join(f"{name} {n}" for name, n in stages))
    if privacy := report.get("privacy"):
        msg.info(
            f"Differential privacy for each of {privacy['n_patients']} patients: epsilon {privacy['epsilon']:.2f}, "
            f"delta {privacy['delta']:.2g}, in {privacy['steps']} steps with noise {privacy['noise_multiplier']:.2f}",
            "The manifest says under 'outside' what this does not cover",
        )
    also = f" and {len(plants)} canaries" if plants else ""
    msg.good(f"Adapted on {len(notes)} notes{also}, dev loss {report['best_dev_loss']} nats a token", out)


if __name__ == "__main__":
    run_step(main)
