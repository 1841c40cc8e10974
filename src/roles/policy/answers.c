/* SPDX-License-Identifier: Apache-2.0 */
/* Two of the questions that policy answers: who is this name, and where does its mail go? */
#include "brake_tell.h"
#include "lookups.h"
#include "policy_srs.h"

static void say_verified(const struct policy_context *context, const struct channel_message *message,
	const struct ipc_verify_ask *ask)
{
	struct buf mailboxes;
	buf_init(&mailboxes, CHANNEL_BODY_BYTES_MAX / 2);
	enum reply_key key = policy_verify(context, ask->address, ask->expand != 0, &mailboxes);
	struct ipc_verified answer = { .key = (uint16_t)key };
	if (mailboxes.failed)
		answer.key = REPLY_CANNOT_VERIFY;
	else
		answer.mailboxes = buf_span(&mailboxes);
	struct buf *out = channel_answer_begin(message->from, IPC_VERIFIED, message->request, -1);
	if (out != NULL) {
		ipc_put_verified(out, &answer);
		channel_end(message->from);
	}
	buf_fini(&mailboxes);
}

/* Looks a name up for its answers alone. */
static void verify_look(struct lookup *l)
{
	struct policy_context context = lookup_context(l);
	struct ipc_verify_ask ask;
	struct buf mailboxes;
	buf_init(&mailboxes, CHANNEL_BODY_BYTES_MAX / 2);
	if (ipc_get_verify_ask(span_of(l->body, l->body_len), &ask))
		policy_verify(&context, ask.address, ask.expand != 0, &mailboxes);
	buf_fini(&mailboxes);
}

static void verify_looked(struct lookup *l)
{
	struct policy_context context = lookup_context(l);
	struct channel_message message = lookup_message(l);
	struct ipc_verify_ask ask;
	if (message.from != NULL && ipc_get_verify_ask(message.body, &ask))
		say_verified(&context, &message, &ask);
	lookup_free(l);
}

static bool answer_verify(struct peer *peer, const struct channel_message *message)
{
	struct ipc_verify_ask ask;
	if (!ipc_get_verify_ask(message->body, &ask))
		return false;
	struct lookup *lookup = lookup_begin(peer, message);
	if (lookup != NULL) {
		verify_look(lookup);
		if (lookup->answers.missing) {
			lookup_go(lookup, LOOKUP_MS_MAX, verify_look, verify_looked);
			return true;
		}
	}
	struct policy_context context = lookup != NULL ? lookup_context(lookup) : generation_context(peer->owner);
	say_verified(&context, message, &ask);
	lookup_free(lookup);
	return true;
}

bool answers_smtpd(void *arg, const struct channel_message *message)
{
	struct peer *peer = arg;
	switch (message->type) {
	case IPC_CHECK_ASK:
		return checks_answer(peer, message);
	case IPC_VERIFY_ASK:
		return answer_verify(peer, message);
	default:
		return false;
	}
}

bool answers_console(void *arg, const struct channel_message *message)
{
	struct peer *peer = arg;
	switch (message->type) {
	case IPC_CHECK_ASK:
		return checks_answer(peer, message);
	case IPC_CHECKS_ASK:
		return checks_counts(peer->owner, message);
	case IPC_GREYLIST_LIST_ASK:
		return greylist_asked_list(peer->owner, message);
	case IPC_GREYLIST_CHANGE_ASK:
		return greylist_asked_change(peer->owner, message);
	case IPC_BRAKES_ASK:
		return brake_list(peer->owner, message);
	case IPC_BRAKE_RELEASE_ASK:
		return brake_release(peer->owner, message);
	case IPC_MAILBOX_ASK:
		return mailbox_asked(peer, message);
	default:
		return false;
	}
}

/* An expansion until its answer is written: the answer's spans point into it. */

struct expansion_work {
	struct ipc_expanded say;
	struct buf targets;
	struct buf hops;
	struct buf identity;
	struct buf sender;   /* in the place of the message's, or that a bounce is for */
	struct directory_expansion expansion;
	bool expanded;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
};

