/* SPDX-License-Identifier: Apache-2.0 */
/* Contradictions in what clients have to pass: an order that leaves out what may not be missing. */
#include "conf_check.h"
#include "conf_options.h"

#define NOWHERE CONF_CHECK_COUNT

struct checking {
	const struct conf *conf;
	struct conf_report *report;
	uint32_t order_line;
	size_t places[CONF_CHECK_COUNT]; /* in the order, or NOWHERE */
};

static const struct conf_option *order_option(void)
{
	size_t at = 0;
	while (conf_options[at].section != CONF_SECTION_CHECKS || conf_options[at].type != CONF_TYPE_CHOICES)
		at++;
	return &conf_options[at];
}

static void order_check(struct checking *c)
{
	const struct conf_order *order = &c->conf->checks.order;
	for (size_t i = 0; i < CONF_CHECK_COUNT; i++)
		c->places[i] = NOWHERE;
	for (size_t i = 0; i < order->count; i++) {
		enum conf_check check = order->items[i];
		if (c->places[check] != NOWHERE)
			conf_report_add(c->report, CONF_ERROR, c->order_line, "order: \"%.*s\" is in this list already",
				SPAN_FMT(conf_option_choice(order_option(), check)));
		else
			c->places[check] = i;
	}
	if (c->places[CONF_CHECK_RELAY] == NOWHERE || c->places[CONF_CHECK_RECIPIENT] == NOWHERE)
		conf_report_add(c->report, CONF_ERROR, c->order_line, "order: relay and recipient cannot be left out");
	else if (c->places[CONF_CHECK_HARVEST] != NOWHERE
		&& c->places[CONF_CHECK_HARVEST] > c->places[CONF_CHECK_RECIPIENT])
		conf_report_add(c->report, CONF_ERROR, c->order_line,
			"order: harvest must stand before recipient, which otherwise says who exists");
}

/* The section of a check has the check's name. */
static enum conf_check check_of(enum conf_section_id section)
{
	struct span name = span_str(conf_section_forms[section].name), word;
	unsigned n = 0;
	while ((word = conf_option_choice(order_option(), n)).len > 0 && !span_eq(word, name))
		n++;
	return n < CONF_CHECK_COUNT ? (enum conf_check)n : CONF_CHECK_COUNT;
}

/* Settings of a check that is not asked. */
static void idle_check(struct checking *c)
{
	for (size_t i = 0; i < conf_option_count; i++) {
		enum conf_section_id section = conf_options[i].section;
		if (!conf_section_is_check(section) || !conf_section_is_once(section) || section == CONF_SECTION_CHECKS
		    || c->conf->lines[i] == 0)
			continue;
		enum conf_check check = check_of(section);
		if (check < CONF_CHECK_COUNT && c->places[check] == NOWHERE)
			conf_report_add(c->report, CONF_WARNING, c->conf->lines[i],
				"%s: order in line %u leaves the check %s out, so it has no effect", conf_options[i].name,
				c->order_line, conf_section_forms[section].name);
	}
}

/* The first line in which a setting of the section stands; 0: none does. */
static uint32_t section_line(const struct conf *conf, enum conf_section_id section)
{
	uint32_t line = 0;
	for (size_t i = 0; i < conf_option_count; i++)
		if (conf_options[i].section == section && conf->lines[i] != 0 && (line == 0 || conf->lines[i] < line))
			line = conf->lines[i];
	return line;
}

static void greylist_check(struct checking *c)
{
	const struct conf *conf = c->conf;
	uint64_t delay_ms = conf->checks.greylist.delay_ms;
	uint32_t line = section_line(conf, CONF_SECTION_GREYLIST);
	if (delay_ms >= conf->checks.greylist.return_ms)
		conf_report_add(c->report, CONF_ERROR, line,
			"greylist: return-within must be longer than delay, or nobody can come back in time");
	else if (delay_ms == 0 && line != 0 && conf->checks.greylist.delay_line == 0)
		conf_report_add(c->report, CONF_WARNING, line, "greylist: without delay, this section has no effect");
}

static void reverse_name_check(struct checking *c)
{
	uint32_t line = section_line(c->conf, CONF_SECTION_REVERSE_NAME);
	if (line != 0 && !c->conf->checks.reverse_name.must_exist && !c->conf->checks.reverse_name.must_match)
		conf_report_add(c->report, CONF_WARNING, line,
			"reverse-name: without must-exist or must-match, this section has no effect");
}

