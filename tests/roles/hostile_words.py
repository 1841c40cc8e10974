# SPDX-License-Identifier: Apache-2.0
"""Well-formed messages with hostile content, to each role by those who may speak to it."""
import os
import random
import re
import socket
import threading

from role_ipc import ROLES, Gone, body
from role_setups import AT_RCPT

U64_MAX = (1 << 64) - 1
ODD_TEXTS = [b"", b"@", b"a", b"a@", b"@a", b"a@b", b"\0", b"a\0@example.org", b"alice\r\n@example.org",
             b"alice@example.org\n", b"\xff\xfe@example.org", b"<alice@example.org>", b'"', b'"@example.org',
             b'"\\', b"a" * 64 + b"@example.org", b"a" * 65 + b"@example.org", b"alice@" + b"a" * 255,
             b"alice@" + b"a." * 300, b"alice@" + "\u00fc".encode() * 200, b"alice@[", b"alice@[IPv6:" + b":" * 100 + b"]",
             b"../../etc/passwd", b"{user}", b"%s%n", b"a" * 1000000, b"@" * 1000000, b"\0" * 1000000]


def odd_texts():
    chance = random.Random(7)
    return ODD_TEXTS + [chance.randbytes(chance.randrange(1, 400)) for _ in range(50)]


# ---- policy -----------------------------------------------------------------------

def odd_addresses(made):
    smtpd, queue = made.role.peer("smtpd"), made.role.peer("queue")
    for text in odd_texts():
        for client in (bytes(17), b"\4" + b"\xff" * 16, b"\6" + bytes(16)):
            verdict = smtpd.ask("CHECK_ASK", **AT_RCPT, recipient=text, sender=text[:1000], helo=text[:1000],
                                client=client, server=client, size=U64_MAX)
            assert verdict["key"] != made.keys["RCPT_OK"], text[:80]
        for expand in (0, 1, 255):
            smtpd.ask("VERIFY_ASK", address=text, expand=expand)
        for added in (0, 255):
            where = queue.ask("EXPAND_ASK", recipient=text, added=added)
            assert where["outcome"] != 0, text[:80]
            where = queue.ask("EXPAND_ASK", recipient="x@elsewhere.test", added=added, sender=text)
            assert b"\r" not in where["sender"] and b"\n" not in where["sender"], text[:80]
    smtpd.close()
    queue.close()


# ---- queue ------------------------------------------------------------------------

def pause(made):
    console = made.role.peer("console")
    console.ask("QUEUE_PAUSE_ASK", paused=1)
    console.close()


def odd_submissions(made):
    """Each is answered, none ends the role; whatever was kept can be handed on afterwards."""
    pause(made)
    smtpd = made.role.peer("smtpd")
    queued, refused = made.keys["MESSAGE_QUEUED"], made.keys["QUEUE_UNAVAILABLE"]
    before = made.status()["messages"]
    for what, expected, values in (
            ("no recipient", refused, {"recipients": []}),
            ("an empty recipient", None, {"recipients": [b""]}),
            ("the same one often", None, {"recipients": [b"b"] * 20}),
            ("many", None, {"recipients": [b"b%d" % i for i in range(2000)]}),
            ("too many", refused, {"recipients": [b"b"] * 20001}),
            ("far too many", refused, {"recipients": [b"b"] * 200000}),
            ("empty ones without end", refused, {"recipients": [b""] * 250000}),
            ("a long recipient", refused, {"recipients": [b"a" * 513]}),
            ("the longest recipient", None, {"recipients": [b"a" * 512]}),
            ("a very long recipient", refused, {"recipients": [b"a" * 1000000]}),
            ("a very long sender", refused, {"sender": b"a" * 1000000}),
            ("odd bytes", None, {"recipients": [b"\0\r\n\xff"], "sender": b"\r\n\0", "helo": b"\xff\0\n", "session": b"\n\r"}),
            ("long texts", None, {"helo": b"h" * 100000, "client": b"c" * 100000, "session": b"s" * 100000}),
            ("no content", None, {"content": b""}),
            ("long content", refused, {"content": bytes(900000)}),
            ("long trace", refused, {"trace": bytes(900000)}),
            ("flags of any kind", None, {"smtputf8": 255, "body": 255}),
            ("before 1970", None, {"arrived_ms": 0}),
            ("after all", None, {"arrived_ms": U64_MAX}),
            ("large without a file", refused, {"large": 1, "large_bytes": 10}),
            ("very large without a file", refused, {"large": 255, "large_bytes": U64_MAX}),
            ("an id of zeros", queued, {"id": bytes(16)}),
            ("an id of zeros offered again", queued, {"id": bytes(16), "again": 1}),
            ("an id of zeros without a word about it", refused, {"id": bytes(16)}),
            ("the greatest id", queued, {"id": b"\xff" * 16})):
        answer = made.submit(smtpd, **{"recipients": [b"c"], **values})
        assert answer["key"] == (answer["key"] if expected is None else expected), (what, answer)
    assert made.status()["messages"] <= before + 20
    smtpd.close()


