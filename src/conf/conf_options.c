/* SPDX-License-Identifier: Apache-2.0 */
/* The option table itself, and its few readers. A setting is here when it works, and not before. */
#include "conf_options.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define TOP(member) .section = CONF_SECTION_TOP, .offset = offsetof(struct conf, member)
#define LISTEN(member) .section = CONF_SECTION_LISTEN, .offset = offsetof(struct conf_listen, member)
#define DOMAIN(member) .section = CONF_SECTION_DOMAIN, .offset = offsetof(struct conf_domain, member)
#define ROUTE(member) .section = CONF_SECTION_ROUTE, .offset = offsetof(struct conf_route, member)
#define REASON(member) .section = CONF_SECTION_REASON, .offset = offsetof(struct conf_reason, member)
#define SOURCE(name, member) .section = CONF_SECTION_##name, .offset = offsetof(struct conf_source, member)
#define LIMITS(member) .section = CONF_SECTION_LIMITS, .offset = offsetof(struct conf, limits.member)
#define CHECK(name, member) .section = CONF_SECTION_##name, .offset = offsetof(struct conf, checks.member)
#define CHECK_LINE(member) .line_offset = offsetof(struct conf, checks.member)
#define RATE(what) .section = CONF_SECTION_RATE, .offset = offsetof(struct conf_rate, most[CONF_RATE_##what]), \
	.line_offset = offsetof(struct conf_rate, most_line[CONF_RATE_##what]), .fallback = "0"
#define SERVICE(member) .section = CONF_SECTION_POLICY_SERVICE, .offset = offsetof(struct conf_service, member)
#define DNSLIST(member) .section = CONF_SECTION_DNSLIST, .offset = offsetof(struct conf_dnslist, member)
#define QUEUE(member) .section = CONF_SECTION_QUEUE, .offset = offsetof(struct conf, queue.member)
#define BOUNCE(member) .section = CONF_SECTION_BOUNCE, .offset = offsetof(struct conf, bounce.member)
#define SRS(member) .section = CONF_SECTION_SRS, .offset = offsetof(struct conf, srs.member)
#define MBOX(member) .section = CONF_SECTION_MBOX, .offset = offsetof(struct conf, mbox.member)
#define COMMAND(member) .section = CONF_SECTION_COMMAND, .offset = offsetof(struct conf, command.member)
#define DNS(member) .section = CONF_SECTION_DNS, .offset = offsetof(struct conf, dns.member)
#define LOG(member) .section = CONF_SECTION_LOG, .offset = offsetof(struct conf, member)

/* The same for both lists. */
#define LISTED(SECTION, list) \
	{ CHECK(SECTION, list.clients), CHECK_LINE(list.clients_line), .name = "client", .type = CONF_TYPE_NETWORKS, \
	  .may_be_empty = true, .items_max = CONF_LISTED_MAX, .fallback = "{}", \
	  .example = "{\"192.0.2.0/24\", \"[2001:db8::]/32\"}", \
	  .text = "Clients, by their network.", .reason = "The smallest network that is named is told in the log." }, \
	{ CHECK(SECTION, list.helos), CHECK_LINE(list.helos_line), .name = "helo", .type = CONF_TYPE_NAMES, \
	  .may_be_empty = true, .items_max = CONF_LISTED_MAX, .fallback = "{}", .example = "{\"*.dynamic.example.net\"}", \
	  .text = "Clients, by the name that they give with HELO.", .reason = "`*.example.net` is all below that name." }, \
	{ CHECK(SECTION, list.senders), CHECK_LINE(list.senders_line), .name = "sender", .type = CONF_TYPE_MAILS, \
	  .may_be_empty = true, .items_max = CONF_LISTED_MAX, .fallback = "{}", \
	  .example = "{\"news@example.net\", \"example.com\"}", \
	  .text = "Senders, by address or domain.", .reason = "`*.example.net` is all below that domain." }, \
	{ CHECK(SECTION, list.recipients), CHECK_LINE(list.recipients_line), .name = "recipient", \
	  .type = CONF_TYPE_MAILS, .may_be_empty = true, .items_max = CONF_LISTED_MAX, .fallback = "{}", \
	  .example = "{\"abuse@example.org\"}", .text = "Recipients, by address or domain; " \
	  "`alice@example.org` is `alice+news@example.org` too.", \
	  .reason = "Mail to somebody who must be reached whatever happens, or must not be." }, \
	{ CHECK(SECTION, list.file), CHECK_LINE(list.file_line), .name = "file", .type = CONF_TYPE_PATH, \
	  .may_be_empty = true, .fallback = "\"\"", .example = "\"/etc/waybill/lists\"", \
	  .text = "A file with more of them: one in a line, behind the word `client`, `helo`, `sender` or `recipient`; " \
	          "`#` begins a comment.", \
	  .reason = "Long lists, and those that programs write. It is read again when it changes." }

/* The same in the section of each check. */
#define ONLY_FOR(CHECK_NAME) CHECK(CHECK_NAME, only_for[CONF_CHECK_##CHECK_NAME]), .name = "only-for", \
	ONLY_FOR_REST
#define ONLY_FOR_REST .type = CONF_TYPE_NETWORKS, .may_be_empty = true, .fallback = "{}", \
	.example = "{\"192.0.2.0/24\"}", \
	.text = "The networks whose clients are asked; an empty list: all clients that are not trusted.", \
	.reason = "A new rule can be tried on one network first."

/* The same in the sections of all directories. */
#define QUERY(KIND, TOPIC, TYPE) SOURCE(KIND, queries[CONF_QUERY_OF_##TOPIC]), .type = CONF_TYPE_##TYPE, \
	.fallback = "\"\"", .line_offset = offsetof(struct conf_source, query_lines[CONF_QUERY_OF_##TOPIC])
#define DOMAINS_QUERY(KIND, TYPE, EXAMPLE) QUERY(KIND, DOMAIN, TYPE), .name = "domains", .example = EXAMPLE, \
	.text = "Asks whether {domain} is a domain of ours, for the section `domain \"*\"`: an answer means yes.", \
	.reason = "Without it only the domains are known that have a section."
#define USERS_QUERY(KIND, TYPE, EXAMPLE, MORE) QUERY(KIND, USER, TYPE), .name = "users", .example = EXAMPLE, \
	.text = "Asks whether {user} has a mailbox in {domain}; {address} is both with an @ between. An answer means yes." \
		MORE, \
	.reason = "The words become parameters or are escaped: what a stranger writes is never part of the question."
#define ALIASES_QUERY(KIND, TYPE, EXAMPLE, MORE) QUERY(KIND, ALIAS, TYPE), .name = "aliases", .example = EXAMPLE, \
	.text = "Asks for whom mail to an address is meant: one address or several in each " MORE ". One that names " \
		"itself beside others keeps a copy.", \
	.reason = "It is asked before users, so a user can have mail forwarded."
#define CONNECTIONS(KIND) SOURCE(KIND, connections_max), .name = "connections", .type = CONF_TYPE_INTEGER, .min = 1, \
	.max = 64, .fallback = "4", \
	.text = "The most connections at one time.", \
	.reason = "Each answers one question at a time; answers take a millisecond or two."
#define TIMEOUT(KIND) SOURCE(KIND, timeout_ms), .name = "timeout", .type = CONF_TYPE_DURATION, .min = 50, \
	.max = 1 * MINUTE, .fallback = "5s", \
	.text = "How long one question may take, connecting included; then the recipient gets 451, and mail in the " \
		"queue waits.", \
	.reason = "After a failure it is left alone for a second and more, and questions get 451 at once."
#define CACHE(KIND) SOURCE(KIND, cache_ms), .name = "cache", .type = CONF_TYPE_DURATION, .max = 1 * HOUR, \
	.fallback = "5s", \
	.text = "How long an answer is used again; 0s: not at all.", \
	.reason = "A change in the directory is seen after this time."
#define PASSWORD_FILE(KIND) SOURCE(KIND, password_file), .name = "password-file", .type = CONF_TYPE_PATH, \
	.fallback = "\"\"", .example = "\"/etc/waybill/directory-password\"", \
	.text = "The file whose first line is the password; empty: none is sent.", \
	.reason = "It can be kept from those who may read this configuration; and is read again when it changes."

const struct conf_section_form conf_section_forms[CONF_SECTION_COUNT] = {
	[CONF_SECTION_TOP] = { "", NULL, "These stand outside all sections." },
	[CONF_SECTION_LISTEN] = { "listen", "smtp",
		"One section for each listener; at least one is required. "
		"The title is the listener's name in the log." },
	[CONF_SECTION_DOMAIN] = { "domain", "example.org",
		"One section for each domain whose mail is accepted from everybody: kept here (`mailboxes`), or passed on "
		"to where it is kept (`via`). The title is the domain's name; letters beyond ASCII may be written as "
		"they are." },
	[CONF_SECTION_ROUTE] = { "route", "*.example.net",
		"How mail to other domains leaves. The title is a domain (`example.net`), all domains below one "
		"(`*.example.net`) or `*`, all of them; the one that says most about a domain holds for it, wherever it "
		"stands. Without a route, mail goes to the MX hosts of its domain." },
	[CONF_SECTION_REASON] = { "reason", "mailbox-full",
		"When mail is tried again that did not get through for one reason, whatever its route says. The title is "
		"the reason's name, as `waybill explain` shows it; `host-down` is that of a destination that cannot be "
		"reached. Without a section, greylisted mail waits 5 and then 15 minutes, mail for a full mailbox or "
		"server an hour and then 4, for a locked mailbox (`mailbox-busy`) 15 minutes at most, after a blocklist an "
		"hour, after a rate limit 5 minutes at least." },
	[CONF_SECTION_SQLITE] = { "sqlite", "mail",
		"A database in a file, for `users`, `aliases` and `domains` with `sqlite:` and the title. It is opened for "
		"reading only." },
	[CONF_SECTION_PGSQL] = { "pgsql", "mail",
		"A PostgreSQL database, for `users`, `aliases` and `domains` with `pgsql:` and the title." },
	[CONF_SECTION_LDAP] = { "ldap", "mail",
		"An LDAP directory, for `users`, `aliases` and `domains` with `ldap:` and the title." },
	[CONF_SECTION_LIMITS] = { "limits", NULL, "How much a client may ask for, and how long it may take." },
	[CONF_SECTION_CHECKS] = { "checks", NULL,
		"What clients that are not trusted have to pass, unless they hand over by LMTP or connect to a UNIX socket. "
		"Each check has a name; those with settings have a section of that name." },
	[CONF_SECTION_ALLOW] = { "allow", NULL,
		"The check that excuses: a client, sender or recipient that is named here meets no other check but those that "
		"stand before this one or hold for everybody. It looks at all that is known, whatever the stage; a recipient "
		"is an exemption for mail to that one alone. Names in HELO and senders' addresses are easily forged, so they "
		"do not excuse from harvest." },
	[CONF_SECTION_DENY] = { "deny", NULL, "The check that refuses whom it names." },
	[CONF_SECTION_EARLY_TALK] = { "early-talk", NULL,
		"The check that a client waits to be greeted before it speaks (RFC 5321 section 3.1)." },
	[CONF_SECTION_HELO] = { "helo", NULL, "The check of the name with which a client introduces itself: it is neither "
		"this server's name nor a bare address." },
	[CONF_SECTION_SENDER_DOMAIN] = { "sender-domain", NULL,
		"The check of a sender's domain: it is not one that is kept from existing (`localhost`, `invalid`)." },
	[CONF_SECTION_REVERSE_NAME] = { "reverse-name", NULL,
		"The check that a client's address has a name in the DNS (a PTR record), and that the name leads back to the "
		"address (an A or AAAA record). The DNS is asked at the first recipient; when it does not answer within 5 s, "
		"or fails, the check has no opinion. postmaster is reached whatever the DNS says. Without `must-exist` or "
		"`must-match` nobody is asked." },
	[CONF_SECTION_DNSLISTS] = { "dnslists", NULL,
		"The check whether DNS lists have something against a client's address (RFC 5782), its name or the sender's "
		"domain, or speak for it. All sections `dnslist` are asked at the first recipient, and the weights of those "
		"that list one are added up. A list that does not answer within 5 s, or fails, has no opinion. A recipient "
		"waits for the DNS 8 s at most, whatever its checks ask there: 5 s in all for the names that the client gives "
		"(`helo`, `sender-domain`, `reverse-name`), so that at least 3 s are left for the lists. postmaster is "
		"reached whatever they say. Without `dnslist` nobody is asked." },
	[CONF_SECTION_DNSLIST] = { "dnslist", "zen.example.org",
		"One DNS list of addresses, or of names; the title is its zone. Use lists whose terms allow that you ask them, "
		"and ask them by a resolver of your own (the section `dns`): many answer no public one. A list that lists even "
		"what no list may (127.0.0.1, or the name `invalid`) was given up, and has no opinion." },
	[CONF_SECTION_RATE] = { "rate", "client",
		"The check of how much comes in how short a time. The title says from whom or for whom: `client` (a host: an "
		"IPv4 address or an IPv6 /64), `network` (IPv4 /24, IPv6 /56), `sender` (an address) or `recipient` (a mailbox "
		"here). Each may use all that a setting allows at once; it is there again after the time of `per`, evenly. Who "
		"uses more is put off until there is enough. Without these sections nothing of the kind is limited." },
	[CONF_SECTION_BRAKE] = { "brake", NULL,
		"The brake for those whom you trust: a host of a network in `trust`, or an account, that suddenly sends to "
		"many more recipients than ever is told to come back later (450 4.7.1), what it sent and is still queued is "
		"held, and the postmaster gets a message that says who, how much, since when, and what to do (where nobody is "
		"named postmaster it waits, and the client is not told that anybody heard). What is usual "
		"is learned: the busiest hour of the days before. Hosts are IPv4 addresses and IPv6 /64 networks. "
		"Programs of this host that drop mail or connect to a UNIX socket are not watched." },
	[CONF_SECTION_HARVEST] = { "harvest", NULL,
		"The check against guessing who has a mailbox. A client's network (IPv4 /24, IPv6 /64) that names too many "
		"recipients who do not exist is told to come back later, whoever it asks for, until its budget has "
		"recovered; postmaster can be reached all the time. All networks of an IPv6 /48 together have ten times that "
		"budget, those of a /32 a hundred times." },
	[CONF_SECTION_GREYLIST] = { "greylist", NULL,
		"The check that a sender comes back (RFC 6647): one that was never seen is told to try again later, which "
		"most programs that send junk do not. Its domain, where SPF says that the client may use it, or else its "
		"network (IPv4 /24, IPv6 /64) counts with its address and the recipient, so a pool of servers is one sender. "
		"SPF has to name hosts for that: where it lets everybody by `+all`, by a network larger than an IPv4 /8 or an "
		"IPv6 /16, or by `exists` or a name that is made of what the client is or says, in the domain's record or one "
		"that it includes, the network counts. It is off unless `delay` is set, since it makes all first mail of "
		"strangers late: it is for those to decide who wait for that mail." },
	[CONF_SECTION_POLICY_SERVICE] = { "policy-service", "postgrey",
		"The check of other programs, which are asked by Postfix's protocol (`check_policy_service`), such as "
		"postgrey. One section for each, asked in their order; the title is its name in the log. They hear the "
		"client's name in the DNS; postmaster is reached whatever they say. What their answers mean here stands in "
		"[Policy services](policy-services.md)." },
	[CONF_SECTION_MAILBOX] = { "mailbox", NULL,
		"The check whether a mailbox here can take the message: one that is full (Maildir++ quota, `mbox { quota }`, "
		"the system's quota, the disk), or would be with the declared size, is answered 452; a message that is larger "
		"than the whole quota 552." },
	[CONF_SECTION_QUEUE] = { "queue", NULL, "How mail is kept and when it is tried again." },
	[CONF_SECTION_BOUNCE] = { "bounce", NULL, "What senders are told about mail that is late or fails." },
	[CONF_SECTION_SRS] = { "srs", NULL,
		"Under which sender mail leaves that users or aliases forward to other hosts." },
	[CONF_SECTION_MBOX] = { "mbox", NULL,
		"How files are locked that hold all mail of a user (`mailboxes = \"mbox:...\"`), because other programs read "
		"and rewrite them too." },
	[CONF_SECTION_COMMAND] = { "command", NULL,
		"How programs are run that stand in the place of mailboxes (`mailboxes = \"command:/path -u {user}\"`): no "
		"shell, the words divided by spaces; the message on standard input; PATH, SENDER, RECIPIENT, LOCAL, EXTENSION, "
		"DOMAIN and MESSAGE_ID in the environment; never as root. What the exit code means says docs/operations.md." },
	[CONF_SECTION_DNS] = { "dns", NULL, "Where names are looked up." },
	[CONF_SECTION_LOG] = { "log", NULL, "What the log looks like; it goes to the standard error output." },
};

const struct conf_option conf_options[] = {
	{ TOP(hostname), .name = "hostname", .type = CONF_TYPE_HOST, .example = "\"mx.example.org\"",
	  .text = "The full name of this server, as it greets clients and signs Received fields.",
	  .reason = "Other servers look it up, so it should be the name that the address's PTR record gives." },
	{ TOP(data), .name = "data", .type = CONF_TYPE_PATH, .fallback = "\"/var/lib/waybill\"",
	  .text = "The folder of the queue and of all state.",
	  .reason = "A reply 250 promises that the message is on this disk." },
	{ TOP(user), .name = "user", .type = CONF_TYPE_ACCOUNT, .fallback = "\"\"", .example = "\"waybill\"",
	  .text = "The account that the roles run as when started by root; empty: they stay who they are.",
	  .reason = "Only binding ports below 1024 needs root." },
	{ TOP(trust), .name = "trust", .type = CONF_TYPE_NETWORKS, .may_be_empty = true,
	  .fallback = "{\"127.0.0.0/8\", \"[::1]\"}",
	  .text = "The networks whose clients are trusted: limits for strangers do not hold for them, "
	          "and VRFY and EXPN give them a real answer.",
	  .reason = "Whoever can connect from these networks is believed, so keep them narrow." },
	{ TOP(postmaster), .name = "postmaster", .type = CONF_TYPE_MAILBOX, .fallback = "\"\"",
	  .example = "\"alice@example.org\"",
	  .text = "The mailbox for mail to postmaster without a domain, and to the postmaster of each domain "
	          "that has no user or alias of that name.",
	  .reason = "RFC 5321 section 4.5.1 demands that postmaster is always accepted." },
	{ TOP(smtpd_processes), .name = "smtpd-processes", .type = CONF_TYPE_INTEGER, .max = 64, .fallback = "0",
	  .text = "How many processes speak with clients; 0: one for each core.",
	  .reason = "More are useful only where a limit of descriptors holds for each process." },
	{ TOP(deliveries), .name = "deliveries", .type = CONF_TYPE_INTEGER, .min = 1, .max = 64, .fallback = "16",
	  .text = "How many messages are delivered to mailboxes at the same time.",
	  .reason = "Each one waits for a sync of the disk; a disk takes several at once." },
	{ TOP(control), .name = "control", .type = CONF_TYPE_SOCKET, .fallback = "\"\"",
	  .example = "\"/run/waybill/control\"",
	  .text = "The socket through which the waybill command speaks with the server; "
	          "empty: control in the data folder.",
	  .reason = "Who may open it may steer the server." },

	{ LISTEN(addresses), .name = "address", .type = CONF_TYPE_ADDRESSES, .example = "{\"[::]:25\"}",
	  .text = "Where to listen: one or more of \"192.0.2.1:25\", \"[::]:25\" and \"unix:/path\".",
	  .reason = "[::] takes IPv4 clients as well, so one address serves both." },
	{ LISTEN(protocol), .name = "protocol", .type = CONF_TYPE_CHOICE, .choices = "smtp lmtp",
	  .fallback = "\"smtp\"",
	  .text = "What is spoken there: SMTP, or LMTP (RFC 2033), by which another mail server hands over mail and learns "
	          "for each recipient whether it is in the mailbox.",
	  .reason = "LMTP is for servers of your own, on a UNIX socket or in your network; port 25 is SMTP's." },
	{ LISTEN(bare_newline), .name = "bare-newline", .type = CONF_TYPE_CHOICE, .choices = "refuse repair",
	  .fallback = "refuse",
	  .text = "What happens to a stranger's message with a CR or LF that stands alone; those of trusted clients "
	          "are repaired.",
	  .reason = "Servers that read such line ends differently let one message pass as two (SMTP smuggling)." },
	{ LISTEN(socket_mode), .line_offset = offsetof(struct conf_listen, socket_mode_line), .name = "socket-mode",
	  .type = CONF_TYPE_MODE, .fallback = "\"0666\"", .example = "\"0660\"",
	  .text = "Who may connect to the UNIX sockets of this listener: the permissions of their files.",
	  .reason = "The folder that they lie in says it as well; a client needs the permission to write." },
	{ LISTEN(socket_group), .line_offset = offsetof(struct conf_listen, socket_group_line), .name = "socket-group",
	  .type = CONF_TYPE_GROUP, .fallback = "\"\"", .example = "\"postfix\"",
	  .text = "The group that the UNIX sockets of this listener belong to; empty: that of the server.",
	  .reason = "With socket-mode 0660 only its members can connect. The server must be root, or a member itself." },

	{ DOMAIN(mailboxes), .line_offset = offsetof(struct conf_domain, mailboxes_line), .name = "mailboxes",
	  .type = CONF_TYPE_MAILBOXES, .unless = "via", .example = "\"maildir:/var/mail/{domain}/{user}\"",
	  .text = "The mailbox of a user: a Maildir, with `mbox:` one file, or with `command:` a program that takes the "
	          "mail; {user} and {domain} stand for the parts of the address. With `users = \"system:\"` each belongs "
	          "to its user, and a path can begin with {home}: \"maildir:{home}/Maildir\".",
	  .reason = "The path must contain {user} or {home}, so that no two users share a mailbox." },
	{ DOMAIN(via), .line_offset = offsetof(struct conf_domain, via_line), .name = "via", .type = CONF_TYPE_HOPS,
	  .unless = "mailboxes", .items_max = CONF_HOPS_MAX, .example = "{\"smtp://mail.example.org\"}",
	  .text = "Where the domain is kept when it is not kept here: next hops in the order to try, as in a route, "
	          "but not \"mx\".",
	  .reason = "The MX of such a domain is this host, so DNS does not tell where its mail goes." },
	{ DOMAIN(users), .line_offset = offsetof(struct conf_domain, users_line), .name = "users",
	  .type = CONF_TYPE_TABLE, .along = "mailboxes", .example = "\"file:/etc/waybill/users\"",
	  .text = "Who has a mailbox. A file lists the names and is read again when it changes; behind a name and a "
	          "colon may stand `open`, `disabled`, `gone`, `moved=ADDRESS`, `forward=ADDRESSES` (mail goes there "
	          "and is not kept) or `copy-to=ADDRESSES` (it is kept as well), and behind a blank a comment that "
	          "begins with `#`; `waybill mailbox` writes it. Mail for a user with another word there waits (451), "
	          "and the line is reported; what other programs write there, a password or several fields without "
	          "blanks, is passed over unless it resembles one of these words. `sqlite:`, `pgsql:` and `ldap:` name "
	          "a section of that kind. `system:` means the accounts of this system from uid 1000 on, whatever their "
	          "shell, but not nobody; mail is written as them, for which the server is started as root. A domain "
	          "that is passed on may do without, and then takes mail for everybody.",
	  .reason = "With it, mail to anybody else is refused at RCPT, so that no bounce is needed later." },
	{ DOMAIN(aliases), .line_offset = offsetof(struct conf_domain, aliases_line), .name = "aliases",
	  .type = CONF_TYPE_TABLE, .fallback = "\"\"", .example = "\"file:/etc/waybill/aliases\"",
	  .text = "Which addresses stand for others: a file as sendmail's, which is read again when it changes, or a "
	          "section `sqlite`, `pgsql` or `ldap`.",
	  .reason = "Without it the domain has no aliases." },
	{ DOMAIN(domains), .line_offset = offsetof(struct conf_domain, domains_line), .name = "domains",
	  .type = CONF_TYPE_TABLE, .fallback = "\"\"", .example = "\"pgsql:mail\"",
	  .text = "Only in the section `domain \"*\"`, which stands for all domains that have none of their own: who knows "
	          "whether a domain is one of ours.",
	  .reason = "So domains come and go without a change of this file." },
	{ DOMAIN(catch_all), .name = "catch-all", .type = CONF_TYPE_ADDRESS, .fallback = "\"\"",
	  .example = "\"alice@example.org\"",
	  .text = "The address that gets the mail of all who are neither a user nor an alias; empty: it is refused. "
	          "With it, strangers are not told at RCPT that a mailbox is full: the time to look tells who has one.",
	  .reason = "It gets all the spam that is sent to guessed names as well." },
	{ DOMAIN(subaddress), .name = "subaddress", .type = CONF_TYPE_SEPARATOR, .fallback = "\"+\"",
	  .text = "The character behind which a user may add a word of their own: "
	          "alice+news is alice; empty: none.",
	  .reason = "RFC 5233 describes the custom; change it where user names contain the character." },
	{ DOMAIN(local_parts), .name = "local-parts", .type = CONF_TYPE_CHOICE, .choices = "fold exact",
	  .fallback = "fold",
	  .text = "Whether Alice and alice are the same user (fold) or two (exact).",
	  .reason = "Senders expect no difference; RFC 5321 section 2.4 leaves it to the receiving server." },

	{ ROUTE(via), .line_offset = offsetof(struct conf_route, via_line), .name = "via", .type = CONF_TYPE_HOPS,
	  .items_max = CONF_HOPS_MAX, .fallback = "\"mx\"", .example = "{\"smtp://[192.0.2.1]:25\", \"mx\"}",
	  .text = "The next hops in the order to try: \"mx\" (the hosts that DNS names), \"smtp://HOST:PORT\", "
	          "\"lmtp://HOST:PORT\" or \"lmtp+unix:/PATH\".",
	  .reason = "HOST is a name or an address, IPv6 in brackets; the ports are 25 and 24 unless written." },
	{ ROUTE(source), .line_offset = offsetof(struct conf_route, source_line), .name = "source",
	  .type = CONF_TYPE_SOURCE, .fallback = "\"\"", .example = "\"192.0.2.7\"",
	  .text = "The address of this host to connect from; empty: the system chooses.",
	  .reason = "Only hosts of the same family, IPv4 or IPv6, can be reached from it." },
	{ ROUTE(helo), .line_offset = offsetof(struct conf_route, helo_line), .name = "helo", .type = CONF_TYPE_HOST,
	  .fallback = "\"\"", .example = "\"out.example.org\"",
	  .text = "The name with which this server introduces itself; empty: hostname.",
	  .reason = "It should be the name that the source's PTR record gives." },
	{ ROUTE(connections_max), .line_offset = offsetof(struct conf_route, connections_line), .name = "connections",
	  .type = CONF_TYPE_INTEGER, .min = 1, .max = 1000, .fallback = "20",
	  .text = "The most connections at one time to one destination.",
	  .reason = "Fewer are used while a destination refuses; many servers allow no more than 20." },

	{ ROUTE(retry), .line_offset = offsetof(struct conf_route, retry_line), .name = "retry",
	  .type = CONF_TYPE_DURATIONS, .min = 1 * SECOND, .max = 7 * DAY, .may_be_empty = true, .fallback = "{}",
	  .example = "{\"5m\", \"30m\", \"2h\"}",
	  .text = "The waits between attempts on this route; an empty list: those of the section queue.",
	  .reason = "A relay of your own may be asked often; a slow system elsewhere is glad to be asked seldom. A "
	            "destination that cannot be reached is probed after the first wait, then after twice as long and "
	            "so on, up to the last one." },
	{ ROUTE(give_up_after_ms), .line_offset = offsetof(struct conf_route, give_up_line), .name = "give-up-after",
	  .type = CONF_TYPE_DURATION, .max = 30 * DAY, .fallback = "\"0s\"", .example = "\"2d\"",
	  .text = "How long mail on this route is tried before it is returned to the sender; 0s: as queue says.",
	  .reason = "Bounces are never tried for longer than bounces-give-up-after." },

	{ REASON(retry), .line_offset = offsetof(struct conf_reason, retry_line), .name = "retry",
	  .type = CONF_TYPE_DURATIONS, .min = 1 * SECOND, .max = 7 * DAY, .may_be_empty = true, .fallback = "{}",
	  .example = "{\"1h\", \"4h\"}",
	  .text = "The waits between attempts after this reason; an empty list: what is said above.",
	  .reason = "A delay that the other server names is kept to all the same." },
	{ REASON(give_up_after_ms), .line_offset = offsetof(struct conf_reason, give_up_line), .name = "give-up-after",
	  .type = CONF_TYPE_DURATION, .max = 30 * DAY, .fallback = "\"0s\"", .example = "\"2d\"",
	  .text = "A message older than this is returned to the sender at the next such answer; 0s: as its route says.",
	  .reason = "A mailbox that is full for two days is most often left by its owner." },

	{ SOURCE(SQLITE, server), .name = "file", .type = CONF_TYPE_PATH, .example = "\"/var/lib/mail/mail.db\"",
	  .text = "The database.",
	  .reason = "The server's account must be able to read it, and to look into its folder." },
	{ DOMAINS_QUERY(SQLITE, SQL, "\"SELECT name FROM domains WHERE name = {domain}\"") },
	{ USERS_QUERY(SQLITE, SQL, "\"SELECT name FROM users WHERE name = {user} AND domain = {domain}\"",
		" A second column may say how the mailbox is, or where its mail goes, as in a users file, and a third what "
		"{user} is in its path.") },
	{ ALIASES_QUERY(SQLITE, SQL, "\"SELECT target FROM aliases WHERE address = {address}\"", "row") },
	{ TIMEOUT(SQLITE) },
	{ CACHE(SQLITE) },

	{ SOURCE(PGSQL, server), .name = "connection", .type = CONF_TYPE_CONNECTION,
	  .example = "\"host=/run/postgresql dbname=mail user=waybill\"",
	  .text = "How to connect, as libpq has it: words such as host, port, dbname, user and sslmode, or a URI "
	          "`postgresql://...`; several hosts are tried in turn.",
	  .reason = "Passwords do not belong here; see password-file." },
	{ PASSWORD_FILE(PGSQL) },
	{ DOMAINS_QUERY(PGSQL, SQL, "\"SELECT name FROM domains WHERE name = {domain}\"") },
	{ USERS_QUERY(PGSQL, SQL, "\"SELECT name FROM users WHERE name = {user} AND domain = {domain}\"",
		" A second column may say how the mailbox is, or where its mail goes, as in a users file, and a third what "
		"{user} is in its path.") },
	{ ALIASES_QUERY(PGSQL, SQL, "\"SELECT target FROM aliases WHERE address = {address}\"", "row") },
	{ CONNECTIONS(PGSQL) },
	{ TIMEOUT(PGSQL) },
	{ CACHE(PGSQL) },

	{ SOURCE(LDAP, server), .name = "server", .type = CONF_TYPE_LDAP_SERVER, .example = "\"ldaps://ldap.example.org\"",
	  .text = "Where it is: `ldap://HOST`, `ldaps://HOST` or `ldapi://PATH` with `%2F` for each slash; several with a "
	          "space between are tried in turn.",
	  .reason = "Certificates are checked by the rules of /etc/ldap/ldap.conf." },
	{ SOURCE(LDAP, start_tls), .name = "start-tls", .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether a connection is encrypted by StartTLS before anything is said on it.",
	  .reason = "Over ldap:// the password would travel in the clear; ldaps:// needs no StartTLS." },
	{ SOURCE(LDAP, login), .line_offset = offsetof(struct conf_source, login_line), .name = "login",
	  .type = CONF_TYPE_NAME, .fallback = "\"\"", .example = "\"cn=waybill,dc=example,dc=org\"",
	  .text = "The name to bind with; empty: anonymously.",
	  .reason = "It needs nothing but the right to read." },
	{ PASSWORD_FILE(LDAP) },
	{ DOMAINS_QUERY(LDAP, SEARCH, "\"ou=domains,dc=example,dc=org??sub?(associatedDomain={domain})\"") },
	{ USERS_QUERY(LDAP, SEARCH, "\"ou=people,dc=example,dc=org??sub?(mail={address})\"",
		" It is written as BASE?ATTRIBUTE?SCOPE?FILTER (scope: sub unless written); the attribute may say how the "
		"mailbox is, or where its mail goes, as in a users file, and a second one, behind a comma, what {user} is in "
		"its path.") },
	{ ALIASES_QUERY(LDAP, SEARCH, "\"ou=people,dc=example,dc=org?mailForward?sub?(mail={address})\"",
		"value of the attribute") },
	{ CONNECTIONS(LDAP) },
	{ TIMEOUT(LDAP) },
	{ CACHE(LDAP) },

	{ LIMITS(message_bytes_max), .name = "message-size", .type = CONF_TYPE_SIZE, .min = 64 * KIB, .max = 1 * GIB,
	  .min_source = "RFC 5321 section 4.5.3.1.7", .fallback = "50MiB",
	  .text = "The largest message that is accepted; it is announced by SIZE.",
	  .reason = "A larger one is refused before it is sent by clients that declare its size." },
	{ LIMITS(recipients_max), .name = "recipients", .type = CONF_TYPE_INTEGER, .min = 100, .max = 10000,
	  .min_source = "RFC 5321 section 4.5.3.1.8", .fallback = "1000",
	  .text = "The most recipients of one message; further ones get 452 and are sent again by the client.",
	  .reason = "It bounds the memory of a transaction." },
	{ LIMITS(connections_max), .name = "connections", .type = CONF_TYPE_INTEGER, .min = 1, .max = 1000000,
	  .fallback = "10000",
	  .text = "The most connections at one time, all listeners together.",
	  .reason = "Each needs a descriptor; see the limit of open files that the server is started with." },
	{ LIMITS(connections_per_client_max), .name = "connections-per-client", .type = CONF_TYPE_INTEGER,
	  .max = 1000000, .fallback = "200",
	  .text = "The most connections at one time from one address that is not trusted, to each smtpd "
	          "process; 0: no limit.",
	  .reason = "One stranger alone should not use up all connections." },
	{ LIMITS(bad_commands_max), .name = "bad-commands", .type = CONF_TYPE_INTEGER, .min = 1, .max = 1000,
	  .fallback = "20",
	  .text = "After how many commands with an error a connection is closed.",
	  .reason = "Guessing and probing ends; an honest client makes no such number of errors." },
	{ LIMITS(messages_per_connection_max), .name = "messages-per-connection", .type = CONF_TYPE_INTEGER,
	  .min = 1, .max = 1000000, .fallback = "100000",
	  .text = "The most messages in one connection; the client connects again for more.",
	  .reason = "It is announced by LIMITS MAILMAX (RFC 9422)." },
	{ LIMITS(received_max), .name = "received", .type = CONF_TYPE_INTEGER, .min = 50, .max = 10000,
	  .fallback = "100",
	  .text = "A message with more Received fields than this is refused as a loop.",
	  .reason = "RFC 5321 section 6.3 names 100 as the usual threshold." },
	{ LIMITS(command_timeout_ms), .name = "command-timeout", .type = CONF_TYPE_DURATION, .min = 1 * SECOND,
	  .max = 1 * HOUR, .fallback = "5m",
	  .text = "How long a client may take for its next command.",
	  .reason = "RFC 5321 section 4.5.3.2.7 asks for 5 minutes at least." },
	{ LIMITS(data_timeout_ms), .name = "data-timeout", .type = CONF_TYPE_DURATION, .min = 1 * SECOND,
	  .max = 1 * HOUR, .fallback = "3m",
	  .text = "How long a client may pause inside a message's content.",
	  .reason = "RFC 5321 section 4.5.3.2.5 gives the sending side 3 minutes for a block." },
	{ LIMITS(data_rate_bytes_min), .name = "data-rate-min", .type = CONF_TYPE_SIZE, .max = 1 * MIB,
	  .fallback = "100B",
	  .text = "The least bytes of content in a second, averaged over a minute; 0: no limit.",
	  .reason = "A client that sends one byte now and then would hold its connection for days." },
	{ LIMITS(line_bytes_max), .name = "line-length", .type = CONF_TYPE_SIZE, .min = 1000, .max = 1 * MIB,
	  .min_source = "RFC 5321 section 4.5.3.1.6", .fallback = "64KiB",
	  .text = "The longest line inside a message.",
	  .reason = "The RFC allows 1000 bytes; many programs send longer ones, and they do no harm." },
	{ LIMITS(alias_members_max), .name = "alias-members", .type = CONF_TYPE_INTEGER, .min = 1, .max = 100000,
	  .fallback = "1000",
	  .text = "The most mailboxes that one alias may stand for, all its members expanded.",
	  .reason = "It bounds what one message can become." },
	{ LIMITS(alias_depth_max), .name = "alias-depth", .type = CONF_TYPE_INTEGER, .min = 1, .max = 64,
	  .fallback = "20",
	  .text = "How many aliases may follow one another.",
	  .reason = "It ends loops that the check for repeated names cannot see." },

	{ CHECK(CHECKS, order), .name = "order", .type = CONF_TYPE_CHOICES,
	  .choices = "allow deny early-talk helo sender-domain reverse-name dnslists rate relay brake harvest recipient "
	             "greylist policy-service mailbox",
	  .fallback = "{\"allow\", \"deny\", \"early-talk\", \"helo\", \"sender-domain\", \"relay\", \"reverse-name\", "
	              "\"dnslists\", \"brake\", \"harvest\", \"rate\", \"recipient\", \"greylist\", \"policy-service\", "
	              "\"mailbox\"}",
	  .text = "The checks in the order in which they are asked at each stage of a session (connect, HELO, MAIL, RCPT); "
	          "one that is left out is not asked.",
	  .reason = "relay (this server is no open relay) and recipient (somebody is there) hold for everybody and "
	            "cannot be left out, mailbox (it is not full) holds for everybody too; harvest must stand before "
	            "recipient, and should before rate: that somebody got much mail tells that they exist." },
	{ CHECK(CHECKS, early_refusals), .name = "early-refusals", .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether a client whose address, name or sender is not wanted is told so at once, not only at its "
	          "first recipient.",
	  .reason = "Late, the log says for whom the mail was; and some programs take no other reply for an answer." },

	LISTED(ALLOW, allow),
	LISTED(DENY, deny),

	{ CHECK(EARLY_TALK, early_talk.delay_ms), CHECK_LINE(early_talk.delay_line), .name = "delay",
	  .type = CONF_TYPE_DURATION, .max = 1 * MINUTE, .fallback = "0s", .example = "2s",
	  .text = "How long a client waits for the greeting; one that speaks meanwhile is turned away. 0s: nobody waits.",
	  .reason = "Programs that send junk are often in too much of a hurry to listen; all others wait without harm." },
	{ ONLY_FOR(EARLY_TALK) },

	{ CHECK(HELO, helo.full_name), CHECK_LINE(helo.full_name_line), .name = "full-name", .type = CONF_TYPE_BOOL,
	  .fallback = "no",
	  .text = "Whether the name must be a full host name or an address in brackets.",
	  .reason = "RFC 5321 section 4.1.4 asks for one, but some honest servers send a name of their own network." },
	{ CHECK(HELO, helo.must_resolve), CHECK_LINE(helo.must_resolve_line), .name = "must-resolve",
	  .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether the DNS, asked at the first recipient, must have an address or a mail exchanger for the name, "
	          "and an address in brackets must be the client's own.",
	  .reason = "RFC 5321 section 2.3.5 asks for it, but some honest servers send a name of their own network. While "
	            "the DNS does not answer nobody is refused, and postmaster is always reached." },
	{ ONLY_FOR(HELO) },

	{ CHECK(SENDER_DOMAIN, sender_domain.full_name), CHECK_LINE(sender_domain.full_name_line), .name = "full-name",
	  .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether the domain must have a dot in it, unless it is an address in brackets.",
	  .reason = "A bounce to root@server finds no way; but devices and scripts send from such addresses." },
	{ CHECK(SENDER_DOMAIN, sender_domain.must_exist), CHECK_LINE(sender_domain.must_exist_line), .name = "must-exist",
	  .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether the DNS is asked about the domain: one that is not there, or that no mail can be sent to, is "
	          "refused, and while the DNS does not answer the sender is told to come back. Domains of this server and "
	          "those with a `route` are not asked about.",
	  .reason = "A bounce to it finds no way; but first mail of a domain waits for the DNS, 5 s at most." },
	{ ONLY_FOR(SENDER_DOMAIN) },

	{ CHECK(REVERSE_NAME, reverse_name.must_exist), CHECK_LINE(reverse_name.must_exist_line), .name = "must-exist",
	  .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether the address must have a name: without one the client is refused (550 5.7.25), and its reply "
	          "says whether there is no PTR record, or one without a name that a host can have.",
	  .reason = "Large providers ask for one, so nearly all honest servers have it; lines at home often have one "
	            "too." },
	{ CHECK(REVERSE_NAME, reverse_name.must_match), CHECK_LINE(reverse_name.must_match_line), .name = "must-match",
	  .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether it must have one, and one of its first five names must have the address (550 5.7.25).",
	  .reason = "Who has the address can give it any name; only the owner of the name can make it lead back." },
	{ CHECK(REVERSE_NAME, reverse_name.defer), .name = "defer", .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether the client is told to come back later (450 4.7.25) instead.",
	  .reason = "A server whose DNS is put right meanwhile loses no mail, and you can watch whom it would hit." },
	{ ONLY_FOR(REVERSE_NAME) },

	{ CHECK(DNSLISTS, dnslists.refuse_at), CHECK_LINE(dnslists.refuse_line), .name = "refuse-at",
	  .type = CONF_TYPE_INTEGER, .max = 1000, .fallback = "1",
	  .text = "The weight of all lists together from which a client is refused (550 5.7.1); 0: none is.",
	  .reason = "With several lists, 2 or 3 asks that more than one of them agree." },
	{ CHECK(DNSLISTS, dnslists.defer_at), CHECK_LINE(dnslists.defer_line), .name = "defer-at",
	  .type = CONF_TYPE_INTEGER, .max = 1000, .fallback = "0", .example = "1",
	  .text = "The weight from which it is told to come back later (450 4.7.1); 0: none is.",
	  .reason = "Who was listed by mistake has time to be taken out; programs that send junk seldom come back." },
	{ ONLY_FOR(DNSLISTS) },
	{ DNSLIST(of), .name = "of", .type = CONF_TYPE_CHOICES, .choices = "client helo sender", .fallback = "{\"client\"}",
	  .items_max = CONF_DNSLIST_OF_COUNT,
	  .text = "What is looked up in it: the client's address, the name that it gives with HELO, the sender's domain. "
	          "Whichever is listed, the weight counts once.",
	  .reason = "There are lists of addresses and lists of names; see which yours is." },
	{ DNSLIST(weight), .name = "weight", .type = CONF_TYPE_INTEGER, .max = 1000, .fallback = "1",
	  .text = "What its opinion counts; 0: it is asked and shown by `waybill check rcpt`, and decides nothing.",
	  .reason = "A list that errs more often should count less; a new one can be watched first." },
	{ DNSLIST(allows), .name = "allows", .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether it is a list of good clients: its weight is taken off.",
	  .reason = "A well-kept allow list makes good what block lists get wrong." },
	{ DNSLIST(codes), .name = "codes", .type = CONF_TYPE_NETWORKS, .fallback = "{\"127.0.0.0/8\"}",
	  .example = "{\"127.0.0.2\", \"127.0.0.4/30\"}",
	  .text = "The answers that count; any other one is no opinion. 127.255.255.0/24 (you may not ask) and what is "
	          "outside 127.0.0.0/8 never count.",
	  .reason = "Lists say by the address why a client is listed; see what yours says about its own." },

	{ RATE(CONNECTIONS), .name = "connections", .type = CONF_TYPE_INTEGER, .max = 10000000, .example = "60",
	  .text = "The most connections of a client or a network; 0: any number.",
	  .reason = "More are turned away with 421 before the greeting; limits says how many there may be at one time." },
	{ RATE(MESSAGES), .name = "messages", .type = CONF_TYPE_INTEGER, .max = 10000000, .example = "600",
	  .text = "The most messages; 0: any number. Those for a recipient are counted when they are there, all others "
	          "when they begin.",
	  .reason = "Large providers send many from few hosts: better too many than too few." },
	{ RATE(RECIPIENTS), .name = "recipients", .type = CONF_TYPE_INTEGER, .max = 10000000, .example = "2000",
	  .text = "The most recipients of all messages together; 0: any number.",
	  .reason = "It also slows down who asks for many that do not exist; harvest does so sooner." },
	{ RATE(BYTES), .name = "bytes", .type = CONF_TYPE_SIZE, .max = 64 * GIB, .example = "1GiB",
	  .text = "The most content; 0: any amount. A message that was begun is taken whole, and what it was too large is "
	          "owed.",
	  .reason = "One host should not fill the disk within an hour." },
	{ .section = CONF_SECTION_RATE, .offset = offsetof(struct conf_rate, per_ms), .name = "per",
	  .type = CONF_TYPE_DURATION, .min = 1 * SECOND, .max = 1 * DAY, .fallback = "1h",
	  .text = "The time within which all of it is there again.",
	  .reason = "A short one evens out, a long one allows bursts." },
	{ .section = CONF_SECTION_RATE, .offset = offsetof(struct conf_rate, only_for), .name = "only-for",
	  ONLY_FOR_REST },

	{ CHECK(BRAKE, brake.active), CHECK_LINE(brake.active_line), .name = "active", .type = CONF_TYPE_BOOL,
	  .fallback = "yes", .text = "no switches it off.",
	  .reason = "A stolen password or a broken program sends thousands before anybody looks." },
	{ CHECK(BRAKE, brake.recipients), CHECK_LINE(brake.recipients_line), .name = "recipients",
	  .type = CONF_TYPE_INTEGER, .min = 1, .max = 10000000, .fallback = "500",
	  .text = "How many recipients within an hour are never too many, whatever is usual.",
	  .reason = "Who writes to a few people a day may write to a whole club." },
	{ CHECK(BRAKE, brake.times), .name = "times", .type = CONF_TYPE_INTEGER, .min = 1, .max = 1000, .fallback = "5",
	  .text = "How many times as many as in the busiest hour of the days before are allowed.",
	  .reason = "Business grows, but not five times within an hour." },
	{ CHECK(BRAKE, brake.hold_ms), .name = "hold", .type = CONF_TYPE_DURATION, .min = 1 * MINUTE, .max = 30 * DAY,
	  .fallback = "1d", .text = "How long nothing more is taken, unless `waybill brake release` says otherwise before.",
	  .reason = "Somebody reads the postmaster's mail within a day. Held mail stays held until somebody releases it." },
	{ CHECK(BRAKE, brake.learn_ms), .name = "learn", .type = CONF_TYPE_DURATION, .max = 30 * DAY, .fallback = "1d",
	  .text = "How long after the first start nobody is stopped, and what is usual is learned.",
	  .reason = "A new server meets busy clients on its first day." },
	{ CHECK(BRAKE, brake.except), .name = "except", .type = CONF_TYPE_NETWORKS, .may_be_empty = true, .fallback = "{}",
	  .example = "{\"192.0.2.25\"}", .text = "Hosts that are never stopped.",
	  .reason = "The server of a mailing list sends as much as its lists have members." },

	{ CHECK(HARVEST, harvest.unknown_max), CHECK_LINE(harvest.unknown_line), .name = "unknown",
	  .type = CONF_TYPE_INTEGER, .min = 1, .max = 1000000, .fallback = "100",
	  .text = "How many unknown recipients a network may name within the time that per says.",
	  .reason = "Honest senders make typing errors and keep old addresses; who guesses needs thousands." },
	{ CHECK(HARVEST, harvest.per_ms), .name = "per", .type = CONF_TYPE_DURATION, .min = 1 * SECOND, .max = 1 * DAY,
	  .fallback = "1h",
	  .text = "The time within which a budget that was used up recovers whole.",
	  .reason = "It recovers evenly, so a network that stopped guessing is soon answered again." },
	{ ONLY_FOR(HARVEST) },

	{ CHECK(GREYLIST, greylist.delay_ms), CHECK_LINE(greylist.delay_line), .name = "delay",
	  .type = CONF_TYPE_DURATION, .max = 1 * DAY, .fallback = "0s", .example = "5m",
	  .text = "How long a sender that was never seen has to wait; it is told the seconds. 0s: nobody waits.",
	  .reason = "Most servers come back after 5 to 15 minutes, so a longer wait costs more than it seems." },
	{ CHECK(GREYLIST, greylist.return_ms), .name = "return-within", .type = CONF_TYPE_DURATION, .min = 1 * SECOND,
	  .max = 30 * DAY, .fallback = "2d",
	  .text = "A sender that does not come back within this time after its first attempt is a new one again.",
	  .reason = "Servers try for days, but seldom wait longer than hours between two attempts." },
	{ CHECK(GREYLIST, greylist.keep_ms), .name = "remember", .type = CONF_TYPE_DURATION, .min = 1 * MINUTE,
	  .max = 400 * DAY, .fallback = "35d",
	  .text = "How long a sender that came back, or is known, is remembered after it was last seen.",
	  .reason = "Mail that comes once a month should not be late each time." },
	{ CHECK(GREYLIST, greylist.known_after), .name = "known-after", .type = CONF_TYPE_INTEGER, .max = 1000,
	  .fallback = "5",
	  .text = "A domain or network that came back so often, each time at least the delay after the last, is known: "
	          "none of its mail waits any more. 0: none is ever known.",
	  .reason = "Greylisting asks whether a server comes back; once that is answered, waiting is of no use." },
	{ CHECK(GREYLIST, greylist.entries_max), .name = "entries", .type = CONF_TYPE_INTEGER, .min = 100,
	  .max = 10000000, .fallback = "100000",
	  .text = "How many senders are remembered, about 300 bytes of memory each. When they are too many, those that "
	          "hardly come back any more are forgotten; if that is not enough, new ones are let through.",
	  .reason = "A server of many users sees more senders; see `waybill greylist`." },
	{ CHECK(GREYLIST, greylist.exempt), CHECK_LINE(greylist.exempt_line), .name = "exempt",
	  .type = CONF_TYPE_MAILS, .may_be_empty = true, .items_max = CONF_LISTED_MAX, .fallback = "{}",
	  .example = "{\"abuse@example.org\", \"example.net\"}",
	  .text = "Recipients, and domains here, whose mail never waits; postmaster's never does.",
	  .reason = "For who needs mail at once more than less of it." },
	{ ONLY_FOR(GREYLIST) },
	{ SERVICE(address), .line_offset = offsetof(struct conf_service, address_line), .name = "address",
	  .type = CONF_TYPE_ADDRESSES, .items_max = 1, .example = "\"127.0.0.1:10023\"",
	  .text = "Where it listens: an address and port, or `unix:` and the path of a socket.",
	  .reason = "Names are not looked up; a service of this host is at 127.0.0.1 or at a path." },
	{ SERVICE(stages), .name = "stages", .type = CONF_TYPE_CHOICES, .choices = "connect helo sender recipient end",
	  .fallback = "{\"recipient\"}", .items_max = 5,
	  .text = "The points of a session at which it is asked; `end` is the end of the message's content.",
	  .reason = "All that most services look at is known at each recipient." },
	{ SERVICE(timeout_ms), .name = "timeout", .type = CONF_TYPE_DURATION, .min = 100, .max = 20 * SECOND,
	  .fallback = "10s",
	  .text = "How long its answer is waited for, connecting included.",
	  .reason = "A client waits so long at each recipient while the service hangs." },
	{ SERVICE(connections_max), .name = "connections", .type = CONF_TYPE_INTEGER, .min = 1, .max = 100,
	  .fallback = "10",
	  .text = "How many connections to it there may be at one time; they are kept for a while and used again.",
	  .reason = "Each carries one question at a time; more questions wait for their turn." },
	{ SERVICE(pass_when_down), .line_offset = offsetof(struct conf_service, pass_line), .name = "pass-when-down",
	  .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether clients go on without it when it gives no answer; else they are told 451 and come back.",
	  .reason = "Set it for a service whose loss should not delay mail." },
	{ SERVICE(only_for), .name = "only-for", ONLY_FOR_REST },

	{ CHECK(MAILBOX, mailbox.defer_locked), CHECK_LINE(mailbox.locked_line), .name = "defer-locked",
	  .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether senders are told 450 while another program holds the mailbox; else their mail is accepted, and "
	          "waits here.",
	  .reason = "Locks are held for moments, and the queue here comes back sooner than most senders." },
	{ CHECK(MAILBOX, mailbox.full_max_ms), CHECK_LINE(mailbox.full_line), .name = "full-too-long",
	  .type = CONF_TYPE_DURATION, .max = 3650 * DAY, .fallback = "\"30d\"",
	  .text = "How long a mailbox may be full before its senders are told that waiting does not help (552 5.2.2 in "
	          "place of 452 4.2.2), at RCPT and for mail that was accepted before; 0s: never. Full is one without room "
	          "for 4 KiB, whatever size a message declares (an eighth of a quota below 32 KiB), and the time counts "
	          "from the empty file that is made then: `waybill-full` in a Maildir, `.NAME.waybill-full` beside an "
	          "mbox.",
	  .reason = "Nobody reads a mailbox that was full for weeks." },
	{ CHECK(MAILBOX, mailbox.count_trash), .name = "count-trash", .type = CONF_TYPE_BOOL, .fallback = "yes",
	  .text = "Whether the Trash counts in a Maildir's quota. Whatever else keeps the same file `maildirsize` must "
	          "count alike: Dovecot does, unless its rules say to ignore the Trash; Courier does not. Messages that "
	          "are only flagged as deleted always count.",
	  .reason = "Each program believes what the other wrote: one that counts less gives away what the other keeps." },
	{ CHECK(MAILBOX, mailbox.disk_reserve_bytes), CHECK_LINE(mailbox.disk_line), .name = "disk-reserve",
	  .type = CONF_TYPE_SIZE, .max = 1024 * GIB, .fallback = "16MiB",
	  .text = "How much room a message leaves on the disk of a mailbox; with less, senders are told 452 4.2.2.",
	  .reason = "What was accepted already, and other programs, need some as well." },
	{ CHECK(MAILBOX, mailbox.forward_moved), CHECK_LINE(mailbox.moved_line), .name = "forward-moved",
	  .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether mail for a user who has another address now (`moved=ADDRESS`) is passed on to it (251 at RCPT); "
	          "else senders are told the address (551), and mail that was accepted before is returned with it.",
	  .reason = "Told, senders correct their address books; passed on, nothing is late." },

	{ QUEUE(retry), .name = "retry", .type = CONF_TYPE_DURATIONS, .min = 1 * SECOND, .max = 7 * DAY,
	  .fallback = "{\"1m\", \"5m\", \"15m\", \"30m\", \"1h\", \"2h\", \"4h\"}",
	  .text = "How long to wait after the first, second, third ... attempt that failed for now; "
	          "the last one repeats.",
	  .reason = "RFC 5321 section 4.5.4.1: often at first, then seldom." },
	{ QUEUE(give_up_after_ms), .name = "give-up-after", .type = CONF_TYPE_DURATION, .min = 1 * SECOND,
	  .max = 30 * DAY, .fallback = "\"5d\"",
	  .text = "How long a message is tried before it is returned to the sender.",
	  .reason = "RFC 5321 section 4.5.4.1 asks for 4 to 5 days at least." },
	{ QUEUE(bounces_give_up_after_ms), .name = "bounces-give-up-after", .type = CONF_TYPE_DURATION,
	  .min = 1 * SECOND, .max = 30 * DAY, .fallback = "\"1d\"",
	  .text = "The same for messages with the null sender, which nobody gets back; not longer than give-up-after "
	          "unless set.",
	  .reason = "A bounce that cannot be delivered after a day most often never can." },
	{ QUEUE(relay_connections_max), .name = "relay-connections", .type = CONF_TYPE_INTEGER, .min = 1,
	  .max = 10000, .fallback = "500",
	  .text = "The most outgoing connections at one time, to all destinations together.",
	  .reason = "Each needs a descriptor; see the limit of open files that the server is started with." },
	{ QUEUE(paused), .name = "paused", .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether mail is accepted and kept, but not delivered.",
	  .reason = "For repairs; waybill queue resume starts delivery." },
	{ QUEUE(segment_bytes), .name = "segment-size", .type = CONF_TYPE_SIZE, .min = 1 * MIB, .max = 1 * GIB,
	  .fallback = "64MiB",
	  .text = "The size of the files in which messages are kept; a multiple of 4KiB.",
	  .reason = "They are allocated in advance and used again, which makes a sync cheap." },

	{ BOUNCE(delay_after), .name = "delay-after", .type = CONF_TYPE_DURATIONS, .min = 1 * SECOND, .max = 30 * DAY,
	  .may_be_empty = true, .items_max = CONF_DELAY_NOTICES_MAX, .fallback = "{\"4h\", \"1d\"}",
	  .text = "After which times the sender is told that a message is late; an empty list: never.",
	  .reason = "Senders can ask for no such notices themselves (RFC 3461 section 4.1)." },
	{ BOUNCE(copies), .name = "copies", .type = CONF_TYPE_BOOL, .fallback = "no",
	  .text = "Whether postmaster gets a copy of every notice of a failure.",
	  .reason = "It helps to find out what goes wrong; on a busy server it is much mail." },
	{ BOUNCE(whole_message_bytes_max), .name = "whole-message", .type = CONF_TYPE_SIZE, .max = 64 * MIB,
	  .fallback = "64KiB",
	  .text = "A message up to this size comes back whole; of a larger one only the header does.",
	  .reason = "Senders can ask for the header alone (RFC 3461 section 4.3); a large bounce is often refused." },

	{ SRS(secret_file), .name = "secret-file", .type = CONF_TYPE_PATH, .fallback = "\"\"",
	  .example = "\"/etc/waybill/srs-secrets\"",
	  .text = "The file of secrets, one a line, of 16 characters at least; with it a foreign sender of forwarded mail "
	          "becomes an address of ours (SRS). The first one signs, all are believed.",
	  .reason = "Other servers check whether we may send in the sender's name (SPF), and bounces to such an address go "
	            "home. To change it, put a new one first, and take the old one away after valid-for." },
	{ SRS(domain), .name = "domain", .type = CONF_TYPE_HOST, .fallback = "\"\"", .example = "\"example.org\"",
	  .text = "The domain of such senders; empty: the host name.",
	  .reason = "Mail for it must come to this server, and its SPF record must name this server." },
	{ SRS(valid_for_ms), .name = "valid-for", .type = CONF_TYPE_DURATION, .min = 1 * DAY, .max = 365 * DAY,
	  .fallback = "21d",
	  .text = "How long bounces to such a sender are believed, in whole days.",
	  .reason = "Servers give up after some days, and some tell it later." },

	{ MBOX(locks), .name = "locks", .type = CONF_TYPE_CHOICES, .choices = "dotlock fcntl flock",
	  .items_max = CONF_LOCK_COUNT, .fallback = "{\"dotlock\", \"fcntl\"}",
	  .text = "Which locks are taken, and in which order: the file NAME.lock beside the mailbox, and locks of the "
	          "file itself. When one is held by another program, all are given back and tried again together.",
	  .reason = "Every program at these mailboxes must share at least one of them; on Debian all take these two." },
	{ MBOX(lock_timeout_ms), .name = "lock-timeout", .type = CONF_TYPE_DURATION, .max = 1 * MINUTE,
	  .fallback = "\"10s\"",
	  .text = "How long a delivery waits for the locks; then the message stays in the queue and is tried again "
	          "within minutes.",
	  .reason = "A delivery that waits keeps one of `deliveries` busy." },
	{ MBOX(stale_lock_ms), .name = "stale-lock", .type = CONF_TYPE_DURATION, .min = 1 * MINUTE, .max = 1 * DAY,
	  .fallback = "\"10m\"",
	  .text = "A NAME.lock that nobody has touched for longer was left behind by a crash, and is taken away.",
	  .reason = "Programs that hold one for longer are expected to touch it." },
	{ MBOX(lock_pids), .name = "lock-pids", .type = CONF_TYPE_BOOL, .fallback = "yes",
	  .text = "Whether a NAME.lock is taken away at once when the process that it names has ended: PID:HOST of this "
	          "host, or a number alone on a file system of this host alone.",
	  .reason = "Say no where containers lock the same mailboxes: their process numbers mean nothing here." },

	{ MBOX(quota_bytes), .name = "quota", .type = CONF_TYPE_SIZE, .max = 1024 * GIB, .fallback = "0",
	  .text = "The most bytes of one mailbox file; 0: no limit. Maildirs have a limit each, in their file maildirsize.",
	  .reason = "One mailbox cannot fill the disk for all." },
	{ COMMAND(timeout_ms), .name = "timeout", .type = CONF_TYPE_DURATION, .min = 1 * SECOND, .max = 90 * SECOND,
	  .fallback = "\"60s\"",
	  .text = "How long a program may take; then it and all that it began are ended, and the mail waits.",
	  .reason = "What takes longer is better queued by the program itself." },
	{ COMMAND(output_bytes_max), .name = "output", .type = CONF_TYPE_SIZE, .min = 1 * KIB, .max = 16 * MIB,
	  .fallback = "64KiB",
	  .text = "How much a program may write to its output; then it is ended, and the mail waits. The first line goes "
	          "to the log, and to the sender when mail is returned.",
	  .reason = "Output is for a few words of a reason." },
	{ COMMAND(processes_max), .name = "processes", .type = CONF_TYPE_INTEGER, .min = 1, .max = 64, .fallback = "4",
	  .text = "How many programs run at the same time; other mail for them waits.",
	  .reason = "Each has a message in memory, and what it does with it takes processors and memory as well." },

	{ DNS(servers), .name = "servers", .type = CONF_TYPE_SERVERS, .may_be_empty = true,
	  .items_max = CONF_SERVERS_MAX, .fallback = "{}", .example = "{\"192.0.2.1\", \"[2001:db8::1]:5353\"}",
	  .text = "The servers to ask; an empty list: those of /etc/resolv.conf.",
	  .reason = "A resolver on the same host answers fastest; the port is 53 unless written." },
	{ DNS(trust_anchor), .name = "trust-anchor", .type = CONF_TYPE_PATH, .may_be_empty = true,
	  .fallback = "\"/usr/share/dns/root.key\"",
	  .text = "The file with the key of the root zone, by which answers are validated (DNSSEC); empty: none is.",
	  .reason = "A forged answer would send mail to a stranger." },

	{ LOG(log_format), .name = "format", .type = CONF_TYPE_CHOICE, .choices = "text json", .fallback = "text",
	  .text = "One line for each event, as key=value or as a JSON object.",
	  .reason = "JSON is for programs that collect logs." },
};

const size_t conf_option_count = sizeof(conf_options) / sizeof(conf_options[0]);
_Static_assert(sizeof(conf_options) / sizeof(conf_options[0]) <= CONF_SETTINGS_MAX, "conf.lines has room");

struct unit {
	uint64_t factor;
	const char *name;
};

static void number_write(struct buf *out, uint64_t value, const struct unit *units)
{
	while (value % units->factor != 0)
		units++;
	buf_add_u64(out, value / units->factor);
	buf_add_str(out, units->name);
}

void conf_option_write_number(const struct conf_option *option, uint64_t value, struct buf *out)
{
	static const struct unit sizes[] = { { GIB, "GiB" }, { MIB, "MiB" }, { KIB, "KiB" }, { 1, "B" } };
	static const struct unit durations[] = {
		{ DAY, "d" }, { HOUR, "h" }, { MINUTE, "m" }, { SECOND, "s" }, { 1, "ms" },
	};
	static const struct unit none[] = { { 1, "" } };
	if (value == 0)
		buf_add_byte(out, '0');
	else if (option->type == CONF_TYPE_SIZE)
		number_write(out, value, sizes);
	else if (option->type == CONF_TYPE_DURATION || option->type == CONF_TYPE_DURATIONS)
		number_write(out, value, durations);
	else
		number_write(out, value, none);
}
