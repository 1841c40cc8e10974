/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up. The folder is read as hostile input: names that are not ours are left
 * alone, and nothing that is wrong in one file keeps another from being read.
 *
 *  1. Take the lock, list the folder, read the heads of all segments.
 *  2. Read the newest whole journal for what is dead or void in segments.
 *  3. Read the segments: what is not dead or void lives.
 *  4. Read the journal again for what became of recipients.
 *  5. Remove large files that belong to nothing (unless something was damaged).
 *  6. Write a new journal and remove the old ones; close segments left open.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool_private.h"

#define JOURNALS_BYTES_MAX (1024u * 1024) /* 131072 names; more are not ours */
#define JOURNAL_NUMBERS_NEAR (1u << 20)   /* a number so near may be ours though its head says nothing */
#define STRANGERS_NAMED_MAX 8u
#define LARGE_BYTES_MAX (64u * 1024 * 1024)

struct folder {
	struct spool *s;
	bool slots[SEGMENTS_MAX];
	struct buf names;     /* numbers (u64) of all files that are named like a journal */
	struct buf journals;  /* those that have a journal's head, ascending */
	uint32_t journal_used; /* index + 1; 0: none counts */
	struct buf large;
	uint32_t strangers;
};

static uint32_t journal_count(const struct buf *numbers)
{
	return (uint32_t)(numbers->len / sizeof(uint64_t));
}

static uint64_t journal_number(const struct buf *numbers, uint32_t index)
{
	uint64_t number;
	memcpy(&number, numbers->ptr + index * sizeof(number), sizeof(number));
	return number;
}

/* A file that is named like ours and is none. */
static void note_stranger(struct folder *f, const char *name)
{
	if (f->strangers++ < STRANGERS_NAMED_MAX)
		spool_notice(f->s, "%.63s is named like a file of the spool and is none: left alone", name);
}

static bool hex_number(const char *text, size_t digits, uint64_t *value_out)
{
	uint64_t value = 0;
	size_t i;
	for (i = 0; i < digits && text[i] != '\0'; i++) {
		const char *alphabet = "0123456789abcdef", *at = strchr(alphabet, text[i]);
		if (at == NULL)
			return false;
		value = value << 4 | (uint64_t)(at - alphabet);
	}
	*value_out = value;
	return i == digits && text[i] == '\0';
}

static bool name_begins(const char *name, const char *prefix, const char **rest_out)
{
	size_t len = strlen(prefix);
	*rest_out = name + len;
	return strncmp(name, prefix, len) == 0;
}

