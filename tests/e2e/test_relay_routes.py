# SPDX-License-Identifier: Apache-2.0
"""Which way mail leaves: routes, fall-backs, relay domains, loops; and that nothing is lost on the way."""
import collections
import os
import re
import socket
import time

import pytest

from harness import maildir, processes
from harness.conf import write
from harness.deadline import until
from harness.ports import port_block
from harness.remote import Remote
from harness.peers import smtp_source, whole_postfix
from harness.server import message, token
from test_relay_remotes import FROM, QUEUE, bounced, log_of, send, serve, wait_for


def closed_port():
    return f"smtp://127.0.0.1:{port_block()}"


def test_the_route_that_says_most_about_a_domain_holds(server):
    """Exact before wildcard before all; each with its own source address and name."""
    with Remote() as exact, Remote() as below, Remote() as rest:
        s = serve(server, {"a.example.net": {"via": exact.via, "source": '"127.0.0.7"', "helo": '"out.example.org"'},
                           "*.example.net": {"via": below.via, "helo": '"below.example.org"'},
                           "*": rest.via})
        mark, _ = send(s, "x@a.example.net", "x@b.example.net", "x@c.b.example.net", "x@elsewhere.test")
        one = exact.message(mark)
        assert (one["helo"], one["peer"], one["recipients"]) == ("out.example.org", "127.0.0.7", ["x@a.example.net"])
        two = below.message(mark)
        assert two["helo"] == "below.example.org"
        assert sorted(two["recipients"]) == ["x@b.example.net", "x@c.b.example.net"]
        three = rest.message(mark)
        assert (three["helo"], three["recipients"]) == ("mx.example.org", ["x@elsewhere.test"])


def test_the_next_hop_is_tried_when_the_first_fails_before_it_hears_of_the_message(server):
    """A refused connection, a break, 421 and 554 at the greeting: the fall-back gets it at the first attempt."""
    with Remote({"CONNECT": None}) as broken, Remote({"CONNECT": b"421 4.3.2 no\r\n"}) as busy, \
            Remote({"CONNECT": b"554 5.3.2 no\r\n"}) as refusing, Remote() as good:
        hops = ", ".join([f'"{closed_port()}"', broken.via, busy.via, refusing.via, good.via])
        s = serve(server, {"fall.test": f"{{{hops}}}"})
        mark, identity = send(s, "someone@fall.test")
        good.message(mark)
        assert " attempt=1 " in wait_for(s, "delivered", identity)[0]
        assert len(broken.peers) == len(busy.peers) == len(refusing.peers) == 1


def test_a_refusal_of_the_recipient_is_not_asked_of_the_next_hop(server):
    """What follows MAIL speaks of the message: no shopping around."""
    with Remote({"RCPT": b"550 5.1.1 nobody\r\n"}) as first, Remote() as second:
        s = serve(server, {"fall.test": f"{{{first.via}, {second.via}}}"})
        mark, _ = send(s, "someone@fall.test")
        bounced(s, mark)
        assert not second.peers


def test_queued_mail_follows_todays_route(server):
    """Routes are looked up at each attempt, never frozen."""
    with Remote() as good:
        s = serve(server, {"moves.test": f'"{closed_port()}"'})
        mark, identity = send(s, "someone@moves.test")
        time.sleep(0.3)
        assert not log_of(s, "delivered", identity)
        s.reconfigure(sections={"queue": QUEUE, 'route "moves.test"': {"via": good.via}})
        assert s.tool("reload").returncode == 0
        good.message(mark)


