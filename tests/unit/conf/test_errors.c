/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are wrong: every message, its line, and what it suggests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "conf.h"

#define HOST "hostname = \"mx.example.org\"\n"
#define LISTEN "listen \"smtp\" { address = {\"[::]:25\"} }\n"
#define BASE HOST LISTEN /* two lines */
#define DOMAIN(name) "domain \"" name "\" { mailboxes = \"maildir:/m/{user}\" users = \"file:/u\" }\n"
#define STAR \
	"domain \"*\" { mailboxes = \"maildir:/m/{domain}/{user}\" domains = \"sqlite:m\" users = \"sqlite:m\" }\n" \
	"sqlite \"m\" { file = \"/m\" domains = \"SELECT 1 WHERE {domain} = 1\" users = \"SELECT 1 WHERE {user} = 1\" }\n"
#define MASTER "postmaster = \"a@b.org\"\n"

struct error_case {
	const char *text;
	const char *report; /* all lines of it */
};

static const struct error_case cases[] = {
	/* names */
	{ BASE "greylisting = yes", "c:3: unknown setting \"greylisting\" here\n" },
	{ HOST "lisen \"smtp\" { address = \"[::]:25\" }",
	  "c: no listener; write listen \"smtp\" { address = {\"[::]:25\"} }\n"
	  "c:2: unknown section \"lisen\"; did you mean \"listen\"?\n" },
	{ BASE "hostnam = \"x\"", "c:3: unknown setting \"hostnam\" here; did you mean \"hostname\"?\n" },
	{ BASE "limits { recipient = 100 }", "c:3: unknown setting \"recipient\" here; did you mean \"recipients\"?\n" },
	{ BASE "recipients = 100",
	  "c:3: unknown setting \"recipients\" here; it belongs into a section \"limits\" or \"rate\" or "
	  "\"brake\"\n" },
	{ BASE "connections = 100",
	  "c:3: unknown setting \"connections\" here; it belongs into a section \"route\" or \"pgsql\" or \"ldap\" or \"limits\" or "
	  "\"rate\" or \"policy-service\"\n" },
	{ BASE "via = mx", "c:3: unknown setting \"via\" here; it belongs into a section \"domain\" or \"route\"\n" },
	{ BASE "queue { trust = {} }", "c:3: unknown setting \"trust\" here; it stands outside all sections\n" },
	{ BASE "limits = 5", "c:3: \"limits\" is a section; write limits { ... }\n" },
	{ BASE "domain = \"a.b\"", "c:3: \"domain\" is a section; write domain \"...\" { ... }\n" },
	{ BASE "trust { }", "c:3: \"trust\" is a setting, not a section; write trust = ...\n" },
	{ BASE "zzz { a = 1 b = 2 }", "c:3: unknown section \"zzz\"\n" },
	{ BASE "wr\x1b[2Jong = 1", "c:3: wr: a control character stands here\n" },

	/* required, doubled, titles */
	{ "", "c: hostname is missing; write hostname = \"mx.example.org\"\n"
	      "c: no listener; write listen \"smtp\" { address = {\"[::]:25\"} }\n" },
	{ HOST "listen \"x\" { }", "c:2: listen \"x\": address is missing; write address = {\"[::]:25\"}\n" },
	{ BASE MASTER "domain \"b.org\" { users = \"file:/u\" }",
	  "c:4: domain \"b.org\": mailboxes is missing; write mailboxes = \"maildir:/var/mail/{domain}/{user}\", or "
	  "via = {\"smtp://mail.example.org\"}\n" },
	{ BASE MASTER "domain \"b.org\" { }",
	  "c:4: domain \"b.org\": mailboxes is missing; write mailboxes = \"maildir:/var/mail/{domain}/{user}\", or "
	  "via = {\"smtp://mail.example.org\"}\n" },
	{ BASE MASTER "domain \"b.org\" { mailboxes = \"maildir:/m/{user}\" }",
	  "c:4: domain \"b.org\": users is missing; write users = \"file:/etc/waybill/users\"\n" },
	{ BASE MASTER "domain \"b.org\" { via = \"smtp://a.org\"\nmailboxes = \"maildir:/m/{user}\" users = \"file:/u\" }",
	  "c:4: via: cannot stand together with mailboxes in line 5; only one of them may be set\n" },
	{ BASE MASTER "domain \"b.org\" { via = \"a.org\" }",
	  "c:4: via: \"a.org\" is no next hop known here; write mx, smtp://HOST:25, lmtp://HOST:24 or lmtp+unix:/path\n" },
	{ BASE MASTER "domain \"b.org\" { mailboxes = \"\" users = \"\" }",
	  "c:4: mailboxes: \"\" is no kind of mailbox known here; write maildir:/path/{domain}/{user}, mbox:/path/{user} "
	  "or command:/path/of/a/program\n"
	  "c:4: users: \"\" is not a table; write file:/path, sqlite:NAME, pgsql:NAME, ldap:NAME or system:\n" },
	{ BASE "\n" HOST, "c:4: hostname: set for the second time; the first is in line 1\n" },
	{ BASE "limits { }\nlimits { }",
	  "c:4: limits: this section stands for the second time; the first is in line 3\n" },
	{ BASE "listen \"smtp\" { address = {\"127.0.0.1:26\"} }",
	  "c:3: listen \"smtp\": there is one of this name already, in line 2\n" },
	{ BASE MASTER DOMAIN("b.org") DOMAIN("B.ORG"), "c:5: domain \"b.org\": this domain is there already, in line 4\n" },
	{ HOST "listen { address = \"[::]:25\" }", "c:2: listen: a title is missing; write listen \"smtp\" { ... }\n" },
	{ BASE "log \"x\" { }", "c:3: log: this section has no title; write log { ... }\n" },
	{ HOST "listen \"a b\" { address = \"[::]:25\" }",
	  "c:2: listen: \"a b\" is not a title; use up to 32 letters, digits, - _ or .\n" },
	{ BASE MASTER DOMAIN("b.org") DOMAIN("1.2.3.4"),
	  "c:5: domain: \"1.2.3.4\" is not a domain name; write one like example.org\n" },

	/* values */
	{ BASE "queue { retry = {\"5minutes\"} }", "c:3: retry: \"5minutes\" is not a duration; write 5m, 2h or 1d\n" },
	{ BASE "queue {\n retry = {\n\"1m\",\n\"x\",\n\"y\"} }",
	  "c:6: retry: \"x\" is not a duration; write 5m, 2h or 1d\n"
	  "c:7: retry: \"y\" is not a duration; write 5m, 2h or 1d\n" },
	{ BASE "queue { retry = {} }", "c:3: retry: this list is empty\n" },
	{ BASE "limits { message-size = 63KiB }",
	  "c:3: message-size: \"63KiB\" is too small; the least is 64KiB (RFC 5321 section 4.5.3.1.7)\n" },
	{ BASE "limits { message-size = 2GiB }", "c:3: message-size: \"2GiB\" is too large; the most is 1GiB\n" },
	{ BASE "limits { recipients = 99 }",
	  "c:3: recipients: \"99\" is too small; the least is 100 (RFC 5321 section 4.5.3.1.8)\n" },
	{ BASE "limits { line-length = 999 }",
	  "c:3: line-length: \"999\" is too small; the least is 1000B (RFC 5321 section 4.5.3.1.6)\n" },
	{ BASE "limits { received = 49 }", "c:3: received: \"49\" is too small; the least is 50\n" },
	{ BASE "limits { command-timeout = 61m }", "c:3: command-timeout: \"61m\" is too large; the most is 1h\n" },
	{ BASE "smtpd-processes = 65", "c:3: smtpd-processes: \"65\" is too large; the most is 64\n" },
	{ BASE "deliveries = 0", "c:3: deliveries: \"0\" is too small; the least is 1\n" },
	{ BASE "deliveries = many", "c:3: deliveries: \"many\" is not a number\n" },
	{ BASE "deliveries = {1}", "c:3: deliveries: one value is wanted, not a list\n" },
	{ BASE "queue { paused = maybe }", "c:3: paused: \"maybe\" is neither yes nor no\n" },
	{ BASE "queue { segment-size = 5000000 }", "c:3: segment-size: not a multiple of 4KiB\n" },
	{ BASE "log { format = xml }", "c:3: format: \"xml\" is not known; write text or json\n" },
	{ BASE "log { format = \"\" }", "c:3: format: \"\" is not known; write text or json\n" },
	{ BASE "data = /srv/waybill", "c:3: data: \"/srv/waybill\" must stand in double quotes\n" },
	{ BASE "data = \"srv\"", "c:3: data: \"srv\" is not an absolute path; it must begin with /\n" },
	{ BASE "trust = {\"10.0.0.1/8\"}",
	  "c:3: trust: \"10.0.0.1/8\" is not a network: bits after the prefix are set, or the prefix is too long\n" },
	{ "hostname = \"mx\"\n" LISTEN,
	  "c:1: hostname: \"mx\" is not a full host name; write one like mx.example.org\n" },
	{ HOST "listen \"s\" { address = \"localhost:25\" bare-newline = allow }",
	  "c:2: address: \"localhost:25\" is not an address; write 192.0.2.1:25, [::]:25 or unix:/path\n"
	  "c:2: bare-newline: \"allow\" is not known; write refuse or repair\n" },
	{ HOST "listen \"s\" { address = \"[::]:25\" protocol = pop3 }",
	  "c:2: protocol: \"pop3\" is not known; write smtp or lmtp\n" },

	{ HOST "listen \"s\" { address = \"unix:/s\" socket-mode = 0660 socket-group = \"a b\" }",
	  "c:2: socket-mode: \"0660\" must stand in double quotes\n"
	  "c:2: socket-group: \"a b\" is not the name of a group\n" },
	{ HOST "listen \"s\" { address = \"unix:/s\" socket-mode = \"rw\" }",
	  "c:2: socket-mode: \"rw\" is not a file's permissions; write 0660 or 0666\n" },

	/* checks */
	{ BASE "checks { order = {\"recipient\", \"relay\", \"harvets\", helo, x} }",
	  "c:3: order: \"harvets\" is not known; did you mean \"harvest\"?\n"
	  "c:3: order: \"x\" is not known; write allow or deny or early-talk or helo or sender-domain or reverse-name or "
	  "dnslists or rate or relay or brake or harvest or recipient or greylist or policy-service or mailbox\n" },
	{ BASE "checks {\norder = {\"helo\", \"relay\", \"helo\", \"recipient\"} }",
	  "c:4: order: \"helo\" is in this list already\n" },
	{ BASE "checks { order = {\"relay\", \"harvest\"} }", "c:3: order: relay and recipient cannot be left out\n" },
	{ BASE "checks { order = {\"recipient\"} }", "c:3: order: relay and recipient cannot be left out\n" },
	{ BASE "checks { order = {\"relay\", \"recipient\", \"harvest\"} }",
	  "c:3: order: harvest must stand before recipient, which otherwise says who exists\n" },
	{ BASE "checks { order = {} }", "c:3: order: this list is empty\n" },
	{ BASE "harvest { unknown = 0 per = 500ms }",
	  "c:3: unknown: \"0\" is too small; the least is 1\n"
	  "c:3: per: \"500ms\" is too small; the least is 1s\n" },
	{ BASE "brake {\nrecipients = 0\ntimes = 0\nhold = 10s\nlearn = 31d\nactive = off\nexcept = {\"10.0.0.1/8\"} }",
	  "c:4: recipients: \"0\" is too small; the least is 1\n"
	  "c:5: times: \"0\" is too small; the least is 1\n"
	  "c:6: hold: \"10s\" is too small; the least is 1m\n"
	  "c:7: learn: \"31d\" is too large; the most is 30d\n"
	  "c:8: active: \"off\" is neither yes nor no\n"
	  "c:9: except: \"10.0.0.1/8\" is not a network: bits after the prefix are set, or the prefix is too long\n" },
	{ BASE "deny { file = \"relative/list\" }", "c:3: file: \"relative/list\" is not an absolute path; it must begin with /\n" },
	{ BASE "brakes { }", "c:3: unknown section \"brakes\"; did you mean \"brake\"?\n" },
	{ BASE "brake { recipient = 5 }", "c:3: unknown setting \"recipient\" here; did you mean \"recipients\"?\n" },
	{ BASE "deny {\nclient = {\"192.0.2.1/24\"}\nhelo = {\"*\", \"a b\", \"\"}\nsender = {\"*\", \"@x.test\", \"a@*.x.test\"}\n"
	       "recipients = {} }",
	  "c:4: client: \"192.0.2.1/24\" is not a network: bits after the prefix are set, or the prefix is too long\n"
	  "c:5: helo: \"*\" is not a name; write mail.example.net, or *.example.net for all below\n"
	  "c:5: helo: \"a b\" is not a name; write mail.example.net, or *.example.net for all below\n"
	  "c:5: helo: \"\" is not a name; write mail.example.net, or *.example.net for all below\n"
	  "c:6: sender: \"*\" is neither an address nor a domain; write spam@example.net, example.net or *.example.net\n"
	  "c:6: sender: \"@x.test\" is not an address; write one like alice@example.org\n"
	  "c:6: sender: \"a@*.x.test\" is not an address; write one like alice@example.org\n"
	  "c:7: unknown setting \"recipients\" here; did you mean \"recipient\"?\n" },
	{ BASE "dnslist \"a.test\" { }\ndnslist \"A.test\" { }", "c:4: dnslist \"a.test\": there is one already, in line 3\n" },
	{ BASE "dnslist \"zen\" { }", "c:3: dnslist: \"zen\" is not a full host name; write one like mx.example.org\n" },
	{ BASE "dnslist { }", "c:3: dnslist: a title is missing; write dnslist \"zen.example.org\" { ... }\n" },
	{ BASE "policy-service \"a\" {\n}", "c:3: policy-service \"a\": address is missing; write address = \"127.0.0.1:10023\"\n" },
	{ BASE "policy-service {\naddress = \"127.0.0.1:1\" }",
	  "c:3: policy-service: a title is missing; write policy-service \"postgrey\" { ... }\n" },
	{ BASE "policy-service \"a b\" {\naddress = \"127.0.0.1:1\" }",
	  "c:3: policy-service: \"a b\" is not a title; use up to 32 letters, digits, - _ or .\n" },
	{ BASE "policy-service \"a\" {\naddress = \"localhost:1\" }",
	  "c:4: address: \"localhost:1\" is not an address; write 192.0.2.1:25, [::]:25 or unix:/path\n" },
	{ BASE "policy-service \"a\" {\naddress = {\"127.0.0.1:1\", \"127.0.0.1:2\"} }",
	  "c:4: address: this list is too long; 1 values are the most\n" },
	{ BASE "policy-service \"a\" { address = \"127.0.0.1:1\"\nstages = {}\ntimeout = 21s\nconnections = 0\n }",
	  "c:4: stages: this list is empty\nc:5: timeout: \"21s\" is too large; the most is 20s\n"
	  "c:6: connections: \"0\" is too small; the least is 1\n" },
	{ BASE "policy-service \"a\" { address = \"127.0.0.1:1\"\nstages = {\"recipients\"} }",
	  "c:4: stages: \"recipients\" is not known; did you mean \"recipient\"?\n" },
	{ BASE "policy-service \"a\" { address = \"127.0.0.1:1\" }\npolicy-service \"a\" { address = \"127.0.0.1:2\" }",
	  "c:4: policy-service \"a\": there is one already, in line 3\n" },
	{ BASE "rate \"clients\" { }", "c:3: rate: \"clients\" is nothing that has a rate here; did you mean \"client\"?\n" },
	{ BASE "rate \"x\" { }",
	  "c:3: rate: \"x\" is nothing that has a rate here; write client, network, sender or recipient\n" },
	{ BASE "rate { }", "c:3: rate: a title is missing; write rate \"client\" { ... }\n" },
	{ BASE "rate \"client\" { }\nrate \"client\" { messages = 5 }", "c:4: rate \"client\": there is one already, in line 3\n" },
	{ BASE "rate \"sender\" {\nconnections = 5 }",
	  "c:4: connections: not counted for a sender; that has a rate of messages, recipients and bytes\n" },
	{ BASE "rate \"recipient\" {\nconnections = 5\nmessages = 5\nrecipients = 5\nbytes = 5 }",
	  "c:4: connections: not counted for a recipient; that has a rate of messages alone\n"
	  "c:6: recipients: not counted for a recipient; that has a rate of messages alone\n"
	  "c:7: bytes: not counted for a recipient; that has a rate of messages alone\n" },
	{ BASE "rate \"client\" { message = 5 bytes = 65GiB per = 0s }",
	  "c:3: unknown setting \"message\" here; did you mean \"messages\"?\n"
	  "c:3: bytes: \"65GiB\" is too large; the most is 64GiB\n"
	  "c:3: per: \"0s\" is too small; the least is 1s\n" },
	{ BASE "helo { fullname = yes }", "c:3: unknown setting \"fullname\" here; did you mean \"full-name\"?\n" },
	{ BASE "greylist { delay = 2d }",
	  "c:3: delay: \"2d\" is too large; the most is 1d\n" },
	{ BASE "greylist {\n return-within = 5m\n delay = 5m }",
	  "c:4: greylist: return-within must be longer than delay, or nobody can come back in time\n" },
	{ BASE "greylist { delay = 5m exempt = {\"abuse@\", \"\", \"a..b\", x@[192.0.2.1]} }",
	  "c:3: exempt: \"abuse@\" is not an address; write one like alice@example.org\n"
	  "c:3: exempt: \"\" is neither an address nor a domain; write spam@example.net, example.net or *.example.net\n"
	  "c:3: exempt: \"a..b\" is neither an address nor a domain; write spam@example.net, example.net or *.example.net\n"
	  "c:3: exempt: \"x@[192.0.2.1]\" must stand in double quotes\n" },
	{ BASE "greylist { delay = 5m entries = 99 known-after = 1001 }",
	  "c:3: entries: \"99\" is too small; the least is 100\n"
	  "c:3: known-after: \"1001\" is too large; the most is 1000\n" },
	{ BASE "harvets { }", "c:3: unknown section \"harvets\"; did you mean \"harvest\"?\n" },
	{ BASE "helo { only-for = {\"192.0.2.1/24\"} }",
	  "c:3: only-for: \"192.0.2.1/24\" is not a network: bits after the prefix are set, or the prefix is too long\n" },

	/* values of mailboxes */
	{ BASE "mbox { locks = {} }", "c:3: locks: this list is empty\n" },
	{ BASE "mbox { locks = {fcntl, lockf} }",
	  "c:3: locks: \"lockf\" is not known; write dotlock or fcntl or flock\n" },
	{ BASE "mbox { locks = {fcntl, dotlock, fcntl} }", "c:3: locks: one of them is in this list twice\n" },
	{ BASE "mbox { locks = {fcntl, dotlock, flock, fcntl} }",
	  "c:3: locks: this list is too long; 3 values are the most\n" },
	{ BASE "mbox { lock-timeout = 61s stale-lock = 59s lock-pids = 1 }",
	  "c:3: lock-timeout: \"61s\" is too large; the most is 1m\n"
	  "c:3: stale-lock: \"59s\" is too small; the least is 1m\n"
	  "c:3: lock-pids: \"1\" is neither yes nor no\n" },

	/* values of relaying */
	{ BASE "route { }", "c:3: route: a title is missing; write route \"*.example.net\" { ... }\n" },
	{ BASE "route \"*example.net\" { }",
	  "c:3: route: \"*example.net\" is not a pattern; write example.net, *.example.net or *\n" },
	{ BASE "route \"*\" { via = {} }", "c:3: via: this list is empty\n" },
	{ BASE "route \"*\" { via = {\"smtp://a.org\", smtp://b.org} }",
	  "c:3: via: \"smtp://b.org\" must stand in double quotes\n" },
	{ BASE "route \"*\" { via = \"smtps://a.org\" }",
	  "c:3: via: \"smtps://a.org\" is no next hop known here; write mx, smtp://HOST:25, lmtp://HOST:24 or "
	  "lmtp+unix:/path\n" },
	{ BASE "route \"*\" { via = \"smtp://2001:db8::1\" }",
	  "c:3: via: \"smtp://2001:db8::1\" names no host; write one like smtp://mail.example.org:25 or "
	  "smtp://[2001:db8::1]:25\n" },
	{ BASE "route \"*\" { via = \"lmtp+unix:run\" }",
	  "c:3: via: \"lmtp+unix:run\" is not an absolute path; it must begin with /\n" },
	{ BASE "route \"*\" {\nsource = \"eth0\"\nhelo = \"out\"\nconnections = 0\n}",
	  "c:4: source: \"eth0\" is not an address of this host; write one like 192.0.2.7 or 2001:db8::7\n"
	  "c:5: helo: \"out\" is not a full host name; write one like mx.example.org\n"
	  "c:6: connections: \"0\" is too small; the least is 1\n" },
	{ BASE "dns { servers = \"ns.example.org\" trust-anchor = \"root.key\" }",
	  "c:3: servers: \"ns.example.org\" is not the address of a server; write 192.0.2.1 or [2001:db8::1]:53\n"
	  "c:3: trust-anchor: \"root.key\" is not an absolute path; it must begin with /\n" },
	{ BASE "dns { servers = {\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\", \"10.0.0.4\", \"10.0.0.5\", \"10.0.0.6\","
	       " \"10.0.0.7\", \"10.0.0.8\", \"10.0.0.9\"} }",
	  "c:3: servers: this list is too long; 8 values are the most\n" },
	{ BASE "bounce { delay-after = {1h, 2h, 3h, 4h, 5h} }",
	  "c:3: delay-after: this list is too long; 4 values are the most\n" },
	{ BASE "bounce { whole-message = 65MiB }", "c:3: whole-message: \"65MiB\" is too large; the most is 64MiB\n" },

	/* contradictions */
	{ BASE "route \"a.net\" { }\nroute \"A.net\" { }",
	  "c:4: route \"a.net\": there is one of this pattern already, in line 3\n" },
	{ BASE MASTER DOMAIN("b.org") "route \"b.org\" { }",
	  "c:5: route \"b.org\": the section domain in line 4 says already where this mail goes\n" },
	{ BASE "route \"*\" { via = {\"mx\", \"smtp://A.org:25\", mx, \"smtp://a.org\"} }",
	  "c:3: via: \"mx\" must stand in double quotes\n" },
	{ BASE "route \"*\" { via = {\"mx\", \"smtp://A.org:25\", \"mx\", \"smtp://a.org\"} }",
	  "c:3: via: \"mx\" is in this list already\nc:3: via: \"smtp://a.org\" is in this list already\n" },
	{ BASE MASTER "domain \"b.org\" { users = \"file:/u\" via = {\"smtp://a.org\",\n\"mx\"} }",
	  "c:5: via: \"mx\" is not possible for a domain of this server; name the host that keeps it\n" },
	{ BASE "route \"*\" { source = \"2001:db8::1\" via = {\"mx\", \"smtp://192.0.2.1\"} }",
	  "c:3: source: an IPv6 address cannot reach \"smtp://192.0.2.1\" of via, which is IPv4\n" },
	{ BASE "route \"*\" { source = \"192.0.2.1\" via = {\"smtp://[2001:db8::1]\"} }",
	  "c:3: source: an IPv4 address cannot reach \"smtp://[2001:db8::1]\" of via, which is IPv6\n" },
	{ BASE "route \"*\" { source = \"192.0.2.1\" via = {\"lmtp+unix:/a\", \"lmtp+unix:/b\"} }",
	  "c:3: source: a UNIX socket is not connected to from an address\n" },
	{ BASE "route \"*\" { via = {\"smtp://MX.example.org\", \"smtp://127.0.0.2:25\", \"lmtp://[::1]:25\"} }",
	  "c:3: via: \"smtp://MX.example.org\" is this server itself, which listens there (line 2); mail would go in "
	  "circles\n"
	  "c:3: via: \"smtp://127.0.0.2:25\" is this server itself, which listens there (line 2); mail would go in "
	  "circles\n"
	  "c:3: via: \"lmtp://[::1]:25\" is this server itself, which listens there (line 2); mail would go in "
	  "circles\n" },
	{ HOST "listen \"b\" { address = {\"192.0.2.1:25\", \"0.0.0.0:26\", \"unix:/s\"} }\n"
	  "route \"*\" { via = {\"smtp://192.0.2.1\", \"smtp://192.0.2.2\", \"smtp://[::1]:26\", \"lmtp+unix:/s\"} }",
	  "c:3: via: \"smtp://192.0.2.1\" is this server itself, which listens there (line 2); mail would go in "
	  "circles\n"
	  "c:3: via: \"lmtp+unix:/s\" is this server itself, which listens there (line 2); mail would go in circles\n" },
	{ BASE MASTER "domain \"b.org\" { users = \"file:/u\" via = \"smtp://127.0.0.1\" }",
	  "c:4: via: \"smtp://127.0.0.1\" is this server itself, which listens there (line 2); mail would go in "
	  "circles\n" },
	{ BASE "dns { servers = {\"192.0.2.1:53\", \"192.0.2.1\", \"192.0.2.1:54\"} }",
	  "c:3: servers: \"192.0.2.1\" is in this list already\n" },
	{ BASE "bounce { delay-after = {1d, 4h} }",
	  "c:3: delay-after: each time is counted from the arrival, so it must be longer than the one before\n" },
	{ BASE "bounce { delay-after = {4h, 4h} }",
	  "c:3: delay-after: each time is counted from the arrival, so it must be longer than the one before\n" },
	{ BASE "bounce { copies = yes }", "c:3: copies: there is nobody to get them; set postmaster\n" },
	{ BASE "queue { bounces-give-up-after = 30s }",
	  "c:3: bounces-give-up-after: shorter than the first wait of retry, so no bounce would be tried twice\n" },
	{ BASE "queue { retry = 2d }",
	  "c:3: bounces-give-up-after: shorter than the first wait of retry, so no bounce would be tried twice\n" },
	{ BASE "queue { give-up-after = 30s }",
	  "c:3: give-up-after: shorter than the first wait of retry, so nothing would be tried twice\n" },
	{ BASE "queue { retry = \"6d\" }",
	  "c:3: give-up-after: shorter than the first wait of retry, so nothing would be tried twice\n" },
	{ BASE "listen \"b\" { address = \"127.0.0.1:25\" }",
	  "c:3: address: \"127.0.0.1:25\" is taken already by \"[::]:25\" in line 2\n" },
	{ HOST "listen \"b\" { address = {\"127.0.0.1:25\", \"127.0.0.2:25\", \"0.0.0.0:26\", \"[::1]:26\"} }\n"
	  "listen \"c\" { address = {\"127.0.0.2:25\", \"unix:/s\", \"unix:/s\"} }",
	  "c:3: address: \"127.0.0.2:25\" is taken already by \"127.0.0.2:25\" in line 2\n"
	  "c:3: address: \"unix:/s\" is taken already by \"unix:/s\" in line 3\n" },
	{ HOST "listen \"s\" { address = {\"127.0.0.1:24\", \"[::1]:25\"} protocol = lmtp }",
	  "c:2: address: \"[::1]:25\" is SMTP's port, where LMTP must not be spoken (RFC 2033 section 5); write 24\n" },
	{ BASE "postmaster = \"a@c.org\"\n" DOMAIN("b.org"),
	  "c:3: postmaster: \"c.org\" is not a domain here; name a mailbox of one that is\n" },

	/* grammar */
	{ BASE "data = \"/srv\nuser = \"\"", "c:3: data: a string is not closed: a \" is missing\n" },
	{ "hostname = \"mx\n" LISTEN, "c:1: hostname: a string is not closed: a \" is missing\n" },
	{ HOST "listen \"smtp {\n address = \"[::]:25\"\n}\n", "c:2: listen: a string is not closed: a \" is missing\n" },
	{ HOST "listen \"smtp\" { address = }\n", "c:2: address: a value is missing after =\n" },
	{ BASE "dat = ", "c:3: dat: a value is missing after =\n"
	  "c:3: unknown setting \"dat\" here; did you mean \"data\"?\n" },
	{ BASE "data = \"/s\\n\"\n", "c:3: data: a backslash in a string is written \\\\\n" },
	{ BASE "data = \"/a\tb\"", "c:3: data: a control character stands in a string\n" },
	{ BASE "data = \"/\xff\"", "c:3: data: a string is not valid UTF-8\n" },
	{ BASE "\xff = 1", "c:3: a word is not valid UTF-8\n" },
	{ BASE "data =\nuser = \"\"", "c:3: data: a value is missing after =\n" },
	{ BASE "data = ", "c:3: data: a value is missing after =\n" },
	{ BASE "data = = 5\nuser = \"\"", "c:3: data: a value is missing after =\n" },
	{ BASE "data \"/srv\"\nuser = \"\"",
	  "c:3: data: an = is missing before the value, or a { after the title\n" },
	{ BASE "log {\n format \"text\"\n}",
	  "c:4: format: an = is missing before the value, or a { after the title\n" },
	{ BASE "data\nuser = \"\"", "c:3: data: neither = nor { follows\n" },
	{ BASE "{ x = 1 }", "c:3: a setting or a section begins with a name\n" },
	{ BASE "}\n", "c:3: this } closes nothing\n" },
	{ BASE "log {\nformat = json", "c:3: log: this section is not closed: a } is missing\n" },
	{ BASE "log {\nformat = json\nqueue { paused = yes }\n}",
	  "c:3: log: this section is not closed: a } is missing\n" },
	{ HOST "listen \"smtp {\n address = \"[::]:25\"\n}\n" LISTEN,
	  "c:2: listen: a string is not closed: a \" is missing\n" },
	{ BASE "trust = {\"[::1]\" \"127.0.0.1\"}", "c:3: trust: a comma or } is missing in this list\n" },
	{ BASE "trust = {\"[::1]\"\nuser = \"\"", "c:3: trust: a comma or } is missing in this list\n" },
	{ BASE "trust = {\"[::1]\", = }\nuser = \"\"", "c:3: trust: a value or } is missing in this list\n" },
	{ BASE "trust = {,\n\"[::1]\",\n\"127.0.0.1\"\n}\nuser = \"\"",
	  "c:3: trust: a value or } is missing in this list\n" },
	{ BASE "trust = {\"[::1]\", {\"127.0.0.1\"}}\nuser = \"-\"",
	  "c:3: trust: a value or } is missing in this list\n"
	  "c:4: user: \"-\" is not the name of an account\n" },

	/* all at once, in the order of the lines */
	{ "hostname = \"mx.a.org\"\n" LISTEN "reason \"mailbox-ful\" { }\nreason { }\nreason \"accepted\" { }",
	  "c:3: reason: \"mailbox-ful\" is no reason to try again; did you mean \"mailbox-full\"?\n"
	  "c:4: reason: a title is missing; write reason \"mailbox-full\" { ... }\n"
	  "c:5: reason: \"accepted\" is no reason to try again; there are mailbox-full, mailbox-busy, greylisted, rate-limited, "
	  "host-down and more: see reason in configuration.md, or the reason that waybill explain shows for a reply\n" },
	{ BASE "reason \"mailbox-locked\" { }\nreason \"mailbox-disabled\" { }",
	  "c:3: reason: \"mailbox-locked\" is a reply, whose reason is \"mailbox-busy\"; write reason \"mailbox-busy\" { ... }\n"
	  "c:4: reason: \"mailbox-disabled\" is a reply, whose reason is \"user-disabled\"; write reason \"user-disabled\" { ... }\n" },
	{ "hostname = \"mx.a.org\"\n" LISTEN "reason \"greylisted\" { retry = {2h} give-up-after = 1h }\nreason \"greylisted\" { }\n"
	  "route \"*\" { retry = {6d} }",
	  "c:3: give-up-after: shorter than the first wait of retry, so nothing would be tried twice\n"
	  "c:4: reason \"greylisted\": there is one already, in line 3\n"
	  "c:5: retry: the first wait is longer than give-up-after, so nothing would be tried twice\n" },
	{ "log { format = 1 }\nhostnam = 1\nlisten \"\" { }\ndata = 5\n",
	  "c: hostname is missing; write hostname = \"mx.example.org\"\n"
	  "c:1: format: \"1\" is not known; write text or json\n"
	  "c:2: unknown setting \"hostnam\" here; did you mean \"hostname\"?\n"
	  "c:3: listen: \"\" is not a title; use up to 32 letters, digits, - _ or .\n"
	  "c:3: listen \"\": address is missing; write address = {\"[::]:25\"}\n"
	  "c:4: data: \"5\" must stand in double quotes\n" },
};

