#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the collections of real replies where they lie, and divides them in two halves.

Rules are written from the training half alone; the other half is only ever measured. A row belongs to the half that
a SHA-256 of its text says (digits and addresses removed, so that twins stay together). A phrase that occurs in a
sample row follows that sample. The first eight rows of each file, which show its form, always count as training.

  classify_corpus.py [--half training]     prints rows of the training half: file, code, enhanced, label, text
"""
import csv
import hashlib
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHOWN_ROWS = 8

# Labels that say that the labeller found no reason: nothing can agree or disagree with them.
UNJUDGED = {"onhold", "suppressed"}

# Classes that a label covers by its own definition and that class-mapping.tsv does not list; why is said in the report.
ALSO_ACCEPTED = {("sisimai", "networkerror"): {"domain_unknown"}}

# file, label set in class-mapping.tsv, column of the label, column of the text
FILES = [("sisimai-replies-dev.tsv", "sisimai", "reason", "reply_text"),
         ("zone-mta-replies-dev.tsv", "zone-mta", "category", "reply_text"),
         ("provider-samples.tsv", "sisimai", "reason", "reply_text"),
         ("provider-phrases.tsv", "sisimai", "reason", "phrase_lowercase"),
         ("greylist-dev.tsv", None, "accept_classes", "reply_text")]


def folder():
    place = os.environ.get("WAYBILL_CONFORMANCE") or os.path.join(ROOT, "..", "shared", "conformance")
    return os.path.join(place, "replies")


def table(name):
    with open(os.path.join(folder(), name), encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def essence(text):
    """What twins have in common: no addresses, no digits, no punctuation, one letter case."""
    text = re.sub(r"\S+@\S+", "", text.lower())
    return " ".join(re.sub(r"[^a-z]+", " ", text).split())


def mapping():
    keys = {(row["set"], row["label"]): set(row["accept_classes"].split("|")) for row in table("class-mapping.tsv")}
    return {key: classes | ALSO_ACCEPTED.get(key, set()) for key, classes in keys.items()}


def rows():
    """Every row as a dict: file, code, enhanced, label, accept, text, half."""
    accept, found = mapping(), []
    for name, label_set, label, text in FILES:
        for index, row in enumerate(table(name)):
            if row[label] in UNJUDGED:
                continue
            classes = set(row[label].split("|")) if label_set is None else accept[(label_set, row[label])]
            found.append({"file": name, "code": row["code"] or "", "enhanced": row["enhanced"] or "",
                          "label": row[label], "accept": classes, "text": row[text] or "", "shown": index < SHOWN_ROWS})
    samples = [essence(row["text"]) for row in found if row["file"] == "provider-samples.tsv"]
    for row in found:
        key = essence(row["text"])
        if row["file"] == "provider-phrases.tsv":
            key = next((sample for sample in samples if key in sample), key)
        odd = hashlib.sha256(key.encode()).digest()[0] & 1
        row["half"] = "training" if row["shown"] or not odd else "held-out"
    return found


if __name__ == "__main__":
    for each in rows():
        if each["half"] == "training":
            print("\t".join([each["file"].split("-")[0] + each["file"].split("-")[1][0], each["code"], each["enhanced"], each["label"], each["text"]]))
