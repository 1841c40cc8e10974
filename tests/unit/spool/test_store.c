/* SPDX-License-Identifier: Apache-2.0 */
/* The store as its owner sees it, on a disk without chance: what is accepted, settled, damaged, full. */
#include <errno.h>

#include "crc32c.h"
#include "spool_read.h"
#include "spool_test_disk.h"

#define SEGMENT_BYTES (64u * 1024)
#define TAG 4711u

struct store {
	struct bench bench;
	struct spool *spool;
};

static int open_store(struct store *s)
{
	struct spool_options options = { .disk = &s->bench.disk, .seed = { 1, 2 }, .segment_bytes = SEGMENT_BYTES,
		.journal_bytes = 16384 };
	return spool_open(&options, &s->spool);
}

static void new_store(struct store *s)
{
	s->bench = bench_new();
	assert_int_equal(open_store(s), 0);
}

static void free_store(struct store *s)
{
	spool_close(s->spool);
	disk_sim_free(s->bench.sim);
}

/* The process dies; the disk keeps what it has. */
static void kill_store(struct store *s)
{
	disk_sim_faults(s->bench.sim)->calls_left = 1;
	spool_close(s->spool);
	disk_sim_kill(s->bench.sim);
	assert_int_equal(open_store(s), 0);
}

/* Runs all jobs; the outcome of the last completion. */
static enum spool_outcome run(struct store *s)
{
	struct spool_job *job;
	struct spool_completion done = { .outcome = SPOOL_DURABLE };
	while ((job = spool_job_begin(s->spool)) != NULL) {
		spool_job_run(job);
		spool_job_end(s->spool, job);
	}
	while (spool_completion_next(s->spool, &done))
		continue;
	return done.outcome;
}

static struct spool_message message(uint8_t number, const struct span *to, uint32_t count)
{
	static const uint8_t text[3000] = { 'x' };
	return (struct spool_message){ .id = test_id(number), .arrival_ms = 1000 + number, .sender = SPAN("s@example.net"),
		.recipients = to, .recipient_count = count, .trace = SPAN("Received: here\r\n"),
		.content = span_of(text, sizeof(text)) };
}

static enum spool_outcome append(struct store *s, uint8_t number)
{
	struct span to[2] = { SPAN("a@example.org"), SPAN("b@example.org") };
	struct spool_message m = message(number, to, 2);
	assert_int_equal(spool_append(s->spool, &m, TAG), 0);
	return run(s);
}

static enum spool_outcome settle(struct store *s, uint8_t number, uint32_t recipient, enum spool_state state)
{
	struct spool_result r = { .id = test_id(number), .recipient = recipient, .state = state, .attempts = 1,
		.retry_at_ms = 5, .reason = SPAN("the reason") };
	assert_int_equal(spool_settle(s->spool, &r, TAG), 0);
	return run(s);
}

static bool notice_has(struct store *s, const char *words)
{
	const char *notice;
	bool found = false;
	while ((notice = spool_notice_next(s->spool)) != NULL)
		found |= strstr(notice, words) != NULL;
	return found;
}

static void test_nothing_is_visible_before_it_is_durable(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct span to = SPAN("a@example.org");
	struct spool_message m = message(1, &to, 1);
	struct spool_completion done;
	struct spool_entry entry;
	struct spool_view view;
	run(&s);
	assert_int_equal(spool_append(s.spool, &m, TAG), 0);
	struct spool_job *job = spool_job_begin(s.spool);
	assert_non_null(job);
	assert_null(spool_job_begin(s.spool));
	spool_job_run(job);
	assert_false(spool_find(s.spool, &m.id, &entry));
	assert_false(spool_completion_next(s.spool, &done));
	spool_job_end(s.spool, job);
	assert_true(spool_completion_next(s.spool, &done));
	assert_true(done.tag == TAG && !done.settle && done.outcome == SPOOL_DURABLE);
	assert_true(spool_find(s.spool, &m.id, &entry));
	assert_int_equal(spool_read(s.spool, &m.id, &view), 0);
	assert_true(span_eq(view.sender, SPAN("s@example.net")));
	assert_true(span_eq(view.recipients[0].address, to));
	assert_true(span_eq(span_to(view.content, m.trace.len), m.trace));
	assert_true(span_eq(span_from(view.content, m.trace.len), m.content));
	spool_view_fini(&view);
	free_store(&s);
}

