/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message store on a disk that tears, loses, reorders, fails and fills up, with
 * crashes at every step. From a seed comes a story: messages are appended and settled,
 * the machine or the process dies, the store is opened again and compared with a
 * model that knows only what was acknowledged.
 *
 *     spool_sim                     the stories of the test suite, as TAP
 *     spool_sim --seed N [-v]       one story again
 *     spool_sim --from N --count M  others
 *
 * Invariants
 *  - what was acknowledged is there after recovery, complete and with the right content
 *    and options; a note is never older than the last acknowledged one
 *  - what was refused never appears
 *  - a recipient's state is never older than the last acknowledged one, and a message
 *    whose recipients are all settled never comes back
 *  - nothing is found that was never submitted, nothing twice
 *  - without faults nothing is refused, reported as damaged, or unknown
 *  - space is bounded by what lives
 *  - a second instance is refused; files that only have such names are not touched
 *  - a segment that somebody cuts loses what stood behind the cut, and nothing else
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "crc32c.h"
#include "disk_sim.h"
#include "spool_read.h"

#define MESSAGES_MAX 400
#define RECIPIENTS_MAX 8
#define HISTORY_MAX 24
#define SEGMENT_BYTES (64u * 1024)
#define CONTENT_MAX 9000
#define STEPS 160
#define NOTE_TAG (1ull << 32) /* and the number noted above 40 */
#define ORCPTS 4

enum fate { FREE, WAITING, ACKED, REFUSED, UNKNOWN, LOST };

/* All that was ever submitted for a recipient, in order; `acked` is the last that was durable. */
struct model_recipient {
	enum spool_state history[HISTORY_MAX];
	uint32_t added[HISTORY_MAX];
	uint32_t count;
	uint32_t acked;
	bool waiting;
	uint8_t notify;     /* what spool_read must say; the ORCPT is made from it */
};

struct model {
	enum fate fate;
	bool dead;          /* settled for certain */
	bool adopted;       /* found at a start, never acknowledged: with faults it may still be lost */
	struct id128 id;
	uint64_t content_seed;
	uint32_t content_len;
	uint32_t accepted;
	uint32_t recipient_count;
	struct model_recipient recipients[RECIPIENTS_MAX];
	bool large;
	uint8_t noted, note_acked; /* notes are numbers that grow */
	uint8_t *bytes;     /* lent to the store */
};

struct story {
	uint64_t seed;
	bool verbose;
	bool faults;
	struct id_source chance;
	struct disk_sim *sim;
	struct disk disk;
	struct spool *spool;
	struct model models[MESSAGES_MAX];
	int count;
	uint64_t now_ms;
	uint32_t crashes, acked, refused, unknown, settled;
	bool lie;           /* the disk lies: the story must fail */
};

/* NOTIFY 0 goes without an ORCPT. */
static const struct span orcpts[ORCPTS] = { { (const uint8_t *)"", 0 }, { (const uint8_t *)"rfc822;a+2B", 11 },
	{ (const uint8_t *)"rfc822;long@example.org", 23 }, { (const uint8_t *)"utf-8;x", 7 } };

static uint64_t pick(struct story *t, uint64_t below)
{
	return id_source_u64(&t->chance) % below;
}

static _Noreturn void fail(const struct story *t, const char *what, const struct model *m)
{
	char id[ID128_TEXT_LEN] = { 0 };
	if (m != NULL)
		id128_write(&m->id, id);
	printf("not ok - seed %" PRIu64 ": %s (message %.*s)\n", t->seed, what, ID128_TEXT_LEN, m != NULL ? id : "-");
	for (uint32_t i = 0; m != NULL && i < m->recipient_count; i++) {
		printf("# recipient %u: %u acked of", i, m->recipients[i].acked);
		for (uint32_t k = 0; k < m->recipients[i].count; k++)
			printf(" %s", spool_state_name(m->recipients[i].history[k]));
		printf("\n");
	}
	printf("# again: spool_sim --seed %" PRIu64 " -v\n", t->seed);
	exit(1);
}

