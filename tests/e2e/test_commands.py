# SPDX-License-Identifier: Apache-2.0
"""The commands of a session, their order and their replies (RFC 5321 section 4.1)."""
import pytest

from harness.raw import Closed
from harness.server import message, token


def test_the_greeting_names_the_host(demo):
    """RFC 5321 section 4.3.1: 220 and the name of the server."""
    with demo.raw() as c:
        assert c.reply().is_(220).text.split()[0].endswith("example.org")


def test_ehlo_lists_the_extensions(demo):
    """RFC 5321 section 4.1.1.1; RFC 1870, 2034, 2920, 3030, 3461, 6152, 6531, 9422."""
    with demo.raw() as c:
        c.reply()
        lines = c.cmd("EHLO client.test").is_(250).lines
    words = [line.split() for line in lines[1:]]
    names = [w[0] for w in words]
    assert sorted(names) == sorted(set(names))
    assert {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME", "DSN",
            "LIMITS"} <= set(names)
    assert "STARTTLS" not in names  # nothing is offered that is not there
    by_name = {w[0]: w[1:] for w in words}
    assert int(by_name["SIZE"][0]) > 1024 * 1024
    assert any(word.startswith("RCPTMAX=") for word in by_name["LIMITS"])


def test_helo_is_answered_in_one_line_without_extensions(demo):
    """RFC 5321 section 4.1.1.1 and 2.2.1: HELO must be supported."""
    with demo.raw() as c:
        c.reply()
        assert len(c.cmd("HELO client.test").is_(250).lines) == 1


@pytest.mark.parametrize("line", ["EHLO", "HELO", "EHLO ", "EHLO two words", "HELO a(b)", "EHLO <a>", "EHLO \x01",
                                  "EHLO \"a\""])
def test_a_malformed_greeting_is_501(demo, line):
    """RFC 5321 section 4.1.1.1: one word that can stand in a trace field; 4.1.4 forbids to be stricter about names."""
    with demo.raw() as c:
        c.reply()
        assert c.cmd(line).code == 501


@pytest.mark.parametrize("name", ["client.test", "localhost", "[127.0.0.1]", "[IPv6:::1]", "[IPv6:2001:db8::1]"])
def test_ehlo_takes_domains_and_address_literals(demo, name):
    """RFC 5321 section 4.1.3 and 4.1.4."""
    with demo.raw() as c:
        c.reply()
        c.cmd("EHLO " + name).is_(250)


@pytest.mark.parametrize("line", ["MAIL FROM:<a@b.test>", "RCPT TO:<alice@example.org>", "DATA"])
def test_mail_needs_a_greeting_first(demo, line):
    """RFC 5321 section 4.1.4: 503 out of sequence."""
    with demo.raw() as c:
        c.reply()
        c.cmd(line).is_(503, "5.5.1")


def test_rcpt_before_mail_is_503(demo):
    """RFC 5321 section 3.3."""
    with demo.client() as c:
        c.cmd("RCPT TO:<alice@example.org>").is_(503, "5.5.1")


def test_data_before_mail_and_before_rcpt_is_refused(demo):
    """RFC 5321 section 3.3: 503 or 554."""
    with demo.client() as c:
        c.cmd("DATA").is_(503, "5.5.1")
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        assert c.cmd("DATA").code in (503, 554)


def test_data_after_only_refused_recipients_is_554(demo):
    """RFC 5321 section 3.3: no valid recipients."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<nobody@example.org>").is_(550)
        assert c.cmd("DATA").code in (503, 554)


def test_a_second_mail_inside_a_transaction_is_503(demo):
    """RFC 5321 section 4.1.4."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("MAIL FROM:<a@b.test>").is_(503, "5.5.1")


@pytest.mark.parametrize("line", ["RSET", "EHLO other.test", "HELO other.test"])
def test_the_transaction_ends_at(demo, line):
    """RFC 5321 section 4.1.1.5 and 4.1.4: RSET and a new EHLO clear the buffers."""
    with demo.client() as c:
        c.begin()
        c.cmd(line).is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(503)


def test_commands_are_case_insensitive_and_trailing_blanks_are_taken(demo):
    """RFC 5321 section 2.4 and 4.1.1."""
    with demo.raw() as c:
        c.reply()
        c.cmd("eHlO client.test ").is_(250)
        c.cmd("mail from:<a@b.test> ").is_(250)
        c.cmd("rCpT tO:<alice@example.org> ").is_(250)
        c.cmd("rset ").is_(250)
        c.cmd("noop ").is_(250)
        c.cmd("quit ").is_(221)
        assert c.is_closed()


def test_noop_ignores_its_argument(demo):
    """RFC 5321 section 4.1.1.9."""
    with demo.client() as c:
        c.cmd("NOOP").is_(250)
        c.cmd("NOOP nothing to see").is_(250)


@pytest.mark.parametrize("line", ["RSET now", "DATA now", "QUIT now"])
def test_commands_without_arguments_refuse_one(demo, line):
    """RFC 5321 section 4.1.1: 501."""
    with demo.client() as c:
        c.begin()
        c.cmd(line).is_(501)