static void test_wrong_use_is_refused_at_once(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct span to = SPAN("a@example.org");
	struct spool_message m = message(1, &to, 1);
	struct spool_view view;
	append(&s, 1);
	assert_int_equal(spool_append(s.spool, &m, 0), -EEXIST);
	m = message(2, &to, 0);
	assert_int_equal(spool_append(s.spool, &m, 0), -EINVAL);
	m = message(2, &to, 1);
	m.content.len = SPOOL_CONTENT_BYTES_MAX + 1;
	assert_int_equal(spool_append(s.spool, &m, 0), -EMSGSIZE);
	m.content.len = SEGMENT_BYTES - 600; /* within the limit, but no segment has room */
	assert_int_equal(spool_append(s.spool, &m, 0), -EMSGSIZE);
	struct spool_result r = { .id = test_id(9), .state = SPOOL_DELIVERED };
	assert_int_equal(spool_settle(s.spool, &r, 0), -ENOENT);
	r = (struct spool_result){ .id = test_id(1), .recipient = 2, .state = SPOOL_DELIVERED };
	assert_int_equal(spool_settle(s.spool, &r, 0), -ENOENT);
	assert_int_equal(spool_read(s.spool, &m.id, &view), -ENOENT);
	free_store(&s);
}

static void test_states_survive_a_kill(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct spool_recipient r;
	append(&s, 1);
	assert_int_equal(settle(&s, 1, 0, SPOOL_DELIVERED), SPOOL_DURABLE);
	assert_int_equal(settle(&s, 1, 1, SPOOL_DEFERRED), SPOOL_DURABLE);
	for (int i = 0; i < 3; i++) {
		struct spool_result again = { .id = test_id(1), .recipient = 0, .state = SPOOL_DEFERRED };
		assert_true(spool_recipient_find(s.spool, &again.id, 0, &r));
		assert_int_equal(r.state, SPOOL_DELIVERED);
		assert_true(spool_recipient_find(s.spool, &again.id, 1, &r));
		assert_true(r.state == SPOOL_DEFERRED && r.attempts == 1 && r.retry_at_ms == 5);
		assert_true(span_eq(r.reason, SPAN("the reason")));
		assert_int_equal(spool_settle(s.spool, &again, 0), -ENOENT); /* final is final */
		kill_store(&s);
	}
	assert_int_equal(settle(&s, 1, 1, SPOOL_FAILED), SPOOL_DURABLE);
	kill_store(&s);
	struct spool_counts counts;
	spool_counts(s.spool, &counts);
	assert_true(counts.messages == 0 && counts.recipients == 0 && counts.bytes == 0);
	free_store(&s);
}

static void test_added_recipients_take_the_place_of_one(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct span added[3] = { SPAN("x@example.org"), SPAN("y@example.org"), SPAN("z@example.org") };
	struct spool_result r = { .id = test_id(1), .recipient = 1, .state = SPOOL_EXPANDED, .added = added, .added_count = 2 };
	append(&s, 1);
	assert_int_equal(spool_settle(s.spool, &r, TAG), 0);
	/* Nested, and of another one, in the same batch: indexes are given when they are applied. */
	r.recipient = 0;
	r.added = added + 2;
	r.added_count = 1;
	assert_int_equal(spool_settle(s.spool, &r, TAG), 0);
	assert_int_equal(run(&s), SPOOL_DURABLE);
	settle(&s, 1, 2, SPOOL_DELIVERED);
	for (int i = 0; i < 2; i++) {
		static const char *const addresses[] = { "a@example.org", "b@example.org", "x@example.org", "y@example.org",
			"z@example.org" };
		static const enum spool_state states[] = { SPOOL_EXPANDED, SPOOL_EXPANDED, SPOOL_DELIVERED, SPOOL_PENDING,
			SPOOL_PENDING };
		struct spool_view view;
		assert_int_equal(spool_read(s.spool, &r.id, &view), 0);
		assert_int_equal(view.entry.recipient_count, 5);
		for (int k = 0; k < 5; k++) {
			assert_true(span_eq(view.recipients[k].address, span_str(addresses[k])));
			assert_int_equal(view.recipients[k].state, states[k]);
		}
		spool_view_fini(&view);
		kill_store(&s);
	}
	settle(&s, 1, 3, SPOOL_DELIVERED);
	settle(&s, 1, 4, SPOOL_DELIVERED);
	struct spool_entry entry;
	assert_false(spool_find(s.spool, &r.id, &entry));
	free_store(&s);
}

