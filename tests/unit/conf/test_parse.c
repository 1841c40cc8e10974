/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files that are good: what the struct holds, defaults, lines, and every cut of them. */
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

static const char full[] =
	"# everything, once\n"
	"hostname = \"MX.Example.org\"\n"
	"data = \"/srv/way\\\\bill/\"\n"
	"user = \"waybill\"\n"
	"trust = {\n"
	"    \"10.0.0.0/8\", # inside\n"
	"    \"[2001:db8::]/32\",\n"
	"}\n"
	"postmaster = \"alice@B\xc3\xbc" "cher.example\"\n"
	"smtpd-processes = 2  deliveries = 4\n"
	"control = \"/run/waybill/control\"\n"
	"listen \"smtp\" { address = {\"[::]:25\", \"unix:/run/s\"} protocol = smtp bare-newline = \"repair\" }\n"
	"listen \"other\"\n"
	"{\n"
	"    address = \"127.0.0.1:2525\"\n"
	"}\n"
	"domain \"example.org\" {\n"
	"    mailboxes = \"maildir:/m/{domain}/{user}\"\n"
	"    users = \"file:/etc/users\"\n"
	"    aliases = \"file:/etc/aliases\"\n"
	"    subaddress = \"\"\n"
	"    local-parts = exact\n"
	"}\n"
	"domain \"b\xc3\xbc" "cher.example\" { mailboxes = \"maildir:/b/{user}\" users = \"file:/etc/b\" }\n"
	"limits {\n"
	"    message-size = 100MiB recipients = 100 connections = 20 connections-per-client = 0\n"
	"    bad-commands = 5 messages-per-connection = 7 received = 50 command-timeout = 10m data-timeout = \"1m\"\n"
	"    data-rate-min = 0 line-length = 1000 alias-members = 9 alias-depth = 3\n"
	"}\n"
	"queue { retry = {\"10s\", 1m} give-up-after = 5d paused = yes segment-size = 1MiB }\n"
	"log { format = json }\n";

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

static void expect_text(struct span got, const char *want)
{
	if (!span_eq(got, span_str(want)))
		fail_msg("\"%.*s\" instead of \"%s\"", SPAN_FMT(got), want);
	assert_int_equal(got.ptr[got.len], 0); /* usable as a path */
}

static void test_minimal_file_has_all_defaults(void **state)
{
	struct conf *conf = parse_good(SPAN(MINIMAL));
	expect_text(conf->hostname, "mx.example.org");
	expect_text(conf->data, "/var/lib/waybill");
	expect_text(conf->control, "/var/lib/waybill/control");
	expect_text(conf->user, "");
	expect_text(conf->postmaster, "");
	assert_int_equal(conf->trust.count, 2);
	assert_int_equal(conf->smtpd_processes, 0);
	assert_int_equal(conf->deliveries, 16);
	assert_int_equal(conf->listen_count, 1);
	assert_int_equal(conf->listens[0].protocol, CONF_PROTOCOL_SMTP);
	assert_int_equal(conf->listens[0].bare_newline, CONF_NEWLINE_REFUSE);
	assert_int_equal(conf->domain_count, 0);
	assert_int_equal(conf->limits.message_bytes_max, 50u << 20);
	assert_int_equal(conf->limits.recipients_max, 1000);
	assert_int_equal(conf->limits.connections_max, 10000);
	assert_int_equal(conf->limits.connections_per_client_max, 200);
	assert_int_equal(conf->limits.bad_commands_max, 20);
	assert_int_equal(conf->limits.messages_per_connection_max, 100000);
	assert_int_equal(conf->limits.received_max, 100);
	assert_int_equal(conf->limits.command_timeout_ms, 300000);
	assert_int_equal(conf->limits.data_timeout_ms, 180000);
	assert_int_equal(conf->limits.data_rate_bytes_min, 100);
	assert_int_equal(conf->limits.line_bytes_max, 65536);
	assert_int_equal(conf->limits.alias_members_max, 1000);
	assert_int_equal(conf->limits.alias_depth_max, 20);
	assert_int_equal(conf->queue.retry.count, 7);
	assert_int_equal(conf->queue.retry.ms[0], 60000);
	assert_int_equal(conf->queue.retry.ms[6], 14400000);
	assert_int_equal(conf->queue.give_up_after_ms, 432000000);
	assert_false(conf->queue.paused);
	assert_int_equal(conf->queue.segment_bytes, 64u << 20);
	assert_int_equal(conf->log_format, CONF_LOG_TEXT);
	conf_free(conf);
	(void)state;
}