static const struct error_case warnings[] = {
	{ BASE "checks { order = {\"relay\", \"recipient\"} } harvest { unknown = 5 }\nrate \"client\" { }",
	  "c:3: warning: unknown: order in line 3 leaves the check harvest out, so it has no effect\n"
	  "c:4: warning: rate: order in line 3 leaves the check rate out, so it has no effect\n" },
	{ BASE "reverse-name { defer = yes }",
	  "c:3: warning: reverse-name: without must-exist or must-match, this section has no effect\n" },
	{ BASE "checks { order = {\"relay\", \"recipient\"} }\nreverse-name { must-exist = yes }",
	  "c:4: warning: must-exist: order in line 3 leaves the check reverse-name out, so it has no effect\n" },
	{ BASE, "" },
	{ BASE DOMAIN("b.org"), "c: warning: postmaster is not set, so each domain needs a user or an alias of this name "
	  "(RFC 5321 section 4.5.1); without one its mail waits, and nobody is told whom the brake holds back\n" },
	{ HOST "listen \"s\" { address = \"127.0.0.1:24\"\nsocket-mode = \"0600\"\nsocket-group = \"mail\" }",
	  "c:3: warning: socket-mode: this listener has no UNIX socket\n"
	  "c:4: warning: socket-group: this listener has no UNIX socket\n" },
	{ BASE "postmaster = \"a@c.org\"\n" STAR,
	  "c:3: warning: postmaster: \"c.org\" has no section here, so it must be one of the domains that domain \"*\" "
	  "asks for\n" },
	{ BASE "trust = \"0.0.0.0/0\"", "c:3: warning: trust: a network with the prefix /0 trusts everybody\n" },
	{ BASE "limits { command-timeout = 1m }",
	  "c:3: warning: command-timeout: RFC 5321 section 4.5.3.2.7 asks for 5m at least\n" },
	{ BASE "limits { connections = 10 connections-per-client = 11 }",
	  "c:3: warning: connections-per-client: more than connections allows for all together, so it has no effect\n" },
	{ BASE "queue { bounces-give-up-after = 6d }",
	  "c:3: warning: bounces-give-up-after: longer than give-up-after, so bounces outlive other mail\n" },
	{ BASE "route \"*\" { connections = 6 }\nqueue { relay-connections = 5 }",
	  "c:3: warning: connections: more than relay-connections allows for all together, so it has no effect\n" },
	{ BASE "queue { relay-connections = 5 }", "" },
	{ BASE "route \"*\" { via = {\"smtp://mx.example.org:26\", \"smtp://192.0.2.1\"} }", "" },
	{ BASE MASTER "domain \"b.org\" { via = \"lmtp+unix:/s\" users = \"file:/u\" }", "" },
	{ BASE MASTER "domain \"b.org\" { via = \"lmtp+unix:/s\" }",
	  "c:4: warning: domain \"b.org\": without users every recipient is accepted, and mail for unknown ones has to "
	  "be returned later\n" },
	{ BASE "bounce { delay-after = {1h, 5d} }",
	  "c:3: warning: delay-after: not every time is before give-up-after, so that notice is never sent\n" },
	{ BASE "queue { give-up-after = 2h }",
	  "c:3: warning: give-up-after: RFC 5321 section 4.5.4.1 asks for 4d or 5d at least\n" },
};

