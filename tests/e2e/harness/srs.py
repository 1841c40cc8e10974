# SPDX-License-Identifier: Apache-2.0
"""Rewritten senders (src/message/srs.h), written by another implementation: of any day, and with any secret."""

MASK = (1 << 64) - 1
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def siphash(key, data):
    """SipHash-2-4."""
    def turn(x, bits):
        return (x << bits | x >> (64 - bits)) & MASK

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1] = turn(v[1], 13) ^ v[0]
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1] = turn(v[1], 17) ^ v[2]
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = turn(v[2], 32)

    v = [key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573]
    whole = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 255])
    for at in range(0, len(whole), 8):
        word = int.from_bytes(whole[at:at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 255
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def letters(value, count):
    return "".join(LETTERS[value >> 5 * i & 31] for i in reversed(range(count)))


def signature(secret, text):
    key = siphash((0x5352532d6b657931, 0x7761796269), secret), siphash((0x5352532d6b657932, 0x6c6c), secret)
    return letters(siphash(key, text.lower().encode()), 6)


def srs0(secret, sender, day, domain):
    local, at = sender.split("@")
    days = letters(day % 1024, 2)
    return f"SRS0={signature(secret, f'0{days}={at}={local}')}={days}={at}={local}@{domain}"
