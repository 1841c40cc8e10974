/* SPDX-License-Identifier: Apache-2.0 */
/* Words, environment and exit codes of a command; see the header. */
#include "mailbox_command.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define USER SPAN("{user}")
#define DOMAIN SPAN("{domain}")
#define BYTES_MAX ((size_t)64 << 10)
#define PATH_OF_COMMANDS "PATH=/usr/local/bin:/usr/bin:/bin"

static bool starts(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq(span_to(s, prefix.len), prefix);
}

/* The next word, and what is left. */
static struct span word_next(struct span *rest)
{
	while (rest->len > 0 && rest->ptr[0] == ' ')
		*rest = span_from(*rest, 1);
	size_t len = span_find(*rest, ' ');
	struct span word = span_to(*rest, len);
	*rest = span_from(*rest, len);
	return word;
}

const char *mailbox_command_check(struct span words)
{
	struct span rest = words;
	size_t count = 0;
	if (words.len > MAILBOX_COMMAND_BYTES_MAX)
		return "is too long";
	for (size_t i = 0; i < words.len; i++) {
		struct span at = span_from(words, i);
		if (words.ptr[i] == '{' && !starts(at, USER) && !starts(at, DOMAIN))
			return "holds an unknown placeholder; {user} and {domain} are known";
	}
	for (struct span word = word_next(&rest); word.len > 0; word = word_next(&rest), count++)
		if (count == 0 && (word.ptr[0] != '/' || span_find(word, '{') < word.len))
			return "needs the absolute path of a program, without placeholders";
	if (count == 0)
		return "needs the absolute path of a program";
	return count <= MAILBOX_COMMAND_WORDS_MAX ? NULL : "has too many words";
}

void mailbox_command_init(struct mailbox_command *c)
{
	*c = (struct mailbox_command){ .argv = { NULL } };
	buf_init(&c->bytes, BYTES_MAX);
}

void mailbox_command_fini(struct mailbox_command *c)
{
	buf_fini(&c->bytes);
}

static void add_clean(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		buf_add_byte(out, value.ptr[i] < 0x20 || value.ptr[i] == 0x7f ? '?' : value.ptr[i]);
}

/* One word with its placeholders replaced and a NUL behind it. False: it would be taken for an option. */
static bool add_word(struct buf *out, struct span word, const struct mailbox_command_for *about)
{
	size_t begin = out->len;
	bool named = word.ptr[0] == '{';
	while (word.len > 0) {
		size_t len = span_find(word, '{');
		buf_add(out, span_to(word, len));
		word = span_from(word, len);
		bool user = starts(word, USER);
		if (word.len > 0)
			add_clean(out, user ? about->user : about->domain);
		word = span_from(word, user ? USER.len : DOMAIN.len);
	}
	bool option = named && out->len > begin && out->ptr[begin] == '-';
	buf_add_byte(out, 0);
	return !option;
}

static void add_variable(struct buf *out, const char *name, struct span value)
{
	buf_add_str(out, name);
	buf_add_byte(out, '=');
	add_clean(out, value);
	buf_add_byte(out, 0);
}

/* "news" of alice+news@example.org, whose mailbox is alice's. */
static struct span extension_of(const struct mailbox_command_for *about)
{
	struct span local = about->recipient;
	size_t at = local.len;
	while (at > 0 && local.ptr[at - 1] != '@')
		at--;
	local = span_to(local, at > 0 ? at - 1 : local.len);
	bool below = local.len > about->user.len + 1 && span_eq_nocase(span_to(local, about->user.len), about->user);
	return below ? span_from(local, about->user.len + 1) : span_of(NULL, 0);
}

