/* SPDX-License-Identifier: Apache-2.0 */
/* Rewritten senders: vectors, the way back, what age and rotation do, and that nothing forged passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "address.h"
#include "srs.h"

#define SECRET_A "a secret of enough bytes"
#define SECRET_B "another secret, not used yet"
#define TODAY 20000

static struct srs_rules rules_of(const char *first, const char *second)
{
	struct srs_rules rules = { .domain = SPAN("ours.example"), .valid_days = 21 };
	srs_key_make(span_str(first), &rules.keys[rules.key_count++]);
	if (second != NULL)
		srs_key_make(span_str(second), &rules.keys[rules.key_count++]);
	return rules;
}

/* The hashes were computed by another implementation of SipHash. */
static const struct {
	const char *secret, *local, *domain;
	uint64_t day;
	const char *written, *back_local, *back_domain;
} vectors[] = {
	{ SECRET_A, "bob", "far.example", TODAY, "SRS0=C47ZZV=RA=far.example=bob", "bob", "far.example" },
	{ SECRET_B, "bob", "far.example", TODAY, "SRS0=4L2AZO=RA=far.example=bob", "bob", "far.example" },
	{ SECRET_A, "Bob+Tag", "far.example", 20423, "SRS0=54NTME=6H=far.example=Bob+Tag", "Bob+Tag", "far.example" },
	{ SECRET_A, "a b", "far.example", 0, "SRS0=QE3UJ5=AA=far.example=a b", "a b", "far.example" },
	{ SECRET_A, "SRS1=junk", "far.example", 1023, "SRS0=4B64TV=77=far.example=SRS1=junk", "SRS1=junk", "far.example" },
	{ SECRET_A, "SRS0=", "far.example", TODAY, "SRS0=LNB7DB=RA=far.example=SRS0=", "SRS0=", "far.example" },
	{ SECRET_A, "p\xc3\xa9", "xn--bcher-kva.example", 1024, "SRS0=GQMR27=AA=xn--bcher-kva.example=p\xc3\xa9", "p\xc3\xa9",
		"xn--bcher-kva.example" },
	{ SECRET_A, "SRS0=HHH=TT=far.example=bob", "first.example", TODAY,
		"SRS1=DF4ZNA=first.example==HHH=TT=far.example=bob", "SRS0=HHH=TT=far.example=bob", "first.example" },
	{ SECRET_A, "srs0+HHH+TT=far.example=bob", "first.example", 5,
		"SRS1=OW7DGI=first.example=+HHH+TT=far.example=bob", "SRS0+HHH+TT=far.example=bob", "first.example" },
	{ SECRET_A, "SRS1=XX=first.example==HHH=TT=far.example=bob", "second.example", TODAY,
		"SRS1=DF4ZNA=first.example==HHH=TT=far.example=bob", "SRS0=HHH=TT=far.example=bob", "first.example" },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct srs_rules rules = rules_of(vectors[i].secret, NULL);
		struct srs_origin origin;
		struct buf out, back;
		buf_init(&out, 1000);
		buf_init(&back, 1000);
		assert_true(srs_write(&rules, span_str(vectors[i].local), span_str(vectors[i].domain), vectors[i].day, &out));
		if (!span_eq(buf_span(&out), span_str(vectors[i].written)))
			fail_msg("%s: %.*s", vectors[i].local, SPAN_FMT(buf_span(&out)));
		assert_true(srs_is_address(buf_span(&out)));
		assert_int_equal(srs_read(&rules, buf_span(&out), vectors[i].day, &origin), SRS_GOOD);
		srs_origin_write(&origin, &back);
		assert_string_equal(buf_cstr(&back), vectors[i].back_local);
		assert_true(span_eq(origin.domain, span_str(vectors[i].back_domain)));
		buf_fini(&out);
		buf_fini(&back);
	}
}

