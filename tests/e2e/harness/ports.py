# SPDX-License-Identifier: Apache-2.0
"""Blocks of ports that are free and stay ours, also while other test runs look for theirs.

They lie below the kernel's range for outgoing connections. A block is claimed by an abstract
UNIX socket of its name, held until this process ends or has claimed many others since: there are
not so many blocks as tests, and whoever still uses one listens there.
"""
import collections
import os
import random
import socket

BLOCK = 20  # SMTP and its neighbours, and the demo's little internet from the tenth on
FIRST, LAST = 12000, 31900
HELD_MAX = 100

_claims = collections.deque()
_chance = random.Random(os.getpid() ^ int.from_bytes(os.urandom(4), "big"))


def _free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def port_block():
    for _ in range(500):
        port = _chance.randrange(FIRST, LAST, BLOCK)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0waybill-e2e-{port}")
        except OSError:
            claim.close()
            continue
        if all(_free(port + i) for i in range(BLOCK)):
            _claims.append(claim)
            if len(_claims) > HELD_MAX:
                _claims.popleft().close()
            return port
        claim.close()
    raise RuntimeError("no free block of ports")