static void case_run(const struct error_case *one, bool good)
{
	struct conf *conf;
	struct conf_report report;
	struct buf out;
	buf_init(&out, 1u << 16);
	int r = conf_parse(span_str(one->text), "c", &conf, &report);
	conf_report_write(&report, &out);
	if (r != (good ? 0 : -EINVAL) || (conf != NULL) != good
		|| !span_eq(buf_span(&out), span_str(one->report)))
		fail_msg("gives %d for\n%s\n--- and says\n%.*s--- instead of\n%s", r, one->text,
			SPAN_FMT(buf_span(&out)), one->report);
	conf_free(conf);
	buf_fini(&out);
}

static void test_errors(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		case_run(&cases[i], false);
	(void)state;
}

static void test_warnings(void **state)
{
	for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++)
		case_run(&warnings[i], true);
	(void)state;
}

/* Whatever a wrong file holds: no cut of it crashes, and the report stays within its bounds. */
static void test_every_cut_of_wrong_files(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t len = 0; len < strlen(cases[i].text); len++) {
			struct conf *conf;
			struct conf_report report;
			int r = conf_parse(span_of(cases[i].text, len), "c", &conf, &report);
			assert_int_equal(r == 0, report.error_count == 0);
			conf_free(conf);
		}
	(void)state;
}

