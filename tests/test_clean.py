import subprocess
from pathlib import Path

from scripts.clean import clean


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def files(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and ".git/" not in p.as_posix()}


def test_what_is_derived_goes_and_the_rest_stays(tmp_path):
    kept = {
        "corpus/README.md", "corpus/tracked.txt", "training/README.md", "metrics/bench/a.json",
        "assets/private/n.txt", "configs/a.cfg", "corpus/checked.jsonl", "training/journal.sqlite",
        "training/journal.sqlite-wal",
    }  # fmt: skip
    touch(tmp_path, *kept)
    subprocess.run("git init -q . && git add -f corpus/tracked.txt", shell=True, cwd=tmp_path, check=True)
    touch(
        tmp_path, "corpus/a.jsonl", "corpus/silver/0.spacy", "training/ner/x/y", "metrics/audit.json", "metrics/deep/a"
    )
    touch(tmp_path, "packages/a.whl", "reports/index.html", "project.lock")
    removed = {path.as_posix() for path in clean(tmp_path)}
    assert removed == {
        "corpus/a.jsonl", "corpus/silver", "training/ner", "metrics/audit.json", "metrics/deep",
        "packages/a.whl", "reports/index.html", "project.lock",
    }  # fmt: skip
    assert files(tmp_path) == kept
    assert clean(tmp_path) == []


def test_a_link_goes_and_what_it_points_to_stays(tmp_path):
    touch(tmp_path, "elsewhere/precious")
    (tmp_path / "project/corpus").mkdir(parents=True)
    (tmp_path / "project/corpus/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "project/training").symlink_to(tmp_path / "elsewhere")
    clean(tmp_path / "project")
    assert files(tmp_path) == {"elsewhere/precious"} and not (tmp_path / "project/training").exists()


def test_without_git_each_readme_stays(tmp_path):
    touch(tmp_path, "corpus/README.md", "corpus/a", "training/deep/README.md")
    clean(tmp_path)
    assert files(tmp_path) == {"corpus/README.md"}
