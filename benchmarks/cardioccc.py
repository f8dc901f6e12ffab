"""The whole flow on CardioCCC (MultiCardioNER 2024): real Spanish notes, 40 of them labelled with drugs and procedures.

`make bench NAME=cardioccc`, once you have put the corpus where `spacy project assets` says. A fifth of the cases, drawn
by a hash, is gold; a language model from scratch reads the text of all others but the holdout, a CNN that is taught on
the 40 labels what it writes, and the same CNN learns from these labels.
"""

from benchmarks.flow import bench

VARIABLES = {
    "corpus": "cardioccc",
    "task": "drugs_procedures",
    "lang": "es",
    "generator": "scratch_slots_es",
    "annotator": "teacher",
    "ner": "cnn",
    "n_notes": "200",
}


def main() -> None:
    """Run the flow and write metrics/bench/cardioccc.json."""
    bench("cardioccc", VARIABLES, (0, 1, 2), {})


if __name__ == "__main__":
    main()