/* Who has no number of what. */
static void rates_check(struct checking *c)
{
	static const char *const whats[] = { [CONF_RATE_CONNECTIONS] = "connections", [CONF_RATE_MESSAGES] = "messages",
		[CONF_RATE_RECIPIENTS] = "recipients", [CONF_RATE_BYTES] = "bytes" };
	static const unsigned possible[CONF_RATE_OF_COUNT] = { [CONF_RATE_CLIENT] = 0xf, [CONF_RATE_NETWORK] = 0xf,
		[CONF_RATE_SENDER] = 0xf & ~(1u << CONF_RATE_CONNECTIONS), [CONF_RATE_RECIPIENT] = 1u << CONF_RATE_MESSAGES };
	for (unsigned of = 0; of < CONF_RATE_OF_COUNT; of++) {
		const struct conf_rate *rate = &c->conf->checks.rates[of];
		for (unsigned what = 0; what < CONF_RATE_WHAT_COUNT; what++)
			if (rate->most[what] > 0 && (possible[of] & 1u << what) == 0)
				conf_report_add(c->report, CONF_ERROR, rate->most_line[what],
					"%s: not counted for a %s; that has a rate of %s", whats[what],
					conf_rate_name((enum conf_rate_of)of),
					of == CONF_RATE_SENDER ? "messages, recipients and bytes" : "messages alone");
		if (rate->line > 0 && c->places[CONF_CHECK_RATE] == NOWHERE)
			conf_report_add(c->report, CONF_WARNING, rate->line,
				"rate: order in line %u leaves the check rate out, so it has no effect", c->order_line);
	}
}

static void services_check(struct checking *c)
{
	const struct conf_checks *checks = &c->conf->checks;
	for (size_t i = 0; i < checks->service_count; i++) {
		const struct conf_service *service = &checks->services[i];
		if (c->places[CONF_CHECK_POLICY_SERVICE] == NOWHERE)
			conf_report_add(c->report, CONF_WARNING, service->line,
				"policy-service \"%.*s\": order in line %u leaves the check policy-service out, so it has no effect",
				SPAN_FMT(service->name), c->order_line);
		for (size_t n = 0; n < i; n++)
			if (service->name.len > 0 && span_eq(service->name, checks->services[n].name))
				conf_report_add(c->report, CONF_ERROR, service->line,
					"policy-service \"%.*s\": there is one already, in line %u", SPAN_FMT(service->name),
					checks->services[n].line);
	}
}

static void dnslists_check(struct checking *c)
{
	const struct conf_checks *checks = &c->conf->checks;
	uint64_t refuse_at = checks->dnslists.refuse_at, defer_at = checks->dnslists.defer_at;
	for (size_t i = 0; i < checks->list_count; i++) {
		const struct conf_dnslist *list = &checks->lists[i];
		if (c->places[CONF_CHECK_DNSLISTS] == NOWHERE)
			conf_report_add(c->report, CONF_WARNING, list->line,
				"dnslist \"%.*s\": order in line %u leaves the check dnslists out, so it has no effect",
				SPAN_FMT(list->zone), c->order_line);
		for (size_t n = 0; n < i; n++)
			if (list->zone.len > 0 && span_eq(list->zone, checks->lists[n].zone))
				conf_report_add(c->report, CONF_ERROR, list->line, "dnslist \"%.*s\": there is one already, in line %u",
					SPAN_FMT(list->zone), checks->lists[n].line);
	}
	if (refuse_at > 0 && defer_at >= refuse_at)
		conf_report_add(c->report, CONF_WARNING, checks->dnslists.defer_line,
			"defer-at: who has this weight is refused already, by refuse-at; it has no effect");
}

void conf_check_checks(const struct conf *conf, struct conf_report *report)
{
	struct checking c = { .conf = conf, .report = report,
		.order_line = conf_line_of(conf, &conf->checks.order) };
	order_check(&c);
	idle_check(&c);
	greylist_check(&c);
	reverse_name_check(&c);
	services_check(&c);
	dnslists_check(&c);
	rates_check(&c);
}
