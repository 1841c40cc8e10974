# SPDX-License-Identifier: Apache-2.0
"""What the disk below can do: 4 KiB writes, each followed by fdatasync, by one writer."""
import os
import time

BLOCK = b"w" * 4096
SPACE = 32 * 1024 * 1024


def rate(step, seconds):
    end = time.monotonic() + seconds
    begin = time.monotonic()
    count = 0
    while time.monotonic() < end:
        step(count)
        count += 1
    return count / (time.monotonic() - begin)


def append(folder, seconds):
    fd = os.open(folder + "/append", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def step(_):
        os.write(fd, BLOCK)
        os.fdatasync(fd)
    try:
        return rate(step, seconds)
    finally:
        os.close(fd)


def overwrite(folder, seconds):
    fd = os.open(folder + "/recycled", os.O_CREAT | os.O_WRONLY, 0o600)
    for _ in range(SPACE // len(BLOCK)):
        os.write(fd, BLOCK)
    os.fsync(fd)

    def step(i):
        os.pwrite(fd, BLOCK, i * len(BLOCK) % SPACE)
        os.fdatasync(fd)
    try:
        return rate(step, seconds)
    finally:
        os.close(fd)


def new_file(folder, seconds):
    os.mkdir(folder + "/files")

    def step(i):
        fd = os.open(f"{folder}/files/{i}", os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(fd, BLOCK)
        os.fsync(fd)
        os.close(fd)
    return rate(step, seconds)


def measure(folder, seconds):
    os.makedirs(folder, exist_ok=True)
    return [("append 4 KiB, fdatasync", append(folder, seconds)),
            ("overwrite 4 KiB of written space, fdatasync", overwrite(folder, seconds)),
            ("new file of 4 KiB, fsync", new_file(folder, seconds))]
