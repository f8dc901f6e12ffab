"""Label the released notes with an annotator."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from scripts.annotators.load import (
    annotator_config,
    check_egress,
    check_prices,
    endpoints_of,
    inputs_named_in,
    is_local,
    journals_of,
    llm_models,
    load_annotator,
    usage_of,
)
from scripts.annotators.plan import cost_report, plan
from scripts.annotators.stream import label
from scripts.annotators.vote import agreement
from scripts.llm.cost import Budget, money, read_price, show_money
from scripts.llm.egress import sending
from scripts.llm.journal import forget as forget_journal
from scripts.notes.docbins import read_docbin, write_docbin
from scripts.notes.errors import UserError
from scripts.notes.files import (
    hashes_of,
    is_current,
    manifest_path,
    read_manifest,
    sensitivity_of,
    write_json,
    write_manifest,
)
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note
from scripts.notes.step import Arg, Opt, run_step
from scripts.notes.task import read_task

if TYPE_CHECKING:
    from spacy.language import Language

    from scripts.llm.endpoint import Endpoint

SHARD = 50  # notes labelled between two saves
# Behind an endpoint answers are kept one by one, and only a large batch keeps many requests on their way.
ENDPOINT_SHARD = 1000
REFRESH_S = 0.5  # how often the calls in the progress bar are shown anew
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
    budget: Annotated[float | None, Opt(min=0, help="The most US dollars that this run may spend")] = None,
    dry_run: Annotated[bool, Opt("--dry-run", help="Only say what would be asked, and what it would cost")] = False,
    forget: Annotated[bool, Opt("--forget", help="Only delete the journal, with every answer in it")] = False,
    metrics: Annotated[Path | None, Opt(help="Where counts, cost and time go (JSON: numbers only)")] = None,
):
    """Label the released notes with the annotator in CONFIG; what it could not decide is missing annotation."""
    variables = {"lang": lang, "task": str(task), "gpu_id": gpu_id}
    settings = annotator_config(config, variables)
    if forget:
        _forget(settings, dry_run)
        return
    kind = sensitivity_of(released)
    check_egress(config, kind)
    if budget is not None:
        check_prices(settings)
    inputs = {"released": released, "task": task} | inputs_named_in(settings)
    if taught and (taught / "manifest.json").is_file():
        inputs["taught"] = taught / "manifest.json"
    if is_current(silver, inputs, settings) and (metrics is None or metrics.is_file()):
        msg.good("The silver notes are up to date", silver)
        return
    n_notes = sum(1 for _ in read_notes(released))
    if not n_notes:
        raise UserError(f"{released} holds no notes", "Generate some, and let the gate decide on them")
    nlp = load_annotator(config, variables, connects=not dry_run)
    endpoints = endpoints_of(nlp)
    labels = read_task(task).labels
    hashes = hashes_of(inputs)  # once, not for every shard
    size = ENDPOINT_SHARD if endpoints else SHARD
    shards = [silver / f"{number:05}.spacy" for number in range(-(-n_notes // size))]
    done = {number for number, shard in enumerate(shards) if is_current(shard, hashes, settings)}

    def todo() -> Iterator[Note]:
        numbered = enumerate(read_notes(released))
        return (note.with_labels(labels) for number, note in numbered if number // size not in done)

    if dry_run:
        _show_plans(nlp, settings, todo)
        return
    (silver / "manifest.json").unlink(missing_ok=True)
    n_labelled, start = 0, time.monotonic()
    with sending(kind), tqdm(total=n_notes, unit="note") as bar:
        bar.update(min(n_notes, size * len(done)))
        _watch(endpoints.values(), bar, budget)
        docs = _label(nlp, todo(), size)
        for number in sorted(set(range(len(shards))) - done):
            shard = []
            for doc in islice(docs, min(size, n_notes - number * size)):
                shard.append(doc)
                bar.update()
            n_labelled += len(shard)
            write_docbin(shards[number], shard, store_user_data=True, groups=list(shard[0].spans))
            write_manifest(shards[number], inputs=hashes, config=settings, sensitivity=kind, counts=_count(shard))
    seconds = time.monotonic() - start
    for stale in set(silver.glob("*.spacy")) - set(shards):
        stale.unlink()
        manifest_path(stale).unlink(missing_ok=True)
    counts: Counter[str] = Counter()
    for shard in shards:
        counts.update(read_manifest(shard)["counts"])
    counts.update(usage_of(nlp))
    if metrics:
        costs = {
            name: cost_report(endpoint, plan(nlp.get_pipe(name), read_docbin(silver, nlp)))
            for name, endpoint in endpoints.items()
        }
        a_note = seconds / n_labelled if n_labelled else None
        agreed = agreement(read_docbin(silver, nlp))
        write_json(metrics, {"counts": counts, "llm": costs, "seconds_per_note": a_note, "agreement": agreed})
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


def _forget(settings: Mapping[str, Any], dry_run: bool) -> None:
    if dry_run:
        raise UserError("--forget deletes, and --dry-run changes nothing", "Give one of them")
    for journal in journals_of(settings):
        msg.good(f"{forget_journal(journal)} answers deleted", journal)
    if not journals_of(settings):
        msg.good("Nothing to delete: no LLM of this annotator keeps a journal")


def _show_plans(nlp: "Language", settings: Mapping[str, Any], notes: Callable[[], Iterable[Note]]) -> None:
    """Print what each LLM of NLP would be asked about NOTES, and what it would cost."""
    for number, (name, model) in enumerate(llm_models(settings).items()):
        made = plan(nlp.get_pipe(name), (_as_written(nlp, note) for note in notes()))
        msg.divider(name)
        msg.table(made.rows(read_price(model.get("price")), is_local(model)))
        if number:
            msg.warn("What it asks may depend on what those before it find: then this is too little")
    msg.good("Nothing was sent or written")


def _watch(endpoints: Collection["Endpoint"], bar: tqdm, budget: float | None) -> None:
    """Let BAR show what ENDPOINTS are asked while they are, and let them spend no more than BUDGET together."""
    shown_at = float("-inf")

    def show() -> None:
        nonlocal shown_at
        is_due = time.monotonic() - shown_at > REFRESH_S
        if is_due:
            shown_at = time.monotonic()
        bar.set_postfix_str(_calls_so_far(endpoints), refresh=is_due)

    shared = Budget() if budget is None else Budget(budget)
    for endpoint in endpoints:
        endpoint.watch, endpoint.budget = show, shared


def _calls_so_far(endpoints: Collection["Endpoint"]) -> str:
    spent = [money(endpoint.price, endpoint.usage.tokens) for endpoint in endpoints]
    n_calls, n_retries = (sum(getattr(e.usage, name) for e in endpoints) for name in ("n_calls", "n_retries"))
    return f"{n_calls} calls, {n_retries} retries, {show_money(None if None in spent else sum(spent))}"


def _label(nlp: "Language", notes: Iterable[Note], batch_size: int) -> Iterator[Doc]:
    asked, given = tee(notes)
    docs = label(nlp, (_as_written(nlp, note) for note in asked), batch_size)
    for note, doc in zip(given, docs, strict=True):
        doc.user_data["id"] = note.id
        doc.user_data["meta"] = dict(note.meta)
        yield doc


def _as_written(nlp: "Language", note: Note) -> Doc:
    """NOTE as a Doc; where its generator has said what it mentions, that is an annotator's opinion like any other."""
    doc = nlp.make_doc(note.text)
    if note.spans is not None:
        spans = [doc.char_span(s.start, s.end, label=s.label) for s in note.spans]
        doc.spans[GENERATOR] = [span for span in spans if span is not None]
        lost = Counter(s.label for s, span in zip(note.spans, spans, strict=True) if span is None)
        if lost:
            doc.user_data["annotation"] = {f"written: {label}, inside a token": n for label, n in lost.items()}
    return doc


def _count(docs: list[Doc]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for doc in docs:
        told = doc.user_data.get("annotation", {})
        counts.update(told)
        # What annotators disagree on is missing too, but was read.
        is_unread = any(k.startswith("answers: ") and k != "answers: read" for k in told)
        counts["notes with unread passages"] += is_unread or not any(t.ent_iob for t in doc)
        counts["notes"] += 1
        counts["entities"] += len(doc.ents)
        counts.update(f"entities: {e.label_}" for e in doc.ents)
        counts["missing tokens"] += sum(t.ent_iob == 0 for t in doc)
    return counts


if __name__ == "__main__":
    run_step(main)