static void test_nul_byte_is_refused(void **state)
{
	struct conf *conf;
	struct conf_report report;
	assert_int_equal(conf_parse(SPAN(BASE "data = \"/a\0b\""), "c", &conf, &report), -EINVAL);
	assert_int_equal(report.problems[0].line, 3);
	assert_int_equal(conf_parse(SPAN(BASE "\0"), "c", &conf, &report), -EINVAL);
	assert_string_equal(report.problems[0].text, "a control character stands here");
	(void)state;
}

static void test_fifty_errors_are_kept_and_the_rest_counted(void **state)
{
	struct buf text, out;
	struct conf *conf;
	struct conf_report report;
	buf_init(&text, 1u << 16);
	buf_init(&out, 1u << 16);
	buf_add_str(&text, BASE "trust = \"[::]/0\"\n");
	for (int i = 0; i < 70; i++)
		buf_add_str(&text, "x = 1\n");
	assert_int_equal(conf_parse(buf_span(&text), "c", &conf, &report), -EINVAL);
	assert_int_equal(report.error_count, 70);
	assert_int_equal(report.warning_count, 1);
	assert_int_equal(report.problem_count, CONF_PROBLEMS_MAX);
	assert_int_equal(report.problems[0].severity, CONF_ERROR);
	conf_report_write_summary(&report, &out);
	assert_true(span_eq(buf_span(&out), SPAN("70 errors and 1 warning.")));
	buf_clear(&out);
	conf_report_write(&report, &out);
	struct span tail = span_from(buf_span(&out), out.len - 16);
	assert_true(span_eq(tail, SPAN("... and 21 more.")) || span_eq(tail, SPAN(".. and 21 more.\n")));
	buf_fini(&text);
	buf_fini(&out);
	(void)state;
}

