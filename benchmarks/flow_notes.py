"""Eight times as many synthetic notes: what the student gains by them, on gold, over training seeds.

`make bench NAME=flow-notes`, after `make run`: the generator that has been adapted there writes 960 notes, on which
student and upper bound are trained with configs/ner/trf_long.cfg.
"""

from benchmarks.flow import bench

N_NOTES = 960


def main() -> None:
    """Run the flow from `generate` on and write metrics/bench/flow_notes.json."""
    bench("flow_notes", {"n_notes": str(N_NOTES), "ner": "trf_long"}, (0, 1, 2), {}, from_clean=False)


if __name__ == "__main__":
    main()
