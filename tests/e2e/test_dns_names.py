# SPDX-License-Identifier: Apache-2.0
"""The name of a client's address and the way back, and the name in HELO: a real name server's answers, and bad ones."""
import pytest

from harness.name_server import answer_after_waiting, name_server, silent_name_server

UNSIGNED = {"trust-anchor": '""'}
GOOD, ASTRAY, NAMELESS = "127.0.1.1", "127.0.1.2", "127.0.1.3"
UNUSABLE = "has a PTR record without a name that a host can have"
BOTH = {"must-exist": "yes", "must-match": "yes"}

REVERSE = """\
1.1.0 IN PTR good.names.test.
2.1.0 IN PTR elsewhere.names.test.
4.1.0 IN PTR 4.1.0.127.in-addr.arpa.
5.1.0 IN CNAME 5.0/25.1.0.127.in-addr.arpa.
5.0/25.1.0 IN CNAME 5.customer.names.test.
6.1.0 IN CNAME 6.1.0.127.in-addr.arpa.
7.1.0 IN PTR nowhere.names.test.
8.1.0 IN PTR broken.other.test.
9.1.0 IN PTR "no name\\032here".names.test.
13.1.0 IN PTR line\\010break.names.test.
14.1.0 IN PTR dot\\.inside.names.test.
15.1.0 IN PTR .
16.1.0 IN PTR .
16.1.0 IN PTR good16.names.test.
10.1.0 IN PTR elsewhere.names.test.
10.1.0 IN PTR many-addresses.names.test.
11.1.0 IN PTR broken.other.test.
11.1.0 IN PTR elsewhere.names.test.
"""

NAMES = """\
good IN A 127.0.1.1
good16 IN A 127.0.1.16
elsewhere IN A 192.0.2.1
elsewhere IN AAAA ::1
5.customer IN PTR delegated.names.test.
delegated IN CNAME real.names.test.
real IN A 127.0.1.5
six IN AAAA ::1
mail-only IN MX 10 mx.other.test.
no-mail IN MX 0 .
text-only IN TXT "neither"
my_host IN A 192.0.2.3
"""

SIX = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"


def zones():
    crowd = "".join(f"12.1.0 IN PTR crowd{n}.names.test.\n" for n in range(300))
    many = "".join(f"many-addresses IN A 192.0.2.{n}\n" for n in range(1, 200)) + "many-addresses IN A 127.0.1.10\n"
    return {"127.in-addr.arpa": REVERSE + crowd, "names.test": NAMES + many, SIX: "@ IN PTR six.names.test.\n"}


@pytest.fixture
def names(tmp_path):
    folder = tmp_path / "nsd"
    folder.mkdir()
    with name_server(folder, zones()) as port:
        yield f'{{"127.0.0.1:{port}"}}'


def checking(server, dns, **sections):
    return server(sections={**sections, "dns": {"servers": dns, **UNSIGNED}})


def reply(s, source, helo="client.test", recipient="alice@example.org"):
    with s.client(source) as c:
        c.cmd(f"EHLO {helo}")
        c.cmd("MAIL FROM:<x@y.test>").is_(250)
        return c.cmd(f"RCPT TO:<{recipient}>")


def opinion(s, check, client, helo="client.test"):
    """Its words in a dry run, for the recipient."""
    done = s.tool("check", "rcpt", "alice@example.org", "--from", "x@y.test", "--helo", helo, "--client", client)
    return [" ".join(line.split()) for line in done.stdout.splitlines() if line.split()[:1] == [check]][-1]


def test_an_address_must_have_a_name_that_leads_back(server, names):
    s = checking(server, names, **{"reverse-name": BOTH})
    reply(s, GOOD).is_(250)
    assert "no name in the DNS" in reply(s, NAMELESS).is_(550, "5.7.25").text
    assert "does not lead back" in reply(s, ASTRAY).is_(550, "5.7.25").text
    reply(s, "127.0.0.2").is_(250)  # trusted
    reply(s, NAMELESS, recipient="postmaster@example.org").is_(250)
    assert opinion(s, "reverse-name", GOOD) == \
        'reverse-name pass 127.0.1.1 is called "good.names.test", which leads back'
    assert opinion(s, "reverse-name", ASTRAY).startswith(
        'reverse-name 550 127.0.1.2 is called "elsewhere.names.test", which does not lead back (waybill.conf:')
    assert opinion(s, "reverse-name", NAMELESS).startswith("reverse-name 550 127.0.1.3 has no name in the DNS (")
    s.wait_log(r'key=client-nameless check=reverse-name why="127.0.1.3 has no name in the DNS"')


