"""G4: whether the synthetic notes tell who was among the private ones, and whether the generator recites canaries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import spacy

from scripts.notes.canaries import PLANTED, ROLE, Spotter, end_of, planted
from scripts.notes.files import manifest_path, read_manifest, sha256_of
from scripts.notes.jsonl import read_notes
from scripts.notes.note import Note

from .check import Evidence, Result
from .figures import share
from .language import neural_scores, ngram_scores
from .normalize import tokenize
from .roc import Separation

MEANING = (
    "Somebody who holds a patient's note, or most of it, could learn from the released notes alone whether it was "
    "among the private ones. Models of the released notes are asked how likely each note is, beyond its single words; "
    "canaries are invented patients whose notes the generator saw once, and must never write. A pass does not show "
    "that a stronger attack would fail, nor what somebody learns who has the generator itself: it stays inside."
)
N_WORST = 10
LABELLED = "labelled members"
DETECTED = 0.01  # p below which the positive control counts as detected

Scores = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]


@spacy.registry.misc("clinical.g4_membership.v1")
@dataclass(frozen=True)
class Membership:
    """ "I have a colleague's discharge letter: was she a patient of the hospital whose corpus this is?"

    The AUC of private patients against those of the holdout, and of planted canaries against their twins, is tested
    against `auc_tested` and bounded by `max_auc`, the TPR at 1 % FPR by `max_tpr` where the sizes can show that.
    Labelled patients, where not all are, are also tested apart, since their mentions may fill slots; for bounds they
    are too few. With `must_show`, what is not bounded is INCONCLUSIVE, and so are missing canaries and a positive
    control (canaries planted many times) that is not detected; without, only a significant test or an emitted canary
    decides.
    `neural_tokens` is how many tokens the neural model is trained on; null leaves it out, and so do fewer synthetic
    notes than `neural_from`.
    """

    max_auc: float
    auc_tested: float
    max_tpr: float
    must_show: bool
    neural_tokens: int | None
    neural_from: int = 0
    id: ClassVar[str] = "G4"
    name: ClassVar[str] = "canaries and membership"

    def __call__(self, evidence: Evidence) -> Result:
        """FAIL for an emitted canary; p-values for each attack; INCONCLUSIVE for what `must_show` finds not shown."""
        attacks, exposed = self._attack(evidence)
        emission = _emission(evidence)
        n_emitted = emission["count"] if emission else 0
        control = _control(evidence)
        left_out, saw_private = self._left_out(evidence), _saw_private_notes(evidence)
        doubts = self._doubts(attacks, emission, control, saw_private) + left_out if self.must_show else []
        figures: dict[str, Any] = {
            "attacks": {name: attack.figures() for name, attack in attacks.items()},
            "canaries_emitted": emission,
            "control": control,
            "synthetic_notes_nearest_to_the_most_exposed": nearest(evidence.synthetic, exposed),
        }
        if not saw_private:
            figures["generator_saw_no_private_note"] = True
        p_values = {}
        for name, attack in attacks.items():
            p_values[f"{name}: AUC"] = attack.p_above(self.auc_tested)
            p_values[f"{name}: TPR"] = attack.p_caught_above(self.auc_tested)
        verdict = "FAIL" if n_emitted else "INCONCLUSIVE" if doubts else "PASS"
        meaning = f"Not decided: {'; '.join(doubts)}. {MEANING}" if verdict == "INCONCLUSIVE" else MEANING
        meaning += "".join(f" In this run {why}." for why in left_out if verdict != "INCONCLUSIVE")
        return Result(self.id, self.name, verdict, figures, meaning, p_values=p_values)

    def _attack(self, evidence: Evidence) -> tuple[dict[str, Separation], list[str]]:
        """Each attack's scores, and the texts of the private patients that the first finds most exposed."""
        members, others = by_patient(evidence.private), by_patient(evidence.holdout)
        labelled = {note.patient for note in evidence.private if note.spans is not None}
        is_labelled = np.array([patient in labelled for patient in members], dtype=bool)
        ends = {canary.id: [end_of(canary)] for canary in evidence.canaries}
        is_planted = np.array([canary.meta[ROLE] == PLANTED for canary in evidence.canaries], dtype=bool)
        texts = [*members.values(), *others.values(), *ends.values()]
        attacks, exposed = {}, []
        for name, model in self._models(evidence).items():
            scores = _mean_scores(model, texts)
            n, m = len(members), len(members) + len(others)
            attacks[f"{name}, members"] = Separation(scores[:n], scores[n:m])
            if is_labelled.any() and not is_labelled.all():
                attacks[f"{name}, {LABELLED}"] = Separation(scores[:n][is_labelled], scores[n:m])
            if is_planted.any() and not is_planted.all():
                attacks[f"{name}, canaries"] = Separation(scores[m:][is_planted], scores[m:][~is_planted])
            if not exposed:
                worst = np.argsort(-scores[:n], kind="stable")[:N_WORST]
                exposed = ["\n".join(list(members.values())[i]) for i in worst]
        return attacks, exposed

    def _models(self, evidence: Evidence) -> dict[str, Scores]:
        train = [note.text for note in evidence.synthetic]
        models: dict[str, Scores] = {"ngram": _ngram_model(train)}
        if self.neural_tokens is not None and not self._left_out(evidence):
            n_tokens, seed = self.neural_tokens, evidence.seed
            models["neural"] = lambda texts: neural_scores(train, texts, n_tokens, seed)
        return models

    def _left_out(self, evidence: Evidence) -> list[str]:
        """Why the policy's neural model has not been asked, in words; nothing if it was, or if the policy has none."""
        n = len(evidence.synthetic)
        if self.neural_tokens is None or n >= self.neural_from:
            return []
        return [f"the neural model was left out: {n} synthetic notes are fewer than {self.neural_from}"]

    def _doubts(
        self,
        attacks: Mapping[str, Separation],
        emission: dict[str, Any] | None,
        control: dict[str, Any] | None,
        saw_private: bool,
    ) -> list[str]:
        """What the figures leave open, in words."""
        doubts = []
        bounded = {name: attack for name, attack in attacks.items() if not name.endswith(LABELLED)}
        for name, attack in bounded.items():
            if attack.upper95 > self.max_auc:
                doubts.append(f"the AUC of {name} may be {attack.upper95:.2f}")
            high = share(attack.n_caught, len(attack.members))["ci95"][1]
            if attack.shows_tpr(self.max_tpr) and high > self.max_tpr:
                doubts.append(f"the TPR of {name} may be {high:.2f}")
        if not saw_private:
            return doubts  # nobody can plant a canary where no note is shown
        if emission is None:
            doubts.append("no canaries were planted and counted")
        elif control is None or not control["detected"]:
            doubts.append("there is no positive control" if control is None else "the positive control is not detected")
        return doubts


