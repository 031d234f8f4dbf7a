"""Calls out: TCP, UDP, a socket with a path, one without.

Held at tiers 1 to 3.
"""

import socket


def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as out:
        out.settimeout(1)
        out.sendto(b"x", address) if kind == socket.SOCK_DGRAM else out.connect(address)


for name, attempt in {
    "tcp": lambda: connect(socket.AF_INET, ("127.0.0.1", CANARY["tcp"])),
    "udp": lambda: connect(socket.AF_INET, ("127.0.0.1", CANARY["udp"]), socket.SOCK_DGRAM),
    "unix": lambda: connect(socket.AF_UNIX, CANARY["unix"]),
    "abstract": lambda: connect(socket.AF_UNIX, "\0" + CANARY["abstract"]),
    "pair": socket.socketpair,
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "mptcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262),
}.items():
    try:
        attempt()
        print("ESCAPED", name)
    except OSError as error:
        print("refused", name, error)
