# SPDX-License-Identifier: Apache-2.0
"""`waybill check domain` beside NSD: what is right, and for each thing that is wrong a sentence that mends it."""
import json
import pathlib

import pytest

from harness.conf import write
from harness.name_server import name_server
from harness.server import waybill
from test_dns_lies import kind_of, lying_name_server, name, record, says

PUBLIC, OTHER, THIRD, FOURTH = "22.33.44.1", "22.33.44.2", "22.33.44.3", "22.33.44.4"

ZONE = f"""\
ns          IN A   127.0.0.1
mx          IN A   {PUBLIC}
second      IN A   {OTHER}
inside      IN A   192.168.1.7

good        IN MX  10 mx.test.
good        IN TXT "v=spf1 mx -all"
good        IN TXT "something else"
_dmarc.good IN TXT "v=DMARC1; p=quarantine; rua=mailto:x@good.test"
_mta-sts.good IN TXT "v=STSv1; id=20260101"
_smtp._tls.good IN TXT "v=TLSRPTv1; rua=mailto:x@good.test"
sub.good    IN MX  10 mx.test.
sub.good    IN TXT "v=spf1 mx -all"

bare        IN A   {PUBLIC}
empty       IN TXT "neither"
null        IN MX  0 .
mixed       IN MX  0 .
mixed       IN MX  10 mx.test.
lost        IN MX  10 nosuch.test.
private     IN MX  10 inside.test.
noname      IN MX  10 second.test.
other       IN MX  10 second.test.
twospf      IN MX  10 mx.test.
twospf      IN TXT "v=spf1 mx -all"
twospf      IN TXT "v=spf1 a -all"
badspf      IN MX  10 mx.test.
badspf      IN TXT "v=spf1 mxx -all"
openspf     IN MX  10 mx.test.
openspf     IN TXT "v=spf1 +all"
dozen       IN MX  10 mx.test.
dozen       IN TXT "v=spf1 mx include:five.test include:four.test -all"
five        IN TXT "v=spf1 {"a:mx.test " * 5}-all"
four        IN TXT "v=spf1 {"a:mx.test " * 3}redirect=empty-spf.test"
empty-spf   IN TXT "v=spf1 -all"
fourteen    IN MX  10 mx.test.
fourteen    IN TXT "v=spf1 mx include:dozen.test -all"
voids       IN MX  10 mx.test.
voids       IN TXT "v=spf1 mx a:gone1.test a:gone2.test mx:gone3.test -all"
twovoids    IN MX  10 mx.test.
twovoids    IN TXT "v=spf1 mx a:gone1.test a:gone2.test -all"
incspf      IN MX  10 mx.test.
incspf      IN TXT "v=spf1 mx include:openspf.test -all"
movedspf    IN MX  10 mx.test.
movedspf    IN TXT "v=spf1 redirect=incspf.test"
widespf     IN MX  10 mx.test.
widespf     IN TXT "v=spf1 mx ip4:0.0.0.0/0 -all"
lostspf     IN MX  10 mx.test.
lostspf     IN TXT "v=spf1 mx include:gone1.test -all"
endless     IN MX  10 mx.test.
endless     IN TXT "v=spf1 mx include:endless.test include:endless.test -all"
openend     IN MX  10 mx.test.
openend     IN TXT "v=spf1 mx"
nospf       IN MX  10 mx.test.
nospf       IN TXT "v=spf10 mx -all"
alias       IN CNAME mx.test.
aliased     IN MX  10 alias.test.
literal     IN MX  10 192.0.2.1.
odd         IN MX  10 a\\032b.test.
third       IN A   {THIRD}
fourth      IN A   {FOURTH}
badname     IN MX  10 third.test.
unnamed     IN MX  10 fourth.test.
failspf     IN MX  10 mx.test.
failspf     IN TXT "v=spf1 ip4:192.0.2.1 -all"
dmarc2      IN MX  10 mx.test.
_dmarc.dmarc2 IN TXT "v=DMARC1; p=none"
_dmarc.dmarc2 IN TXT "v=DMARC1; p=reject"
nopolicy    IN MX  10 mx.test.
_dmarc.nopolicy IN TXT "v=DMARC1; p=maybe"
watching    IN MX  10 mx.test.
_dmarc.watching IN TXT "v=DMARC1; p=none"
noid        IN MX  10 mx.test.
_mta-sts.noid IN TXT "v=STSv1;"
dane        IN MX  10 dane-mx.test.
dane-mx     IN A   {PUBLIC}
_25._tcp.dane-mx IN TLSA 3 1 1 {"ab" * 32}
bogus       IN MX  10 mx.test.
"""
REVERSE = {"44.33.22.in-addr.arpa": "1 IN PTR mx.test.\n2 IN PTR elsewhere.test.\n3 IN PTR a\\032b.test.\n"}
ANCHOR = "bogus.test. IN DS 4711 13 2 " + "ab" * 32 + "\n"
CONF = """\
hostname = "mx.test"
data = "{folder}/data"
listen "smtp" {{ address = {{"127.0.0.1:2525"}} }}
dns {{ servers = {{"127.0.0.1:{port}"}}  trust-anchor = "{folder}/anchor" }}
"""
OURS = """\
domain "{name}" {{ mailboxes = "maildir:{folder}/{{user}}"  users = "file:{folder}/users" }}
"""


