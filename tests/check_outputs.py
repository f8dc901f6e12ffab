"""Check what a full run has left: python -m tests.check_outputs"""

import json
from pathlib import Path

from scripts.notes.files import read_manifest, sha256_of
from scripts.notes.jsonl import read_notes


def main() -> None:
    audit = json.loads(Path("metrics/audit.json").read_text("utf8"))
    assert audit["verdict"].startswith("PASS"), audit["verdict"]
    released = list(read_notes(Path("corpus/released.jsonl")))
    private = list(read_notes(Path("corpus/private.jsonl")))
    assert len(released) >= len(private), f"{len(released)} released notes for {len(private)} private ones"
    assert not {n.text for n in released} & {n.text for n in private}
    scores = json.loads(Path("metrics/evaluation.json").read_text("utf8"))
    assert {"student", "annotator", "upper_bound", "dictionary"} <= set(scores["systems"])
    (wheel,) = Path("packages").glob("*.whl")
    package = json.loads(Path("packages/manifest.json").read_text("utf8"))
    assert wheel.name.startswith("en_clinical_ner-0.1.0")
    assert sha256_of(wheel) in json.dumps(package)
    leaving = package["documents"]
    assert {"corpus/released.jsonl", "corpus/train.spacy", "reports/index.html", "metrics/audit.json"} <= set(leaving)
    assert not any("inside" in name for name in leaving)
    assert all(sha256_of(Path(name)) == digest for name, digest in leaving.items())
    for page in ("reports/index.html", "reports/audit.html", "reports/inside/gold.html"):
        assert Path(page).stat().st_size > 10_000
    for silver in ("corpus/train.spacy", "corpus/dev.spacy"):
        assert read_manifest(Path(silver))["sensitivity"] == "released"
    print(f"{len(released)} released notes, {wheel.name}, pages: all there")


if __name__ == "__main__":
    main()