struct wanted {
	const char *address;
	uint8_t notify;
	const char *orcpt;
};

static void check_options(struct store *s, uint8_t number, const struct wanted *wanted, uint32_t count)
{
	struct id128 id = test_id(number);
	struct spool_view view;
	assert_int_equal(spool_read(s->spool, &id, &view), 0);
	assert_int_equal(view.entry.recipient_count, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct spool_recipient *r = &view.recipients[i];
		bool right = span_eq(r->address, span_str(wanted[i].address)) && r->notify == wanted[i].notify &&
			span_eq(r->orcpt, span_str(wanted[i].orcpt));
		if (!right)
			fail_msg("recipient %u: %.*s notify %u orcpt %.*s", i, SPAN_FMT(r->address), r->notify, SPAN_FMT(r->orcpt));
	}
	spool_view_fini(&view);
}

static void test_options_are_kept_and_inherited(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct span to[3] = { SPAN("a@example.org"), SPAN("b@example.org"), SPAN("c@example.org") };
	struct spool_message m = message(1, to, 3);
	m.ret = SPOOL_RET_FULL;
	m.envid = SPAN("QQ314159");
	m.notify = (const uint8_t[]){ 2, 0, 8 };
	m.orcpt = (const struct span[]){ SPAN("rfc822;a"), SPAN("utf-8;b"), SPAN("") };
	assert_int_equal(spool_append(s.spool, &m, TAG), 0);
	assert_int_equal(run(&s), SPOOL_DURABLE);
	/* The first is replaced by two that inherit; the second of these by one with its own; the
	 * third recipient by one that has neither. */
	struct spool_result r = { .id = m.id, .state = SPOOL_EXPANDED, .added_count = 2 };
	r.added = (const struct span[]){ SPAN("x@example.org"), SPAN("y@example.org") };
	assert_int_equal(spool_settle(s.spool, &r, TAG), 0);
	assert_int_equal(run(&s), SPOOL_DURABLE);
	r = (struct spool_result){ .id = m.id, .recipient = 4, .state = SPOOL_EXPANDED, .added_count = 1 };
	r.added = (const struct span[]){ SPAN("yy@example.org") };
	r.added_notify = (const uint8_t[]){ 4 };
	r.added_orcpt = (const struct span[]){ SPAN("rfc822;y+2B") };
	assert_int_equal(spool_settle(s.spool, &r, TAG), 0);
	assert_int_equal(run(&s), SPOOL_DURABLE);
	r = (struct spool_result){ .id = m.id, .recipient = 2, .state = SPOOL_EXPANDED, .added_count = 1 };
	r.added = (const struct span[]){ SPAN("z@example.org") };
	r.added_notify = (const uint8_t[]){ 0 };
	assert_int_equal(spool_settle(s.spool, &r, TAG), 0);
	assert_int_equal(run(&s), SPOOL_DURABLE);
	static const struct wanted wanted[] = {
		{ "a@example.org", 2, "rfc822;a" }, { "b@example.org", 0, "utf-8;b" }, { "c@example.org", 8, "" },
		{ "x@example.org", 2, "rfc822;a" }, { "y@example.org", 2, "rfc822;a" }, { "yy@example.org", 4, "rfc822;y+2B" },
		{ "z@example.org", 0, "" },
	};
	for (int i = 0; i < 3; i++) {
		struct spool_view view;
		check_options(&s, 1, wanted, 7);
		assert_int_equal(spool_read(s.spool, &m.id, &view), 0);
		assert_true(view.ret == SPOOL_RET_FULL && span_eq(view.envid, SPAN("QQ314159")));
		spool_view_fini(&view);
		kill_store(&s);
	}
	append(&s, 2);
	static const struct wanted none[] = { { "a@example.org", 0, "" }, { "b@example.org", 0, "" } };
	check_options(&s, 2, none, 2);
	free_store(&s);
}

