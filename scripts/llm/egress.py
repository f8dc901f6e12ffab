"""Which host may see which text: the one rule that every request to a language model passes."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

from scripts.notes.errors import UserError
from scripts.notes.files import Sensitivity

MAY_LEAVE = ("released", "public")
# What is being sent now. Nobody has said: private.
_SENT: ContextVar[Sensitivity] = ContextVar("sent", default="private")


@contextmanager
def sending(sensitivity: Sensitivity) -> Iterator[None]:
    """Inside, the text that models are asked about is of SENSITIVITY."""
    token = _SENT.set(sensitivity)
    try:
        yield
    finally:
        _SENT.reset(token)


def check_destination(url: str, sensitivity: Sensitivity | None = None, allowed: Sequence[str] = ()) -> None:
    """A UserError unless text of SENSITIVITY (None: what `sending` says) may go to the host of URL.

    Released and public text may go anywhere; any other text only to this machine or to a host that ALLOWED names.
    """
    kind = sensitivity or _SENT.get()
    host = host_of(url)
    if kind in MAY_LEAVE or host in allowed or is_loopback(host):
        return
    raise UserError(
        f"{kind} text was about to be sent to {host}",
        "Use a local model, notes that passed the gate, or name the host under allow_private_hosts",
    )


def host_of(url: str) -> str:
    """The host that URL names, in lower case; a UserError if it names none."""
    host = urlsplit(url).hostname
    if not host:
        raise UserError(f"base_url {url!r} names no host", "Write it as http://127.0.0.1:8000/v1")
    return host


def is_loopback(host: str) -> bool:
    """Whether HOST is this machine: a loopback address, or the name localhost if all its addresses are.

    Any other name can be made to point elsewhere between the question and the connection.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    if host != "localhost":
        return False
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(address).is_loopback for address in found)