def test_quit_is_221_and_closes(demo):
    """RFC 5321 section 4.1.1.10."""
    with demo.client() as c:
        c.cmd("QUIT").is_(221)
        assert c.is_closed()


def test_help_is_214_with_and_without_argument(demo):
    """RFC 5321 section 4.1.1.8."""
    with demo.client() as c:
        reply = c.cmd("HELP").is_(214)
        assert "MAIL" in reply.text and "BDAT" in reply.text
        assert c.cmd("HELP MAIL").code in (214, 504)


@pytest.mark.parametrize("line", ["HELLO", "XYZZY", "MAILFROM:<a@b.test>", "", "\x00", "\xe9", "MAI", "QUITX"])
def test_an_unknown_command_is_500(demo, line):
    """RFC 5321 section 4.2.4."""
    with demo.client() as c:
        c.cmd(line).is_(500)
        c.cmd("NOOP").is_(250)


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "POST /x HTTP/1.1", "PRI * HTTP/2.0"])
def test_a_browser_is_shown_the_door(demo, line):
    """RFC 5321 section 7.8: what follows a line of HTTP is no mail; 421 and close."""
    with demo.raw() as c:
        c.reply()
        reply = c.send(line.encode() + b"\r\nHost: x\r\n\r\nMAIL FROM:<a@b.test>\r\n").reply().is_(421, "4.7.0")
        assert "not a web server" in reply.text
        assert c.is_closed()


@pytest.mark.parametrize("line", ["TURN", "SEND FROM:<a@b.test>", "ETRN example.org", "AUTH PLAIN", "STARTTLS"])
def test_a_command_that_is_not_offered_is_500_or_502(demo, line):
    """RFC 5321 section 4.2.4; RFC 3207 section 4."""
    with demo.client() as c:
        assert c.cmd(line).code in (500, 502, 503)


@pytest.mark.parametrize("parameter, codes", [("FOO=bar", (555,)), ("SIZE=many", (501,)), ("SIZE=1 SIZE=1", (501,)),
                                             ("BODY=SMOKE", (501, 504)), ("RET=SOME", (501,)),
                                             ("ENVID=", (501,)), ("RET=FULL RET=FULL", (501,))])
def test_mail_parameters_that_cannot_be_taken(demo, parameter, codes):
    """RFC 5321 section 4.1.1.11: 555 for an unknown one, 501 for a bad value."""
    with demo.client() as c:
        assert c.cmd("MAIL FROM:<a@b.test> " + parameter).code in codes


def test_mail_takes_its_parameters_in_any_order_and_case(demo):
    """RFC 5321 section 4.1.1.2; RFC 1870; RFC 6152; RFC 6531."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test> smtputf8 Body=8bitMIME SiZe=1000").is_(250)


def test_rcpt_refuses_unknown_parameters_with_555(demo):
    """RFC 5321 section 4.1.1.11."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org> FOO=bar").is_(555)


def test_a_command_line_that_is_too_long_is_500_and_the_session_goes_on(demo):
    """RFC 5321 section 4.5.3.1.4: the rest of the line is no command."""
    with demo.client() as c:
        for length in (2100, 5000, 300000):
            c.cmd("NOOP " + "x" * length).is_(500)
        c.cmd("NOOP").is_(250)


def test_a_command_line_of_512_octets_is_taken(demo):
    """RFC 5321 section 4.5.3.1.4: at least 512 with CRLF."""
    with demo.client() as c:
        c.cmd("NOOP " + "x" * (512 - 7)).is_(250)


def test_a_bare_lf_does_not_end_a_command(demo):
    """RFC 5321 section 2.3.8: a line ends in CRLF; nothing hidden behind LF is executed."""
    with demo.client() as c:
        c.send(b"NOOP\nVRFY alice\r\n")
        assert "CR LF" in c.reply().is_(500, "5.5.2").text
        c.cmd("HELP").is_(214)  # one reply for one line


def test_many_bad_commands_end_the_session_with_421(demo):
    """RFC 5321 section 4.3.2 and 7.8: 421 and close."""
    with demo.client() as c:
        codes = []
        try:
            for _ in range(200):
                codes.append(c.cmd("XYZZY").code)
        except (Closed, BrokenPipeError, ConnectionResetError):
            pass
    assert codes[-1] == 421 and set(codes[:-1]) == {500}


def test_several_messages_in_one_session(demo):
    """RFC 5321 section 3.3."""
    marks = [token() for _ in range(5)]
    with demo.client() as c:
        for mark in marks:
            c.begin().data(message(mark)).is_(250)
        c.quit()
    for mark in marks:
        demo.mail("alice", mark)


def test_the_reply_to_data_names_the_message(demo):
    """RFC 5321 section 4.2.5: 250 is the promise; its id stands in Received and the log too."""
    mark = token()
    reply = demo.deliver(message(mark)).is_(250, "2.0.0")
    found = [word for word in reply.text.split() if len(word) == 26]
    assert len(found) == 1, reply
    assert found[0] in demo.mail("alice", mark).field("Received")
    demo.wait_log(found[0])