@pytest.fixture(scope="module")
def check(module_folder):
    folder = module_folder("domain")
    write(folder / "anchor", ANCHOR)
    with name_server(folder, {"test": ZONE, **REVERSE}) as port:
        def run(name, ours=False):
            text = CONF.format(folder=folder, port=port)
            write(folder / "conf", text + (OURS.format(folder=folder, name=name) if ours else ""))
            done = waybill("check", "domain", name, "--json", "-c", str(folder / "conf"))
            assert done.stderr == ""
            return done.returncode, json.loads(done.stdout)["findings"]
        run.conf = str(folder / "conf")
        yield run


def of(findings, topic, level):
    return [f for f in findings if (f["topic"], f["level"]) == (topic, level)]


def test_a_domain_in_order_is_said_to_be(check):
    code, findings = check("good.test", ours=True)
    assert code == 0 and not [f for f in findings if f["level"] == "wrong"]
    assert "mx.test (10)" in of(findings, "mx", "fine")[0]["text"]
    assert PUBLIC in of(findings, "address", "fine")[0]["text"]
    assert "mx.test, and back" in of(findings, "ptr", "fine")[0]["text"]
    assert "by mx" in of(findings, "spf", "fine")[0]["text"]
    assert "p=quarantine" in of(findings, "dmarc", "fine")[0]["text"]
    assert of(findings, "mta-sts", "fine") and of(findings, "tls-rpt", "fine")
    text = waybill("check", "domain", "good.test", "-c", check.conf)
    assert text.returncode == 0 and text.stdout.endswith("Nothing is wrong with good.test.\n")


def test_a_fault_of_this_hosts_validation_is_not_the_domains(check):
    """As with a wrong clock, an old trust anchor, or a resolver that loses signatures: everything fails."""
    conf = pathlib.Path(check.conf)
    check("good.test")
    anchor = conf.parent / "other-anchor"
    write(anchor, ANCHOR.replace("bogus.test.", "test."))
    write(conf, conf.read_text().replace(f'"{conf.parent}/anchor"', f'"{anchor}"'))
    text = waybill("check", "domain", "good.test", "-c", str(conf))
    assert text.returncode == 75 and text.stdout.endswith("could be found out about good.test.\n"), text
    assert "this host's clock" in " ".join(text.stdout.split()) and "Sign" not in text.stdout, text.stdout


def test_the_dmarc_record_of_the_domain_above_holds(check):
    code, findings = check("sub.good.test")
    assert code == 0 and "_dmarc.good.test" in of(findings, "dmarc", "fine")[0]["text"]


WRONG = [  # domain, is it ours, topic, words of the finding, words of what mends it
    ("nosuch.test", False, "mx", "does not exist", "spelling"),
    ("empty.test", False, "mx", "neither an MX record nor an address", "MX 10 mx.test."),
    ("null.test", True, "mx", "takes no mail", "MX 10 mx.test."),
    ("mixed.test", False, "mx", "contradict", "out"),
    ("bogus.test", False, "mx", "DNSSEC", "Sign"),
    ("other.test", True, "mx", "none of its exchangers is mx.test", "MX 10 mx.test."),
    ("lost.test", False, "address", "nosuch.test has no address", "A or AAAA"),
    ("private.test", False, "address", "192.168.1.7, which nobody outside", "public"),
    ("other.test", False, "spf", "no SPF record", "v=spf1 mx -all"),
    ("twospf.test", False, "spf", "2 SPF records", "one"),
    ("badspf.test", False, "spf", "mxx", "Mend"),
    ("openspf.test", False, "spf", "everybody", "-all"),
    ("openspf.test", True, "spf", "everybody (+all)", "-all"),
    ("incspf.test", False, "spf", "everybody (+all in the record of openspf.test)", "openspf.test"),
    ("movedspf.test", False, "spf", "everybody (+all in the record of openspf.test)", "openspf.test"),
    ("widespf.test", False, "spf", "everybody (ip4:0.0.0.0/0)", "-all"),
    ("fourteen.test", False, "spf", "14 terms of the SPF record ask the DNS", "in place of a, mx and include"),
    ("dozen.test", False, "spf", "12 terms of the SPF record ask the DNS", "in place of a, mx and include"),
    ("endless.test", False, "spf", "more than 50 terms", "in place of a, mx and include"),
    ("voids.test", False, "spf", "3 terms of the SPF record name what is not there (gone1.test, gone2.test, gone3.test)",
     "out"),
    ("lostspf.test", False, "spf", "leads to gone1.test, which has no SPF record", "Mend"),
    ("nospf.test", False, "spf", "no SPF record", "v=spf1 mx -all"),
    ("aliased.test", False, "mx", "alias.test is an alias of mx.test (CNAME)", "Write mx.test"),
    ("literal.test", False, "mx", "names the address 192.0.2.1", "name"),
    ("odd.test", False, "mx", "name nothing that a host can be called", "MX 10"),
    ("failspf.test", True, "spf", "result fail by -all", "ip4:" + PUBLIC),
    ("other.test", False, "dmarc", "no DMARC record", "p=none"),
    ("dmarc2.test", False, "dmarc", "2 DMARC records", "one"),
    ("nopolicy.test", False, "dmarc", "no valid policy", "p=none"),
    ("noid.test", False, "mta-sts", "without an id", "id="),
    ("dane.test", False, "tlsa", "not signed", "DNSSEC"),
]