def twins(made):
    """One id many times at once, on one channel and on two: kept once, and nobody waits."""
    pause(made)
    before = made.status()["messages"]
    one, two = made.role.peer("smtpd", 0), made.role.peer("smtpd", 1)
    same = made.fresh_id()
    for number in range(100):
        for smtpd in (one, two):
            smtpd.send("SUBMIT_ASK", number, id=same, recipients=[b"alice@example.org"], content=b"x", arrived_ms=1)
    for smtpd in (one, two):
        assert {smtpd.receive()[1] for _ in range(100)} == set(range(100))
        smtpd.close()
    assert made.status()["messages"] == before + 1


def odd_spills(made):
    pause(made)
    smtpd, other = made.role.peer("smtpd", 0), made.role.peer("smtpd", 1)
    ids = [made.fresh_id() for _ in range(8)]
    for each in ids:
        assert smtpd.ask("SPILL_ASK", id=each)["key"] == made.keys["CHUNK_OK"]
    assert len(smtpd.fds) == len(ids)
    refused = made.keys["QUEUE_UNAVAILABLE"]
    assert smtpd.ask("SPILL_ASK", id=ids[0])["key"] == refused, "the same id twice"
    assert other.ask("SPILL_ASK", id=ids[0])["key"] == refused, "another's id"
    # Not theirs to use or to throw away.
    assert made.submit(other, id=ids[0], large=1, large_bytes=1)["key"] == refused
    other.send("SPILL_DISCARD", id=ids[0])
    other.send("SPILL_DISCARD", id=made.fresh_id())
    os.write(smtpd.fds[0], b"x" * 1000)
    for large_bytes in (1001, 1 << 40, U64_MAX, U64_MAX - 511):
        answer = made.submit(smtpd, id=ids[1], large=1, large_bytes=large_bytes)
        if answer["key"] != refused:
            raise AssertionError(f"{large_bytes} bytes of an empty file: {answer}")
        smtpd.send("SPILL_DISCARD", id=ids[1])
        smtpd.ask("SPILL_ASK", id=ids[1])
    # Thrown away twice; used after that; left to be found when the channel ends.
    for _ in range(2):
        smtpd.send("SPILL_DISCARD", id=ids[2])
    assert made.submit(smtpd, id=ids[2], large=1, large_bytes=0)["key"] == refused
    smtpd.close()
    other.close()


def hand_out(made, count=1):
    """Fresh channels, and messages of which policy is asked."""
    smtpd, policy, delivery = made.role.peer("smtpd"), made.role.peer("policy"), made.role.peer("delivery")
    for _ in range(count):
        assert made.submit(smtpd)["key"] == made.keys["MESSAGE_QUEUED"]
    smtpd.close()
    return policy, delivery


