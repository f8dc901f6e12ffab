"""Notes parted by patient: whoever is in one part is in no other."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from .errors import UserError
from .note import Note

LEAST = 2  # notes in a part: of one alone nothing can be said

Sizes = Mapping[str, int | None]  # part -> how many notes; None: all that the other parts leave


def split_notes(notes: Sequence[Note], sizes: Sizes, salt: str) -> dict[str, list[Note]]:
    """NOTES in parts of the asked SIZES, by patient; what no part takes is under "" in the result.

    Patients are drawn in the order of the sha256 of SALT and patient, so that the parts do not hang on the order of
    the notes; the first part draws first. Where patients have several notes, a part passes over one now and then to
    meet its size exactly; if no choice of patients can meet it, it has the nearest size that one can.
    """
    by_patient: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        by_patient[note.patient].append(note)
    left = sorted(by_patient, key=lambda patient: hashlib.sha256(f"{salt}:{patient}".encode()).digest())
    parts: dict[str, list[Note]] = {}
    for name in [*sorted(sizes, key=lambda name: sizes[name] is None), ""]:
        size = sizes.get(name)
        taken = set(left if size is None else _fill([(patient, len(by_patient[patient])) for patient in left], size))
        parts[name] = sorted((note for patient in taken for note in by_patient[patient]), key=lambda note: note.id)
        left = [patient for patient in left if patient not in taken]
    return parts


def fit_sizes(sizes: Sizes, n_notes: int) -> dict[str, int | None]:
    """SIZES if N_NOTES are enough, else scaled down in proportion; a UserError if they are too few even for that."""
    asked = {name: size for name, size in sizes.items() if size is not None}
    n_asked = sum(asked.values())
    has_rest = len(asked) < len(sizes)
    if n_asked + LEAST * has_rest <= n_notes:
        return dict(sizes)
    if has_rest or n_notes < LEAST * len(asked):
        wanted = ", ".join(f"{name} {size or 'the rest'}" for name, size in sizes.items())
        raise UserError(
            f"{n_notes} notes are too few for {wanted}", "Lower the numbers under [split], or give more notes"
        )
    shares = {name: n_notes * size / n_asked for name, size in asked.items()}
    scaled = {name: max(LEAST, int(share)) for name, share in shares.items()}
    while (n_left := n_notes - sum(scaled.values())) != 0:
        step = 1 if n_left > 0 else -1
        movable = [name for name in scaled if scaled[name] + step >= LEAST]
        scaled[max(movable, key=lambda name: step * (shares[name] - scaled[name]))] += step
    return dict(scaled)


def _fill(groups: Sequence[tuple[str, int]], size: int) -> list[str]:
    """The names of the first GROUPS (name, how many) that add up to SIZE, or else to the number nearest to it."""
    if sum(n for _, n in groups) <= size:
        return [name for name, _ in groups]
    limit = size + max(n for _, n in groups)
    # sums[i] has bit s set if some of groups[i:] add up to s.
    sums = [1]
    for _, n in reversed(groups):
        sums.append((sums[-1] | sums[-1] << n) & ((2 << limit) - 1))
    sums.reverse()
    missing = min((s for s in range(limit + 1) if sums[0] >> s & 1), key=lambda s: (abs(s - size), s))
    chosen = []
    for (name, n), without in zip(groups, sums[1:], strict=True):
        if n <= missing and without >> (missing - n) & 1:
            chosen.append(name)
            missing -= n
    return chosen
