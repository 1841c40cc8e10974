# SPDX-License-Identifier: Apache-2.0
"""DNS block and allow lists of addresses and names: what real answers lead to, and lists that are silent or given up."""
import contextlib
import socket
import struct
import threading
import time

import pytest

from harness.name_server import answer_after_waiting, name_server, silent_name_server

UNSIGNED = {"trust-anchor": '""'}
LISTED = "127.0.1.7"


@pytest.fixture
def names(tmp_path):
    folder = tmp_path / "nsd"
    folder.mkdir()
    zones = {
        "block.test": "7.1.0.127 IN A 127.0.0.2\n7.1.0.127 IN TXT \"see https://block.test/why\"\n"
                      "8.1.0.127 IN A 127.0.0.10\n9.1.0.127 IN A 192.0.2.80\n",
        "second.test": "7.1.0.127 IN A 127.0.0.3\n8.1.0.127 IN A 127.0.0.3\n",
        "good.test": "8.1.0.127 IN A 127.0.4.1\n",
        "closed.test": "* IN A 127.255.255.254\n",
        "names.test": "bad.test IN A 127.0.1.2\nbad.test IN TXT \"see https://names.test/why\"\n",
        "sold.test": "* IN A 127.0.0.2\n",
    }
    with name_server(folder, zones) as port:
        yield f'{{"127.0.0.1:{port}"}}'


def listing(server, dns, lists, **settings):
    sections = {f'dnslist "{zone}"': values for zone, values in lists.items()}
    return server(sections={**sections, "dnslists": settings, "dns": {"servers": dns, **UNSIGNED}})


def reply(s, source, recipient="alice@example.org", helo="client.test", sender="x@y.test"):
    with s.client(source) as c:
        c.cmd(f"EHLO {helo}")
        c.cmd(f"MAIL FROM:<{sender}>").is_(250)
        return c.cmd(f"RCPT TO:<{recipient}>")


def test_who_is_listed_is_told_by_whom_and_why(server, names):
    s = listing(server, names, {"block.test": {}})
    refused = reply(s, LISTED).is_(550, "5.7.1")
    assert f"{LISTED} is listed by block.test: see https://block.test/why" in refused.text, refused.text
    assert "127.0.1.8 is listed by block.test" in reply(s, "127.0.1.8").is_(550).text  # without a text of the list
    reply(s, "127.0.1.1").is_(250)
    reply(s, "127.0.1.9").is_(250)  # an answer outside 127.0.0.0/8 says nothing
    reply(s, "127.0.0.2").is_(250)  # trusted
    reply(s, LISTED, "postmaster@example.org").is_(250)
    s.wait_log(r'key=client-listed check=dnslists why="block.test: listed 127.0.0.2 \(weight 1\)"')


def test_weights_of_several_lists(server, names):
    lists = {"block.test": {"weight": "2"}, "second.test": {}, "good.test": {"weight": "1", "allows": "yes"}}
    s = listing(server, names, lists, **{"refuse-at": "3", "defer-at": "2"})
    reply(s, LISTED).is_(550)
    reply(s, "127.0.1.8").is_(450, "4.7.1")
    done = s.tool("check", "rcpt", "alice@example.org", "--from", "x@y.test", "--client", "127.0.1.8")
    assert done.returncode == 1, done.stdout
    for part in ("block.test: listed 127.0.0.10 (weight 2)", "second.test: listed 127.0.0.3 (weight 1)",
                 "good.test: listed 127.0.4.1 (weight -1)"):
        assert part in " ".join(done.stdout.split()), done.stdout


def test_a_list_that_may_not_be_asked_has_no_opinion(server, names):
    s = listing(server, names, {"closed.test": {}})
    reply(s, LISTED).is_(250)
    s.wait_log("closed.test answers 127.255.255.254")


def test_a_list_that_is_not_there_has_no_opinion(server, names):
    """nsd does not serve this zone and says so, which is no answer; the other one counts."""
    s = listing(server, names, {"other.test": {}, "block.test": {}})
    reply(s, "127.0.1.1").is_(250)
    assert "block.test" in reply(s, LISTED).is_(550).text


def test_names_can_be_listed(server, names):
    s = listing(server, names, {"names.test": {"of": '{"helo", "sender"}'}})
    reply(s, LISTED).is_(250)  # the address is not asked about
    refused = reply(s, LISTED, sender="x@Bad.TEST").is_(550, "5.7.1")
    assert "bad.test is listed by names.test: see https://names.test/why" in refused.text, refused.text
    s.wait_log(r'key=name-listed check=dnslists .*the sender\'s domain listed 127.0.1.2 \(weight 1\)"')
    assert "bad.test is listed by names.test" in reply(s, LISTED, helo="bad.test.").is_(550, "5.7.1").text
    for helo in ("[127.0.1.7]", "[IPv6:::1]", "bad", "mail.bad.test"):
        reply(s, LISTED, helo=helo, sender="").is_(250)
    reply(s, LISTED, "postmaster@example.org", sender="x@bad.test").is_(250)


