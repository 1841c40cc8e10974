/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of sendmail as programs have used it for decades. What has no
 * meaning here is taken and ignored; what would promise something that does not
 * happen is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli.h"
#include "sendmail.h"

#define OPTIONS "+:A:B:b:C:d::e:F:f:Gh:IiL:mN:nO:o:p:q::R:r:sTtUV:vX:x"

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	return strncmp(name, "waybill-", 8) == 0 ? name + 8 : name;
}

static int mode_take(const char *letter, struct sendmail_options *o)
{
	static const struct {
		char letter;
		enum sendmail_mode mode;
	} modes[] = { { 'm', SENDMAIL_SEND }, { 's', SENDMAIL_SMTP }, { 'p', SENDMAIL_QUEUE_LIST },
		{ 'i', SENDMAIL_ALIASES } };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]) && letter[1] == 0; i++)
		if (modes[i].letter == letter[0]) {
			o->mode = modes[i].mode;
			return 0;
		}
	if (letter[0] == 'd' || letter[0] == 'D')
		fprintf(stderr, "sendmail: -b%s: the server is waybilld; start that\n", letter);
	else if (letter[0] == 'v')
		fprintf(stderr, "sendmail: -bv is not there; ask with: waybill check rcpt ADDRESS\n");
	else
		fprintf(stderr, "sendmail: there is no mode -b%s\n", letter);
	return EX_USAGE;
}

/* -oi and its relatives: -oem, -odb, -o7 and the like change nothing here. */
static void old_option_take(const char *text, struct sendmail_options *o)
{
	if (strcmp(text, "i") == 0 || strcasecmp(text, "IgnoreDots") == 0 || strcasecmp(text, "IgnoreDots=true") == 0)
		o->dot_is_text = true;
}

/* What RFC 3461 knows, in the words of its parameters; sendmail had them first. */
static int notify_take(const char *words, struct sendmail_options *o)
{
	if (dsn_notify_parse(span_str(words), &o->notify) == DSN_PARAM_OK)
		return 0;
	fprintf(stderr, "sendmail: -N takes never, or some of success,failure,delay\n");
	return EX_USAGE;
}

static int ret_take(const char *word, struct sendmail_options *o)
{
	if (dsn_ret_parse(span_str(word), &o->ret) == DSN_PARAM_OK)
		return 0;
	fprintf(stderr, "sendmail: -R takes full or hdrs\n");
	return EX_USAGE;
}

static int envid_take(const char *text, struct sendmail_options *o)
{
	struct buf encoded;
	buf_init(&encoded, DSN_ENVID_BYTES_MAX);
	dsn_xtext_write(&encoded, span_str(text));
	bool good = !encoded.failed && dsn_envid_check(buf_span(&encoded)) == DSN_PARAM_OK;
	buf_fini(&encoded);
	o->envid = text;
	if (good)
		return 0;
	fprintf(stderr, "sendmail: -V takes printable ASCII, at most %d characters, where blanks, + and = count three\n",
		DSN_ENVID_BYTES_MAX);
	return EX_USAGE;
}

static int option_take(int letter, struct sendmail_options *o)
{
	switch (letter) {
	case 'b':
		return mode_take(optarg, o);
	case 'C':
		o->conf_path = optarg;
		o->conf_given = true;
		return 0;
	case 'F':
		o->full_name = optarg;
		return 0;
	case 'f':
	case 'r':
		o->sender = optarg;
		return 0;
	case 'I':
		o->mode = SENDMAIL_ALIASES;
		return 0;
	case 'i':
		o->dot_is_text = true;
		return 0;
	case 'O':
	case 'o':
		old_option_take(optarg, o);
		return 0;
	case 'N':
		return notify_take(optarg, o);
	case 'R':
		return ret_take(optarg, o);
	case 'V':
		return envid_take(optarg, o);
	case 'q':
		o->mode = o->mode == SENDMAIL_SEND ? SENDMAIL_NOTHING : o->mode;
		return 0;
	case 't':
		o->from_header = true;
		return 0;
	case '?':
		fprintf(stderr, "sendmail: there is no option -%c; see waybill-sendmail(8)\n", optopt);
		return EX_USAGE;
	case ':':
		fprintf(stderr, "sendmail: -%c needs a value; see waybill-sendmail(8)\n", optopt);
		return EX_USAGE;
	default:
		return 0;
	}
}

int sendmail_options_read(int argc, char **argv, struct sendmail_options *options_out)
{
	struct sendmail_options *o = options_out;
	const char *name = name_of(argc > 0 ? argv[0] : "sendmail");
	const char *conf_path = secure_getenv("WAYBILL_CONF");
	int letter, code = 0;
	*o = (struct sendmail_options){ .conf_path = conf_path != NULL ? conf_path : CLI_CONF_PATH_DEFAULT };
	if (strcmp(name, "mailq") == 0)
		o->mode = SENDMAIL_QUEUE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		o->mode = SENDMAIL_ALIASES;
	opterr = 0;
	while (code == 0 && (letter = getopt(argc, argv, OPTIONS)) != -1)
		code = option_take(letter, o);
	if (code != 0)
		return code;
	o->recipients = argv + optind;
	o->recipient_count = argc - optind;
	/* "-q" with recipients or -t only asks not to wait, which is so anyway. */
	if (o->mode == SENDMAIL_NOTHING && (o->recipient_count > 0 || o->from_header))
		o->mode = SENDMAIL_SEND;
	return 0;
}
