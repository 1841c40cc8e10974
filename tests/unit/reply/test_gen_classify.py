#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator of the classification refuses a rule with a gap or a contradiction, and its automaton finds what is there."""
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
GENERATOR = os.path.join(ROOT, "tools", "gen_classify.py")
with open(os.path.join(ROOT, "catalogue", "classify.toml"), encoding="utf-8") as catalogue_file:
    CATALOGUE = catalogue_file.read()

SPEC = importlib.util.spec_from_file_location("gen_classify", GENERATOR)
GEN = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(GEN)

# What is changed in the rules, the replacement, and what the complaint must say.
REFUSED = [
    ('name = "greylist-words"\nreason = "greylisted"', 'name = "greylist-words"\nreason = "gralisted"', "greylist-words: its reason"),
    ('"postgrey"', '"spf", "spf"', 'greylist-words: "spf" is already a phrase'),
    ('"postgrey"', '"post*grey"', "stands inside a word"),
    ('"postgrey"', '"(post(a|b)|grey)"', "alternatives stand in alternatives"),
    ('"postgrey"', '"x * postgrey"', "shorter or longer"),
    ('code = "450-451"', 'code = "4x1"', 'greylist-try-later: "4x1" is no code'),
    ('enhanced = ["4.7.1"]', 'enhanced = ["4.7"]', 'greylist-try-later: "4.7" is no pattern'),
    ('stage = ["unknown", "mail"', 'stage = ["unknown", "male"', 'greylist-try-later: "male" is no stage'),
    ('name = "greylist-try-later"', 'name = "greylist-words"', "greylist-words: stands there twice"),
    ('nature = "passing"', 'nature = "passes"', "its concern or its nature is not known"),
    ('retry = "Nothing is tried again."\n', "", "accepted: has other fields"),
    ('detail = "2.2"', 'detail = "5.2.2"', 'mailbox-full: "detail" must be'),
    ('detail = "2.2"', 'detail = "9.2"', 'mailbox-full: "detail" must be'),
    ('code = "450-451"', 'kode = "450-451"', "greylist-try-later: has unknown fields"),
]


def run(text):
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return subprocess.run([sys.executable, GENERATOR, file.name], capture_output=True, text=True, check=False)


def found(automaton, text):
    """Strings that end in the text, as the C code walks."""
    node, ends = 0, []
    for at, char in enumerate(text):
        while True:
            children = range(automaton.child_first[node], automaton.child_first[node + 1])
            child = next((n for n in children if automaton.label[n] == ord(char)), None)
            if child is not None or node == 0:
                break
            node = automaton.fail[node]
        node = child if child is not None else 0
        end = node
        while end != 0:
            ends += [(at + 1, size) for _, size in automaton.ends[end]]
            end = automaton.shorter[end]
    return sorted(ends)


class Generator(unittest.TestCase):
    def test_the_rules_are_accepted(self):
        self.assertEqual(run(CATALOGUE).returncode, 0)

    def test_faults_are_refused(self):
        for old, new, complaint in REFUSED:
            self.assertIn(old, CATALOGUE)
            done = run(CATALOGUE.replace(old, new, 1))
            self.assertEqual(done.returncode, 1, new)
            self.assertIn(complaint, done.stderr)

    def test_automaton_finds_every_string(self):
        """Against a plain search, on random texts over few letters."""
        chance = random.Random(5)
        for _ in range(200):
            strings = {"".join(chance.choice("ab ") for _ in range(chance.randint(2, 5))) for _ in range(8)}
            automaton = GEN.Automaton({text: [n] for n, text in enumerate(sorted(strings))})
            text = "".join(chance.choice("ab ") for _ in range(60))
            plain = sorted((at + len(s), len(s)) for s in strings for at in range(60) if text.startswith(s, at))
            self.assertEqual(found(automaton, text), plain)

    def test_phrases_become_slots(self):
        self.assertEqual(GEN.slots_of("x", "mailbox * (full|over quota)"), [(0, [" mailbox "]), (48, [" full ", " over quota "])])
        self.assertEqual(GEN.slots_of("x", "greylist* + wait"), [(0, [" greylist"]), (20, [" wait "])])
        self.assertEqual(GEN.slots_of("x", "can't (be|) open"), [(0, [" can t be open ", " can t open "])])

    def test_other_scripts_keep_every_byte(self):
        """Their bytes 85 and A0 hexadecimal, which are white space as characters, are no ends of words."""
        for word in ("\u8d85\u8fc7", "\u0445\u0445"):
            self.assertEqual(GEN.fold(word), word.encode().decode("latin-1"))


if __name__ == "__main__":
    unittest.main()
