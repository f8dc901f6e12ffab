"""What a wheel needs and what it was built with, as a software bill of materials: CycloneDX 1.5, JSON."""

import platform
import zipfile
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.notes.files import sha256_of

MAX_LICENCE = 80  # characters; some packages have the whole text of the licence where its name belongs


def make_sbom(wheel: Path) -> dict[str, Any]:
    """The CycloneDX document of WHEEL: names, versions and licences, without a path, a host or a date.

    What the wheel requires, directly or through others, has the scope "required"; all else that is installed where it
    was built has the scope "excluded": it had a part in the making and is not delivered.
    """
    about = _metadata_of(wheel)
    installed = {canonicalize_name(d.metadata["Name"]): d for d in distributions()}
    required = _closure(about.get_all("Requires-Dist", ()), installed)
    parts = [_component(d, "required" if name in required else "excluded") for name, d in sorted(installed.items())]
    root = {
        "type": "library",
        "bom-ref": _purl(about["Name"], about["Version"]),
        "name": about["Name"],
        "version": about["Version"],
        "purl": _purl(about["Name"], about["Version"]),
        "hashes": [{"alg": "SHA-256", "content": sha256_of(wheel)}],
        **_licences(about),
    }
    python = {"type": "platform", "bom-ref": "python", "name": "python", "version": platform.python_version()}
    needs = [("", about.get_all("Requires-Dist", ()))] + [(n, installed[n].requires or ()) for n in sorted(required)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": root},
        "components": [*parts, python | {"scope": "required"}],
        "dependencies": [
            {
                "ref": _ref(installed[name]) if name else root["bom-ref"],
                "dependsOn": sorted({_ref(installed[n]) for n in _names(lines) if n in installed}),
            }
            for name, lines in needs
        ],
    }


def _metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def _closure(lines: Iterable[str], installed: dict[str, Distribution]) -> set[str]:
    """The canonical names of the installed distributions that the requirements LINES lead to."""
    found: set[str] = set()
    todo = list(_names(lines))
    while todo:
        name = todo.pop()
        if name in installed and name not in found:
            found.add(name)
            todo += _names(installed[name].requires or ())
    return found


def _names(lines: Iterable[str]) -> Iterator[str]:
    """The canonical names in the requirements LINES that hold here, without extras."""
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _component(distribution: Distribution, scope: str) -> dict[str, Any]:
    about = distribution.metadata
    return {
        "type": "library",
        "bom-ref": _ref(distribution),
        "name": about["Name"],
        "version": about["Version"],
        "scope": scope,
        "purl": _ref(distribution),
        **_licences(about),
    }


def _licences(about: Any) -> dict[str, Any]:
    """What the metadata ABOUT says of the licence: an SPDX expression, else classifiers, else a name."""
    if expression := about.get("License-Expression"):
        return {"licenses": [{"expression": expression}]}
    classifiers = [c for c in about.get_all("Classifier", ()) if c.startswith("License ::")]
    names = [c.rsplit(" :: ", 1)[-1] for c in classifiers if c.count(" :: ") > 1]
    written = (about.get("License") or "").strip()
    if not names and written and "\n" not in written and len(written) <= MAX_LICENCE:
        names = [written]
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


def _ref(distribution: Distribution) -> str:
    return _purl(distribution.metadata["Name"], distribution.metadata["Version"])


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{canonicalize_name(name)}@{quote(version, safe='')}"
