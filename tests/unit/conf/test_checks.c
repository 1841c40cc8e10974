/* SPDX-License-Identifier: Apache-2.0 */
/* The checks' settings as policy is told them: what is written comes back, and nothing else is taken for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "conf.h"

#define ARENA_BYTES_MAX (1u << 20)

static const char *const texts[] = {
	"",
	"checks { order = {\"relay\", \"recipient\"} }",
	"harvest {\n unknown = 7\n per = 90s\n only-for = {\"192.0.2.0/24\", \"[2001:db8::]/32\"}\n}\n"
	"helo { full-name = yes must-resolve = yes only-for = {\"127.0.0.3\"} }\n"
	"checks { order = {\"relay\", \"harvest\", \"recipient\", \"helo\", \"greylist\"} }\n"
	"deny { client = {\"192.0.2.0/24\"} helo = {\"*.X.test\", \"y.test\"} sender = {\"A@b.test\"} }\n"
	"rate \"network\" {\n messages = 3\n bytes = 5MiB only-for = {\"127.0.0.3\"} }\nrate \"sender\" { recipients = 9 }\n"
	"dnslists { refuse-at = 3 defer-at = 2 only-for = {\"127.0.0.3\"} }\ndnslist \"a.test\" { }\n"
	"dnslist \"b.test\" { of = {\"sender\", \"helo\"} weight = 5\n allows = yes\n codes = {\"127.0.0.2\", \"127.0.0.4/30\"} }\n"
	"reverse-name { must-exist = yes\n must-match = yes defer = yes only-for = {\"127.0.0.3\"} }\n"
	"policy-service \"a\" { address = \"127.0.0.1:1\" }\n"
	"policy-service \"b\" {\n address = \"unix:/run/b\" stages = {\"sender\", \"end\"} timeout = 3s connections = 7\n"
	"pass-when-down = yes only-for = {\"127.0.0.3\"} }\n"
	"greylist { delay = 5m return-within = 12h entries = 5000 exempt = {\"B\xc3\xbcro@b\xc3\xbc" "cher.example\", \"example.net\"} }",
};

static struct conf *parse(const char *sections)
{
	struct buf text;
	struct conf *conf;
	struct conf_report report;
	buf_init(&text, 65536);
	buf_addf(&text, "hostname = \"mx.example.org\"\nlisten \"smtp\" { address = {\"[::]:25\"} }\n%s", sections);
	if (conf_parse(buf_span(&text), "test", &conf, &report) != 0)
		fail_msg("%s: %s", sections, report.problem_count > 0 ? report.problems[0].text : "no reason");
	buf_fini(&text);
	return conf;
}

static void expect_networks(const struct conf_networks *got, const struct conf_networks *want)
{
	assert_int_equal(got->count, want->count);
	if (want->count > 0)
		assert_memory_equal(got->blocks, want->blocks, want->count * sizeof(want->blocks[0]));
}

static void expect_lists(const struct conf_checks *got, const struct conf_checks *want, size_t count)
{
	assert_true(got->list_count == count && want->list_count == count);
	assert_true(got->dnslists.refuse_at == want->dnslists.refuse_at);
	assert_true(got->dnslists.defer_at == want->dnslists.defer_at);
	assert_int_equal(got->dnslists.defer_line, want->dnslists.defer_line);
	for (size_t i = 0; i < count; i++) {
		const struct conf_dnslist *a = &got->lists[i], *b = &want->lists[i];
		assert_true(span_eq(a->zone, b->zone) && a->line == b->line && a->line > 0);
		assert_true(a->weight == b->weight && a->allows == b->allows);
		expect_networks(&a->codes, &b->codes);
		assert_int_equal(a->of.count, b->of.count);
		assert_memory_equal(a->of.items, b->of.items, a->of.count * sizeof(a->of.items[0]));
	}
	assert_true(count < 2 || (got->lists[0].of.items[0] == CONF_DNSLIST_CLIENT && got->lists[1].of.count == 2
		&& got->lists[1].of.items[0] == CONF_DNSLIST_SENDER));
}

static void expect_services(const struct conf_checks *got, const struct conf_checks *want, size_t count)
{
	assert_true(got->service_count == count && want->service_count == count);
	for (size_t i = 0; i < count; i++) {
		const struct conf_service *a = &got->services[i], *b = &want->services[i];
		assert_true(span_eq(a->name, b->name) && a->line == b->line && a->line > 0);
		assert_true(span_eq(a->address.items[0].text, b->address.items[0].text));
		assert_int_equal(a->stages.count, b->stages.count);
		assert_memory_equal(a->stages.items, b->stages.items, a->stages.count * sizeof(a->stages.items[0]));
		assert_true(a->timeout_ms == b->timeout_ms && a->connections_max == b->connections_max);
		assert_true(a->pass_when_down == b->pass_when_down && a->pass_line == b->pass_line);
		expect_networks(&a->only_for, &b->only_for);
	}
	if (count < 2)
		return;
	const struct conf_service *a = &got->services[0], *b = &got->services[1];
	assert_true(span_eq(a->name, SPAN("a")) && a->stages.count == 1 && a->stages.items[0] == 3 && a->timeout_ms == 10000);
	assert_true(b->stages.count == 2 && b->stages.items[0] == 2 && b->stages.items[1] == 4 && b->timeout_ms == 3000);
	assert_true(b->pass_when_down && !a->pass_when_down && b->connections_max == 7 && b->only_for.count == 1);
	assert_true(span_eq(b->address.items[0].text, SPAN("unix:/run/b")));
}

static void test_what_is_written_comes_back(void **state)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct conf *conf = parse(texts[i]);
		const struct conf_checks *want = &conf->checks;
		struct conf_checks got;
		struct arena arena;
		struct buf bytes;
		buf_init(&bytes, 65536);
		arena_init(&arena, ARENA_BYTES_MAX);
		conf_checks_write(conf, &bytes);
		assert_true(conf_checks_read(buf_span(&bytes), &arena, &got));
		assert_int_equal(got.order.count, want->order.count);
		assert_memory_equal(got.order.items, want->order.items, want->order.count * sizeof(want->order.items[0]));
		for (unsigned c = 0; c < CONF_CHECK_COUNT; c++)
			expect_networks(&got.only_for[c], &want->only_for[c]);
		expect_networks(&got.deny.clients, &want->deny.clients);
		assert_int_equal(got.deny.helos.count, i == 2 ? 2 : 0);
		assert_int_equal(got.deny.senders.count, i == 2 ? 1 : 0);
		if (i == 2)
			assert_true(span_eq(got.deny.helos.items[0], SPAN("*.x.test")) && span_eq(got.deny.senders.items[0], SPAN("A@b.test")));
		assert_int_equal(got.helo.full_name, want->helo.full_name);
		assert_int_equal(got.helo.full_name_line, want->helo.full_name_line);
		assert_int_equal(got.helo.must_resolve, i == 2);
		assert_int_equal(got.helo.must_resolve_line, want->helo.must_resolve_line);
		assert_true(got.reverse_name.must_exist == (i == 2) && got.reverse_name.must_match == (i == 2));
		assert_int_equal(got.reverse_name.defer, i == 2);
		assert_int_equal(got.reverse_name.must_exist_line, want->reverse_name.must_exist_line);
		assert_int_equal(got.reverse_name.must_match_line, i == 2 ? want->reverse_name.must_exist_line + 1 : 0);
		assert_int_equal(got.harvest.unknown_max, want->harvest.unknown_max);
		assert_int_equal(got.harvest.unknown_line, i == 2 ? 4 : 0);
		assert_int_equal(got.harvest.per_ms, want->harvest.per_ms);
		assert_int_equal(got.greylist.delay_ms, i == 2 ? 300000 : 0);
		assert_int_equal(got.greylist.return_ms, want->greylist.return_ms);
		assert_int_equal(got.greylist.keep_ms, want->greylist.keep_ms);
		assert_int_equal(got.greylist.known_after, want->greylist.known_after);
		assert_int_equal(got.greylist.entries_max, want->greylist.entries_max);
		assert_int_equal(got.greylist.exempt.count, i == 2 ? 2 : 0);
		if (i == 2) {
			assert_true(span_eq(got.greylist.exempt.items[0], SPAN("B\xc3\xbcro@xn--bcher-kva.example")));
			assert_true(span_eq(got.greylist.exempt.items[1], SPAN("example.net")));
		}
		for (unsigned of = 0; of < CONF_RATE_OF_COUNT; of++) {
			assert_memory_equal(got.rates[of].most, want->rates[of].most, sizeof(got.rates[of].most));
			assert_memory_equal(got.rates[of].most_line, want->rates[of].most_line, sizeof(got.rates[of].most_line));
			assert_int_equal(got.rates[of].per_ms, 3600000);
			expect_networks(&got.rates[of].only_for, &want->rates[of].only_for);
		}
		assert_int_equal(got.rates[CONF_RATE_NETWORK].most[CONF_RATE_BYTES], i == 2 ? 5u << 20 : 0);
		assert_int_equal(got.rates[CONF_RATE_NETWORK].most_line[CONF_RATE_MESSAGES], i == 2 ? 12 : 0);
		expect_services(&got, want, i == 2 ? 2 : 0);
		expect_lists(&got, want, i == 2 ? 2 : 0);
		arena_reset(&arena);
		buf_fini(&bytes);
		conf_free(conf);
	}
	(void)state;
}

/* Cut at every byte, one byte too many, and each byte changed: refused, or at least in range. */
static void test_anything_else_is_refused_or_in_range(void **state)
{
	struct conf *conf = parse(texts[2]);
	struct buf bytes;
	buf_init(&bytes, 65536);
	conf_checks_write(conf, &bytes);
	buf_add_byte(&bytes, 0);
	for (size_t len = 0; len <= bytes.len; len++) {
		struct conf_checks got;
		struct arena arena;
		arena_init(&arena, ARENA_BYTES_MAX);
		assert_int_equal(conf_checks_read(span_to(buf_span(&bytes), len), &arena, &got), len == bytes.len - 1);
		arena_reset(&arena);
	}
	size_t taken = 0;
	for (size_t at = 0; at + 1 < bytes.len; at++)
		for (unsigned change = 1; change < 256; change++) {
			struct conf_checks got;
			struct arena arena;
			arena_init(&arena, ARENA_BYTES_MAX);
			bytes.ptr[at] ^= (uint8_t)change;
			if (conf_checks_read(span_to(buf_span(&bytes), bytes.len - 1), &arena, &got)) {
				taken++;
				for (size_t i = 0; i < got.order.count; i++)
					assert_true(got.order.items[i] < CONF_CHECK_COUNT);
				assert_in_range(got.harvest.per_ms, 1000, 86400000);
				assert_in_range(got.harvest.unknown_max, 1, 1000000);
			}
			bytes.ptr[at] ^= (uint8_t)change;
			arena_reset(&arena);
		}
	assert_true(taken > 1000); /* lines, addresses, numbers may be others */
	buf_fini(&bytes);
	conf_free(conf);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_comes_back),
		cmocka_unit_test(test_anything_else_is_refused_or_in_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
