/* SPDX-License-Identifier: Apache-2.0 */
/* The sections policy-service, in the order of the file. */
#include "conf_bind.h"
#include "conf_show.h"
#include "conf_value.h"

static void service_bind(struct conf_bind *bind, const struct conf_section *section, struct conf_service *service)
{
	const char *why;
	struct conf_show show;
	struct span name = { NULL, 0 };
	struct conf_filling f = {
		.bind = bind, .id = CONF_SECTION_POLICY_SERVICE, .section = section, .base = (uint8_t *)service,
	};
	if (section->has_title && !conf_value_label(section->title, &name, &why)) {
		conf_report_add(bind->report, CONF_ERROR, section->line, "policy-service: \"%s\" %s",
			conf_show(&show, section->title), why);
		name = (struct span){ NULL, 0 };
	}
	service->name = conf_bind_keep(bind, name);
	service->line = section->line;
	conf_bind_section(&f);
}

void conf_bind_services(struct conf_bind *bind, const struct conf_section *sections)
{
	struct conf_checks *checks = &bind->conf->checks;
	const struct conf_section *s = conf_bind_section_next(sections, CONF_SECTION_POLICY_SERVICE);
	for (; s != NULL && checks->service_count < CONF_SERVICES_MAX;
	     s = conf_bind_section_next(s->next, CONF_SECTION_POLICY_SERVICE))
		service_bind(bind, s, &checks->services[checks->service_count++]);
	if (s != NULL)
		conf_report_add(bind->report, CONF_ERROR, s->line, "policy-service: %d sections are the most",
			CONF_SERVICES_MAX);
}
