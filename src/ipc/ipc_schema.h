/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that roles say to each other, in one table: IPC_MESSAGES lists the
 * messages, IPC_FIELDS_NAME the fields of each. From it come the enum, the
 * structs, the codec (ipc_codec.c), the names for the log and the hash by which two
 * processes of different builds refuse each other. A field type T has wire_put_T
 * and wire_get_T or a pair in ipc_codec.c.
 *
 * Types: u8 u16 u32 u64, id (id128), span (bytes), list (spans one after another,
 * each with its length; read with ipc_list_next), addr (netaddr).
 *
 * A message whose name ends in _ASK is a question: its answer is the message that
 * follows it in the list and carries the same request number. Descriptors travel
 * beside the message, at most one.
 */
#ifndef WAYBILL_IPC_SCHEMA_H
#define WAYBILL_IPC_SCHEMA_H

#include "ipc_schema_console.h"

#define IPC_MESSAGES(M) \
	M(GREETING, greeting)             /* first on every channel, both ways */ \
	/* supervisor to role */ \
	M(SETUP_SMTPD, setup_smtpd) \
	M(SETUP_POLICY, setup_policy) \
	M(SETUP_QUEUE, setup_queue) \
	M(SETUP_DELIVERY, setup_delivery) \
	M(SETUP_RELAY, setup_relay) \
	M(SETUP_CONSOLE, setup_console) \
	M(SETUP_RUNNER, setup_runner) \
	M(DOMAIN, domain)                 /* policy, delivery: one for each of our domains, before START */ \
	M(ROUTE, route)                   /* policy: where mail for foreign domains goes; before START */ \
	M(TABLE, table)                   /* policy: a users or aliases file, as descriptor */ \
	M(SRS, srs)                       /* policy: how to rewrite forwarded mail's senders, if at all */ \
	M(SOURCE, source)                 /* policy: a directory that is asked; numbered from 1 in their order */ \
	M(LISTED, listed)                 /* policy: a file of who is allowed or denied, as descriptor; before START */ \
	M(INCLUDE, include)               /* policy: a file that an aliases file includes, as descriptor; before START */ \
	M(LISTENER, listener)             /* smtpd, console: a listening socket, as descriptor */ \
	M(PEER, peer)                     /* a channel to another role, as descriptor */ \
	M(START, start)                   /* all of this configuration was said */ \
	M(STOP, stop)                     /* finish what is under way, then end */ \
	/* role to supervisor */ \
	M(READY, ready) \
	M(FAILED, failed)                 /* cannot work; the text says why */ \
	M(TROUBLE, trouble)               /* something outside that it needs fails, or is back */ \
	M(PEER_LOST, peer_lost)           /* the channel of that PEER broke; a new one is wanted */ \
	/* policy to supervisor */ \
	M(SERVICE_ASK, service_ask)       /* a connection to this policy service is wanted */ \
	M(SERVICE, service)               /* as descriptor; it may not stand yet */ \
	/* smtpd, and console for a dry run, to policy */ \
	M(CHECK_ASK, check_ask)           /* may this client go on? */ \
	M(CHECKED, checked) \
	M(CHECK_STEP, check_step)         /* never sent alone: an item of CHECKED's list */ \
	M(POLICY_STAGES, policy_stages)   /* policy to smtpd: at which stages to ask at once */ \
	M(VERIFY_ASK, verify_ask) \
	M(VERIFIED, verified) \
	/* queue to policy */ \
	M(EXPAND_ASK, expand_ask) \
	M(EXPANDED, expanded) \
	/* policy to queue */ \
	M(HOLD_ASK, hold_ask)             /* what these clients sent does not leave; tell postmaster */ \
	M(HELD, held) \
	M(HOLD_END, hold_end)             /* what comes from now on is not held */ \
	/* smtpd to queue */ \
	M(SUBMIT_ASK, submit_ask) \
	M(SUBMITTED, submitted) \
	M(SPILL_ASK, spill_ask) \
	M(SPILL_READY, spill_ready)       /* with the descriptor of the message's own segment */ \
	M(SPILL_DISCARD, spill_discard) \
	/* policy to delivery; console to policy, which passes it on */ \
	M(MAILBOX_ASK, mailbox_ask)       /* can it take a message of this size now? */ \
	M(MAILBOX_STATE, mailbox_state) \
	/* queue to delivery */ \
	M(DELIVER_ASK, deliver_ask)       /* large content as descriptor, else inline */ \
	M(DELIVER_RESULT, deliver_result) \
	/* delivery to runner */ \
	M(RUN_ASK, run_ask)               /* give this message, as descriptor, to the domain's command */ \
	M(RUN_RESULT, run_result) \
	/* queue to relay */ \
	M(MX_ASK, mx_ask)                 /* where does mail for this domain really go? */ \
	M(MX, mx) \
	M(RELAY_ASK, relay_ask)           /* large content as descriptor, else inline */ \
	M(RELAY_RESULT, relay_result) \
	M(RELAY_ONE, relay_one)           /* never sent alone: an item of RELAY_RESULT's list */ \
	M(RETRY_PLAN, retry_plan)         /* never sent alone: an item of SETUP_QUEUE's list */ \
	IPC_MESSAGES_CONSOLE(M)           /* ipc_schema_console.h */

