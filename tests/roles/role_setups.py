# SPDX-License-Identifier: Apache-2.0
"""Each role with settings, and a proof that it works: `works` uses fresh channels each time."""
import json
import os
import socket
import time

from role_ipc import Role, checks_bytes, items, keys_read, parse
from role_server import MailServer, NameServer

SETUPS = {}
AT_RCPT = {"at": 3, "stages": 15}  # enum smtp_stage


class Made:
    """A role under test. `peers`: who may talk to it, with the messages that each may send."""
    peers = {}

    def __init__(self, program, name):
        self.program = program
        self.role = Role(program, name)
        self.keys = keys_read(program)
        self.number = 0
        try:
            self.setup()
            self.role.start()
        except Exception:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.role.folder, name)

    def fresh_id(self):
        self.number += 1
        return int(time.time() * 1000).to_bytes(6, "big") + os.urandom(6) + self.number.to_bytes(4, "big")

    def close(self):
        self.role.destroy()


def setup_of(name):
    def note(made_class):
        SETUPS[name] = made_class
        return made_class
    return note


def make(program, name):
    return SETUPS[name](program, name)


@setup_of("policy")
class Policy(Made):
    peers = {"smtpd": {"CHECK_ASK", "VERIFY_ASK"}, "queue": {"EXPAND_ASK"},
             "console": {"CHECK_ASK", "CHECKS_ASK", "BRAKES_ASK", "BRAKE_RELEASE_ASK", "GREYLIST_LIST_ASK",
                         "GREYLIST_CHANGE_ASK", "MAILBOX_ASK"}}

    def setup(self):
        control = self.role.control
        os.mkdir(self.path("state"))
        control.send("SETUP_POLICY", hostname="mx.example.org", alias_members_max=100, alias_depth_max=10,
                     checks=checks_bytes(self.program), state_folder=self.path("state"))
        control.send("SRS", domain="example.org", keys=b"0123456789abcdef", valid_days=21)
        control.send("DOMAIN", name="example.org", mailboxes="maildir:/nowhere/{domain}/{user}", subaddress=ord("+"), fold=1)
        control.send("ROUTE", pattern="*", hops=[b"mx"])
        for name, text, aliases in (("users", "alice\nbob\n", 0), ("aliases", "team: alice, bob\nloop: loop\n", 1)):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(text)
            with open(self.path(name), "rb") as file:
                control.send("TABLE", fd=file.fileno(), domain="example.org", path=self.path(name), aliases=aliases)

    def works(self):
        smtpd, queue = self.role.peer("smtpd"), self.role.peer("queue")
        verdict = smtpd.ask("CHECK_ASK", **AT_RCPT, recipient="alice@example.org", sender="x@y.test")
        assert verdict["key"] == self.keys["RCPT_OK"], verdict
        verdict = smtpd.ask("CHECK_ASK", **AT_RCPT, recipient="nobody@example.org", sender="x@y.test")
        assert verdict["key"] == self.keys["MAILBOX_UNKNOWN"], verdict
        console = self.role.peer("console")
        dry = console.ask("CHECK_ASK", **AT_RCPT, recipient="nobody@example.org", sender="x@y.test", dry=1)
        assert dry["key"] == self.keys["MAILBOX_UNKNOWN"] and len(items(dry["steps"])) >= 4, dry
        assert len(items(console.ask("CHECKS_ASK")["counts"])) >= 6
        assert console.ask("BRAKES_ASK")["active"] == 1
        assert b"off" in console.ask("GREYLIST_CHANGE_ASK", allow=1, name=b"x.test")["error"]
        assert items(console.ask("GREYLIST_LIST_ASK", kind=0, after=0, about=b"")["items"]) == []
        assert console.ask("BRAKE_RELEASE_ASK", who="192.0.2.1")["found"] == 0
        assert console.ask("MAILBOX_ASK", domain="example.org", user="alice")["name"] == b"", "nobody is there to look"
        console.close()
        where = queue.ask("EXPAND_ASK", recipient="team@example.org")
        assert items(where["targets"]) == [b"alice@example.org", b"bob@example.org"], where
        where = queue.ask("EXPAND_ASK", recipient="x@elsewhere.test", added=1, sender="bob@far.test")
        assert where["sender"].startswith(b"SRS0=") and where["sender"].endswith(b"=far.test=bob@example.org"), where
        smtpd.close()
        queue.close()