def by_patient(notes: Sequence[Note]) -> dict[str, list[str]]:
    """The texts of NOTES by patient: patients are the independent units."""
    texts: dict[str, list[str]] = {}
    for note in notes:
        texts.setdefault(note.patient, []).append(note.text)
    return texts


def nearest(synthetic: Sequence[Note], texts: Sequence[str]) -> list[str]:
    """The ids of the notes of SYNTHETIC that share most runs of three words (Jaccard) with one of TEXTS, in its order.

    A text that shares no run with any note has none.
    """
    runs = [_runs(note.text) for note in synthetic]
    found: dict[str, None] = {}
    for own in map(_runs, texts):
        alike = [len(own & other) / len(own | other) if own & other else 0.0 for other in runs]
        best = int(np.argmax(alike))
        if alike[best]:
            found[synthetic[best].id] = None
    return list(found)


def _runs(text: str) -> set[tuple[str, ...]]:
    words = [token.text for token in tokenize(text)]
    return set(zip(words, words[1:], words[2:], strict=False))


def _ngram_model(train: Sequence[str]) -> Scores:
    tokens = [tokenize(text) for text in train]
    return lambda texts: ngram_scores(tokens, [tokenize(text) for text in texts])


def _mean_scores(model: Scores, texts: Sequence[Sequence[str]]) -> np.ndarray:
    """MODEL's score a token for each of TEXTS, which are one patient's or canary's each."""
    owner = np.repeat(np.arange(len(texts)), [len(group) for group in texts])
    sums, counts = (np.bincount(owner, weights=part) for part in model([text for group in texts for text in group]))
    return sums / np.maximum(counts, 1)


def _emission(evidence: Evidence) -> dict[str, Any] | None:
    """How many canaries the generator wrote, by its manifest and as found in the notes themselves; None: not counted.

    Both are counts on all that was delivered: what the gate has dropped since is read from the file again.
    """
    plants = planted(evidence.canaries)
    if not plants:
        return None
    path = evidence.files["synthetic"]
    counted = read_manifest(path)["counts"].get("canaries")
    if counted is None or counted["n"] != len(plants):
        return None
    spotter = Spotter({canary.id: end_of(canary) for canary in plants})
    found = {id for note in read_notes(path) for id in spotter.find(note.text)}
    return share(min(len(plants), counted["emitted"] + len(found)), len(plants))


def _saw_private_notes(evidence: Evidence) -> bool:
    """Whether private notes were shown to the generator: always, unless its own manifest says that none were."""
    folder = evidence.files.get("generator")
    if folder is None or not manifest_path(folder).is_file():
        return True
    return bool(read_manifest(folder)["counts"].get("sees_private_notes", True))


def _control(evidence: Evidence) -> dict[str, Any] | None:
    """Whether the notes of a generator that saw each canary many times betray them; None: there are no such notes."""
    path = evidence.files.get("control")
    if path is None or not path.is_file() or not planted(evidence.canaries):
        return None
    manifest = read_manifest(path)
    counted = manifest["counts"].get("canaries")
    made_from = manifest["inputs"]
    if counted is None or any(made_from.get(n) != sha256_of(evidence.files[n]) for n in ("canaries", "private")):
        return None
    model = _ngram_model([note.text for note in read_notes(path)])
    scores = _mean_scores(model, [[end_of(canary)] for canary in evidence.canaries])
    is_planted = np.array([canary.meta[ROLE] == PLANTED for canary in evidence.canaries])
    attack = Separation(scores[is_planted], scores[~is_planted])
    detected = counted["emitted"] > 0 or attack.p_above(0.5) < DETECTED
    emitted = share(counted["emitted"], counted["n"])
    return {"detected": detected, "canaries_emitted": emitted, "attack": attack.figures()}
