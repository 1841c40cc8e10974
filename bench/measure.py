# SPDX-License-Identifier: Apache-2.0
"""The measurements: which cells, how they are run in turn, and the tables they give."""
import os
import socket
import statistics
import sys
import time
from collections import namedtuple

import load
import proc
from report import number, ratio, table

Cell = namedtuple("Cell", "sessions kept bytes")

TITLES = {"accept": "Durable accept", "maildir": "Maildir end to end", "large": "10 MiB messages",
          "relay": "Relay end to end", "deadhost": "A dead destination",
          "queue": "A long queue", "greylist": "Greylisting", "secret": "Time tells no secret"}
ACCEPT = [Cell(s, k, 4096) for s in (1, 20, 100) for k in (False, True)]
LARGE = [Cell(s, True, 10 << 20) for s in (1, 4)]
MAILDIR = [Cell(s, True, 4096) for s in (1, 20)]

FIRST_COUNT = {4096: 200, 10 << 20: 4}
COUNT_MAX = {4096: 30000, 10 << 20: 60}
# Connections that stay idle while memory is read. A process for each needs fewer to show its price.
IDLE = {"Waybill": 1000, "Postfix": 100}
DELIVERY_SECONDS_MAX = 60


def cell_name(cell):
    plural = "session" if cell.sessions == 1 else "sessions"
    return f"{cell.sessions} {plural}, {'kept' if cell.kept else 'new'}"


def delivered(server, before, count):
    """Waits until count messages more than before stand in the Maildir."""
    end = time.monotonic() + DELIVERY_SECONDS_MAX
    while time.monotonic() < end:
        if mails(server) >= before + count:
            return
        time.sleep(0.02)
    raise RuntimeError(f"{server.name}: {mails(server) - before} of {count} delivered after {DELIVERY_SECONDS_MAX} s")


def mails(server):
    try:
        return len(os.listdir(server.mail_folder()))
    except FileNotFoundError:
        return 0


def one_run(peers, server, cell, count, until_delivered):
    """Seconds and CPU seconds for count messages."""
    cpu = proc.cpu_seconds(server.pid)
    before = mails(server) if until_delivered else 0
    begin = time.monotonic()
    load.send(peers, server.port, cell, count)
    if until_delivered:
        delivered(server, before, count)
    seconds = time.monotonic() - begin
    return seconds, proc.cpu_seconds(server.pid) - cpu


def sized(cell, count, seconds, wanted):
    """How many messages take about `wanted` seconds, judged by a first run."""
    return max(cell.sessions, 1, min(COUNT_MAX[cell.bytes], int(count * wanted / seconds)))


def run_cell(opts, peers, folder, makers, cell):
    """Fresh servers, a first run that also sizes the others, then runs in turn.
    Returns {server name: (median messages a second, CPU seconds for 1,000)}."""
    folder = os.path.join(folder, f"cell-{cell.sessions}-{cell.kept}-{cell.bytes}")
    until_delivered = opts.mode == "maildir"
    running, counts, rates, cpu, sent = [], {}, {}, {}, {}
    try:
        for make in makers:
            server = make(folder).start()
            running.append(server)
            first = FIRST_COUNT[cell.bytes]
            seconds, _ = one_run(peers, server, cell, first, until_delivered)
            counts[server.name] = sized(cell, first, seconds, opts.seconds)
            rates[server.name], cpu[server.name], sent[server.name] = [], 0.0, 0
        for turn in range(opts.runs):
            for i in range(len(running)):
                server = running[(turn + i) % len(running)]
                count = counts[server.name]
                seconds, used = one_run(peers, server, cell, count, until_delivered)
                rates[server.name].append(count / seconds)
                cpu[server.name] += used
                sent[server.name] += count
        for server in running if opts.mode != "maildir" else []:
            kept, wanted = server.kept(), sent[server.name] + FIRST_COUNT[cell.bytes]
            if kept is not None and kept != wanted:
                raise RuntimeError(f"{server.name} acknowledged {wanted} messages and keeps {kept}")
    finally:
        for server in running:
            server.stop()
    result = {name: (statistics.median(rates[name]), cpu[name] / sent[name] * 1000) for name in rates}
    print(f"  {cell_name(cell)}: " + ", ".join(f"{n} {r:.0f}/s" for n, (r, _) in result.items()), file=sys.stderr)
    return result


def rows_of(results, index, less_is_better=False):
    for cell, result in results:
        waybill, postfix, sink = (result.get(n, (None, None))[index] for n in ("Waybill", "Postfix", "smtp-sink"))
        versus = ratio(postfix, waybill) if less_is_better else ratio(waybill, postfix)
        yield cell, waybill, postfix, sink, versus


