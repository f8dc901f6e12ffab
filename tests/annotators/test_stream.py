"""Docs stream through a pipeline whose LLM is behind an endpoint, whatever the batches of its other components."""

import gc

import pytest
import spacy
from toy import SPANS, llm_config

from benchmarks.server import Server
from scripts import functions  # noqa: F401  registers our model and component
from scripts.annotators.stream import label

TASKS = {
    "ours": SPANS,
    "stock, with shards": '@llm_tasks = "spacy.NER.v3"\nlabels = ["DRUG"]\n[components.llm.task.examples]\n'
    '@misc = "spacy.FewShotReader.v1"\npath = "{shots}"',
    "stock, without": '@llm_tasks = "spacy.REL.v1"\nlabels = ["TREATS"]',
}
TEXTS = [f"Visit {i}: aspirin given." for i in range(40)]


@pytest.fixture
def pipeline(tmp_path):
    """Call to load the pipeline with one of TASKS, asking SERVER."""
    shots = tmp_path / "shots.json"
    shots.write_text(
        '[{"text": "On aspirin.", "spans": [{"text": "aspirin", "is_entity": true, "label": "DRUG", "reason": "a"}]}]'
    )

    def load(task: str, server: Server) -> spacy.Language:
        task = TASKS[task].format(shots=shots) if "{shots}" in TASKS[task] else TASKS[task]
        text = llm_config(task, server.url, tmp_path / "j.sqlite", vote=True)
        return spacy.util.load_model_from_config(spacy.util.Config().from_str(text), auto_fill=True)

    return load


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_requests_of_many_batches_are_on_their_way_at_once_and_docs_keep_their_order(task, pipeline):
    with Server(lambda prompt: '{"DRUG": ["aspirin"]}', latency_s=0.05) as server:
        nlp = pipeline(task, server)
        docs = list(label(nlp, map(nlp.make_doc, TEXTS), batch_size=2))
        assert server.most_in_flight > 2
    assert [doc.text for doc in docs] == TEXTS
    if task == "ours":
        assert {(e.text, e.label_) for doc in docs for e in doc.ents} == {("aspirin", "DRUG")}


def test_no_more_docs_are_read_than_the_endpoint_looks_ahead(pipeline):
    read = 0

    def count(doc):
        nonlocal read
        read += 1
        return doc

    with Server(lambda prompt: "{}") as server:
        nlp = pipeline("ours", server)
        nlp.get_pipe("llm")._model.limits = type(nlp.get_pipe("llm")._model.limits)(max_in_flight=2)
        docs = label(nlp, (count(nlp.make_doc(text)) for text in TEXTS), batch_size=100)
        next(docs)
        assert read <= 10


def test_the_collector_of_garbage_is_left_as_it_was(pipeline):
    with Server(lambda prompt: "{}") as server:
        nlp = pipeline("ours", server)
        docs = label(nlp, map(nlp.make_doc, TEXTS), batch_size=2)
        next(docs)
        assert gc.get_freeze_count() > 0
        docs.close()
    assert gc.get_freeze_count() == 0