static void test_an_option_that_is_too_long_is_refused(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	static const uint8_t text[SPOOL_ORCPT_BYTES_MAX + 1];
	struct span to = SPAN("a@example.org"), orcpt = span_of(text, sizeof(text));
	struct spool_message m = message(1, &to, 1);
	m.orcpt = &orcpt;
	assert_int_equal(spool_append(s.spool, &m, TAG), -EMSGSIZE);
	append(&s, 2);
	struct spool_result r = { .id = test_id(2), .state = SPOOL_EXPANDED, .added = &to, .added_orcpt = &orcpt };
	r.added_count = 1;
	assert_int_equal(spool_settle(s.spool, &r, TAG), -EINVAL);
	free_store(&s);
}

static void test_notes_survive(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct id128 id = test_id(1), other = test_id(2);
	struct spool_completion done;
	struct spool_entry entry;
	append(&s, 1);
	assert_int_equal(spool_note(s.spool, &other, 1, TAG), -ENOENT);
	assert_int_equal(spool_note(s.spool, &id, 1, TAG), 0);
	assert_int_equal(spool_note(s.spool, &id, 2, TAG + 1), 0);
	assert_true(spool_find(s.spool, &id, &entry) && entry.delay_notices == 0);
	struct spool_job *job = spool_job_begin(s.spool);
	spool_job_run(job);
	spool_job_end(s.spool, job);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(spool_completion_next(s.spool, &done));
		assert_true(done.settle && done.tag == TAG + i && done.outcome == SPOOL_DURABLE);
	}
	/* By the journal's end, then by a checkpoint, then by one with recipients in it. */
	for (int i = 0; i < 4; i++) {
		assert_true(spool_find(s.spool, &id, &entry) && entry.delay_notices == 2);
		if (i == 2)
			settle(&s, 1, 0, SPOOL_DEFERRED);
		kill_store(&s);
	}
	free_store(&s);
}

static void test_a_full_disk_refuses_and_still_settles(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	uint8_t number = 0;
	struct spool_counts counts;
	run(&s);
	disk_sim_faults(s.bench.sim)->bytes_max = disk_sim_used(s.bench.sim) + 3 * SEGMENT_BYTES;
	while (append(&s, (uint8_t)(number + 1)) == SPOOL_DURABLE)
		number++;
	assert_in_range(number, 40, 80);
	/* Others take what is left. */
	disk_sim_faults(s.bench.sim)->bytes_max = disk_sim_used(s.bench.sim);
	assert_int_equal(append(&s, 200), SPOOL_REFUSED_FULL);
	spool_counts(s.spool, &counts);
	assert_true(counts.full);
	for (uint8_t i = 1; i <= number; i++) {
		assert_int_equal(settle(&s, i, 0, SPOOL_DELIVERED), SPOOL_DURABLE);
		assert_int_equal(settle(&s, i, 1, SPOOL_DELIVERED), SPOOL_DURABLE);
	}
	/* The space that was won back takes new mail, on the disk that is still full. */
	assert_int_equal(append(&s, 201), SPOOL_DURABLE);
	spool_counts(s.spool, &counts);
	assert_true(!counts.full && counts.messages == 1);
	kill_store(&s);
	struct spool_entry entry;
	assert_false(spool_find(s.spool, &(struct id128){ .bytes = { 1, 2, 3, [15] = 200 } }, &entry));
	free_store(&s);
}

static unsigned write_count, sync_count, name_count;
static struct disk_ops plain_ops;

static int counted_write(void *ctx, int file, const struct iovec *iov, int iov_count, uint64_t offset)
{
	write_count++;
	return plain_ops.write(ctx, file, iov, iov_count, offset);
}

static int counted_sync(void *ctx, int file)
{
	sync_count++;
	return plain_ops.sync(ctx, file);
}

static int counted_sync_names(void *ctx)
{
	name_count++;
	return plain_ops.sync_names(ctx);
}

/* The price of a 250 to a client that is alone: one write and one sync, nothing for the journal. */
static void test_one_message_costs_one_write_and_one_sync(void **state)
{
	(void)state;
	struct store s;
	struct disk_ops ops;
	s.bench = bench_new();
	plain_ops = ops = *s.bench.disk.ops;
	ops.write = counted_write;
	ops.sync = counted_sync;
	ops.sync_names = counted_sync_names;
	s.bench.disk.ops = &ops;
	assert_int_equal(open_store(&s), 0);
	append(&s, 1);
	write_count = sync_count = name_count = 0;
	for (uint8_t i = 2; i < 8; i++)
		append(&s, i);
	assert_int_equal(write_count, 6);
	assert_int_equal(sync_count, 6);
	assert_int_equal(name_count, 0);
	free_store(&s);
}