static void tell(const struct story *t, const char *what, uint64_t number)
{
	if (t->verbose)
		printf("# %s %" PRIu64 "\n", what, number);
}

static void fill(const struct model *m, uint8_t *bytes)
{
	struct id_source source = { { m->content_seed, 1 } };
	for (uint32_t i = 0; i < m->content_len; i++)
		bytes[i] = (uint8_t)(i % 8 == 0 ? id_source_u64(&source) : i);
}

static void open_spool(struct story *t)
{
	struct spool_options options = {
		.disk = &t->disk,
		.seed = { id_source_u64(&t->chance), id_source_u64(&t->chance) },
		.segment_bytes = SEGMENT_BYTES,
		.journal_bytes = 4096,
		.spare_segments_max = 2,
	};
	for (int tries = 0; tries < 20; tries++) {
		int rc = spool_open(&options, &t->spool);
		if (rc == 0 && !disk_sim_dead(t->sim))
			return;
		if (rc == 0)
			spool_close(t->spool);
		tell(t, "open failed", (uint64_t)-rc);
		if (disk_sim_dead(t->sim) || tries % 2 == 0)
			disk_sim_crash(t->sim);
		else
			disk_sim_kill(t->sim);
		if (tries > 4)
			*disk_sim_faults(t->sim) = (struct disk_sim_faults){ .bytes_max = 64u << 20 };
	}
	fail(t, "the store cannot be opened any more", NULL);
}

static struct model *new_model(struct story *t)
{
	if (t->count == MESSAGES_MAX)
		return NULL;
	struct model *m = &t->models[t->count++];
	*m = (struct model){ .fate = WAITING, .id = id128_next(&t->chance, ++t->now_ms) };
	m->content_seed = id_source_u64(&t->chance);
	m->content_len = (uint32_t)pick(t, pick(t, 4) == 0 ? CONTENT_MAX : 700);
	m->accepted = m->recipient_count = 1 + (uint32_t)(pick(t, 4) == 0 ? pick(t, 3) : 0);
	for (uint32_t i = 0; i < m->accepted; i++)
		m->recipients[i].notify = (uint8_t)pick(t, ORCPTS);
	m->bytes = malloc(m->content_len + 1);
	fill(m, m->bytes);
	return m;
}

static void forget_bytes(struct model *m)
{
	free(m->bytes);
	m->bytes = NULL;
}

static void append_one(struct story *t)
{
	struct model *m = new_model(t);
	if (m == NULL)
		return;
	struct span recipients[3] = { SPAN("a@example.org"), SPAN("b@example.org"), SPAN("c@example.org") };
	uint32_t trace_len = m->content_len > 20 ? 20 : 0;
	struct spool_message message = { .id = m->id, .arrival_ms = t->now_ms, .sender = SPAN("s@example.net"),
		.recipients = recipients, .recipient_count = m->accepted, .client = SPAN("192.0.2.1"),
		.trace = span_of(m->bytes, trace_len), .content = span_of(m->bytes + trace_len, m->content_len - trace_len) };
	uint8_t notify[3];
	struct span orcpt[3];
	for (uint32_t i = 0; i < m->accepted; i++) {
		notify[i] = m->recipients[i].notify;
		orcpt[i] = orcpts[notify[i]];
	}
	message.notify = notify;
	message.orcpt = orcpt;
	message.ret = (enum spool_ret)(m->content_seed % 3);
	message.envid = m->content_seed % 5 == 0 ? SPAN("envelope") : SPAN("");
	if (pick(t, 12) == 0) {
		int fd;
		if (spool_large_open(t->spool, &m->id, &fd) < 0) {
			m->fate = REFUSED;
			forget_bytes(m);
			return;
		}
		disk_sim_write_fd(t->sim, fd, message.content);
		t->disk.ops->close(t->disk.ctx, fd);
		message.large = m->large = true;
		message.large_bytes = message.content.len;
		message.large_crc = crc32c(0, message.content);
		message.content.len = 0;
	}
	if (spool_append(t->spool, &message, (uint64_t)(m - t->models)) < 0)
		fail(t, "append was refused at once", m);
}

