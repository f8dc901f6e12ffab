"""The guard over the tests' own connections can fail: a process that connects elsewhere is stopped and told of."""

import os
import subprocess
import sys

CONNECT = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"


def test_a_process_that_a_test_starts_may_not_connect_to_another_machine(tmp_path):
    told = tmp_path / "connections.txt"
    done = subprocess.run(
        [sys.executable, "-c", CONNECT], env=os.environ | {"CONNECTIONS": str(told)}, capture_output=True, text=True
    )
    assert "the tests may not connect to 192.0.2.1" in done.stderr
    assert told.read_text().startswith("192.0.2.1 from ")