def disk_table(disk):
    return "The disk below, one writer:\n\n" + table(["floor", "a second"], [[n, number(r)] for n, r in disk])


def idle_memory(server):
    """Bytes of memory for one connection that has said EHLO and waits."""
    count = IDLE[server.name]
    connections = []
    try:
        connections.append(greeted(server.port))
        before = proc.memory_bytes(server.pid)
        while len(connections) < count + 1:
            connections.append(greeted(server.port))
        return (proc.memory_bytes(server.pid) - before) / count
    finally:
        for connection in connections:
            connection.close()


def greeted(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    reply = s.recv(512)
    s.sendall(b"EHLO client.test\r\n")
    while not reply.startswith(b"250 ") and b"\n250 " not in reply:
        more = s.recv(4096)
        if not more:
            raise RuntimeError(f"closed after {reply!r}")
        reply = more if reply.startswith(b"220") else reply + more
    return s


def memory_of_all(folder, makers):
    found = {}
    for make in makers:
        server = make(os.path.join(folder, "idle"))
        if server.name not in IDLE:
            continue
        try:
            found[server.name] = idle_memory(server.start())
        finally:
            server.stop()
    return found


def accept(opts, peers, folder, makers, disk):
    results = [(cell, run_cell(opts, peers, folder, makers, cell)) for cell in ACCEPT]
    memory = memory_of_all(folder, makers)
    text = "Messages of 4 KiB accepted a second:\n\n" + table(
        ["", "Waybill", "Postfix", "smtp-sink", "Waybill / Postfix", "Waybill / sink"],
        [[cell_name(c), number(w), number(p), number(s), r, ratio(w, s)] for c, w, p, s, r in rows_of(results, 0)])
    text += "CPU seconds of the whole server for 1,000 accepted messages:\n\n" + table(
        ["", "Waybill", "Postfix", "smtp-sink", "Postfix / Waybill", "Waybill / sink"],
        [[cell_name(c), number(w), number(p), number(s), r, ratio(w, s)]
         for c, w, p, s, r in rows_of(results, 1, less_is_better=True)])
    kib = {name: value / 1024 for name, value in memory.items()}
    text += "Memory of an idle connection, KiB: " + ", ".join(
        f"{name} {number(kib[name])} ({IDLE[name]} open)" for name in sorted(kib, reverse=True)) + ".\n\n"
    return text + disk_table(disk) + method(opts)


def maildir(opts, peers, folder, makers, disk):
    results = [(cell, run_cell(opts, peers, folder, makers, cell)) for cell in MAILDIR]
    text = "Messages of 4 KiB a second until the last one stands in the Maildir, and CPU seconds for 1,000:\n\n"
    cpu = list(rows_of(results, 1))
    text += table(["", "Waybill", "Postfix", "ratio", "CPU Waybill", "CPU Postfix"],
                  [[cell_name(c), number(w), number(p), r, number(cpu[i][1]), number(cpu[i][2])]
                   for i, (c, w, p, _, r) in enumerate(rows_of(results, 0))])
    return text + disk_table(disk) + method(opts)


def large(opts, peers, folder, makers, disk):
    results = [(cell, run_cell(opts, peers, folder, makers, cell)) for cell in LARGE]

    def mb(rate):
        return number(rate * 10.48576) if rate else "–"
    text = "Megabytes a second, messages of 10 MiB:\n\n" + table(
        ["", "Waybill", "Postfix", "smtp-sink", "Waybill / Postfix", "Waybill / sink"],
        [[cell_name(c), mb(w), mb(p), mb(s), r, ratio(w, s)] for c, w, p, s, r in rows_of(results, 0)])
    return text + method(opts)


def method(opts):
    held = "" if opts.mode == "maildir" else (
        "\nDeliveries are held back: Waybill's queue is paused; Postfix runs without its queue manager, the\n"
        "cheapest way it has, so that a message rests synced in its incoming queue. Each must keep exactly\n"
        "the messages that were sent.")
    return (
        "Method: Postfix's smtp-source on the same machine over loopback; \"new\" is one message a connection,\n"
        f"\"kept\" many. Median of {opts.runs} runs of about {opts.seconds:g} s; the servers take turns,\n"
        f"each with a fresh folder on the same disk, after one run that is not counted.{held}\n"
        "CPU is utime and stime of all processes of a server (the kernel's own threads not counted).\n")
