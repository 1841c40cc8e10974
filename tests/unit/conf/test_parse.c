/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files that are good: what the struct holds, defaults, lines, and every cut of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "conf.h"

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
	"listen \"smtp\" { address = {\"[::]:25\", \"unix:/run/s\"} protocol = smtp bare-newline = \"repair\""
	" socket-mode = \"0660\" socket-group = \"mail\" }\n"
	"listen \"other\"\n"
	"{\n"
	"    address = \"127.0.0.1:2525\" protocol = lmtp\n"
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
	"queue { retry = {\"10s\", 1m} give-up-after = 5d paused = yes segment-size = 1MiB\n"
	"    bounces-give-up-after = 2h relay-connections = 50 }\n"
	"log { format = json }\n"
	"domain \"relay.example\" {\n"
	"    via = {\"lmtp+unix:/run/lmtp/\", \"lmtp://Store.Relay.example\", \"smtp://192.0.2.1:2525\"}\n"
	"}\n"
	"route \"*\" { via = {\"smtp://[2001:db8::1]\", \"mx\"} source = \"[2001:db8::7]\" helo = \"OUT.example.org\" }\n"
	"route \"*.example.net\" {\n"
	"    via = \"smtp://b\xc3\xbc" "cher.example:587\"\n"
	"    connections = 3\n"
	"}\n"
	"route \"Mail.Example.net\" { source = \"192.0.2.7\" }\n"
	"bounce { delay-after = {\"5m\", \"4h\", \"1d\", \"2d\"} copies = yes whole-message = 0 }\n"
	"dns {\n"
	"    servers = {\"192.0.2.1\", \"[2001:db8::1]:5353\", \"127.0.0.1:5353\"}\n"
	"    trust-anchor = \"\"\n"
	"}\n"
	"mbox { locks = {flock, \"dotlock\"} lock-timeout = 0s stale-lock = 1h lock-pids = no }\n";

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
	assert_int_equal(conf->listens[0].socket_mode, 0666);
	expect_text(conf->listens[0].socket_group, "");
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
	assert_int_equal(conf->queue.bounces_give_up_after_ms, 86400000);
	assert_int_equal(conf->queue.relay_connections_max, 500);
	assert_int_equal(conf->bounce.delay_after.count, 2);
	assert_int_equal(conf->bounce.delay_after.ms[0], 14400000);
	assert_int_equal(conf->bounce.delay_after.ms[1], 86400000);
	assert_false(conf->bounce.copies);
	assert_int_equal(conf->bounce.whole_message_bytes_max, 65536);
	assert_int_equal(conf->mbox.locks.count, 2);
	assert_int_equal(conf->mbox.locks.items[0], CONF_LOCK_DOTLOCK);
	assert_int_equal(conf->mbox.locks.items[1], CONF_LOCK_FCNTL);
	assert_int_equal(conf->mbox.lock_timeout_ms, 10000);
	assert_int_equal(conf->mbox.stale_lock_ms, 600000);
	assert_true(conf->mbox.lock_pids);
	assert_int_equal(conf->dns.servers.count, 0);
	expect_text(conf->dns.trust_anchor, "/usr/share/dns/root.key");
	assert_int_equal(conf->route_count, 0);
	const struct conf_route *route = conf_route_find(conf, SPAN("example.net"));
	assert_ptr_equal(route, &conf->route_default);
	assert_int_equal(route->line, 0);
	assert_int_equal(route->via.count, 1);
	assert_int_equal(route->via.items[0].kind, CONF_HOP_MX);
	assert_int_equal(route->via.items[0].line, 0);
	assert_int_equal(route->source.family, 0);
	assert_int_equal(route->connections_max, 20);
	expect_text(route->pattern, "");
	expect_text(route->helo, "mx.example.org");
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
	assert_int_equal(conf->listens[0].protocol, CONF_PROTOCOL_SMTP);
	assert_int_equal(conf->listens[0].socket_mode, 0660);
	expect_text(conf->listens[0].socket_group, "mail");
	assert_int_equal(conf->listens[1].protocol, CONF_PROTOCOL_LMTP);
	assert_int_equal(conf->listens[1].addresses.items[0].addr.family, 4);

	assert_int_equal(conf->domain_count, 3);
	const struct conf_domain *domain = &conf->domains[0];
	expect_text(domain->name, "example.org");
	expect_text(domain->mailboxes, "maildir:/m/{domain}/{user}");
	expect_text(domain->users.path, "/etc/users");
	assert_int_equal(domain->users.kind, CONF_SOURCE_FILE);
	expect_text(domain->aliases.path, "/etc/aliases");
	assert_int_equal(domain->subaddress, 0);
	assert_int_equal(domain->local_parts, CONF_LOCAL_EXACT);
	domain = &conf->domains[2];
	expect_text(domain->name, "xn--bcher-kva.example");
	assert_int_equal(domain->aliases.kind, CONF_NO_SOURCE);
	assert_int_equal(domain->subaddress, '+');
	assert_int_equal(domain->local_parts, CONF_LOCAL_FOLD);
	assert_int_equal(domain->via.count, 0);
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
	assert_int_equal(conf->queue.bounces_give_up_after_ms, 7200000);
	assert_int_equal(conf->queue.relay_connections_max, 50);
	conf_free(conf);
	(void)state;
}

