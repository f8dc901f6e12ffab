"""Python imports this by itself where it lies on PYTHONPATH: in every process that a test starts.

A connection to another host than this machine is an error there and then, and a line in the file $CONNECTIONS.
"""

import ipaddress
import os
import socket
import sys


def watch(event: str, args: tuple) -> None:
    if event != "socket.connect" or args[0].family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = args[1][0]
    try:
        is_here = ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        is_here = host == "localhost"
    if not is_here:
        with open(os.environ["CONNECTIONS"], "a", encoding="utf8") as stream:
            stream.write(f"{host} from {' '.join(sys.argv)}\n")
        raise ConnectionRefusedError(f"the tests may not connect to {host}")


if "CONNECTIONS" in os.environ:
    sys.addaudithook(watch)