static size_t add_environment(struct buf *out, const struct mailbox_command_for *about)
{
	char id[ID128_TEXT_LEN];
	id128_write(&about->id, id);
	buf_add(out, span_of((const uint8_t *)PATH_OF_COMMANDS, sizeof(PATH_OF_COMMANDS)));
	add_variable(out, "SENDER", about->sender);
	add_variable(out, "RECIPIENT", about->recipient);
	add_variable(out, "LOCAL", about->user);
	add_variable(out, "EXTENSION", extension_of(about));
	add_variable(out, "DOMAIN", about->domain);
	add_variable(out, "MESSAGE_ID", span_of((const uint8_t *)id, ID128_TEXT_LEN));
	return 7;
}

/* Pointers to `count` texts that stand one after another; gives where they end. */
static char *point_at(char *at, size_t count, char **pointers)
{
	for (size_t i = 0; i < count; i++) {
		pointers[i] = at;
		at += strlen(at) + 1;
	}
	pointers[count] = NULL;
	return at;
}

bool mailbox_command_fill(struct mailbox_command *c, struct span words, const struct mailbox_command_for *about)
{
	size_t count = 0;
	bool good = mailbox_command_check(words) == NULL;
	for (struct span word = word_next(&words); good && word.len > 0; word = word_next(&words), count++)
		good = add_word(&c->bytes, word, about);
	size_t variables = add_environment(&c->bytes, about);
	if (!good || c->bytes.failed)
		return false;
	char *environment = point_at((char *)c->bytes.ptr, count, c->argv);
	point_at(environment, variables, c->envp);
	return true;
}

/* What an exit code of sysexits.h means for the message; NULL: it is the program's trouble, and may pass. */
static const char *key_of_code(int code)
{
	switch (code) {
	case EX_OK:
		return "delivered";
	case EX_NOUSER:
		return "mailbox-unknown";
	case EX_DATAERR:     /* it cannot be read */
	case EX_UNAVAILABLE: /* the service is not for this message */
	case EX_NOPERM:      /* it is not wanted */
		return "command-refused";
	case EX_USAGE: /* the postmaster has to mend these three, and the mail can wait */
	case EX_OSFILE:
	case EX_CONFIG:
		return "mailbox-misconfigured";
	default: /* EX_TEMPFAIL, EX_IOERR, EX_OSERR, EX_CANTCREAT (procmail's, when a mailbox is full), EX_SOFTWARE ... */
		return "command-failed";
	}
}

static void describe(const struct command_end *end, char *out, size_t size)
{
	switch (end->fate) {
	case COMMAND_EXITED:
		snprintf(out, size, "exited with %d", end->number);
		return;
	case COMMAND_SIGNALLED:
		snprintf(out, size, "was ended by signal %d", end->number);
		return;
	case COMMAND_NOT_STARTED:
		snprintf(out, size, "cannot be started: %s", strerrordesc_np(end->number));
		return;
	case COMMAND_TIMED_OUT:
		snprintf(out, size, "took too long, and was ended");
		return;
	case COMMAND_TALKED_TOO_MUCH:
		snprintf(out, size, "wrote too much, and was ended");
		return;
	case COMMAND_LOST:
	case COMMAND_FATE_COUNT:
		break;
	}
	snprintf(out, size, "was lost: what became of it is not known");
}

struct mailbox_command_verdict mailbox_command_judge(const struct command_end *end)
{
	char how[80];
	struct mailbox_command_verdict v = { .key = "command-failed" };
	describe(end, how, sizeof(how));
	if (end->fate == COMMAND_EXITED)
		v.key = key_of_code(end->number);
	else if (end->fate == COMMAND_NOT_STARTED)
		v.key = "mailbox-misconfigured";
	/* Strangers read it in bounces: no path, and for a refusal no numbers. */
	if (strcmp(v.key, "command-refused") == 0)
		snprintf(how, sizeof(how), "refused the message");
	else if (strcmp(v.key, "mailbox-unknown") == 0)
		snprintf(how, sizeof(how), "knows no such user");
	snprintf(v.reason, sizeof(v.reason), "The program that takes this mail %s%s%.200s", how,
		end->line[0] != '\0' ? ": " : "", end->line);
	return v;
}
