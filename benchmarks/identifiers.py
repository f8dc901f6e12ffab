"""How many identifiers the gate knows of notes that nobody labelled: MEDDOCAN dev, whose labels are the truth.

`make bench NAME=identifiers`, once `spacy project assets --extra` has fetched the corpus. Its notes have no record
system beside them: patterns, check digits, words before numbers and capital letters are all there is. The gate was
tried out on train; nothing was chosen on dev.
"""

from dataclasses import replace
from pathlib import Path

from benchmarks.table import Row, write_table
from scripts.corpora.read import read_corpus
from scripts.privacy.collect import load_identifier_policy
from scripts.privacy.identifiers import recall_of_list


def main() -> None:
    """Measure the recall by kind, with and without capital letters, and write metrics/bench/identifiers.json."""
    policy = load_identifier_policy(Path("configs/audit_small.cfg"))
    notes = list(read_corpus(Path("assets/meddocan/dev/brat"), "brat"))
    rows = []
    for name, used in (("as shipped", policy), ("without capital letters", replace(policy, capitals=False))):
        for kind, found in recall_of_list(used, notes).items():
            recall, ci95 = 100 * found["count"] / found["n"], tuple(100 * bound for bound in found["ci95"])
            rows.append(Row(f"found, {name}: {kind}", recall, "%", found["n"], None, ci95))
    write_table("identifiers", rows)


if __name__ == "__main__":
    main()
