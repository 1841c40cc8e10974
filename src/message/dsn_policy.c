/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told, and when. */
#include "dsn_policy.h"

#define HOUR_MS UINT64_C(3600000)

const struct dsn_policy dsn_policy_default = {
	.notify_default = DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY,
	.double_bounces = true,
	.failure_copies = false,
	.delay_after_ms = { 4 * HOUR_MS, 24 * HOUR_MS },
	.delay_count = 2,
};

/* The NOTIFY word that asks for a report of this action. */
static uint8_t flag_for(enum dsn_action action)
{
	switch (action) {
	case DSN_FAILED:
		return DSN_NOTIFY_FAILURE;
	case DSN_DELAYED:
		return DSN_NOTIFY_DELAY;
	case DSN_RELAYED:
	case DSN_EXPANDED:
	case DSN_DELIVERED:
		return DSN_NOTIFY_SUCCESS;
	}
	return 0;
}

/* NEVER holds for the sender alone: what the postmaster hears of is the configuration's business. */
static bool due_to_sender(const struct dsn_policy *policy, const struct dsn_message_facts *message,
	const struct dsn_event *event)
{
	if (message->null_sender || message->to_postmaster || (event->notify & DSN_NOTIFY_NEVER) != 0)
		return false;
	uint8_t wanted = event->notify != 0 ? event->notify : policy->notify_default;
	return (wanted & flag_for(event->action)) != 0;
}

static bool due_to_postmaster(const struct dsn_policy *policy, const struct dsn_message_facts *message,
	const struct dsn_event *event)
{
	if (event->action != DSN_FAILED || message->to_postmaster)
		return false;
	return message->null_sender ? policy->double_bounces : policy->failure_copies;
}

bool dsn_policy_due(const struct dsn_policy *policy, const struct dsn_message_facts *message,
	const struct dsn_event *event, enum dsn_reader reader)
{
	return reader == DSN_READER_SENDER ? due_to_sender(policy, message, event)
		: due_to_postmaster(policy, message, event);
}

size_t dsn_policy_pick(const struct dsn_policy *policy, const struct dsn_message_facts *message,
	struct dsn_events events, enum dsn_reader reader, size_t *picked_out)
{
	size_t picked = 0;
	for (size_t i = 0; i < events.count; i++)
		if (dsn_policy_due(policy, message, &events.list[i], reader))
			picked_out[picked++] = i;
	return picked;
}

uint64_t dsn_delay_next_ms(const struct dsn_policy *policy, uint64_t arrival_ms, size_t told)
{
	if (told >= policy->delay_count || policy->delay_after_ms[told] > UINT64_MAX - arrival_ms)
		return UINT64_MAX;
	return arrival_ms + policy->delay_after_ms[told];
}

size_t dsn_delay_told(const struct dsn_policy *policy, uint64_t arrival_ms, uint64_t now_ms)
{
	size_t told = 0;
	while (told < policy->delay_count && dsn_delay_next_ms(policy, arrival_ms, told) <= now_ms)
		told++;
	return told;
}

uint8_t dsn_notify_after_expansion(uint8_t notify, size_t members)
{
	if (members <= 1 || (notify & DSN_NOTIFY_SUCCESS) == 0)
		return notify;
	uint8_t rest = notify & (uint8_t)~DSN_NOTIFY_SUCCESS;
	return rest != 0 ? rest : DSN_NOTIFY_NEVER;
}
