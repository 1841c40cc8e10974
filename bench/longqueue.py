# SPDX-License-Identifier: Apache-2.0
"""A long queue: what a message takes, how long a restart takes, and whether it slows the next one down."""
import statistics
import subprocess
import time

import load
import proc
from measure import Cell, sized
from report import number, table

COUNT = {True: 50000, False: 1000000}   # by --quick
FILL = Cell(100, True, 300)
ACCEPT = Cell(20, True, 4096)
FIRST_COUNT = 2000
ASK = (["status"], ["queue"], ["queue", "list", "--limit", "20"])


def fill(peers, server, count):
    """Messages a second."""
    args = [peers.source, "-d", "-s", str(FILL.sessions), "-m", str(count), "-l", str(FILL.bytes),
            "-f", "bob@example.org", "-t", "alice@example.org", f"inet:127.0.0.1:{server.port}"]
    begin = time.monotonic()
    done = subprocess.run(args, env=peers.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError("smtp-source: " + done.stderr.decode(errors="replace")[-1000:])
    return count / (time.monotonic() - begin)


def timed(act):
    begin = time.monotonic()
    act()
    return time.monotonic() - begin


def accept_rates(opts, peers, servers):
    """Medians of runs in turn: messages a second of each server."""
    count = sized(ACCEPT, FIRST_COUNT, timed(lambda: load.send(peers, servers[0].port, ACCEPT, FIRST_COUNT)),
                  opts.seconds)
    load.send(peers, servers[1].port, ACCEPT, FIRST_COUNT)
    rates = ([], [])
    for run in range(opts.runs):
        for at in ((0, 1), (1, 0))[run % 2]:
            seconds = timed(lambda server=servers[at]: load.send(peers, server.port, ACCEPT, count))
            rates[at].append(count / seconds)
    return [statistics.median(found) for found in rates]


def asked(server):
    rows = []
    for args in ASK:
        seconds = statistics.median(timed(lambda asked=args: server.tool(*asked)) for _ in range(3))
        rows.append([f"`waybill {' '.join(args)}`", f"{1000 * seconds:,.0f} ms"])
    return rows


def queue(opts, peers, folder, make):
    """make: folder in, a server whose queue is paused out."""
    count = COUNT[opts.quick]
    empty, full = make(folder + "/empty"), make(folder + "/full")
    try:
        full.start()
        before = proc.memory_bytes(full.pid)
        filled = fill(peers, full, count)
        each = (proc.memory_bytes(full.pid) - before) / count
        full.stop()
        restart = timed(full.start)
        if full.kept() != count:
            raise RuntimeError(f"{full.kept()} messages are kept of {count}")
        after = (proc.memory_bytes(full.pid) - before) / count
        rows = asked(full)
        empty.start()
        rates = accept_rates(opts, peers, [empty, full])
    finally:
        empty.stop()
        full.stop()
    rows = [[f"memory of each, all roles together, while they came ({number(filled)} a second)", f"{each:,.0f} bytes"],
            ["the same after a restart", f"{after:,.0f} bytes"],
            ["from the start of the program until it greets", f"{restart:.2f} s"], *rows]
    rates = [["empty", number(rates[0]), "1"], [f"{count:,} messages", number(rates[1]), f"{rates[1] / rates[0]:.2f}"]]
    return (f"{count:,} messages of one recipient wait:\n\n" + table(["", ""], rows)
            + f"Messages of 4 KiB accepted a second, {ACCEPT.sessions} sessions kept, by what waits already (medians of "
            f"{opts.runs} runs in turn):\n\n" + table(["queue", "a second", "ratio"], rates))
