/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no setting alone can say: contradictions between settings (errors), and
 * what is allowed but unwise (warnings).
 */
#ifndef WAYBILL_CONF_CONF_CHECK_H
#define WAYBILL_CONF_CONF_CHECK_H

#include "conf.h"

void conf_check(const struct conf *conf, struct conf_report *report);

/* The part of it that is about conf_relay.h: next hops, routes, DNS servers, bounces. */
void conf_check_relay(const struct conf *conf, struct conf_report *report);

/* The part that is about conf_checks.h. */
void conf_check_checks(const struct conf *conf, struct conf_report *report);

/* The part about conf_source.h. */
void conf_check_sources(const struct conf *conf, struct conf_report *report);

#endif
