# SPDX-License-Identifier: Apache-2.0
"""Mail on its way out: end to end through a server to smtp-sink, and beside a dead destination."""
import os
import re
import smtplib
import statistics
import subprocess
import sys
import threading
import time

import load
import proc
from net import free_port, wait_for_port
from report import number, table

ARRIVAL_SECONDS_MAX = 60
CELLS = [(1, True), (20, True), (100, True)]  # sessions, kept
BYTES = 4096
DEAD_COUNT = {True: 5000, False: 100000}   # by --quick
PROBES = {True: 40, False: 200}
MESG = re.compile(rb"mesg=\s*(\d+)")


class CountingSink:
    """smtp-sink that shows its counters; `count` is how many messages it has taken."""

    def __init__(self, peers):
        self.port = free_port()
        self.count = 0
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        args = [peers.sink, *user, "-c", "-m", "1000", f"127.0.0.1:{self.port}", "1024"]
        self.process = subprocess.Popen(args, env=peers.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        threading.Thread(target=self.read, daemon=True).start()
        wait_for_port(self.port, self.process, 10, lambda: "")

    def read(self):
        while True:
            text = os.read(self.process.stdout.fileno(), 65536)
            if not text:
                return
            for found in MESG.finditer(text):
                self.count = max(self.count, int(found.group(1)))

    def wait(self, wanted, pause=0.002):
        end = time.monotonic() + ARRIVAL_SECONDS_MAX
        while self.count < wanted:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.count} of {wanted} messages arrived after {ARRIVAL_SECONDS_MAX} s")
            time.sleep(pause)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def one_run(peers, server, sink, cell, count):
    """Seconds until the last message is at the sink, and CPU seconds of the server."""
    sessions, kept = cell
    cpu = proc.cpu_seconds(server.pid)
    before = sink.count
    begin = time.monotonic()
    args = [peers.source, "-s", str(sessions), "-m", str(count), "-l", str(BYTES), *(["-d"] if kept else []),
            "-f", "bob@example.org", "-t", "someone@far.test", f"inet:127.0.0.1:{server.port}"]
    done = subprocess.run(args, env=peers.env, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=load.RUN_SECONDS_MAX)
    if done.returncode != 0:
        raise RuntimeError("smtp-source: " + (done.stderr + done.stdout).decode(errors="replace")[-1000:])
    sink.wait(before + count)
    return time.monotonic() - begin, proc.cpu_seconds(server.pid) - cpu


def run_cell(opts, peers, folder, makers, cell):
    """{server name: (median messages a second, CPU seconds for 1,000)}; the servers take turns."""
    folder = os.path.join(folder, f"cell-{cell[0]}")
    running, counts, rates, cpu = [], {}, {}, {}
    try:
        for make in makers:
            sink = CountingSink(peers)
            running.append((None, sink))
            server = make(folder, sink.port).start()
            running[-1] = (server, sink)
            seconds, _ = one_run(peers, server, sink, cell, 200)
            counts[server.name] = max(cell[0], 1, min(30000, int(200 * opts.seconds / seconds)))
            rates[server.name], cpu[server.name] = [], []
        for turn in range(opts.runs):
            for i in range(len(running)):
                server, sink = running[(turn + i) % len(running)]
                count = counts[server.name]
                seconds, used = one_run(peers, server, sink, cell, count)
                rates[server.name].append(count / seconds)
                cpu[server.name].append(used / count * 1000)
    finally:
        for server, sink in running:
            if server is not None:
                server.stop()
            sink.stop()
    result = {name: (statistics.median(rates[name]), statistics.median(cpu[name])) for name in rates}
    print(f"  {cell[0]} sessions: " + ", ".join(f"{n} {r:.0f}/s" for n, (r, _) in result.items()), file=sys.stderr)
    return result


def relay(opts, peers, folder, makers):
    rows = []
    for cell in CELLS:
        result = run_cell(opts, peers, folder, makers, cell)
        (w, wcpu), (p, pcpu) = (result.get(name, (None, None)) for name in ("Waybill", "Postfix"))
        rows.append([f"{cell[0]} session{'s' if cell[0] > 1 else ''}, kept", number(w), number(p),
                     f"{w / p:.2f}" if w and p else "–", number(wcpu), number(pcpu)])
    return ("Messages of 4 KiB a second from smtp-source through the server until the last one is at smtp-sink, and CPU\n"
            "seconds for 1,000:\n\n"
            + table(["", "Waybill", "Postfix", "ratio", "CPU Waybill", "CPU Postfix"], rows)
            + f"Method: median of {opts.runs} runs of about {opts.seconds:g} s, the servers take turns, each with a fresh\n"
            "folder and a sink of its own. CPU is utime and stime of all processes of the server.\n")


def latencies(server, sink, count):
    """Milliseconds from the final dot's reply to the sink's counter, one message at a time."""
    found = []
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        for i in range(count):
            before = sink.count
            client.sendmail("bob@example.org", ["someone@far.test"], f"Subject: {i}\r\n\r\n" + "x" * 70 + "\r\n")
            begin = time.monotonic()
            sink.wait(before + 1, 0.0002)
            found.append((time.monotonic() - begin) * 1000)
    return sorted(found)


def deadhost(opts, peers, folder, make):
    """Latency of other mail without and with very many messages for a host that refuses connections."""
    dead_count, probes = DEAD_COUNT[opts.quick], PROBES[opts.quick]
    sink = CountingSink(peers)
    server = None
    try:
        server = make(folder, sink.port).start()
        latencies(server, sink, probes // 4)
        rows = [["none", latencies(server, sink, probes)]]
        memory = proc.memory_bytes(server.pid)
        args = [peers.source, "-d", "-s", "20", "-m", str(dead_count), "-l", "1000", "-f", "bob@example.org",
                "-t", "someone@dead.test", f"inet:127.0.0.1:{server.port}"]
        begin = time.monotonic()
        done = subprocess.run(args, env=peers.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError("smtp-source: " + done.stderr.decode(errors="replace")[-1000:])
        accepted = dead_count / (time.monotonic() - begin)
        rows.append([f"{dead_count:,}, just accepted", latencies(server, sink, probes)])
        time.sleep(2)
        rows.append([f"{dead_count:,}, at rest", latencies(server, sink, probes)])
        if server.kept() != dead_count:
            raise RuntimeError(f"{server.kept()} messages are kept of {dead_count}")
        memory = (proc.memory_bytes(server.pid) - memory) / dead_count
    finally:
        if server is not None:
            server.stop()
        sink.stop()
    text = [[name, *(f"{found[int(len(found) * share)]:.2f}" for share in (0.5, 0.9, 0.99))] for name, found in rows]
    return ("Milliseconds from the 250 to the arrival at another server, one message at a time:\n\n"
            + table(["messages for the dead host", "median", "90 %", "99 %"], text)
            + f"The {dead_count:,} were accepted at {accepted:,.0f} a second; each takes {memory:,.0f} bytes of memory, all roles\n"
            f"together. Of each kind {probes} messages were sent.\n")