@pytest.mark.parametrize("section", ["route", "domain"])
@pytest.mark.parametrize("listen, via", [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.9")])
def test_a_next_hop_that_is_ourselves_is_an_error_of_the_configuration(server, section, listen, via):
    """A listener at all addresses is ourselves at each. Hosts with names: see test_relay_dns.py."""
    s = server(start=False)
    s.reconfigure(sections={f'{section} "loop.test"': {"via": f'"smtp://{via}:{s.port}"'}},
                  listen={"address": f'{{"{listen}:{s.port}"}}'})
    done = s.tool("check", "config")
    assert done.returncode == 1 and "circles" in done.stdout + done.stderr


def test_a_relay_domain_takes_mail_from_strangers_and_passes_it_inward(server, tmp_path):
    """With users: the unknown are refused at RCPT. Without: all are taken."""
    write(tmp_path / "inside", "carol\n")
    with Remote() as listed, Remote() as unlisted:
        s = server(sections={"queue": QUEUE,
                             'domain "listed.test"': {"via": listed.via, "users": f'"file:{tmp_path}/inside"'},
                             'domain "open.test"': {"via": unlisted.via}})
        with s.client("127.0.0.1") as c:
            c.cmd("MAIL FROM:<stranger@client.test>").is_(250)
            c.cmd("RCPT TO:<nobody@listed.test>").is_(550, "5.1.1")
            c.cmd("RCPT TO:<carol@listed.test>").is_(250)
            c.cmd("RCPT TO:<whoever@open.test>").is_(250)
            c.cmd("RCPT TO:<x@elsewhere.test>").is_(550)
            mark = token()
            c.data(message(mark)).is_(250)
        assert listed.message(mark)["recipients"] == ["carol@listed.test"]
        assert unlisted.message(mark)["recipients"] == ["whoever@open.test"]


# --- a whole Postfix -----------------------------------------------------------------

def test_a_whole_postfix_takes_what_we_send_and_refuses_what_it_does_not_know(server, tmp_path):
    """A server that was not written here, with its own pipelining, SIZE and enhanced codes."""
    peer = whole_postfix(tmp_path)
    conf = os.path.join(peer.dir, "conf", "main.cf")
    with open(conf, encoding="utf-8") as f:
        text = f.read()
    text = text.replace("virtual_mailbox_domains = example.org", "virtual_mailbox_domains = postfix.test")
    text = text.replace("virtual_mailbox_maps = static:alice/", "virtual_mailbox_maps = inline:{ alice@postfix.test=alice/ }")
    write(conf, text)
    peer.start()
    try:
        s = serve(server, {"postfix.test": f'"smtp://127.0.0.1:{peer.port}"', "other.test": f'"smtp://127.0.0.1:{peer.port}"'})
        body = b"..a dotted line\r\n" + b"x" * 900 + b"\r\n"
        marks = [send(s, "alice@postfix.test", body=body)[0] for _ in range(20)]
        unknown, _ = send(s, "nobody@postfix.test", "alice@postfix.test")
        until(lambda: len(maildir.files(os.path.dirname(peer.mail_folder()))) == 21, "all are in Postfix's Maildir", 20)
        for mark in marks:
            mail, = maildir.holding(os.path.dirname(peer.mail_folder()), mark)
            assert mail.body == body.replace(b"\r\n", b"\n").replace(b"..a", b".a")
        bounce, = bounced(s, unknown)
        assert b"nobody@postfix.test" in bounce.raw and b"5.1.1" in bounce.raw
        s.settled()
    finally:
        peer.stop()


# --- kill -9 ---------------------------------------------------------------------------

@pytest.mark.parametrize("role", ["relay", "queue"])
def test_a_killed_role_in_the_middle_of_deliveries_loses_nothing(server, role):
    """Duplicates only where the reply to the final dot never came to relay: it remembers what the queue lost."""
    arrived = collections.Counter()

    def slow_dot(_, data):
        time.sleep(0.01)
        arrived[re.search(rb"X-Mark: (\S+)", data).group(1).decode()] += 1
        return b"250 2.0.0 kept\r\n"
    with Remote({".": slow_dot}) as remote:
        s = serve(server, {"far.test": {"via": remote.via, "connections": "10"}})
        marks = []
        in_hand = 0
        with s.client("127.0.0.2") as c:
            for _ in range(3):
                for _ in range(40):
                    mark = token()
                    c.begin(FROM, "someone@far.test").data(message(mark)).is_(250)
                    marks.append(mark)
                until(lambda: sum(arrived.values()) >= len(marks) - 25, "mail flows", 20)
                killed = s.kill_role(role)
                in_hand += 10  # one for each connection
                until(lambda: not processes.alive(killed), "it is dead", 2)
                if role == "queue":
                    until(lambda: s.roles("queue"), "a new queue", 5)
                    mark = token()
                    until(lambda: c.begin(FROM, "someone@far.test").data(message(mark)).code == 250, "mail is taken", 10)
                    marks.append(mark)
        s.settled(30)
        assert not [mark for mark in marks if not arrived[mark]], "lost"
        assert sum(1 for mark in marks if arrived[mark] > 1) <= (0 if role == "queue" else in_hand)


# --- a dead destination -------------------------------------------------------------------

def test_two_thousand_messages_for_a_dead_host_delay_nobody(server):
    """Design section 3: a destination that is down costs one probe, not a try per message."""
    dead = socket.socket()
    dead.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
    with Remote() as good:
        s = serve(server, {"dead.test": f'"smtp://127.0.0.1:{dead.getsockname()[1]}"', "good.test": good.via},
                  {"retry": '{"2s"}'}, {"trust": '{"127.0.0.0/8"}'})
        done = smtp_source(s.port, "-d", "-s", "10", "-m", "2000", "-l", "500", "-f", FROM, "-t", "x@dead.test")
        assert done.returncode == 0, done.stderr
        until(lambda: s.queued() == 2000, "all are queued", 20)
        for _ in range(10):
            mark, _ = send(s, "someone@good.test")
            good.message(mark, 20)
        assert s.queued() == 2000
        assert not re.search(r"ev=deferred .*dead\.test", s.log())
    dead.close()


PLANS = [  # what the configuration says of retries; seconds between the two attempts, at least and at most
    ({"retry": '{"2s"}'}, {}, 2, 3),
    ({}, {'reason "mailbox-full"': {"retry": '{"3s"}'}}, 3, 4),
    ({"retry": '{"1h"}'}, {'reason "mailbox-full"': {"retry": '{"2s"}'}}, 2, 3),
]


@pytest.mark.parametrize("route, reason, least, most", PLANS)
def test_retry_times_are_the_reasons_else_the_routes_else_the_queues(server, route, reason, least, most):
    """Not the hour that a full mailbox waits by itself, nor the queue's day. `again_in_s` is cut to seconds."""
    with Remote({"RCPT": [b"452 4.2.2 mailbox full\r\n", b"250 ok\r\n"]}) as full:
        s = server(sections={"queue": {"retry": '{"1d"}'}, 'route "full.test"': {"via": full.via, **route,
                             "give-up-after": '"2d"' if reason else '"16s"'}, **reason})
        mark, identity = send(s, "someone@full.test")
        again = re.search(r" again_in_s=(\d+) ", wait_for(s, "deferred", identity)[0])
        assert least <= int(again[1]) <= most
        full.message(mark)


@pytest.mark.parametrize("section", ['route "late.test"', 'reason "system-error"'])
def test_a_route_or_a_reason_can_give_up_sooner(server, section):
    with Remote({"RCPT": b"451 4.3.0 broken\r\n"}) as broken:
        s = server(sections={"queue": {"retry": '{"1s"}'}, 'route "late.test"': {"via": broken.via}, section: {
            **({"via": broken.via} if "late" in section else {}), "give-up-after": '"2s"'}})
        mark, _ = send(s, "someone@late.test")
        assert b"451 4.3.0 broken" in bounced(s, mark)[0].raw


def test_a_dead_host_is_probed_as_its_route_says(server):
    """Its own first wait, instead of the queue's day."""
    port = port_block()
    s = server(sections={"queue": {"retry": '{"1d"}'},
                         'route "dead.test"': {"via": f'"smtp://127.0.0.1:{port}"', "retry": '{"1s", "2s"}'}})
    mark, identity = send(s, "someone@dead.test")
    until(lambda: "refused" in s.tool("queue", "show", identity).stdout, "the first probe")
    with Remote(port=port) as back:
        back.message(mark)