static struct model *pick_live(struct story *t)
{
	for (int tries = 0; tries < 8 && t->count > 0; tries++) {
		struct model *m = &t->models[pick(t, (uint64_t)t->count)];
		if (m->fate == ACKED && !m->dead)
			return m;
	}
	return NULL;
}

static void settle_one(struct story *t)
{
	struct model *m = pick_live(t);
	if (m == NULL)
		return;
	uint32_t index = (uint32_t)pick(t, m->recipient_count);
	struct model_recipient *r = &m->recipients[index];
	if (r->waiting || r->count == HISTORY_MAX || (r->acked > 0 && spool_state_final(r->history[r->acked - 1])))
		return;
	static const enum spool_state states[] = { SPOOL_DELIVERED, SPOOL_DELIVERED, SPOOL_FAILED, SPOOL_DEFERRED,
		SPOOL_IN_DOUBT, SPOOL_HELD, SPOOL_BOUNCE_OWED, SPOOL_EXPANDED };
	enum spool_state state = states[pick(t, 8)];
	/* One expansion in the life of a message, so that the model stays simple. */
	uint32_t added = 1 + (uint32_t)pick(t, 3);
	for (uint32_t i = 0; i < m->recipient_count; i++) {
		for (uint32_t k = 0; k < m->recipients[i].count && state == SPOOL_EXPANDED; k++)
			state = m->recipients[i].history[k] == SPOOL_EXPANDED ? SPOOL_DELIVERED : state;
	}
	struct span addresses[3] = { SPAN("x@example.org"), SPAN("y@example.org"), SPAN("z@example.org") };
	struct spool_result result = { .id = m->id, .recipient = index, .state = state, .retry_at_ms = t->now_ms,
		.reason = SPAN("because"), .added = addresses, .attempts = r->count + 1 };
	result.added_count = state == SPOOL_EXPANDED ? added : 0;
	uint8_t notify[3] = { 0 };
	struct span orcpt[3];
	bool inherit = pick(t, 2) == 0;
	for (uint32_t i = 0; i < result.added_count; i++) {
		notify[i] = inherit ? r->notify : (uint8_t)pick(t, ORCPTS);
		orcpt[i] = orcpts[notify[i]];
		m->recipients[m->recipient_count + i].notify = notify[i];
	}
	result.added_notify = inherit ? NULL : notify;
	result.added_orcpt = inherit ? NULL : orcpt;
	int rc = spool_settle(t->spool, &result, (uint64_t)(m - t->models) * RECIPIENTS_MAX + index);
	if (rc < 0)
		fail(t, "settle was refused at once", m);
	r->history[r->count] = state;
	r->added[r->count++] = result.added_count;
	r->waiting = true;
}

static void note_one(struct story *t)
{
	struct model *m = pick_live(t);
	if (m == NULL || m->noted > 200)
		return;
	uint64_t tag = (uint64_t)(m - t->models) | NOTE_TAG | (uint64_t)(m->noted + 1) << 40;
	if (spool_note(t->spool, &m->id, ++m->noted, tag) < 0)
		fail(t, "a note was refused at once", m);
}

static bool all_final(const struct model *m)
{
	for (uint32_t i = 0; i < m->recipient_count; i++) {
		const struct model_recipient *r = &m->recipients[i];
		if (r->acked == 0 || !spool_state_final(r->history[r->acked - 1]))
			return false;
	}
	return true;
}

static void settle_acked(struct model *m, struct model_recipient *r, uint32_t history)
{
	r->acked = history;
	if (r->history[history - 1] == SPOOL_EXPANDED)
		m->recipient_count += r->added[history - 1];
	m->dead = all_final(m);
}