static enum ipc_expansion outcome_of(enum directory_outcome outcome)
{
	switch (outcome) {
	case DIRECTORY_EXPANDED:
		return IPC_EXPANSION_LIST;
	case DIRECTORY_NOT_OURS:
		return IPC_EXPANSION_FOREIGN;
	case DIRECTORY_NO_SUCH_USER:
		return IPC_EXPANSION_UNKNOWN;
	case DIRECTORY_ALIAS_LOOP:
		return IPC_EXPANSION_LOOP;
	case DIRECTORY_TOO_MANY:
	case DIRECTORY_TOO_DEEP:
		return IPC_EXPANSION_TOO_LARGE;
	case DIRECTORY_NOT_NOW:
	case DIRECTORY_NO_MEMORY:
		break;
	}
	return IPC_EXPANSION_UNAVAILABLE;
}

static void add_targets(struct buf *targets, const struct directory_expansion *expansion)
{
	struct buf text;
	buf_init(&text, 1024);
	for (size_t i = 0; i < expansion->member_count; i++) {
		buf_clear(&text);
		directory_address_write(&text, expansion->members[i].address);
		targets->failed |= text.failed;
		ipc_list_add(targets, buf_span(&text));
	}
	buf_fini(&text);
}

/* The mailbox, and as written what stands behind a subaddress: "BOB" and "bob" are one, "bob+x" is another. */
static void say_mailbox(struct expansion_work *w, struct span user, struct span domain, struct span local)
{
	w->say.outcome = IPC_EXPANSION_MAILBOX;
	w->say.domain = domain;
	w->say.user = user;
	buf_add(&w->identity, user);
	buf_add_byte(&w->identity, '@');
	buf_add(&w->identity, domain);
	if (!span_eq_nocase(user, local)) {
		buf_add_byte(&w->identity, ' ');
		buf_add(&w->identity, local);
	}
	w->say.identity = buf_span(&w->identity);
}

/*
 * An alias may name itself beside others, when a user of that name exists: the
 * member that an earlier expansion added is then the mailbox, not the alias again.
 */
static bool own_mailbox(struct expansion_work *w, struct directory_address address)
{
	const struct directory_expansion *expansion = &w->expansion;
	for (size_t i = 0; i < expansion->member_count; i++) {
		const struct directory_member *member = &expansion->members[i];
		if (member->kind != DIRECTORY_USER || !span_eq_nocase(member->address.local, address.local)
		    || !span_eq_nocase(member->address.domain, address.domain))
			continue;
		say_mailbox(w, member->user, member->address.domain, address.local);
		return true;
	}
	return false;
}

static void expand_alias(const struct policy_context *context, struct directory_address address, bool added,
	struct expansion_work *w)
{
	struct ipc_expanded *say = &w->say;
	say->outcome = outcome_of(directory_expand(context->directory, address, &context->expansion, &w->expansion));
	w->expanded = true;
	if (say->outcome == IPC_EXPANSION_UNKNOWN && policy_domain_unavailable(context, address.domain))
		say->outcome = IPC_EXPANSION_UNAVAILABLE;
	/* postmaster's mail waits until somebody is named to read it. */
	if (say->outcome == IPC_EXPANSION_UNKNOWN && span_eq_nocase(address.local, SPAN("postmaster")))
		say->outcome = IPC_EXPANSION_NO_POSTMASTER;
	if (say->outcome == IPC_EXPANSION_LIST && !(added && own_mailbox(w, address)))
		add_targets(&w->targets, &w->expansion);
}

