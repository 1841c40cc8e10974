/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message for one destination: its next hops are tried in their order, each
 * hop's addresses in theirs, until every recipient has a result that another host
 * could not improve. What happens before MAIL speaks of the host; what happens after
 * it speaks of the message.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crc32c.h"
#include "file.h"
#include "relay.h"

#define CONTENT_PIECE_BYTES 65536

struct outcome {
	bool final;
	enum ipc_relayed outcome;
	uint8_t stage, cause;
	uint16_t code;
	char enhanced[20];
	char *text;
	char host[DNS_NAME_BYTES_MAX + 1];
	bool dsn_passed;
	bool before;        /* an earlier job delivered it; the result is the one that was kept */
};

struct relay_job {
	struct list link;
	struct relay *relay;
	uint32_t incarnation, request;
	bool waits;                         /* for the job of a queue that is gone, which has the same message */
	struct ipc_relay_ask ask;
	int fd;                             /* large content, or -1 */
	uint64_t summed_bytes;              /* of it, in this pass over it, with their checksum */
	uint32_t summed_crc;
	bool damaged;
	struct span hops[RELAY_HOPS_MAX];
	size_t hop_count, hop;
	struct relay_candidates candidates;
	size_t candidate;
	struct smtp_client_message message; /* to the recipients that have no final result */
	struct smtp_client_recipient *recipients;
	size_t *open;                       /* indices into outcomes, parallel to recipients */
	struct outcome *outcomes;
	size_t outcome_count;
	bool spoken;                        /* some host greeted us and had an answer for us */
	bool answered;                      /* the last host ended with a reply, not with a break */
	bool hopeless;                      /* so far every hop leads nowhere, and will tomorrow */
	bool busy;                          /* some host said it has enough of us */
	int connect_error;                  /* of the connection being tried; 0: none */
	char down_text[256];                /* why the last host could not be spoken with */
	size_t bytes;                       /* of memory, all together */
	uint8_t body[];
};

static void try_next(struct relay_job *job);

const struct smtp_client_message *relay_job_message(const struct relay_job *job)
{
	return &job->message;
}

struct span relay_job_helo(const struct relay_job *job)
{
	return job->ask.helo.len > 0 ? job->ask.helo : span_str(job->relay->hostname);
}

/* Whether the bytes that were taken and the last ones are those that were accepted. */
static bool content_sound(struct relay_job *job, uint64_t offset, struct span last)
{
	if (offset == job->summed_bytes && crc32c(job->summed_crc, last) == job->ask.large_crc)
		return true;
	if (!job->damaged) {
		struct log_line line;
		log_begin(&line, LOG_OPERATOR, "content-damaged");
		log_id(&line, "m", &job->ask.id);
		log_str(&line, "text", "the stored message does not match its checksum; it was not sent");
		log_end(&line);
	}
	job->damaged = true;
	return false;
}

struct span relay_job_content(struct relay_job *job, uint64_t offset, bool *last_out, int *error_out)
{
	static uint8_t bytes[CONTENT_PIECE_BYTES];
	if (job->fd < 0) {
		*last_out = true;
		return offset < job->ask.content.len ? span_from(job->ask.content, (size_t)offset) : (struct span){ NULL, 0 };
	}
	if (offset == 0)
		job->summed_bytes = job->summed_crc = 0; /* a pass begins: to look, for this hop, or for the next */
	uint64_t left = offset < job->ask.bytes ? job->ask.bytes - offset : 0;
	size_t want = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
	ssize_t got = want > 0 ? pread(job->fd, bytes, want, (off_t)offset) : 0;
	if (got < 0 || (want > 0 && got == 0)) {
		*error_out = got < 0 ? -errno : -EIO;
		return (struct span){ NULL, 0 };
	}
	*last_out = (uint64_t)got == left;
	if (*last_out && !content_sound(job, offset, span_of(bytes, (size_t)got))) {
		*error_out = -EILSEQ;
		return (struct span){ NULL, 0 };
	}
	return span_of(bytes, (size_t)got);
}

void relay_job_content_taken(struct relay_job *job, struct span taken)
{
	job->summed_crc = crc32c(job->summed_crc, taken);
	job->summed_bytes += taken.len;
}

static void job_release(struct relay_job *job)
{
	for (size_t i = 0; i < job->outcome_count; i++)
		free(job->outcomes[i].text);
	if (job->fd >= 0)
		close(job->fd);
	free(job->recipients);
	free(job->open);
	free(job->outcomes);
	free(job);
}

static void job_free(struct relay_job *job)
{
	list_remove(&job->link);
	job->relay->orphan_count -= job->incarnation != job->relay->incarnation;
	relay_job_counted(job->relay, false, job->bytes);
	job_release(job);
}

