"""G5: what somebody could learn who had the generator itself; it stays inside, so that this decides nothing."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import spacy

from scripts.llm.local import LocalModel
from scripts.notes.canaries import END, PLANTED, ROLE
from scripts.notes.files import read_manifest

from .check import Evidence, Result
from .figures import quantiles
from .membership import by_patient
from .roc import Separation

MEANING = (
    "Somebody who had the generator could compare how well it predicts one note and how well others. It never "
    "leaves the building, so that this only warns: an AUC well above .5, or canaries with a high exposure, say that it "
    "remembers notes, and that its folder must be kept as safe as the notes themselves."
)

Loss = Callable[[str, int], float]


@spacy.registry.misc("clinical.g5_exposure.v1")
@dataclass(frozen=True)
class Exposure:
    """ "I have stolen the generator: does it know my neighbour's note better than it should?"

    The loss of the adapted model on the first `n_tokens` tokens of one note each of `n_notes` private and as many
    holdout patients, and of `n_notes` canaries and twins. `n_notes` 0 leaves the check out.
    """

    n_notes: int
    n_tokens: int
    id: ClassVar[str] = "G5"
    name: ClassVar[str] = "generator's loss and exposure"

    def __call__(self, evidence: Evidence) -> Result:
        """PASS whatever is found; NOT_RUN where the policy asks for no notes or the generator is no language model."""
        folder = evidence.files.get("generator")
        if not self.n_notes or folder is None or not (folder / "model").is_dir():
            return Result(self.id, self.name, "NOT_RUN", {}, "Not run.")
        loss = loss_of(_load(folder), self.n_tokens)
        rng = random.Random(evidence.seed)
        members, others = (
            np.array([-loss(texts[0], 0) for texts in self._sample(list(by_patient(side).values()), rng)])
            for side in (evidence.private, evidence.holdout)
        )
        figures: dict[str, Any] = {
            "mean_loss": {"private": round(float(-members.mean()), 4), "holdout": round(float(-others.mean()), 4)},
            "loss_attack": Separation(members, others).figures(),
        }
        sides = [
            [c for c in evidence.canaries if (c.meta[ROLE] == PLANTED) == is_planted] for is_planted in (True, False)
        ]
        if all(sides):
            plants, twins = (
                np.array([loss(canary.text, canary.meta[END]) for canary in self._sample(side, rng)]) for side in sides
            )
            figures["canary_loss_attack"] = Separation(-plants, -twins).figures()
            figures["canary_exposure_bits"] = quantiles([exposure(plant, twins) for plant in plants])
            figures["canary_exposure_bits_at_most"] = round(log2(len(twins) + 1), 2)
        return Result(self.id, self.name, "PASS", figures, MEANING)

    def _sample(self, things: Sequence[Any], rng: random.Random) -> list[Any]:
        return rng.sample(list(things), min(self.n_notes, len(things)))


def exposure(loss: float, twins: np.ndarray) -> float:
    """The exposure of a canary of this LOSS among TWINS, in bits: log2 of their number less log2 of its rank.

    Carlini et al. (2019), "The Secret Sharer", estimated on the twins instead of all canaries that there could be.
    """
    rank = 1 + int(np.sum(twins < loss))
    return round(log2(len(twins) + 1) - log2(rank), 2)


def loss_of(local: LocalModel, n_tokens: int) -> Loss:
    """A function from a text and a character to the mean loss (nats a token) of what stands from there on."""
    import torch

    def loss(text: str, start: int) -> float:
        given = local.encode(text[:start].rstrip()) if start else []
        # What stands before counts for no more than half of the window.
        given = [local.tokenizer.eos_token_id, *given][-max(1, n_tokens // 2) :]
        asked = local.encode(text[start:] if not start else f" {text[start:]}")[: n_tokens - len(given) + 1]
        ids = torch.tensor([given + asked], device=local.device)
        with torch.inference_mode():
            logits = local.model(ids[:, :-1], logits_to_keep=len(asked)).logits[0].float()
        return float(torch.nn.functional.cross_entropy(logits, ids[0, len(given) :]))

    return loss


def _load(folder: Path) -> LocalModel:
    """The adapted model in FOLDER, on the CPU: with its base where only an adapter was trained."""
    model = folder / "model"
    if (model / "adapter_config.json").is_file():
        return LocalModel(read_manifest(folder)["config"]["base"], str(model))
    return LocalModel(str(model))
