/* SPDX-License-Identifier: Apache-2.0 */
/* How a mailbox is, for policy's answer to RCPT and for operators: looked at on a thread, for a disk may be slow. */
#include <stdlib.h>

#include "clock.h"
#include "delivery_parts.h"
#include "mailbox_state.h"
#include "policy_facts.h"

#define LOOKS_MAX 1000 /* at one time; with more, policy hears nothing and goes on without */

struct look {
	struct delivery_role *owner;
	struct settings *settings;
	uint32_t incarnation, request;
	struct mailbox_question question;
	struct mbox_context mbox;
	struct owned owned;
	enum mailbox_state state;
	uint8_t names[]; /* user and domain */
};

static enum policy_mailbox told(enum mailbox_state state)
{
	switch (state) {
	case MAILBOX_STATE_OK:
	case MAILBOX_STATE_MISSING:
		return POLICY_MAILBOX_READY;
	case MAILBOX_STATE_LOCKED:
		return POLICY_MAILBOX_LOCKED;
	case MAILBOX_STATE_FULL:
		return POLICY_MAILBOX_FULL;
	case MAILBOX_STATE_FULL_LONG:
		return POLICY_MAILBOX_FULL_LONG;
	case MAILBOX_STATE_TOO_SMALL:
		return POLICY_MAILBOX_TOO_SMALL;
	case MAILBOX_STATE_DISK_FULL:
		return POLICY_MAILBOX_DISK_FULL;
	case MAILBOX_STATE_NO_RIGHTS:
	case MAILBOX_STATE_NO_MBOX:
	case MAILBOX_STATE_ERROR:
	case MAILBOX_STATE_COUNT:
		break;
	}
	return POLICY_MAILBOX_BROKEN;
}

static void run(void *arg)
{
	struct look *look = arg;
	look->question.now_ms = clock_unix_ms();
	struct mailbox_result why;
	bool found = owned_enter(&look->owned, &why) == NULL;
	look->question.place = look->owned.place;
	/* Whether a command takes the message, only the command knows. */
	if (look->question.kind == MAILBOX_COMMAND)
		look->state = MAILBOX_STATE_OK;
	else if (found)
		look->state = mailbox_state(&look->question);
	owned_leave();
}

static void done(void *arg)
{
	struct look *look = arg;
	struct delivery_role *d = look->owner;
	struct ipc_mailbox_state say = { .state = (uint8_t)told(look->state),
		.name = span_str(mailbox_state_name(look->state)) };
	struct buf *out = d->policy != NULL && d->policy_incarnation == look->incarnation
		? channel_answer_begin(d->policy, IPC_MAILBOX_STATE, look->request, -1) : NULL;
	if (out != NULL) {
		ipc_put_mailbox_state(out, &say);
		channel_end(d->policy);
	}
	d->looks--;
	owned_fini(&look->owned);
	delivery_settings_unref(look->settings);
	free(look);
}

bool state_question(void *arg, const struct channel_message *message)
{
	struct delivery_role *d = arg;
	struct ipc_mailbox_ask ask;
	if (message->type != IPC_MAILBOX_ASK || d->settings == NULL || !ipc_get_mailbox_ask(message->body, &ask))
		return false;
	struct look *look = d->looks < LOOKS_MAX ? calloc(1, sizeof(*look) + ask.user.len + ask.domain.len) : NULL;
	if (look == NULL)
		return true;
	*look = (struct look){ .owner = d, .settings = d->settings, .incarnation = d->policy_incarnation,
		.request = message->request, .question = { .message_bytes = ask.bytes } };
	look->settings->uses++;
	look->question.full_max_ms = d->settings->full_max_ms;
	look->question.only_look = ask.only_look != 0;
	look->question.disk_reserve_bytes = d->settings->disk_reserve_bytes;
	look->question.skip_trash = d->settings->skip_trash;
	look->mbox = (struct mbox_context){ &look->settings->mbox, d->turns };
	look->question.mbox = &look->mbox;
	look->state = MAILBOX_STATE_ERROR;
	d->looks++;
	/* The question's bytes go before the thread is done. */
	memcpy(look->names, ask.user.ptr, ask.user.len);
	memcpy(look->names + ask.user.len, ask.domain.ptr, ask.domain.len);
	bool found = owned_find(&look->owned, look->settings, span_of(look->names, ask.user.len),
		span_of(look->names + ask.user.len, ask.domain.len));
	look->question.kind = look->owned.kind;
	if (!found || work_submit(d->role.loop, run, done, look) < 0)
		done(look);
	return true;
}
