#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator refuses a catalogue with a gap or a contradiction, and says where."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
GENERATOR = os.path.join(ROOT, "tools", "gen_replies.py")
with open(os.path.join(ROOT, "catalogue", "replies.toml"), encoding="utf-8") as catalogue_file:
    CATALOGUE = catalogue_file.read()

# What is changed in the catalogue, the replacement, and what the complaint must say.
REFUSED = [
    ('title = "Greylisted"\n', "", 'greylisted: "title" is missing'),
    ('description = "The line was read and ignored."\n', "", 'command-unknown: "description" is missing'),
    ("Greylisted; try again in {seconds} seconds", "Greylisted for {minutes} minutes",
     'greylisted: the wording names an unknown parameter "{minutes}"'),
    ("Greylisted; try again in {seconds} seconds", "Greylisted; try again in {seconds", "greylisted: the wording has a stray brace"),
    ("Greylisted; try again in {seconds} seconds", "Später; try again", "greylisted: the wording must be"),
    ("Greylisted; try again in {seconds} seconds", "x" * 201, "greylisted: the wording must be"),
    ('key = "mailbox-locked"', 'key = "greylisted"', "greylisted: is in the catalogue twice"),
    ('key = "mailbox-locked"', 'key = "Mailbox Locked"', "Mailbox Locked: is no key"),
    ('code = 450\nenhanced = "4.7.1"', 'code = 450\nenhanced = "5.7.1"', "greylisted: the classes of 450 and 5.7.1 differ"),
    ('code = 450\nenhanced = "4.7.1"', 'code = 470\nenhanced = "4.7.1"', "greylisted: uses the code 470"),
    ('code = 450\nenhanced = "4.7.1"', 'code = 450\nenhanced = "4.9.1"', "greylisted: uses the enhanced code 4.9.1"),
    ("related = { mailbox-locked =", "related = { mailbox-lockd =", 'greylisted: is related to "mailbox-lockd"'),
    ('kept = "@still-with-sender"', 'kept = "@still-with"', 'names an unknown phrase "@still-with"'),
    ('title = "Greylisted"', 'titel = "Greylisted"', 'greylisted: has an unknown field "titel"'),
    ('title = "Greylisted"', 'title = "Greylisted."', "greylisted: \"title\" is a phrase"),
    ('detail = "1.2"', 'detail = "1.1"', "1.1: is in the catalogue twice"),
    ('detail = "1.2"', 'detail = "8.2"', "8.2: is no detail"),
    ('related = { "7.10" =', 'related = { "7.99" =', 'is related to "2.7.99"'),
]


def run(*args, text=None):
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(text if text is not None else CATALOGUE)
        file.flush()
        return subprocess.run([sys.executable, GENERATOR, file.name, *args], capture_output=True, text=True, check=False)


class Generator(unittest.TestCase):
    def test_the_catalogue_is_good(self):
        done = run()
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_gaps_and_contradictions_are_refused(self):
        for old, new, complaint in REFUSED:
            with self.subTest(complaint):
                self.assertIn(old, CATALOGUE)
                done = run(text=CATALOGUE.replace(old, new, 1))
                self.assertEqual(done.returncode, 1)
                self.assertIn(complaint, done.stderr)
                self.assertIn(".toml", done.stderr)

    def test_broken_toml_names_file_and_line(self):
        done = run(text=CATALOGUE + "\n[[reply\n")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\.toml: .*line \d+")

    def test_a_stale_page_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "replies.md")
            self.assertEqual(run("--check", page).returncode, 1)
            self.assertEqual(run("--docs", page).returncode, 0)
            self.assertEqual(run("--check", page).returncode, 0)
            self.assertEqual(run("--check", page, text=CATALOGUE.replace("Greylisted", "Greylistd")).returncode, 1)


if __name__ == "__main__":
    unittest.main()
