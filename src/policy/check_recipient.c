/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is somebody there? "Unknown" is said only when every file of the domain was read:
 * a directory that is down makes nobody unknown. postmaster is always accepted
 * (RFC 5321 section 4.5.1), even before anyone said who reads it. Domains that are not
 * ours passed check_relay and are others' to answer for.
 */
#include "policy_check.h"
#include "policy_srs.h"

enum reply_key policy_closed_key(enum directory_state state)
{
	static const enum reply_key keys[] = { [DIRECTORY_OPEN] = REPLY_RCPT_OK,
		[DIRECTORY_DISABLED] = REPLY_MAILBOX_DISABLED, [DIRECTORY_GONE] = REPLY_MAILBOX_DISABLED_FOR_GOOD,
		[DIRECTORY_MOVED] = REPLY_MAILBOX_MOVED, [DIRECTORY_FORWARDED] = REPLY_RCPT_OK,
		[DIRECTORY_COPIED] = REPLY_RCPT_OK };
	return keys[state];
}

/* A user whose mailbox takes no mail, for now or for good. */
static struct policy_verdict closed(const struct policy_context *context, const struct directory_match *match)
{
	if (match->state == DIRECTORY_MOVED && directory_moved_in_circle(context->directory, match->moved_to)) {
		policy_because(context, " is a user whose new address leads back to the old one");
		return policy_refuse(REPLY_ALIAS_LOOP, 0);
	}
	struct policy_verdict verdict = policy_refuse(policy_closed_key(match->state), 0);
	static const char *const words[] = { [DIRECTORY_OPEN] = "open", [DIRECTORY_DISABLED] = "switched off for now",
		[DIRECTORY_GONE] = "switched off for good", [DIRECTORY_MOVED] = "somewhere else now",
		[DIRECTORY_FORWARDED] = "not used", [DIRECTORY_COPIED] = "open" };
	policy_because(context, " is a user whose mailbox is %s", words[match->state]);
	if (match->state == DIRECTORY_MOVED && context->checks->mailbox.forward_moved) {
		policy_because(context, ", and mail is passed on");
		verdict = policy_pass();
		verdict.key = REPLY_RCPT_MOVED_OK;
		verdict.line = context->checks->mailbox.moved_line;
	}
	if (match->state == DIRECTORY_MOVED && !context->checks->mailbox.forward_moved)
		verdict.line = context->checks->mailbox.moved_line;
	verdict.moved_to = match->moved_to;
	return verdict;
}

/* A sender under which mail was forwarded: it takes bounces, which have no sender. */
static struct policy_verdict check_return(const struct policy_context *context, const struct policy_input *input,
	enum policy_return what)
{
	static const char *const words[] = { [POLICY_RETURN_GOOD] = "is the way home of a bounce",
		[POLICY_RETURN_EXPIRED] = "is too old for a bounce to be true", [POLICY_RETURN_FORGED] = "was not written here",
		[POLICY_RETURN_LATER] = "cannot be checked, because the file of secrets could not be read" };
	bool bounce = input->sender.len == 0;
	policy_because_quoted(context, input->address.local);
	policy_because(context, " %s%s", words[what], bounce ? "" : ", and this is no bounce");
	if (bounce && what == POLICY_RETURN_GOOD)
		return policy_pass();
	return policy_refuse(bounce && what == POLICY_RETURN_LATER ? REPLY_DIRECTORY_UNAVAILABLE
		: REPLY_RETURN_ADDRESS_INVALID, 0);
}

struct directory_end policy_end_find(const struct policy_context *context, struct directory_address address,
	const struct directory_match *match)
{
	const struct directory_view in_memory = { context->directory->table, NULL };
	return directory_follow(match->takes_all ? &in_memory : context->directory, address, match,
		context->expansion.depth_max);
}

/* Whether an alias ends at a name that this host knows not to exist, so that its mail could only bounce. */
static bool ends_nowhere(const struct policy_context *context, const struct directory_end *end)
{
	const struct policy_route *relay = policy_relay_find(context, end->address.domain);
	return end->match.kind == DIRECTORY_UNKNOWN && (relay == NULL || !relay->open)
		&& !policy_domain_unavailable(context, end->address.domain)
		&& !span_eq_nocase(end->address.local, SPAN("postmaster"))
		&& policy_return_find(context, end->address, NULL) == POLICY_RETURN_NONE;
}

/*
 * What an alias that leads to nobody is told with; REPLY_RCPT_OK: none of that is seen. Only what may be cheap was
 * followed, an alias of one name after the other; the queue keeps what comes by others, and tries again.
 */