@pytest.mark.parametrize("name, ours, topic, words, mends", WRONG)
def test_what_is_wrong_is_said_and_how_to_mend_it(check, name, ours, topic, words, mends):
    code, findings = check(name, ours)
    found = [f for f in of(findings, topic, "wrong") if words in f["text"]]
    assert code == 1 and found, findings
    assert mends in found[0]["fix"]


NOTES = [
    ("null.test", "mx", "takes no mail"),
    ("bare.test", "mx", "no MX record"),
    ("noname.test", "ptr", "does not lead back"),
    ("badname.test", "ptr", f"the PTR record of {THIRD} (third.test) holds no name that a host can have"),
    ("unnamed.test", "ptr", f"{FOURTH} (fourth.test) has no PTR record"),
    ("openend.test", "spf", "says nothing about hosts that it does not name"),
    ("watching.test", "dmarc", "only watches"),
    ("other.test", "mta-sts", "no MTA-STS"),
]


@pytest.mark.parametrize("name, topic, words", NOTES)
def test_what_is_no_mistake_is_a_note(check, name, topic, words):
    _, findings = check(name)
    assert [f for f in of(findings, topic, "note") if words in f["text"]], findings


@pytest.mark.parametrize("name", ["openspf.test", "incspf.test", "movedspf.test", "dozen.test", "voids.test", "lostspf.test",
                                  "nospf.test"])
def test_what_is_wrong_with_an_spf_record_is_one_sentence(check, name):
    """And none that says that it is fine, though mail of the exchanger passes by its first term."""
    for ours in (False, True):
        _, findings = check(name, ours)
        assert [f["level"] for f in findings if f["topic"] == "spf"] == ["wrong"], findings


def test_what_asks_the_dns_is_counted(check):
    _, findings = check("good.test", ours=True)
    assert of(findings, "spf", "fine")[0]["text"].endswith("by mx; 1 of at most 10 terms ask the DNS")
    _, findings = check("twovoids.test")
    assert of(findings, "spf", "fine")[0]["text"].endswith("by mx; 3 of at most 10 terms ask the DNS")


def test_what_is_no_domain_and_a_silent_name_server(check, tmp_path):
    assert waybill("check", "domain", "no domain").returncode == 2
    assert waybill("check", "domain", "[127.0.0.1]").returncode == 2
    write(tmp_path / "conf", CONF.format(folder=tmp_path, port=1))
    done = waybill("check", "domain", "good.test", "-c", str(tmp_path / "conf"))
    assert done.returncode == 75 and "no name server answered" in done.stdout
    assert done.stdout.endswith("\nNothing could be found out about good.test.\n")
    assert waybill("check", "domain", "good.test", "-c", str(tmp_path / "nothing")).returncode == 1


FAILED = 0x8582


def test_what_only_some_questions_found_out(tmp_path):
    """Of half.test there are the mail exchangers, and a name server that fails at everything else."""
    exchanger = record(name("half.test"), 15, b"\0\x0a" + name("mx.half.test"))

    def half(query):
        is_mx = query[12:].startswith(name("half.test")) and kind_of(query) == 15
        return says(query, [exchanger]) if is_mx else says(query, [], flags=FAILED)
    with lying_name_server(half) as (port, _):
        write(tmp_path / "conf", CONF.format(folder=tmp_path, port=port).replace('"' + str(tmp_path) + '/anchor"', '""'))
        done = waybill("check", "domain", "half.test", "-c", str(tmp_path / "conf"))
    assert done.returncode == 75 and "mail goes to mx.half.test (10)" in done.stdout, done.stdout
    unknown = sum(line.split()[1:2] == ["unknown"] for line in done.stdout.splitlines())
    assert unknown > 3
    assert done.stdout.endswith(f"\n{unknown} things could not be found out about half.test; nothing else is wrong.\n")
