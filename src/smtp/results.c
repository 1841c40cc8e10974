/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a message's end is answered: with one reply, or with LMTP one for each
 * recipient in the order of their RCPTs (RFC 2033 section 4.2). There may be
 * thousands of these, so they are written as the output is read. Does not decide
 * what they say.
 */
#include <assert.h>

#include "smtp_server_private.h"

static void say(struct smtp_server *s, enum reply_key key, const struct reply_about *about)
{
	if (reply_entry(key)->code < 300)
		s->bad_commands = 0;
	session_reply_about(s, key, about);
}

static void say_next(struct smtp_server *s)
{
	const struct smtp_transaction *view = &s->transaction->view;
	struct results *r = &s->results;
	struct span recipient = view->recipients[r->next];
	struct reply_about about = { .mailbox = recipient, .seconds = r->seconds };
	if (r->keys != NULL)
		about.address = recipient;
	else
		about.unnoted = r->next > 0; /* the log has it once, whomever it concerns */
	say(s, r->keys != NULL ? r->keys[r->next] : r->key, &about);
	if (++r->next < view->recipient_count)
		return;
	session_command_phase(s);
	session_transaction_end(s);
}

void results_go_on(struct smtp_server *s)
{
	while (s->phase == PHASE_RESULTS && !s->note_ready && s->output.len < SMTP_SERVER_OUTPUT_PAUSE)
		say_next(s);
}

void results_begin(struct smtp_server *s, const struct smtp_server_answer *answer)
{
	struct transaction *t = s->transaction;
	enum reply_key *keys = NULL;
	session_command_phase(s);
	if (!s->options->lmtp) {
		say(s, answer->key, &(struct reply_about){ .seconds = answer->seconds, .said = answer->said });
		session_transaction_end(s);
		return;
	}
	if (answer->key_count > 0) {
		assert(answer->key_count == t->view.recipient_count);
		keys = arena_alloc(&t->arena, answer->key_count * sizeof(*keys));
		if (keys == NULL) {
			session_close(s); /* what became of them cannot be told */
			return;
		}
		memcpy(keys, answer->keys, answer->key_count * sizeof(*keys));
	}
	s->results = (struct results){ .keys = keys, .key = answer->key, .seconds = answer->seconds };
	s->phase = PHASE_RESULTS;
	results_go_on(s);
}
