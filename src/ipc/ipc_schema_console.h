/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the schema that is about the console: what it asks of the others for the
 * waybill command. The same rules as in ipc_schema.h, which is the whole.
 */
#ifndef WAYBILL_IPC_SCHEMA_CONSOLE_H
#define WAYBILL_IPC_SCHEMA_CONSOLE_H

#define IPC_MESSAGES_CONSOLE(M) \
	/* smtpd, queue to console; nobody waits for them */ \
	M(EVENT, event) \
	M(EVENTS_DROPPED, events_dropped) /* the channel was full */ \
	/* console to supervisor */ \
	M(RELOAD_ASK, reload_ask) \
	M(RELOADED, reloaded) \
	M(ROLES_ASK, roles_ask) \
	M(ROLES, roles) \
	/* console to policy */ \
	M(CHECKS_ASK, checks_ask) \
	M(CHECKS, checks) \
	M(CHECK_COUNTS, check_counts)     /* never sent alone: an item of CHECKS's list */ \
	M(SERVICE_COUNTS, service_counts) /* the same, of its other list */ \
	M(GREYLIST_LIST_ASK, greylist_list_ask) /* one page */ \
	M(GREYLIST_LIST, greylist_list) \
	M(GREYLIST_ONE, greylist_one)     /* never sent alone: an item of GREYLIST_LIST's list */ \
	M(GREYLIST_CHANGE_ASK, greylist_change_ask) \
	M(GREYLIST_CHANGED, greylist_changed) \
	M(BRAKES_ASK, brakes_ask) \
	M(BRAKES, brakes) \
	M(BRAKE_ONE, brake_one)           /* never sent alone: an item of BRAKES's list */ \
	M(BRAKE_RELEASE_ASK, brake_release_ask) \
	M(BRAKE_RELEASED, brake_released) \
	/* console to queue */ \
	M(QUEUE_STATUS_ASK, queue_status_ask) \
	M(QUEUE_STATUS, queue_status) \
	M(QUEUE_DOWN, queue_down)         /* never sent alone: an item of QUEUE_STATUS's down */ \
	M(QUEUE_PAUSE_ASK, queue_pause_ask) \
	M(QUEUE_PAUSED, queue_paused) \
	M(QUEUE_FILTER, queue_filter)     /* never sent alone: which messages and recipients are meant */ \
	M(QUEUE_LIST_ASK, queue_list_ask) /* one page of the messages that a filter lets through */ \
	M(QUEUE_LIST, queue_list) \
	M(QUEUE_ONE, queue_one)           /* never sent alone: an item of QUEUE_LIST's messages */ \
	M(QUEUE_RCPT, queue_rcpt)         /* never sent alone: an item of QUEUE_ONE's list */ \
	M(QUEUE_SUMMARY_ASK, queue_summary_ask) \
	M(QUEUE_SUMMARY, queue_summary) \
	M(QUEUE_GROUP, queue_group)       /* never sent alone: an item of QUEUE_SUMMARY's groups */ \
	M(QUEUE_CHANGE_ASK, queue_change_ask) \
	M(QUEUE_CHANGED, queue_changed)   /* when all of it is on stable storage */ \
	M(QUEUE_CONTENT_ASK, queue_content_ask) \
	M(QUEUE_CONTENT, queue_content)   /* a large one's file as descriptor, behind the content given */

/* kind: enum ipc_event_kind; key: of the catalogue, or a reason's name; until_ms: the next attempt */
#define IPC_FIELDS_EVENT(F) \
	F(u8, kind) F(u64, at_ms) F(id, message) F(span, session) F(span, client) F(span, sender) F(span, address) \
	F(span, verb) F(span, key) F(span, check) F(span, text) F(u32, attempt) F(u64, until_ms) F(u64, number)
#define IPC_FIELDS_EVENTS_DROPPED(F) F(u64, count)

#define IPC_FIELDS_RELOAD_ASK(F) F(u8, reserved)
#define IPC_FIELDS_RELOADED(F) F(u8, ok) F(span, text)
#define IPC_FIELDS_ROLES_ASK(F) F(u8, reserved)
#define IPC_FIELDS_ROLES(F) F(list, lines) F(list, directories) F(list, services) /* each a JSON object */

/* of every check; place: in the order, from 1; 0: it is not asked; stages: at which it is, a set of enum smtp_stage */
#define IPC_FIELDS_CHECKS_ASK(F) F(u8, reserved)
#define IPC_FIELDS_CHECKS(F) F(list, counts) F(list, services)
#define IPC_FIELDS_SERVICE_COUNTS(F) F(span, name) F(span, address) F(u8, down) F(u64, asked) F(u64, unanswered) \
	F(u64, ignored)
#define IPC_FIELDS_CHECK_COUNTS(F) F(span, name) F(u8, place) F(u8, stages) F(u8, everybody) \
	F(u64, asked) F(u64, accepted) F(u64, deferred) F(u64, refused)

/* kind: enum greylist_kind; after: a number, 0 begins; about: in an origin's or address's text, or empty; off: why
 * nothing is remembered now; last: after which to go on, 0: there is no more; seconds: how long strangers wait */
