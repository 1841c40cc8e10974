# SPDX-License-Identifier: Apache-2.0
"""A compromised queue speaks to relay in well-formed messages: envelopes, next hops and files of any kind. What
cannot come from the real queue ends the channel; everything else gets an answer, and no other server ever reads a
command that relay did not mean."""
import os
import re
import socket
import threading
import time

from hostile_words import U64_MAX, odd_texts
from role_ipc import Gone, items
from role_server import MailServer

RECIPIENTS_MAX = 1000
HOPS_MAX = 16
# What a line to another server may be, whatever the queue says: injected ones begin otherwise or hold controls.
COMMAND = re.compile(rb"(EHLO mx\.example\.org|MAIL FROM:<[^<>\r\n\0]*>( [!-~]+)*|RCPT TO:<[^<>\r\n\0]*>( [!-~]+)*"
                     rb"|DATA|RSET|QUIT)\r\n")
INJECTED = b"\r\nRCPT TO:<victim@remote.test>\r\n"


def lose(made, what, fd=None, **values):
    """Says it on a fresh channel, which relay must end."""
    channel = made.role.peer("queue")
    channel.send("RELAY_ASK", 1, fd, **values)
    assert channel.gone(), f"{what}: the channel stays open"
    made.role.control.expect_lost(channel)
    channel.close()
    assert made.role.alive(), what


def impossible_questions(made):
    """What the real queue never sends: nothing of it reaches another server."""
    null = os.open("/dev/zero", os.O_RDONLY)
    pipe_out, pipe_in = os.pipe()
    pair = socket.socketpair()
    folder = os.open(made.role.folder, os.O_RDONLY)
    with MailServer() as server, open(made.path("log"), "rb") as log:
        right = made.question(server)
        file = {"large": 1, "bytes": 10, "content": b""}
        for what, fd, values in (
                ("no recipient", None, {"recipients": []}),
                ("too many recipients", None, {"recipients": [b"a@remote.test"] * (RECIPIENTS_MAX + 1)}),
                ("empty recipients without end", None, {"recipients": [b""] * 200000}),
                ("fewer NOTIFY than recipients", None, {"recipients": [b"a@b.test", b"c@d.test"], "notify": b"\1"}),
                ("more NOTIFY than recipients", None, {"notify": b"\1\1"}),
                ("fewer ORCPT than recipients", None, {"recipients": [b"a@b.test", b"c@d.test"], "orcpts": [b""]}),
                ("more ORCPT than recipients", None, {"orcpts": [b""] * 100000}),
                ("no next hop", None, {"hops": []}),
                ("too many next hops", None, {"hops": [server.hop] * (HOPS_MAX + 1)}),
                ("a name with commands in it", None, {"helo": b"x.test" + INJECTED}),
                ("a name with a blank", None, {"helo": b"x.test y"}),
                ("a name with a NUL", None, {"helo": b"x.test\0"}),
                ("a long name", None, {"helo": b"a" * 1000}),
                ("large without a file", None, file),
                ("very large without a file", None, {"large": 255, "bytes": U64_MAX, "content": b""}),
                ("a file of which nothing is said", log.fileno(), {}),
                ("a file beside content", log.fileno(), {"large": 1, "bytes": 10}),
                ("a device", null, file),
                ("a folder", folder, file),
                ("a pipe", pipe_out, file),
                ("a pipe's other end", pipe_in, file),
                ("a socket", pair[0].fileno(), file)):
            lose(made, what, fd, **{**right, **values})
        assert not server.lines, server.lines
    for each in (null, pipe_out, pipe_in, folder):
        os.close(each)
    for each in pair:
        each.close()


def odd_envelopes(made):
    """Every recipient gets a result, and what is sent is what a mail client may say."""
    queue = made.role.peer("queue")
    with MailServer() as server:
        tried = [{name: [text, b"good@remote.test"] if name == "recipients" else text}
                 for text in odd_texts() for name in ("sender", "recipients", "envid")]
        tried += [{"orcpts": [text[:400000]]} for text in odd_texts()]
        tried += [{"orcpts": [b"rfc822;" + text[:1000]], "notify": b"\xff"} for text in odd_texts()]
        tried += [{"notify": bytes([flags]), "ret": flags, "body": flags, "smtputf8": flags} for flags in range(256)]
        tried += [{"sender": b"x@y.test>" + INJECTED}, {"recipients": [b"x@y.test>" + INJECTED]}, {"envid": b"x" + INJECTED},
                  {"orcpts": [b"rfc822;x" + INJECTED]}, {"id": bytes(16)}, {"id": b"\xff" * 16},
                  {"large_crc": 0xffffffff, "bytes": U64_MAX}, {"recipients": [b"a%d@remote.test" % i for i in range(1000)]},
                  {"recipients": [b"a" * 1000] * 1000}]
        tried += [{"source": bytes([family]) + os.urandom(16)} for family in (0, 4, 6)]
        for values in tried:
            said = made.question(server, **values)
            result = queue.ask("RELAY_ASK", **said)
            assert len(items(result["results"])) == len(said["recipients"]), values
            first = bytes(said["recipients"][0], "ascii") if isinstance(said["recipients"][0], str) else said["recipients"][0]
            no_address = len(first) > 254 or min(first, default=0) < 32
            assert not no_address or made.outcomes(result)[0] != made.delivered, values
        for line in server.lines:
            assert COMMAND.fullmatch(line) and b"victim" not in line, line
    queue.close()


