#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the classification of foreign replies against collections that were not written here.

  classify_report.py ROWS --half training --misses     rows of the training half that disagree
  classify_report.py ROWS --docs docs/classification.md   writes the numbers and the confusion table
  classify_report.py ROWS --check                      as a test (TAP): the agreement on the held-out half

ROWS is the program classify_rows. Where the collections are absent the test is skipped. How rows are divided is said
in classify_corpus.py. A reason agrees when the class it belongs to is one of those that the row's label may mean;
temporary or permanent agrees with the row's code, except that a passing label (full, greylisted, too fast) is
temporary whatever its code, and that a 5yz whose text speaks of "later" may be either.
"""
import argparse
import collections
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import classify_corpus  # noqa: E402

# What has been reached; only ever raised. The aim is 0.95 and 0.90.
AIM_REASON = 0.90
TRUTH_AGREEMENT_MIN = 0.985
REASON_AGREEMENT_MIN = 0.905

# The class of class-mapping.tsv for each reason; several where ours is finer or theirs is not settled.
CLASSES = {
    "accepted": "", "mailbox-full": "mailbox_full", "user-unknown": "user_unknown", "user-disabled": "mailbox_disabled",
    "suspended": "mailbox_disabled", "user-moved": "moved", "greylisted": "greylist", "mailbox-busy": "system_error",
    "rate-limited": "rate_limit", "too-many-connections": "rate_limit", "too-many-recipients": "rate_limit",
    "policy": "policy", "blocklisted": "blocklist", "reverse-dns": "ptr", "auth-failure": "auth_fail",
    "sender-rejected": "sender_rejected", "spam": "spam", "virus": "virus", "message-too-large": "too_big",
    "bad-content": "content_malformed", "smtputf8-needed": "content_malformed", "tls-required": "tls",
    "auth-required": "auth_required", "relay-denied": "relay_denied", "bad-domain": "domain_unknown",
    "null-mx": "domain_unknown", "not-accepting": "domain_unknown policy", "routing-loop": "network system_error",
    "network": "network", "host-down": "network system_error", "system-full": "system_full",
    "system-error": "system_error", "protocol-error": "protocol", "expired": "expired", "unknown": "other",
}
# Earlier measurements of the held-out half, in order, with what had been done before each; the page adds its own.
HISTORY = [
    ("rules written from the training half", "75.9 %"),
    ("broadened after a first look at the confusion table", "82.8 %"),
    ("addresses as one word, accents, other languages, vague words behind exact codes", "85.8 %"),
    ("rules for a class of codes serve words without a code too", "87.2 %"),
    ("refusals by recipients, appliances and panels", "88.2 %"),
    ("backends, sender domains, limits of a connection", "88.9 %"),
    ("codes of sender addresses before words of recipients; replies of the large providers in other words", "89.9 %"),
    ("parts of replies of the large providers", "90.3 %"),
]

PASSING_LABELS = {"mailboxfull", "toomanyconn", "speeding", "systemfull", "greylist", "rate", "capacity", "expired"}


def truth(row):
    """What may be said of a row: the set of "temporary" and "permanent" that agree; empty where nothing is known."""
    first = (row["code"] or row["enhanced"] or " ")[0]
    if row["label"] in PASSING_LABELS and row["label"] != "expired" or "greylist" in row["label"]:
        return {"temporary"}
    if first == "4":
        return {"temporary"}
    if first != "5":
        return set()
    return {"permanent", "temporary"} if re.search(r"later|temporar", row["text"].lower()) else {"permanent"}


def as_lines(rows):
    lines = ["\t".join([row["code"], row["enhanced"], re.sub(r"[\t\n]", " ", row["text"])]) for row in rows]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def classified(program, rows):
    output = subprocess.run([program], input=as_lines(rows), stdout=subprocess.PIPE, check=True).stdout.decode("utf-8", "replace")
    for row, line in zip(rows, output.splitlines()):
        row["reason"], row["truth"], row["rule"], row["delay"], row["words"] = line.split("\t")
    return rows


def number_by(program, option, rows):
    """The number that the program writes with an option: nanoseconds (--time) or texts that it cut (--cut)."""
    return int(subprocess.run([program, option], input=as_lines(rows), stdout=subprocess.PIPE, check=True).stdout)


def reason_agrees(row):
    return bool(set(CLASSES[row["reason"]].split()) & row["accept"])


def truth_agrees(row):
    return not truth(row) or row["truth"] in truth(row)


def share(rows, agrees):
    return sum(1 for row in rows if agrees(row)), len(rows)


def percent(part):
    return f"{100 * part[0] / part[1]:.1f} % ({part[0]} of {part[1]})"


def confusion(rows):
    """Per label: how often, how often agreed, and the reasons given."""
    table = collections.defaultdict(collections.Counter)
    good = collections.Counter()
    for row in rows:
        label = row["label"] if row["label"] not in ("greylist|rate_limit", "greylist|blocklist") else "greylist"
        table[label][row["reason"]] += 1
        good[label] += reason_agrees(row)
    lines = ["| label there | rows | agree | reasons given here |", "| --- | --- | --- | --- |"]
    for label in sorted(table):
        given = ", ".join(f"{reason} {count}" for reason, count in table[label].most_common())
        lines.append(f"| {label} | {sum(table[label].values())} | {good[label]} | {given} |")
    return lines


DOCS = """# How well foreign replies are understood