static void test_an_error_takes_the_place_of_a_warning(void **state)
{
	struct conf_report report;
	conf_report_init(&report, "c");
	conf_report_add(&report, CONF_ERROR, 1, "first");
	conf_report_add(&report, CONF_WARNING, 2, "warning");
	for (uint32_t i = 2; i < CONF_PROBLEMS_MAX; i++)
		conf_report_add(&report, CONF_ERROR, i + 1, "error");
	conf_report_add(&report, CONF_ERROR, 99, "last");
	assert_int_equal(report.problem_count, CONF_PROBLEMS_MAX);
	for (size_t i = 0; i < report.problem_count; i++)
		assert_int_equal(report.problems[i].severity, CONF_ERROR);
	assert_string_equal(report.problems[0].text, "first");
	assert_string_equal(report.problems[CONF_PROBLEMS_MAX - 1].text, "last");
	(void)state;
}

static void test_long_problem_is_clipped_at_a_character(void **state)
{
	struct conf_report report;
	char text[1000];
	memset(text, 'x', sizeof(text));
	memcpy(text + CONF_PROBLEM_BYTES_MAX - 5, "\xc3\xbc", 2);
	text[sizeof(text) - 1] = 0;
	conf_report_init(&report, "c");
	conf_report_add(&report, CONF_ERROR, 1, "%s", text);
	size_t len = strlen(report.problems[0].text);
	assert_int_equal(len, CONF_PROBLEM_BYTES_MAX - 2);
	assert_string_equal(report.problems[0].text + len - 4, "x...");
	(void)state;
}

