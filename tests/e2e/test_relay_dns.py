# SPDX-License-Identifier: Apache-2.0
"""Where mail goes by the DNS, asked of NSD, an authoritative server that was not written here.

Mail exchangers listen on port 25, at loopback addresses of their own, so these tests need the right to bind it.
"""
import time

import pytest

from harness.conf import write
from harness.deadline import until
from harness.name_server import name_server
from harness.remote import Remote
from harness.server import message, token
from test_relay_remotes import FROM, QUEUE, bounced, log_of, send, wait_for

ONE, TWO, NOBODY = "127.0.25.1", "127.0.25.2", "127.0.25.9"

ZONE = f"""\
ns          IN A   127.0.0.1
one         IN A   {ONE}
two         IN A   {TWO}
gone        IN A   {NOBODY}
me          IN A   127.0.0.1
both        IN A   {ONE}
both        IN AAAA ::1
six         IN MX  10 both.test.
pref        IN MX  20 two.test.
pref        IN MX  10 one.test.
fall        IN MX  10 gone.test.
fall        IN MX  20 two.test.
equal       IN MX  10 one.test.
equal       IN MX  10 two.test.
null        IN MX  0 .
plain       IN A   {ONE}
alias       IN CNAME pref.test.
self        IN MX  10 mx.example.org.
half        IN MX  10 gone.test.
half        IN MX  20 mx.example.org.
half        IN MX  30 two.test.
broken      IN MX  10 nosuch.test.
nomail      IN TXT "neither MX nor address"
share1      IN MX  10 one.test.
share2      IN MX  10 one.test.
bogus       IN MX  10 one.test.
"""

# A key that nobody has: the zone is not signed, so every answer below it fails its validation.
ANCHOR = "bogus.test. IN DS 4711 13 2 " + "ab" * 32 + "\n"


@pytest.fixture(scope="module")
def zone(module_folder):
    folder = module_folder("nsd")
    write(folder / "anchor", ANCHOR)
    with name_server(folder, {"test": ZONE}) as port:
        yield port, str(folder / "anchor")


@pytest.fixture(scope="module")
def exchangers():
    try:
        one, two = Remote(address=ONE, port=25), Remote(address=TWO, port=25)
    except OSError as error:
        pytest.skip(f"port 25 cannot be bound: {error}")
    yield one, two
    one.close()
    two.close()


@pytest.fixture
def s(server, zone, exchangers):
    port, anchor = zone
    made = server(start=False)
    made.reconfigure(sections={"queue": QUEUE, "dns": {"servers": f'{{"127.0.0.1:{port}"}}', "trust-anchor": f'"{anchor}"'},
                               'route "byname.test"': {"via": f'"smtp://me.test:{made.port}"'}})
    return made.start()


def test_mail_goes_where_the_dns_says(s, exchangers):
    """RFC 5321 section 5.1: preference, fall-back, no MX, CNAME; all at once."""
    one, two = exchangers
    sent = {name: send(s, f"x@{name}.test")[0] for name in ("pref", "fall", "plain", "alias")}
    for name, remote in (("pref", one), ("fall", two), ("plain", one), ("alias", one)):
        assert remote.message(sent[name])["recipients"] == [f"x@{name}.test"]
    assert not any(two.holding(sent[name]) for name in ("pref", "plain", "alias"))


def test_ipv6_is_tried_first_and_ipv4_when_it_fails(s, exchangers):
    """RFC 5321 section 5.2: both families' addresses are used."""
    one, _ = exchangers
    mark, _ = send(s, "x@six.test")
    assert one.message(mark)["recipients"] == ["x@six.test"]
    try:
        six = Remote(address="::1", port=25)
    except OSError as error:
        pytest.skip(f"port 25 of [::1] cannot be bound: {error}")
    with six:
        mark, _ = send(s, "y@six.test")
        assert six.message(mark)["recipients"] == ["y@six.test"]


def test_hosts_of_equal_preference_share_the_mail(s, exchangers):
    """RFC 5321 section 5.1: in an order drawn by chance."""
    one, two = exchangers
    marks = [send(s, f"x{i}@equal.test")[0] for i in range(24)]
    until(lambda: all(one.holding(mark) or two.holding(mark) for mark in marks), "all arrived", 15)
    assert sum(bool(one.holding(mark)) for mark in marks) not in (0, 24)


def test_domains_with_the_same_exchangers_are_one_destination(s, exchangers):
    """Recipients of one message to one host share a transaction."""
    one, _ = exchangers
    mark, _ = send(s, "a@share1.test", "b@share2.test")
    assert sorted(one.message(mark)["recipients"]) == ["a@share1.test", "b@share2.test"]


@pytest.mark.parametrize("domain, status", [("null.test", "5.1.10"), ("nosuch.test", "5.1.2"), ("self.test", "5.4.6"),
                                            ("byname.test", "5.4.6"), ("broken.test", "5.4.4"), ("nomail.test", "5.4.4")])
def test_what_no_waiting_helps_comes_back_at_once(s, domain, status):
    """Null MX (RFC 7505), no such domain, ourselves by name and by address, exchangers without an address."""
    mark, identity = send(s, f"x@{domain}")
    bounce, = bounced(s, mark, 10)
    assert f"Status: {status}\n" in bounce.raw.decode().replace("\r", ""), bounce.raw.decode()[-3000:]
    assert len(log_of(s, "bounce-owed", identity)) == 1


def test_less_preferred_hosts_than_ourselves_are_not_asked(s, exchangers):
    """RFC 5321 section 5.1: they would only bring it back."""
    _, two = exchangers
    mark, identity = send(s, "x@half.test")
    time.sleep(1.5)
    assert not two.holding(mark) and not log_of(s, "delivered", identity)
    assert s.queued() == 1


def test_trouble_with_the_dns_is_temporary(s, exchangers):
    """SERVFAIL, and an answer that fails its DNSSEC validation: the mail waits, and says why."""
    one, _ = exchangers
    refused, bogus = send(s, "x@fails.example"), send(s, "x@bogus.test")
    assert "DNS" in wait_for(s, "deferred", refused[1])[0]
    assert "DNSSEC" in wait_for(s, "deferred", bogus[1])[0]
    assert not one.holding(bogus[0])
    assert s.queued() == 2
    mark = token()
    s.deliver(message(mark), ["x@pref.test"], FROM, "127.0.0.2").is_(250)
    one.message(mark)
