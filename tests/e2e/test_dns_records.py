# SPDX-License-Identifier: Apache-2.0
"""Records as src/dns hands them to checks, asked of NSD by the program dns_ask."""
import os
import subprocess

import pytest

from harness.conf import write
from harness.name_server import name_server
from harness.server import program

MANY, TOO_MANY = 1024, 1025

ZONE = """\
ns          IN A    127.0.0.1
plain       IN TXT  "v=spf1 -all"
pieces      IN TXT  "v=spf1 ip4:192.0.2" ".0/24" "" " -all"
several     IN TXT  "one"
several     IN TXT  "two"
octets      IN TXT  "a\\255\\010b"
alias       IN CNAME several.test.
circle      IN CNAME circle2.test.
circle2     IN CNAME circle.test.
only-a      IN A    192.0.2.1
both        IN A    192.0.2.1
both        IN A    192.0.2.2
both        IN AAAA 2001:db8::1
mx          IN MX   20 Two.test.
mx          IN MX   10 one.test.
null        IN MX   0 .
odd         IN MX   10 a\\032b.test.
a\\032b/c:d IN TXT  "blank, slash, colon"
back\\\\slash IN TXT "backslash"
bogus       IN TXT  "not signed"
""" + "".join(f'large IN TXT "{i:04} {"x" * 240}"\n' for i in range(60)) \
    + "".join(f"many IN A 10.0.{i // 256}.{i % 256}\n" for i in range(MANY)) \
    + "".join(f"toomany IN A 10.0.{i // 256}.{i % 256}\n" for i in range(TOO_MANY))

REVERSE = {
    "5.168.192.in-addr.arpa": "9 IN PTR lan.test.\n",
    "5.169.192.in-addr.arpa": "9 IN PTR beside.test.\n",
    "44.33.22.in-addr.arpa": "1 IN PTR Host.Test.\n1 IN PTR host2.test.\n1 IN PTR a\\032b.test.\n",
}

# Keys that nobody has: the names are not signed, so their answers fail their validation.
ANCHOR = "".join(f"{name}. IN DS 4711 13 2 {'ab' * 32}\n" for name in ("bogus.test", "192.in-addr.arpa"))


@pytest.fixture(scope="module")
def ask(module_folder):
    """A function from ("TXT plain.test", ...) to {question: (status, [record, ...])}."""
    asker = program("tests/unit/dns/dns_ask")
    if not os.path.exists(asker):
        pytest.skip("built without tests")
    folder = module_folder("nsd")
    write(folder / "anchor", ANCHOR)

    def asked(*questions):
        words = [word for question in questions for word in question.split(" ", 1)]
        done = subprocess.run([asker, f"127.0.0.1@{port}", str(folder / "anchor"), *words], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        answers = {}
        for line in done.stdout.splitlines():
            if line.startswith("\t"):
                records.append(line[1:])
            else:
                question, status, secure = line.rsplit(" ", 2)
                assert secure == "insecure"
                records = []
                answers[question] = status, records
        assert list(answers) == list(questions)
        return answers

    with name_server(folder, {"test": ZONE, **REVERSE}) as port:
        yield asked


def one(ask, question):
    return ask(question)[question]


def test_the_strings_of_a_txt_record_are_joined(ask):
    assert one(ask, "TXT plain.test") == ("ok", ["v=spf1 -all"])
    assert one(ask, "TXT pieces.test") == ("ok", ["v=spf1 ip4:192.0.2.0/24 -all"])
    assert one(ask, "TXT octets.test") == ("ok", [r"a\xff\x0ab"])


def test_every_record_is_there_also_behind_an_alias(ask):
    for name in ("several.test", "SEVERAL.test.", "alias.test"):
        status, records = one(ask, f"TXT {name}")
        assert (status, sorted(records)) == ("ok", ["one", "two"])


def test_an_alias_itself(ask):
    assert one(ask, "CNAME alias.test") == ("ok", ["several.test"])
    assert one(ask, "CNAME several.test") == ("no-data", [])


def test_what_is_missing_and_what_cannot_be_known_differ(ask):
    expected = {"TXT only-a.test": "no-data", "AAAA only-a.test": "no-data", "MX plain.test": "no-data",
                "TXT nosuch.test": "no-name", "PTR 2.44.33.22.in-addr.arpa": "no-name",
                "TXT fails.example": "temporary", "A circle.test": "temporary", "TXT bogus.test": "bogus"}
    assert ask(*expected) == {question: (status, []) for question, status in expected.items()}


def test_addresses_of_one_family_alone(ask):
    status, records = one(ask, "A both.test")
    assert (status, sorted(records)) == ("ok", ["192.0.2.1", "192.0.2.2"])
    assert one(ask, "AAAA both.test") == ("ok", ["2001:db8::1"])


def test_exchangers_as_they_are(ask):
    status, records = one(ask, "MX mx.test")
    assert (status, sorted(records)) == ("ok", ["10 one.test", "20 two.test"])
    assert one(ask, "MX null.test") == ("ok", ["0 "])


def test_names_that_no_host_has_are_left_out(ask):
    assert one(ask, "MX odd.test") == ("ok", [])
    status, records = one(ask, "PTR 1.44.33.22.in-addr.arpa")
    assert (status, sorted(records)) == ("ok", ["host.test", "host2.test"])


def test_the_local_network_has_names_where_its_server_knows_them(ask):
    """Nobody signs these, so they are not validated; what is beside them is."""
    assert one(ask, "PTR 9.5.169.192.in-addr.arpa") == ("bogus", [])
    assert one(ask, "PTR 9.5.168.192.in-addr.arpa") == ("ok", ["lan.test"])


def test_names_with_any_bytes_can_be_asked_for(ask):
    """Macros of SPF make such names (RFC 7208 section 7.3)."""
    assert one(ask, "TXT a b/c:d.test") == ("ok", ["blank, slash, colon"])
    assert one(ask, r"TXT back\slash.test") == ("ok", ["backslash"])
    assert one(ask, r"TXT b\097ck.test") == ("no-name", [])


def test_what_is_no_name_does_not_exist(ask):
    long = ".".join(["x" * 60] * 5)
    assert ask(f"TXT {'x' * 64}.test", "TXT a..test", f"TXT {long}", "TXT ") == {
        question: ("no-name", []) for question in (f"TXT {'x' * 64}.test", "TXT a..test", f"TXT {long}", "TXT ")}


def test_large_sets_come_whole_or_not_at_all(ask):
    answers = ask("TXT large.test", "A many.test", "A toomany.test")
    status, records = answers["TXT large.test"]
    assert (status, sorted(records)) == ("ok", [f"{i:04} {'x' * 240}" for i in range(60)])
    status, records = answers["A many.test"]
    assert (status, len(set(records))) == ("ok", MANY)
    assert answers["A toomany.test"] == ("temporary", [])


def test_many_questions_are_open_at_once(ask):
    questions = [f"TXT n{i}.test" for i in range(90)] + ["TXT plain.test"]
    answers = ask(*questions)
    assert answers.pop("TXT plain.test") == ("ok", ["v=spf1 -all"])
    assert set(status for status, _ in answers.values()) == {"no-name"}
