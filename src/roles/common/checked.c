/* SPDX-License-Identifier: Apache-2.0 */
/* A dry run's trail, as a list of messages and as JSON. */
#include "checked.h"

#include "reply.h"

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
		[POLICY_REFUSE] = "refuse", [POLICY_SKIP] = "skip" };
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

/* The line that the client would read, without its line end. */
static json_t *reply_json(const struct ipc_checked *checked, enum reply_key key)
{
	struct buf line;
	struct reply_params params = { .seconds = checked->seconds, .mailbox = checked->moved_to };
	buf_init(&line, REPLY_LINE_BYTES_MAX + 1);
	reply_write(&line, key, &params);
	json_t *text = line.len >= 2 ? text_of(span_to(buf_span(&line), line.len - 2)) : NULL;
	buf_fini(&line);
	return text;
}

json_t *checked_json(const struct ipc_checked *checked)
{
	enum reply_key key = checked->key < REPLY_KEY_COUNT ? (enum reply_key)checked->key : REPLY_POLICY_UNAVAILABLE;
	const struct reply_entry *entry = reply_entry(key);
	ipc_list list = checked->steps;
	struct ipc_check_step step;
	struct span item;
	json_t *steps = json_array();
	while (ipc_list_next(&list, &item))
		if (ipc_get_check_step(item, &step))
			json_array_append_new(steps, step_json(&step));
	return json_pack("{s:b, s:b, s:o, s:s, s:I, s:o, s:I, s:o}", "ok", 1, "accepted", entry->code < 300,
		"reply", reply_json(checked, key), "key", entry->name, "code", (json_int_t)entry->code,
		"check", text_of(checked->check), "line", (json_int_t)checked->line, "steps", steps);
}
