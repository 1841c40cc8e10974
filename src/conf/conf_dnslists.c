/* SPDX-License-Identifier: Apache-2.0 */
/* The sections dnslist, in the order of the file. */
#include "address.h"
#include "conf_bind.h"
#include "conf_show.h"
#include "conf_value.h"

#define REVERSED_BYTES_MAX 64 /* of an IPv6 address, before the zone */
#define ZONE_BYTES_MAX (253 - REVERSED_BYTES_MAX)

/* The zone; empty when it is none (reported), or missing. */
static struct span zone_bind(struct conf_bind *bind, const struct conf_section *section)
{
	const char *why;
	struct conf_show show;
	struct buf zone;
	buf_init(&zone, ADDRESS_DOMAIN_BYTES_MAX);
	bool good = !section->has_title || conf_value_host(section->title, &zone, &why);
	if (good && zone.len > ZONE_BYTES_MAX) {
		good = false;
		why = "is too long: no IPv6 address has room before it";
	}
	if (!good)
		conf_report_add(bind->report, CONF_ERROR, section->line, "dnslist: \"%s\" %s",
			conf_show(&show, section->title), why);
	struct span kept = conf_bind_keep(bind, good ? buf_span(&zone) : span_of(NULL, 0));
	buf_fini(&zone);
	return kept;
}

static void dnslist_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_dnslist *list)
{
	struct conf_filling f = {
		.bind = bind, .id = CONF_SECTION_DNSLIST, .section = section, .base = (uint8_t *)list,
	};
	list->zone = zone_bind(bind, section);
	list->line = section->line;
	conf_bind_section(&f);
}

void conf_bind_dnslists(struct conf_bind *bind, const struct conf_section *sections)
{
	struct conf_checks *checks = &bind->conf->checks;
	const struct conf_section *s = conf_bind_section_next(sections, CONF_SECTION_DNSLIST);
	for (; s != NULL && checks->list_count < CONF_DNSLISTS_MAX;
	     s = conf_bind_section_next(s->next, CONF_SECTION_DNSLIST))
		dnslist_bind(bind, s, &checks->lists[checks->list_count++]);
	if (s != NULL)
		conf_report_add(bind->report, CONF_ERROR, s->line, "dnslist: %d sections are the most", CONF_DNSLISTS_MAX);
}