static void test_a_second_instance_is_refused(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct store second = { .bench = s.bench };
	assert_int_equal(open_store(&second), -EWOULDBLOCK);
	free_store(&s);
}

static void test_a_damaged_message_stops_nothing_else(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct spool_view view;
	struct spool_counts counts;
	for (uint8_t i = 1; i <= 3; i++)
		append(&s, i);
	/* Content of the first record: 500 bytes into the file's third unit. */
	disk_sim_flip(s.bench.sim, "segment-00000000", 2 * 512 + 500, 1);
	assert_int_equal(spool_read(s.spool, &(struct id128){ .bytes = { 1, 2, 3, [15] = 1 } }, &view), -EILSEQ);
	assert_true(notice_has(&s, "is damaged"));
	assert_int_equal(spool_read(s.spool, &(struct id128){ .bytes = { 1, 2, 3, [15] = 2 } }, &view), 0);
	spool_view_fini(&view);
	/* Now the head of the second one, and a start that has to walk. */
	disk_sim_flip(s.bench.sim, "segment-00000000", 8 * 512 + 20, 1);
	kill_store(&s);
	spool_counts(s.spool, &counts);
	assert_true(counts.messages == 2 && counts.damaged == 1);
	assert_true(notice_has(&s, "set aside in its own file"));
	kill_store(&s);
	spool_counts(s.spool, &counts);
	assert_true(counts.messages == 2 && counts.damaged == 0);
	free_store(&s);
}

static void test_a_lost_journal_is_reported_and_loses_no_message(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct spool_counts counts;
	append(&s, 1);
	settle(&s, 1, 0, SPOOL_DELIVERED);
	disk_sim_flip(s.bench.sim, "journal-0000000000000001", 3, 1);
	kill_store(&s);
	spool_counts(s.spool, &counts);
	assert_true(counts.messages == 1 && counts.recipients == 2 && counts.damaged > 0);
	assert_true(notice_has(&s, "journal"));
	free_store(&s);
}

static bool lives(struct store *s, uint8_t number)
{
	struct id128 id = test_id(number);
	struct spool_view view;
	int rc = spool_read(s->spool, &id, &view);
	if (rc == 0)
		spool_view_fini(&view);
	assert_true(rc == 0 || rc == -ENOENT);
	return rc == 0;
}