@setup_of("queue")
class Queue(Made):
    peers = {"smtpd": {"SUBMIT_ASK", "SPILL_ASK", "SPILL_DISCARD"},
             "console": {"QUEUE_STATUS_ASK", "QUEUE_PAUSE_ASK", "QUEUE_LIST_ASK", "QUEUE_SUMMARY_ASK",
                         "QUEUE_CHANGE_ASK", "QUEUE_CONTENT_ASK"},
             "policy": {"HOLD_ASK", "HOLD_END"}, "delivery": set()}

    def setup(self):
        os.mkdir(self.path("spool"))
        self.role.control.send("SETUP_QUEUE", hostname="mx.example.org", folder=self.path("spool"),
                               segment_bytes=4 << 20, retry_ms=(60000).to_bytes(8, "little"),
                               delay_after_ms=(14400000).to_bytes(8, "little"), failure_copies=0,
                               give_up_ms=432000000, bounces_give_up_ms=432000000, whole_message_bytes_max=65536,
                               relay_max=100, deliveries_max=8)

    def submit(self, smtpd, **values):
        given = {"id": self.fresh_id(), "arrived_ms": int(time.time() * 1000), "sender": "x@y.test",
                 "recipients": ["alice@example.org"], "content": "Subject: x\r\n\r\nx\r\n", **values}
        return smtpd.ask("SUBMIT_ASK", **given)

    def status(self):
        console = self.role.peer("console")
        status = console.ask("QUEUE_STATUS_ASK")
        console.close()
        return status

    def works(self):
        """A message comes in and goes out; others that are waiting are let go on the way."""
        smtpd, policy = self.role.peer("smtpd"), self.role.peer("policy")
        # Nothing is attempted without delivery, so nothing is asked meanwhile.
        hold = self.fresh_id()
        held = policy.ask("HOLD_ASK", id=hold, reason="Held by the brake: x, 1 recipients", notice="Subject: x\r\n\r\n")
        assert held == {"messages": 0, "recipients": 0, "noticed": 1}, held
        policy.send("HOLD_END", id=hold)
        delivery, console = self.role.peer("delivery"), self.role.peer("console")
        console.ask("QUEUE_PAUSE_ASK", paused=0)
        mark = os.urandom(8).hex()
        answer = self.submit(smtpd, content=f"Subject: {mark}\r\n\r\nx\r\n")
        assert answer == {"key": self.keys["MESSAGE_QUEUED"], "unknown": 0, "results": b""}, answer
        while not self.hand_on(policy, delivery, mark.encode()):
            pass
        # Messages behind it: when they are durable, the results before them are recorded.
        console.ask("QUEUE_PAUSE_ASK", paused=1)
        for _ in range(5):
            assert self.submit(smtpd)["key"] == self.keys["MESSAGE_QUEUED"]
        for channel in (smtpd, policy, delivery, console):
            channel.close()

    def hand_on(self, policy, delivery, mark):
        request, asked = policy.expect("EXPAND_ASK")
        # Left from what was tried before: nobody there.
        user = b"alice" if asked["recipient"] == b"alice@example.org" else b""
        outcome = 0 if user else 2
        policy.send("EXPANDED", request, answer=True, outcome=outcome, domain="example.org", user=user)
        if not user:
            return False
        request, asked = delivery.expect("DELIVER_ASK")
        assert (asked["user"], asked["domain"]) == (b"alice", b"example.org"), asked
        delivery.send("DELIVER_RESULT", request, answer=True, key=self.keys["DELIVERED"])
        return mark in asked["content"]