static void complete(struct story *t, const struct spool_completion *done)
{
	if (done->settle && (done->tag & NOTE_TAG) != 0) {
		struct model *m = &t->models[(uint32_t)done->tag];
		if (done->outcome == SPOOL_DURABLE)
			m->note_acked = (uint8_t)(done->tag >> 40);
		return;
	}
	if (done->settle) {
		struct model *m = &t->models[done->tag / RECIPIENTS_MAX];
		struct model_recipient *r = &m->recipients[done->tag % RECIPIENTS_MAX];
		r->waiting = false;
		t->settled++;
		if (done->outcome == SPOOL_DURABLE)
			settle_acked(m, r, r->count);
		return;
	}
	struct model *m = &t->models[done->tag];
	m->fate = done->outcome == SPOOL_DURABLE ? ACKED : done->outcome == SPOOL_UNKNOWN ? UNKNOWN : REFUSED;
	t->acked += m->fate == ACKED;
	t->refused += m->fate == REFUSED;
	t->unknown += m->fate == UNKNOWN;
	if (m->fate != ACKED && !t->faults)
		fail(t, "refused without a fault", m);
	tell(t, m->fate == ACKED ? "acked" : m->fate == REFUSED ? "refused" : "unknown", done->tag);
	forget_bytes(m);
}

static void tell_notices(struct story *t)
{
	const char *notice;
	while ((notice = spool_notice_next(t->spool)) != NULL) {
		if (t->verbose)
			printf("# notice: %s\n", notice);
	}
}

/* One job; false when the machine died meanwhile, or there was none. */
static bool run_job(struct story *t)
{
	struct spool_job *job = spool_job_begin(t->spool);
	if (job == NULL)
		return false;
	spool_job_run(job);
	while (pick(t, 3) == 0)
		append_one(t);
	bool dead = disk_sim_dead(t->sim);
	spool_job_end(t->spool, job);
	struct spool_completion done;
	/* What a dead machine would have answered, nobody heard. */
	while (!dead && spool_completion_next(t->spool, &done))
		complete(t, &done);
	tell_notices(t);
	return !dead;
}

/* The number of recipients is checked elsewhere; more may have been added than was acknowledged. */
static void check_options(struct story *t, const struct model *m, const struct spool_view *view)
{
	for (uint32_t i = 0; i < m->recipient_count && i < view->entry.recipient_count; i++) {
		const struct spool_recipient *r = &view->recipients[i];
		if (r->notify != m->recipients[i].notify || !span_eq(r->orcpt, orcpts[m->recipients[i].notify]))
			fail(t, "a recipient's options are not what was accepted", m);
	}
}

static void check_content(struct story *t, struct model *m)
{
	struct spool_view view;
	uint8_t *want = malloc(m->content_len + 1);
	fill(m, want);
	int rc = spool_read(t->spool, &m->id, &view);
	if (rc == -EILSEQ && m->adopted && t->faults) {
		free(want);
		return;
	}
	if (rc < 0)
		fail(t, "an acknowledged message cannot be read", m);
	if (!m->large && !span_eq(view.content, span_of(want, m->content_len)))
		fail(t, "the content is not what was accepted", m);
	if (m->large && spool_large_check(t->spool, &view) < 0)
		fail(t, "the large content is not what was accepted", m);
	if (!span_eq(view.sender, SPAN("s@example.net")) || view.recipients[0].address.len != 13)
		fail(t, "the envelope is not what was accepted", m);
	if (view.ret != m->content_seed % 3 || (view.envid.len > 0) != (m->content_seed % 5 == 0))
		fail(t, "the options are not what was accepted", m);
	check_options(t, m, &view);
	free(want);
	spool_view_fini(&view);
}

