"""What every step shares: a typed `main`, and errors that a person can act on."""

import difflib
import errno
import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from .errors import UserError

Arg = typer.Argument
Opt = typer.Option


def run_step(main: Callable[..., None]) -> None:
    """Run a step's MAIN as a command line and print how long it took.

    A UserError, a full disk and Ctrl-C end it with one clear line.
    Exit status: 1 for what a person can mend, 130 for Ctrl-C. A bug keeps its traceback, without the values of locals.
    """

    @functools.wraps(main)
    def guarded(*args: Any, **kwargs: Any) -> None:
        start = time.monotonic()
        try:
            check_variables(command_line_of_parent(), Path("project.yml"))
            main(*args, **kwargs)
            msg.text(f"{Path(sys.argv[0]).stem} took {time.monotonic() - start:.0f} s")
        except UserError as e:
            msg.fail(e.what, e.remedy, exits=1)
        except OSError as e:
            if e.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            msg.fail(
                "No space left on the disk", "Free some and run the same command: what was finished is kept", exits=1
            )
        except KeyboardInterrupt:
            msg.warn("Interrupted", "Nothing half-written is left; run the same command to go on", exits=130)

    app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
    app.command()(guarded)
    app()


def command_line_of_parent() -> list[str]:
    """The words of the command that started this process: of `spacy project run`, with all its --vars."""
    import psutil

    try:
        parent = psutil.Process().parent()
        return parent.cmdline() if parent else []
    except psutil.Error:  # another user's, or gone
        return []


def check_variables(command: list[str], project: Path) -> None:
    """A UserError if COMMAND sets a variable (--vars.NAME) that PROJECT does not have: weasel ignores it silently."""
    given = [word.removeprefix("--vars.").partition("=")[0] for word in command if word.startswith("--vars.")]
    if not given or not project.is_file():
        return
    import srsly

    known = srsly.read_yaml(project).get("vars", {})
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean --vars.{near[0]}? " if near else ""
            raise UserError(f"--vars.{name}: there is no such variable", f"{hint}There are: {', '.join(known)}")


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> Any:
    """A confection config from PATH with dotted OVERRIDES, interpolated; a UserError where it is missing or broken."""
    from confection import Config

    if not path.is_file():
        others = ", ".join(sorted(p.stem for p in path.parent.glob(f"*{path.suffix}"))) or "none"
        raise UserError(f"{path} does not exist", f"There are: {others}")
    try:
        return Config().from_disk(path, overrides=overrides or {})
    except Exception as e:  # confection raises several kinds, all of them about the file
        raise UserError(f"{path}: {e}", "See the comments in the shipped configs") from None
