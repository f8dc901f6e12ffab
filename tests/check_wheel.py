"""Run an installed pipeline where this repository cannot be seen: python check_wheel.py PACKAGE"""

import importlib.util
import sys

import spacy

assert importlib.util.find_spec("scripts") is None, "the repository is on the path"
nlp = spacy.load(sys.argv[1])
doc = nlp("Started on metformin 500mg and aspirin 75 mg after a CT head and a colonoscopy. No CXR done.")
found = [(e.text, e.label_) for e in doc.ents]
print(found)
assert nlp.meta["lang"] == "en"
assert any(label == "DRUG" for _, label in found)