def odd_contents(made):
    """Bytes of any kind arrive as lines or not at all: no line of them is a command."""
    queue = made.role.peer("queue")
    with MailServer() as server:
        for content in (b"", b"x", b"\r\n", b".", b"\r\n.\r\n" + INJECTED, b"x\n.\nRCPT TO:<victim@remote.test>\n", b"\r.\r",
                        b"x\r\n.\nQUIT\r\n", b"\0" * 1000, b"\xff" * 100000, b"a" * 900000, b"\n" * 200000, b".\r\n" * 200000,
                        *(os.urandom(5000) for _ in range(20))):
            for body in (0, 1, 2, 255):
                result = queue.ask("RELAY_ASK", **made.question(server, content=content, body=body))
                assert made.outcomes(result)[0] in (made.delivered, made.failed), content[:40]
        for line in server.lines:
            assert COMMAND.fullmatch(line) and b"victim" not in line, line
    queue.close()


def odd_files(made):
    """Shorter than was said, not to be read, another one than was accepted: nothing is acknowledged as sent."""
    queue = made.role.peer("queue")
    before = made.role.fd_count()
    with MailServer() as server, open(made.path("file"), "w+b") as file:
        file.write(b"Subject: x\r\n\r\n" + b"x" * 100)
        file.flush()
        write_only = os.open(made.path("file"), os.O_WRONLY)
        for fd in (file.fileno(), write_only):
            for size in (0, 1, 114, 115, 1 << 20, 1 << 63, U64_MAX):
                for crc in (1, 0xffffffff):
                    result = queue.ask("RELAY_ASK", fd=fd, **made.question(server, large=1, bytes=size, large_crc=crc, content=b""))
                    assert made.outcomes(result) == [made.deferred], (fd, size, result)
        os.close(write_only)
        assert not server.contents, server.contents
    queue.close()
    assert made.role.fd_count() <= before + 2, (before, made.role.fd_count())


def a_file_without_end(made):
    """While it is read, others are served; what is said about its size is believed by nobody."""
    with MailServer() as server, open(made.path("file"), "w+b") as file:
        os.truncate(file.fileno(), 1 << 42)
        queue = made.role.peer("queue")
        for size in (1 << 42, U64_MAX):
            queue.send("RELAY_ASK", 1, file.fileno(), **made.question(server, large=1, bytes=size, content=b""))
        for number in range(20):
            began = time.monotonic()
            result = queue.ask("RELAY_ASK", 100 + number, **made.question(server))
            assert made.outcomes(result) == [made.delivered]
            assert time.monotonic() - began < 5, "others wait for it"
        queue.close()


def odd_hops(made):
    """Next hops of any spelling lead nowhere; the one behind them gets the message."""
    queue = made.role.peer("queue")
    texts = [b"", b"mx", b"mx:", b"mx:" + b"a" * 300, b"mx:" + b"a." * 120, b"mx:\0", b"mx:a..b", b"mx:\\999", b"mx:\xff", b"smtp://",
             b"smtp://:", b"smtp://:25", b"smtp://[", b"smtp://]", b"smtp://[]:25", b"smtp://[::1", b"smtp://127.0.0.1:0",
             b"smtp://127.0.0.1:99999999999999999999", b"smtp://127.0.0.1:-1", b"smtp://0.0.0.0:1", b"smtp://255.255.255.255:25",
             b"smtp://" + b"a" * 100000, b"lmtp://\0:24", b"lmtp+unix:", b"lmtp+unix:/", b"lmtp+unix:/nowhere",
             b"lmtp+unix:/" + b"a" * 200, b"lmtp+unix:/" + b"a" * 100000, b"lmtp+unix:\0x", b"smtp:127.0.0.1", b"file:///etc/passwd",
             b"%s%n", b"\r\n", *odd_texts()]
    with MailServer() as server:
        result = queue.ask("RELAY_ASK", **made.question(server, hops=[b"x"] * (HOPS_MAX - 1) + [server.hop]))
        assert made.outcomes(result) == [made.delivered], "the last of the most next hops that a route may have"
        for text in texts:
            result = queue.ask("RELAY_ASK", **made.question(server, hops=[text, server.hop]))
            assert made.outcomes(result) == [made.delivered], text[:80]
            result = queue.ask("RELAY_ASK", **made.question(server, hops=[text] * (HOPS_MAX if len(text) < 60000 else 1)))
            assert made.outcomes(result)[0] in (made.deferred, made.failed), text[:80]
    queue.close()