/* The messages that a descriptor may come with; with any other it is malformed, so that a
 * neighbour cannot fill our table of descriptors with what nobody closes. */
#define IPC_FD_MESSAGES(M) M(TABLE) M(LISTED) M(INCLUDE) M(LISTENER) M(PEER) M(SERVICE) M(SPILL_READY) \
	M(DELIVER_ASK) M(RUN_ASK) M(RELAY_ASK) M(QUEUE_CONTENT)

#define IPC_FIELDS_GREETING(F) F(u64, schema_hash) F(u8, role)

#define IPC_FIELDS_SETUP_SMTPD(F) \
	F(span, hostname) F(list, trust) F(u8, log_json) \
	F(u64, message_bytes_max) F(u32, recipients_max) F(u32, connections_max) F(u32, connections_per_client_max) \
	F(u32, bad_commands_max) F(u32, transactions_max) F(u32, received_max) F(u32, line_bytes_max) \
	F(u32, command_timeout_ms) F(u32, data_timeout_ms) F(u32, data_rate_bytes_min)
#define IPC_FIELDS_SETUP_POLICY(F) \
	F(span, hostname) F(list, trust) F(u8, log_json) F(span, postmaster) \
	F(u32, alias_members_max) F(u32, alias_depth_max) F(span, checks) /* conf_checks.h */ \
	F(span, state_folder) F(list, dns_servers) F(span, trust_anchor)
#define IPC_FIELDS_SETUP_QUEUE(F) \
	F(span, hostname) F(u8, log_json) F(span, folder) F(u8, paused) F(u64, segment_bytes) \
	F(span, retry_ms) F(span, delay_after_ms) /* u64 each */ F(u8, failure_copies) F(u64, give_up_ms) \
	F(u64, bounces_give_up_ms) F(u64, whole_message_bytes_max) F(u32, deliveries_max) F(u32, relay_max) \
	F(span, drop) F(u64, message_bytes_max) F(list, reason_plans) /* encoded RETRY_PLANs */ \
	F(u8, plans_vary) /* not every message is given up after give_up_ms */
/* reason: enum classify_reason; retry_ms: u64 each; empty or 0: nothing is said */
#define IPC_FIELDS_RETRY_PLAN(F) F(u16, reason) F(span, retry_ms) F(u64, give_up_ms)
/* mbox_locks: one byte each, in their order: 0 dot-lock, 1 fcntl, 2 flock */
#define IPC_FIELDS_SETUP_DELIVERY(F) F(span, hostname) F(u8, log_json) F(u32, deliveries_max) \
	F(span, mbox_locks) F(u32, mbox_lock_timeout_ms) F(u32, mbox_stale_lock_ms) F(u8, mbox_lock_pids) \
	F(u64, mbox_quota_bytes) F(u64, full_max_ms) F(u64, disk_reserve_bytes) F(u8, skip_trash) \
	F(u32, commands_max) F(u32, command_timeout_ms) \
	F(u8, as_users) F(u32, uid) F(u32, gid) /* accounts' mail is written as them, everything else as these */
#define IPC_FIELDS_SETUP_RUNNER(F) F(u8, log_json) F(u32, timeout_ms) F(u64, output_bytes_max)
#define IPC_FIELDS_SETUP_RELAY(F) \
	F(span, hostname) F(u8, log_json) F(list, dns_servers) F(span, trust_anchor) F(list, own_addresses) /* "IP:PORT" */
#define IPC_FIELDS_SETUP_CONSOLE(F) F(u8, log_json) F(span, version)
/* hops: not empty for a domain that is kept elsewhere; open: of that, every recipient is taken; ..._source: number of
 * a SOURCE, 0: files; accounts: the mailboxes belong to the system's accounts */
#define IPC_FIELDS_DOMAIN(F) F(span, name) F(span, mailboxes) F(u8, subaddress) F(u8, fold) F(list, hops) F(u8, open) \
	F(u8, users_source) F(u8, aliases_source) F(u8, domains_source) F(span, catch_all) F(u8, accounts)
