# SPDX-License-Identifier: Apache-2.0
"""Do two kinds of questions take the same time? Statistics for bench/secret.py; docs/secret.md explains them.

A measurement is a list of blocks; a block is a list of (side, nanoseconds), both sides equally often, asked in random
order. So without a difference every order of the labels within a block was equally likely, whatever the machine did
meanwhile: that is all that the p values rest on.
"""
import bisect
import math
import statistics

GROUPS = 50  # of neighbouring blocks, for intervals


def p_of(z):
    """Two-sided, of a standard normal."""
    return math.erfc(abs(z) / math.sqrt(2))


def aligned(blocks):
    """Each value less its block's median: what slows the machine for a while slows both sides of a block."""
    result = []
    for block in blocks:
        middle = statistics.median(ns for _, ns in block)
        result.append([(side, ns - middle) for side, ns in block])
    return result


def ranked(blocks):
    """Ranks from 1 in place of values; equal values share the mean of theirs."""
    values = sorted(ns for block in blocks for _, ns in block)

    def rank(ns):
        return (bisect.bisect_left(values, ns) + bisect.bisect_right(values, ns) + 1) / 2
    return [[(side, rank(ns)) for side, ns in block] for block in blocks]


def rank_test(blocks):
    """p of the Mann-Whitney U test (the sum of side B's ranks), by the mean and the variance that shuffling the labels
    within each block gives: exact for these, and normal in the sum of thousands of blocks."""
    difference = variance = 0.0
    for block in ranked(blocks):
        n, k = len(block), sum(side for side, _ in block)
        mean = sum(r for _, r in block) / n
        spread = sum((r - mean) ** 2 for _, r in block) / (n - 1)
        difference += sum(r for side, r in block if side) - k * mean
        variance += k * (n - k) / n * spread
    return p_of(difference / math.sqrt(variance)) if variance > 0 else 1.0


def sides(blocks):
    return tuple([ns for block in blocks for s, ns in block if s == side] for side in (0, 1))


def ks_test(blocks):
    """p of the Kolmogorov-Smirnov test: any difference of the two distributions, also one that leaves the ranks alone.
    Kolmogorov's limit; on the safe side here, because blocks hold the two sides together."""
    a, b = (sorted(side) for side in sides(blocks))
    i = j = 0
    largest = 0.0
    while i < len(a) and j < len(b):
        at = min(a[i], b[j])
        while i < len(a) and a[i] == at:
            i += 1
        while j < len(b) and b[j] == at:
            j += 1
        largest = max(largest, abs(i / len(a) - j / len(b)))
    root = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    at = (root + 0.12 + 0.11 / root) * largest
    if at < 0.3:
        return 1.0
    return min(1.0, max(0.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * at * at) for k in range(1, 101))))


def auc(blocks):
    """How often a random value of side B is larger than one of side A; 0.5: nothing can be told."""
    a, b = sides(blocks)
    a.sort()
    wins = sum(bisect.bisect_left(a, ns) + bisect.bisect_right(a, ns) for ns in b)
    return wins / (2 * len(a) * len(b))


def median_difference(blocks):
    a, b = sides(blocks)
    return statistics.median(b) - statistics.median(a)


def interval(blocks, of):
    """(mean, half of the 95 % interval) of a statistic over groups of neighbouring blocks; neighbours may depend on
    each other, groups hardly do."""
    size = max(1, len(blocks) // GROUPS)
    found = [of(blocks[at:at + size]) for at in range(0, size * min(GROUPS, len(blocks)), size)]
    return statistics.fmean(found), 2.01 * statistics.stdev(found) / math.sqrt(len(found))


def shifted(blocks, ns):
    """As if side B took so much longer."""
    return [[(side, value + ns * side) for side, value in block] for block in blocks]


class Judgement:
    """What the two tests say of a measurement at this level."""

    def __init__(self, blocks, level):
        self.level = level
        self.raw = blocks
        self.blocks = aligned(blocks)
        self.p_rank = rank_test(self.blocks)
        self.p_ks = ks_test(self.blocks)
        self.auc, self.auc_half = interval(self.blocks, auc)
        self.ns, self.ns_half = interval(self.blocks, median_difference)

    @property
    def p(self):
        return min(1.0, 2 * min(self.p_rank, self.p_ks))  # two tests were made

    @property
    def differs(self):
        return self.p < self.level

    def smallest_found(self, steps=(20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)):
        """The smallest of these differences, in ns, that would have been found in this noise either way, or None."""
        for ns in steps:
            moved = [aligned(shifted(self.raw, sign * ns)) for sign in (1, -1)]
            if all(2 * min(rank_test(m), ks_test(m)) < self.level for m in moved):
                return ns
        return None