def odd_domains(made):
    queue = made.role.peer("queue")
    for text in [b"a" * 63, b"a" * 64, b"a." * 127, b"a." * 128, b"\\", b"\\000.test", b".", b"..", b"test.", *odd_texts()]:
        answer = queue.ask("MX_ASK", domain=text)
        assert answer["status"] != 0 and not answer["key"], (text[:80], answer)
    queue.close()


def the_queue_goes_at_every_step(made):
    """What is under way goes on without it, and nobody gets the answer of another's question."""
    for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."):
        with MailServer(stage) as server, MailServer() as other:
            queue = made.role.peer("queue")
            for number in range(3):
                queue.send("RELAY_ASK", number, **made.question(server))
            assert server.stalled.wait(20), stage
            queue.close()
            queue = made.role.peer("queue")
            queue.send("RELAY_ASK", 1, **made.question(other))
            request, result = queue.expect("RELAY_RESULT")
            assert request == 1 and made.outcomes(result) == [made.delivered], stage
            server.let_go.set()
            deadline = time.monotonic() + 20
            while len(server.contents) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert len(server.contents) == 3, stage
            queue.sock.settimeout(0.2)
            try:
                raise AssertionError(queue.receive())
            except TimeoutError:
                pass
            queue.close()


def both_ends_go_at_once(made):
    """What a dead queue had under way is delivered, by a server that resets the connection with its answer; a new
    queue's recipients of that message have waited for it and would go the same way."""
    for _ in range(20):
        with MailServer(".", reset=True) as server:
            same = made.fresh_id()
            queue = made.role.peer("queue")
            queue.send("RELAY_ASK", 1, **made.question(server, id=same))
            assert server.stalled.wait(20)
            queue.close()
            queue = made.role.peer("queue")
            for number in range(5):
                queue.send("RELAY_ASK", number, **made.question(server, id=same, recipients=[b"r%d@remote.test" % number]))
            # Read to here before the server goes on.
            assert queue.ask("MX_ASK", 5, domain="")["status"] == made.no_domain
            server.let_go.set()
            results = [queue.expect("RELAY_RESULT")[1] for _ in range(5)]
            assert all(made.outcomes(result) == [made.delivered] for result in results), results
            queue.close()


def one_number_for_many(made):
    """Questions under one number, and a second channel beside the first: each question is answered once."""
    queue = made.role.peer("queue")
    with MailServer() as server:
        for _ in range(50):
            queue.send("RELAY_ASK", 7, **made.question(server))
            queue.send("MX_ASK", 7, domain="nowhere.example")
        names = sorted(queue.receive()[0] for _ in range(100))
        assert names == ["MX"] * 50 + ["RELAY_RESULT"] * 50
        second = made.role.peer("queue")
        assert queue.gone(), "two queues at once"
        assert made.outcomes(second.ask("RELAY_ASK", **made.question(server))) == [made.delivered]
        second.close()
    queue.close()


def more_than_it_takes_in(made):
    """Beyond its limit it does not read on; when what it holds ends, the rest is answered too."""
    count = 1500
    queue = made.role.peer("queue")
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)  # connects, and never says a word
    hop = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
    asked = []

    def ask():
        try:
            for number in range(count):
                queue.send("RELAY_ASK", number, **made.question(hop, recipients=[b""] * RECIPIENTS_MAX, content=b"x" * 250000))
                asked.append(number)
        except Gone:
            pass
    thread = threading.Thread(target=ask)
    thread.start()
    before = -1
    while len(asked) > before:
        before = len(asked)
        thread.join(1)
    assert thread.is_alive() and len(asked) < count, f"it took {len(asked)} of {count} questions"
    assert made.role.memory_kb() < 1024 * 1024, made.role.memory_kb()
    answered = set()
    for number in range(count + 10):
        if number < count:
            listener.accept()[0].close()
        if number >= 10:
            answered.add(queue.expect("RELAY_RESULT")[0])
    thread.join()
    listener.close()
    assert answered == set(range(count))
    queue.close()


CHECKS = [impossible_questions, odd_envelopes, odd_contents, odd_files, a_file_without_end, odd_hops, odd_domains,
          the_queue_goes_at_every_step, both_ends_go_at_once, one_number_for_many, more_than_it_takes_in]
