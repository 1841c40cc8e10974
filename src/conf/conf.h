/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: text in, one checked immutable struct or a list of errors
 * out. Pure: the caller reads the file and shows the report. All errors of a
 * file are found in one pass, each with its line. Nothing is expanded.
 *
 * Every span in the struct is owned by it, holds valid UTF-8 without control
 * characters, and is followed by a NUL that its length does not count, so that a
 * path can be given to the system as it is. A setting that the file leaves out
 * has its default, so no reader needs to know defaults.
 */
#ifndef WAYBILL_CONF_CONF_H
#define WAYBILL_CONF_CONF_H

#include "arena.h"
#include "conf_checks.h"
#include "conf_mailboxes.h"
#include "conf_relay.h"
#include "conf_report.h"

#define CONF_TEXT_BYTES_MAX (4u << 20)  /* of one configuration file */
#define CONF_LISTENS_MAX 64             /* listen sections, and addresses of them all */
#define CONF_DOMAINS_MAX 10000
#define CONF_LIST_ITEMS_MAX 1000        /* in one list */

/* Where to listen. "[::]:25" takes IPv4 clients too (a socket for both families). */
struct conf_address {
	struct span text;    /* as written */
	struct netaddr addr; /* family 0: a UNIX socket at `path` */
	uint16_t port;
	struct span path;    /* absolute, fits into sockaddr_un */
	uint32_t line;
};

enum conf_protocol { CONF_PROTOCOL_SMTP, CONF_PROTOCOL_LMTP };
enum conf_newline { CONF_NEWLINE_REFUSE, CONF_NEWLINE_REPAIR };
enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };

struct conf_listen {
	struct span name; /* unique: 1 to 32 letters, digits, "-", "_", "." */
	uint32_t line;
	struct conf_addresses addresses; /* at least one */
	enum conf_protocol protocol;
	enum conf_newline bare_newline; /* for strangers */
	uint32_t socket_mode;      /* of UNIX sockets: permission bits */
	struct span socket_group;  /* whose they are; empty: the server's */
	uint32_t socket_mode_line, socket_group_line;
};

/* Counts and bytes; where 0 is possible it means "no limit". */
struct conf_limits {
	uint64_t message_bytes_max;
	uint64_t recipients_max;
	uint64_t connections_max;            /* of all listeners together */
	uint64_t connections_per_client_max; /* strangers only; 0: no limit */
	uint64_t bad_commands_max;
	uint64_t messages_per_connection_max;
	uint64_t received_max;
	uint64_t command_timeout_ms;
	uint64_t data_timeout_ms;
	uint64_t data_rate_bytes_min; /* a second; 0: no limit */
	uint64_t line_bytes_max;      /* inside the content */
	uint64_t alias_members_max;
	uint64_t alias_depth_max;
};

struct conf_queue {
	struct conf_durations retry; /* waits before attempt 2, 3 ...; the last one repeats */
	uint64_t give_up_after_ms;
	uint64_t bounces_give_up_after_ms; /* the null sender's; unless set, never longer than the other */
	uint64_t relay_connections_max;    /* outgoing, of all destinations together */
	bool paused;
	uint64_t segment_bytes;
};

#define CONF_SETTINGS_MAX 160

struct conf {
	struct span hostname; /* A-labels in lower case */
	struct span data;     /* folder, absolute, no slash at its end */
	struct span user;     /* empty: stay who we are */
	struct conf_networks trust;
	struct span postmaster;   /* "user@domain" with an own domain, or empty */
	uint64_t smtpd_processes; /* 0: one for each core */
	uint64_t deliveries;
	struct span control; /* path of a socket; DATA/control unless set */
	const struct conf_listen *listens; /* in the file's order; at least one */
	size_t listen_count;
	const struct conf_domain *domains; /* sorted by name */
	size_t domain_count;
	const struct conf_route *routes; /* sorted by pattern */
	size_t route_count;
	struct conf_route route_default; /* where no route says otherwise */
	struct conf_reasons reasons;
	struct conf_sources sources;
	struct conf_limits limits;
	struct conf_checks checks;
	struct conf_queue queue;
	struct conf_dns dns;
	struct conf_bounce bounce;
	struct conf_srs srs;
	struct conf_mbox mbox;
	struct conf_command command;
	enum conf_log_format log_format;

	uint32_t lines[CONF_SETTINGS_MAX]; /* for conf_line_of */
	struct arena arena;                /* owns everything above */
};

/*
 * Reads the text of a configuration file. 0: *conf_out is to be released with
 * conf_free, and the report holds warnings at most. -EINVAL: *conf_out is NULL
 * and the report says why. -ENOMEM: *conf_out is NULL. `file_name` is how the
 * report names the file; it must outlive the report.
 */
int conf_parse(struct span text, const char *file_name, struct conf **conf_out, struct conf_report *report);
void conf_free(struct conf *conf);

/*
 * The line in which a setting stands, 0 when it has its default. `field` is the
 * address of the member of `conf`, for example &conf->trust or
 * &conf->limits.recipients_max; listens, domains and routes keep theirs themselves.
 */
uint32_t conf_line_of(const struct conf *conf, const void *field);

/* Whether a client with this address is trusted; never for a UNIX socket. */
bool conf_trusts(const struct conf *conf, const struct netaddr *client);

/* The domain of this name (A-labels, in either letter case), or NULL. */
const struct conf_domain *conf_domain_find(const struct conf *conf, struct span name);

/*
 * Where the control socket is, from a text that may be wrong elsewhere: what
 * `control` says, else DATA/control, wherever in the file the two stand. False when
 * one that counts cannot be read. Agrees with conf_parse where that accepts the text.
 */
bool conf_find_control(struct span text, struct buf *path_out);

/* All settings as a page in Markdown: docs/configuration.md is exactly this. */
void conf_write_reference(struct buf *out);

#endif
