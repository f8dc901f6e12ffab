"""What a pipeline's meta says of its making: data, generator, annotator, gate, scores and limits."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMITS = (
    "Scores are those of one source of notes.",
    "The gate's verdict is evidence for the person who decides, no proof that nobody can be recognised.",
    "Not a medical device, not for decisions about a patient.",
)
DIGITS = 4
COUNTED = ("synthetic", "dropped", "replaced", "released")
ADAPTED = "a causal language model adapted on private notes, which stays where they are"
ASKED = "a language model behind a server, asked with prompts and adapted on no note"


def make_datasheet(
    verdict: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    synthetic: Mapping[str, Any],
    silver: Mapping[str, Any],
    generator: str,
    annotator: str,
) -> dict[str, Any]:
    """The datasheet from the gate's VERDICT, the EVALUATION, and the manifests of SYNTHETIC and SILVER notes.

    It holds numbers, names of configs and hashes; of the configs themselves nothing, as they can name hosts.
    """
    student = evaluation["systems"]["student"]["scores"]
    return {
        "data": {
            "training": "synthetic notes with machine labels; no real note",
            "n_notes": {f"n_{what}": verdict["counts"].get(f"n_{what}") for what in COUNTED},
            "n_dropped_by_reason": verdict["counts"].get("n_dropped_by_reason", {}),
            "n_replaced_by_reason": verdict["counts"].get("n_replaced_by_reason", {}),
            "sha256": verdict["hashes"].get("released"),
        },
        "generator": {
            "name": generator,
            "made": ADAPTED if synthetic["counts"].get("usage") is None else ASKED,
            "config_sha256": _hash_of(synthetic["config"]),
            "model_manifest_sha256": synthetic["inputs"].get("generator"),
            "seed": synthetic["seed"],
            "differential_privacy": _significant(synthetic["counts"].get("privacy", "none")),
        },
        "annotator": {
            "name": annotator,
            "config_sha256": _hash_of(silver["config"]),
            "prompts_sha256": {Path(k).name: v for k, v in silver["inputs"].items() if k.endswith(".jinja")},
        },
        "gate": {
            "verdict": verdict["verdict"],
            "policy": verdict["policy"],
            "policy_sha256": verdict["hashes"].get("config"),
            "shows_not": verdict["shows_not"],
            "checks": [_rounded(_without_ids(check)) for check in verdict.get("checks", ())],
        },
        "scores": {
            "n_gold_notes": evaluation["n_notes"],
            "measure": "F1, precision and recall on characters, strict; ci95 over resampled gold notes",
            "student": {scope: _rounded(row["strict"]) for scope, row in student.items()},
        },
        "limits": list(LIMITS),
        "versions": dict(silver["versions"]),
    }


def _without_ids(check: Mapping[str, Any]) -> dict[str, Any]:
    figures = {key: value for key, value in check.get("figures", {}).items() if key != "offending_notes"}
    return {key: check[key] for key in ("id", "name", "verdict") if key in check} | {
        "figures": figures,
        "p_values": check.get("p_values", {}),
    }


def _rounded(value: Any) -> Any:
    """VALUE with decimals few enough that no figure looks like somebody's number."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def _significant(spent: Mapping[str, Any] | str) -> Any:
    """SPENT with three significant digits: a delta of four decimals would be 0."""
    if isinstance(spent, str):
        return spent
    return {key: float(f"{value:.3g}") if isinstance(value, float) else value for key, value in spent.items()}


def _hash_of(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
