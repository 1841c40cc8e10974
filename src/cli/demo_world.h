/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's little internet: a handful of mail servers on loopback that behave the
 * way the world does, so that retries and bounces can be tried without a network.
 */
#ifndef WAYBILL_CLI_DEMO_WORLD_H
#define WAYBILL_CLI_DEMO_WORLD_H

#include "buf.h"

/* The first server's port is so far above the demo's SMTP port; one more for each that follows. */
#define DEMO_WORLD_PORT_OFFSET 10

/* The world's servers, at most this many ports. */
#define DEMO_WORLD_SERVERS 8

/* Appends a route section for each server. */
void demo_world_routes(struct buf *out, unsigned smtp_port);

/* One line for each server: what it does. */
void demo_world_describe(struct buf *out);

/*
 * Starts the world as a process that ends with the calling one, and that holds a lock of
 * the mbox `locked` as long as it lives. 0, or a negative errno: a port is taken.
 */
int demo_world_start(unsigned smtp_port, const char *locked);

#endif
