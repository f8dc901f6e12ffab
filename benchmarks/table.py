"""A benchmark's figures: printed as a table and kept in metrics/bench."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wasabi import msg

from scripts.notes.files import write_json

FOLDER = Path("metrics/bench")


@dataclass(frozen=True)
class Row:
    """One figure: VALUE in UNIT over N cases, with its interval, and whether it REACHED its TARGET."""

    measure: str
    value: float | int | str | None = None
    unit: str | None = None
    n: int | None = None
    seed: int | str | None = None
    ci95: tuple[float, float] | None = None
    target: float | int | str | None = None
    reached: bool | None = None


def write_table(name: str, rows: Sequence[Row]) -> Path:
    """Print ROWS and write them to metrics/bench/NAME.json; returns that path."""
    path = FOLDER / f"{name}.json"
    write_json(path, [asdict(row) for row in rows])
    show_table(rows)
    msg.good(f"{len(rows)} figures", path)
    return path


def show_table(rows: Sequence[Row]) -> None:
    """Print ROWS."""
    header = list(asdict(Row("")))
    aligns = ["l", "r", "l", "r", "r", "r", "r", "l"]
    msg.table([[_show(v) for v in asdict(row).values()] for row in rows], header=header, divider=True, aligns=aligns)


def read_table(name: str) -> list[Row]:
    """The rows of metrics/bench/NAME.json; none if it was never written."""
    path = FOLDER / f"{name}.json"
    rows = json.loads(path.read_text("utf8")) if path.is_file() else []
    return [Row(**row | {"ci95": row["ci95"] and tuple(row["ci95"])}) for row in rows]


def _show(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, tuple | list):
        return " – ".join(map(_show, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
