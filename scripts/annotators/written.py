"""The third annotator: what the generator wrote along with a note."""

from spacy.language import Language
from spacy.tokens import Doc

from scripts.notes.errors import UserError


@Language.factory("clinical_written", default_config={"of": "generator"})
def make_written(nlp: Language, name: str, of: str) -> "WrittenAlong":
    """A component that takes the span group OF, which holds what the generator says a note mentions, for the entities.

    Of a note that no generator wrote, such as a gold one, it can say nothing: `scripts.annotators.load.why_silent`.
    """
    return WrittenAlong(of)


class WrittenAlong:
    """Sets `doc.ents` to the spans of a group; a UserError for a Doc without it, of which nothing is known."""

    def __init__(self, of: str):
        self.of = of

    def __call__(self, doc: Doc) -> Doc:
        if self.of not in doc.spans:
            raise UserError(
                "a note does not say what its generator mentions in it",
                "Write the notes with labels (--vars.generator tagged), or choose another annotator",
            )
        doc.set_ents(list(doc.spans[self.of]), default="outside")
        return doc
