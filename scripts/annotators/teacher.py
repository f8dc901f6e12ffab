"""A trained NER as annotator (paper B), and its teaching: stock spaCy training on the labelled notes."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from scripts.notes.docbins import make_docs, read_docbin, write_docbin
from scripts.notes.errors import UserError
from scripts.notes.note import Note

Teach = Callable[[Language, Sequence[Note], Sequence[Note], Path, int, int], dict[str, Any]]


@Language.factory("clinical_teacher", default_config={"model": ""})
def make_teacher(nlp: Language, name: str, model: str) -> "Teacher":
    """A component that labels with another pipeline (MODEL: a folder or a package), loaded at the first Doc."""
    return Teacher(name, model)


class Teacher:
    """Writes the entities of another pipeline to `doc.ents` and `doc.spans[name]`, by characters.

    Its tokens need not be ours; an entity that our tokens cannot hold is counted in `doc.user_data["annotation"]`.
    """

    def __init__(self, name: str, model: str):
        self.name, self.model = name, model

    @cached_property
    def nlp(self) -> Language:
        try:
            return spacy.load(self.model)
        except OSError:
            raise UserError(f"no trained pipeline in {self.model}", "Run the `teach` step first") from None

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc]))

    def pipe(self, docs: Any, batch_size: int = 32) -> Any:
        for batch in spacy.util.minibatch(docs, batch_size):
            for doc, labelled in zip(batch, self.nlp.pipe([d.text for d in batch]), strict=True):
                found = [doc.char_span(e.start_char, e.end_char, label=e.label_) for e in labelled.ents]
                entities = [e for e in found if e is not None]
                doc.set_ents(entities, default="outside")
                doc.spans[self.name] = entities
                counts = Counter(doc.user_data.get("annotation"))
                for entity, own in zip(labelled.ents, found, strict=True):
                    counts[f"mentions: {entity.label_}, {'exact' if own is not None else 'inside a token'}"] += 1
                doc.user_data["annotation"] = dict(counts)
                yield doc


@spacy.registry.misc("clinical.teach_ner.v1")
def make_teach_ner(ner: str, silver: str | None = None) -> Teach:
    """Teaching a NER of the config NER on the labelled notes; the best checkpoint is chosen on the holdout notes.

    It learns from the DocBins of the folder SILVER as well, where one is given.
    """

    def teach(
        nlp: Language, labelled: Sequence[Note], holdout: Sequence[Note], out: Path, seed: int, gpu_id: int
    ) -> dict[str, Any]:
        from spacy.cli.train import train

        labels = {s.label for note in labelled for s in note.spans or ()}
        losses = {}
        for name, notes in (("train", labelled), ("dev", holdout)):
            docs, losses[name] = make_docs(notes, nlp, labels)
            if name == "train" and silver:
                docs = [*docs, *read_docbin(Path(silver), nlp)]
            write_docbin(out / "work" / f"{name}.spacy", docs)
        overrides = {
            "paths.train": str(out / "work" / "train.spacy"),
            "paths.dev": str(out / "work" / "dev.spacy"),
            "nlp.lang": nlp.lang,
            "system.seed": seed,
        }
        train(Path(ner), out / "work", use_gpu=gpu_id, overrides=overrides)
        best = spacy.load(out / "work" / "model-best")
        best.to_disk(out)
        return {
            "n_lost_spans": {k: sum(v.values()) for k, v in losses.items()},
            "ents_f": best.meta["performance"]["ents_f"],
        }

    return teach


@spacy.registry.misc("clinical.teach_dictionary.v1")
def make_teach_dictionary() -> Teach:
    """Teaching an entity ruler that knows the labelled notes' mentions, whatever their case."""

    def teach(
        nlp: Language, labelled: Sequence[Note], holdout: Sequence[Note], out: Path, seed: int, gpu_id: int
    ) -> dict[str, Any]:
        ruler_nlp = spacy.blank(nlp.lang)
        ruler_nlp.tokenizer = nlp.tokenizer
        ruler = ruler_nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
        mentions = sorted({(note.mention(s), s.label) for note in labelled for s in note.spans or ()})
        ruler.add_patterns([{"pattern": text, "label": label} for text, label in mentions])
        ruler_nlp.to_disk(out)
        return {"n_mentions": len(mentions)}

    return teach