<!-- Made by tests/conformance/classify_report.py --docs; do not edit. -->

Waybill classifies every reply of another server: the reason, whether it is temporary in truth, whose concern it is,
and any delay that it names. The rules stand in `catalogue/classify.toml`; `waybill explain 'REPLY'` shows which one
decided. This page measures them against collections of real replies that others labelled (by other vocabularies,
mapped to one; see the notes below).

## Agreement

| | rows | reason | temporary or permanent |
| --- | --- | --- | --- |
{summary}

The aim is 90 % for the reason and 95 % for temporary or permanent.{aim} Rows of the held-out half were never read: the
rules come from the training half, from what servers and providers publish about their replies, and from general knowledge
of the field. After each measurement the confusion table below (labels, reasons and rules, no texts) was at hand. What the
test suite demands is what has been reached, and is only ever raised. Where it disagrees it is mostly about phrases of a
few words, about labels that say what a server did instead of why (`rejected`, `blocked`, `policyviolation`,
`systemerror`), and about mailboxes that are off or moved where the label says that they are unknown.

Measurements of the held-out half so far, reason alone:

{history}

Measured this often, with its confusion table at hand, the half is not quite unseen any more. What to expect of replies
that nobody has looked at, sets say that were written down and labelled before the rules were tried on them, each of them
tried once; afterwards the rules learned from it. Twelve older sets (1,450 rows) agreed at first by 67 to 94 %. The nine
latest, the reason alone:

| set | rows | at first | with the rules of today |
| --- | --- | --- | --- |
| published replies of providers and filters in Europe, Asia and America | 266 | 88.7 % | 95.5 % |
| default texts of two dozen mail servers | 229 | 85.2 % | 92.1 % |
| rare wordings, diagnostics without a code, nine languages | 225 | 72.9 % | 98.2 % |
| hosters, forwarders and gateways | 194 | 84.5 % | 94.8 % |
| diagnostics as they stand in bounces of the last twenty years | 136 | 83.1 % | 87.5 % |
| lists of hosters and filters, questions of administrators | 98 | 90.8 % | 98.0 % |
| short replies, several wordings for each reason | 105 | 85.7 % | 99.0 % |
| words of bounces, old and new | 116 | 89.7 % | 96.6 % |
| sentences that administrators write into their own rules | 100 | 69.0 % | 96.0 % |

So 83 to 91 % of what is quite new is understood at first sight where servers and providers phrase it, and about 70 %
where persons choose rare words; temporary or permanent agreed in 93 to 99 %. The second column of figures is no measure
of anything new: it says that the rules took in what they met, and that in the rest the label was one of several that
could be defended. What one set taught helped the next one little, because rare wordings are rare in many ways: a tenth
set, a mixture of 113 rows as a busy sender meets it, from which nothing was learned, agreed in 88.5 % both with the
rules of before these sets and with those of today. The labels are those of whoever wrote the rules. Rows in words of
our own are in the tests (`tests/unit/reply/classify_replies.tsv`); those that are other people's words are not kept
here.

A reply takes about {ns} ns to classify (mean of these rows, optimised build, the best of five runs).

By collection, held-out half:

