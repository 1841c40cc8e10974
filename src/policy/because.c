/* SPDX-License-Identifier: Apache-2.0 */
/* The words in which checks say what they looked at; without a reader they cost nothing. */
#include <stdarg.h>
#include <stdio.h>

#include "directory_answers.h"
#include "policy_check.h"

#define CLAUSE_BYTES_MAX 512

void policy_because(const struct policy_context *context, const char *format, ...)
{
	char text[CLAUSE_BYTES_MAX];
	va_list args;
	if (context->why == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_add_str(context->why, text);
}

void policy_because_quoted(const struct policy_context *context, struct span text)
{
	if (context->why == NULL)
		return;
	buf_add_byte(context->why, '"');
	buf_add_escaped(context->why, text);
	buf_add_byte(context->why, '"');
}

void policy_because_directory(const struct policy_context *context)
{
	const struct directory_answers *answers = context->directory->answers;
	if (context->why == NULL || answers == NULL || answers->why.len == 0)
		return;
	buf_add_str(context->why, ": ");
	buf_add_escaped(context->why, answers->why);
}

void policy_because_network(const struct policy_context *context, const struct netblock *block)
{
	if (context->why != NULL)
		netblock_write(context->why, block);
}

void policy_because_listed(const struct policy_context *context, const struct policy_entry *entry)
{
	if (context->why == NULL)
		return;
	buf_add(context->why, entry->text);
	policy_because(context, " is listed%s", entry->in_file ? "" : " in the configuration");
	if (entry->in_file)
		policy_because(context, " in line %u of the file", entry->line);
}

void policy_because_time(const struct policy_context *context, uint64_t us)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	uint64_t seconds = us / 1000000;
	size_t i = 0;
	while (i < 3 && (seconds == 0 || seconds % units[i].seconds != 0))
		i++;
	uint64_t count = seconds / units[i].seconds;
	policy_because(context, "%llu %s%s", (unsigned long long)count, units[i].name, count == 1 ? "" : "s");
}