def test_who_was_passed_for_postmaster_was_not_passed(server, names):
    s = checking(server, names, **{"reverse-name": BOTH, "helo": {"must-resolve": "yes"}})
    with s.client(NAMELESS) as c:
        c.cmd("EHLO good.names.test")
        c.cmd("MAIL FROM:<x@y.test>").is_(250)
        c.cmd("RCPT TO:<postmaster>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(550, "5.7.25")
    with s.client(GOOD) as c:
        c.cmd("EHLO nowhere.names.test")
        c.cmd("MAIL FROM:<x@y.test>").is_(250)
        c.cmd("RCPT TO:<postmaster@example.org>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(550, "5.7.1")


@pytest.mark.parametrize("client, code, words", [
    ("127.0.1.4", 550, 'is called "4.1.0.127.in-addr.arpa", which does not lead back'),  # points to itself
    ("127.0.1.5", "pass", 'is called "delegated.names.test", which leads back'),  # RFC 2317, and a CNAME forward
    ("127.0.1.6", "pass", "the name of the address cannot be looked up now"),  # a CNAME that never ends
    ("127.0.1.7", 550, 'is called "nowhere.names.test", which does not lead back'),
    ("127.0.1.8", "pass", 'is called "broken.other.test", and whether that leads back is not known'),
    ("127.0.1.9", 550, UNUSABLE),
    ("127.0.1.13", 550, UNUSABLE),
    ("127.0.1.14", 550, UNUSABLE),
    ("127.0.1.15", 550, UNUSABLE),
    ("127.0.1.16", "pass", 'is called "good16.names.test", which leads back'),  # beside one of use
    ("127.0.1.10", "pass", 'is called "many-addresses.names.test", which leads back'),
    ("127.0.1.11", "pass", "and whether that leads back is not known"),  # one denies, the other is silent
    ("127.0.1.12", 550, "which does not lead back"),  # 300 names
    ("::1", "pass", 'is called "six.names.test", which leads back'),
])
def test_what_a_name_server_may_say(server, names, client, code, words):
    s = checking(server, names, **{"reverse-name": BOTH})
    said = opinion(s, "reverse-name", client)
    assert said.startswith(f"reverse-name {code} ") and words in said, said


@pytest.mark.parametrize("client", ["127.0.1.9", "127.0.1.15"])
def test_a_ptr_record_without_a_name_is_not_said_to_be_missing(server, names, client):
    """The other postmaster sees it there with dig."""
    s = checking(server, names, **{"reverse-name": {"must-exist": "yes"}})
    text = reply(s, client).is_(550, "5.7.25").text
    assert "PTR record of your host's address holds no name that a host can have" in text and "no PTR" not in text
    s.wait_log(f'key=client-name-unusable check=reverse-name why="{client} {UNUSABLE}"')


def test_a_name_alone_is_enough_where_no_more_is_asked(server, names):
    s = checking(server, names, **{"reverse-name": {"must-exist": "yes"}})
    reply(s, ASTRAY).is_(250)
    reply(s, "127.0.1.12").is_(250)
    reply(s, NAMELESS).is_(550, "5.7.25")


def test_clients_can_be_put_off_instead(server, names):
    s = checking(server, names, **{"reverse-name": {**BOTH, "defer": "yes", "only-for": '{"127.0.1.0/30"}'}})
    reply(s, NAMELESS).is_(450, "4.7.25")
    reply(s, ASTRAY).is_(450, "4.7.25")
    reply(s, GOOD).is_(250)
    reply(s, "127.0.1.4").is_(250)  # it is not meant


@pytest.mark.parametrize("check, settings, words", [
    ("reverse-name", BOTH, "the name of the address cannot be looked up now"),
    ("helo", {"must-resolve": "yes"}, '"client.test" cannot be looked up now'),
])
def test_a_name_server_that_hangs_delays_its_client_alone(server, check, settings, words):
    with silent_name_server() as port:
        s = checking(server, f'{{"127.0.0.1:{port}"}}', **{check: settings})
        told, seconds = answer_after_waiting(s, NAMELESS, lambda: reply(s, "127.0.0.2"))
        told.is_(250)
        assert 3 < seconds < 7
        assert opinion(s, check, NAMELESS, "client.test") == f"{check} pass {words}"


@pytest.mark.parametrize("helo, code, words", [
    ("good.names.test", "pass", "is known to the DNS"),
    ("good.names.test.", "pass", "is known to the DNS"),
    ("six.names.test", "pass", "is known to the DNS"),
    ("mail-only.names.test", "pass", "is known to the DNS"),
    ("no-mail.names.test", "pass", "is known to the DNS"),
    ("my_host.names.test", "pass", "is known to the DNS"),
    ("[127.0.1.1]", "pass", "is the client's address"),
    ("[127.0.1.2]", 550, "is not the client's address"),
    ("localhost", 550, "never exists (RFC 6761)"),
    ("nowhere.names.test", 550, "does not exist"),
    ("text-only.names.test", 550, "has neither an address nor a mail exchanger"),
    ("host.other.test", "pass", "cannot be looked up now"),
])
def test_the_name_in_helo_must_be_known_to_the_dns(server, names, helo, code, words):
    s = checking(server, names, helo={"must-resolve": "yes"})
    reply(s, GOOD, helo).is_(250 if code == "pass" else code)
    assert opinion(s, "helo", GOOD, helo).startswith(f'helo {code} "{helo}" {words}')


def test_the_name_in_helo_of_trusted_clients_and_for_postmaster(server, names):
    s = checking(server, names, helo={"must-resolve": "yes"})
    reply(s, "127.0.0.2", "nowhere.names.test").is_(250)
    reply(s, GOOD, "nowhere.names.test", "postmaster@example.org").is_(250)
    reply(s, GOOD, "nowhere.names.test").is_(550, "5.7.1")
