"""Any generator by its config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.notes.errors import UserError
from scripts.notes.files import files_named_in
from scripts.notes.step import load_config


def load_generator(path: Path, overrides: dict[str, Any] | None = None) -> Any:
    """The generator that the config PATH describes, with `adapt` and `write`."""
    import spacy

    from scripts import functions  # noqa: F401  registers the generators

    config = load_config(path, overrides)
    if "generator" not in config:
        raise UserError(f"{path} has no [generator] block", "See configs/generator/smollm2.cfg")
    try:
        return spacy.registry.resolve({"generator": config["generator"]})["generator"]
    except ValueError as e:  # confection's, or of a value that cannot be
        raise UserError(f"{path}: {e}", "Compare it with configs/generator/smollm2.cfg") from None


def inputs_named_in(settings: Mapping[str, Any]) -> dict[str, Path]:
    """The files that SETTINGS, a generator's config or its [generator] block, name, by name.

    Without the journal of its model, which grows while notes are written.
    """
    block = settings.get("generator", settings)
    journal = (block.get("model") or {}).get("journal")
    return {name: path for name, path in files_named_in(settings).items() if journal is None or path != Path(journal)}
