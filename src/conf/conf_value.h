/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of values, text to meaning. Each function says false when the text
 * is not such a value; *why_out then completes the sentence `"TEXT" ...`.
 * Ranges are not checked here.
 */
#ifndef WAYBILL_CONF_CONF_VALUE_H
#define WAYBILL_CONF_CONF_VALUE_H

#include "conf.h"

#define CONF_SOCKET_PATH_MAX 107   /* sun_path of sockaddr_un, without its NUL */
#define CONF_PATH_BYTES_MAX 1023

bool conf_value_integer(struct span text, uint64_t *value_out, const char **why_out);

/* "250ms", "30s", "5m", "2h", "1d", in milliseconds. */
bool conf_value_duration(struct span text, uint64_t *ms_out, const char **why_out);

/* "300B", "10KiB", "50MiB", "1GiB", or bytes without a unit. */
bool conf_value_size(struct span text, uint64_t *bytes_out, const char **why_out);

bool conf_value_bool(struct span text, bool *value_out, const char **why_out);

/* "127.0.0.0/8", "[::1]", "2001:db8::/32". */
bool conf_value_network(struct span text, struct netblock *block_out, const char **why_out);

/* "127.0.0.1:25", "[::]:25", "unix:/path"; spans point into `text`, the line stays 0. */
bool conf_value_address(struct span text, struct conf_address *address_out, const char **why_out);

/*
 * Appends a domain name as A-labels in lower case; U-labels become A-labels
 * as address_domain_ascii makes them. One label suffices.
 */
bool conf_value_domain(struct span text, struct buf *out, const char **why_out);

/* The same, or "*". */
bool conf_value_domain_or_any(struct span text, struct buf *out, const char **why_out);

/* The same for a host name, which has at least two labels and is no address. */
bool conf_value_host(struct span text, struct buf *out, const char **why_out);

/* Appends "local@domain", the local part as written (RFC 5321 section 4.1.2). */
bool conf_value_mailbox(struct span text, struct buf *out, const char **why_out);

/* An absolute path without empty parts, "." and ".."; slashes at the end are taken off. */
bool conf_value_path(struct span text, struct span *path_out, const char **why_out);

/* "file:/path", "pgsql:NAME", "system:" ...; spans point into `text`. */
bool conf_value_table(struct span text, struct conf_table *table_out, const char **why_out);

/* A connection string or URI of PostgreSQL, without a password. */
bool conf_value_connection(struct span text, const char **why_out);

/* URIs of LDAP servers, a space between. */
bool conf_value_ldap_server(struct span text, const char **why_out);

/* "maildir:/path/{domain}/{user}" or "mbox:...", as a whole; only these two placeholders may occur. */
bool conf_value_mailboxes(struct span text, struct span *template_out, const char **why_out);

/* One printable ASCII character that may stand unquoted in a local part, or nothing (0). */
bool conf_value_separator(struct span text, uint8_t *character_out, const char **why_out);

/* The name of an account, or nothing; the same of a group. */
bool conf_value_account(struct span text, struct span *name_out, const char **why_out);
bool conf_value_group(struct span text, struct span *name_out, const char **why_out);

/*
 * "mx", "smtp://HOST[:PORT]", "lmtp://HOST[:PORT]", "lmtp+unix:/PATH"; HOST is a
 * name, an IPv4 address, or an address in brackets. A name is appended to `host`
 * as conf_value_domain writes it, and the hop's span points there; its text and
 * path point into `text`, the line stays 0.
 */
bool conf_value_hop(struct span text, struct conf_hop *hop_out, struct buf *host, const char **why_out);

/* A DNS server: "192.0.2.1", "127.0.0.1:5353", "[2001:db8::1]:53"; as conf_value_address otherwise. */
bool conf_value_server(struct span text, struct conf_address *server_out, const char **why_out);

/* An address of one host, IPv6 with brackets or without, or nothing (family 0). */
bool conf_value_source(struct span text, struct netaddr *addr_out, const char **why_out);

/* Appends the title of a route: a domain as conf_value_domain writes it, "*." and a domain, or "*". */
bool conf_value_pattern(struct span text, struct buf *out, const char **why_out);

/* Permissions of a file: three octal digits, and a 0 before them or not. */
bool conf_value_mode(struct span text, uint32_t *mode_out, const char **why_out);

/* Appends a name, or all below one: a domain as conf_value_domain writes it, or "*." and one. */
bool conf_value_name_pattern(struct span text, struct buf *out, const char **why_out);

/* The same, or an address as conf_value_mailbox writes it: what has an "@". */
bool conf_value_mail_pattern(struct span text, struct buf *out, const char **why_out);

/* The title of a listen section. */
bool conf_value_label(struct span text, struct span *label_out, const char **why_out);

#endif
