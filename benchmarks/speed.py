"""How speeds are measured: arms in turn, beside what this machine's matrix products reach in the same run."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from benchmarks.table import Row

if TYPE_CHECKING:
    import torch

SIDE = 3072  # of the matrices: large enough that nothing but the products takes time
SHARE = 0.5  # of the rate of 32-bit matrix products: as good a target as the ratio


def matrix_rate(dtype: str, side: int = SIDE, n: int = 3) -> float:
    """FLOP a second of the product of two square matrices of DTYPE, with all threads: the fastest of N."""
    import torch

    a = torch.randn(side, side).to(getattr(torch, dtype))
    a @ a
    seconds = []
    for _ in range(n):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds)


def matrix_weights(model: "torch.nn.Module") -> int:
    """The weights of MODEL that every token is multiplied with: of its linear layers, the last one included."""
    import torch

    linear = [m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "lora_" not in name]
    return sum(layer.weight.numel() for layer in linear)


def in_turn(arms: Mapping[str, Callable[[int], float]], n: int) -> dict[str, np.ndarray]:
    """The rates of each of ARMS, N of each: all arms once with the seed 0, then all with 1, and so on."""
    rates: dict[str, list[float]] = {name: [] for name in arms}
    with tqdm(total=n * len(arms), unit="run") as bar:
        for seed in range(n):
            for name, arm in arms.items():
                bar.set_postfix_str(name)
                rates[name].append(arm(seed))
                bar.update()
    return {name: np.array(found) for name, found in rates.items()}


def rate_row(measure: str, rates: Sequence[float], unit: str) -> Row:
    """The mean of RATES in UNIT, its interval over the repetitions."""
    return Row(measure, float(np.mean(rates)), unit, len(rates), _seeds(rates), interval(rates))


def share_row(measure: str, rates: Sequence[float], whole: float, target: float | None = None) -> Row:
    """RATES (FLOP a second) as a share of WHOLE."""
    shares = np.asarray(rates) / whole
    reached = None if target is None else bool(shares.mean() >= target)
    return Row(measure, float(shares.mean()), "share", len(shares), _seeds(rates), interval(shares), target, reached)


def ratio_row(measure: str, ours: Sequence[float], theirs: Sequence[float], target: float, share: float) -> Row:
    """OURS over THEIRS, run by run; reached at TARGET, or where our SHARE of the rate of matrix products is."""
    ratios = np.asarray(ours) / np.asarray(theirs)
    reached = bool(ratios.mean() >= target or share >= SHARE)
    return Row(measure, float(ratios.mean()), "ratio", len(ratios), _seeds(ratios), interval(ratios), target, reached)


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of VALUES by Student's t; None for fewer than two."""
    from scipy import stats

    if len(values) < 2:
        return None
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(mean - half), float(mean + half)


def _seeds(values: Sequence[float]) -> str:
    return ",".join(map(str, range(len(values))))