| collection | rows | reason | temporary or permanent |
| --- | --- | --- | --- |
{files}

## Confusion, held-out half

{table}

## How this was measured

- A row belongs to the half that the first bit of a SHA-256 of its text says, addresses, digits and punctuation removed
  so that twins stay together. A phrase that occurs in a sample follows that sample. The first eight rows of each file
  always count as training.
- A reason agrees when its class is one of those that the row's label may mean. Labels that cover several classes there
  (`filtered`, `blocked`, `policyviolation`, ...) accept each of them.
- Temporary or permanent agrees with the code of the row; but labels that pass by themselves (mailbox full, greylisted,
  too fast, system full) are temporary whatever their code, and a 5yz whose text speaks of later may be either. Rows
  without any code count as agreeing.
- Rows labelled `onhold` or `suppressed` are left out: these labels say that the labeller found no reason, so that no
  answer could agree or disagree (four rows in all, two of each half).
- `networkerror` accepts a domain that is not found too, for that collection defines it as a fault of the network or of a
  DNS lookup.
- No other label was widened. A mailbox that is off or moved does not agree with `userunknown`, although one may call
  it so, because the same collection has labels of its own for these; nor does `toomanyconn` take a server that is busy.
- Phrases without code and context are harder than whole replies: some are three words long.
"""


def history_lines(reached):
    lines = ["| what had changed | agreement |", "| --- | --- |"]
    return lines + [f"| {what} | {figure} |" for what, figure in HISTORY + [("now", reached)]]


def docs(path, rows, program):
    halves = {half: [row for row in rows if row["half"] == half] for half in ("training", "held-out")}
    summary = [f"| {half} | {len(part)} | {percent(share(part, reason_agrees))} | {percent(share(part, truth_agrees))} |"
               for half, part in halves.items()]
    files = []
    for name in dict.fromkeys(row["file"] for row in halves["held-out"]):
        part = [row for row in halves["held-out"] if row["file"] == name]
        files.append(f"| {name.removesuffix('.tsv')} | {len(part)} | {percent(share(part, reason_agrees))} "
                     f"| {percent(share(part, truth_agrees))} |")
    reached = share(halves["held-out"], reason_agrees)
    aim = "" if reached[0] >= AIM_REASON * reached[1] else " **The reason does not reach it yet.**"
    history = history_lines(f"{100 * reached[0] / reached[1]:.1f} %")
    text = DOCS.format(summary="\n".join(summary), files="\n".join(files), table="\n".join(confusion(halves["held-out"])),
                       ns=min(number_by(program, "--time", rows) for _ in range(5)), history="\n".join(history), aim=aim)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def check(program, rows):
    part = [row for row in rows if row["half"] == "held-out"]
    print("1..3")
    for number, (what, agrees, least) in enumerate([("reason", reason_agrees, REASON_AGREEMENT_MIN),
                                                    ("temporary-or-permanent", truth_agrees, TRUTH_AGREEMENT_MIN)], 1):
        got = share(part, agrees)
        print(f"{'ok' if got[0] >= least * got[1] else 'not ok'} {number} - held_out_{what}_agreement {percent(got)}")
    cut = number_by(program, "--cut", rows)
    print(f"{'ok' if cut == len(rows) else 'not ok'} 3 - every_row_cut_at_every_byte {cut}")


def misses(rows):
    for row in rows:
        if not reason_agrees(row) or not truth_agrees(row):
            print(f"{row['label']:16} got {row['reason']}/{row['truth']} by {row['rule']} ({row['words'][:40]}): "
                  f"{row['code']} {row['enhanced']} | {row['text'][:230]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows")
    parser.add_argument("--half", choices=["training", "held-out"])
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--docs", metavar="FILE")
    args = parser.parse_args()
    if not os.path.isdir(classify_corpus.folder()):
        print("1..1\nok 1 # SKIP the collections of replies are not here")
        return
    rows = classified(args.rows, [row for row in classify_corpus.rows() if args.half in (None, row["half"])])
    if args.check:
        check(args.rows, rows)
    elif args.docs:
        docs(args.docs, rows, args.rows)
    else:
        if args.misses:
            misses(rows)
        print("reason", percent(share(rows, reason_agrees)), "temporary", percent(share(rows, truth_agrees)))


if __name__ == "__main__":
    main()