@setup_of("delivery")
class Delivery(Made):
    peers = {"queue": {"DELIVER_ASK"}}

    def setup(self):
        control = self.role.control
        control.send("SETUP_DELIVERY", hostname="mx.example.org", deliveries_max=4, mbox_locks=b"\0\1",
                     mbox_lock_timeout_ms=1000, mbox_stale_lock_ms=600000, mbox_lock_pids=1,
                     mbox_quota_bytes=0, full_max_ms=0, disk_reserve_bytes=0, skip_trash=0,
                     commands_max=4, command_timeout_ms=60000)
        os.makedirs(self.path("mail"))
        control.send("DOMAIN", name="example.org", mailboxes=f"maildir:{self.path('mail')}/{{domain}}/{{user}}")
        control.send("DOMAIN", name="mbox.test", mailboxes=f"mbox:{self.path('mail')}/{{user}}")

    def files(self):
        return sorted(os.path.relpath(os.path.join(folder, name), self.role.folder)
                      for folder, _, names in os.walk(self.role.folder) for name in names if name != "log")

    def text(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def works(self):
        queue = self.role.peer("queue")
        for domain, part in (("example.org", "/alice/new/"), ("mbox.test", "mail/alice")):
            mark = os.urandom(8).hex()
            result = queue.ask("DELIVER_ASK", id=self.fresh_id(), sender="x@y.test", recipient=f"alice@{domain}",
                               domain=domain, user="alice", content=f"Subject: {mark}\r\n\r\nx\r\n")
            assert result["key"] == self.keys["DELIVERED"], result
            assert any(mark in self.text(name) for name in self.files() if part in name)
        queue.close()


@setup_of("runner")
class Runner(Made):
    peers = {"delivery": {"RUN_ASK"}}

    def setup(self):
        self.role.control.send("SETUP_RUNNER", timeout_ms=5000, output_bytes_max=10000)
        self.role.control.send("DOMAIN", name="example.org", mailboxes="command:/bin/true {user}")

    def works(self):
        delivery = self.role.peer("delivery")
        content = os.memfd_create("message")
        for domain, user in (("example.org", "alice"), ("example.org", "-rf"), ("elsewhere.test", "alice")):
            result = delivery.ask("RUN_ASK", fd=content, id=self.fresh_id(), sender="x@y.test", recipient=f"{user}@{domain}",
                                  domain=domain, user=user)
            runs = os.geteuid() != 0 and (domain, user) == ("example.org", "alice")
            assert result["key"] == self.keys["DELIVERED" if runs else "MAILBOX_MISCONFIGURED"], result
        os.close(content)
        delivery.close()


@setup_of("console")
class Console(Made):
    peers = {"queue": {"EVENT", "EVENTS_DROPPED"}, "smtpd": {"EVENT", "EVENTS_DROPPED"}, "policy": set()}

    def setup(self):
        control = self.role.control
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.path("control"))
        listener.listen(8)
        listener.setblocking(False)
        control.send("SETUP_CONSOLE", version="0")
        control.send("LISTENER", fd=listener.fileno(), name="control")
        listener.close()

    def client(self, word):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(20)
        client.connect(self.path("control"))
        client.sendall(word + b"\n")
        return client

    @staticmethod
    def reply(client):
        with client, client.makefile("rb") as file:
            return json.loads(file.read())

    def works(self):
        queue = self.role.peer("queue")
        client = self.client(b"status")
        request, _ = queue.expect("QUEUE_STATUS_ASK")
        queue.send("QUEUE_STATUS", request, answer=True, messages=3)
        request, _ = self.role.control.expect("ROLES_ASK")
        self.role.control.send("ROLES", request, answer=True, lines=['{"role":"queue"}'])
        reply = self.reply(client)
        assert reply["ok"] and reply["queue"]["messages"] == 3 and reply["roles"] == [{"role": "queue"}], reply
        queue.close()


