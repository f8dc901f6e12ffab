"""The whole flow on MEDDOCAN (Marimon et al., IberLEF 2019): real Spanish notes with their own labels, dev as gold.

`make bench NAME=meddocan`, once `spacy project assets --extra` has fetched the corpus. A language model from scratch
writes notes, a CNN that was trained on the labelled ones labels them, and the same CNN learns from these.
"""

from benchmarks.flow import bench

VARIABLES = {
    "corpus": "meddocan",
    "task": "meddocan",
    "lang": "es",
    "generator": "scratch_es",
    "annotator": "teacher",
    "ner": "cnn",
    "n_notes": "450",
}


def main() -> None:
    """Run the flow and write metrics/bench/meddocan.json."""
    bench("meddocan", VARIABLES, (0,), {("upper_bound", "micro"): 0.939})


if __name__ == "__main__":
    main()