/* A recipient after a start: as acknowledged or as submitted later. */
static void check_recipient(struct story *t, struct model *m, uint32_t index)
{
	struct model_recipient *r = &m->recipients[index];
	struct spool_recipient found;
	if (!spool_recipient_find(t->spool, &m->id, index, &found))
		fail(t, "a recipient is missing", m);
	if (found.attempts < r->acked)
		fail(t, "a recipient's state is older than the acknowledged one", m);
	if (found.attempts > r->count || (found.attempts == 0 && found.state != SPOOL_PENDING) ||
		(found.attempts > 0 && found.state != r->history[found.attempts - 1]))
		fail(t, "a recipient's state was never submitted", m);
	if (found.attempts > r->acked)
		settle_acked(m, r, found.attempts);
	r->waiting = false;
	r->count = r->acked;
}

/* A message that is not there: only if what was submitted can have ended it. */
static void check_absent(struct story *t, struct model *m)
{
	for (uint32_t i = 0; i < m->recipient_count; i++) {
		const struct model_recipient *r = &m->recipients[i];
		bool possible = r->acked > 0 && spool_state_final(r->history[r->acked - 1]);
		for (uint32_t k = r->acked; k < r->count; k++)
			possible |= spool_state_final(r->history[k]) && r->history[k] != SPOOL_EXPANDED;
		if (!possible)
			fail(t, "an acknowledged message is gone", m);
	}
	m->dead = true;
}

static void check_message(struct story *t, struct model *m)
{
	struct spool_entry entry;
	bool found = spool_find(t->spool, &m->id, &entry);
	forget_bytes(m);
	if (m->fate == REFUSED && found)
		fail(t, "a refused message came alive", m);
	if (m->dead && found)
		fail(t, "a settled message came back", m);
	if (m->fate == ACKED && !m->dead && !found && m->adopted && t->faults)
		m->dead = true;
	if (m->fate == ACKED && !m->dead && !found)
		check_absent(t, m);
	if (m->fate == WAITING || m->fate == UNKNOWN) {
		m->fate = found ? ACKED : LOST;
		m->adopted = true;
	}
	if (m->fate == LOST && found)
		fail(t, "a message came back after it was lost", m);
	if (!found)
		return;
	for (uint32_t i = 0; i < m->recipient_count; i++)
		check_recipient(t, m, i);
	check_content(t, m);
	if (entry.delay_notices < m->note_acked || entry.delay_notices > m->noted)
		fail(t, "a note is older than the acknowledged one, or was never submitted", m);
	m->note_acked = m->noted = entry.delay_notices;
	if (entry.recipient_count != m->recipient_count)
		fail(t, "the number of recipients is wrong", m);
}

static void check_all(struct story *t, bool damage)
{
	struct spool_counts counts;
	uint64_t live = 0, walked = 0;
	struct spool_entry entry;
	for (int i = 0; i < t->count; i++)
		check_message(t, &t->models[i]);
	for (int i = 0; i < t->count; i++)
		live += t->models[i].fate == ACKED && !t->models[i].dead;
	struct spool_cursor *cursor = spool_cursor_open(t->spool);
	while (spool_next(t->spool, cursor, &entry))
		walked++;
	spool_cursor_close(t->spool, cursor);
	spool_counts(t->spool, &counts);
	if (walked != live || counts.messages != live)
		fail(t, "the walk does not see what lives", NULL);
	if (counts.damaged > 0 && !t->faults && !damage)
		fail(t, "damage was reported where none was", NULL);
}

static void set_faults(struct story *t)
{
	struct disk_sim_faults *f = disk_sim_faults(t->sim);
	*f = (struct disk_sim_faults){ .bytes_max = 64u << 20, .sync_is_a_lie = t->lie };
	if (!t->faults || pick(t, 2) == 0)
		return;
	static const uint32_t rates[] = { 0, 0, 10, 50, 200 };
	f->write = rates[pick(t, 5)];
	f->sync = rates[pick(t, 5)];
	f->names = rates[pick(t, 5)];
	if (pick(t, 4) == 0)
		f->bytes_max = disk_sim_used(t->sim) + pick(t, 200 * 1024);
}