@setup_of("smtpd")
class Smtpd(Made):
    peers = {"policy": {"POLICY_STAGES"}, "queue": set(), "console": set()}

    def setup(self):
        control = self.role.control
        control.send("SETUP_SMTPD", hostname="mx.example.org", trust=["127.0.0.2/32"], message_bytes_max=10 << 20,
                     recipients_max=100, connections_max=1000, connections_per_client_max=1000, bad_commands_max=20,
                     transactions_max=1000, received_max=100, line_bytes_max=65536, command_timeout_ms=60000,
                     data_timeout_ms=60000)
        self.port, self.lmtp_port = self.listen("smtp"), self.listen("lmtp", lmtp=1)

    def listen(self, name, **values):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            listener.setblocking(False)
            self.role.control.send("LISTENER", fd=listener.fileno(), name=name, **values)
            return listener.getsockname()[1]

    def session(self, source="127.0.0.1", lmtp=False):
        """A client that has said EHLO, or LHLO."""
        client = Client(source, self.lmtp_port if lmtp else self.port)
        assert client.reply().startswith("220 ")
        client.say("LHLO client.test" if lmtp else "EHLO client.test")
        return client

    def to_rcpt(self, policy, client):
        """MAIL is accepted; the number of policy's question about the recipient."""
        assert client.say("MAIL FROM:<x@y.test>").startswith("250")
        client.send(b"RCPT TO:<alice@example.org>\r\n")
        return policy.expect("CHECK_ASK")[0]

    def to_data(self, policy, client):
        request = self.to_rcpt(policy, client)
        policy.send("CHECKED", request, answer=True, key=self.keys["RCPT_OK"])
        assert client.reply().startswith("250")
        assert client.say("DATA").startswith("354")

    def works(self):
        policy, queue = self.role.peer("policy"), self.role.peer("queue")
        client = self.session()
        self.to_data(policy, client)
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        request, asked = queue.expect("SUBMIT_ASK")
        assert items(asked["recipients"]) == [b"alice@example.org"], asked
        queue.send("SUBMITTED", request, answer=True, key=self.keys["MESSAGE_QUEUED"])
        assert client.reply().startswith("250 2.0.0"), "not queued"
        assert client.say("QUIT").startswith("221")
        for channel in (policy, queue, client):
            channel.close()


@setup_of("relay")
class Relay(Made):
    peers = {"queue": {"MX_ASK", "RELAY_ASK"}}
    delivered, deferred, failed = 0, 1, 2  # enum ipc_relayed
    no_domain = 2                          # enum ipc_mx_status

    def setup(self):
        self.names = NameServer()
        self.role.control.send("SETUP_RELAY", hostname="mx.example.org", dns_servers=[self.names.address])

    def question(self, server, **values):
        return {"id": self.fresh_id(), "sender": "x@y.test", "recipients": ["someone@remote.test"],
                "hops": [server.hop if isinstance(server, MailServer) else server],
                "content": "Subject: x\r\n\r\nx\r\n", **values}

    @staticmethod
    def outcomes(result):
        return [parse("RELAY_ONE", one)["outcome"] for one in items(result["results"])]

    def works(self):
        """A message goes out, whatever else is under way; a name that does not exist is told from one that does."""
        mark = os.urandom(8).hex()
        queue = self.role.peer("queue")
        with MailServer() as server:
            result = queue.ask("RELAY_ASK", **self.question(server, content=f"Subject: {mark}\r\n\r\nx\r\n"))
            assert self.outcomes(result) == [self.delivered], result
            assert [content for content in server.contents if mark.encode() in content], server.contents
        assert queue.ask("MX_ASK", domain="nowhere.example")["status"] == self.no_domain
        queue.close()

    def close(self):
        super().close()
        self.names.close()


class Client:
    """A client that reads whole replies."""

    def __init__(self, source, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        self.file = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data)

    def reply(self):
        """The last line of the next reply; empty when the connection ended."""
        while True:
            line = self.file.readline().decode("utf-8", "backslashreplace")
            if line[3:4] != "-":
                return line

    def say(self, line):
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def close(self):
        self.file.close()
        self.sock.close()
