# SPDX-License-Identifier: Apache-2.0
"""The statistics of `bench/run secret` on made-up times: they find what is there and nothing else. No server is asked."""
import os
import random
import sys

import pytest

from harness.server import TOP

sys.path.insert(0, os.path.join(TOP, "bench"))
import secret_stats  # noqa: E402

LEVEL = 0.01 / 25


def noise(chance):
    """Nanoseconds as a server gives them: a floor, a tail, now and then a pause."""
    return int(30000 + chance.expovariate(1 / 4000) + (chance.random() < 0.02) * chance.expovariate(1 / 300000))


def times(seed, differ=lambda ns, chance: ns, blocks=600):
    """Two sides under load that comes and goes; `differ` changes side B."""
    chance = random.Random(seed)
    made = []
    for at in range(blocks):
        load = 25000 if at // 40 % 3 == 0 else 0
        sides = [0, 1] * 8
        chance.shuffle(sides)
        made.append([(side, differ(ns, chance) if side else ns)
                     for side, ns in ((side, noise(chance) + load) for side in sides)])
    return made


def test_nothing_is_found_where_nothing_is():
    found = [secret_stats.Judgement(times(seed), LEVEL) for seed in range(20)]
    assert not any(j.differs for j in found)
    # And p means what it says: about half of them lie below one half.
    assert 4 <= sum(j.p_rank < 0.5 for j in found) <= 16
    assert all(abs(j.auc - 0.5) < 0.03 for j in found)


@pytest.mark.parametrize("name, differ", [
    ("later by half a microsecond", lambda ns, chance: ns + 500),
    ("sooner by half a microsecond", lambda ns, chance: ns - 500),
    ("one in ten later by ten", lambda ns, chance: ns + (chance.random() < 0.1) * 10000),
    ("wider, with the same middle", lambda ns, chance: ns + chance.choice((-1500, 1500))),
])
def test_what_is_there_is_found(name, differ):
    assert secret_stats.Judgement(times(7, differ), LEVEL).differs, name


def test_its_size_is_told():
    judgement = secret_stats.Judgement(times(3, lambda ns, chance: ns + 2000), LEVEL)
    assert abs(judgement.ns - 2000) < judgement.ns_half + 300
    assert judgement.auc - judgement.auc_half > 0.6
    smallest = secret_stats.Judgement(times(3), LEVEL).smallest_found()
    assert smallest is not None and smallest <= 500


def test_load_that_comes_and_goes_is_no_difference_and_hides_none():
    """A block's samples are compared with each other: 25 µs more for all of them is nothing."""
    chance = random.Random(5)
    blocks = [[(side, 40000 + 25000 * (at % 2) + 400 * side + chance.randrange(2000)) for side in (0, 1) * 8]
              for at in range(100)]
    assert secret_stats.Judgement(blocks, LEVEL).differs
    same = [[(side, ns - 400 * side) for side, ns in block] for block in blocks]
    assert not secret_stats.Judgement(same, LEVEL).differs
