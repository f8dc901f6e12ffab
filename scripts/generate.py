"""Write synthetic notes with the adapted language model."""

import shutil
from pathlib import Path

from tqdm import tqdm
from wasabi import msg

from scripts.generators.load import inputs_named_in, load_generator
from scripts.notes.canaries import planted
from scripts.notes.files import is_current, read_manifest, write_json, write_manifest
from scripts.notes.jsonl import NotesFile, read_notes, write_notes
from scripts.notes.step import Arg, Opt, load_config, run_step
from scripts.scoring.generation import describe_generation


def main(
    generator: Path = Arg(..., help="Folder that `adapt` wrote"),
    private: Path = Arg(..., help="Notes whose meta, or first words, the prompts are drawn from (JSONL)"),
    synthetic: Path = Arg(..., help="Where the notes go (JSONL)"),
    config: Path = Opt(..., help="configs/generator/*.cfg"),
    canaries: Path = Opt(
        None, help="Invented notes that `prepare` wrote: those emitted are counted and left out (JSONL)"
    ),
    n_notes: int = Opt(100, help="How many notes to deliver, after filters"),
    seed: int = Opt(0),
    gpu_id: int = Opt(-1),
    holdout: Path = Opt(None, help="Private notes of other patients, for the report (JSONL)"),
    report: Path = Opt(None, help="Where the numbers on what was written go, private against synthetic (JSON)"),
):
    """Write exactly N_NOTES synthetic notes; say how many texts were cut or rejected, and why."""
    settings = {**load_config(config), "n_notes": n_notes}
    inputs = {"generator": generator / "manifest.json", "private": private} | inputs_named_in(settings)
    inputs |= {"canaries": canaries} if canaries else {}
    if is_current(synthetic, inputs, settings, seed) and (report is None or report.is_file()):
        msg.good("The synthetic notes are up to date", synthetic)
        return
    plants = planted(read_notes(canaries)) if canaries else []
    work = synthetic.with_suffix(".work")
    if not is_current(work, inputs, settings, seed):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        write_manifest(work, inputs=inputs, config=settings, sensitivity="private", counts={}, seed=seed)
    with tqdm(total=n_notes, unit="note") as bar:
        given = NotesFile(private)
        written = load_generator(config).write(
            generator,
            given,
            n_notes,
            seed,
            gpu_id,
            work,
            lambda n: bar.update(n - bar.n),
            plants,
        )
        bar.update(len(written.notes) - bar.n)
    notes, faults = written.notes, written.faults
    write_notes(synthetic, notes)
    n_cut = faults.pop("cut", 0)
    counts = {"n_notes": len(notes), "n_cut": n_cut, "rejected": dict(faults)}
    counts |= {"canaries": {"n": len(plants), "emitted": len(written.emitted)}} if plants else {}
    counts |= {"usage": dict(written.usage)} if written.usage else {}
    if privacy := read_manifest(generator)["counts"].get("privacy"):
        counts["privacy"] = privacy  # for the datasheet: what the notes are worth is what the weights have spent
    write_manifest(synthetic, inputs=inputs, config=settings, sensitivity="synthetic", counts=counts, seed=seed)
    if report:
        others = NotesFile(holdout) if holdout else ()
        write_json(report, describe_generation(given, others, notes, written.asked, faults, seed))
    shutil.rmtree(work)
    msg.good(f"{len(notes)} notes, {n_cut} cut at the limit; rejected: {dict(faults) or 'none'}", synthetic)
    if written.usage:
        msg.text(", ".join(f"{what} {n}" for what, n in written.usage.items() if n is not None))
    if written.emitted:
        msg.warn(f"{len(written.emitted)} of {len(plants)} canaries were recited: this generator remembers")


if __name__ == "__main__":
    run_step(main)
