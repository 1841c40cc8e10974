/* SPDX-License-Identifier: Apache-2.0 */
/* The sections rate: each title stands for one of a few that can be limited, so each has its place. */
#include "conf_bind.h"
#include "conf_show.h"

static const char *const names[CONF_RATE_OF_COUNT] = { [CONF_RATE_CLIENT] = "client", [CONF_RATE_NETWORK] = "network",
	[CONF_RATE_SENDER] = "sender", [CONF_RATE_RECIPIENT] = "recipient" };

const char *conf_rate_name(enum conf_rate_of of)
{
	return names[of];
}

/* What the title names; what is none is reported, with what may have been meant, and COUNT. */
static enum conf_rate_of title_named(struct conf_bind *bind, const struct conf_section *section)
{
	struct conf_show show;
	struct conf_near near;
	unsigned of = 0;
	while (of < CONF_RATE_OF_COUNT && !span_eq(section->title, span_str(names[of])))
		of++;
	if (of < CONF_RATE_OF_COUNT || !section->has_title)
		return (enum conf_rate_of)of;
	conf_near_init(&near, section->title);
	for (unsigned i = 0; i < CONF_RATE_OF_COUNT; i++)
		conf_near_offer(&near, names[i]);
	const char *title = conf_show(&show, section->title);
	if (near.best != NULL)
		conf_report_add(bind->report, CONF_ERROR, section->line,
			"rate: \"%s\" is nothing that has a rate here; did you mean \"%s\"?", title, near.best);
	else
		conf_report_add(bind->report, CONF_ERROR, section->line,
			"rate: \"%s\" is nothing that has a rate here; write client, network, sender or recipient", title);
	return CONF_RATE_OF_COUNT;
}

/* `section` is NULL where none stands. */
static void rate_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_rate *rate)
{
	struct conf_filling f = {
		.bind = bind, .id = CONF_SECTION_RATE, .section = section, .base = (uint8_t *)rate,
	};
	rate->line = section != NULL ? section->line : 0;
	conf_bind_section(&f);
}

void conf_bind_rates(struct conf_bind *bind, const struct conf_section *sections)
{
	struct conf_rate nowhere, *rates = bind->conf->checks.rates;
	const struct conf_section *s = conf_bind_section_next(sections, CONF_SECTION_RATE);
	for (unsigned of = 0; of < CONF_RATE_OF_COUNT; of++)
		rate_bind(bind, NULL, &rates[of]);
	for (; s != NULL; s = conf_bind_section_next(s->next, CONF_SECTION_RATE)) {
		enum conf_rate_of of = title_named(bind, s);
		bool again = of < CONF_RATE_OF_COUNT && rates[of].line > 0;
		if (again)
			conf_report_add(bind->report, CONF_ERROR, s->line, "rate \"%s\": there is one already, in line %u",
				names[of], rates[of].line);
		rate_bind(bind, s, again || of == CONF_RATE_OF_COUNT ? &nowhere : &rates[of]);
	}
}