/* Records of seven units from unit 1 on: 1, 8, 15, 22 ... */
static void test_what_stands_before_a_cut_lives(void **state)
{
	(void)state;
	static const struct { const char *what; bool sealed; uint64_t bytes; int lives; } cases[] = {
		{ "before the foot", true, SEGMENT_BYTES - 512, 5 },
		{ "behind the last record", false, 36 * 512, 5 },
		{ "behind the last record, sealed", true, 36 * 512 + 100, 5 },
		{ "in the last record", false, 36 * 512 - 1, 4 },
		{ "between two", true, 15 * 512, 2 },
		{ "in the second", true, 9 * 512 + 3, 1 },
		{ "in the head of the second", false, 8 * 512 + 30, 1 },
		{ "in the first", false, 3 * 512, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store s;
		struct spool_counts counts;
		new_store(&s);
		for (uint8_t k = 1; k <= 5; k++)
			append(&s, k);
		if (cases[i].sealed) {
			spool_close(s.spool);
			disk_sim_kill(s.bench.sim);
			assert_int_equal(open_store(&s), 0);
		}
		disk_sim_truncate(s.bench.sim, "segment-00000000", cases[i].bytes);
		for (int start = 0; start < 2; start++) {
			kill_store(&s);
			spool_counts(s.spool, &counts);
			if (!notice_has(&s, "segment-00000000 is cut short") || counts.damaged == 0)
				fail_msg("%s: not said", cases[i].what);
			for (uint8_t k = 1; k <= 5; k++)
				if (lives(&s, k) != (k <= cases[i].lives))
					fail_msg("%s: message %u", cases[i].what, k);
		}
		/* Nothing is written into it again, whatever becomes of the messages. */
		for (uint8_t k = 1; k <= cases[i].lives; k++) {
			settle(&s, k, 0, SPOOL_DELIVERED);
			settle(&s, k, 1, SPOOL_DELIVERED);
		}
		for (uint8_t k = 0; k < 100; k++)
			assert_int_equal(append(&s, (uint8_t)(100 + k)), SPOOL_DURABLE);
		assert_int_equal(disk_sim_bytes(s.bench.sim, "segment-00000000").len, cases[i].bytes);
		free_store(&s);
	}
}

static void test_an_empty_segment_that_is_cut_is_given_back(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	append(&s, 1);
	settle(&s, 1, 0, SPOOL_DELIVERED);
	settle(&s, 1, 1, SPOOL_DELIVERED);
	kill_store(&s);
	run(&s);
	assert_int_equal(disk_sim_bytes(s.bench.sim, "segment-00000000").len, SEGMENT_BYTES);
	disk_sim_truncate(s.bench.sim, "segment-00000000", 5000);
	kill_store(&s);
	assert_true(notice_has(&s, "segment-00000000 is cut short"));
	run(&s);
	assert_int_equal(disk_sim_bytes(s.bench.sim, "segment-00000000").len, 0);
	assert_int_equal(append(&s, 2), SPOOL_DURABLE);
	free_store(&s);
}

static void test_strangers_with_such_names_are_left_alone(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct span junk = SPAN("not one of ours");
	char name[DISK_NAME_MAX];
	struct spool_recipient r;
	append(&s, 1);
	settle(&s, 1, 0, SPOOL_DEFERRED);
	struct id128 id = test_id(1);
	disk_sim_put(s.bench.sim, "segment-ffffffff", junk);
	disk_sim_put(s.bench.sim, "journal-ffffffffffffffff", junk);
	/* One has the number that the next journal would have. */
	for (int i = 0; i < 80; i++) {
		snprintf(name, sizeof(name), "journal-%016x", i == 0 ? 2 : 1u << 31 | (unsigned)i);
		disk_sim_put(s.bench.sim, name, junk);
	}
	for (int start = 0; start < 3; start++) {
		bool named = false, more = false;
		const char *notice;
		kill_store(&s);
		while ((notice = spool_notice_next(s.spool)) != NULL) {
			named |= strstr(notice, "segment-ffffffff") != NULL;
			more |= strstr(notice, "74 more such files") != NULL;
		}
		assert_true(named && more);
		assert_true(spool_recipient_find(s.spool, &id, 0, &r) && r.state == SPOOL_DEFERRED);
		assert_true(span_eq(disk_sim_bytes(s.bench.sim, "journal-0000000000000002"), junk));
		assert_true(span_eq(disk_sim_bytes(s.bench.sim, name), junk));
		assert_true(span_eq(disk_sim_bytes(s.bench.sim, "journal-ffffffffffffffff"), junk));
		assert_true(span_eq(disk_sim_bytes(s.bench.sim, "segment-ffffffff"), junk));
	}
	free_store(&s);
}

/* Opens the file of a large message and gives it some bytes. */
static void open_large(struct store *s, struct spool_message *m)
{
	int fd;
	assert_int_equal(spool_large_open(s->spool, &m->id, &fd), 0);
	disk_sim_write_fd(s->bench.sim, fd, SPAN("much more"));
	s->bench.disk.ops->close(s->bench.disk.ctx, fd);
	m->content = SPAN("");
	m->large = true;
	m->large_bytes = 9;
	m->large_crc = crc32c(0, SPAN("much more"));
}

static void test_a_large_append_that_is_refused_leaves_no_file(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct span to = SPAN("a@example.org");
	static const uint8_t long_address[SPOOL_ADDRESS_BYTES_MAX + 1];
	run(&s);
	uint64_t used = disk_sim_used(s.bench.sim);
	for (int i = 0; i < 3; i++) {
		struct spool_message m = message((uint8_t)(10 + i), &to, 1);
		open_large(&s, &m);
		m.recipient_count = i == 0 ? 0 : 1;
		m.sender = i == 1 ? span_of(long_address, sizeof(long_address)) : SPAN("");
		m.trace.len = i == 2 ? SPOOL_CONTENT_BYTES_MAX + 1 : 0;
		assert_int_equal(spool_append(s.spool, &m, TAG), i == 0 ? -EINVAL : -EMSGSIZE);
		run(&s);
		assert_int_equal(disk_sim_used(s.bench.sim), used);
		spool_large_discard(s.spool, &m.id); /* does nothing more */
	}
	/* The id was taken meanwhile by a message without a file: that one stays, the file goes. */
	struct spool_message m = message(20, &to, 1), first = m;
	open_large(&s, &m);
	assert_int_equal(spool_append(s.spool, &first, TAG), 0);
	assert_int_equal(run(&s), SPOOL_DURABLE);
	used = disk_sim_used(s.bench.sim);
	assert_int_equal(spool_append(s.spool, &m, TAG), -EEXIST);
	run(&s);
	assert_int_equal(disk_sim_used(s.bench.sim), used - 9);
	assert_true(lives(&s, 20));
	/* And offered twice: the file belongs to the one that was kept. */
	m = message(21, &to, 1);
	open_large(&s, &m);
	assert_int_equal(spool_append(s.spool, &m, TAG), 0);
	assert_int_equal(spool_append(s.spool, &m, TAG), -EEXIST);
	spool_large_discard(s.spool, &m.id);
	assert_int_equal(run(&s), SPOOL_DURABLE);
	assert_int_equal(spool_append(s.spool, &m, TAG), -EEXIST);
	run(&s);
	struct spool_view view;
	assert_int_equal(spool_read(s.spool, &m.id, &view), 0);
	assert_int_equal(spool_large_check(s.spool, &view), 0);
	spool_view_fini(&view);
	/* A write that fails later refuses by the completion, and the file goes as well. */
	m = message(22, &to, 1);
	used = disk_sim_used(s.bench.sim);
	open_large(&s, &m);
	assert_int_equal(spool_append(s.spool, &m, TAG), 0);
	disk_sim_faults(s.bench.sim)->names = 1000;
	assert_int_equal(run(&s), SPOOL_REFUSED_ERROR);
	disk_sim_faults(s.bench.sim)->names = 0;
	append(&s, 23);
	assert_int_equal(spool_content_open(s.spool, &m.id), -ENOENT);
	free_store(&s);
}

static void test_a_large_message_has_its_own_file(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct span to = SPAN("a@example.org"), content = SPAN("much more than this");
	struct spool_message m = message(1, &to, 1);
	struct spool_view view;
	int fd;
	assert_int_equal(spool_large_open(s.spool, &m.id, &fd), 0);
	assert_int_equal(spool_large_open(s.spool, &m.id, &fd), -EEXIST);
	disk_sim_write_fd(s.bench.sim, fd, content);
	m.content = SPAN("");
	m.large = true;
	m.large_bytes = content.len;
	m.large_crc = crc32c(0, content);
	assert_int_equal(spool_append(s.spool, &m, TAG), 0);
	assert_int_equal(run(&s), SPOOL_DURABLE);
	assert_int_equal(spool_large_open(s.spool, &(struct id128){ .bytes = { 9 } }, &fd), 0); /* never finished */
	kill_store(&s);
	run(&s);
	assert_int_equal(disk_sim_bytes(s.bench.sim, "large-14g00000000000000000000000").len, 0);
	assert_int_equal(spool_read(s.spool, &m.id, &view), 0);
	assert_true(view.large_bytes == content.len && span_eq(view.content, m.trace));
	assert_true(view.entry.bytes == content.len + m.trace.len);
	assert_int_equal(spool_large_check(s.spool, &view), 0);
	int file = spool_content_open(s.spool, &m.id);
	assert_true(file >= 0);
	spool_view_fini(&view);
	uint64_t used = disk_sim_used(s.bench.sim);
	settle(&s, 1, 0, SPOOL_DELIVERED);
	assert_true(disk_sim_used(s.bench.sim) < used);
	free_store(&s);
}

static void test_a_large_file_of_another_length_is_refused(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct span to = SPAN("a@example.org");
	struct spool_message m = message(1, &to, 1);
	int fd;
	assert_int_equal(spool_large_open(s.spool, &m.id, &fd), 0);
	disk_sim_write_fd(s.bench.sim, fd, SPAN("short"));
	m.large = true;
	m.large_bytes = 6;
	assert_int_equal(spool_append(s.spool, &m, TAG), 0);
	assert_int_equal(run(&s), SPOOL_REFUSED_ERROR);
	free_store(&s);
}

static void test_a_cursor_survives_what_it_stands_on(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct spool_entry entry;
	for (uint8_t i = 1; i <= 4; i++)
		append(&s, i);
	struct spool_cursor *cursor = spool_cursor_open(s.spool);
	assert_true(spool_next(s.spool, cursor, &entry) && entry.id.bytes[15] == 1);
	settle(&s, 2, 0, SPOOL_DELIVERED);
	settle(&s, 2, 1, SPOOL_DELIVERED);
	assert_true(spool_next(s.spool, cursor, &entry) && entry.id.bytes[15] == 3);
	append(&s, 5);
	assert_true(spool_next(s.spool, cursor, &entry) && entry.id.bytes[15] == 4);
	assert_true(spool_next(s.spool, cursor, &entry) && entry.id.bytes[15] == 5);
	assert_false(spool_next(s.spool, cursor, &entry));
	spool_cursor_close(s.spool, cursor);
	free_store(&s);
}

/* Many messages pass, one stays: it is carried forward and space stays bounded. */
static void test_space_is_won_back_around_one_that_stays(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct spool_view view;
	struct spool_counts counts;
	append(&s, 255);
	for (int round = 0; round < 400; round++) {
		uint8_t number = (uint8_t)(1 + round % 200);
		assert_int_equal(append(&s, number), SPOOL_DURABLE);
		settle(&s, number, 0, SPOOL_DELIVERED);
		settle(&s, number, 1, SPOOL_FAILED);
	}
	spool_counts(s.spool, &counts);
	assert_true(counts.messages == 1 && counts.segments <= 7);
	assert_int_equal(spool_read(s.spool, &(struct id128){ .bytes = { 1, 2, 3, [15] = 255 } }, &view), 0);
	spool_view_fini(&view);
	kill_store(&s);
	assert_int_equal(spool_read(s.spool, &(struct id128){ .bytes = { 1, 2, 3, [15] = 255 } }, &view), 0);
	spool_view_fini(&view);
	free_store(&s);
}

static void test_looking_changes_nothing(void **state)
{
	(void)state;
	struct store s;
	new_store(&s);
	struct spool_options options = { .disk = &s.bench.disk, .read_only = true };
	struct spool *look;
	struct spool_entry entry;
	append(&s, 1);
	spool_close(s.spool);
	disk_sim_kill(s.bench.sim);
	disk_sim_faults(s.bench.sim)->write = 1000;
	disk_sim_faults(s.bench.sim)->names = 1000;
	assert_int_equal(spool_open(&options, &look), 0);
	assert_true(spool_find(look, &(struct id128){ .bytes = { 1, 2, 3, [15] = 1 } }, &entry));
	assert_null(spool_job_begin(look));
	spool_close(look);
	disk_sim_free(s.bench.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_visible_before_it_is_durable),
		cmocka_unit_test(test_wrong_use_is_refused_at_once),
		cmocka_unit_test(test_states_survive_a_kill),
		cmocka_unit_test(test_added_recipients_take_the_place_of_one),
		cmocka_unit_test(test_options_are_kept_and_inherited),
		cmocka_unit_test(test_an_option_that_is_too_long_is_refused),
		cmocka_unit_test(test_notes_survive),
		cmocka_unit_test(test_a_full_disk_refuses_and_still_settles),
		cmocka_unit_test(test_one_message_costs_one_write_and_one_sync),
		cmocka_unit_test(test_a_second_instance_is_refused),
		cmocka_unit_test(test_a_damaged_message_stops_nothing_else),
		cmocka_unit_test(test_a_lost_journal_is_reported_and_loses_no_message),
		cmocka_unit_test(test_what_stands_before_a_cut_lives),
		cmocka_unit_test(test_an_empty_segment_that_is_cut_is_given_back),
		cmocka_unit_test(test_strangers_with_such_names_are_left_alone),
		cmocka_unit_test(test_a_large_append_that_is_refused_leaves_no_file),
		cmocka_unit_test(test_a_large_message_has_its_own_file),
		cmocka_unit_test(test_a_large_file_of_another_length_is_refused),
		cmocka_unit_test(test_a_cursor_survives_what_it_stands_on),
		cmocka_unit_test(test_space_is_won_back_around_one_that_stays),
		cmocka_unit_test(test_looking_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
