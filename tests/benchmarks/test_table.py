import json

from benchmarks import table
from benchmarks.table import Row, write_table


def test_rows_are_kept_and_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    rows = [
        Row("strict F1", 0.71234, n=50, seed=0, ci95=(0.65, 0.77), target=0.7, reached=True),
        Row("time", 61, unit="s", target="60", reached=False),
    ]
    path = write_table("scores", rows)
    assert path == tmp_path / "scores.json"
    assert table.read_table("scores") == rows
    assert table.read_table("other") == []
    first, second = json.loads(path.read_text())
    assert list(first) == ["measure", "value", "unit", "n", "seed", "ci95", "target", "reached"]
    assert (first["value"], first["ci95"], first["unit"]) == (0.71234, [0.65, 0.77], None)
    assert (second["value"], second["reached"]) == (61, False)
    printed = capsys.readouterr().out
    assert "0.7123" in printed and "0.65 – 0.77" in printed and "NO" in printed
