# SPDX-License-Identifier: Apache-2.0
"""Checks that ask the DNS about strangers: what each answer of a real name server leads to, and one that hangs."""
import pytest

from harness.name_server import answer_after_waiting, name_server, silent_name_server

UNSIGNED = {"trust-anchor": '""'}


@pytest.fixture
def names(tmp_path):
    folder = tmp_path / "nsd"
    folder.mkdir()
    zones = {
        "good.test": "@ IN MX 10 mx\nmx IN A 192.0.2.1\nonly-address IN A 192.0.2.2\nsix IN AAAA 2001:db8::1\n"
                     "empty IN TXT \"no mail here\"\nnull IN MX 0 .\n",
        "xn--bcher-kva.test": "@ IN MX 10 mx.good.test.\n",
    }
    with name_server(folder, zones) as port:
        yield f'{{"127.0.0.1:{port}"}}'


def checking(server, dns, **settings):
    return server(sections={"sender-domain": {"must-exist": "yes", **settings}, "dns": {"servers": dns, **UNSIGNED}})


def reply(s, sender, source="127.0.1.1"):
    with s.client(source) as c:
        c.cmd("EHLO client.test")
        c.cmd(f"MAIL FROM:<{sender}> SMTPUTF8").is_(250)
        return c.cmd("RCPT TO:<alice@example.org>")


def test_a_sender_must_have_a_domain_to_which_mail_can_go(server, names):
    s = checking(server, names)
    for domain in ("good.test", "GOOD.test", "only-address.good.test", "six.good.test", "[192.0.2.1]"):
        reply(s, f"x@{domain}").is_(250)
    reply(s, "x@b\u00fccher.test").is_(250)
    reply(s, "").is_(250)
    reply(s, "x@nowhere.good.test").is_(550, "5.1.8")
    reply(s, "x@empty.good.test").is_(550, "5.1.8")
    reply(s, "x@null.good.test").is_(550, "5.7.27")
    # nsd does not serve this zone and says so, which is no answer
    reply(s, "x@other.test").is_(450, "4.1.8")
    reply(s, "x@nowhere.good.test", source="127.0.0.2").is_(250)  # trusted
    s.wait_log(r'key=sender-domain-unknown check=sender-domain why="\\"nowhere.good.test\\" does not exist"')


def test_it_is_for_whom_it_is_meant(server, names):
    s = checking(server, names, **{"only-for": '{"127.0.3.0/24"}'})
    reply(s, "x@nowhere.good.test", "127.0.3.1").is_(550)
    reply(s, "x@nowhere.good.test", "127.0.1.1").is_(250)


def test_a_dry_run_asks_the_dns_too(server, names):
    s = checking(server, names)
    done = s.tool("check", "rcpt", "alice@example.org", "--from", "x@null.good.test", "--client", "127.0.1.1")
    assert done.returncode == 1 and "takes no mail (null MX)" in done.stdout and "550 5.7.27" in done.stdout, done.stdout


def test_a_name_server_that_hangs_delays_its_client_alone(server):
    """The client is told to come back within the limit; others are answered at once meanwhile."""
    with silent_name_server() as port:
        s = checking(server, f'{{"127.0.0.1:{port}"}}')
        told, seconds = answer_after_waiting(s, "127.0.1.1", lambda: reply(s, ""))
        told.is_(450, "4.1.8")
        assert seconds < 7


def test_a_name_server_that_dies_refuses_nobody_for_good(server, tmp_path):
    folder = tmp_path / "nsd"
    folder.mkdir()
    with name_server(folder, {"good.test": "@ IN MX 10 mx\nmx IN A 192.0.2.1\n"}) as port:
        s = checking(server, f'{{"127.0.0.1:{port}"}}')
        reply(s, "x@good.test").is_(250)
    reply(s, "x@good.test").is_(250)  # it is remembered
    reply(s, "x@other.good.test").is_(450, "4.1.8")
