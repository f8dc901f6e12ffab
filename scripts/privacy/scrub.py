"""A trained pipeline without what it remembers of its making: words, paths, corpora."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

# What spaCy itself says of a pipeline; everything else in meta.json comes from us.
KEPT_META = ("lang", "spacy_version", "vectors", "labels", "pipeline", "components", "disabled")


def scrub_pipeline(nlp: "Language", out: Path, meta: Mapping[str, Any]) -> None:
    """Write NLP to OUT with a fresh vocabulary, a config that names no file or corpus, and META; NLP loses its paths.

    The strings of a trained vocabulary are the words of its training and dev corpora. Written are those of the blank
    language, the labels and the parser's moves: predictions do not depend on the others. Only what spaCy serialises is
    written, so that a stray file of the folder that NLP was loaded from stays behind.
    """
    import spacy
    import srsly

    _forget_encoder_paths(nlp)
    nlp.to_disk(out)
    blank = spacy.blank(nlp.lang)
    srsly.write_json(out / "vocab" / "strings.json", sorted(set(blank.vocab.strings) | _own_strings(nlp)))
    config = blank.config
    config["nlp"] = nlp.config["nlp"]
    config["components"] = _without_paths(nlp.config["components"])
    config.to_disk(out / "config.cfg")
    srsly.write_json(out / "meta.json", {key: nlp.meta[key] for key in KEPT_META if key in nlp.meta} | dict(meta))


def _own_strings(nlp: "Language") -> set[str]:
    """The strings that NLP's components need: labels and, of parsers, the names of their moves."""
    strings: set[str] = set()
    for _, pipe in nlp.pipeline:
        strings.update(map(str, getattr(pipe, "labels", ())))
        strings.update(getattr(pipe, "move_names", ()))
    return strings


def _forget_encoder_paths(nlp: "Language") -> None:
    """Rename the transformers inside NLP: layer and encoder are saved with the path that they were loaded from."""
    for model in (pipe.model for _, pipe in nlp.pipeline if hasattr(getattr(pipe, "model", None), "walk")):
        for layer in model.walk():
            layer.attrs.update({k: _base_name(v) for k, v in layer.attrs.items() if isinstance(v, str)})
            for shim in layer.shims:
                if encoder := getattr(getattr(shim, "_hfmodel", None), "transformer", None):
                    encoder.config._name_or_path = _base_name(encoder.config._name_or_path)


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(inner) for inner in value]
    return _base_name(value) if isinstance(value, str) else value


def _base_name(name: str) -> str:
    """The last part of a path; a model hub's `owner/model`, which is no local folder, stays."""
    is_hub_name = name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).exists()
    return name if is_hub_name else Path(name).name if "/" in name or "\\" in name else name