static void test_too_many_sections_and_items(void **state)
{
	struct buf text;
	struct conf *conf;
	struct conf_report report;
	buf_init(&text, CONF_TEXT_BYTES_MAX);
	buf_add_str(&text, HOST);
	for (unsigned i = 0; i <= CONF_LISTENS_MAX; i++)
		buf_addf(&text, "listen \"l%u\" { address = \"127.0.0.1:%u\" }\n", i, i + 1);
	assert_int_equal(conf_parse(buf_span(&text), "c", &conf, &report), -EINVAL);
	assert_int_equal(report.error_count, 1);
	assert_string_equal(report.problems[0].text, "listen: 64 sections are the most");
	assert_int_equal(report.problems[0].line, 1 + CONF_LISTENS_MAX + 1);

	buf_clear(&text);
	buf_add_str(&text, HOST "listen \"l\" { address = {");
	for (unsigned i = 0; i <= CONF_LISTENS_MAX; i++)
		buf_addf(&text, "\"127.0.0.1:%u\",\n", i + 1);
	buf_add_str(&text, "} }");
	assert_int_equal(conf_parse(buf_span(&text), "c", &conf, &report), -EINVAL);
	assert_int_equal(report.error_count, 1);

	buf_clear(&text);
	buf_add_str(&text, BASE);
	for (unsigned i = 0; i <= CONF_ROUTES_MAX; i++)
		buf_addf(&text, "route \"r%u.net\" { }\n", i);
	assert_int_equal(conf_parse(buf_span(&text), "c", &conf, &report), -EINVAL);
	assert_int_equal(report.error_count, 1);
	assert_string_equal(report.problems[0].text, "route: 10000 sections are the most");

	buf_clear(&text);
	buf_add_str(&text, BASE "trust = {");
	for (unsigned i = 0; i <= CONF_LIST_ITEMS_MAX; i++)
		buf_add_str(&text, "\"[::1]\",");
	buf_add_str(&text, "}");
	assert_int_equal(conf_parse(buf_span(&text), "c", &conf, &report), -EINVAL);
	assert_int_equal(report.error_count, 1);
	buf_fini(&text);
	(void)state;
}

/* The most nodes for the fewest bytes: bounded memory, a defined answer, and not slow. */
static void test_a_file_of_nothing_but_settings_is_bounded(void **state)
{
	struct buf text;
	struct conf *conf;
	struct conf_report report;
	buf_init(&text, CONF_TEXT_BYTES_MAX);
	while (text.len + 4 <= CONF_TEXT_BYTES_MAX)
		buf_add_str(&text, "a=1 ");
	int r = conf_parse(buf_span(&text), "c", &conf, &report);
	assert_true(r == -ENOMEM || r == -EINVAL);
	assert_null(conf);
	assert_true(report.error_count > 0);
	buf_fini(&text);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_every_cut_of_wrong_files),
		cmocka_unit_test(test_nul_byte_is_refused),
		cmocka_unit_test(test_fifty_errors_are_kept_and_the_rest_counted),
		cmocka_unit_test(test_an_error_takes_the_place_of_a_warning),
		cmocka_unit_test(test_long_problem_is_clipped_at_a_character),
		cmocka_unit_test(test_too_many_sections_and_items),
		cmocka_unit_test(test_a_file_of_nothing_but_settings_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
