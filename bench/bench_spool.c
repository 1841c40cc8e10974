/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message store on a real folder, beside what the disk gives by itself: messages of
 * 4 KiB a second in batches of 1, 20 and 100, with the processor time of each; results
 * a second; then the memory and the start-up time of many live messages, pending and
 * deferred. Everything runs in one thread, the store's job included. Not a test;
 * nothing is judged.
 *
 *     bench_spool FOLDER [LIVE MESSAGES]
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "disk_real.h"
#include "spool_read.h"

#define CONTENT_BYTES 4096u
#define RECORD_BYTES 4608u
#define RAW_BYTES (64u << 20)
#define SECONDS 1.0
#define BATCH_MAX 100

struct bench {
	struct disk_real real;
	struct disk disk;
	struct spool *spool;
	struct id_source ids;
	uint64_t clock_ms;
	struct id128 last[BATCH_MAX];
	uint8_t content[CONTENT_BYTES];
};

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, int error)
{
	fprintf(stderr, "bench_spool: %s: %s\n", what, strerror(-error));
	exit(1);
}

static void open_spool(struct bench *b, const char *folder)
{
	struct spool_options options = { .seed = { 3, 4 } };
	disk_real_init(&b->real, open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	b->disk = disk_real_table(&b->real);
	options.disk = &b->disk;
	int rc = spool_open(&options, &b->spool);
	if (rc < 0)
		die(folder, rc);
}

static void close_spool(struct bench *b)
{
	spool_close(b->spool);
	disk_real_fini(&b->real);
}

static void run_jobs(struct bench *b)
{
	struct spool_job *job;
	struct spool_completion done;
	while ((job = spool_job_begin(b->spool)) != NULL) {
		spool_job_run(job);
		spool_job_end(b->spool, job);
	}
	while (spool_completion_next(b->spool, &done)) {
		if (done.outcome != SPOOL_DURABLE)
			die("refused", -EIO);
	}
}

static void append(struct bench *b, int count, size_t content_bytes)
{
	struct span to = SPAN("recipient@example.org");
	for (int i = 0; i < count; i++) {
		b->clock_ms += i % 10 == 0;
		b->last[i] = id128_next(&b->ids, b->clock_ms);
		struct spool_message m = { .id = b->last[i], .arrival_ms = b->clock_ms, .sender = SPAN("sender@example.net"),
			.recipients = &to, .recipient_count = 1, .client = SPAN("192.0.2.1"), .helo = SPAN("client.example"),
			.session = SPAN("3fq8k2"), .content = span_of(b->content, content_bytes) };
		int rc = spool_append(b->spool, &m, 0);
		if (rc < 0)
			die("append", rc);
	}
	run_jobs(b);
}

static void settle(struct bench *b, int count)
{
	for (int i = 0; i < count; i++) {
		struct spool_result r = { .id = b->last[i], .state = SPOOL_DELIVERED };
		int rc = spool_settle(b->spool, &r, 0);
		if (rc < 0)
			die("settle", rc);
	}
	run_jobs(b);
}

/* Batches of records a second by pwrite and fdatasync on space that was written before. */
static double raw_rate(const char *folder, int batch)
{
	char path[512];
	static uint8_t zeroes[RECORD_BYTES * BATCH_MAX];
	snprintf(path, sizeof(path), "%s/raw", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	size_t len = (size_t)batch * RECORD_BYTES;
	off_t at;
	for (at = 0; at < (off_t)RAW_BYTES; at += sizeof(zeroes)) {
		if (pwrite(fd, zeroes, sizeof(zeroes), at) < 0)
			die("raw write", -errno);
	}
	fsync(fd);
	double begin = seconds(CLOCK_MONOTONIC), now = begin;
	uint64_t count = 0;
	for (at = 0; now - begin < SECONDS; at = at + 2 * (off_t)len > (off_t)RAW_BYTES ? 0 : at + (off_t)len) {
		if (pwrite(fd, zeroes, len, at) < 0 || fdatasync(fd) < 0)
			die("raw write", -errno);
		count += (uint64_t)batch;
		now = seconds(CLOCK_MONOTONIC);
	}
	close(fd);
	unlink(path);
	return (double)count / (now - begin);
}

static void measure_batch(struct bench *b, const char *folder, int batch)
{
	double wall = 0, cpu = 0, settle_wall = 0;
	uint64_t count = 0;
	while (wall < SECONDS) {
		double wall_begin = seconds(CLOCK_MONOTONIC), cpu_begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
		append(b, batch, CONTENT_BYTES);
		cpu += seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin;
		double middle = seconds(CLOCK_MONOTONIC);
		wall += middle - wall_begin;
		settle(b, batch);
		settle_wall += seconds(CLOCK_MONOTONIC) - middle;
		count += (uint64_t)batch;
	}
	double raw = raw_rate(folder, batch);
	printf("batch %3d: %8.0f appended/s, raw %8.0f/s, ratio %.2f, %5.1f us of CPU each; %8.0f settled/s\n", batch,
		(double)count / wall, raw, (double)count / wall / raw, cpu / (double)count * 1e6, (double)count / settle_wall);
}

static size_t memory_used(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* Closes and opens again; `memory` is what was in use before anything lived. */
static void measure_open(struct bench *b, const char *folder, const char *what, size_t memory)
{
	struct spool_counts counts;
	size_t after = memory_used();
	close_spool(b);
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	open_spool(b, folder);
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	spool_counts(b->spool, &counts);
	printf("%llu %s: %.0f bytes of memory each (%.0f when read), open again in %.2f s (CPU %.2f), %u segments\n",
		(unsigned long long)counts.messages, what, (double)(after - memory) / (double)counts.messages,
		(double)(memory_used() - memory) / (double)counts.messages, wall, cpu, counts.segments);
}

/* The reason that most of a long queue has, with what differs between destinations. */
static void defer_all(struct bench *b)
{
	struct spool_entry entry;
	char reason[128];
	uint32_t count = 0;
	struct spool_cursor *cursor = spool_cursor_open(b->spool);
	while (spool_next(b->spool, cursor, &entry)) {
		snprintf(reason, sizeof(reason), "connect to mx%u.example.net [192.0.2.%u]:25: Connection timed out",
			count % 1000, count % 250);
		struct spool_result r = { .id = entry.id, .state = SPOOL_DEFERRED, .attempts = 1, .retry_at_ms = 1000 + count,
			.reason = span_str(reason) };
		int rc = spool_settle(b->spool, &r, 0);
		if (rc < 0)
			die("defer", rc);
		if (++count % 10000 == 0)
			run_jobs(b);
	}
	spool_cursor_close(b->spool, cursor);
	run_jobs(b);
}

static void measure_many(struct bench *b, const char *folder, uint64_t live)
{
	size_t before = memory_used();
	double begin = seconds(CLOCK_MONOTONIC);
	for (uint64_t i = 0; i < live; i += BATCH_MAX)
		append(b, BATCH_MAX, 400);
	printf("%llu appended: %.0f/s\n", (unsigned long long)live, (double)live / (seconds(CLOCK_MONOTONIC) - begin));
	measure_open(b, folder, "pending", before);
	defer_all(b);
	measure_open(b, folder, "deferred", before);
}

int main(int argc, char **argv)
{
	static struct bench b;
	if (argc < 2) {
		fprintf(stderr, "usage: bench_spool FOLDER [LIVE MESSAGES]\n");
		return 2;
	}
	b.ids = (struct id_source){ { (uint64_t)time(NULL), (uint64_t)getpid() } };
	memset(b.content, 'x', sizeof(b.content));
	mkdir(argv[1], 0700);
	open_spool(&b, argv[1]);
	static const int batches[] = { 1, 20, 100 };
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
			measure_batch(&b, argv[1], batches[i]);
	}
	if (argc > 2)
		measure_many(&b, argv[1], strtoull(argv[2], NULL, 10));
	close_spool(&b);
	return 0;
}
