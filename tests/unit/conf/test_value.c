/* SPDX-License-Identifier: Apache-2.0 */
/* Each type of value: what is one, what is not, and the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_show.h"
#include "conf_value.h"
#include "near.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef bool (*number_fn)(struct span text, uint64_t *value_out, const char **why_out);

struct number_case {
	number_fn parse;
	const char *text;
	bool good;
	uint64_t value;
};

static void test_numbers(void **state)
{
	static const struct number_case cases[] = {
		{ conf_value_duration, "250ms", true, 250 },
		{ conf_value_duration, "30s", true, 30000 },
		{ conf_value_duration, "5m", true, 300000 },
		{ conf_value_duration, "2h", true, 7200000 },
		{ conf_value_duration, "5d", true, 432000000 },
		{ conf_value_duration, "0s", true, 0 },
		{ conf_value_duration, "5", false, 0 },
		{ conf_value_duration, "", false, 0 },
		{ conf_value_duration, "m", false, 0 },
		{ conf_value_duration, "5minutes", false, 0 },
		{ conf_value_duration, "5M", false, 0 },
		{ conf_value_duration, "-5m", false, 0 },
		{ conf_value_duration, "5 m", false, 0 },
		{ conf_value_duration, "18446744073709551615ms", true, UINT64_MAX },
		{ conf_value_duration, "18446744073709551615s", false, 0 },
		{ conf_value_duration, "18446744073709551616ms", false, 0 },
		{ conf_value_size, "300B", true, 300 },
		{ conf_value_size, "300", true, 300 },
		{ conf_value_size, "10KiB", true, 10240 },
		{ conf_value_size, "50MiB", true, 52428800 },
		{ conf_value_size, "1GiB", true, 1073741824 },
		{ conf_value_size, "10KB", false, 0 },
		{ conf_value_size, "1.5MiB", false, 0 },
		{ conf_value_size, "17179869184GiB", false, 0 },
		{ conf_value_integer, "0", true, 0 },
		{ conf_value_integer, "18446744073709551615", true, UINT64_MAX },
		{ conf_value_integer, "18446744073709551616", false, 0 },
		{ conf_value_integer, "+1", false, 0 },
		{ conf_value_integer, "1k", false, 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 0;
		const char *why = NULL;
		bool good = cases[i].parse(span_str(cases[i].text), &value, &why);
		if (good != cases[i].good || (good && value != cases[i].value))
			fail_msg("\"%s\": good %d, value %llu", cases[i].text, good, (unsigned long long)value);
		if (!good)
			assert_non_null(why);
	}
	(void)state;
}

struct address_case {
	const char *text;
	uint8_t family; /* 9: not an address */
	uint16_t port;
	const char *path;
};

