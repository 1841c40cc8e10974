# SPDX-License-Identifier: Apache-2.0
"""A name server whose answers are forged, broken or without end: nobody is refused for good for it, and nothing stops."""
import contextlib
import itertools
import socket
import struct
import threading

import pytest

UNSIGNED = {"trust-anchor": '""'}
LOOPING = b"\xc0\x0c"
FRESH = itertools.count()


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner, kind, data, lifetime=60):
    return owner + struct.pack(">HHIH", kind, 1, lifetime, len(data)) + data


def says(query, answers, head=None, flags=0x8580, count=None):
    """An answer to the question as it was asked, unless another one is given."""
    question = query[12:query.index(b"\0", 12) + 5]
    return query[:2] + struct.pack(">HHHHH", flags, 1, len(answers) if count is None else count, 0, 0) \
        + (head or question) + b"".join(answers)


def kind_of(query):
    return struct.unpack_from(">H", query, query.index(b"\0", 12) + 1)[0]


A = b"\x7f\0\0\2"
LIES = {
    "another-id": lambda q: bytes([q[0] ^ 1]) + says(q, [record(LOOPING, 1, A)])[1:],
    "another-question": lambda q: says(q, [record(LOOPING, 1, A)], name("bank.test") + b"\0\1\0\1"),
    "the-question": lambda q: q,
    "nothing": lambda q: b"",
    "half": lambda q: says(q, [record(LOOPING, 1, A)])[:-3],
    "more-than-there-is": lambda q: says(q, [record(LOOPING, 1, A)], count=60000),
    "a-name-in-itself": lambda q: says(q, [record(bytes([0xC0, len(says(q, []))]), 1, A)]),
    "a-long-label": lambda q: says(q, [b"\x7f" + b"a" * 300]),
    "cname-to-itself": lambda q: says(q, [record(LOOPING, 5, LOOPING)]),
    "cname-without-end": lambda q: says(q, [record(LOOPING, 5, name(f"n{next(FRESH)}.chain.test"))]),
    "cut-and-no-tcp": lambda q: says(q, [], flags=0x8780),
    "refused": lambda q: says(q, [], flags=0x8585),
    "failed": lambda q: says(q, [], flags=0x8582),
    "half-a-record": lambda q: says(q, [record(LOOPING, kind_of(q), b"\x7f\0")]),
    "noise": lambda q: q[:2] + bytes(range(255, 0, -1)),
}


@contextlib.contextmanager
def lying_name_server(lie):
    """Gives the port, and a list that says how often it was asked."""
    asked, stop = [], threading.Event()

    def serve(channel):
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                query, client = channel.recvfrom(4096)
                asked.append(query)
                channel.sendto(lie(query), client)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(0.2)
        thread = threading.Thread(target=serve, args=(channel,))
        thread.start()
        try:
            yield channel.getsockname()[1], asked
        finally:
            stop.set()
            thread.join()


def reply(s, source):
    with s.client(source) as c:
        c.cmd("EHLO mx.client.test")
        c.cmd("MAIL FROM:<x@y.test>").is_(250)
        return c.cmd("RCPT TO:<alice@example.org>")


def test_what_is_said_of_another_name_counts_for_nothing(server):
    """As if nothing had been said but that there is no record."""
    with lying_name_server(lambda q: says(q, [record(name("bank.test"), kind_of(q), A)])) as (port, asked):
        dns = {"servers": f'{{"127.0.0.1:{port}"}}', **UNSIGNED}
        s = server(sections={'dnslist "block.test"': {}, "dns": dns})
        reply(s, "127.0.1.1").is_(250)
        assert asked
        s = server(sections={"sender-domain": {"must-exist": "yes"}, "dns": dns})
        reply(s, "127.0.1.1").is_(550)


@pytest.mark.parametrize("check, settings, codes", [
    ('dnslist "block.test"', {"of": '{"client", "helo", "sender"}'}, (250,)),
    ("reverse-name", {"must-exist": "yes", "must-match": "yes"}, (250,)),
    ("helo", {"must-resolve": "yes"}, (250,)),
    ("sender-domain", {"must-exist": "yes"}, (450, 451)),
    ("greylist", {"delay": "10s"}, (450,)),
])
def test_lies_refuse_nobody_and_admit_nobody(server, check, settings, codes):
    """One after another, each by a name server of its own: what it forged is not believed."""
    with contextlib.ExitStack() as stack:
        servers = {}
        for kind, lie in LIES.items():
            port, asked = stack.enter_context(lying_name_server(lie))
            s = server(sections={check: settings, "dns": {"servers": f'{{"127.0.0.1:{port}"}}', **UNSIGNED}})
            servers[kind] = s, s.client("127.0.1.1"), asked
        for s, c, _ in servers.values():
            c.cmd("EHLO mx.client.test")
            c.cmd("MAIL FROM:<x@y.test>").is_(250)
            c.send(b"RCPT TO:<alice@example.org>\r\n")
        for s, _, _ in servers.values():
            reply(s, "127.0.0.2").is_(250)  # others are answered meanwhile
        told = {kind: (c.reply().code, len(asked) > 0) for kind, (_, c, asked) in servers.items()}
        assert {kind: said for kind, said in told.items() if said[0] not in codes or not said[1]} == {}