static void put_outcome(struct relay_job *job, struct buf *list, struct span address, const struct outcome *o)
{
	struct buf one;
	buf_init(&one, 16384);
	if (o->before) {
		ipc_list_add(list, relay_taken_find(job->relay, &job->ask.id, address));
		return;
	}
	struct ipc_relay_one say = { .outcome = (uint8_t)o->outcome, .stage = o->stage, .cause = o->cause, .code = o->code,
		.enhanced = span_str(o->enhanced), .text = span_str(o->text), .host = span_str(o->host),
		.dsn_passed = o->dsn_passed };
	ipc_put_relay_one(&one, &say);
	list->failed |= one.failed;
	ipc_list_add(list, buf_span(&one));
	if (o->outcome == IPC_RELAYED_DELIVERED && !one.failed)
		relay_taken_keep(job->relay, &job->ask.id, address, buf_span(&one));
	buf_fini(&one);
}

static void orphan_ended(struct relay *relay, const struct id128 *id);

static void answer(struct relay_job *job)
{
	struct relay *relay = job->relay;
	struct id128 id = job->ask.id;
	struct span address;
	ipc_list recipients = job->ask.recipients;
	struct buf list;
	buf_init(&list, CHANNEL_BODY_BYTES_MAX - 4096);
	for (size_t i = 0; i < job->outcome_count && ipc_list_next(&recipients, &address); i++)
		put_outcome(job, &list, address, &job->outcomes[i]);
	if (list.failed)
		buf_clear(&list); /* no memory: the queue looks at the recipients anew */
	struct ipc_relay_result say = { .results = buf_span(&list),
		.outcome = job->busy ? IPC_DESTINATION_BUSY : job->spoken ? IPC_DESTINATION_OK : IPC_DESTINATION_DOWN,
		.reason = span_str(job->down_text) };
	struct buf *out = relay->queue != NULL && relay->incarnation == job->incarnation
		? channel_answer_begin(relay->queue, IPC_RELAY_RESULT, job->request, -1) : NULL;
	if (out != NULL) {
		ipc_put_relay_result(out, &say);
		channel_end(relay->queue);
	}
	buf_fini(&list);
	bool orphan = job->incarnation != relay->incarnation;
	job_free(job);
	if (orphan)
		orphan_ended(relay, &id);
}

/* The recipients that still need a host become the message's. */
static void gather_open(struct relay_job *job)
{
	struct span item, orcpt;
	ipc_list recipients = job->ask.recipients, orcpts = job->ask.orcpts;
	job->message.recipient_count = 0;
	for (size_t i = 0; ipc_list_next(&recipients, &item); i++) {
		if (!ipc_list_next(&orcpts, &orcpt))
			orcpt = (struct span){ NULL, 0 };
		if (job->outcomes[i].final)
			continue;
		size_t at = job->message.recipient_count++;
		job->recipients[at] = (struct smtp_client_recipient){ .mailbox = item, .orcpt = orcpt,
			.notify = i < job->ask.notify.len ? job->ask.notify.ptr[i] : 0 };
		job->open[at] = i;
	}
}

/* As much as the store keeps of it: all results together must fit one answer. */
static void keep_text(struct outcome *o, struct span text)
{
	text = span_to(text, RELAY_TEXT_BYTES_MAX);
	free(o->text);
	o->text = malloc(text.len + 1);
	if (o->text == NULL)
		return;
	for (size_t i = 0; i < text.len; i++)
		o->text[i] = text.ptr[i] != 0 ? (char)text.ptr[i] : '?';
	o->text[text.len] = 0;
}

/* No reply says it: our own words do. */
static void keep_cause(const struct relay_job *job, struct outcome *o, const struct smtp_client_result *r)
{
	char text[200];
	if (job->damaged && r->cause == SMTP_CAUSE_LOCAL) {
		keep_text(o, SPAN("4.3.0 the stored message is damaged here, so it was not sent"));
		return;
	}
	if (r->stage == SMTP_STAGE_CONNECT && job->connect_error != 0) {
		snprintf(text, sizeof(text), "4.4.1 %s", strerror(job->connect_error));
		keep_text(o, span_str(text));
		return;
	}
	snprintf(text, sizeof(text), "%s (%s)", smtp_client_cause_words(r->cause), smtp_client_stage_name(r->stage));
	keep_text(o, span_str(text));
}

/* Another host may do better where this one failed before it heard of the message. */
static bool about_the_host(const struct smtp_client_result *r)
{
	return r->outcome != SMTP_CLIENT_DELIVERED && r->outcome != SMTP_CLIENT_IN_DOUBT && r->stage <= SMTP_STAGE_IDLE
		&& r->cause != SMTP_CAUSE_LOCAL;
}