static void end_process(struct story *t)
{
	/* Frees the memory of the dead process; the disk must not notice. */
	disk_sim_faults(t->sim)->calls_left = 1;
	struct spool *s = t->spool;
	t->spool = NULL;
	spool_close(s);
}

static void restart(struct story *t)
{
	uint64_t how = pick(t, 4);
	struct spool *second;
	struct spool_options options = { .disk = &t->disk };
	disk_sim_faults(t->sim)->calls_left = 0;
	if (!disk_sim_dead(t->sim) && spool_open(&options, &second) != -EWOULDBLOCK)
		fail(t, "a second instance was let in", NULL);
	t->crashes++;
	if (how == 0 && !disk_sim_dead(t->sim)) {
		tell(t, "clean stop", 0);
		spool_close(t->spool);
		disk_sim_kill(t->sim);
	} else {
		end_process(t);
		tell(t, how == 1 ? "kill" : "crash", t->crashes);
		if (how == 1)
			disk_sim_kill(t->sim);
		else
			disk_sim_crash(t->sim);
	}
	set_faults(t);
	/* Recovery itself is interrupted too. */
	if (pick(t, 3) == 0)
		disk_sim_faults(t->sim)->calls_left = 1 + pick(t, 60);
	open_spool(t);
	disk_sim_faults(t->sim)->calls_left = 0;
	tell_notices(t);
	check_all(t, false);
}

static void step(struct story *t)
{
	for (uint64_t n = pick(t, 5); n > 0; n--)
		append_one(t);
	for (uint64_t n = pick(t, 8); n > 0; n--)
		settle_one(t);
	if (pick(t, 3) == 0)
		note_one(t);
	if (pick(t, 10) == 0)
		set_faults(t);
	if (pick(t, 12) == 0)
		disk_sim_faults(t->sim)->calls_left = 1 + pick(t, 30);
	for (int jobs = 0; jobs < 50 && run_job(t); jobs++)
		continue;
	if (disk_sim_dead(t->sim) || pick(t, 15) == 0)
		restart(t);
}

static const char *const strangers[] = { "segment-ffffffff", "journal-ffffffffffffff00", "journal-00000000000000AB" };

static void put_strangers(struct story *t)
{
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		disk_sim_put(t->sim, strangers[i], SPAN("a stranger"));
}

static void check_strangers(struct story *t)
{
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		if (!span_eq(disk_sim_bytes(t->sim, strangers[i]), SPAN("a stranger")))
			fail(t, "a file that is none of the store's was touched", NULL);
	}
}

/* Somebody cuts a segment: what is there is right, what is lost stays lost, the file is not used. */
static void cut_segment(struct story *t)
{
	char name[DISK_NAME_MAX];
	snprintf(name, sizeof(name), "segment-%08x", (unsigned)pick(t, 4));
	uint64_t bytes = disk_sim_bytes(t->sim, name).len;
	if (bytes == 0)
		return;
	end_process(t);
	disk_sim_kill(t->sim);
	bytes = pick(t, bytes);
	disk_sim_truncate(t->sim, name, bytes);
	for (int start = 0; start < 2; start++) {
		open_spool(t);
		for (int i = 0; i < t->count; i++) {
			struct spool_entry entry;
			bool found = spool_find(t->spool, &t->models[i].id, &entry);
			if (t->models[i].fate == ACKED && !t->models[i].dead && !found)
				t->models[i].dead = true;
		}
		tell_notices(t);
		check_all(t, true);
		if (start == 0) {
			end_process(t);
			disk_sim_kill(t->sim);
		}
	}
	struct span left = disk_sim_bytes(t->sim, name);
	if (left.len != 0 && left.len != bytes)
		fail(t, "a segment that was cut is written again", NULL);
}