static void test_full_file_server_settings(void **state)
{
	struct conf *conf = parse_good(span_str(full));
	expect_text(conf->hostname, "mx.example.org");
	expect_text(conf->data, "/srv/way\\bill");
	expect_text(conf->user, "waybill");
	expect_text(conf->postmaster, "alice@xn--bcher-kva.example");
	expect_text(conf->control, "/run/waybill/control");
	assert_int_equal(conf->smtpd_processes, 2);
	assert_int_equal(conf->deliveries, 4);
	assert_int_equal(conf->trust.count, 2);
	assert_int_equal(conf->trust.blocks[0].prefix_bits, 8);
	assert_int_equal(conf->trust.blocks[1].addr.family, 6);
	assert_int_equal(conf->log_format, CONF_LOG_JSON);
	conf_free(conf);
	(void)state;
}

static void test_full_file_listens_and_domains(void **state)
{
	struct conf *conf = parse_good(span_str(full));
	assert_int_equal(conf->listen_count, 2);
	expect_text(conf->listens[0].name, "smtp");
	assert_int_equal(conf->listens[0].addresses.count, 2);
	assert_int_equal(conf->listens[0].addresses.items[0].port, 25);
	expect_text(conf->listens[0].addresses.items[1].path, "/run/s");
	expect_text(conf->listens[0].addresses.items[1].text, "unix:/run/s");
	assert_int_equal(conf->listens[0].bare_newline, CONF_NEWLINE_REPAIR);
	assert_int_equal(conf->listens[1].addresses.items[0].addr.family, 4);

	assert_int_equal(conf->domain_count, 2);
	const struct conf_domain *domain = &conf->domains[0];
	expect_text(domain->name, "example.org");
	expect_text(domain->mailboxes, "maildir:/m/{domain}/{user}");
	expect_text(domain->users, "/etc/users");
	expect_text(domain->aliases, "/etc/aliases");
	assert_int_equal(domain->subaddress, 0);
	assert_int_equal(domain->local_parts, CONF_LOCAL_EXACT);
	expect_text(conf->domains[1].name, "xn--bcher-kva.example");
	expect_text(conf->domains[1].aliases, "");
	assert_int_equal(conf->domains[1].subaddress, '+');
	assert_int_equal(conf->domains[1].local_parts, CONF_LOCAL_FOLD);
	conf_free(conf);
	(void)state;
}

static void test_full_file_limits_and_queue(void **state)
{
	struct conf *conf = parse_good(span_str(full));
	assert_int_equal(conf->limits.message_bytes_max, 100u << 20);
	assert_int_equal(conf->limits.recipients_max, 100);
	assert_int_equal(conf->limits.connections_max, 20);
	assert_int_equal(conf->limits.connections_per_client_max, 0);
	assert_int_equal(conf->limits.bad_commands_max, 5);
	assert_int_equal(conf->limits.messages_per_connection_max, 7);
	assert_int_equal(conf->limits.received_max, 50);
	assert_int_equal(conf->limits.command_timeout_ms, 600000);
	assert_int_equal(conf->limits.data_timeout_ms, 60000);
	assert_int_equal(conf->limits.data_rate_bytes_min, 0);
	assert_int_equal(conf->limits.line_bytes_max, 1000);
	assert_int_equal(conf->limits.alias_members_max, 9);
	assert_int_equal(conf->limits.alias_depth_max, 3);
	assert_int_equal(conf->queue.retry.count, 2);
	assert_int_equal(conf->queue.retry.ms[1], 60000);
	assert_int_equal(conf->queue.give_up_after_ms, 432000000);
	assert_true(conf->queue.paused);
	assert_int_equal(conf->queue.segment_bytes, 1u << 20);
	conf_free(conf);
	(void)state;
}