static void test_full_file_relay_domain(void **state)
{
	struct conf *conf = parse_good(span_str(full));
	const struct conf_domain *domain = &conf->domains[1];
	expect_text(domain->name, "relay.example");
	expect_text(domain->mailboxes, "");
	assert_int_equal(domain->users.kind, CONF_NO_SOURCE);
	assert_int_equal(domain->via.count, 3);
	assert_int_equal(domain->via.items[0].kind, CONF_HOP_LMTP_UNIX);
	expect_text(domain->via.items[0].path, "/run/lmtp");
	expect_text(domain->via.items[0].text, "lmtp+unix:/run/lmtp/");
	assert_int_equal(domain->via.items[1].kind, CONF_HOP_LMTP);
	expect_text(domain->via.items[1].host, "store.relay.example");
	assert_int_equal(domain->via.items[1].port, 24);
	assert_int_equal(domain->via.items[2].kind, CONF_HOP_SMTP);
	expect_text(domain->via.items[2].host, "");
	assert_int_equal(domain->via.items[2].addr.family, 4);
	assert_int_equal(domain->via.items[2].port, 2525);
	conf_free(conf);
	(void)state;
}

static void test_full_file_routes(void **state)
{
	struct conf *conf = parse_good(span_str(full));
	assert_int_equal(conf->route_count, 3);
	const struct conf_route *all = &conf->routes[0], *below = &conf->routes[1], *one = &conf->routes[2];
	expect_text(all->pattern, "*");
	assert_int_equal(all->via.count, 2);
	assert_int_equal(all->via.items[0].addr.family, 6);
	assert_int_equal(all->via.items[0].port, 25);
	assert_int_equal(all->via.items[1].kind, CONF_HOP_MX);
	assert_int_equal(all->source.family, 6);
	expect_text(all->helo, "out.example.org");
	expect_text(below->pattern, "*.example.net");
	expect_text(below->via.items[0].host, "xn--bcher-kva.example");
	assert_int_equal(below->via.items[0].port, 587);
	assert_int_equal(below->connections_max, 3);
	expect_text(below->helo, "mx.example.org");
	expect_text(one->pattern, "mail.example.net");
	assert_int_equal(one->via.items[0].kind, CONF_HOP_MX);
	assert_int_equal(one->source.family, 4);
	conf_free(conf);
	(void)state;
}

