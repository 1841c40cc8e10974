# SPDX-License-Identifier: Apache-2.0
"""Clients that send under load and remember which messages were acknowledged."""
import threading

from .raw import Raw
from .server import message, token


class Load:
    """Threads that each send small messages one after another until stop().

    sent[mark] is "acknowledged", "refused" or "unknown" (the connection broke before the reply
    to the final dot). Whatever breaks, a thread connects again and goes on.
    """

    def __init__(self, server, threads=4, recipients=("alice@example.org",), large_every=0):
        self.server = server
        self.recipients = recipients
        self.large_every = large_every
        self.sent = {}
        self.codes = set()
        self.surprises = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(40)
            assert not thread.is_alive(), "a client hangs"

    def count(self, outcome="acknowledged"):
        return sum(1 for found in list(self.sent.values()) if found == outcome)

    def marks(self, outcome="acknowledged"):
        return [mark for mark, found in self.sent.items() if found == outcome]

    def run(self):
        while not self.stopping.is_set():
            try:
                with Raw(self.server.port, "127.0.0.2", timeout=30) as c:
                    c.reply().is_(220)
                    c.cmd("EHLO client.test").is_(250)
                    for _ in range(10):
                        if self.stopping.is_set() or not self.one(c):
                            break
            except TimeoutError as hang:
                self.surprises.append(f"no answer: {hang}")
            except Exception:  # refused, reset, closed, 421: come back
                self.stopping.wait(0.02)

    def one(self, c):
        """Sends one message; False when the connection is of no more use."""
        for line in [b"MAIL FROM:<load@client.test>"] + [b"RCPT TO:<" + r.encode() + b">" for r in self.recipients]:
            code = c.send(line + b"\r\n").reply().code
            if code != 250:
                return self.odd(code, c)
        code = c.send(b"DATA\r\n").reply().code
        if code != 354:
            return self.odd(code, c)
        mark = token("load")
        body = b"Hello.\r\n"
        if self.large_every and len(self.sent) % self.large_every == 0:
            body = b"x" * 70 + b"\r\n"
            body *= 6000
        self.sent[mark] = "unknown"
        code = c.send(message(mark, body) + b".\r\n").reply().code
        if code != 250:
            self.sent[mark] = "refused"
            return self.odd(code, c)
        self.sent[mark] = "acknowledged"
        return True

    def odd(self, code, c):
        """A refusal under load: 421, 451 and 452 are allowed."""
        self.codes.add(code)
        if code not in (421, 451, 452):
            self.surprises.append(code)
        if code != 421:
            c.send(b"RSET\r\n").reply()
            return True
        return False
