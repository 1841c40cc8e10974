/* SPDX-License-Identifier: Apache-2.0 */
/* `waybill send`: its words, the message that it writes, and what it says. */
#include "cli_send.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli_queue.h"
#include "submission.h"
#include "utf8.h"

#define HEADER_BYTES_MAX (8u << 20) /* ten thousand recipients and more */
#define TEXT_BYTES_MAX 65536

static int usage(FILE *out, int code)
{
	fputs("usage: waybill send [--from ADDRESS] [--subject TEXT] [--server HOST[:PORT]] [--wait]\n"
		"                    [-c FILE] [--json] RECIPIENT...\n"
		"Sends a short test message, or the text that a pipe or a file gives on standard input,\n"
		"through the drop folder of the server here, or by SMTP to the server that is named. --wait\n"
		"follows it until it has left the queue or waits there, for a minute at most.\n", out);
	return code;
}

static int read_words(int argc, char **argv, struct send *s)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' }, { "subject", required_argument, NULL, 's' },
		{ "server", required_argument, NULL, 'S' }, { "wait", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	int option;
	optind = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'f')
			s->words.sender = optarg;
		else if (option == 's')
			s->subject = optarg;
		else if (option == 'S')
			s->server = optarg;
		else if (option == 'w')
			s->wait = true;
		else
			return option == 'h' ? -1 : CLI_USAGE;
	}
	s->words.recipients = argv + optind;
	s->words.recipient_count = argc - optind;
	for (int i = 0; i < s->words.recipient_count; i++)
		if (s->words.recipients[i][0] == 0)
			return CLI_USAGE;
	return s->words.recipient_count > 0 ? CLI_DONE : CLI_USAGE;
}

/* One line of text, so that nothing but a subject can be said by it. */
static bool subject_ok(const char *subject)
{
	struct span text = span_str(subject);
	bool ok = text.len <= SEND_SUBJECT_BYTES_MAX && utf8_valid(text);
	for (size_t i = 0; i < text.len; i++)
		ok = ok && text.ptr[i] >= 32 && text.ptr[i] != 127;
	if (!ok)
		fprintf(stderr, "waybill: --subject takes one line of at most %d bytes of UTF-8\n", SEND_SUBJECT_BYTES_MAX);
	return ok;
}

/* A terminal or a service has nothing to say; a pipe or a file has the body. */
static bool has_input(void)
{
	struct stat st;
	return fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode));
}

/* --- the message --- */

static bool is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] > 127)
			return false;
	return true;
}

static void write_header(const struct send *s, const struct drop_envelope *e, struct span body, struct buf *out)
{
	/* The account's own name is added where no other sender is wanted. */
	if (s->words.sender != NULL && e->sender.len > 0) {
		buf_add(out, SPAN("From: "));
		buf_add(out, e->sender);
		buf_add(out, SPAN("\r\n"));
	}
	buf_add(out, SPAN("To: "));
	for (uint32_t i = 0; i < e->recipient_count; i++) {
		buf_add(out, i > 0 ? SPAN(",\r\n ") : SPAN(""));
		buf_add(out, e->recipients[i]);
	}
	buf_add(out, SPAN("\r\nSubject: "));
	submission_text_write(out, span_str(s->subject != NULL ? s->subject : "A test message"));
	buf_add(out, SPAN("\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset="));
	buf_add(out, utf8_valid(body) ? SPAN("utf-8") : SPAN("unknown-8bit"));
	buf_add(out, SPAN("\r\nContent-Transfer-Encoding: "));
	buf_add(out, is_ascii(body) ? SPAN("7bit\r\n\r\n") : SPAN("8bit\r\n\r\n"));
}

static void write_message(const struct send *s, const struct sendmail_message *m, struct buf *out)
{
	write_header(s, &m->envelope, m->content, out);
	if (m->content.len > 0)
		buf_add(out, m->content);
	else
		buf_addf(out, "This is a test message, made by \"waybill send\" at %.*s.\r\nNobody needs to answer it.\r\n",
			SPAN_FMT(s->context.conf->hostname));
}

/* --- handing it over --- */

void send_note(struct send *s, struct span address, bool accepted, struct span reply)
{
	struct buf text;
	buf_init(&text, TEXT_BYTES_MAX);
	buf_add_escaped(&text, reply);
	json_array_append_new(s->recipients, json_pack("{s:s%, s:b, s:s%}", "address", (const char *)address.ptr,
		address.len, "accepted", accepted, "reply", text.len > 0 ? (const char *)text.ptr : "", text.len));
	buf_fini(&text);
}

static int by_server(struct send *s, const struct sendmail_message *m)
{
	struct buf content;
	buf_init(&content, DROP_CONTENT_BYTES_MAX);
	const char *problem = sendmail_complete(&s->context, m, &content);
	int code = content.failed ? EX_OSERR : EX_DATAERR;
	if (problem == NULL && !content.failed)
		code = send_smtp(s, m, buf_span(&content));
	else
		fprintf(stderr, "waybill: the message was not sent: %s\n", problem != NULL ? problem : "memory is short");
	buf_fini(&content);
	return code;
}

static int by_folder(struct send *s, const struct sendmail_message *m)
{
	int code = sendmail_drop(&s->context, m);
	if (code != EX_OK)
		return code;
	id128_write(&m->envelope.id, s->id);
	for (uint32_t i = 0; i < m->envelope.recipient_count; i++)
		send_note(s, m->envelope.recipients[i], true, span_str(""));
	return code;
}