def odd_expansions(made):
    long = b"a" * 1000000
    for what, values in (
            ("an outcome out of range", {"outcome": 255}),
            ("nothing in its place", {"outcome": 1}),
            ("itself", {"outcome": 1, "targets": [b"alice@example.org"]}),
            ("odd members", {"outcome": 1, "targets": [b"", b"\0", b"\r\n", b"\xff"]}),
            ("a long member", {"outcome": 1, "targets": [b"a" * 513]}),
            ("a very long member", {"outcome": 1, "targets": [long]}),
            ("many members", {"outcome": 1, "targets": [b"m%d" % i for i in range(5000)]}),
            ("empty members without end", {"outcome": 1, "targets": [b""] * 200000}),
            ("a mailbox without a name", {"outcome": 0}),
            ("a mailbox elsewhere", {"outcome": 0, "user": b"../x", "domain": b"/etc"}),
            ("a mailbox with a long name", {"outcome": 0, "user": long}),
            ("a mailbox in a long domain", {"outcome": 0, "user": b"a", "domain": long}),
            ("a mailbox with bytes of any kind", {"outcome": 0, "user": b"\0\n\xff", "domain": b"\0"}),
            ("a mailbox and a list", {"outcome": 0, "user": b"a", "domain": b"b", "targets": [b"c"] * 1000})):
        policy, delivery = hand_out(made)
        request, _ = policy.expect("EXPAND_ASK")
        policy.send("EXPANDED", request, answer=True, **values)
        policy.send("EXPANDED", request, answer=True, **values)  # once more, for nobody
        policy.close()
        delivery.close()
        made.status()
        assert made.role.alive(), what


def odd_results(made):
    """Every key there is and some that are not, from a delivery that lies."""
    for start in range(0, len(made.keys), 8):
        numbers = [*range(start, min(start + 8, len(made.keys)))]
        if start == 0:
            numbers = [*numbers[1:], len(made.keys), 65535]
        policy, delivery = hand_out(made, len(numbers))
        for _ in numbers:
            request, _ = policy.expect("EXPAND_ASK")
            policy.send("EXPANDED", request, answer=True, domain=b"example.org", user=b"alice")
        for number in numbers:
            request, _ = delivery.expect("DELIVER_ASK")
            delivery.send("DELIVER_RESULT", request, answer=True, key=number, text=b"\r\n\0\xff" * (number * 100 % 200000))
        # Read to here before these channels go.
        made.status()
        policy.close()
        delivery.close()
        assert made.role.alive(), numbers


# ---- delivery ---------------------------------------------------------------------

def odd_mailboxes(made):
    queue = made.role.peer("queue")
    for domain in (b"example.org", b"", b".", b"..", b"../..", b"elsewhere.test", b"example.org/../x", b"Example.org", b"\0",
                   b"a" * 500000):
        for user in (b"../x", b"..", b".", b"", b"a/b", b"/etc/passwd", b"a\0b", b"\n", b".hidden", b"a" * 5000, b"a" * 400000):
            result = queue.ask("DELIVER_ASK", id=made.fresh_id(), recipient=b"r@example.org", domain=domain, user=user,
                               content=b"x\r\n")
            if domain == b"example.org" and b"a" in user[:1] and b"/" not in user and b"\0" not in user:
                continue  # too long a name for a folder, or for a path: whatever the disk says
            assert result["key"] != made.keys["DELIVERED"], (domain[:40], user[:40])
    for recipient in (b"", b"\r\nBcc: x@y.test\r\n\r\nbody", b"\0", b"a" * 500000):
        queue.ask("DELIVER_ASK", id=made.fresh_id(), recipient=recipient, sender=recipient, domain=b"example.org",
                  user=b"alice", content=b"x\r\n", attempt=0xffffffff)
    for name in made.files():
        assert re.match(r"mail/example\.org/[^/]+/(new|tmp)/", name), name
    queue.close()


