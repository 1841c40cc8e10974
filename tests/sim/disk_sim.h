/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory that behaves as badly as a disk may, from one seed. Until they are
 * synced, written units (512 bytes) and names may be kept, lost or reordered by a
 * crash, each for itself. Calls fail at random. After a failed sync what was written
 * counts as clean but may be anywhere: on the disk, only in memory, or gone.
 */
#ifndef WAYBILL_TESTS_SIM_DISK_SIM_H
#define WAYBILL_TESTS_SIM_DISK_SIM_H

#include "disk.h"
#include "id128.h"

struct disk_sim;

/* Chances in a thousand, and what else the test may change at any time. */
struct disk_sim_faults {
	uint32_t write;       /* a write fails, a part of it done */
	uint32_t sync;        /* a sync fails */
	uint32_t names;       /* rename, unlink, create or sync_names fails */
	uint64_t bytes_max;   /* size of the disk */
	uint64_t calls_left;  /* then the machine is dead: all fails until disk_sim_crash */
	bool sync_is_a_lie;   /* for testing the test: syncs do nothing */
};

struct disk_sim *disk_sim_new(uint64_t seed);
void disk_sim_free(struct disk_sim *d);
struct disk disk_sim_table(struct disk_sim *d);
struct disk_sim_faults *disk_sim_faults(struct disk_sim *d);
bool disk_sim_dead(const struct disk_sim *d);
uint64_t disk_sim_used(const struct disk_sim *d);

/* The machine stops and starts again: what was not synced is decided now. */
void disk_sim_crash(struct disk_sim *d);

/* Only the process dies: the disk keeps what it has, files are closed, the lock is free. */
void disk_sim_kill(struct disk_sim *d);

/* For a test: the bytes of a file as they are, or an empty span; and changing them in place. */
struct span disk_sim_bytes(struct disk_sim *d, const char *name);
void disk_sim_flip(struct disk_sim *d, const char *name, uint64_t offset, uint8_t mask);

/* Cuts a file short, as a careless person would; makes one with these bytes. */
void disk_sim_truncate(struct disk_sim *d, const char *name, uint64_t bytes);
void disk_sim_put(struct disk_sim *d, const char *name, struct span bytes);

/* Writes to a file by its descriptor, as a client with a large message would. */
void disk_sim_write_fd(struct disk_sim *d, int fd, struct span bytes);

#endif