static int hand_over(struct sendmail_context *x, const struct sendmail_message *m)
{
	struct send *s = (struct send *)x;
	struct buf text;
	buf_init(&text, HEADER_BYTES_MAX + m->content.len);
	write_message(s, m, &text);
	struct sendmail_message whole = { m->envelope, buf_span(&text) };
	int code = text.failed ? EX_OSERR : s->server != NULL ? by_server(s, &whole) : by_folder(s, &whole);
	buf_fini(&text);
	return code;
}

/* --- what came of it --- */

static void say_replies(const struct send *s)
{
	struct buf out;
	json_t *r;
	size_t i;
	buf_init(&out, HEADER_BYTES_MAX);
	buf_add_escaped(&out, span_str(s->server));
	buf_add_str(&out, " answered\n");
	json_array_foreach(s->recipients, i, r) {
		buf_add_str(&out, "  ");
		buf_add_escaped(&out, span_str(cli_text(r, "address")));
		buf_addf(&out, ": %s\n", cli_text(r, "reply"));
		if (!json_is_true(json_object_get(r, "accepted")))
			cli_queue_meaning(&out, cli_text(r, "reply"));
	}
	fwrite(out.ptr, 1, out.len, stdout);
	buf_fini(&out);
}

static void say_queued(const struct send *s)
{
	size_t count = json_array_size(s->recipients);
	struct buf out;
	buf_init(&out, TEXT_BYTES_MAX);
	if (count == 1)
		buf_add_escaped(&out, span_str(cli_text(json_array_get(s->recipients, 0), "address")));
	else
		buf_addf(&out, "%zu recipients", count);
	printf("Queued as %s for %s.\n", s->id, buf_cstr(&out));
	buf_fini(&out);
}

static void say_next(const struct send *s)
{
	bool other = strcmp(s->options->conf_path, CLI_CONF_PATH_DEFAULT) != 0;
	const char *option = other ? " -c " : "", *path = other ? s->options->conf_path : "";
	if (s->session[0] != 0)
		printf("Why: waybill trace %s%s%s\n", s->session, option, path);
	if (s->id[0] != 0 && !s->wait)
		printf("Follow it: waybill trace %s%s%s\n", s->id, option, path);
}

/* Follows it and tells its story; the exit code. */
static int follow(const struct send *s, json_t *answer)
{
	static const int codes[] = { [SEND_DELIVERED] = CLI_DONE, [SEND_DEFERRED] = CLI_TRY_LATER, [SEND_FAILED] = CLI_NO,
		[SEND_OPEN] = CLI_TRY_LATER };
	enum send_outcome outcome;
	int code;
	if (s->id[0] == 0) {
		fprintf(stderr, "waybill: the answer names no message of this server, so there is nothing to follow\n");
		return CLI_NO;
	}
	if (!send_wait(s, &outcome, &code))
		return code;
	json_object_set_new(answer, "outcome", json_string(send_outcome_name(outcome)));
	if (s->options->json)
		return codes[outcome];
	if (outcome == SEND_OPEN)
		puts("After a minute it is still on its way:");
	char *words[] = { "trace", (char *)(uintptr_t)s->id, NULL };
	cli_trace(2, words, s->options);
	return codes[outcome];
}

static int report(const struct send *s)
{
	int code = s->refused > 0 ? CLI_NO : s->deferred > 0 ? CLI_TRY_LATER : CLI_DONE;
	json_t *answer = json_pack("{s:b, s:s?, s:s, s:O}", "ok", 1, "id", s->id[0] != 0 ? s->id : NULL,
		"through", s->server != NULL ? s->server : "drop", "recipients", s->recipients);
	if (!s->options->json && s->server != NULL)
		say_replies(s);
	else if (!s->options->json)
		say_queued(s);
	if (!s->options->json)
		say_next(s);
	fflush(stdout);
	/* What was refused outweighs what became of the rest. */
	int followed = s->wait && (s->id[0] != 0 || code == CLI_DONE) ? follow(s, answer) : CLI_DONE;
	code = code == CLI_DONE ? followed : code;
	if (s->options->json) {
		json_object_set_new(answer, "ok", json_boolean(code == CLI_DONE));
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	}
	json_decref(answer);
	return code;
}

static int exit_of(int code)
{
	return code == EX_TEMPFAIL ? CLI_TRY_LATER : code == EX_USAGE || code == EX_NOUSER ? CLI_USAGE : CLI_NO;
}

int cli_send(int argc, char **argv, const struct cli_options *options)
{
	struct send s = { .options = options };
	int code = read_words(argc, argv, &s);
	if (code != CLI_DONE)
		return usage(code < 0 ? stdout : stderr, code < 0 ? CLI_DONE : code);
	if (s.subject != NULL && !subject_ok(s.subject))
		return CLI_USAGE;
	s.words.conf_path = options->conf_path;
	s.words.dot_is_text = true;
	s.words.no_input = !has_input();
	code = sendmail_context_open(&s.context, &s.words, "waybill");
	if (code != EX_OK)
		return exit_of(code);
	s.context.hand_over = hand_over;
	s.recipients = json_array();
	code = sendmail_send(&s.context);
	code = code == EX_OK ? report(&s) : exit_of(code);
	json_decref(s.recipients);
	sendmail_context_close(&s.context);
	return code;
}