static void test_every_setting_keeps_its_line(void **state)
{
	struct conf *conf = parse_good(span_str(full));
	assert_int_equal(conf_line_of(conf, &conf->hostname), 2);
	assert_int_equal(conf_line_of(conf, &conf->trust), 5);
	assert_int_equal(conf_line_of(conf, &conf->deliveries), 10);
	assert_int_equal(conf_line_of(conf, &conf->limits.received_max), 27);
	assert_int_equal(conf_line_of(conf, &conf->queue.retry), 30);
	assert_int_equal(conf_line_of(conf, &conf->log_format), 31);
	assert_int_equal(conf->listens[0].line, 12);
	assert_int_equal(conf->listens[1].line, 13);
	assert_int_equal(conf->listens[1].addresses.items[0].line, 15);
	assert_int_equal(conf->domains[0].line, 17);
	assert_int_equal(conf->domains[0].mailboxes_line, 18);
	assert_int_equal(conf->domains[0].users_line, 19);
	assert_int_equal(conf->domains[0].aliases_line, 20);
	assert_int_equal(conf->domains[1].aliases_line, 0);
	conf_free(conf);

	conf = parse_good(SPAN(MINIMAL));
	assert_int_equal(conf_line_of(conf, &conf->trust), 0);
	assert_int_equal(conf_line_of(conf, &conf->limits.message_bytes_max), 0);
	conf_free(conf);
	(void)state;
}

static void test_domain_find_and_trusts(void **state)
{
	struct conf *conf = parse_good(span_str(full));
	assert_ptr_equal(conf_domain_find(conf, SPAN("EXAMPLE.org")), &conf->domains[0]);
	assert_ptr_equal(conf_domain_find(conf, SPAN("xn--bcher-kva.example")), &conf->domains[1]);
	assert_null(conf_domain_find(conf, SPAN("example.or")));
	assert_null(conf_domain_find(conf, SPAN("")));

	struct netaddr addr;
	assert_true(netaddr_parse(SPAN("10.1.2.3"), &addr) && conf_trusts(conf, &addr));
	assert_true(netaddr_parse(SPAN("2001:db8::9"), &addr) && conf_trusts(conf, &addr));
	assert_true(netaddr_parse(SPAN("127.0.0.1"), &addr) && !conf_trusts(conf, &addr));
	addr = (struct netaddr){ 0 };
	assert_false(conf_trusts(conf, &addr));
	conf_free(conf);
	(void)state;
}

static void test_layout_does_not_matter(void **state)
{
	static const char *const texts[] = {
		"hostname=\"a.b\" listen\"smtp\"{address=\"[::]:25\"}",
		"\xef\xbb\xbfhostname = \"a.b\"\r\nlisten \"smtp\"\r\n{\r\naddress = \"[::]:25\"\r\n}\r\n",
		"hostname\n=\t\"a.b\"#x\nlisten \"smtp\" { # \"\n address = {\n\"[::]:25\"\n,\n} }#",
		"listen \"smtp\" { address = {\"[::]:25\",} } hostname = \"a.b\"",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct conf *conf = parse_good(span_str(texts[i]));
		expect_text(conf->hostname, "a.b");
		assert_int_equal(conf->listens[0].addresses.count, 1);
		conf_free(conf);
	}
	(void)state;
}

static void test_trust_can_be_nobody(void **state)
{
	struct conf *conf = parse_good(SPAN(MINIMAL "trust = {}"));
	assert_int_equal(conf->trust.count, 0);
	assert_int_equal(conf_line_of(conf, &conf->trust), 3);
	conf_free(conf);
	(void)state;
}

static bool ends_inside_quotes(const char *text, size_t len)
{
	bool inside = false, comment = false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			comment = false;
		else if (!inside && text[i] == '#')
			comment = true;
		else if (!comment && inside && text[i] == '\\')
			i++;
		else if (!comment && text[i] == '"')
			inside = !inside;
	}
	return inside;
}

