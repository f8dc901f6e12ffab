"""What every step shares: a typed `main`, and errors that a person can act on."""

import errno
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from .errors import UserError

Arg = typer.Argument
Opt = typer.Option


def run_step(main: Callable[..., None]) -> None:
    """Run a step's MAIN as a command line; a UserError, a full disk and Ctrl-C end it with one clear line.

    Exit status: 1 for what a person can mend, 130 for Ctrl-C. A bug keeps its traceback, without the values of locals.
    """

    @functools.wraps(main)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            main(*args, **kwargs)
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