#define IPC_FIELDS_GREYLIST_LIST_ASK(F) F(u8, kind) F(u32, after) F(span, about)
#define IPC_FIELDS_GREYLIST_LIST(F) F(span, off) F(u32, seconds) F(u32, last) F(list, items) \
	F(u64, waiting) F(u64, passed) F(u64, known) F(u64, allowed) F(u64, forgotten) F(u64, let_through)
/* passes_ms: of one that waits, when it may come back */
#define IPC_FIELDS_GREYLIST_ONE(F) F(span, origin) F(span, sender) F(span, recipient) F(u64, first_ms) F(u64, seen_ms) \
	F(u64, passed_ms) F(u64, passes_ms) F(u32, attempts) F(u32, returns) F(u8, known) F(u8, allowed)
/* name: an origin, or to forget an address as well. count: what was changed; error: nothing was */
#define IPC_FIELDS_GREYLIST_CHANGE_ASK(F) F(u8, allow) F(span, name)
#define IPC_FIELDS_GREYLIST_CHANGED(F) F(span, name) F(u64, count) F(span, error)
/* learns_until_ms: nobody is held before; 0: it has learned */
#define IPC_FIELDS_BRAKES_ASK(F) F(u8, reserved)
#define IPC_FIELDS_BRAKES(F) F(u8, active) F(u64, learns_until_ms) F(u64, watched) F(list, held)
#define IPC_FIELDS_BRAKE_ONE(F) F(span, who) F(u64, since_ms) F(u64, until_ms) F(u32, sent) F(u32, usual)
#define IPC_FIELDS_BRAKE_RELEASE_ASK(F) F(span, who)
#define IPC_FIELDS_BRAKE_RELEASED(F) F(u8, found)

#define IPC_FIELDS_QUEUE_STATUS_ASK(F) F(u8, reserved)
/* oldest: none or one encoded ipc_queue_one, of which one recipient that waits is shown; down: the worst of
 * down_count destinations; probe_ms: 0 while one is under way */
#define IPC_FIELDS_QUEUE_STATUS(F) F(u64, messages) F(u64, recipients) F(u64, bytes) F(u8, paused) \
	F(u64, accepted) F(u64, delivered) F(list, oldest) F(u64, down_count) F(list, down)
#define IPC_FIELDS_QUEUE_DOWN(F) F(span, name) F(u64, messages) F(u64, since_ms) F(u64, probe_ms) F(span, why)
#define IPC_FIELDS_QUEUE_PAUSE_ASK(F) F(u8, paused)
#define IPC_FIELDS_QUEUE_PAUSED(F) F(u8, paused)

/* What is empty or 0 excludes nothing. id: a beginning of its text; states: a bit for each enum spool_state;
 * settled: recipients in final states are shown too; arrival before and after, in ms since 1970. */
#define IPC_FIELDS_QUEUE_FILTER(F) \
	F(span, id) F(span, sender) F(span, recipient) F(span, destination) F(span, reason) \
	F(u64, before_ms) F(u64, after_ms) F(u8, states) F(u8, settled)
/* listing: 0 begins one, else the number that the page before gave; in an answer 0: this was the last page */
#define IPC_FIELDS_QUEUE_LIST_ASK(F) F(u32, listing) F(u32, most) F(span, filter)
#define IPC_FIELDS_QUEUE_LIST(F) F(u32, listing) F(u8, lost) F(list, messages)
#define IPC_FIELDS_QUEUE_ONE(F) \
	F(id, id) F(u64, arrived_ms) F(u64, bytes) F(u8, unreadable) F(span, sender) F(span, client) F(span, helo) \
	F(span, session) F(u32, recipients) F(u32, matching) F(list, shown)
/* state: enum spool_state; blocker: enum ipc_blocker, of `destination`, since and until when, and why */
#define IPC_FIELDS_QUEUE_RCPT(F) \
	F(u32, index) F(span, address) F(u8, state) F(u32, attempts) F(u64, retry_at_ms) F(span, reason) \
	F(u8, blocker) F(span, destination) F(u64, since_ms) F(u64, until_ms) F(span, why)
#define IPC_FIELDS_QUEUE_SUMMARY_ASK(F) F(u32, listing)
#define IPC_FIELDS_QUEUE_SUMMARY(F) \
	F(u32, listing) F(u8, lost) F(u64, messages) F(u64, recipients) F(u64, oldest_ms) F(u64, disk_bytes) \
	F(u8, paused) F(list, groups)
/* kind: enum ipc_group; next_ms: the earliest next attempt */
#define IPC_FIELDS_QUEUE_GROUP(F) \
	F(u8, kind) F(span, name) F(u64, messages) F(u64, recipients) F(u64, oldest_ms) F(u64, next_ms) \
	F(u8, blocker) F(u64, since_ms) F(u64, until_ms) F(u32, in_flight) F(u32, window) F(span, why)
/* what: enum ipc_change; ids: 16 bytes each */
#define IPC_FIELDS_QUEUE_CHANGE_ASK(F) F(u8, what) F(span, filter) F(list, ids)
#define IPC_FIELDS_QUEUE_CHANGED(F) F(u32, messages) F(u32, recipients) F(u32, busy) F(u32, missing) F(u32, failed)
#define IPC_FIELDS_QUEUE_CONTENT_ASK(F) F(id, id)
#define IPC_FIELDS_QUEUE_CONTENT(F) F(u8, found) F(u64, file_bytes) F(span, content) F(span, error)

#endif
