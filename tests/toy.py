"""Small notes whose entities are known, for the tests of many rooms."""

from pathlib import Path

from scripts.notes.note import Note, Span

ROOT = Path(__file__).resolve().parent.parent
PHRASES = (
    "Seen in clinic today. Takes aspirin and metformin. Had a CT head in May.",
    "Admitted with fever. Started ceftriaxone after chest x-ray. No aspirin.",
    "Follow up after colonoscopy. Metformin stopped, aspirin goes on.",
    "Echo was normal. Furosemide 40 mg was given, then a chest x-ray.",
)
DRUGS = ("aspirin", "metformin", "ceftriaxone", "furosemide")
PROCEDURES = ("CT head", "chest x-ray", "colonoscopy", "echo")


def label(id: str, text: str, meta: dict) -> Note:
    """A note whose drugs and procedures are found by their names."""
    spans = []
    for words, name in ((DRUGS, "DRUG"), (PROCEDURES, "PROCEDURE")):
        for word in words:
            start = text.lower().find(word.lower())
            while start >= 0:
                spans.append(Span(start, start + len(word), name))
                start = text.lower().find(word.lower(), start + 1)
    return Note(id, text, tuple(sorted(spans)), meta)


SPANS = '@llm_tasks = "clinical.Spans.v1"\ntask = "configs/task/drugs_procedures.yml"\n'
SPANS += 'template = "configs/prompts/json.jinja"\noccurrences = "all"'
VOTE = """
[components.vote]
factory = "clinical_vote"
task = "configs/task/drugs_procedures.yml"
of = ["llm"]
"""


def llm_config(task: str, url: str, journal: Path, model: str = "", vote: bool = False) -> str:
    """The config of an annotator whose LLM is behind the server at URL; TASK and MODEL are lines of their blocks."""
    return f"""
[nlp]
lang = "en"
pipeline = {'["llm", "vote"]' if vote else '["llm"]'}
[components]
{VOTE if vote else ""}
[components.llm]
factory = "llm"
[components.llm.model]
@llm_models = "clinical.OpenAI.v1"
name = "m"
base_url = "{url}"
journal = "{journal}"
{model}
[components.llm.task]
{task}
"""