@pytest.mark.parametrize("of", ["client", "helo", "sender"])
def test_a_list_that_lists_everybody_was_given_up(server, names, of):
    """As when its keeper stopped, or its domain was sold: RFC 5782 section 5 says by what it is told."""
    s = listing(server, names, {"sold.test": {"of": f'{{"{of}"}}'}, "block.test": {}})
    reply(s, "127.0.1.1").is_(250)
    s.wait_log(r'ev=dnslist-everybody severity=operator text="sold.test lists even what no list may')
    assert f"{LISTED} is listed by block.test" in reply(s, LISTED).is_(550).text
    shown = s.tool("check", "rcpt", "alice@example.org", "--from", "x@y.test", "--client", "127.0.1.1", "--helo",
                   "client.test").stdout
    assert "no opinion, it lists everybody 127.0.0.2; block.test: not listed" in shown, shown


def test_lists_that_are_silent_delay_their_client_alone(server):
    with silent_name_server() as port:
        s = listing(server, f'{{"127.0.0.1:{port}"}}', {"block.test": {}, "second.test": {}})
        told, seconds = answer_after_waiting(s, LISTED, lambda: reply(s, "127.0.0.2"))
        told.is_(250)
        assert seconds < 7


def answers_for(zone, channel, stop):
    """Says 127.0.0.2 for every A in the zone but 127.0.0.1's, that there is no other type, and nothing of other zones."""
    wanted = b"".join(bytes([len(label)]) + label.encode() for label in zone.split(".")) + b"\0"
    while not stop.is_set():
        try:
            query, client = channel.recvfrom(4096)
        except TimeoutError:
            continue
        end = query.index(b"\0", 12) + 1
        if not query[12:end].lower().endswith(wanted):
            continue
        address = query[end:end + 2] == b"\0\1" and not query[12:].startswith(b"\x011\x010\x010\x03127")
        head = query[:2] + struct.pack(">HHHHH", 0x8580, 1, int(address), 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 2])
        channel.sendto(head + query[12:end + 4] + (record if address else b""), client)


@contextlib.contextmanager
def half_silent(zone):
    """A name server that answers for this zone alone; gives its setting."""
    stop = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as half:
        half.bind(("127.0.0.1", 0))
        half.settimeout(0.2)
        thread = threading.Thread(target=answers_for, args=(zone, half, stop))
        thread.start()
        try:
            yield f'{{"127.0.0.1:{half.getsockname()[1]}"}}'
        finally:
            stop.set()
            thread.join()


def test_at_the_deadline_those_count_that_answered(server):
    with half_silent("block.test") as dns:
        s = listing(server, dns, {"silent.test": {}, "block.test": {}})
        began = time.monotonic()
        assert f"{LISTED} is listed by block.test" in reply(s, LISTED).is_(550, "5.7.1").text
        assert 3 < time.monotonic() - began < 7
        began = time.monotonic()
        reply(s, LISTED).is_(550)  # it is known for a while
        assert time.monotonic() - began < 1


def all_that_asks(server, dns, lists):
    """A server with every check that asks the DNS about a recipient's client."""
    return server(sections={**{f'dnslist "{zone}"': {} for zone in lists}, "helo": {"must-resolve": "yes"},
                            "reverse-name": {"must-exist": "yes"}, "greylist": {"delay": '"1m"'},
                            "dns": {"servers": dns, **UNSIGNED}})


def test_waits_for_a_dead_name_server_do_not_add_up(server):
    """Four facts of 5 s each are waited for 8 s in all; meanwhile and afterwards nobody else waits."""
    with silent_name_server() as port:
        s = all_that_asks(server, f'{{"127.0.0.1:{port}"}}', ["block.test"])
        told, seconds = answer_after_waiting(s, LISTED, lambda: reply(s, "127.0.0.2"))
        told.is_(450, "4.7.1")
        assert "Greylisted" in told.text
        assert 4 < seconds < 9.5, seconds


def test_whose_names_hang_is_looked_up_in_the_lists_all_the_same(server):
    """Name servers of the client's own cannot use up the time in which lists are asked; what came of those counts."""
    with half_silent("block.test") as dns:
        s = all_that_asks(server, dns, ["silent.test", "block.test"])
        began = time.monotonic()
        assert f"{LISTED} is listed by block.test" in reply(s, LISTED).is_(550, "5.7.1").text
        assert 7 < time.monotonic() - began < 9.5