#define IPC_FIELDS_ROUTE(F) F(span, pattern) F(list, hops) F(span, helo) F(addr, source) \
	F(u32, connections_max) F(span, retry_ms) F(u64, give_up_ms) /* 0: nothing is said */
#define IPC_FIELDS_TABLE(F) F(span, domain) F(span, path) F(u8, aliases)
/* kind: enum source_kind; domains, users, aliases: what to ask there, or empty */
#define IPC_FIELDS_SOURCE(F) F(u8, kind) F(span, name) F(span, server) F(span, login) F(span, secret) F(u8, start_tls) \
	F(span, domains) F(span, users) F(span, aliases) F(u32, connections_max) F(u32, timeout_ms) F(u32, cache_ms)
#define IPC_FIELDS_LISTED(F) F(u8, deny) F(span, path)
#define IPC_FIELDS_SRS(F) F(span, domain) F(span, keys) F(u32, valid_days) /* keys: 16 bytes each */
#define IPC_FIELDS_INCLUDE(F) F(span, path)
#define IPC_FIELDS_LISTENER(F) F(span, name) F(u8, repair_newlines) F(u8, lmtp)
#define IPC_FIELDS_PEER(F) F(u8, role) F(u8, index) F(u32, serial) /* of the pair; comes back in PEER_LOST */
#define IPC_FIELDS_START(F) F(u32, generation)
#define IPC_FIELDS_STOP(F) F(u32, grace_ms)

#define IPC_FIELDS_READY(F) F(u32, generation)
#define IPC_FIELDS_FAILED(F) F(span, text)
/* service: it is a policy service, not a directory, without which clients go on (passed) or not; why: empty when it is
 * back */
#define IPC_FIELDS_TROUBLE(F) F(span, name) F(span, why) F(u64, since_ms) F(u8, service) F(u8, passed)
#define IPC_FIELDS_PEER_LOST(F) F(u8, role) F(u8, index) F(u32, serial)
#define IPC_FIELDS_SERVICE_ASK(F) F(span, name)
#define IPC_FIELDS_SERVICE(F) F(u32, error) /* errno; 0: a descriptor comes along */

/* at, stages, stage: enum smtp_stage and sets of it, as in policy.h; recipient: at the end the only one; check:
 * which one refused, `why` and by the setting in which line */
#define IPC_FIELDS_CHECK_ASK(F) \
	F(u8, at) F(u8, stages) F(u8, counted) F(addr, client) F(addr, server) F(u8, trusted) F(u8, lmtp) \
	F(u8, talked_first) F(span, helo) F(span, sender) F(span, recipient) F(u64, size) \
	F(u64, bytes) F(list, recipients) /* of the message, at its end */ \
	F(span, account) F(u8, encrypted) F(u8, dry) /* nothing follows from it; trusted is looked up */ \
	F(u8, extended) F(span, instance) F(u16, client_port) F(u16, server_port) F(u32, recipient_count)
#define IPC_FIELDS_CHECKED(F) \
	F(u16, key) F(u32, seconds) F(u8, stage) F(u8, again) F(u8, counted) /* stages */ F(span, check) F(span, why) \
	F(u32, line) F(span, moved_to) \
	F(u16, code) F(span, enhanced) F(span, text) /* another program's, as in struct reply_said */ \
	F(list, headers) F(u8, discard) F(u8, hold) /* what is to be done with the message */ \
	F(list, steps) F(span, reply) /* of a dry one: encoded CHECK_STEPs, and the line without its end */
/* opinion: enum policy_opinion; key: of a refusal */
#define IPC_FIELDS_CHECK_STEP(F) F(span, check) F(u8, stage) F(u8, opinion) F(u16, key) F(u32, seconds) F(u32, line) \
	F(span, why)
/* delay_for: networks; none: all strangers */
#define IPC_FIELDS_POLICY_STAGES(F) F(u8, at_once) F(u8, end_needed) F(u32, greeting_delay_ms) F(list, delay_for)
#define IPC_FIELDS_VERIFY_ASK(F) F(u8, expand) F(span, address)
#define IPC_FIELDS_VERIFIED(F) F(u16, key) F(list, mailboxes)

/* outcome: enum ipc_expansion; identity: the same for every spelling that means the same mailbox or
 * address, of MAILBOX and ROUTE; targets: list of mailboxes or addresses */
