/* SPDX-License-Identifier: Apache-2.0 */
/* The questions to policy services: who is asked, until when, and what is said of one that gives no answer. */
#include "services.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "conf.h"
#include "policy_role.h"

#define SWEEP_BUSY_MS 100
#define SWEEP_IDLE_MS 5000
#define SAY_DOWN_AGAIN_MS 60000

static uint64_t now_of(const struct services *services)
{
	return loop_now_ms(services->owner->role.loop);
}

static struct service *service_at(struct list *link)
{
	return LIST_ENTRY(link, struct service, link);
}

static void sweep_later(struct services *services, bool busy)
{
	uint64_t at_ms = now_of(services) + (busy ? SWEEP_BUSY_MS : SWEEP_IDLE_MS);
	if (services->sweep_ms != 0 && services->sweep_ms <= at_ms)
		return;
	services->sweep_ms = at_ms;
	timer_set(services->timer, busy ? SWEEP_BUSY_MS : SWEEP_IDLE_MS);
}

/* True while there is something to look after. */
static bool service_sweep(struct service *service, uint64_t now_ms, bool *busy)
{
	while (!list_empty(&service->open)) {
		struct service_question *q = LIST_ENTRY(service->open.next, struct service_question, open);
		if (q->deadline_ms > now_ms)
			break;
		if (q->on != NULL)
			service_link_drop(q->on);
		service_question_end(q, (struct span){ NULL, 0 }, "it did not answer in time");
	}
	service_links_close_idle(service, now_ms > SERVICES_IDLE_MS ? now_ms - SERVICES_IDLE_MS : 0);
	service_dispatch(service);
	*busy |= !list_empty(&service->open);
	return service->link_count > 0 || !list_empty(&service->open);
}

static void service_free(struct service *service)
{
	list_remove(&service->link);
	free(service);
}

static void on_sweep(void *arg)
{
	struct services *services = arg;
	uint64_t now_ms = now_of(services);
	bool busy = false, more = false;
	services->sweep_ms = 0;
	for (struct list *at = services->all.next, *next; at != &services->all; at = next) {
		next = at->next;
		bool used = service_sweep(service_at(at), now_ms, &busy);
		if (!used && !service_at(at)->wanted)
			service_free(service_at(at));
		more |= used;
	}
	if (more)
		sweep_later(services, busy);
}

void services_init(struct services *services, struct policy_role *owner)
{
	*services = (struct services){ .owner = owner };
	list_init(&services->all);
	services->timer = timer_open(owner->role.loop, on_sweep, services);
	if (services->timer == NULL)
		role_fail(&owner->role, "out of memory");
}

static struct service *find(struct services *services, struct span name)
{
	for (struct list *at = services->all.next; at != &services->all; at = at->next)
		if (span_eq(span_str(service_at(at)->name), name))
			return service_at(at);
	return NULL;
}

static struct service *service_new(struct services *services, struct span name)
{
	struct service *service = calloc(1, sizeof(*service));
	if (service == NULL)
		role_fail(&services->owner->role, "out of memory");
	service->services = services;
	snprintf(service->name, sizeof(service->name), "%.*s", SPAN_FMT(name));
	list_init(&service->open);
	list_init(&service->waiting);
	list_init(&service->links);
	list_append(&services->all, &service->link);
	return service;
}

/* The supervisor hears it, for `waybill status`. */
static void tell_trouble(const struct service *service)
{
	struct channel *control = service->services->owner->role.control;
	struct ipc_trouble say = { .name = span_str(service->name), .why = span_str(service->down ? service->why : ""),
		.since_ms = service->down_since_ms, .service = 1, .passed = service->pass_when_down };
	struct buf *out = channel_begin(control, IPC_TROUBLE, -1);
	if (out == NULL)
		return;
	ipc_put_trouble(out, &say);
	channel_end(control);
}

static void service_tune(struct service *service, const struct conf_service *conf)
{
	struct span address = span_to(conf->address.items[0].text, sizeof(service->address) - 1);
	service->wanted = true;
	service->timeout_ms = conf->timeout_ms;
	service->connections_max = conf->connections_max;
	service->pass_when_down = conf->pass_when_down;
	if (span_eq(span_str(service->address), address))
		return;
	snprintf(service->address, sizeof(service->address), "%.*s", SPAN_FMT(address));
	service->serial++;
	service->down = false;
	service->said_down_ms = 0;
	service_links_close_idle(service, UINT64_MAX);
}

void services_tune(struct services *services, const struct conf_checks *checks)
{
	services->tunes++;
	for (struct list *at = services->all.next; at != &services->all; at = at->next)
		service_at(at)->wanted = false;
	for (size_t i = 0; i < checks->service_count; i++) {
		struct service *service = find(services, checks->services[i].name);
		if (service == NULL)
			service = service_new(services, checks->services[i].name);
		service_tune(service, &checks->services[i]);
	}
	for (struct list *at = services->all.next; at != &services->all; at = at->next) {
		struct service *service = service_at(at);
		service->down &= service->wanted;
		tell_trouble(service);
	}
	sweep_later(services, true);
}

/* --- one question --- */

