# SPDX-License-Identifier: Apache-2.0
"""What greylisting costs: strangers' recipients at 5,000 a second, each of a sender that was never seen, with and without it.

The senders' domains are address literals, about which SPF has nothing to say, so that no name server is measured.
"""
import os
import socket
import statistics
import threading
import time

import proc
from net import free_port
from report import table
from waybill import Waybill

RATE = 5000            # RCPT a second
THREADS = 4
BATCH = 25             # transactions that a connection sends at once
SECTIONS = {
    "without": "",
    "with": 'greylist { delay = "5m"  entries = 1000000 }\n',
}
COMMON = """\
limits { messages-per-connection = 1000000  connections-per-client = 100 }
harvest { unknown = 1000000 }
dns { servers = {"127.0.0.1:%d"}  trust-anchor = "" }
"""


def strangers(server, sections):
    """Rewrites its configuration: nobody is trusted."""
    with open(server.conf) as f:
        text = f.read()
    text = text.replace('trust = {"127.0.0.0/8"}', 'trust = {"127.0.0.2"}') + COMMON % free_port() + sections
    with open(server.conf, "w") as f:
        f.write(text)
    return server


def name(*numbers):
    """Letters: numbers in a sender's name may be new for each message, and do not count."""
    return b"q".join(b"%x" % number for number in numbers).translate(bytes.maketrans(b"0123456789", b"ghijklmnop"))


class Client(threading.Thread):
    """Sends batches by the clock, as fast as it can with rate 0; `waits` are seconds from a batch to its last reply."""

    def __init__(self, port, number, rate, seconds, expect):
        super().__init__()
        self.port, self.number, self.rate, self.seconds, self.expect = port, number, rate, seconds, expect
        self.waits, self.count, self.error = [], 0, None

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port)) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.file = sock.makefile("rb")
                self.file.readline()
                sock.sendall(b"HELO bench.test\r\n")
                self.file.readline()
                self.batches(sock)
        except OSError as error:
            self.error = error

    def batches(self, sock):
        begin = time.monotonic()
        while time.monotonic() - begin < self.seconds:
            if self.rate:
                time.sleep(max(0, begin + self.count / self.rate - time.monotonic()))
            text = b"".join(b"MAIL FROM:<%s@[192.0.2.1]>\r\nRCPT TO:<alice@example.org>\r\nRSET\r\n"
                            % name(self.number, self.count + i) for i in range(BATCH))
            sent = time.monotonic()
            sock.sendall(text)
            for i in range(3 * BATCH):
                line = self.file.readline()
                if i % 3 == 1 and not line.startswith(self.expect):
                    raise OSError(f"{line!r} instead of {self.expect!r}")
            self.waits.append(time.monotonic() - sent)
            self.count += BATCH


def load(server, expect, seconds, paced, number=[0]):
    """RCPT a second, CPU seconds for 1,000, and the median milliseconds of a batch."""
    clients = []
    for _ in range(THREADS):
        number[0] += 1
        clients.append(Client(server.port, number[0], RATE / THREADS if paced else 0, seconds, expect))
    cpu, begin = proc.cpu_seconds(server.pid), time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    took = time.monotonic() - begin
    for client in clients:
        if client.error is not None:
            raise RuntimeError(f"{client.error}\n{server.trouble()}")
    count = sum(client.count for client in clients)
    waits = [wait for client in clients for wait in client.waits]
    return count / took, 1000 * (proc.cpu_seconds(server.pid) - cpu) / count, 1000 * statistics.median(waits)


def greylist(opts, folder):
    """The text of the results."""
    seconds = 1 if opts.quick else 4
    rows, kept = {}, 0
    servers = {name: strangers(Waybill(opts.build, os.path.join(folder, name)), text) for name, text in SECTIONS.items()}
    results = {(name, paced): [] for name in servers for paced in (True, False)}
    try:
        for server in servers.values():
            server.start()
        for run in range(opts.runs + 1):
            for name, server in servers.items():
                for paced in (True, False):
                    expect = b"450 4.7.1" if name == "with" else b"250"
                    got = load(server, expect, seconds, paced)
                    if run > 0:
                        results[name, paced].append(got)
        kept = proc.memory_bytes(servers["with"].pid) - proc.memory_bytes(servers["without"].pid)
    finally:
        for server in servers.values():
            server.stop()
    for key, got in results.items():
        rows[key] = [statistics.median(one[i] for one in got) for i in range(3)]
    return said(rows, kept, seconds, opts.runs)


def said(rows, kept, seconds, runs):
    names = ("without", "with")

    def line(what, paced, index, digits):
        a, b = (rows[name, paced][index] for name in names)
        return [what, f"{a:,.{digits}f}", f"{b:,.{digits}f}", f"{b / a:.2f}"]
    text = table(["", "without", "with greylisting", "ratio"], [
        line(f"CPU seconds for 1,000, at {rows['with', True][0]:,.0f} a second", True, 1, 3),
        line(f"milliseconds until the last of {BATCH} pipelined ones has its reply, at that rate", True, 2, 1),
        line("a second, as fast as they come", False, 0, 0),
        line("CPU seconds for 1,000, then", False, 1, 3)])
    return ("Recipients of strangers, each with a sender that was never seen (with greylisting all are told to come back, and "
            "all are\nremembered, in memory and in the file):\n\n" + text
            + f"Afterwards the server that greylists had {kept / 2**20:,.0f} MB more memory.\n\n"
            + f"Method: {THREADS} connections from this machine, each with {BATCH} transactions of MAIL, RCPT and RSET at once; "
            + f"median of {runs}\nruns of {seconds} s in turn. CPU is utime and stime of all roles. The senders' domains are "
            + "address literals, so SPF asks no\nname server. Who is told to come back is logged, and costs no look at a mailbox; "
            + "who is taken costs that.\n")