void relay_job_connect_failed(struct relay_job *job, int error)
{
	job->connect_error = error;
}

void relay_job_result(struct relay_job *job, const struct smtp_client_result *r, const struct relay_endpoint *from)
{
	struct outcome *o = &job->outcomes[job->open[r->recipient]];
	o->outcome = (enum ipc_relayed)r->outcome;
	o->stage = (uint8_t)r->stage;
	o->cause = (uint8_t)r->cause;
	o->code = r->reply.code;
	o->enhanced[0] = 0;
	if (r->reply.enhanced[0] != 0)
		snprintf(o->enhanced, sizeof(o->enhanced), "%u.%u.%u", r->reply.enhanced[0], r->reply.enhanced[1],
			r->reply.enhanced[2]);
	if (r->reply.code != 0)
		keep_text(o, r->reply.text);
	else
		keep_cause(job, o, r);
	memcpy(o->host, from->host, sizeof(o->host));
	o->dsn_passed = r->dsn_passed;
	o->final = !about_the_host(r);
	if (o->final)
		return;
	job->answered = r->reply.code != 0;
	job->busy |= r->reply.code == 421;
	if (r->reply.code != 0)
		snprintf(job->down_text, sizeof(job->down_text), "%.80s: %u %.120s", from->host, r->reply.code,
			o->text != NULL ? o->text : "");
	else
		snprintf(job->down_text, sizeof(job->down_text), "%.80s: %.160s", from->host, o->text != NULL
			? o->text : smtp_client_cause_name(r->cause));
}

void relay_job_link_done(struct relay_job *job, bool spoken)
{
	job->spoken |= spoken && job->answered;
	job->connect_error = 0;
	gather_open(job);
	if (job->message.recipient_count == 0) {
		/* Once a host took part in the message, what others said before does not count. */
		job->spoken = true;
		job->busy = false;
		answer(job);
		return;
	}
	try_next(job);
}

void relay_job_again(struct relay_job *job)
{
	gather_open(job);
	job->candidate -= job->candidate > 0;
	try_next(job);
}

/* Nobody could be spoken with: the recipients wait, with the last reason; or fail, where no waiting helps. */
static void give_up(struct relay_job *job)
{
	job->spoken |= job->hopeless;
	for (size_t i = 0; i < job->outcome_count; i++) {
		struct outcome *o = &job->outcomes[i];
		if (o->final)
			continue;
		o->outcome = job->hopeless ? IPC_RELAYED_FAILED : IPC_RELAYED_DEFERRED;
		if (o->code == 0)
			keep_text(o, span_str(job->down_text));
	}
	answer(job);
}

/* What DNS says about the recipient's domain is the truth; a host in our own configuration may be a slip. */
static bool leads_nowhere(const struct relay_job *job)
{
	return job->candidates.count == 0 && (job->candidates.status == IPC_MX_LOOP || job->candidates.status == IPC_MX_NULL
		|| (job->candidates.status == IPC_MX_NO_DOMAIN && span_starts_nocase(job->hops[job->hop - 1], SPAN("mx:"))));
}

static void on_candidates(void *arg, const struct relay_candidates *candidates)
{
	struct relay_job *job = arg;
	job->candidates = *candidates;
	job->candidate = 0;
	const char *enhanced = candidates->status == IPC_MX_LOOP ? "5.4.6 "
		: candidates->status == IPC_MX_NULL ? "5.1.10 " : "5.4.4 ";
	job->hopeless = (job->hopeless || job->hop == 1) && leads_nowhere(job);
	if (candidates->count == 0)
		snprintf(job->down_text, sizeof(job->down_text), "%s%s", job->hopeless ? enhanced : "", candidates->text);
	try_next(job);
}

static void try_next(struct relay_job *job)
{
	while (job->candidate < job->candidates.count) {
		const struct relay_endpoint *to = &job->candidates.list[job->candidate++];
		int error = relay_link_start(job->relay, to, &job->ask.source, job);
		if (error == 0)
			return;
		snprintf(job->down_text, sizeof(job->down_text), "%.80s: %s", to->host, strerror(-error));
	}
	if (job->hop < job->hop_count)
		relay_hops_find(job->relay, job->hops[job->hop++], on_candidates, job);
	else
		give_up(job);
}

static size_t list_count(ipc_list list)
{
	struct span item;
	size_t count = 0;
	while (ipc_list_next(&list, &item))
		count++;
	return count;
}

/* It is said to other servers before anything else, so it must be one word. */
static bool helo_ok(struct span helo)
{
	for (size_t i = 0; i < helo.len; i++)
		if (helo.ptr[i] <= 32 || helo.ptr[i] > 126)
			return false;
	return helo.len <= DNS_NAME_BYTES_MAX;
}