def odd_contents(made):
    """Descriptors of every kind as the content, with any offset and length."""
    queue = made.role.peer("queue")
    pipe_out, pipe_in = os.pipe()
    pair = socket.socketpair()
    with open(made.path("log"), "rb") as log, open(made.path("short"), "w+b") as short:
        short.write(b"x" * 100)
        short.flush()
        os.lseek(short.fileno(), 0, os.SEEK_SET)
        folder = os.open(made.role.folder, os.O_RDONLY)
        zero = os.open("/dev/zero", os.O_RDONLY)
        write_only = os.open(made.path("short"), os.O_WRONLY)
        for fd in (pipe_out, pipe_in, pair[0].fileno(), folder, write_only, short.fileno()):
            for offset, size in ((0, 101), (1, 100), (U64_MAX, 1), (1 << 63, 1 << 63), (0, U64_MAX), (99, U64_MAX - 98)):
                result = queue.ask("DELIVER_ASK", fd=fd, id=made.fresh_id(), recipient=b"r@example.org",
                                   domain=b"example.org", user=b"alice", large=1, offset=offset, bytes=size)
                assert result["key"] != made.keys["DELIVERED"], (fd, offset, size)
        assert log is not None
    for fd in (folder, zero, write_only, pipe_out, pipe_in):
        os.close(fd)
    for values in ({"large": 1}, {"large": 255, "bytes": U64_MAX}):
        channel = made.role.peer("queue")
        channel.send("DELIVER_ASK", id=made.fresh_id(), domain=b"example.org", user=b"alice", **values)
        assert channel.gone(), values
        channel.close()
    channel = made.role.peer("queue")
    channel.send("DELIVER_ASK", fd=pair[0].fileno(), id=made.fresh_id(), domain=b"example.org", user=b"alice", content=b"x")
    assert channel.gone(), "a descriptor with inline content"
    channel.close()
    for each in pair:
        each.close()
    new = [name for name in made.files() if "/new/" in name]
    assert not new, new


def the_queue_goes_while_it_delivers(made):
    for _ in range(20):
        queue = made.role.peer("queue")
        for number in range(20):
            queue.send("DELIVER_ASK", number, id=made.fresh_id(), recipient=b"r@example.org", domain=b"example.org",
                       user=b"alice", content=b"x" * 10000)
        queue.close()


def more_than_it_takes_in(made):
    """Beyond its limits it does not read on; what it took is answered, and then the rest."""
    queue = made.role.peer("queue")
    count = 700  # over 512 questions and 32 MiB
    asked = threading.Thread(target=lambda: [
        queue.send("DELIVER_ASK", number, id=made.fresh_id(), recipient=b"r@example.org", domain=b"example.org",
                   user=b"alice", content=b"x" * 65000) for number in range(count)])
    asked.start()
    answered = set()
    for _ in range(count):
        request, result = queue.expect("DELIVER_RESULT")
        assert result["key"] == made.keys["DELIVERED"]
        answered.add(request)
    asked.join()
    assert answered == set(range(count))
    queue.close()


# ---- console ----------------------------------------------------------------------

def odd_status(made):
    down = [b"", b"\xff" * 10, body("QUEUE_DOWN", name=b"\xff\0", messages=U64_MAX, since_ms=U64_MAX, probe_ms=U64_MAX)]
    odd = {"messages": U64_MAX, "recipients": 1 << 63, "bytes": U64_MAX, "paused": 255, "down_count": U64_MAX,
           "oldest": [b"\xff" * 100, b""], "down": down}
    for values in (odd, {}):
        queue = made.role.peer("queue")
        client = made.client(b"status")
        request, _ = queue.expect("QUEUE_STATUS_ASK")
        for _ in range(3):
            queue.send("QUEUE_STATUS", request, answer=True, **values)
        request, _ = made.role.control.expect("ROLES_ASK")
        made.role.control.send("ROLES", request, answer=True,
                               lines=[b"", b"{", b"\xff", b"[" * 100000, b'"x"', b"1", b'{"role":"queue"}'],
                               services=[b"{", b"\xff", b'{"name":"a"}'])
        reply = made.reply(client)
        assert reply["roles"] == [{"role": "queue"}] and reply["services_down"] == [{"name": "a"}], reply
        assert reply["queue"]["oldest"] is None and len(reply["queue"]["destinations_down"]) == len(values and down[2:])
        queue.close()


