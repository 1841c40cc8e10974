/* SPDX-License-Identifier: Apache-2.0 */
/* A dry run's trail, as a list of messages and as JSON. */
#include "checked.h"

#include "reply.h"
#include "utf8.h"

#define STEP_BYTES_MAX 8192

void checked_steps_put(struct buf *list, const struct policy_trail *trail, const struct buf *why)
{
	struct buf item;
	buf_init(&item, STEP_BYTES_MAX);
	for (size_t i = 0; i < trail->count; i++) {
		const struct policy_step *step = &trail->steps[i];
		const struct policy_verdict *v = &step->verdict;
		struct ipc_check_step say = { .check = span_str(v->check), .stage = (uint8_t)v->stage,
			.opinion = (uint8_t)v->opinion, .key = (uint16_t)v->key, .seconds = v->seconds, .line = v->line };
		if (!why->failed)
			say.why = span_from(span_to(buf_span(why), step->why_to), step->why_from);
		buf_clear(&item);
		ipc_put_check_step(&item, &say);
		list->failed |= item.failed;
		ipc_list_add(list, buf_span(&item));
	}
	buf_fini(&item);
}

const char *checked_stage(unsigned stage)
{
	static const char *const names[SMTP_STAGE_COUNT] = { "connect", "helo", "mail", "rcpt", "end" };
	return stage < SMTP_STAGE_COUNT ? names[stage] : "?";
}

static json_t *text_of(struct span text)
{
	return json_stringn(text.len > 0 ? (const char *)text.ptr : "", text.len);
}

static json_t *step_json(const struct ipc_check_step *step)
{
	static const char *const opinions[] = { [POLICY_CONTINUE] = "pass", [POLICY_ACCEPT] = "accept",
		[POLICY_REFUSE] = "refuse", [POLICY_NEEDS] = "?", [POLICY_SKIP] = "skip", [POLICY_UNASKED] = "not-asked" };
	json_t *one = json_pack("{s:o, s:s, s:s, s:I, s:I, s:o}", "check", text_of(step->check),
		"stage", checked_stage(step->stage),
		"opinion", step->opinion < sizeof(opinions) / sizeof(opinions[0]) ? opinions[step->opinion] : "?",
		"seconds", (json_int_t)step->seconds, "line", (json_int_t)step->line, "why", text_of(step->why));
	if (one != NULL && step->opinion == POLICY_REFUSE && step->key < REPLY_KEY_COUNT) {
		json_object_set_new(one, "key", json_string(reply_entry((enum reply_key)step->key)->name));
		json_object_set_new(one, "code", json_integer(reply_entry((enum reply_key)step->key)->code));
	}
	return one;
}

void checked_reply_put(struct buf *line, const struct policy_verdict *verdict, const struct policy_context *context,
	const struct policy_input *input)
{
	bool utf8 = !span_is_ascii(input->sender) || !span_is_ascii(input->recipient);
	reply_write(line, verdict->key, &(struct reply_params){ .hostname = context->hostname, .mailbox = verdict->moved_to,
		.seconds = verdict->seconds, .said = verdict->said, .utf8 = utf8 });
	if (line->len >= 2)
		line->len -= 2;
}

static void name_add(json_t *names, struct span name)
{
	size_t i;
	json_t *each;
	json_array_foreach(names, i, each)
		if (span_eq(span_str(json_string_value(each)), name))
			return;
	json_array_append_new(names, text_of(name));
}

json_t *checked_json(const struct ipc_checked *checked)
{
	enum reply_key key = checked->key < REPLY_KEY_COUNT ? (enum reply_key)checked->key : REPLY_POLICY_UNAVAILABLE;
	unsigned code = reply_code(key, &(struct reply_said){ .code = checked->code });
	ipc_list list = checked->steps;
	struct ipc_check_step step;
	struct span item;
	json_t *steps = json_array(), *not_asked = json_array();
	while (ipc_list_next(&list, &item)) {
		if (!ipc_get_check_step(item, &step))
			continue;
		json_array_append_new(steps, step_json(&step));
		if (step.opinion == POLICY_UNASKED)
			name_add(not_asked, step.check);
	}
	return json_pack("{s:b, s:b, s:o, s:s, s:I, s:o, s:I, s:o, s:o}", "ok", 1, "accepted", code < 300,
		"reply", text_of(checked->reply), "key", reply_entry(key)->name, "code", (json_int_t)code,
		"check", text_of(checked->check), "line", (json_int_t)checked->line, "not_asked", not_asked, "steps", steps);
}