/* Cut, longer, or with another byte anywhere: forged. Letter case is no change. */
static void check_no_other(const struct srs_rules *rules, struct span good)
{
	uint8_t text[300];
	struct srs_origin origin;
	for (size_t i = 0; i < good.len; i++)
		for (unsigned c = 0; c < 256; c++) {
			memcpy(text, good.ptr, good.len);
			text[i] = (uint8_t)c;
			bool same = byte_lower((uint8_t)c) == byte_lower(good.ptr[i]);
			/* The mark behind the tag is not signed. */
			same |= i == 4 && (c == '=' || c == '+' || c == '-');
			bool passes = srs_read(rules, span_of(text, good.len), TODAY, &origin) != SRS_FORGED;
			if (passes != same)
				fail_msg("%.*s: byte %zu as %02x", SPAN_FMT(good), i, c);
		}
	for (size_t cut = 0; cut < good.len; cut++)
		assert_int_equal(srs_read(rules, span_to(good, cut), TODAY, &origin), SRS_FORGED);
	memcpy(text, good.ptr, good.len);
	text[good.len] = 'x';
	assert_int_equal(srs_read(rules, span_of(text, good.len + 1), TODAY, &origin), SRS_FORGED);
}

static void test_what_was_changed_is_forged(void **state)
{
	struct srs_rules rules = rules_of(SECRET_A, NULL);
	(void)state;
	check_no_other(&rules, SPAN("SRS0=C47ZZV=RA=far.example=bob"));
	check_no_other(&rules, SPAN("SRS1=DF4ZNA=first.example==HHH=TT=far.example=bob"));
}

static void test_malformed(void **state)
{
	static const char *const texts[] = {
		"", "SRS0", "SRS0=", "SRS1=", "SRS0==", "SRS0=C47ZZV", "SRS0=C47ZZV=RA=far.example=", "SRS0=C47ZZV==far.example=bob",
		"SRS0=C47ZZV=RA==bob", "SRS0=C47ZZV=RAA=far.example=bob", "SRS0=C47ZZ1=RA=far.example=bob",
		"SRS1=DF4ZNA=first.example=HHH=TT", "SRS1=DF4ZNA==", "SRS1=DF4ZNA=first.example==", "SRS2=C47ZZV=RA=far.example=bob",
		"SRS0C47ZZV=RA=far.example=bob", "bob",
	};
	struct srs_rules rules = rules_of(SECRET_A, NULL);
	struct srs_origin origin;
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (srs_read(&rules, span_str(texts[i]), TODAY, &origin) != SRS_FORGED)
			fail_msg("%s is good", texts[i]);
}

/* Good for so many days, then known as old; an SRS1 leads to an address that has a day itself. */
static void test_age(void **state)
{
	struct srs_rules rules = rules_of(SECRET_A, NULL);
	struct srs_origin origin;
	(void)state;
	for (uint64_t age = 0; age < 1023; age++) {
		enum srs_verdict got = srs_read(&rules, SPAN("SRS0=C47ZZV=RA=far.example=bob"), TODAY + age, &origin);
		if (got != (age <= rules.valid_days ? SRS_GOOD : SRS_EXPIRED))
			fail_msg("after %u days: %d", (unsigned)age, got);
		assert_true(span_eq(origin.local, SPAN("bob")));
		got = srs_read(&rules, SPAN("SRS1=DF4ZNA=first.example==HHH=TT=far.example=bob"), TODAY + age, &origin);
		assert_int_equal(got, SRS_GOOD);
	}
	/* Of a host whose clock is ahead of ours. */
	assert_int_equal(srs_read(&rules, SPAN("SRS0=C47ZZV=RA=far.example=bob"), TODAY - 1, &origin), SRS_GOOD);
	assert_int_equal(srs_read(&rules, SPAN("SRS0=C47ZZV=RA=far.example=bob"), TODAY - 2, &origin), SRS_EXPIRED);
}

/* A new secret signs, the old one is believed until it is taken away. */
static void test_rotation(void **state)
{
	struct srs_rules old = rules_of(SECRET_A, NULL), both = rules_of(SECRET_B, SECRET_A), new = rules_of(SECRET_B, NULL);
	struct srs_rules none = { .domain = SPAN("ours.example"), .valid_days = 21 };
	struct srs_origin origin;
	struct buf out;
	(void)state;
	buf_init(&out, 1000);
	assert_true(srs_write(&both, SPAN("bob"), SPAN("far.example"), TODAY, &out));
	assert_string_equal(buf_cstr(&out), "SRS0=4L2AZO=RA=far.example=bob");
	assert_int_equal(srs_read(&old, buf_span(&out), TODAY, &origin), SRS_FORGED);
	assert_int_equal(srs_read(&both, buf_span(&out), TODAY, &origin), SRS_GOOD);
	assert_int_equal(srs_read(&new, buf_span(&out), TODAY, &origin), SRS_GOOD);
	assert_int_equal(srs_read(&both, SPAN("SRS0=C47ZZV=RA=far.example=bob"), TODAY, &origin), SRS_GOOD);
	assert_int_equal(srs_read(&new, SPAN("SRS0=C47ZZV=RA=far.example=bob"), TODAY, &origin), SRS_FORGED);
	assert_int_equal(srs_read(&none, SPAN("SRS0=C47ZZV=RA=far.example=bob"), TODAY, &origin), SRS_FORGED);
	assert_false(srs_write(&none, SPAN("bob"), SPAN("far.example"), TODAY, &out));
	buf_fini(&out);
}