/* The hops as relay is to know them: "mx" names the domain whose exchangers are meant. */
static void say_route(struct expansion_work *w, const struct policy_route *route, struct directory_address address)
{
	struct span domain = address.domain;
	struct span hop;
	ipc_list rest = route->hops;
	struct buf mx;
	buf_init(&mx, 1024);
	buf_add(&mx, SPAN("mx:"));
	buf_add(&mx, domain);
	while (ipc_list_next(&rest, &hop))
		ipc_list_add(&w->hops, span_eq(hop, SPAN("mx")) ? buf_span(&mx) : hop);
	w->say.outcome = w->hops.failed || mx.failed ? IPC_EXPANSION_UNAVAILABLE : IPC_EXPANSION_ROUTE;
	w->say.hops = buf_span(&w->hops);
	/* Whether another host's local parts differ by case is its own affair (RFC 5321 section 2.4). */
	directory_address_write(&w->identity, address);
	w->say.identity = buf_span(&w->identity);
	w->say.domain = domain;
	w->say.helo = route->helo;
	w->say.source = route->source;
	w->say.connections_max = route->connections_max;
	w->say.retry_ms = route->retry_ms;
	w->say.give_up_ms = route->give_up_ms;
	buf_fini(&mx);
}

/* Not a mailbox of this host and no alias: is it to go elsewhere? */
static bool routed(const struct policy_context *context, struct directory_match match,
	struct directory_address address, struct expansion_work *w)
{
	const struct policy_route *relay = policy_relay_find(context, address.domain);
	if (relay != NULL && (match.kind == DIRECTORY_USER || (match.kind == DIRECTORY_UNKNOWN && relay->open))
	    && !match.fallback) {
		say_route(w, relay, address);
		return true;
	}
	if (match.kind != DIRECTORY_FOREIGN)
		return false;
	const struct policy_route *route = policy_route_find(context, address.domain);
	if (route != NULL)
		say_route(w, route, address);
	return route != NULL;
}

/* Who moved more than once is followed to the last address. */
static void forward_moved(const struct policy_context *context, struct span to, struct expansion_work *w)
{
	for (unsigned i = 0; i < DIRECTORY_MOVES_MAX; i++) {
		uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
		struct directory_address address;
		struct directory_match match = { .kind = DIRECTORY_FOREIGN };
		if (policy_address(to, domain_text, &address))
			match = directory_lookup(context->directory, address);
		if (match.kind != DIRECTORY_USER || match.state != DIRECTORY_MOVED) {
			ipc_list_add(&w->targets, to);
			w->say.outcome = IPC_EXPANSION_LIST;
			return;
		}
		to = match.moved_to;
	}
	w->say.outcome = IPC_EXPANSION_LOOP;
}

static void say_closed(const struct policy_context *context, const struct directory_match *match,
	struct expansion_work *w)
{
	if (match->state == DIRECTORY_MOVED && context->checks != NULL && context->checks->mailbox.forward_moved) {
		forward_moved(context, match->moved_to, w);
		return;
	}
	if (match->state == DIRECTORY_MOVED && directory_moved_in_circle(context->directory, match->moved_to)) {
		w->say.outcome = IPC_EXPANSION_LOOP;
		return;
	}
	w->say.outcome = match->state == DIRECTORY_DISABLED ? IPC_EXPANSION_DISABLED
		: match->state == DIRECTORY_GONE ? IPC_EXPANSION_GONE : IPC_EXPANSION_MOVED;
	w->say.user = match->moved_to;
}

/* Who was added by an alias or a forwarding user gets the mail from us, not from its sender. */
static void say_sender(const struct policy_context *context, const struct ipc_expand_ask *ask, struct expansion_work *w)
{
	bool known = policy_forward_sender(context, ask->sender, &w->sender);
	w->say.sender = buf_span(&w->sender);
	if (!known || w->sender.failed)
		w->say.outcome = IPC_EXPANSION_UNAVAILABLE;
}

/* A bounce to a rewritten sender goes on to the one that it stands for; it was accepted, so its age is no matter. */
static bool returned(const struct policy_context *context, struct directory_address address, struct expansion_work *w)
{
	switch (policy_return_find(context, address, &w->sender)) {
	case POLICY_RETURN_NONE:
		return false;
	case POLICY_RETURN_GOOD:
	case POLICY_RETURN_EXPIRED:
		w->say.outcome = IPC_EXPANSION_LIST;
		ipc_list_add(&w->targets, buf_span(&w->sender));
		return true;
	case POLICY_RETURN_FORGED:
		w->say.outcome = IPC_EXPANSION_UNKNOWN;
		return true;
	case POLICY_RETURN_LATER:
		break;
	}
	return true;
}

