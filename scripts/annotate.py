"""Label the released notes with an annotator."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from scripts.annotators.load import annotator_config, check_egress, has_endpoint, load_annotator, usage_of
from scripts.llm.egress import sending
from scripts.notes.docbins import write_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import (
    files_named_in,
    hashes_of,
    is_current,
    manifest_path,
    read_manifest,
    sensitivity_of,
    write_manifest,
)
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note
from scripts.notes.step import Arg, Opt, run_step
from scripts.notes.task import read_task

if TYPE_CHECKING:
    from spacy.language import Language

SHARD = 50  # notes labelled between two saves
# Behind an endpoint answers are kept one by one, and only a large batch keeps many requests on their way.
ENDPOINT_SHARD = 1000
GENERATOR = "generator"  # the span group of what the generator meant to mention


def main(
    released: Path = Arg(..., help="Notes that passed the gate (JSONL)"),
    silver: Path = Arg(..., help="Folder of DocBins"),
    config: Path = Opt(..., help="configs/annotator/*.cfg"),
    task: Path = Opt(..., help="configs/task/*.yml"),
    taught: Path = Opt(None, help="What `teach` made for this annotator"),
    lang: str = Opt("en"),
    gpu_id: int = Opt(-1),
    max_missing: float = Opt(0.2, help="Fail if a larger share of the notes has a passage that could not be read"),
):
    """Label the released notes with the annotator in CONFIG; what it could not decide is missing annotation."""
    kind = sensitivity_of(released)
    check_egress(config, kind)
    variables = {"lang": lang, "task": str(task), "gpu_id": gpu_id}
    settings = annotator_config(config, variables)
    inputs = {"released": released, "task": task} | files_named_in(settings)
    if taught and (taught / "manifest.json").is_file():
        inputs["taught"] = taught / "manifest.json"
    if is_current(silver, inputs, settings):
        msg.good("The silver notes are up to date", silver)
        return
    n_notes = sum(1 for _ in read_notes(released))
    if not n_notes:
        raise UserError(f"{released} holds no notes", "Generate some, and let the gate decide on them")
    nlp = load_annotator(config, variables)
    (silver / "manifest.json").unlink(missing_ok=True)
    labels = read_task(task).labels
    hashes = hashes_of(inputs)  # once, not for every shard
    size = ENDPOINT_SHARD if has_endpoint(nlp) else SHARD
    shards = [silver / f"{number:05}.spacy" for number in range(-(-n_notes // size))]
    with sending(kind), tqdm(total=n_notes, unit="note") as bar:
        done = {number for number, shard in enumerate(shards) if is_current(shard, hashes, settings)}
        bar.update(min(n_notes, size * len(done)))
        numbered = enumerate(read_notes(released))
        todo = (note.with_labels(labels) for number, note in numbered if number // size not in done)
        docs = _label(nlp, todo, size)
        for number in sorted(set(range(len(shards))) - done):
            shard = []
            for doc in islice(docs, min(size, n_notes - number * size)):
                shard.append(doc)
                bar.update()
            write_docbin(shards[number], shard, store_user_data=True, groups=list(shard[0].spans))
            write_manifest(shards[number], inputs=hashes, config=settings, sensitivity=kind, counts=_count(shard))
    for stale in set(silver.glob("*.spacy")) - set(shards):
        stale.unlink()
        manifest_path(stale).unlink(missing_ok=True)
    counts: Counter[str] = Counter()
    for shard in shards:
        counts.update(read_manifest(shard)["counts"])
    counts.update(usage_of(nlp))
    share = counts["notes with unread passages"] / n_notes
    if share > max_missing:
        raise UserError(
            f"{share:.0%} of the notes have a passage whose answer could not be read",
            "Look at the counts in the shards' manifests; try another prompt or model, or raise --max-missing",
        )
    write_manifest(silver, inputs=hashes, config=settings, sensitivity=kind, counts=counts)
    msg.good(
        f"{n_notes} notes, {counts['entities']} entities, {counts['missing tokens']} undecided tokens",
        silver,
    )
    msg.table(sorted((k, v) for k, v in counts.items() if ":" in k), header=("counted", "n"))


def _label(nlp: "Language", notes: Iterable[Note], batch_size: int) -> Iterator[Doc]:
    for doc, note in nlp.pipe(((_as_written(nlp, n), n) for n in notes), as_tuples=True, batch_size=batch_size):
        doc.user_data["id"] = note.id
        doc.user_data["meta"] = dict(note.meta)
        yield doc


def _as_written(nlp: "Language", note: Note) -> Doc:
    """NOTE as a Doc; where its generator has said what it mentions, that is an annotator's opinion like any other."""
    doc = nlp.make_doc(note.text)
    if note.spans is not None:
        spans = [doc.char_span(s.start, s.end, label=s.label) for s in note.spans]
        doc.spans[GENERATOR] = [span for span in spans if span is not None]
    return doc


def _count(docs: list[Doc]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for doc in docs:
        told = doc.user_data.get("annotation", {})
        counts.update(told)
        # What annotators disagree on is missing too, but was read.
        is_unread = any(k.startswith("passages: ") and k != "passages: read" for k in told)
        counts["notes with unread passages"] += is_unread or not any(t.ent_iob for t in doc)
        counts["notes"] += 1
        counts["entities"] += len(doc.ents)
        counts.update(f"entities: {e.label_}" for e in doc.ents)
        counts["missing tokens"] += sum(t.ent_iob == 0 for t in doc)
    return counts


if __name__ == "__main__":
    run_step(main)