static void test_files_of_secrets(void **state)
{
	static const struct { const char *text; size_t keys; uint32_t short_line; bool all; } cases[] = {
		{ "", 0, 0, true }, { "\n\n", 0, 0, true }, { SECRET_A, 1, 0, true }, { SECRET_A "\r\n" SECRET_B "\n", 2, 0, true },
		{ "short\n" SECRET_A "\nshort\n", 1, 1, true }, { "\n  fifteen bytes..  \n", 0, 2, true },
		{ SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_B "\n",
			8, 0, true },
		{ SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_A "\n" SECRET_B "\n"
			SECRET_B "\n", 8, 0, false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct srs_rules rules, expected = rules_of(SECRET_A, NULL);
		uint32_t short_line;
		bool all = srs_keys_read(span_str(cases[i].text), &rules, &short_line);
		if (rules.key_count != cases[i].keys || short_line != cases[i].short_line || all != cases[i].all)
			fail_msg("case %zu: %zu keys, line %u", i, rules.key_count, short_line);
		if (rules.key_count > 0)
			assert_memory_equal(&rules.keys[0], &expected.keys[0], sizeof(rules.keys[0]));
	}
}

/* Every sender that fits comes back as it was, over any number of forwarders in a row; the others are left alone. */
static void test_there_and_back(void **state)
{
	struct srs_rules rules = rules_of(SECRET_A, NULL);
	char local[ADDRESS_LOCAL_BYTES_MAX + 1];
	(void)state;
	for (size_t len = 1; len <= ADDRESS_LOCAL_BYTES_MAX; len++) {
		struct srs_origin origin;
		struct buf out, back;
		memset(local, 'x', len);
		buf_init(&out, 1000);
		buf_init(&back, 1000);
		bool good = srs_write(&rules, span_of(local, len), SPAN("far.example"), TODAY, &out);
		assert_int_equal(good, len + sizeof("SRS0=HHHHHH=DD=far.example=") - 1 <= ADDRESS_LOCAL_BYTES_MAX);
		assert_int_equal(out.len > 0, good);
		if (good) {
			assert_int_equal(srs_read(&rules, buf_span(&out), TODAY, &origin), SRS_GOOD);
			srs_origin_write(&origin, &back);
			assert_true(span_eq(buf_span(&back), span_of(local, len)));
		}
		buf_fini(&out);
		buf_fini(&back);
	}
}

static void test_chain_of_forwarders(void **state)
{
	struct srs_rules first = rules_of(SECRET_A, NULL), third = rules_of("the secret of a third server", NULL);
	struct srs_origin origin;
	struct buf one, two, three, back;
	(void)state;
	buf_init(&one, 1000);
	buf_init(&two, 1000);
	buf_init(&three, 1000);
	buf_init(&back, 1000);
	struct srs_rules second = rules_of(SECRET_B, NULL);
	assert_true(srs_write(&first, SPAN("bob"), SPAN("far.example"), TODAY, &one));
	assert_true(srs_write(&second, buf_span(&one), SPAN("one.example"), TODAY, &two));
	assert_true(srs_write(&third, buf_span(&two), SPAN("two.example"), TODAY, &three));
	/* The bounce skips the second one. */
	assert_int_equal(srs_read(&third, buf_span(&three), TODAY, &origin), SRS_GOOD);
	assert_true(span_eq(origin.domain, SPAN("one.example")));
	srs_origin_write(&origin, &back);
	assert_true(span_eq(buf_span(&back), buf_span(&one)));
	assert_int_equal(srs_read(&first, buf_span(&back), TODAY, &origin), SRS_GOOD);
	assert_true(span_eq(origin.local, SPAN("bob")) && span_eq(origin.domain, SPAN("far.example")));
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&three);
	buf_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_what_was_changed_is_forged),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_files_of_secrets),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_chain_of_forwarders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