#define IPC_FIELDS_EXPAND_ASK(F) F(span, recipient) F(u8, added) F(span, sender)
/* sender: of ROUTE, what stands in the place of the message's; empty: nothing does */
#define IPC_FIELDS_EXPANDED(F) F(u8, outcome) F(span, domain) F(span, user) F(span, identity) F(list, targets) \
	F(span, sender) F(list, hops) F(span, helo) F(addr, source) F(u32, connections_max) F(span, retry_ms) \
	F(u64, give_up_ms)

/* client, bits: whose mail it is; family 0: nobody's that the queue can tell. reason: what held mail shows; notice:
 * a message to postmaster with this id, or empty. again: only what comes is held, not what is there */
#define IPC_FIELDS_HOLD_ASK(F) F(id, id) F(addr, client) F(u8, bits) F(span, reason) F(span, notice) F(u8, again)
/* noticed: the message is on stable storage */
#define IPC_FIELDS_HELD(F) F(u32, messages) F(u32, recipients) F(u8, noticed)
#define IPC_FIELDS_HOLD_END(F) F(id, id)

/* body: 0 7BIT, 1 8BITMIME, 2 BINARYMIME; notify, orcpts: of each recipient, or both empty; ret: enum dsn_ret */
#define IPC_FIELDS_SUBMIT_ASK(F) \
	F(id, id) F(u64, arrived_ms) F(span, sender) F(list, recipients) F(span, notify) F(list, orcpts) \
	F(u8, smtputf8) F(u8, body) F(u8, ret) F(span, envid) F(span, client) F(span, helo) F(span, session) \
	F(u8, again) F(u8, large) F(u64, large_bytes) F(u32, content_crc) F(span, trace) F(span, content) \
	F(u32, patience_ms) /* not 0: deliver it at once, and say within this time what became of each recipient */ \
	F(u8, hold)
/* unknown: neither kept nor refused for sure; results: of a message that was to be delivered at once, a key (u16)
 * for each recipient in their order */
#define IPC_FIELDS_SUBMITTED(F) F(u16, key) F(u8, unknown) F(span, results)
#define IPC_FIELDS_SPILL_ASK(F) F(id, id)
#define IPC_FIELDS_SPILL_READY(F) F(u16, key) F(u64, offset)
#define IPC_FIELDS_SPILL_DISCARD(F) F(id, id)

/* bytes: 0: not known; state: enum policy_mailbox; name: mailbox_state_name of what was seen, empty when nothing was */
#define IPC_FIELDS_MAILBOX_ASK(F) F(span, domain) F(span, user) F(u64, bytes) F(u8, only_look)
#define IPC_FIELDS_MAILBOX_STATE(F) F(u8, state) F(span, name)
#define IPC_FIELDS_DELIVER_ASK(F) \
	F(id, id) F(span, sender) F(span, recipient) F(span, domain) F(span, user) F(u32, attempt) \
	F(u8, body) F(u8, large) F(u64, offset) F(u64, bytes) F(u32, large_crc) F(span, content)
#define IPC_FIELDS_DELIVER_RESULT(F) F(u16, key) F(span, text)
#define IPC_FIELDS_RUN_ASK(F) F(id, id) F(span, sender) F(span, recipient) F(span, domain) F(span, user)
#define IPC_FIELDS_RUN_RESULT(F) F(u16, key) F(span, text)

/* status: enum ipc_mx_status; key: of the set of hosts, the same for all domains that share it */
#define IPC_FIELDS_MX_ASK(F) F(span, domain)
#define IPC_FIELDS_MX(F) F(u8, status) F(span, key) F(span, text)

/* hops: tried in order, "mx:DOMAIN", "smtp://HOST:PORT", "lmtp://HOST:PORT", "lmtp+unix:/PATH".
 * notify, orcpts: one for each recipient, in their order; recipients are full mailboxes. */
#define IPC_FIELDS_RELAY_ASK(F) \
	F(id, id) F(span, sender) F(list, recipients) F(span, notify) F(list, orcpts) F(u8, smtputf8) F(u8, body) \
	F(span, envid) F(u8, ret) F(list, hops) F(span, helo) F(addr, source) \
	F(u8, large) F(u64, bytes) F(u32, large_crc) F(span, content)
#define IPC_FIELDS_RELAY_ONE(F) \
	F(u8, outcome) F(u8, stage) F(u8, cause) F(u16, code) F(span, enhanced) F(span, host) F(span, text) \
	F(u8, dsn_passed)
/* results: one encoded ipc_relay_one for each recipient; outcome: enum ipc_destination, of the destination */
#define IPC_FIELDS_RELAY_RESULT(F) F(list, results) F(u8, outcome) F(span, reason)

#endif
