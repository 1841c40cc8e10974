# SPDX-License-Identifier: Apache-2.0
"""What a neighbour can say to any role: frames that are none, messages of others, answers to
nothing, floods and descriptors. Each check gets a made role and leaves it working."""
import os
import random
import struct
import time

from role_ipc import FIELDS, FLAG_ANSWER, FLAG_FD, NAMES, ROLES, TYPES, Gone, body, frame

CREDITS = 16384
FD_MESSAGES = {"TABLE", "INCLUDE", "LISTENER", "PEER", "SPILL_READY", "DELIVER_ASK", "RUN_ASK", "RELAY_ASK", "QUEUE_CONTENT"}


def send_and_lose(made, peer, data, what, greet=True, fds=()):
    """Says it on a fresh channel; the role must close that one and ask for another."""
    channel = made.role.peer(peer, greet=greet)
    try:
        channel.send_raw(data, fds)
    except Gone:
        pass
    assert channel.gone(), f"{peer}: {what}: the channel stays open"
    made.role.control.expect_lost(channel)
    channel.close()
    assert made.role.alive(), f"{peer}: {what}: the role ended"


def wrong_greetings(made):
    right = {"schema_hash": made.role.schema_hash}
    for peer in made.peers:
        number = ROLES.index(peer)
        for what, data in (
                ("no greeting", frame(TYPES["START"], body("START"))),
                ("another build", frame(0, body("GREETING", schema_hash=right["schema_hash"] ^ 1, role=number))),
                ("a role out of range", frame(0, body("GREETING", role=200, **right))),
                ("the supervisor", frame(0, body("GREETING", role=0, **right))),
                ("itself", frame(0, body("GREETING", role=ROLES.index(made.role.name), **right))),
                ("a cut body", frame(0, body("GREETING", role=number, **right)[:-1])),
                ("a long body", frame(0, body("GREETING", role=number, **right) + b"x")),
                ("the wrong way round", frame(0, body("GREETING", role=number, **right), flags=FLAG_ANSWER | FLAG_FD)),
                ("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                ("an SMTP command", b"EHLO client.test\r\n")):
            send_and_lose(made, peer, data, what, greet=False)
        channel = made.role.peer(peer)
        channel.send("GREETING", role=number, **right)
        assert channel.gone(), "a second greeting"
        channel.close()


def no_frames(made):
    chance = random.Random(5)
    for peer in made.peers:
        for size in (0x100001, 0x7fffffff, 0xffffffff):
            send_and_lose(made, peer, struct.pack("<IHHI", size, 1, 0, 0), f"a body of {size} bytes")
        for number in (len(NAMES), len(NAMES) + 1, 0x7fff, 0xffff):
            send_and_lose(made, peer, frame(number), f"type {number}")
        for flags in (4, 5, 7, 8, 0xffff):
            send_and_lose(made, peer, frame(TYPES["STOP"], flags=flags), f"flags {flags}")
        send_and_lose(made, peer, frame(TYPES["STOP"], b"x", flags=6), "no answer, with a body")
        send_and_lose(made, peer, frame(TYPES["STOP"], flags=6), "no answer, to no question")
        for _ in range(20):
            data = chance.randbytes(chance.randrange(12, 3000))
            channel = made.role.peer(peer)
            try:
                channel.send_raw(data)
            except Gone:
                pass
            channel.close()  # perhaps half a frame: its end must be noticed too


def counted(name):
    """Whether the body holds lengths, so that not any bytes of its size will do."""
    return any(kind in ("span", "list", "addr") for kind, _ in FIELDS[name])


def messages_of_others(made):
    """Every message, with three bodies: only what this peer may say, well formed, is heard."""
    for peer, may in made.peers.items():
        for name in NAMES:
            right = body(name)
            for what, data in (("right", right), ("empty", b""), ("cut", right[:-1]), ("long", right + b"\0"),
                               ("full of 0xff", b"\xff" * max(1, len(right)))):
                if name in may and (data == right or what == "full of 0xff" and not counted(name)):
                    continue
                send_and_lose(made, peer, frame(TYPES[name], data, 7), f"{name}, {what}")


def answers_to_nothing(made):
    for peer in made.peers:
        for name in NAMES:
            for request in (0, 1, 63, 64, 0x3fff, 0x4000):
                channel = made.role.peer(peer)
                try:
                    channel.send_raw(frame(TYPES[name], body(name), request, FLAG_ANSWER))
                except Gone:
                    pass
                # Before its first question a role has no answer to wait for, not even a late one.
                assert channel.gone(), (peer, name, request)
                channel.close()


def descriptors_unasked(made):
    null = os.open("/dev/null", os.O_RDONLY)
    made.works()
    before = made.role.fd_count()
    for peer, may in made.peers.items():
        for name in NAMES:
            if name in may & FD_MESSAGES:
                continue
            send_and_lose(made, peer, frame(TYPES[name], body(name), 1, FLAG_FD), f"{name} with a descriptor", fds=[null])
            send_and_lose(made, peer, frame(TYPES[name], body(name), 1, FLAG_FD), f"{name}, its descriptor missing")
        for name in sorted(may):
            send_and_lose(made, peer, frame(TYPES[name], body(name), 1), f"{name}, unannounced", fds=[null])
        send_and_lose(made, peer, b"x", "many descriptors", fds=[null] * 200)
        # One with each byte of a frame that never ends.
        channel = made.role.peer(peer)
        try:
            channel.send_raw(struct.pack("<IHHI", 1000, 1, 0, 0))
            for _ in range(300):
                channel.send_raw(b"x", [null])
        except Gone:
            pass
        assert channel.gone()
        channel.close()
    os.close(null)
    made.works()
    # The ends of the channels that we closed are noticed a moment later.
    deadline = time.monotonic() + 10
    while made.role.fd_count() > before + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made.role.fd_count() <= before + 2, f"{before} descriptors became {made.role.fd_count()}"


def floods(made):
    """Far more questions than credits, and none of the answers read: bounded, and the end."""
    for peer, may in made.peers.items():
        for name in sorted(may) or ["CHECK_ASK"]:
            channel = made.role.peer(peer)
            channel.sock.settimeout(1)
            piece = b"".join(frame(TYPES[name], body(name), number) for number in range(512))
            try:
                for _ in range(3 * CREDITS // 512):
                    channel.send_raw(piece)
            except (Gone, TimeoutError):
                pass
            channel.close()
            assert made.role.alive(), name
    assert made.role.memory_kb() < 600 * 1024, made.role.memory_kb()


def half_frames(made):
    """Many channels, one after the other, each left in the middle of a large frame."""
    for peer in made.peers:
        for _ in range(30):
            channel = made.role.peer(peer)
            try:
                channel.send_raw(struct.pack("<IHHI", 1 << 20, 1, 0, 0) + bytes(100000))
            except Gone:
                pass
            channel.close()
    assert made.role.memory_kb() < 600 * 1024, made.role.memory_kb()


CHECKS = [wrong_greetings, no_frames, messages_of_others, answers_to_nothing, descriptors_unasked, floods, half_frames]
