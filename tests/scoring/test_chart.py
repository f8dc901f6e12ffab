import re
import xml.etree.ElementTree as ET

from scripts.scoring.chart import MAX_LABELS, draw_scores, frequent_labels
from scripts.scoring.spans import MEASURES


def evaluation(systems, n_gold_by_label):
    def scored(f1, n_gold):
        interval = [None, None] if f1 is None else [max(f1 - 0.1, 0), min(f1 + 0.1, 1)]
        return {m: {"f1": f1, "ci95": interval} for m in MEASURES} | {"n_gold": n_gold}

    scores = {name: {"micro": scored(f1, 9)} for name, f1 in systems.items()}
    for name, f1 in systems.items():
        scores[name] |= {label: scored(f1, n) for label, n in n_gold_by_label.items()}
    return {"labels": list(n_gold_by_label), "systems": {name: {"scores": s} for name, s in scores.items()}}


def test_the_chart_takes_its_colours_and_type_from_the_page():
    svg = draw_scores(evaluation({"student": 0.7, "upper_bound": 0.8}, {"DRUG": 3, "A&B": 1}))
    ET.fromstring(svg)
    assert not re.search("#[0-9a-f]{6}", svg)
    for value in ("currentColor", "var(--muted)", "var(--line)", "var(--series-0)", "var(--series-1)"):
        assert value in svg
    for part in ("metadata", "font-family", 'pt"', "date"):
        assert part not in svg
    for text in (">student<", ">upper bound<", ">all labels<", ">DRUG<", ">A&amp;B<"):
        assert text in svg


def n_uses(svg, colour):
    return svg.count(f"fill: var(--{colour})")


def test_an_undefined_score_has_no_dot():
    labels = {"DRUG": 3, "PROCEDURE": 2}
    both = n_uses(draw_scores(evaluation({"student": 0.7, "dictionary": 0.4}, labels)), "series-1")
    none = n_uses(draw_scores(evaluation({"student": 0.7, "dictionary": None}, labels)), "series-1")
    assert both - none == 3  # all labels, DRUG, PROCEDURE


def test_many_labels_are_cut_to_the_most_frequent_in_the_tasks_order():
    n_gold = {f"L{i}": i for i in range(MAX_LABELS + 2)}
    assert frequent_labels(evaluation({"student": 0.5}, n_gold)) == [f"L{i}" for i in range(2, MAX_LABELS + 2)]
