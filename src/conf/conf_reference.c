/* SPDX-License-Identifier: Apache-2.0 */
/* The option table as a page for people: docs/configuration.md. */
#include "classify.h"
#include "conf_options.h"

static const char intro[] =
	"# Configuration\n"
	"\n"
	"<!-- Made from src/conf/conf_options.c by `make docs`; edits here are lost. -->\n"
	"\n"
	"Waybill reads one file. Only `hostname` and one `listen` section are required; a server that keeps mail "
	"has a `domain` too:\n"
	"\n"
	"    hostname   = \"mx.example.org\"\n"
	"    postmaster = \"alice@example.org\"\n"
	"\n"
	"    listen \"smtp\" { address = {\"[::]:25\"} }\n"
	"\n"
	"    domain \"example.org\" {\n"
	"        mailboxes = \"maildir:/var/mail/{domain}/{user}\"\n"
	"        users     = \"file:/etc/waybill/users\"\n"
	"        aliases   = \"file:/etc/waybill/aliases\"\n"
	"    }\n"
	"\n"
	"Mail to other domains goes to their MX hosts, unless a `route` says otherwise. A domain that is kept elsewhere, "
	"and for which this server is the MX, names where in `via`:\n"
	"\n"
	"    route \"*\" { via = {\"smtp://smarthost.example.net\", \"mx\"} }\n"
	"\n"
	"    domain \"example.com\" {\n"
	"        via   = \"lmtp://[192.0.2.5]:24\"\n"
	"        users = \"file:/etc/waybill/users\"\n"
	"    }\n"
	"\n"
	"`waybill check config FILE` reads a file and says all that is wrong with it, before a reload does. A running "
	"server refuses a file with errors and stays as it was.\n"
	"\n"
	"## How it is written\n"
	"\n"
	"- `name = value`, or a section: `name { ... }`, `name \"title\" { ... }`. Line ends and spaces separate; the "
	"value begins in the line of its `=`. `#` begins a comment.\n"
	"- Text stands in double quotes: `\"...\"`. Inside, `\\\"` is a quote and `\\\\` a backslash; nothing else is "
	"special, and nothing is expanded. Numbers and single words may go without quotes.\n"
	"- A list stands in braces: `{\"a\", \"b\"}`. A single value is a list of one.\n"
	"- A duration is a number with `ms`, `s`, `m`, `h` or `d`: `5m`. A size is a number of bytes, or one with "
	"`B`, `KiB`, `MiB` or `GiB`: `50MiB`.\n"
	"- A network is an address or an address with a prefix: `\"192.0.2.0/24\"`, `\"[2001:db8::]/32\"`.\n"
	"- A setting that stands twice is an error, as is one that is not listed here.\n";

static void range_write(const struct conf_option *option, struct buf *out)
{
	if (option->max == 0)
		return;
	buf_add_str(out, ", ");
	conf_option_write_number(option, option->min, out);
	buf_add_str(out, " to ");
	conf_option_write_number(option, option->max, out);
}

static void need_write(const struct conf_option *option, struct buf *out)
{
	if (option->fallback != NULL)
		buf_addf(out, "\n- Default: `%s`\n", option->fallback);
	else if (option->unless != NULL)
		buf_addf(out, "\n- Exactly one of this and `%s` is required\n", option->unless);
	else if (option->along != NULL)
		buf_addf(out, "\n- Required where `%s` stands\n", option->along);
	else
		buf_add_str(out, "\n- Required\n");
}

static void choices_write(const struct conf_option *option, struct buf *out)
{
	struct span word;
	for (size_t n = 0; (word = conf_option_choice(option, n)).len > 0; n++)
		buf_addf(out, "%s`%.*s`", n == 0 ? "" : option->type == CONF_TYPE_CHOICES ? ", " : " or ", SPAN_FMT(word));
}

static void option_write(const struct conf_option *option, struct buf *out)
{
	buf_addf(out, "\n### `%s`\n\n%s %s\n\n- Value: ", option->name, option->text, option->reason);
	if (option->type == CONF_TYPE_CHOICES)
		buf_add_str(out, "a list of ");
	if (option->type == CONF_TYPE_CHOICE || option->type == CONF_TYPE_CHOICES)
		choices_write(option, out);
	else
		buf_add_str(out, conf_type_text(option->type));
	range_write(option, out);
	if (option->items_max > 0)
		buf_addf(out, ", up to %zu of them", option->items_max);
	if (option->example != NULL)
		buf_addf(out, ", such as `%s`", option->example);
	need_write(option, out);
}

static void reasons_write(struct buf *out)
{
	buf_add_str(out, "\nReasons:");
	for (unsigned i = 0; i < REASON_COUNT; i++)
		if (i != REASON_ACCEPTED)
			buf_addf(out, " `%s`", classify_reason_info((enum classify_reason)i)->name);
	buf_add_str(out, ".\n");
}

static void section_write(enum conf_section_id id, struct buf *out)
{
	const struct conf_section_form *form = &conf_section_forms[id];
	if (id == CONF_SECTION_TOP)
		buf_add_str(out, "\n## Settings of the server\n");
	else if (form->title != NULL)
		buf_addf(out, "\n## Section `%s \"%s\"`\n", form->name, form->title);
	else
		buf_addf(out, "\n## Section `%s`\n", form->name);
	buf_addf(out, "\n%s\n", form->text);
	if (id == CONF_SECTION_REASON)
		reasons_write(out);
	for (size_t i = 0; i < conf_option_count; i++)
		if (conf_options[i].section == id)
			option_write(&conf_options[i], out);
}

void conf_write_reference(struct buf *out)
{
	buf_add_str(out, intro);
	for (unsigned id = 0; id < CONF_SECTION_COUNT; id++)
		section_write((enum conf_section_id)id, out);
}
