/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators want to know of the greylist, page by page, and what they change in it.
 * Their changes are written at once; an answer is given by what memory says.
 */
#include "clock.h"
#include "greylist_rows.h"
#include "policy_role.h"

#define PAGE_ROWS_MAX 400 /* looked at for one answer; each becomes 1 KiB at most */
#define NAME_BYTES_MAX 512

static const char switched_off[] = "greylisting is off; greylist { delay = \"5m\" } switches it on";
static const char not_kept[] = "its file cannot be kept now, so nobody is greylisted; the log says why";

static const char *why_off(const struct policy_role *p)
{
	if (p->greylist_keep == NULL)
		return switched_off;
	return p->state.greylist != NULL && p->state.greylist_kept ? "" : not_kept;
}

/* --- the list --- */

struct page {
	const struct policy_role *role;
	struct span about;
	uint64_t now_ms;
	struct buf *list;
	struct buf item;
};

static bool contains(struct span text, struct span part)
{
	for (size_t i = 0; i + part.len <= text.len; i++)
		if (span_eq_nocase(span_to(span_from(text, i), part.len), part))
			return true;
	return false;
}

static void list_one(void *arg, const struct greylist_row *row)
{
	struct page *page = arg;
	const struct greylist_entry_facts *e = &row->entry;
	const struct greylist_origin_facts *o = &row->origin;
	struct ipc_greylist_one one = { .origin = e->origin, .sender = e->sender, .recipient = e->recipient,
		.first_ms = e->first_ms, .seen_ms = e->seen_ms, .passed_ms = e->passed_ms, .attempts = e->attempts };
	if (row->kind == GREYLIST_ORIGIN)
		one = (struct ipc_greylist_one){ .origin = o->name, .seen_ms = o->seen_ms, .returns = o->returns,
			.known = greylist_is_known(page->role->state.greylist, o, page->now_ms), .allowed = o->allowed };
	else if (e->passed_ms == 0)
		one.passes_ms = e->first_ms + page->role->greylist_options.delay_ms;
	if (!contains(one.origin, page->about) && !contains(one.sender, page->about)
	    && !contains(one.recipient, page->about))
		return;
	buf_clear(&page->item);
	ipc_put_greylist_one(&page->item, &one);
	ipc_list_add(page->list, buf_span(&page->item));
}

bool greylist_asked_list(struct policy_role *p, const struct channel_message *message)
{
	struct ipc_greylist_list_ask ask;
	struct buf list;
	if (!ipc_get_greylist_list_ask(message->body, &ask) || ask.kind >= GREYLIST_KIND_COUNT)
		return false;
	buf_init(&list, CHANNEL_BODY_BYTES_MAX - 4096);
	struct ipc_greylist_list answer = { .off = span_str(why_off(p)),
		.seconds = (uint32_t)(p->greylist_options.delay_ms / 1000) };
	if (p->state.greylist != NULL) {
		struct page page = { .role = p, .about = ask.about, .now_ms = clock_forward_ms(), .list = &list };
		struct greylist_counts counts = greylist_counts(p->state.greylist);
		buf_init(&page.item, 4096);
		answer.last = greylist_each(p->state.greylist, (enum greylist_kind)ask.kind, ask.after, PAGE_ROWS_MAX, list_one,
			&page);
		answer.waiting = counts.waiting;
		answer.passed = counts.passed;
		answer.known = counts.known;
		answer.allowed = counts.allowed;
		answer.forgotten = counts.forgotten;
		answer.let_through = counts.let_through;
		buf_fini(&page.item);
	}
	answer.items = buf_span(&list);
	struct buf *out = channel_answer_begin(message->from, IPC_GREYLIST_LIST, message->request, -1);
	if (out != NULL) {
		ipc_put_greylist_list(out, &answer);
		channel_end(message->from);
	}
	buf_fini(&list);
	return true;
}

/* --- changes --- */

/* As sender and as recipient an address is compared in different forms. */
static size_t forget_address(struct greylist *g, struct span address)
{
	struct greylist_question q;
	struct greylist_attempt attempt = { .sender = address, .recipient = address };
	greylist_question_make(&q, &attempt);
	size_t count = greylist_forget_address(g, q.sender, SIZE_MAX);
	return span_eq(q.sender, q.recipient) ? count : count + greylist_forget_address(g, q.recipient, SIZE_MAX);
}

static void change(struct policy_role *p, const struct ipc_greylist_change_ask *ask,
	struct ipc_greylist_changed *answer, uint8_t text[static ADDRESS_DOMAIN_BYTES_MAX])
{
	struct greylist *g = p->state.greylist;
	size_t len;
	bool address = ask->allow == 0 && span_find(ask->name, '@') < ask->name.len;
	answer->name = ask->name;
	if (g == NULL) {
		answer->error = span_str(why_off(p));
	} else if (address) {
		answer->count = forget_address(g, ask->name);
	} else if (!greylist_origin_name(ask->name, text, &len)) {
		struct netblock block;
		answer->error = netblock_parse(ask->name, &block)
			? SPAN("networks are remembered as /24 for IPv4 and /64 for IPv6; name one of that size, or a host in it")
			: SPAN("it is neither a domain nor a network; write example.net, 192.0.2.0/24 or 2001:db8::/64");
	} else {
		answer->name = span_of(text, len);
		answer->count = ask->allow == 0 ? greylist_forget_origin(g, answer->name)
			: greylist_allow(g, answer->name, clock_forward_ms());
		if (ask->allow != 0 && answer->count == 0)
			answer->error = SPAN("so many are allowed already that there is no room");
	}
}

bool greylist_asked_change(struct policy_role *p, const struct channel_message *message)
{
	struct ipc_greylist_change_ask ask;
	struct ipc_greylist_changed answer = { .count = 0 };
	uint8_t text[ADDRESS_DOMAIN_BYTES_MAX];
	if (!ipc_get_greylist_change_ask(message->body, &ask) || ask.name.len > NAME_BYTES_MAX)
		return false;
	change(p, &ask, &answer, text);
	if (answer.count > 0) {
		log_text(LOG_INFO, ask.allow != 0 ? "greylist-allowed" : "greylist-forgotten", "%.*s, by the control socket",
			SPAN_FMT(answer.name));
		greylist_keep_now(p);
	}
	struct buf *out = channel_answer_begin(message->from, IPC_GREYLIST_CHANGED, message->request, -1);
	if (out != NULL) {
		ipc_put_greylist_changed(out, &answer);
		channel_end(message->from);
	}
	return true;
}