/* At the end, without faults: everything is settled, then hardly any space is in use. */
static void finish(struct story *t)
{
	*disk_sim_faults(t->sim) = (struct disk_sim_faults){ .bytes_max = 64u << 20, .sync_is_a_lie = t->lie };
	restart(t);
	*disk_sim_faults(t->sim) = (struct disk_sim_faults){ .bytes_max = 64u << 20, .sync_is_a_lie = t->lie };
	if (disk_sim_dead(t->sim))
		restart(t);
	if (t->seed % 4 == 0)
		cut_segment(t);
	for (int i = 0; i < t->count; i++) {
		struct model *m = &t->models[i];
		for (uint32_t k = 0; m->fate == ACKED && !m->dead && k < m->recipient_count; k++) {
			struct model_recipient *r = &m->recipients[k];
			if (r->acked > 0 && spool_state_final(r->history[r->acked - 1]))
				continue;
			struct spool_result result = { .id = m->id, .recipient = k, .state = SPOOL_DELIVERED };
			if (spool_settle(t->spool, &result, UINT64_MAX) < 0)
				fail(t, "the last settle was refused", m);
		}
	}
	struct spool_completion done;
	struct spool_job *job;
	int jobs = 0;
	while (jobs++ < 2000 && (job = spool_job_begin(t->spool)) != NULL) {
		spool_job_run(job);
		spool_job_end(t->spool, job);
		while (spool_completion_next(t->spool, &done)) {
			if (done.settle && done.outcome != SPOOL_DURABLE)
				fail(t, "a settle was refused without a fault", NULL);
		}
		tell_notices(t);
	}
	if (jobs >= 2000)
		fail(t, "maintenance never ends", NULL);
	struct spool_counts counts;
	spool_counts(t->spool, &counts);
	if (counts.messages != 0 || counts.recipients != 0 || counts.bytes != 0)
		fail(t, "something lives after everything was settled", NULL);
	if (counts.segments > 2 + 1 + 1 && counts.damaged == 0)
		fail(t, "space was not won back", NULL);
	spool_close(t->spool);
	disk_sim_kill(t->sim);
	check_strangers(t);
}

static void run_story(uint64_t seed, bool verbose, bool lie, struct story *t)
{
	*t = (struct story){ .seed = seed, .verbose = verbose, .lie = lie, .now_ms = 1000 };
	t->chance = (struct id_source){ { seed, 0x5eed } };
	t->faults = seed % 3 != 0;
	t->sim = disk_sim_new(seed);
	t->disk = disk_sim_table(t->sim);
	put_strangers(t);
	set_faults(t);
	open_spool(t);
	for (int i = 0; i < STEPS; i++)
		step(t);
	finish(t);
	for (int i = 0; i < t->count; i++)
		forget_bytes(&t->models[i]);
	disk_sim_free(t->sim);
}

int main(int argc, char **argv)
{
	uint64_t from = 1, count = 150;
	bool verbose = false, lie = false;
	for (int i = 1; i < argc; i++) {
		bool value = i + 1 < argc;
		if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--lie") == 0)
			lie = true;
		else if (strcmp(argv[i], "--seed") == 0 && value) {
			from = strtoull(argv[++i], NULL, 10);
			count = 1;
		} else if (strcmp(argv[i], "--from") == 0 && value)
			from = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--count") == 0 && value)
			count = strtoull(argv[++i], NULL, 10);
		else
			return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..1\n");
	uint64_t crashes = 0, acked = 0, refused = 0, unknown = 0, settled = 0;
	struct story *t = malloc(sizeof(*t));
	for (uint64_t seed = from; seed < from + count; seed++) {
		run_story(seed, verbose, lie, t);
		crashes += t->crashes;
		acked += t->acked;
		refused += t->refused;
		unknown += t->unknown;
		settled += t->settled;
	}
	free(t);
	printf("# %" PRIu64 " stories, %" PRIu64 " restarts, %" PRIu64 " acknowledged, %" PRIu64 " refused, %" PRIu64
		" unknown, %" PRIu64 " settled\n", count, crashes, acked, refused, unknown, settled);
	printf("ok 1 - the store keeps its promises\n");
	return 0;
}
