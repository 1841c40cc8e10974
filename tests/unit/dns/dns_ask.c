/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a name server by src/dns and prints the answers, for tests that have one: dns_ask SERVER ANCHOR|- TYPE NAME ...
 * All questions are open at once. Answers come in the order of the questions: a line with type, name, status and
 * whether it is secure, then one for each record, a tab before it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "dns.h"

#define QUESTIONS_MAX 200
#define ANSWER_BYTES_MAX (1 << 20)

static const struct {
	const char *name;
	enum dns_type type;
} types[] = {
	{ "A", DNS_TYPE_A }, { "AAAA", DNS_TYPE_AAAA }, { "MX", DNS_TYPE_MX }, { "PTR", DNS_TYPE_PTR },
	{ "TXT", DNS_TYPE_TXT }, { "CNAME", DNS_TYPE_CNAME },
};

struct question {
	struct loop *loop;
	const char *type, *name;
	struct buf printed;
	bool answered;
};

static struct question questions[QUESTIONS_MAX];
static int open_count;

static void record_print(struct buf *out, const struct dns_record *r, const char *type)
{
	buf_add_byte(out, '\t');
	if (type[0] == 'A')
		netaddr_write(out, &r->addr);
	if (type[0] == 'M')
		buf_addf(out, "%u ", r->preference);
	buf_add_escaped(out, r->text);
	buf_add_byte(out, '\n');
}

static void on_records(void *arg, const struct dns_records_answer *answer)
{
	struct question *q = arg;
	if (q->answered)
		abort();
	q->answered = true;
	buf_addf(&q->printed, "%s %s %s %s\n", q->type, q->name, dns_status_name(answer->status),
		answer->secure ? "secure" : "insecure");
	for (size_t i = 0; i < answer->count; i++)
		record_print(&q->printed, &answer->records[i], q->type);
	if (--open_count == 0)
		loop_stop(q->loop);
}

static enum dns_type type_of(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].type;
	fprintf(stderr, "dns_ask: no type %s\n", name);
	exit(2);
}

/* Counts one more than it asks, so that an answer inside a call does not stop the loop before it runs. */
static void ask_all(struct dns *dns, struct loop *loop, char **words, int count)
{
	open_count = count + 1;
	for (int i = 0; i < count; i++) {
		struct question *q = &questions[i];
		*q = (struct question){ .loop = loop, .type = words[2 * i], .name = words[2 * i + 1] };
		buf_init(&q->printed, ANSWER_BYTES_MAX);
		dns_ask_records(dns, type_of(q->type), span_str(q->name), on_records, q);
	}
	if (--open_count > 0)
		loop_run(loop);
}

int main(int argc, char **argv)
{
	int count = (argc - 3) / 2;
	if (argc < 5 || argc % 2 == 0 || count > QUESTIONS_MAX) {
		fprintf(stderr, "usage: dns_ask SERVER ANCHOR|- TYPE NAME ...\n");
		return 2;
	}
	const char *servers[] = { argv[1] };
	struct dns_options options = { .servers = servers, .server_count = 1 };
	if (strcmp(argv[2], "-") != 0)
		options.trust_anchor = argv[2];
	struct loop *loop = loop_new();
	struct dns *dns = loop != NULL ? dns_open(loop, &options) : NULL;
	if (dns == NULL)
		return 1;
	ask_all(dns, loop, argv + 3, count);
	for (int i = 0; i < count; i++) {
		fwrite(questions[i].printed.ptr, 1, questions[i].printed.len, stdout);
		buf_fini(&questions[i].printed);
	}
	dns_close(dns);
	loop_free(loop);
	return 0;
}