static void say_down(struct service *service, const char *why)
{
	struct log_line line;
	uint64_t now_ms = now_of(service->services);
	if (service->said_down_ms != 0 && (service->down || now_ms - service->said_down_ms < SAY_DOWN_AGAIN_MS))
		return;
	service->said_down_ms = now_ms;
	log_begin(&line, LOG_OPERATOR, "policy-service-down");
	log_str(&line, "service", service->name);
	log_str(&line, "address", service->address);
	log_str(&line, "why", why);
	log_str(&line, "text", service->pass_when_down ? "clients go on without it"
		: "clients are told 451 until it answers");
	log_end(&line);
}

static void gave_no_answer(struct service *service, const char *why)
{
	say_down(service, why);
	if (!service->down && service->wanted) {
		service->down = true;
		service->down_since_ms = clock_unix_ms();
		snprintf(service->why, sizeof(service->why), "%s", why);
		tell_trouble(service);
	}
	service->unanswered++;
	service->missed++;
}

static void answered(struct service *service)
{
	struct log_line line;
	if (!service->down)
		return;
	log_begin(&line, LOG_INFO, "policy-service-up");
	log_str(&line, "service", service->name);
	log_u64(&line, "unanswered", service->missed);
	log_end(&line);
	service->down = false;
	service->missed = 0;
	tell_trouble(service);
}

static void log_action(const struct service *service, enum log_severity severity, const char *event,
	const struct delegate_action *action, const char *text)
{
	struct log_line line;
	log_begin(&line, severity, event);
	log_str(&line, "service", service->name);
	log_span(&line, "action", action->word);
	if (text != NULL)
		log_str(&line, "text", text);
	else
		log_span(&line, "text", action->text);
	log_end(&line);
}

/* Says so the first time. */
static void ignore(struct service *service, const struct delegate_action *action)
{
	service->ignored++;
	for (size_t i = 0; i < service->word_count; i++)
		if (span_eq_nocase(span_str(service->words[i]), span_to(action->word, sizeof(service->words[i]) - 1)))
			return;
	if (service->word_count == SERVICES_WORDS_MAX)
		return;
	snprintf(service->words[service->word_count++], sizeof(service->words[0]), "%.*s", SPAN_FMT(action->word));
	log_action(service, LOG_OPERATOR, "policy-service-ignored", action,
		"this is not done here, or not at this stage; it is passed over, this time and from now on");
}

static void look(struct service *service, enum smtp_stage stage, struct span actions)
{
	struct delegate_action action;
	while (delegate_action_next(&actions, &action)) {
		if (action.kind == DELEGATE_NOTE)
			log_action(service, LOG_INFO, "policy-service-note", &action, NULL);
		else if (!policy_service_does(stage, action.kind))
			ignore(service, &action);
	}
}

void service_question_end(struct service_question *q, struct span actions, const char *why)
{
	struct service *service = q->service;
	if (actions.len > 0 && delegate_actions_are_wrong(actions)) {
		actions = (struct span){ NULL, 0 };
		why = "its answer has an action that is none";
	}
	list_remove(&q->open);
	list_remove(&q->wait);
	buf_fini(&q->request);
	q->into->known = true;
	if (!arena_copy(q->text, actions, &q->into->actions)) {
		actions = q->into->actions = (struct span){ NULL, 0 };
		why = "there is no memory for its answer";
	}
	if (actions.len == 0) {
		gave_no_answer(service, why);
	} else {
		answered(service);
		look(service, q->stage, actions);
	}
	q->fn(q->arg);
}

void service_dispatch(struct service *service)
{
	while (!list_empty(&service->waiting)) {
		struct service_question *q = LIST_ENTRY(service->waiting.next, struct service_question, wait);
		if (!service_link_take(service, q))
			return;
		list_remove(&q->wait);
		list_init(&q->wait);
	}
}

bool services_ask(struct services *services, const struct conf_service *conf, const struct delegate_request *request,
	struct service_question *q)
{
	struct service *service = find(services, conf->name);
	buf_init(&q->request, DELEGATE_REQUEST_BYTES_MAX);
	delegate_request_write(&q->request, request);
	if (service == NULL || q->request.failed) {
		buf_fini(&q->request);
		*q->into = (struct policy_said){ .known = true };
		return true;
	}
	service->asked++;
	q->service = service;
	q->stage = request->stage;
	q->on = NULL;
	q->again = false;
	q->deadline_ms = now_of(services) + service->timeout_ms;
	list_init(&q->wait);
	list_append(&service->open, &q->open);
	list_append(&service->waiting, &q->wait);
	sweep_later(services, true);
	service_dispatch(service);
	return false;
}

void services_counts_put(const struct services *services, struct buf *list)
{
	struct buf item;
	buf_init(&item, 1024);
	for (const struct list *at = services->all.next; at != &services->all; at = at->next) {
		const struct service *service = LIST_ENTRY(at, const struct service, link);
		struct ipc_service_counts say = { .name = span_str(service->name), .address = span_str(service->address),
			.down = service->down, .asked = service->asked, .unanswered = service->unanswered,
			.ignored = service->ignored };
		if (!service->wanted)
			continue;
		buf_clear(&item);
		ipc_put_service_counts(&item, &say);
		ipc_list_add(list, buf_span(&item));
	}
	buf_fini(&item);
}
