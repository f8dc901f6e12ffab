"""Gold mentions given as bare strings: how many spans come back, how many are false; ours beside spacy-llm's aligners.

Columns of a list are strings and labels only. "in order": as in the text. "shuffled": in a seeded random order.
spacy-llm has two: of lists a label (ner.v1, v2: every occurrence of each string) and of a list of lines (ner.v3: the next
occurrence); ours are compared with each in the mode that answers the same kind of list ("all", "listed").
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import spacy
from spacy.tokens import Doc
from spacy_llm.tasks.ner import make_ner_task_v2, make_ner_task_v3
from spacy_llm.util import split_labels  # noqa: F401