/* A copy of exactly the cut's size, so that a sanitizer sees any read beyond it. */
static void test_every_cut_is_survived_and_no_cut_quote_accepted(void **state)
{
	size_t refused = 0;
	for (size_t len = 0; len < sizeof(full); len++) {
		uint8_t *cut = malloc(len + 1);
		assert_non_null(cut);
		uint8_t *at = cut + 1; /* an odd address, flush against the end */
		memcpy(at, full, len);
		struct conf *conf;
		struct conf_report report;
		int r = conf_parse(span_of(at, len), "cut", &conf, &report);
		assert_true(r == 0 || r == -EINVAL);
		assert_int_equal(r == 0, conf != NULL);
		assert_int_equal(r == 0, report.error_count == 0);
		if (r == 0 && ends_inside_quotes(full, len))
			fail_msg("cut at %zu inside of quotes was accepted", len);
		refused += r != 0;
		conf_free(conf);
		free(cut);
	}
	assert_true(refused > sizeof(full) / 2);
	(void)state;
}

static void test_file_over_the_limit_is_refused(void **state)
{
	struct conf *conf;
	struct conf_report report;
	size_t len = CONF_TEXT_BYTES_MAX + 1;
	uint8_t *text = malloc(len);
	assert_non_null(text);
	memset(text, ' ', len);
	assert_int_equal(conf_parse(span_of(text, len), "big", &conf, &report), -EINVAL);
	memcpy(text, MINIMAL, sizeof(MINIMAL) - 1);
	assert_int_equal(conf_parse(span_of(text, len - 1), "big", &conf, &report), 0);
	conf_free(conf);
	free(text);
	(void)state;
}

static void test_ten_thousand_domains_are_read(void **state)
{
	struct buf text;
	buf_init(&text, CONF_TEXT_BYTES_MAX);
	buf_add_str(&text, MINIMAL);
	for (unsigned i = 0; i < CONF_DOMAINS_MAX; i++)
		buf_addf(&text, "domain \"d%u.example\" { mailboxes = \"maildir:/m/{user}\" users = \"file:/u\" }\n", i);
	assert_false(text.failed);
	struct conf *conf = parse_good(buf_span(&text));
	assert_int_equal(conf->domain_count, CONF_DOMAINS_MAX);
	for (size_t i = 0; i < conf->domain_count; i++)
		assert_ptr_equal(conf_domain_find(conf, conf->domains[i].name), &conf->domains[i]);
	conf_free(conf);
	buf_fini(&text);
	(void)state;
}

/* Every default of the table is a value of its own type, in its own range. */
static void test_defaults_written_out_are_the_defaults(void **state)
{
	struct buf text;
	buf_init(&text, 1u << 16);
	buf_add_str(&text, MINIMAL);
	for (enum conf_section_id id = CONF_SECTION_TOP; id < CONF_SECTION_COUNT; id++) {
		if (id == CONF_SECTION_LISTEN || id == CONF_SECTION_DOMAIN)
			continue;
		if (id != CONF_SECTION_TOP)
			buf_addf(&text, "%s {\n", conf_section_forms[id].name);
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
	buf_init(&text, 1u << 12);
	buf_addf(&text, MINIMAL "%s %s %s = %llu%s %s\n", conf_section_forms[option->section].name,
		in_section ? "{" : "", option->name, (unsigned long long)value, is_time ? "ms" : "",
		in_section ? "}" : "");
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
		cmocka_unit_test(test_minimal_file_has_all_defaults),
		cmocka_unit_test(test_full_file_server_settings),
		cmocka_unit_test(test_full_file_listens_and_domains),
		cmocka_unit_test(test_full_file_limits_and_queue),
		cmocka_unit_test(test_every_setting_keeps_its_line),
		cmocka_unit_test(test_domain_find_and_trusts),
		cmocka_unit_test(test_layout_does_not_matter),
		cmocka_unit_test(test_trust_can_be_nobody),
		cmocka_unit_test(test_every_cut_is_survived_and_no_cut_quote_accepted),
		cmocka_unit_test(test_file_over_the_limit_is_refused),
		cmocka_unit_test(test_ten_thousand_domains_are_read),
		cmocka_unit_test(test_defaults_written_out_are_the_defaults),
		cmocka_unit_test(test_bounds_of_every_number),
		cmocka_unit_test(test_reference_page_is_current),
		cmocka_unit_test(test_manual_page_lists_every_setting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