static bool note_name(void *arg, const char *name)
{
	struct folder *f = arg;
	const char *rest;
	uint64_t number;
	struct id128 id;
	if (name_begins(name, "segment-", &rest) && hex_number(rest, 8, &number)) {
		if (number < SEGMENTS_MAX)
			f->slots[number] = true;
		else
			note_stranger(f, name);
	} else if (name_begins(name, "journal-", &rest) && hex_number(rest, 16, &number)) {
		buf_add(&f->names, span_of(&number, sizeof(number)));
	} else if (name_begins(name, LARGE_NAME_PREFIX, &rest) && id128_parse(span_str(rest), &id)) {
		buf_add(&f->large, span_of(&id, sizeof(id)));
	} else if (strcmp(name, RESERVE_NAME) == 0) {
		f->s->reserve.present = true;
	}
	return true;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

static int read_heads(struct folder *f)
{
	for (uint32_t slot = 0; slot < SEGMENTS_MAX; slot++) {
		int rc = f->slots[slot] ? recover_head(f->s, slot) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void apply_segment_entry(void *arg, const struct journal_entry *entry)
{
	if (entry->type == JOURNAL_SEGMENT)
		segment_apply(arg, entry);
}

/* A checkpoint tells of messages in the order in which they are walked. So look first where the
 * last entry's message stands, and behind it: with a million of them that saves most searches. */
static struct message *find_near(struct spool *s, struct spool_cursor *near, const struct id128 *id)
{
	for (int i = 0; i < 2 && near->at != &s->messages; i++) {
		struct message *m = LIST_ENTRY(near->at, struct message, link);
		if (id128_cmp(&m->id, id) == 0)
			return m;
		near->at = i == 0 ? near->at->next : near->at;
	}
	struct message *m = index_find(s, id);
	if (m != NULL && m->live)
		near->at = &m->link;
	return m;
}

struct results {
	struct spool *s;
	struct spool_cursor *near;
};

static void apply_message_entry(void *arg, const struct journal_entry *entry)
{
	struct results *r = arg;
	if (entry->type != JOURNAL_SEGMENT && entry->type != JOURNAL_END)
		index_apply_to(r->s, find_near(r->s, r->near, &entry->id), entry);
}

struct reading {
	journal_entry_fn each;
	void *arg;
	uint32_t damaged;
};

/* 1: its checkpoint is whole, 0: it is not, or an error that ends the start. */
static int read_journal(struct spool *s, uint64_t number, struct reading *r)
{
	char name[DISK_NAME_MAX];
	journal_name(name, number);
	struct journal_scan scan = { .disk = s->disk };
	scan.file = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_READ);
	if (scan.file < 0)
		return scan.file;
	int rc = journal_scan(&scan, r->each, r->arg);
	s->disk->ops->close(s->disk->ctx, scan.file);
	r->damaged = scan.damaged_out;
	if (rc == -EILSEQ || rc == -EIO)
		return 0;
	return rc < 0 ? rc : scan.complete_out;
}

/* 1: the file has the head of a journal with its own number, 0: it has not, or an error. */
static int journal_head_right(struct spool *s, const char *name, uint64_t number)
{
	uint8_t unit[SPOOL_UNIT];
	uint64_t found = 0, generation;
	int file = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_READ);
	if (file < 0)
		return file == -ELOOP || file == -ENOENT ? 0 : file;
	int64_t got = s->disk->ops->read(s->disk->ctx, file, unit, sizeof(unit), 0);
	s->disk->ops->close(s->disk->ctx, file);
	int rc = got < 0 ? (int)got : journal_head_decode(span_of(unit, (size_t)got), &found, &generation);
	if (rc == -EILSEQ || rc == -EISDIR || rc == -EIO)
		return 0;
	return rc < 0 ? rc : found == number;
}

/* Tells journals from what only has such a name. */
static int find_journals(struct folder *f)
{
	char name[DISK_NAME_MAX];
	if (f->names.len > 0)
		qsort(f->names.ptr, journal_count(&f->names), sizeof(uint64_t), compare_numbers);
	for (uint32_t i = 0; i < journal_count(&f->names); i++) {
		uint64_t number = journal_number(&f->names, i);
		journal_name(name, number);
		int rc = journal_head_right(f->s, name, number);
		if (rc < 0)
			return rc;
		if (rc > 0)
			buf_add(&f->journals, span_of(&number, sizeof(number)));
		else
			note_stranger(f, name);
	}
	return f->journals.failed ? -ENOMEM : 0;
}

/* Whether the journal that should count may be one of those whose head cannot be read. */
static bool newer_may_be_lost(const struct folder *f)
{
	uint64_t used = f->journal_used > 0 ? journal_number(&f->journals, f->journal_used - 1) : 0;
	for (uint32_t i = 0; i < journal_count(&f->names); i++) {
		uint64_t number = journal_number(&f->names, i);
		if (number > used && number - used <= JOURNAL_NUMBERS_NEAR)
			return true;
	}
	return false;
}

/*
 * The journal that counts is the newest whose checkpoint is whole. An older one is
 * never read beside it: it may end in a result that was refused when the file failed,
 * and was replaced by another later.
 */
static int read_newest_journal(struct folder *f)
{
	struct spool *s = f->s;
	for (uint32_t i = journal_count(&f->journals); i > 0 && f->journal_used == 0; i--) {
		struct reading r = { .each = apply_segment_entry, .arg = s };
		uint64_t number = journal_number(&f->journals, i - 1);
		int complete = read_journal(s, number, &r);
		if (complete < 0)
			return complete;
		s->counts.damaged += r.damaged;
		if (r.damaged > 0)
			spool_notice(s, "journal %llu: %u damaged frames; recipients whose results were in them are tried again",
				(unsigned long long)number, r.damaged);
		if (complete > 0) {
			f->journal_used = i;
			continue;
		}
		s->counts.damaged++;
		spool_notice(s, "journal %llu has no whole checkpoint and does not count", (unsigned long long)number);
	}
	s->counts.damaged += newer_may_be_lost(f);
	return 0;
}

static int read_results(struct folder *f)
{
	if (f->journal_used == 0)
		return 0;
	struct results results = { f->s, spool_cursor_open(f->s) };
	struct reading r = { .each = apply_message_entry, .arg = &results };
	if (results.near == NULL)
		return -ENOMEM;
	int rc = read_journal(f->s, journal_number(&f->journals, f->journal_used - 1), &r);
	spool_cursor_close(f->s, results.near);
	return rc < 0 ? rc : 0;
}

static int read_segments(struct folder *f)
{
	struct spool *s = f->s;
	map_reserve(&s->by_id, recover_record_count(s));
	for (uint32_t i = 0; i < s->slot_count; i++) {
		int rc = s->segments[i] != NULL ? recover_segment(s, s->segments[i]) : 0;
		if (rc < 0)
			return rc;
	}
	if (s->counts.messages > 0 && f->journal_used == 0) {
		s->counts.damaged++;
		spool_notice(s, "no journal counts: every recipient is tried again");
	}
	return 0;
}

/* The time stands beside the pointer, because reaching for a million messages takes time. */
struct arrival {
	uint64_t ms;
	struct message *message;
};

static int compare_arrivals(const void *a, const void *b)
{
	const struct arrival *left = a, *right = b;
	if (left->ms != right->ms)
		return left->ms < right->ms ? -1 : 1;
	return id128_cmp(&left->message->id, &right->message->id);
}

/* Segments are used in any order; the walk over messages shall begin with the oldest. */
static int sort_messages(struct spool *s)
{
	size_t count = s->counts.messages, at = 0;
	bool sorted = true;
	struct arrival *all = malloc((count + 1) * sizeof(*all));
	if (all == NULL)
		return -ENOMEM;
	for (struct list *l = s->messages.next; l != &s->messages; l = l->next) {
		struct message *m = LIST_ENTRY(l, struct message, link);
		all[at] = (struct arrival){ m->arrival_ms, m };
		sorted = sorted && (at == 0 || compare_arrivals(&all[at - 1], &all[at]) < 0);
		at++;
	}
	if (!sorted) {
		qsort(all, at, sizeof(*all), compare_arrivals);
		list_init(&s->messages);
		for (size_t i = 0; i < at; i++)
			list_append(&s->messages, &all[i].message->link);
	}
	free(all);
	return 0;
}

static void check_large(struct folder *f)
{
	struct spool *s = f->s;
	uint32_t kept = 0;
	for (size_t at = 0; at < f->large.len; at += sizeof(struct id128)) {
		struct id128 id;
		memcpy(&id, f->large.ptr + at, sizeof(id));
		const struct message *m = index_find(s, &id);
		if (m != NULL && m->live && m->large)
			continue;
		kept++;
		if (s->counts.damaged == 0)
			buf_add(&s->unlinks, span_of(&id, sizeof(id)));
	}
	if (kept > 0 && s->counts.damaged > 0)
		spool_notice(s, "%u large files belong to no message; kept because of the damage", kept);
}

/* New journals get numbers above; those far above ours, of strangers, are never reached. */
static uint64_t last_number(const struct folder *f)
{
	uint32_t count = journal_count(&f->journals);
	uint64_t last = count > 0 ? journal_number(&f->journals, count - 1) : 0;
	for (uint32_t i = 0; i < journal_count(&f->names); i++) {
		uint64_t number = journal_number(&f->names, i);
		if (number > last && number - last <= JOURNAL_NUMBERS_NEAR)
			last = number;
	}
	return last;
}

/* The first jobs write the new journal; without one nothing may begin. */
static int begin_journal(struct folder *f)
{
	struct spool *s = f->s;
	struct spool_job *job;
	s->journal_number_last = last_number(f);
	buf_add(&s->journals_old, buf_span(&f->journals));
	s->retire_hint = true;
	while (s->journal.file < 0 && (job = spool_job_begin(s)) != NULL) {
		spool_job_run(job);
		spool_job_end(s, job);
		if (s->starved && remove_due(s) != NULL)
			s->held = false;
	}
	return s->journal.file >= 0 ? 0 : s->checkpoint_error != 0 ? s->checkpoint_error : -ENOMEM;
}

static int recover_folder(struct folder *f)
{
	struct spool *s = f->s;
	int rc = s->disk->ops->list(s->disk->ctx, note_name, f);
	if (rc == 0 && (f->names.failed || f->large.failed))
		rc = -EOVERFLOW;
	if (rc == 0)
		rc = find_journals(f);
	if (rc < 0)
		return rc;
	if (f->strangers > STRANGERS_NAMED_MAX)
		spool_notice(s, "%u more such files are left alone", f->strangers - STRANGERS_NAMED_MAX);
	rc = read_heads(f);
	if (rc == 0)
		rc = read_newest_journal(f);
	if (rc == 0)
		rc = read_segments(f);
	if (rc == 0)
		rc = sort_messages(s);
	if (rc == 0)
		rc = read_results(f);
	if (rc < 0)
		return rc;
	recover_dead_duplicates(s);
	buf_clear(&s->unlinks); /* of messages that were dead before; the next step finds them */
	check_large(f);
	if (s->options.read_only)
		return 0;
	rc = begin_journal(f);
	if (rc < 0)
		return rc;
	recover_seals(s);
	return recover_duplicates(s);
}

int spool_recover(struct spool *s)
{
	int rc = s->disk->ops->lock(s->disk->ctx, !s->options.read_only);
	if (rc < 0)
		return rc;
	struct folder *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->s = s;
	buf_init(&f->large, LARGE_BYTES_MAX);
	buf_init(&f->names, JOURNALS_BYTES_MAX);
	buf_init(&f->journals, JOURNALS_BYTES_MAX);
	rc = recover_folder(f);
	buf_fini(&f->large);
	buf_fini(&f->names);
	buf_fini(&f->journals);
	free(f);
	return rc;
}