/* Where a recipient's mail goes as of now: a mailbox, another host, or a list that takes its place. */
static void expand(const struct policy_context *context, const struct ipc_expand_ask *ask, struct expansion_work *w)
{
	struct directory_address address;
	w->say.outcome = IPC_EXPANSION_UNAVAILABLE;
	if (context->directory == NULL)
		return;
	if (!policy_address(ask->recipient, w->domain_text, &address)) {
		w->say.outcome = IPC_EXPANSION_UNKNOWN;
		return;
	}
	if (returned(context, address, w))
		return;
	struct directory_match match = directory_lookup(context->directory, address);
	if (routed(context, match, address, w)) {
		if (ask->added != 0 && match.kind == DIRECTORY_FOREIGN)
			say_sender(context, ask, w);
		return;
	}
	/* Aliases come before users: while they cannot be read, a user's mail might go past one. */
	if (match.kind == DIRECTORY_USER && policy_domain_unavailable(context, address.domain))
		return;
	if (match.kind == DIRECTORY_USER && match.state != DIRECTORY_OPEN) {
		say_closed(context, &match, w);
		return;
	}
	if (match.kind == DIRECTORY_USER && !match.fallback) {
		say_mailbox(w, match.user, match.domain, address.local);
		return;
	}
	expand_alias(context, address, ask->added != 0, w);
}

static void work_init(struct expansion_work *w)
{
	*w = (struct expansion_work){ 0 };
	buf_init(&w->targets, CHANNEL_BODY_BYTES_MAX / 2);
	buf_init(&w->hops, CHANNEL_BODY_BYTES_MAX / 4);
	buf_init(&w->identity, 4096);
	buf_init(&w->sender, 4096);
}

static void work_fini(struct expansion_work *w)
{
	buf_fini(&w->targets);
	buf_fini(&w->hops);
	buf_fini(&w->identity);
	buf_fini(&w->sender);
	if (w->expanded)
		directory_expansion_fini(&w->expansion);
}

static void say_expanded(const struct policy_context *context, const struct channel_message *message,
	const struct ipc_expand_ask *ask)
{
	struct expansion_work w;
	work_init(&w);
	expand(context, ask, &w);
	if (w.targets.failed)
		w.say.outcome = IPC_EXPANSION_TOO_LARGE;
	else
		w.say.targets = buf_span(&w.targets);
	struct buf *out = channel_answer_begin(message->from, IPC_EXPANDED, message->request, -1);
	if (out != NULL) {
		ipc_put_expanded(out, &w.say);
		channel_end(message->from);
	}
	work_fini(&w);
}

/* Expands for the answers of sources alone. */
static void expand_look(struct lookup *l)
{
	struct policy_context context = lookup_context(l);
	struct ipc_expand_ask ask;
	struct expansion_work w;
	work_init(&w);
	if (ipc_get_expand_ask(span_of(l->body, l->body_len), &ask))
		expand(&context, &ask, &w);
	work_fini(&w);
}

static void expand_looked(struct lookup *l)
{
	struct policy_context context = lookup_context(l);
	struct channel_message message = lookup_message(l);
	struct ipc_expand_ask ask;
	if (message.from != NULL && ipc_get_expand_ask(message.body, &ask))
		say_expanded(&context, &message, &ask);
	lookup_free(l);
}

bool answers_queue(void *arg, const struct channel_message *message)
{
	struct peer *peer = arg;
	struct ipc_expand_ask ask;
	if (message->type != IPC_EXPAND_ASK || !ipc_get_expand_ask(message->body, &ask))
		return false;
	struct lookup *lookup = lookup_begin(peer, message);
	if (lookup != NULL) {
		expand_look(lookup);
		if (lookup->answers.missing) {
			lookup_go(lookup, LOOKUP_EXPAND_MS_MAX, expand_look, expand_looked);
			return true;
		}
	}
	struct policy_context context = lookup != NULL ? lookup_context(lookup) : generation_context(peer->owner);
	say_expanded(&context, message, &ask);
	lookup_free(lookup);
	return true;
}
