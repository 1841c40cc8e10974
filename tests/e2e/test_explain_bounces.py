# SPDX-License-Identifier: Apache-2.0
"""`waybill explain FILE` reads the bounces of many servers: whom each is about, and why. The files lie in bounces/."""
import json
import os

import pytest

from harness.server import waybill

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bounces")

# Of each file every recipient ("" where mere words name none), the reason, and whether it is temporary in truth.
EXPECTED = {
    "courier": [("joe@example.com", "user-unknown", False)],
    "domino-plain": [("", "user-unknown", False)],
    "domino": [("joe@example.com", "user-unknown", False)],
    "exchange-german": [("", "mailbox-full", True)],
    "exchange-ndr": [("joe@example.com", "user-unknown", False)],
    "exchange-plain": [("", "user-unknown", False)],
    "exchange2003": [("joe@example.com", "mailbox-full", True)],
    "exchange2010": [("joe@example.com", "policy", False)],
    "exim-retry": [("joe@example.com", "expired", False), ("jane@example.org", "user-unknown", False)],
    "exim-unrouteable": [("joe@example.com", "blocklisted", False)],
    "gmail-plain": [("joe@example.com", "mailbox-full", True)],
    "gmail": [("joe@example.com", "user-unknown", False)],
    "groupwise": [("", "user-unknown", False)],
    "html-only": [("joe@example.com", "mailbox-full", True)],
    "imail": [("", "user-unknown", False)],
    "ironport": [("joe@example.com", "user-unknown", False)],
    "james": [("joe@example.com", "message-too-large", False)],
    "kddi": [("", "user-unknown", False)],
    "mailenable": [("joe@example.com", "mailbox-busy", True)],
    "mailhost-delayed": [("joe@example.com", "network", True)],
    "mailru": [("joe@example.com", "spam", False)],
    "mdaemon": [("joe@example.com", "user-unknown", False)],
    "office365-blocked": [("joe@example.com", "blocklisted", False)],
    "opensmtpd": [("joe@example.com", "user-unknown", False)],
    "postfix-plain": [("joe@example.com", "greylisted", True), ("jane@example.com", "network", True)],
    "postfix": [("joe@example.com", "relay-denied", False), ("jane@example.com", "bad-domain", False)],
    "powermta": [("joe@example.com", "bad-domain", False), ("jane@example.com", "blocklisted", False)],
    "qmail-unknown": [("joe@example.com", "user-unknown", False),
                      ("jane@example.com", "bad-domain", False),
                      ("full@example.org", "mailbox-full", True)],
    "sendmail-old": [("joe@example.invalid", "bad-domain", False)],
    "sendmail": [("joe@example.com", "user-unknown", False), ("jane@example.com", "mailbox-full", True)],
    "ses": [("joe@example.com", "user-unknown", False)],
    "sun-messaging": [("joe@example.com", "user-unknown", False)],
    "yahoo": [("joe@example.com", "policy", False)],
    "yahoo2": [("joe@example.com", "bad-domain", False)],
    "zoho": [("", "user-unknown", False)],
}


def explained(path):
    done = waybill("explain", "--json", path)
    assert done.returncode == 0, done.stderr
    return [(reply["recipient"], reply["answer"]["reason"], reply["answer"]["temporary"])
            for reply in json.loads(done.stdout)["replies"]]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_bounce_is_read_as_its_server_means_it(name, tmp_path):
    """RFC 3464 where the server keeps to it; lines may end in CRLF or LF."""
    path = os.path.join(FOLDER, name + ".eml")
    assert explained(path) == EXPECTED[name]
    crlf = tmp_path / "crlf.eml"
    with open(path, "rb") as file:
        crlf.write_bytes(file.read().replace(b"\n", b"\r\n"))
    assert explained(str(crlf)) == EXPECTED[name]


def test_every_bounce_of_the_folder_is_expected():
    assert sorted(EXPECTED) == sorted(name.removesuffix(".eml") for name in os.listdir(FOLDER))
