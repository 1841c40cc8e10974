/* SPDX-License-Identifier: Apache-2.0 */
/* Questions: every attribute, what is known at which stage, and values that would be more than one line. */
#include "delegate_test.h"

#define NOT_KNOWN "sasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\n" \
	"ccert_pubkey_fingerprint=\nencryption_protocol=\nencryption_cipher=\netrn_domain=\nstress=\n" \
	"policy_context=\nencryption_keysize=0\n\n"

static struct delegate_request sample(enum smtp_stage stage)
{
	struct delegate_request r = { .stage = stage, .extended = true, .client_port = 40001,
		.server_port = 25, .helo = SPAN("client.test"), .sender = SPAN("a@b.test"), .recipient = SPAN("c@example.org"),
		.recipient_count = 2, .size = 1234, .instance = SPAN("01abc") };
	assert_true(netaddr_parse(SPAN("192.0.2.7"), &r.client));
	assert_true(netaddr_parse(SPAN("2001:db8::1"), &r.server));
	return r;
}

static void expect(const struct delegate_request *r, const char *text)
{
	struct buf out;
	buf_init(&out, DELEGATE_REQUEST_BYTES_MAX);
	delegate_request_write(&out, r);
	assert_string_equal(buf_cstr(&out), text);
	buf_fini(&out);
}

static void test_each_stage_says_what_is_known_then(void **state)
{
	static const struct { enum smtp_stage stage; const char *name, *known; } cases[] = {
		{ SMTP_AT_CONNECT, "CONNECT", "helo_name=\nsender=\nrecipient=\nrecipient_count=0\nqueue_id=\ninstance=01abc\nsize=0\n" },
		{ SMTP_AT_HELO, "EHLO",
			"helo_name=client.test\nsender=\nrecipient=\nrecipient_count=0\nqueue_id=\ninstance=01abc\nsize=0\n" },
		{ SMTP_AT_MAIL, "MAIL",
			"helo_name=client.test\nsender=a@b.test\nrecipient=\nrecipient_count=0\nqueue_id=\ninstance=01abc\nsize=1234\n" },
		{ SMTP_AT_RCPT, "RCPT", "helo_name=client.test\nsender=a@b.test\nrecipient=c@example.org\nrecipient_count=0\n"
			"queue_id=01abc\ninstance=01abc\nsize=1234\n" },
		{ SMTP_AT_END, "END-OF-MESSAGE", "helo_name=client.test\nsender=a@b.test\nrecipient=c@example.org\n"
			"recipient_count=2\nqueue_id=01abc\ninstance=01abc\nsize=1234\n" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct delegate_request r = sample(cases[i].stage);
		struct buf text;
		buf_init(&text, 8192);
		buf_addf(&text, "request=smtpd_access_policy\nprotocol_state=%s\nprotocol_name=%s\nclient_address=192.0.2.7\n"
			"client_name=unknown\nclient_port=40001\nreverse_client_name=unknown\nserver_address=2001:db8::1\n"
			"server_port=25\n%s" NOT_KNOWN, cases[i].name, cases[i].stage == SMTP_AT_CONNECT ? "SMTP" : "ESMTP",
			cases[i].known);
		expect(&r, buf_cstr(&text));
		buf_fini(&text);
	}
	(void)state;
}

static void test_what_is_not_known(void **state)
{
	struct delegate_request r = { .stage = SMTP_AT_HELO };
	expect(&r, "request=smtpd_access_policy\nprotocol_state=HELO\nprotocol_name=SMTP\nclient_address=unknown\n"
		"client_name=unknown\nclient_port=\nreverse_client_name=unknown\nserver_address=unknown\nserver_port=\n"
		"helo_name=\nsender=\nrecipient=\nrecipient_count=0\nqueue_id=\ninstance=\nsize=0\n" NOT_KNOWN);
	(void)state;
}

static void test_names_of_the_client(void **state)
{
	static const struct { struct span name, reverse; const char *lines; } cases[] = {
		{ SPAN("mx.b.test"), SPAN("mx.b.test"), "client_name=mx.b.test\nclient_port=40001\nreverse_client_name=mx.b.test\n" },
		{ SPAN(""), SPAN("mx.b.test"), "client_name=unknown\nclient_port=40001\nreverse_client_name=mx.b.test\n" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct delegate_request r = sample(SMTP_AT_CONNECT);
		struct buf out;
		r.client_name = cases[i].name;
		r.reverse_client_name = cases[i].reverse;
		buf_init(&out, DELEGATE_REQUEST_BYTES_MAX);
		delegate_request_write(&out, &r);
		assert_non_null(strstr(buf_cstr(&out), cases[i].lines));
		buf_fini(&out);
	}
	(void)state;
}

/* No value adds a line or ends the question. */
static void test_values_stay_on_their_line(void **state)
{
	struct delegate_request r = sample(SMTP_AT_RCPT);
	struct buf plain, evil;
	buf_init(&plain, DELEGATE_REQUEST_BYTES_MAX);
	buf_init(&evil, DELEGATE_REQUEST_BYTES_MAX);
	delegate_request_write(&plain, &r);
	r.helo = SPAN("a\naction=x\r\n\nb");
	r.sender = SPAN("\"\0\x01\x7f\xc3\xa4\"@b.test");
	r.recipient = SPAN("\n\n");
	delegate_request_write(&evil, &r);
	size_t lines[2] = { 0 };
	for (size_t i = 0; i < plain.len; i++)
		lines[0] += plain.ptr[i] == '\n';
	for (size_t i = 0; i < evil.len; i++) {
		lines[1] += evil.ptr[i] == '\n';
		assert_true(evil.ptr[i] == '\n' || (evil.ptr[i] >= 0x20 && evil.ptr[i] != 0x7f));
	}
	assert_int_equal(lines[0], lines[1]);
	const char *text = buf_cstr(&evil);
	assert_non_null(strstr(text, "\nhelo_name=a?action=x???b\nsender=\"???\xc3\xa4\"@b.test\nrecipient=??\n"));
	buf_fini(&plain);
	buf_fini(&evil);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_stage_says_what_is_known_then),
		cmocka_unit_test(test_what_is_not_known),
		cmocka_unit_test(test_names_of_the_client),
		cmocka_unit_test(test_values_stay_on_their_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