static enum reply_key alias_trouble(const struct policy_context *context, struct directory_address address,
	const struct directory_end *end)
{
	if (ends_nowhere(context, end))
		return REPLY_MAILBOX_UNKNOWN;
	if (end->match.kind != DIRECTORY_ALIAS || context->expansion.depth_max == 0
	    || (!end->match.too_large && end->depth < context->expansion.depth_max
	        && end->match.target_count <= context->expansion.members_max))
		return REPLY_RCPT_OK;
	struct directory_expansion expansion;
	enum directory_outcome outcome = directory_expand(context->directory, address, &context->expansion, &expansion);
	directory_expansion_fini(&expansion);
	return outcome == DIRECTORY_ALIAS_LOOP ? REPLY_ALIAS_LOOP
		: outcome == DIRECTORY_TOO_MANY || outcome == DIRECTORY_TOO_DEEP ? REPLY_ALIAS_TOO_LARGE : REPLY_RCPT_OK;
}

/* An alias is as the one mailbox that it stands for: what is accepted for a closed one would only bounce. */
static struct policy_verdict known_alias(const struct policy_context *context, const struct policy_input *input,
	const struct directory_match *match)
{
	struct directory_end end = policy_end_find(context, input->address, match);
	if (end.match.kind == DIRECTORY_USER && end.match.state != DIRECTORY_OPEN) {
		policy_because(context, " for one mailbox; ");
		policy_because_quoted(context, end.address.local);
		return closed(context, &end.match);
	}
	/* Of a catch-all's names nobody may learn by the time it takes which of them are aliases. */
	if (match->takes_all || match->catch_all)
		return policy_pass();
	enum reply_key trouble = alias_trouble(context, input->address, &end);
	if (trouble == REPLY_RCPT_OK)
		return policy_pass();
	policy_because(context, " that leads %s", trouble == REPLY_MAILBOX_UNKNOWN ? "to nobody"
		: trouble == REPLY_ALIAS_LOOP ? "back to itself" : "to too many addresses");
	return policy_refuse(trouble, 0);
}

static struct policy_verdict known(const struct policy_context *context, const struct policy_input *input,
	const struct directory_match *match)
{
	policy_because(context, " is %s", match->kind == DIRECTORY_USER ? "a user"
		: match->forwards ? "a user whose mail is forwarded" : "an alias");
	/* A user takes as long as a name that goes where the catch-all goes. */
	const struct directory_view in_memory = { context->directory->table, NULL };
	if (match->kind == DIRECTORY_USER && match->takes_all)
		directory_lookup(&in_memory, input->address);
	return match->kind == DIRECTORY_USER || policy_is_postmaster(input) ? policy_pass()
		: known_alias(context, input, match);
}

struct policy_verdict check_recipient(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	struct directory_address address = input->address;
	enum policy_return what = policy_return_find(context, address, NULL);
	(void)stage;
	if (what != POLICY_RETURN_NONE)
		return check_return(context, input, what);
	struct directory_match match = directory_lookup(context->directory, address);
	policy_because_quoted(context, address.local);
	/* Aliases come before users: while they cannot be read, a user's mail might go past one. */
	bool hidden = match.kind == DIRECTORY_USER && policy_domain_unavailable(context, address.domain);
	if (match.kind == DIRECTORY_USER && match.state != DIRECTORY_OPEN && !hidden)
		return closed(context, &match);
	if ((match.kind == DIRECTORY_USER || match.kind == DIRECTORY_ALIAS) && !hidden)
		return known(context, input, &match);
	if (policy_is_postmaster(input)) {
		policy_because(context, " is always accepted");
		return policy_pass();
	}
	const struct policy_route *relay = policy_relay_find(context, address.domain);
	if (match.kind == DIRECTORY_FOREIGN || (relay != NULL && relay->open)) {
		policy_because(context, " is for the next server to know");
		return policy_pass();
	}
	if (match.kind == DIRECTORY_UNAVAILABLE) {
		policy_because(context, match.why.len > 0 ? " is there, but not as it should be: %.*s"
			: " may exist, but that cannot be said now", SPAN_FMT(match.why));
		policy_because_directory(context);
		return policy_refuse(REPLY_DIRECTORY_UNAVAILABLE, 0);
	}
	if (policy_domain_unavailable(context, address.domain)) {
		policy_because(context, " may exist; a file of %.*s could not be read", SPAN_FMT(address.domain));
		return policy_refuse(REPLY_DIRECTORY_UNAVAILABLE, 0);
	}
	policy_because(context, " is neither a user nor an alias of %.*s", SPAN_FMT(address.domain));
	return policy_refuse(REPLY_MAILBOX_UNKNOWN, 0);
}