static void test_addresses(void **state)
{
	static const struct address_case cases[] = {
		{ "127.0.0.1:2525", 4, 2525, "" },
		{ "0.0.0.0:65535", 4, 65535, "" },
		{ "[::]:25", 6, 25, "" },
		{ "[2001:db8::1]:1", 6, 1, "" },
		{ "[::ffff:192.0.2.1]:25", 4, 25, "" },
		{ "unix:/run/waybill/lmtp", 0, 0, "/run/waybill/lmtp" },
		{ "unix:/run/x/", 0, 0, "/run/x" },
		{ "unix:run/x", 9, 0, "" },
		{ "unix:", 9, 0, "" },
		{ "unix:/a/../b", 9, 0, "" },
		{ "127.0.0.1", 9, 0, "" },
		{ "127.0.0.1:0", 9, 0, "" },
		{ "127.0.0.1:65536", 9, 0, "" },
		{ "127.0.0.1:", 9, 0, "" },
		{ "[127.0.0.1]:25", 9, 0, "" },
		{ ":::25", 9, 0, "" },
		{ "::1:25", 9, 0, "" },
		{ "[::1:25", 9, 0, "" },
		{ "[::1]", 9, 0, "" },
		{ "localhost:25", 9, 0, "" },
		{ ":25", 9, 0, "" },
		{ "", 9, 0, "" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_address address;
		const char *why = NULL;
		bool good = conf_value_address(span_str(cases[i].text), &address, &why);
		if (good != (cases[i].family != 9))
			fail_msg("\"%s\": good %d", cases[i].text, good);
		if (good && (address.addr.family != cases[i].family || address.port != cases[i].port
			|| !span_eq(address.path, span_str(cases[i].path))))
			fail_msg("\"%s\": family %d, port %d, path %.*s", cases[i].text, address.addr.family,
				address.port, SPAN_FMT(address.path));
	}
	(void)state;
}

static void test_socket_path_over_107_bytes_is_refused(void **state)
{
	char text[160] = "unix:/";
	memset(text + 6, 'a', 107);
	struct conf_address address;
	const char *why = NULL;
	assert_true(conf_value_address(span_of(text, 5 + 107), &address, &why));
	assert_int_equal(address.path.len, 107);
	assert_false(conf_value_address(span_of(text, 5 + 108), &address, &why));
	(void)state;
}

typedef bool (*name_fn)(struct span text, struct buf *out, const char **why_out);

struct name_case {
	name_fn parse;
	const char *text;
	const char *written; /* NULL: refused */
};

static void test_names(void **state)
{
	static const struct name_case cases[] = {
		{ conf_value_host, "mx.example.org", "mx.example.org" },
		{ conf_value_host, "MX.Example.ORG", "mx.example.org" },
		{ conf_value_host, "m\xc3\xbc.example", "xn--m-eha.example" },
		{ conf_value_host, "mx", NULL },
		{ conf_value_host, "localhost", NULL },
		{ conf_value_host, "192.0.2.1", NULL },
		{ conf_value_host, "[192.0.2.1]", NULL },
		{ conf_value_host, "mx.example.org.", NULL },
		{ conf_value_host, "mx..example.org", NULL },
		{ conf_value_host, "-mx.example.org", NULL },
		{ conf_value_host, "mx_1.example.org", NULL },
		{ conf_value_host, "mx example.org", NULL },
		{ conf_value_host, "", NULL },
		{ conf_value_domain, "corp", "corp" },
		{ conf_value_domain, "b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
		{ conf_value_domain, "B\xc3\x9c" "CHER.example", "xn--bcher-kva.example" },
		{ conf_value_domain, "12", NULL },
		{ conf_value_domain, "\xc3", NULL },
		{ conf_value_mailbox, "alice@example.org", "alice@example.org" },
		{ conf_value_mailbox, "Alice@Example.org", "Alice@example.org" },
		{ conf_value_mailbox, "\"a b\"@example.org", "\"a b\"@example.org" },
		{ conf_value_mailbox, "alice", NULL },
		{ conf_value_mailbox, "alice@", NULL },
		{ conf_value_mailbox, "@example.org", NULL },
		{ conf_value_mailbox, "a..b@example.org", NULL },
		{ conf_value_mailbox, "alice@[192.0.2.1]", NULL },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out;
		const char *why = NULL;
		buf_init(&out, 400);
		bool good = cases[i].parse(span_str(cases[i].text), &out, &why);
		bool same = good && cases[i].written != NULL && span_eq(buf_span(&out), span_str(cases[i].written));
		if (good != (cases[i].written != NULL) || (good && !same))
			fail_msg("\"%s\": good %d, \"%.*s\"", cases[i].text, good, SPAN_FMT(buf_span(&out)));
		buf_fini(&out);
	}
	(void)state;
}

typedef bool (*part_fn)(struct span text, struct span *part_out, const char **why_out);

struct part_case {
	part_fn parse;
	const char *text;
	const char *part; /* NULL: refused */
};

static void test_tables(void **state)
{
	static const struct {
		const char *text;
		enum conf_source_kind kind; /* CONF_NO_SOURCE: refused */
		const char *path, *name;
	} cases[] = {
		{ "file:/etc/users", CONF_SOURCE_FILE, "/etc/users", "" },
		{ "file:users", CONF_NO_SOURCE, "", "" },
		{ "file:", CONF_NO_SOURCE, "", "" },
		{ "/etc/users", CONF_NO_SOURCE, "", "" },
		{ "sqlite:mail", CONF_SOURCE_SQLITE, "", "mail" },
		{ "sqlite:/etc/users", CONF_NO_SOURCE, "", "" },
		{ "sqlite:", CONF_NO_SOURCE, "", "" },
		{ "sqlite", CONF_NO_SOURCE, "", "" },
		{ "pgsql:mail-2", CONF_SOURCE_PGSQL, "", "mail-2" },
		{ "PGSQL:mail", CONF_NO_SOURCE, "", "" },
		{ "ldap:mail", CONF_SOURCE_LDAP, "", "mail" },
		{ "ldap://host", CONF_NO_SOURCE, "", "" },
		{ "system:", CONF_SOURCE_SYSTEM, "", "" },
		{ "system:x", CONF_NO_SOURCE, "", "" },
		{ ":x", CONF_NO_SOURCE, "", "" },
		{ "", CONF_NO_SOURCE, "", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_table table;
		const char *why = NULL;
		bool good = conf_value_table(span_str(cases[i].text), &table, &why);
		if (good != (cases[i].kind != CONF_NO_SOURCE) || why == NULL
		    || (good && (table.kind != cases[i].kind || !span_eq(table.path, span_str(cases[i].path))
			|| !span_eq(table.name, span_str(cases[i].name)))))
			fail_msg("case %s: %s", cases[i].text, why);
	}
}

static void test_connections_hold_no_password(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "host=/run/postgresql dbname=mail user=waybill", true },
		{ "dbname=mail", true },
		{ "postgresql://waybill@db.test/mail?sslmode=verify-full", true },
		{ "postgresql:///mail?host=/run", true },
		{ "postgres://[::1]:5433/mail", true },
		{ "", false },
		{ "db.test", false },
		{ "host=db password=x", false },
		{ "password = 'x' host=db", false },
		{ "host=db sslpassword=x", false },
		{ "host=db PASSWORD=x", false },
		{ "host=password-server dbname=mail", true },
		{ "postgresql://waybill:x@db.test/mail", false },
		{ "postgresql://waybill@db.test/mail?password=x", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = NULL;
		if (conf_value_connection(span_str(cases[i].text), &why) != cases[i].good || why == NULL)
			fail_msg("case %s: %s", cases[i].text, why);
	}
}

static void test_servers_of_ldap(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "ldap://a.test", true }, { "ldaps://a.test:636", true }, { "ldapi://%2Frun%2Fldapi", true },
		{ "ldap://a.test ldap://b.test", true }, { " ldap://a.test  ", true }, { "a.test", false }, { "", false },
		{ "ldap://a.test b.test", false }, { "http://a.test", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = NULL;
		if (conf_value_ldap_server(span_str(cases[i].text), &why) != cases[i].good || why == NULL)
			fail_msg("case %s: %s", cases[i].text, why);
	}
}

static void test_paths_and_words(void **state)
{
	static const struct part_case cases[] = {
		{ conf_value_path, "/var/lib/waybill", "/var/lib/waybill" },
		{ conf_value_path, "/var/lib/waybill///", "/var/lib/waybill" },
		{ conf_value_path, "/", "/" },
		{ conf_value_path, "/a/..b/.c", "/a/..b/.c" },
		{ conf_value_path, "", NULL },
		{ conf_value_path, "var", NULL },
		{ conf_value_path, "./var", NULL },
		{ conf_value_path, "/var/../etc", NULL },
		{ conf_value_path, "/var/./x", NULL },
		{ conf_value_path, "/var//x", NULL },
		{ conf_value_path, "/..", NULL },
		{ conf_value_mailboxes, "maildir:/m/{domain}/{user}", "maildir:/m/{domain}/{user}" },
		{ conf_value_mailboxes, "maildir:/m/{user}/Maildir/", "maildir:/m/{user}/Maildir" },
		{ conf_value_mailboxes, "maildir:/m/{domain}", NULL },
		{ conf_value_mailboxes, "maildir:/m/{user}/{home}", NULL },
		{ conf_value_mailboxes, "maildir:{home}/Maildir/", "maildir:{home}/Maildir" },
		{ conf_value_mailboxes, "mbox:{home}/mail/{user}", "mbox:{home}/mail/{user}" },
		{ conf_value_mailboxes, "maildir:{home}", NULL },
		{ conf_value_mailboxes, "maildir:{home}Maildir", NULL },
		{ conf_value_mailboxes, "maildir:{HOME}/Maildir", NULL },
		{ conf_value_mailboxes, "maildir:{home}/../x", NULL },
		{ conf_value_mailboxes, "maildir:/m/{user", NULL },
		{ conf_value_mailboxes, "maildir:/m/user}", NULL },
		{ conf_value_mailboxes, "maildir:m/{user}", NULL },
		{ conf_value_mailboxes, "mbox:/m/{user}", "mbox:/m/{user}" },
		{ conf_value_mailboxes, "mbox:/home/{user}/mbox/", "mbox:/home/{user}/mbox" },
		{ conf_value_mailboxes, "mbox:/m", NULL },
		{ conf_value_mailboxes, "mbox:{user}", NULL },
		{ conf_value_mailboxes, "mbox", NULL },
		{ conf_value_mailboxes, "mmdf:/m/{user}", NULL },
		{ conf_value_account, "waybill", "waybill" },
		{ conf_value_account, "_mail-1", "_mail-1" },
		{ conf_value_account, "", "" },
		{ conf_value_account, "-x", NULL },
		{ conf_value_account, "a b", NULL },
		{ conf_value_label, "smtp", "smtp" },
		{ conf_value_label, "", NULL },
		{ conf_value_label, "a\"b", NULL },
		{ conf_value_label, "abcdefghijabcdefghijabcdefghijabc", NULL },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span part = { NULL, 0 };
		const char *why = NULL;
		bool good = cases[i].parse(span_str(cases[i].text), &part, &why);
		bool same = good && cases[i].part != NULL && span_eq(part, span_str(cases[i].part));
		if (good != (cases[i].part != NULL) || (good && !same))
			fail_msg("\"%s\": good %d, \"%.*s\"", cases[i].text, good, SPAN_FMT(part));
		if (!good)
			assert_non_null(why);
	}
	(void)state;
}

static void test_mode(void **state)
{
	static const struct { const char *text; uint32_t mode; } good[] = { { "0660", 0660 }, { "666", 0666 }, { "0007", 7 } };
	static const char *const bad[] = { "", "66", "0", "1666", "06600", "0668", "-660", "rw-rw-rw-", " 660", "660 " };
	const char *why = NULL;
	uint32_t mode = 0;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(conf_value_mode(span_str(good[i].text), &mode, &why));
		assert_int_equal(mode, good[i].mode);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		if (conf_value_mode(span_str(bad[i]), &mode, &why))
			fail_msg("\"%s\" is taken", bad[i]);
	(void)state;
}

static void test_separator(void **state)
{
	uint8_t character = 'x';
	const char *why = NULL;
	assert_true(conf_value_separator(SPAN("+"), &character, &why));
	assert_int_equal(character, '+');
	assert_true(conf_value_separator(SPAN(""), &character, &why));
	assert_int_equal(character, 0);
	assert_false(conf_value_separator(SPAN("++"), &character, &why));
	assert_false(conf_value_separator(SPAN("@"), &character, &why));
	assert_false(conf_value_separator(SPAN("."), &character, &why));
	assert_false(conf_value_separator(SPAN("a"), &character, &why));
	(void)state;
}

static void test_network_with_host_bits_is_refused(void **state)
{
	struct netblock block;
	const char *why = NULL;
	assert_true(conf_value_network(SPAN("10.0.0.0/8"), &block, &why));
	assert_int_equal(block.prefix_bits, 8);
	assert_true(conf_value_network(SPAN("[2001:db8::]/32"), &block, &why));
	assert_false(conf_value_network(SPAN("10.0.0.1/8"), &block, &why));
	assert_non_null(strstr(why, "bits after the prefix"));
	assert_false(conf_value_network(SPAN("10.0.0"), &block, &why));
	assert_non_null(strstr(why, "192.0.2.0/24"));
	(void)state;
}

struct near_case {
	const char *a, *b;
	size_t distance;
};

static void test_edit_distance(void **state)
{
	static const struct near_case cases[] = {
		{ "", "", 0 }, { "abc", "abc", 0 }, { "", "abc", 3 }, { "abc", "", 3 },
		{ "hostnam", "hostname", 1 }, { "hsotname", "hostname", 1 }, { "Hostname", "hostname", 0 },
		{ "greylisting", "greylist", 3 }, { "kitten", "sitting", 3 }, { "ab", "ba", 1 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t distance = near_distance(span_str(cases[i].a), span_str(cases[i].b));
		if (distance != cases[i].distance)
			fail_msg("%s, %s: %zu", cases[i].a, cases[i].b, distance);
	}
	(void)state;
}

static void test_only_a_near_word_is_offered(void **state)
{
	struct conf_near near;
	conf_near_init(&near, SPAN("greylisting"));
	conf_near_offer(&near, "greet");
	assert_null(near.best);
	conf_near_offer(&near, "greylist");
	conf_near_offer(&near, "greylistin");
	assert_string_equal(near.best, "greylistin");
	conf_near_init(&near, SPAN("abcdefghijabcdefghijabcdefghijabcdefghij"));
	conf_near_offer(&near, "abcdefghij");
	assert_null(near.best);
	(void)state;
}

static void test_show_escapes_and_cuts(void **state)
{
	struct conf_show show;
	assert_string_equal(conf_show(&show, SPAN("a\x1b[1m")), "a\\x1b[1m");
	assert_string_equal(conf_show(&show, SPAN("")), "");
	char text[100];
	memset(text, 1, sizeof(text));
	assert_int_equal(strlen(conf_show(&show, span_of(text, sizeof(text)))), 4 * CONF_SHOW_BYTES_MAX + 3);
	memset(text, 'x', sizeof(text));
	memcpy(text + CONF_SHOW_BYTES_MAX - 1, "\xc3\xbc", 2); /* the cut would halve it */
	assert_int_equal(strlen(conf_show(&show, span_of(text, sizeof(text)))), CONF_SHOW_BYTES_MAX - 1 + 3);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_socket_path_over_107_bytes_is_refused),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_connections_hold_no_password),
		cmocka_unit_test(test_servers_of_ldap),
		cmocka_unit_test(test_paths_and_words),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_separator),
		cmocka_unit_test(test_network_with_host_bits_is_refused),
		cmocka_unit_test(test_edit_distance),
		cmocka_unit_test(test_only_a_near_word_is_offered),
		cmocka_unit_test(test_show_escapes_and_cuts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
