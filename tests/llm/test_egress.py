import socket

import pytest

from scripts.llm import egress
from scripts.llm.egress import check_destination, host_of, is_loopback, sending
from scripts.notes.errors import UserError

REMOTE = "https://api.example.org/v1"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_is_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "192.168.1.1", "0.0.0.0", "127.0.0.1.example.org", "example.org", "2130706433"]
)
def test_other_hosts_are_not_whatever_their_names_look_like(host):
    assert not is_loopback(host)


def test_a_localhost_that_resolves_elsewhere_is_another_host(monkeypatch):
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 0))
    monkeypatch.setattr(egress.socket, "getaddrinfo", lambda *args: [entry])
    assert not is_loopback("localhost")


def test_without_a_word_about_the_text_it_is_private():
    check_destination("http://127.0.0.1:8000/v1")
    with pytest.raises(UserError, match=r"private text was about to be sent to api\.example\.org"):
        check_destination(REMOTE)


@pytest.mark.parametrize("kind", ["private", "synthetic"])
def test_what_did_not_pass_the_gate_goes_to_a_named_host_only(kind):
    with sending(kind):
        with pytest.raises(UserError, match=kind):
            check_destination(REMOTE)
        with pytest.raises(UserError, match=kind):
            check_destination(REMOTE, None, ["example.org"])
        check_destination(REMOTE, None, ["api.example.org"])


def test_released_text_may_go_anywhere_and_private_examples_may_not_go_with_it():
    with sending("released"):
        check_destination(REMOTE)
        with pytest.raises(UserError, match="private"):
            check_destination(REMOTE, "private")
    with pytest.raises(UserError):
        check_destination(REMOTE)


def test_an_address_without_a_host_is_refused():
    with pytest.raises(UserError, match="names no host"):
        host_of("localhost:8000")