def the_queue_answers_another_question(made):
    for word, asked, answered in ((b"status", "QUEUE_STATUS_ASK", "QUEUE_PAUSED"), (b"pause", "QUEUE_PAUSE_ASK", "QUEUE_STATUS"),
                                  (b"resume", "QUEUE_PAUSE_ASK", "PEER")):
        queue = made.role.peer("queue")
        client = made.client(word)
        request, _ = queue.expect(asked)
        queue.send(answered, request, answer=True)
        reply = made.reply(client)
        assert not reply["ok"] and reply["error"], reply
        assert queue.gone()
        queue.close()


def the_queue_goes_with_questions_open(made):
    queue = made.role.peer("queue")
    clients = [made.client(word) for word in (b"status", b"pause", b"resume", b"status")]
    for _ in clients:
        queue.receive()
    queue.close()
    for client in clients:
        assert not made.reply(client)["ok"]
    client = made.client(b"status")
    assert not made.reply(client)["ok"]


# ---- smtpd ------------------------------------------------------------------------

def all_keys(made):
    return [*range(len(made.keys) + 3), 0x7fff, 0xffff]


def odd_verdicts(made):
    """Policy answers with any key: the client gets one reply that is one, or the end."""
    policy, queue = made.role.peer("policy"), made.role.peer("queue")
    for number in all_keys(made):
        client = made.session()
        request = made.to_rcpt(policy, client)
        policy.send("CHECKED", request, answer=True, key=number, seconds=0xffffffff)
        reply = client.reply()
        assert re.fullmatch(r"[2-5]\d\d [^\r\n]*\r\n", reply) or not reply, (number, reply)
        if reply and not reply.startswith("421"):
            client.say("NOOP")
        client.close()
        assert made.role.alive(), number
    policy.close()
    queue.close()


def odd_outcomes(made):
    policy, queue = made.role.peer("policy"), made.role.peer("queue")
    for number in all_keys(made):
        client = made.session()
        made.to_data(policy, client)
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        request, _ = queue.expect("SUBMIT_ASK")
        queue.send("SUBMITTED", request, answer=True, key=number, unknown=number % 7 == 6)
        reply = client.reply()
        assert re.fullmatch(r"[2-5]\d\d [^\r\n]*\r\n", reply) or not reply, (number, reply)
        client.close()
        assert made.role.alive(), number
    policy.close()
    queue.close()