static void test_full_file_bounces_mbox_and_dns(void **state)
{
	struct conf *conf = parse_good(span_str(full));
	assert_int_equal(conf->mbox.locks.count, 2);
	assert_int_equal(conf->mbox.locks.items[0], CONF_LOCK_FLOCK);
	assert_int_equal(conf->mbox.locks.items[1], CONF_LOCK_DOTLOCK);
	assert_int_equal(conf->mbox.lock_timeout_ms, 0);
	assert_int_equal(conf->mbox.stale_lock_ms, 3600000);
	assert_false(conf->mbox.lock_pids);
	assert_int_equal(conf->bounce.delay_after.count, 4);
	assert_int_equal(conf->bounce.delay_after.ms[3], 172800000);
	assert_true(conf->bounce.copies);
	assert_int_equal(conf->bounce.whole_message_bytes_max, 0);
	assert_int_equal(conf->dns.servers.count, 3);
	assert_int_equal(conf->dns.servers.items[0].port, 53);
	assert_int_equal(conf->dns.servers.items[1].addr.family, 6);
	assert_int_equal(conf->dns.servers.items[1].port, 5353);
	assert_int_equal(conf->dns.servers.items[2].addr.family, 4);
	expect_text(conf->dns.servers.items[2].text, "127.0.0.1:5353");
	expect_text(conf->dns.trust_anchor, "");
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
	assert_int_equal(conf_line_of(conf, &conf->log_format), 32);
	assert_int_equal(conf->listens[0].line, 12);
	assert_int_equal(conf->listens[1].line, 13);
	assert_int_equal(conf->listens[1].addresses.items[0].line, 15);
	assert_int_equal(conf->domains[0].line, 17);
	assert_int_equal(conf->domains[0].mailboxes_line, 18);
	assert_int_equal(conf->domains[0].users_line, 19);
	assert_int_equal(conf->domains[0].aliases_line, 20);
	assert_int_equal(conf->domains[2].aliases_line, 0);
	assert_int_equal(conf->domains[1].via_line, 34);
	assert_int_equal(conf->domains[1].via.items[2].line, 34);
	assert_int_equal(conf->routes[1].line, 37);
	assert_int_equal(conf->routes[1].via_line, 38);
	assert_int_equal(conf->routes[1].connections_line, 39);
	assert_int_equal(conf->routes[1].helo_line, 0);
	assert_int_equal(conf->routes[0].source_line, 36);
	assert_int_equal(conf_line_of(conf, &conf->queue.relay_connections_max), 31);
	assert_int_equal(conf_line_of(conf, &conf->bounce.copies), 42);
	assert_int_equal(conf_line_of(conf, &conf->dns.servers), 44);
	assert_int_equal(conf_line_of(conf, &conf->dns.trust_anchor), 45);
	assert_int_equal(conf_line_of(conf, &conf->mbox.locks), 47);
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
	assert_ptr_equal(conf_domain_find(conf, SPAN("xn--bcher-kva.example")), &conf->domains[2]);
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

static void test_ten_thousand_domains_and_routes_are_read(void **state)
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

	buf_clear(&text);
	buf_add_str(&text, MINIMAL);
	for (unsigned i = 0; i < CONF_ROUTES_MAX; i++)
		buf_addf(&text, "route \"%sr%u.example\" { via = \"smtp://192.0.2.1\" }\n", i % 2 ? "*." : "", i);
	assert_false(text.failed);
	conf = parse_good(buf_span(&text));
	assert_int_equal(conf->route_count, CONF_ROUTES_MAX);
	for (size_t i = 0; i < conf->route_count; i++)
		assert_ptr_equal(conf_route_find(conf, conf->routes[i].pattern), &conf->routes[i]);
	conf_free(conf);
	buf_fini(&text);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimal_file_has_all_defaults),
		cmocka_unit_test(test_full_file_server_settings),
		cmocka_unit_test(test_full_file_listens_and_domains),
		cmocka_unit_test(test_full_file_limits_and_queue),
		cmocka_unit_test(test_full_file_relay_domain),
		cmocka_unit_test(test_full_file_routes),
		cmocka_unit_test(test_full_file_bounces_mbox_and_dns),
		cmocka_unit_test(test_every_setting_keeps_its_line),
		cmocka_unit_test(test_domain_find_and_trusts),
		cmocka_unit_test(test_layout_does_not_matter),
		cmocka_unit_test(test_trust_can_be_nobody),
		cmocka_unit_test(test_every_cut_is_survived_and_no_cut_quote_accepted),
		cmocka_unit_test(test_file_over_the_limit_is_refused),
		cmocka_unit_test(test_ten_thousand_domains_and_routes_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
