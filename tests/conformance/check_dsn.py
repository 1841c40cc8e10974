# SPDX-License-Identifier: Apache-2.0
"""Reads the notifications that dsn_samples writes with Python's email package."""

import email
import email.policy
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SAMPLES = pathlib.Path(sys.argv.pop(1)) if len(sys.argv) > 1 else None
ORIGINAL = (b'From: Alice <alice@example.org>\r\nTo: someone@unknown.test\r\n'
            b'Subject: Lunch on Friday\r\nMessage-ID: <m1@example.org>\r\nX-Odd:  spaces  kept \r\n\r\n')


class Notice:
    def __init__(self, folder, name):
        first, self.raw = (folder / f'{name}.eml').read_bytes().split(b'\n', 1)
        self.needs = first.decode()
        self.mail = email.message_from_bytes(self.raw, policy=email.policy.SMTP.clone(utf8=True))
        self.text, self.status, self.original = self.mail.get_payload()
        self.words = self.text.get_payload(decode=True).decode()
        self.fields = status_fields(self.raw)


def status_fields(raw):
    """The groups of the delivery-status part as dictionaries, read by hand: the package does not know the global type."""
    part = re.search(rb'message/(?:global-)?delivery-status\r\n(?:Content-Tr[^\r]*\r\n)?\r\n(.*?)\r\n\r\n--=_', raw, re.S).group(1).decode()
    part = re.sub(r'\r\n ', ' ', part)
    return [dict(line.split(': ', 1) for line in group.split('\r\n')) for group in part.split('\r\n\r\n')]


class DsnTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        subprocess.run([SAMPLES, cls.folder.name], check=True)
        cls.names = sorted(p.stem for p in pathlib.Path(cls.folder.name).glob('*.eml'))
        cls.notices = {name: Notice(pathlib.Path(cls.folder.name), name) for name in cls.names}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_every_notice_is_a_report_of_three_parts(self):
        for name, n in self.notices.items():
            with self.subTest(name):
                self.assertEqual(n.mail.get_content_type(), 'multipart/report')
                self.assertEqual(n.mail.get_param('report-type'), 'delivery-status')
                self.assertEqual(len(n.mail.get_payload()), 3)
                self.assertEqual(n.mail['Auto-Submitted'], 'auto-replied')
                self.assertEqual(len(n.mail.get_all('Content-Type')), 1)
                self.assertEqual(n.text.get_content_type(), 'text/plain')
                self.assertIn(n.status.get_content_type(), ('message/delivery-status', 'message/global-delivery-status'))
                self.assertFalse(n.mail.defects)
                for part in n.mail.walk():
                    self.assertFalse(part.defects if part.get_content_maintype() == 'multipart' else [])

    def test_every_line_can_travel(self):
        for name, n in self.notices.items():
            with self.subTest(name):
                self.assertNotIn(b'\n', n.raw.replace(b'\r\n', b''))
                self.assertNotIn(b'\r', n.raw.replace(b'\r\n', b''))
                self.assertLessEqual(max(len(line) for line in n.raw.split(b'\r\n')), 998)
                self.assertTrue(n.raw.endswith(b'--\r\n'))
                for part in n.mail.walk():
                    if part['Content-Transfer-Encoding'] == 'quoted-printable':
                        self.assertLessEqual(max(map(len, part.get_payload().splitlines())), 76)
                if '8bit=0' in n.needs:
                    n.raw.decode('ascii')

    def test_the_words_are_those_of_the_sketch(self):
        words = self.notices['failed'].words
        self.assertTrue(words.startswith(
            'Your message "Lunch on Friday" could not be delivered to\r\nsomeone@unknown.test, because '
            'there is no such mailbox there.\r\nCheck the address for a typing error'), words)
        self.assertIn("\r\n\r\nThe other server's words (mx.unknown.test, 23 Nov 2026, 14:01 UTC):\r\n"
                      '  550 5.1.1 No such user\r\n\r\nNothing more will be tried for this recipient.\r\n'
                      'Reference: 01jd7y3kq8m6r2v5x9zoriginal\r\n', words)

    def test_fields_tell_the_machine_the_same(self):
        message, recipient = self.notices['failed'].fields
        self.assertEqual(message, {'Original-Envelope-Id': 'QQ+314159', 'Reporting-MTA': 'dns; mx.example.org',
                                   'Arrival-Date': 'Mon, 23 Nov 2026 13:02:11 +0000'})
        self.assertEqual(recipient, {
            'Original-Recipient': 'rfc822; some+one@unknown.test', 'Final-Recipient': 'rfc822; someone@unknown.test',
            'Action': 'failed', 'Status': '5.1.1', 'Remote-MTA': 'dns; mx.unknown.test',
            'Diagnostic-Code': 'smtp; 550 5.1.1 No such user', 'Last-Attempt-Date': 'Mon, 23 Nov 2026 14:01:11 +0000'})
        delayed = self.notices['delayed'].fields[1]
        self.assertEqual((delayed['Action'], delayed['Status'], delayed['Will-Retry-Until']),
                         ('delayed', '4.2.2', 'Sat, 28 Nov 2026 10:02:11 +0000'))
        self.assertEqual([f.get('Action') for f in self.notices['several'].fields], [None, 'failed', 'failed', 'delayed'])
        self.assertEqual(self.notices['relayed'].fields[1]['Action'], 'relayed')
        self.assertEqual(self.notices['delivered'].fields[1]['Action'], 'delivered')

    def test_the_whole_original_comes_back_untouched(self):
        n = self.notices['failed']
        self.assertEqual(n.original.get_content_type(), 'message/rfc822')
        boundary = n.mail.get_boundary().encode()
        returned = n.raw.split(b'message/rfc822\r\n\r\n', 1)[1].split(b'\r\n--' + boundary + b'--', 1)[0]
        self.assertEqual(returned, ORIGINAL + b'--=_01jd7y3kq8m6r2v5x9zabcdefg_0\r\nThis is the text.\r\n.\r\nFrom here on\r\n')

    def test_success_and_delay_return_headers_alone(self):
        for name in ('delayed', 'delivered', 'relayed', 'long'):
            with self.subTest(name):
                part = self.notices[name].original
                self.assertEqual(part.get_content_type(), 'text/rfc822-headers')
                self.assertEqual(part.get_payload(decode=True).replace(b'\r\n', b'\n'), ORIGINAL[:-2].replace(b'\r\n', b'\n'))

    def test_subjects_are_shown_decoded(self):
        self.assertIn('"Mittagessen für alle"', self.notices['headers'].words)
        self.assertIn('"Grüße aus Köln"', self.notices['utf8'].words)

    def test_utf8_addresses_stand_as_they_are(self):
        n = self.notices['utf8']
        self.assertEqual(n.needs, 'smtputf8=1 8bit=1')
        self.assertEqual(n.fields[1]['Final-Recipient'], 'utf-8; 用户@例.test')
        self.assertEqual(n.fields[1]['Original-Recipient'], 'utf-8; 用户@例.test')
        self.assertEqual(n.status.get_content_type(), 'message/global-delivery-status')
        self.assertEqual(n.original.get_content_type(), 'message/global')

    def test_nothing_hostile_becomes_a_field_or_a_part(self):
        n = self.notices['hostile']
        self.assertEqual(n.mail.keys(), ['From', 'To', 'Subject', 'Date', 'Message-ID', 'Auto-Submitted', 'MIME-Version',
                                         'Content-Type', 'Content-Transfer-Encoding'])
        self.assertIn(b'\r\nTo: <alice@example.org?  Bcc: ?x>\r\n', n.raw)
        self.assertEqual(len(n.fields), 2)
        self.assertEqual(set(n.fields[1]), {'Final-Recipient', 'Action', 'Status', 'Remote-MTA', 'Diagnostic-Code',
                                            'Last-Attempt-Date'})
        self.assertEqual(n.fields[1]['Status'], '5.0.0')
        self.assertNotIn('Original-Envelope-Id', n.fields[0])
        for line in n.words.split('\r\n'):
            self.assertFalse(line.startswith('--'), line)
            self.assertTrue(line.isprintable(), line)


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