def odd_outcomes_of_each(made):
    """LMTP: whatever the queue says, each recipient gets one reply, and a success only by the two keys for it."""
    policy, queue = made.role.peer("policy"), made.role.peer("queue")
    good = [made.keys["LMTP_DELIVERED"], made.keys["MESSAGE_QUEUED"]]
    odd = [b"", b"\0", b"\0\0\0", b"\0" * 6, b"\xff" * 4, b"\xff\xff" * 100000]
    for number in all_keys(made):
        client = made.session(lmtp=True)
        request = made.to_rcpt(policy, client)
        policy.send("CHECKED", request, answer=True, key=made.keys["RCPT_OK"])
        client.reply()
        client.send(b"RCPT TO:<alice@example.org>\r\n")
        policy.send("CHECKED", policy.expect("CHECK_ASK")[0], answer=True, key=made.keys["RCPT_OK"])
        client.reply()
        client.say("DATA")
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        request, asked = queue.expect("SUBMIT_ASK")
        assert asked["patience_ms"] > 0
        results = number.to_bytes(2, "little") * 2 if number % 3 else odd[number // 3 % len(odd)]
        whole = number % 5 != 1
        queue.send("SUBMITTED", request, answer=True, key=made.keys["MESSAGE_QUEUED"] if whole else number, unknown=number % 7 == 6,
                   results=results)
        for _ in range(2):
            reply = client.reply()
            assert re.fullmatch(r"[2-5]\d\d [^\r\n]*\r\n", reply), (number, reply)
            if whole and number not in good:
                assert reply[0] in "45", (number, reply)
        assert client.say("NOOP").startswith("250"), number
        client.close()
        assert made.role.alive(), number
    policy.close()
    queue.close()


def odd_mailbox_lists(made):
    policy = made.role.peer("policy")
    lists = [[], [b""], [b"a@b"] * 100000, [b"x" * 900000], [b"a@b\r\n250 2.0.0 injected", b"\n", b"\r", b"\0", b"\xff"],
             [b"alice@example.org"]]
    for number in all_keys(made):
        for verb in ("VRFY", "EXPN"):
            mailboxes = lists[number % len(lists)]
            client = made.session("127.0.0.2")
            client.send(f"{verb} alice\r\n".encode())
            request, _ = policy.expect("VERIFY_ASK")
            policy.send("VERIFIED", request, answer=True, key=number, mailboxes=mailboxes)
            while True:
                line = client.file.readline()
                assert re.fullmatch(rb"[2-5]\d\d[ -][^\r\n\0]*\r\n", line) or not line, (number, line)
                assert b"injected" not in line or b"a@b" in line, line
                if line[3:4] != b"-":
                    break
            client.close()
            assert made.role.alive(), number
    policy.close()


def next_spill(queue):
    """The next question for a file; those before it may still be given back."""
    while True:
        name, request, _, _ = queue.receive()
        if name == "SPILL_ASK":
            return request
        assert name == "SPILL_DISCARD", name


def odd_files(made):
    """The queue hands over files that are none, for a message that outgrew memory."""
    policy, queue = made.role.peer("policy"), made.role.peer("queue")
    pipe_out, pipe_in = os.pipe()
    pair = socket.socketpair()
    read_only = os.open("/dev/null", os.O_RDONLY)
    before = made.role.fd_count()
    for fd in (None, pipe_out, pipe_in, pair[0].fileno(), read_only):
        for key in (made.keys["CHUNK_OK"], made.keys["DISK_FULL"], made.keys["MESSAGE_QUEUED"], 0xffff):
            for offset in (0, U64_MAX, 1 << 62):
                client = made.session()
                made.to_data(policy, client)
                client.send((b"x" * 70 + b"\r\n") * 6000)
                request = next_spill(queue)
                queue.send("SPILL_READY", request, fd=fd, answer=True, key=key, offset=offset)
                client.send(b".\r\n")
                reply = client.reply()
                assert reply[:1] in ("4", "5", ""), (fd, key, offset, reply)
                client.close()
                assert made.role.alive()
    for each in (pipe_out, pipe_in, read_only):
        os.close(each)
    for each in pair:
        each.close()
    policy.close()
    queue.close()
    assert made.role.fd_count() <= before + 2, (before, made.role.fd_count())


def neighbours_go_at_every_step(made):
    """No answer is a temporary failure, never a yes; what waited goes to the next one."""
    for step in ("rcpt", "submit"):
        policy, queue = made.role.peer("policy"), made.role.peer("queue")
        client = made.session()
        if step == "rcpt":
            made.to_rcpt(policy, client)
            policy.close()
            assert client.reply().startswith("451"), step
        else:
            made.to_data(policy, client)
            client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            _, first = queue.expect("SUBMIT_ASK")
            queue.close()
            queue = made.role.peer("queue")
            request, again = queue.expect("SUBMIT_ASK")
            assert again["id"] == first["id"]
            queue.send("SUBMITTED", request, answer=True, key=made.keys["MESSAGE_QUEUED"])
            assert client.reply().startswith("250"), step
            policy.close()
        client.close()
        queue.close()


CHECKS = [("policy", odd_addresses),
          ("queue", odd_submissions), ("queue", twins), ("queue", odd_spills), ("queue", odd_expansions),
          ("queue", odd_results),
          ("delivery", odd_mailboxes), ("delivery", odd_contents), ("delivery", the_queue_goes_while_it_delivers),
          ("delivery", more_than_it_takes_in),
          ("console", odd_status), ("console", the_queue_answers_another_question),
          ("console", the_queue_goes_with_questions_open),
          ("smtpd", odd_verdicts), ("smtpd", odd_outcomes), ("smtpd", odd_outcomes_of_each), ("smtpd", odd_mailbox_lists), ("smtpd", odd_files),
          ("smtpd", neighbours_go_at_every_step)]
