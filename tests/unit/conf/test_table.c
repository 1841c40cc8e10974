/* SPDX-License-Identifier: Apache-2.0 */
/* The option table: its defaults, its ranges, and the pages that are made from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf.h"
#include "conf_options.h"

#define MINIMAL "hostname = \"mx.example.org\"\nlisten \"smtp\" { address = {\"[::]:25\"} }\n"

static struct conf *parse_good(struct span text)
{
	struct conf *conf;
	struct conf_report report;
	int r = conf_parse(text, "test.conf", &conf, &report);
	if (r != 0)
		fail_msg("%d: %s", r, report.problem_count > 0 ? report.problems[0].text : "no reason");
	assert_non_null(conf);
	assert_int_equal(report.error_count, 0);
	return conf;
}

/* Every default of the table is a value of its own type, in its own range. */
static void test_defaults_written_out_are_the_defaults(void **state)
{
	struct buf text;
	buf_init(&text, 1u << 16);
	buf_add_str(&text, MINIMAL);
	for (enum conf_section_id id = CONF_SECTION_TOP; id < CONF_SECTION_COUNT; id++) {
		if (!conf_section_is_once(id) && id != CONF_SECTION_ROUTE)
			continue;
		if (id != CONF_SECTION_TOP)
			buf_addf(&text, "%s %s {\n", conf_section_forms[id].name,
				id == CONF_SECTION_ROUTE ? "\"*\"" : "");
		for (size_t i = 0; i < conf_option_count; i++)
			if (conf_options[i].section == id && conf_options[i].fallback != NULL)
				buf_addf(&text, "%s = %s\n", conf_options[i].name, conf_options[i].fallback);
		if (id != CONF_SECTION_TOP)
			buf_add_str(&text, "}\n");
	}
	struct conf *written = parse_good(buf_span(&text));
	struct conf *plain = parse_good(SPAN(MINIMAL));
	assert_memory_equal(&written->limits, &plain->limits, sizeof(plain->limits));
	assert_int_equal(written->queue.retry.count, plain->queue.retry.count);
	assert_true(conf_line_of(written, &written->queue.paused) > 0);
	assert_int_equal(written->routes[0].connections_max, plain->route_default.connections_max);
	assert_int_equal(written->routes[0].via.items[0].kind, plain->route_default.via.items[0].kind);
	assert_int_equal(written->bounce.delay_after.count, plain->bounce.delay_after.count);
	assert_true(span_eq(written->dns.trust_anchor, plain->dns.trust_anchor));
	conf_free(written);
	conf_free(plain);
	buf_fini(&text);
	(void)state;
}

/* Whether the value is in range; that it may contradict another setting does not matter here. */
static bool number_accepted(const struct conf_option *option, uint64_t value)
{
	struct buf text;
	struct conf *conf;
	struct conf_report report;
	bool in_section = option->section != CONF_SECTION_TOP;
	bool is_time = option->type == CONF_TYPE_DURATION || option->type == CONF_TYPE_DURATIONS;
	const char *open = option->section == CONF_SECTION_ROUTE ? "\"*\" {" : in_section ? "{" : "";
	buf_init(&text, 1u << 12);
	buf_addf(&text, MINIMAL "%s %s %s = %llu%s %s\n", conf_section_forms[option->section].name,
		open, option->name, (unsigned long long)value, is_time ? "ms" : "", in_section ? "}" : "");
	int r = conf_parse(buf_span(&text), "bounds", &conf, &report);
	bool ranged = false;
	for (size_t i = 0; i < report.problem_count; i++)
		ranged |= strstr(report.problems[i].text, "is too ") != NULL;
	assert_true(r == 0 || r == -EINVAL);
	conf_free(conf);
	buf_fini(&text);
	return !ranged;
}

static void test_bounds_of_every_number(void **state)
{
	size_t numbers = 0;
	for (size_t i = 0; i < conf_option_count; i++) {
		const struct conf_option *option = &conf_options[i];
		if (option->max == 0)
			continue;
		numbers++;
		if (!number_accepted(option, option->min) || !number_accepted(option, option->max))
			fail_msg("%s: a bound is refused", option->name);
		if ((option->min > 0 && number_accepted(option, option->min - 1))
			|| number_accepted(option, option->max + 1))
			fail_msg("%s: more than its range is accepted", option->name);
	}
	assert_true(numbers >= 15);
	(void)state;
}

/* The page that people read says what the program does. */
static void test_reference_page_is_current(void **state)
{
	struct buf page;
	buf_init(&page, 1u << 20);
	conf_write_reference(&page);
	assert_false(page.failed);
	FILE *file = fopen(WAYBILL_SOURCE_ROOT "/docs/configuration.md", "rb");
	assert_non_null(file);
	uint8_t *text = malloc(page.len + 1);
	assert_non_null(text);
	size_t len = fread(text, 1, page.len + 1, file);
	fclose(file);
	if (!span_eq(span_of(text, len), buf_span(&page)))
		fail_msg("docs/configuration.md is not current; run: make docs");
	free(text);
	buf_fini(&page);
	(void)state;
}

/* The manual page has an entry for each setting, under its section, and none beside. */
static void test_manual_page_lists_every_setting(void **state)
{
	FILE *file = fopen(WAYBILL_SOURCE_ROOT "/docs/man/waybill.conf.5", "rb");
	assert_non_null(file);
	static char text[1u << 17];
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = 0;
	size_t entries = 0;
	for (const char *at = text; (at = strstr(at, "\n.It Ic ")) != NULL; at++)
		entries++;
	assert_int_equal(entries, conf_option_count);
	const char *at = text;
	for (size_t i = 0; i < conf_option_count; i++) {
		char entry[80];
		snprintf(entry, sizeof(entry), "\n.It Ic %s\n", conf_options[i].name);
		at = strstr(at, entry);
		if (at == NULL)
			fail_msg("waybill.conf.5: \"%s\" is missing or out of order", conf_options[i].name);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_written_out_are_the_defaults),
		cmocka_unit_test(test_bounds_of_every_number),
		cmocka_unit_test(test_reference_page_is_current),
		cmocka_unit_test(test_manual_page_lists_every_setting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
