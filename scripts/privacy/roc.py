"""How well scores tell members from others: AUC, the true positive rate at a low false positive rate, and a test."""

from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any

import numpy as np

from .figures import Z95, share

ONE_SIDED_Z95 = 1.644854
FALSE_POSITIVES = 0.01


@dataclass(frozen=True)
class Separation:
    """The scores of MEMBERS and OTHERS, one a patient: members have the higher ones if the attack works.

    The standard error of the AUC is DeLong's (1988), never below the one that the Mann-Whitney statistic has by
    chance: at an AUC near 0 or 1 DeLong's is 0 however few patients there are.
    """

    members: np.ndarray
    others: np.ndarray

    @property
    def auc(self) -> float:
        """The chance that a member's score is above another's, ties counting half."""
        return float(_placements(self.members, self.others).mean())

    @property
    def standard_error(self) -> float:
        """Of the AUC."""
        m, n = len(self.members), len(self.others)
        by_chance = sqrt((m + n + 1) / (12 * m * n))
        if min(m, n) < 2:
            return by_chance
        sides = _placements(self.members, self.others), _placements(self.others, self.members)
        return max(by_chance, sqrt(sum(side.var(ddof=1) / len(side) for side in sides)))

    @property
    def upper95(self) -> float:
        """The one-sided upper 95 % bound of the AUC."""
        return min(1.0, self.auc + ONE_SIDED_Z95 * self.standard_error)

    @property
    def n_caught(self) -> int:
        """Members whose score is above those of all others but one in a hundred."""
        allowed = int(FALSE_POSITIVES * len(self.others))
        return int(np.sum(self.members > np.sort(self.others)[-1 - allowed]))

    def p_above(self, auc: float) -> float:
        """The one-sided p of "the true AUC is at most AUC": normal approximation, with continuity correction."""
        correction = 0.5 / (len(self.members) * len(self.others))
        z = (self.auc - auc - correction) / self.standard_error
        return erfc(z / sqrt(2)) / 2

    def p_caught_above(self, auc: float) -> float:
        """The one-sided p of "the true AUC is at most AUC" by how many members are caught: exact under Lehmann's model.

        In it (Lehmann 1953) the next highest score is a member's with odds as the number of members left times
        auc / (1 - auc) to the number of others left. It sees a few exposed members, which the AUC does not.
        """
        odds, m, n = auc / (1 - auc), len(self.members), len(self.others)
        allowed = int(FALSE_POSITIVES * n)
        # passed[j]: the chance that j others, not yet more than allowed, stand above the members looked at so far
        passed = np.zeros(allowed + 1)
        passed[0] = 1.0
        for left in range(m, m - self.n_caught, -1):
            for j in range(allowed + 1):
                others_left = n - j
                member_next = odds * left / (odds * left + others_left)
                if j < allowed:
                    passed[j + 1] += passed[j] * (1 - member_next)
                passed[j] *= member_next
        return float(passed.sum())

    def shows_tpr(self, most: float) -> bool:
        """Whether the sizes can show a TPR of at most MOST: twice what chance catches would still be below."""
        n = len(self.members)
        by_chance = round(2 * FALSE_POSITIVES * n)
        return len(self.others) >= 1 / FALSE_POSITIVES and share(by_chance, n)["ci95"][1] <= most

    def figures(self) -> dict[str, Any]:
        """AUC, TPR and sizes as the report shows them."""
        bounds = [self.auc + sign * Z95 * self.standard_error for sign in (-1, 1)]
        return {
            "auc": round(self.auc, 4),
            "auc_ci95": [round(min(1.0, max(0.0, bound)), 4) for bound in bounds],
            "auc_upper95": round(self.upper95, 4),
            "tpr_at_1pct_fpr": share(self.n_caught, len(self.members)),
            "n_members": len(self.members),
            "n_others": len(self.others),
        }


def _placements(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each of SCORES the share of OTHERS below it, ties counting half."""
    ranked = np.sort(others)
    below, not_above = (np.searchsorted(ranked, scores, side) for side in ("left", "right"))
    return (below + not_above) / (2 * len(ranked))