/* What is listed for each recipient is there for all of them, or for none. */
static bool lists_agree(const struct ipc_relay_ask *ask, size_t count)
{
	size_t orcpts = list_count(ask->orcpts);
	return (ask->notify.len == 0 || ask->notify.len == count) && (orcpts == 0 || orcpts == count);
}

/* A large message comes as a file, another one as bytes. */
static bool content_ok(const struct ipc_relay_ask *ask, int fd)
{
	return ask->large != 0 ? fd >= 0 && ask->content.len == 0 && file_is_regular(fd) : fd < 0;
}

static bool job_fill(struct relay_job *job)
{
	struct ipc_relay_ask *ask = &job->ask;
	size_t count = list_count(ask->recipients);
	ipc_list hops = ask->hops;
	while (job->hop_count < RELAY_HOPS_MAX && ipc_list_next(&hops, &job->hops[job->hop_count]))
		job->hop_count++;
	if (count == 0 || count > RELAY_RECIPIENTS_MAX || job->hop_count == 0 || hops.len > 0)
		return false;
	if (!lists_agree(ask, count) || !helo_ok(ask->helo))
		return false;
	job->recipients = calloc(count, sizeof(*job->recipients));
	job->open = calloc(count, sizeof(*job->open));
	job->outcomes = calloc(count, sizeof(*job->outcomes));
	if (job->recipients == NULL || job->open == NULL || job->outcomes == NULL)
		return false;
	job->outcome_count = count;
	job->bytes += count * (sizeof(*job->recipients) + sizeof(*job->open) + sizeof(*job->outcomes));
	job->message = (struct smtp_client_message){ .sender = ask->sender, .recipients = job->recipients,
		.smtputf8 = ask->smtputf8 != 0, .binary = ask->body > 1, .ret = ask->ret, .envid = ask->envid };
	return true;
}

/* Whether a queue that is gone had this message on its way: what becomes of it is to be known first. */
static bool has_orphan(const struct relay *relay, const struct id128 *id)
{
	for (const struct list *at = relay->jobs.next; relay->orphan_count > 0 && at != &relay->jobs; at = at->next) {
		const struct relay_job *job = LIST_ENTRY(at, struct relay_job, link);
		if (job->incarnation != relay->incarnation && !job->waits && id128_cmp(&job->ask.id, id) == 0)
			return true;
	}
	return false;
}

/* Recipients that have their copy are done before it starts. */
static void look_for_taken(struct relay_job *job)
{
	struct span address;
	ipc_list recipients = job->ask.recipients;
	for (size_t i = 0; i < job->outcome_count && ipc_list_next(&recipients, &address); i++) {
		struct outcome *o = &job->outcomes[i];
		o->before = o->final = relay_taken_find(job->relay, &job->ask.id, address).len > 0;
	}
}

static void start(struct relay_job *job)
{
	job->waits = has_orphan(job->relay, &job->ask.id);
	if (job->waits)
		return;
	look_for_taken(job);
	gather_open(job);
	if (job->message.recipient_count > 0) {
		try_next(job);
	} else {
		job->spoken = true;
		answer(job);
	}
}

static void orphan_ended(struct relay *relay, const struct id128 *id)
{
	struct list *next;
	for (struct list *at = relay->jobs.next; at != &relay->jobs; at = next) {
		struct relay_job *job = LIST_ENTRY(at, struct relay_job, link);
		next = at->next;
		if (job->waits && id128_cmp(&job->ask.id, id) == 0)
			start(job); /* frees itself at most */
	}
}

void relay_jobs_orphan(struct relay *relay)
{
	struct list *next;
	relay->incarnation++;
	/* Those that wait have nothing under way: nobody hears of them any more. */
	for (struct list *at = relay->jobs.next; at != &relay->jobs; at = next) {
		next = at->next;
		if (LIST_ENTRY(at, struct relay_job, link)->waits)
			job_free(LIST_ENTRY(at, struct relay_job, link));
	}
	relay->orphan_count = relay->job_count;
}

bool relay_job_begin(struct relay *relay, const struct channel_message *message)
{
	struct relay_job *job = calloc(1, sizeof(*job) + message->body.len);
	if (job == NULL)
		return false;
	job->relay = relay;
	job->incarnation = relay->incarnation;
	job->request = message->request;
	job->fd = -1;
	job->bytes = sizeof(*job) + message->body.len;
	memcpy(job->body, message->body.ptr, message->body.len);
	if (!ipc_get_relay_ask(span_of(job->body, message->body.len), &job->ask)
	    || !content_ok(&job->ask, message->fd) || !job_fill(job)) {
		job_release(job);
		return false;
	}
	job->fd = message->fd;
	list_append(&relay->jobs, &job->link);
	relay_job_counted(relay, true, job->bytes);
	start(job);
	return true;
}
