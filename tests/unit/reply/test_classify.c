/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies of the usual servers and what they mean: a table for the reason, others
 * for temporary or permanent in truth, lists and checks. Every text also runs cut
 * at every byte, in memory of exactly that size.
 */
#include <stdio.h>
#include <stdlib.h>

#include "classify.h"
#include "reply_test.h"

struct reason_case {
	const char *reply;
	const char *reason;
};

static const struct reason_case reason_cases[] = {
	{ "451 4.7.1 Greylisting in action, please come back in 00:05:00", "greylisted" },
	{ "450 4.2.0 <b@c.test>: Recipient address rejected: Greylisted for 5 minutes", "greylisted" },
	{ "451 Temporary local problem - greylisted, please try again in 300 seconds", "greylisted" },
	{ "451 4.3.0 Temporarily greylisted, retry=00:05:00", "greylisted" },
	{ "450 4.7.1 Try again in 10 minutes, you have been graylisted", "greylisted" },
	{ "552 5.2.2 Over quota", "mailbox-full" },
	{ "452 4.2.2 The email account that you tried to reach is over quota.", "mailbox-full" },
	{ "550 5.2.2 User has exceeded the storage limit", "mailbox-full" },
	{ "554 5.2.2 mailbox full", "mailbox-full" },
	{ "550 mailbox quota exceeded for this user", "mailbox-full" },
	{ "452 4.2.2 <a@b.test> Mailbox is full / Blocks limit exceeded / Inode limit exceeded", "mailbox-full" },
	{ "552 Requested mail action aborted: exceeded storage allocation", "mailbox-full" },
	{ "422 4.2.2 The recipient's mailbox is over its storage limit", "mailbox-full" },
	{ "550 5.7.1 Quota exceeded (mailbox for user is full)", "mailbox-full" },
	{ "552 sorry, the person you're trying to reach has an inbox that has exceeded its limit", "mailbox-full" },
	{ "550 No such user here", "user-unknown" },
	{ "550 5.1.1 <x@y.test>: Recipient address rejected: User unknown in local recipient table", "user-unknown" },
	{ "550 unknown user", "user-unknown" },
	{ "550 Invalid recipient x@y.test (#5.1.1)", "user-unknown" },
	{ "550-5.1.1 The email account that you tried to reach does not exist. Please "
		"try 550-5.1.1 double-checking the recipient's email address", "user-unknown" },
	{ "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient x@y.test not found by SMTP address lookup", "user-unknown" },
	{ "550 Requested action not taken: mailbox unavailable", "user-unknown" },
	{ "511 sorry, no mailbox here by that name (#5.1.1)", "user-unknown" },
	{ "550 Unrouteable address", "user-unknown" },
	{ "553 5.3.0 <x@y.test>... No such user here", "user-unknown" },
	{ "554 delivery error: dd Sorry your message to x@y.test cannot be delivered. This account does not exist", "user-unknown" },
	{ "550 Address unknown", "user-unknown" },
	{ "550 5.1.1 Mailbox does not exist", "user-unknown" },
	{ "551 5.1.1 x: invalid mailbox", "user-unknown" },
	{ "450 4.1.1 <x@y.test>: Recipient address rejected: unverified address: host said: 550 no such user", "user-unknown" },
	{ "550 5.1.1 unknown or illegal alias: x@y.test", "user-unknown" },
	{ "550 5.7.1 Recipient not recognised", "user-unknown" },
	{ "550 x@y.test... we do not know this person", "user-unknown" },
	{ "550 5.2.1 This mailbox has been disabled", "user-disabled" },
	{ "550 5.2.1 The user you are trying to contact is inactive", "user-disabled" },
	{ "554 30 Sorry, your message to x@y.test cannot be delivered. This mailbox is disabled (554.30)", "user-disabled" },
	{ "450 4.2.1 The user you are trying to contact is receiving mail at a rate", "rate-limited" },
	{ "550 account expired", "user-disabled" },
	{ "550 5.2.1 account has been suspended", "suspended" },
	{ "551 5.1.6 User has moved; please try new@y.test", "user-moved" },
	{ "550 5.1.6 Recipient no longer works here", "user-moved" },
	{ "450 4.2.0 Mailbox is locked by another process", "mailbox-busy" },
	{ "450 Requested mail action not taken: mailbox busy", "mailbox-busy" },
	{ "421 4.7.28 Our system has detected an unusual rate of mail from your IP. Slow down", "rate-limited" },
	{ "450 4.2.1 The user you are trying to contact is receiving mail too quickly", "rate-limited" },
	{ "451 4.7.1 Too many messages from your address this hour, try again in 1 hour", "rate-limited" },
	{ "450 4.7.1 Error: too much mail from 192.0.2.1", "rate-limited" },
	{ "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due "
		"to unexpected volume or user complaints - 4.16.55.1", "rate-limited" },
	{ "550 5.4.5 Daily user sending quota exceeded", "rate-limited" },
	{ "451 4.7.652 The mail server has exceeded the maximum number of connections", "too-many-connections" },
	{ "452 4.3.1 rate limit exceeded", "rate-limited" },
	{ "550 Message rate limit reached, wait 15 minutes", "rate-limited" },
	{ "421 4.7.0 Too many concurrent SMTP connections; please try again later", "too-many-connections" },
	{ "421 Too many connections from your host", "too-many-connections" },
	{ "421 4.3.2 Connection rate limit exceeded; too many sessions", "too-many-connections" },
	{ "452 4.5.3 Error: too many recipients", "too-many-recipients" },
	{ "550 5.5.3 Too many recipients for this sender", "too-many-recipients" },
	{ "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using "
		"zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1", "blocklisted" },
	{ "550 5.7.1 Service unavailable, Client host blocked using Spamhaus. To request removal from this list see", "blocklisted" },
	{ "550 JunkMail rejected - host is in an RBL, see http://www.barracudacentral.org", "blocklisted" },
	{ "554 IMTA-PP - 192.0.2.1 has a poor reputation", "blocklisted" },
	{ "550 5.7.511 Access denied, banned sender[192.0.2.1]", "blocklisted" },
	{ "550-192.0.2.1 is blacklisted at dnsbl.example.test", "blocklisted" },
	{ "421 4.7.0 Your IP address has been temporarily blocked due to bad reputation", "blocklisted" },
	{ "550 SC-001 Mail rejected by Outlook for policy reasons. your IP is on our block list", "blocklisted" },
	{ "550 High probability of spam: your server is listed in bl.spamcop.net", "blocklisted" },
	{ "550 5.7.26 Unauthenticated email from example.test is not accepted due to domain's DMARC policy", "auth-failure" },
	{ "550 5.7.23 The message was rejected because of Sender Policy Framework violation", "auth-failure" },
	{ "550 5.7.1 SPF check failed: 192.0.2.1 is not allowed to send mail for example.test", "auth-failure" },
	{ "550 5.7.1 DKIM signature verification failed", "auth-failure" },
	{ "554 5.7.5 Permanent error evaluating DMARC policy", "auth-failure" },
	{ "550 SPF: 192.0.2.1 is not allowed to send mail from example.test", "auth-failure" },
	{ "550 5.7.25 Client host has no PTR record", "reverse-dns" },
	{ "450 4.7.1 Client host rejected: cannot find your hostname, [192.0.2.1]", "reverse-dns" },
	{ "554 5.7.1 no reverse DNS for 192.0.2.1", "reverse-dns" },
	{ "553 5.1.8 <a@b.test>: Sender address rejected: Domain not found", "sender-rejected" },
	{ "550 Sender verify failed", "sender-rejected" },
	{ "501 5.1.8 Domain of sender address does not resolve", "sender-rejected" },
	{ "450 4.1.8 Domain of sender address a@b.test does not exist", "sender-rejected" },
	{ "550 5.7.1 Message rejected as spam by content filtering", "spam" },
	{ "554 5.7.1 The message looks like spam", "spam" },
	{ "550 5.7.1 Message contains spam or unsolicited content", "spam" },
	{ "554 5.7.1 Spam message rejected (score 12.3)", "spam" },
	{ "550 5.7.1 This message scored 15.2 spam points", "spam" },
	{ "554 5.7.1 Message infected by virus Eicar-Test", "virus" },
	{ "550 malware detected in attachment", "virus" },
	{ "552 5.3.4 Message size exceeds fixed maximum message size", "message-too-large" },
	{ "552 5.2.3 Message too large", "message-too-large" },
	{ "523 the message exceeds the size limit of 10 MB", "message-too-large" },
	{ "552 Message size exceeds maximum permitted", "message-too-large" },
	{ "530 5.7.0 Must issue a STARTTLS command first", "tls-required" },
	{ "550 5.7.10 Encryption required", "tls-required" },
	{ "454 4.7.0 TLS not available due to local problem", "tls-required" },
	{ "530 5.7.0 Authentication required", "auth-required" },
	{ "535 5.7.8 Error: authentication failed", "auth-required" },
	{ "550 5.7.1 Client does not have permissions to send as this sender: SMTP AUTH is required", "auth-required" },
	{ "554 5.7.1 <x@y.test>: Relay access denied", "relay-denied" },
	{ "550 relay not permitted", "relay-denied" },
	{ "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "relay-denied" },
	{ "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "relay-denied" },
	{ "550 we do not relay", "relay-denied" },
	{ "550 5.1.2 Host unknown (Name server: y.test: host not found)", "bad-domain" },
	{ "550 5.4.4 Host or domain name not found. Name service error for name=y.test type=AAAA: Host not found", "bad-domain" },
	{ "450 4.4.3 DNS lookup failure", "bad-domain" },
	{ "554 5.4.4 no MX for this domain", "bad-domain" },
	{ "556 5.1.10 Recipient address has null MX", "null-mx" },
	{ "550 5.1.10 Domain y.test does not accept mail (nullMX)", "null-mx" },
	{ "521 5.3.2 Server does not accept mail", "not-accepting" },
	{ "554 No SMTP service here", "not-accepting" },
	{ "554 5.4.6 Too many hops", "routing-loop" },
	{ "554 5.4.14 Hop count exceeded - possible mail loop", "routing-loop" },
	{ "Connection timed out", "network" },
	{ "connect to mx.y.test[192.0.2.9]:25: Connection refused", "network" },
	{ "lost connection with mx.y.test while sending end of data", "network" },
	{ "No route to host", "network" },
	{ "451 4.4.2 Timeout waiting for data from client", "network" },
	{ "421 4.3.2 Service not available, closing transmission channel", "host-down" },
	{ "421 System going down for maintenance", "host-down" },
	{ "421 4.3.0 server shutting down", "host-down" },
	{ "452 4.3.1 Insufficient system storage", "system-full" },
	{ "452 Requested action not taken: insufficient system storage", "system-full" },
	{ "552 5.3.1 No space left on device", "system-full" },
	{ "431 4.3.1 Out of disk space", "system-full" },
	{ "451 4.3.0 Temporary lookup failure", "system-error" },
	{ "451 Requested action aborted: local error in processing", "system-error" },
	{ "451 4.3.5 Server configuration problem", "system-error" },
	{ "554 5.3.0 internal error", "system-error" },
	{ "451 Temporary local problem - please try later", "system-error" },
	{ "503 5.5.1 Error: need MAIL command", "protocol-error" },
	{ "500 5.5.2 Error: bad syntax", "protocol-error" },
	{ "502 5.5.2 Error: command not recognized", "protocol-error" },
	{ "501 Syntactically invalid HELO argument(s)", "protocol-error" },
	{ "503 valid RCPT command must precede DATA", "protocol-error" },
	{ "500 Line too long", "protocol-error" },
	{ "554 5.6.0 Message contains invalid header", "bad-content" },
	{ "550 5.6.0 Lone CR or LF in headers (see RFC2822 section 2.2)", "bad-content" },
	{ "451 See http://pobox.com/~djb/docs/smtplf.html bare LF", "bad-content" },
	{ "550 5.6.7 SMTPUTF8 required, non-ASCII addresses not permitted", "smtputf8-needed" },
	{ "554 5.4.7 Delivery time expired", "expired" },
	{ "550 4.4.7 Message expired: retry timeout exceeded", "expired" },
	{ "550 5.7.1 Access denied", "policy" },
	{ "554 5.7.1 Message rejected for policy reasons", "policy" },
	{ "550 Administrative prohibition", "policy" },
	{ "550 5.7.1 Delivery not authorized, message refused", "policy" },
	{ "550 5.7.1 Attachment type not allowed", "policy" },
	{ "250 2.0.0 Ok: queued as 1234", "accepted" },
	{ "250 2.1.5 Recipient ok", "accepted" },
	{ "421 4.7.1 : (DYN:T1) https://postmaster.example/error-codes#421dynt1 dynamic IP not accepted", "blocklisted" },
	{ "550 5.7.1 Connections from dynamic IPs are not accepted", "blocklisted" },
	{ "521 5.2.1 (CON:B1) blocked due to reputation", "blocklisted" },
	{ "550 Mail from 192.0.2.1 refused, see RBL server bl.example.test", "blocklisted" },
	{ "554 RBL rejection: http://www.barracudacentral.org/rbl", "blocklisted" },
	{ "550 Your host is listed in a DNS block list", "blocklisted" },
	{ "451 4.7.1 Service unavailable - try again later; host listed in bl.example.test", "blocklisted" },
	{ "554-mx.example.test 554 Your access to this mail system has been "
		"rejected due to the sending MTA's poor reputation.", "blocklisted" },
	{ "550 5.7.1 [192.0.2.1 12] Our system has detected that this message is likely "
		"suspicious due to the very low reputation of the sending IP address", "blocklisted" },
	{ "550 OU-001 Mail rejected by Windows Live Hotmail for policy reasons. Reasons for rejection may "
		"be related to content with spam-like characteristics or IP/domain reputation", "blocklisted" },
	{ "550 permanent failure for one or more recipients: blocked by our reputation filter", "blocklisted" },
	{ "571 Message refused: your IP is on a blacklist", "blocklisted" },
	{ "554 Denied [CS] [5.7.1] client ip blacklisted", "blocklisted" },
	{ "550 Error: content rejected. spam detected http://spam.example.test", "spam" },
	{ "554 5.7.1 [P4] Message blocked due to spam content in the message.", "spam" },
	{ "550 Blocked by SpamAssassin", "spam" },
	{ "552 spam score exceeded threshold", "spam" },
	{ "550 This message was classified as SPAM and may not be delivered", "spam" },
	{ "550 spam message rejected. Please visit https://example.test/notspam", "spam" },
	{ "571 5.7.1 message contains content that is considered unsolicited bulk", "spam" },
	{ "554 DT:SPM mx1, message identified as spam", "spam" },
	{ "550 5.7.1 Blocked by content filter, see phish report", "spam" },
	{ "554 5.7.1 URL in message is listed at surbl", "spam" },
	{ "552 5.7.0 virus Worm.X found in message", "virus" },
	{ "554 rejected: infected attachment", "virus" },
	{ "550 Not a valid recipient", "user-unknown" },
	{ "550 #5.1.0 Address rejected.", "user-unknown" },
	{ "550 5.1.0 <a@b.test>: unknown user account", "user-unknown" },
	{ "553 5.1.3 unable to deliver: user not known", "user-unknown" },
	{ "550 Requested action not taken: mailbox not found", "user-unknown" },
	{ "550 5.1.1 sorry, no such user", "user-unknown" },
	{ "554 5.1.1 all recipients address unknown", "user-unknown" },
	{ "550 a@b.test User not listed in public Name & Address Book", "user-unknown" },
	{ "550 This user doesn't have an account here", "user-unknown" },
	{ "550 Addressee does not exist", "user-unknown" },
	{ "550 that user does not exist on this server", "user-unknown" },
	{ "554 no such recipient found", "user-unknown" },
	{ "550 5.0.0 <a@b.test>... Can't create output. User unknown", "user-unknown" },
	{ "550 RCPT rejected: no such mailbox", "user-unknown" },
	{ "550 'a@b.test' is not our local user", "user-unknown" },
	{ "550 user a@b.test not found, please check the address", "user-unknown" },
	{ "550 account a@b.test does not exist", "user-unknown" },
	{ "554 Mail for a@b.test rejected for no such user", "user-unknown" },
	{ "550 Benutzer unbekannt", "user-unknown" },
	{ "550 5.1.1 Adresse d au moins un destinataire invalide", "user-unknown" },
	{ "550 El usuario no existe", "user-unknown" },
	{ "550 5.1.1 utente non valido / utente sconosciuto", "user-unknown" },
	{ "550 non-local user", "user-unknown" },
	{ "553 Invalid email address", "user-unknown" },
	{ "550 delivery attempted but mailbox invalid", "user-unknown" },
	{ "452 4.1.1 <a@b.test> user over quota", "mailbox-full" },
	{ "550 5.2.0 Mailbox over quota", "mailbox-full" },
	{ "450 4.5.2 <a@b.test>: the user's maildir has overdrawn his diskspace quota", "mailbox-full" },
	{ "552 5.2.2 sorry, recipient mailbox is full (in reply to end of DATA)", "mailbox-full" },
	{ "554 5.7.0 Over quota, account is full", "mailbox-full" },
	{ "552 Message would exceed quota for user", "mailbox-full" },
	{ "450 4.2.2 user has too many messages on the server", "mailbox-full" },
	{ "550 Message rejected: recipient's inbox is full", "mailbox-full" },
	{ "552 quota violation for a@b.test", "mailbox-full" },
	{ "550 Mail quota exceeded", "mailbox-full" },
	{ "552 Boite pleine, quota depasse", "mailbox-full" },
	{ "550 account is overquota", "mailbox-full" },
	{ "552 disk quota exceeded", "mailbox-full" },
	{ "550 5.2.1 mailbox is inactive", "user-disabled" },
	{ "550 user account is disabled by administrator", "user-disabled" },
	{ "554 The email account has been deactivated", "user-disabled" },
	{ "550 5.7.1 account disabled", "user-disabled" },
	{ "525 5.7.13 account disabled", "user-disabled" },
	{ "554 Recipient's account is temporarily suspended", "suspended" },
	{ "550 this domain has been suspended", "suspended" },
	{ "450 4.2.0 mailbox temporarily unavailable", "mailbox-busy" },
	{ "451 4.2.1 mailbox locked, try again", "mailbox-busy" },
	{ "421 4.7.0 too many messages, slow down", "rate-limited" },
	{ "450 4.7.1 Sending rate exceeded", "rate-limited" },
	{ "451 you have sent too many emails, please wait 10 minutes", "rate-limited" },
	{ "452 4.7.1 sender quota exceeded", "rate-limited" },
	{ "550 5.7.1 sending limit exceeded", "rate-limited" },
	{ "421 RP-001 Unfortunately, some messages from your server weren't sent: exceeded the rate limit", "rate-limited" },
	{ "450 throttled, try later", "rate-limited" },
	{ "421 4.4.5 too many messages in session", "rate-limited" },
	{ "450 4.3.2 message deferred: rate limiting in effect for your IP", "rate-limited" },
	{ "451 4.7.1 policyd: you have exceeded your hourly quota", "rate-limited" },
	{ "421 Too many concurrent connections from your IP", "too-many-connections" },
	{ "421 4.7.0 maximum number of connections reached", "too-many-connections" },
	{ "421 connection limit exceeded", "too-many-connections" },
	{ "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "too-many-connections" },
	{ "451 too many sessions open", "too-many-connections" },
	{ "450 4.2.0 Graylisted, come back later", "greylisted" },
	{ "451 You have been greylisted, please retry", "greylisted" },
	{ "451 4.7.1 please try again in 5 minutes, first contact with this triplet (new triplet)", "greylisted" },
	{ "450 This mail has been temporarily deferred by greylist", "greylisted" },
	{ "550 5.7.1 rejected: sender domain fails SPF", "auth-failure" },
	{ "550 DMARC rejection for domain", "auth-failure" },
	{ "550 5.7.15 message failed DMARC evaluation", "auth-failure" },
	{ "550 5.7.9 not accepted: no SPF or DKIM", "auth-failure" },
	{ "554 5.7.9 Message not accepted due to DMARC policy", "auth-failure" },
	{ "550 DKIM: message was not signed", "auth-failure" },
	{ "550 Reverse DNS lookup failed for 192.0.2.1", "reverse-dns" },
	{ "554 IP without PTR record", "reverse-dns" },
	{ "550 rDNS missing", "reverse-dns" },
	{ "421 4.3.2 Your IP has no reverse hostname", "reverse-dns" },
	{ "550 5.1.0 sender rejected", "sender-rejected" },
	{ "550 5.7.1 sender address has been blacklisted by recipient", "sender-rejected" },
	{ "553 5.1.8 sender domain must exist", "sender-rejected" },
	{ "451 4.1.8 could not resolve sender domain", "sender-rejected" },
	{ "550 sender callout verification failed", "sender-rejected" },
	{ "550 invalid return path", "sender-rejected" },
	{ "550 5.7.4 TLS is required", "tls-required" },
	{ "451 4.7.5 TLS handshake failed", "tls-required" },
	{ "421 TLS negotiation failure", "tls-required" },
	{ "535 5.7.3 Authentication unsuccessful", "auth-required" },
	{ "550 5.7.1 you must authenticate before sending", "auth-required" },
	{ "530 SMTP authentication is required.", "auth-required" },
	{ "550 5.7.1 Unable to relay for a@b.test", "relay-denied" },
	{ "550 relaying denied. Proper authentication required.", "relay-denied" },
	{ "571 Delivery not authorized: relaying prohibited", "relay-denied" },
	{ "550 relaying mail to b.test is not allowed", "relay-denied" },
	{ "551 we do not relay this domain", "relay-denied" },
	{ "550 unknown domain", "bad-domain" },
	{ "550 5.1.2 bad destination host: DNS hard error", "bad-domain" },
	{ "Host not found", "bad-domain" },
	{ "all hosts for 'b.test' have been failing: nxdomain", "bad-domain" },
	{ "550 domain does not exist", "bad-domain" },
	{ "mail exchanger for b.test could not be found", "bad-domain" },
	{ "connection to mail server timed out", "network" },
	{ "421 4.4.2 Connection dropped", "network" },
	{ "network is unreachable", "network" },
	{ "conversation with mx.b.test timed out while receiving the initial server greeting", "network" },
	{ "read error: connection reset by peer", "network" },
	{ "421 mx.b.test Service not available", "host-down" },
	{ "421 4.3.2 system not available; going offline", "host-down" },
	{ "451 4.3.0 internal server error", "system-error" },
	{ "451 try again later, database error", "system-error" },
	{ "554 5.3.5 local configuration error", "system-error" },
	{ "451 queue file write error", "system-error" },
	{ "450 4.7.1 server is overloaded", "system-error" },
	{ "441 4.4.1 temporary failure in lookup", "system-error" },
	{ "452 4.3.1 insufficient disk space", "system-full" },
	{ "452 out of memory", "system-full" },
	{ "552 size limit exceeded", "message-too-large" },
	{ "550 5.3.4 message too big", "message-too-large" },
	{ "554 message exceeds the maximum size of 20 MB", "message-too-large" },
	{ "523 message length exceeds administrative limit", "message-too-large" },
	{ "550 attachment too large", "message-too-large" },
	{ "500 unrecognized command", "protocol-error" },
	{ "503 bad sequence of commands", "protocol-error" },
	{ "504 5.5.2 helo: need fully-qualified hostname", "protocol-error" },
	{ "501 5.5.4 syntax error in parameters", "protocol-error" },
	{ "550 5.6.0 malformed header", "bad-content" },
	{ "554 missing From header", "bad-content" },
	{ "550 message not RFC 5322 compliant", "bad-content" },
	{ "550 duplicate message-id header", "bad-content" },
	{ "550 5.7.1 message rejected by administrator", "policy" },
	{ "550 rejected by local policy", "policy" },
	{ "554 your message violates our policy", "policy" },
	{ "550 message blocked by transport rule", "policy" },
	{ "550 5.7.1 attachment type .exe is forbidden", "policy" },
	{ "5.4.7 message has been in the queue too long", "expired" },
	{ "500 5.4.7 delivery expired (message too old)", "expired" },
	{ "retry timeout exceeded", "expired" },
	{ "554 5.4.12 too many received headers", "routing-loop" },
	{ "552 mail loop detected", "routing-loop" },
	{ "452 too many recipients specified, send separately", "too-many-recipients" },
	{ "551 user not local; please try new@c.test", "user-moved" },
	{ "550 recipient has changed address, new address is x@c.test", "user-moved" },
	{ "550 5.1.10 null MX", "null-mx" },
};

#define REASON_CASE_COUNT (sizeof(reason_cases) / sizeof(reason_cases[0]))

static struct classify_answer classified(const char *reply)
{
	struct classify_input input;
	struct classify_answer answer;
	classify_input_parse(span_str(reply), &input);
	classify_reply(&input, &answer);
	return answer;
}

static const char *reason_of(const struct classify_answer *answer)
{
	return classify_reason_info(answer->reason)->name;
}

static void test_reasons(void **state)
{
	(void)state;
	for (size_t i = 0; i < REASON_CASE_COUNT; i++) {
		struct classify_answer answer = classified(reason_cases[i].reply);
		if (strcmp(reason_of(&answer), reason_cases[i].reason) != 0)
			fail_msg("\"%s\" is %s by %s (\"%.*s\"), not %s", reason_cases[i].reply, reason_of(&answer),
				answer.rule, SPAN_FMT(answer.words), reason_cases[i].reason);
	}
}

/* A text may hide a code only behind a word boundary; letter case, line ends and punctuation do not count. */
static void test_form_does_not_count(void **state)
{
	(void)state;
	static const char *const forms[] = {
		"550 5.1.1 user unknown", "550 5.1.1 USER UNKNOWN", "550-5.1.1 user\r\n550 5.1.1 unknown\r\n", "550 user-unknown",
		"550-5.1.1 User 550-5.1.1 unknown", "550 5.1.1 <a@b.test>: user_unknown!", "user\tunknown", "x: 550 (user \"unknown\")",
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct classify_answer answer = classified(forms[i]);
		if (answer.reason != REASON_USER_UNKNOWN || answer.basis != CLASSIFY_BY_RULE)
			fail_msg("\"%s\" is %s", forms[i], reason_of(&answer));
	}
	struct classify_answer inside = classified("550 5.4.6 superuser unknownness");
	assert_int_equal(inside.reason, REASON_ROUTING_LOOP);
}

struct truth_case {
	const char *reply;
	bool temporary, doubtful, contradicts;
};

static void test_temporary_in_truth(void **state)
{
	(void)state;
	static const struct truth_case cases[] = {
		{ "450 4.2.0 mailbox busy", true, false, false },
		{ "550 5.1.1 user unknown", false, false, false },
		{ "550 5.1.1 user unknown, try again later", false, false, false },
		{ "450 4.1.1 user unknown", true, true, false },
		{ "552 5.2.2 mailbox full", true, false, true },
		{ "552 5.2.2 mailbox full, do not try again", false, false, false },
		{ "550 5.7.1 greylisted", true, false, true },
		{ "554 5.7.1 message refused by policy, please try again later", true, false, true },
		{ "554 5.7.1 message refused by policy", false, false, false },
		{ "421 4.7.0 all messages will be permanently deferred; retrying will not succeed", true, true, false },
		{ "451 4.3.0 something", true, false, false },
		{ "554 something", false, false, false },
		{ "Connection refused", true, false, false },
		{ "no such user", false, false, false },
		{ "250 2.0.0 OK", false, false, false },
		{ "", false, false, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct classify_answer answer = classified(cases[i].reply);
		if (answer.temporary != cases[i].temporary || answer.doubtful != cases[i].doubtful
			|| answer.contradicts != cases[i].contradicts)
			fail_msg("\"%s\": temporary %d, doubtful %d, contradicts %d", cases[i].reply, answer.temporary,
				answer.doubtful, answer.contradicts);
	}
}

static void test_blocklist_is_named(void **state)
{
	(void)state;
	static const struct { const char *reply, *list; } cases[] = {
		{ "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "zen.spamhaus.org" },
		{ "554 5.7.1 Client host [192.0.2.1] blocked using dnsbl.example.test; see http://a.test/", "dnsbl.example.test" },
		{ "550 192.0.2.1 is listed, see http://www.spamhaus.org/query/bl?ip=192.0.2.1", "spamhaus.org" },
		{ "550 blacklisted by Spamhaus", "Spamhaus" },
		{ "550 your address is blacklisted", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct classify_answer answer = classified(cases[i].reply);
		assert_int_equal(answer.reason, REASON_BLOCKLISTED);
		if (!span_eq(answer.list, span_str(cases[i].list)))
			fail_msg("\"%s\": list \"%.*s\"", cases[i].reply, SPAN_FMT(answer.list));
	}
}

static void test_checks_are_named(void **state)
{
	(void)state;
	static const struct { const char *reply; unsigned checks; } cases[] = {
		{ "550 5.7.1 SPF check failed", CLASSIFY_SPF },
		{ "550 failing both SPF and DKIM authentication checks", CLASSIFY_SPF | CLASSIFY_DKIM },
		{ "550 5.7.26 rejected due to the domain's DMARC policy", CLASSIFY_DMARC },
		{ "550 5.7.29 ARC validation failed", CLASSIFY_ARC },
		{ "550 5.7.20 no", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct classify_answer answer = classified(cases[i].reply);
		if (answer.reason != REASON_AUTH_FAILURE || answer.checks != cases[i].checks)
			fail_msg("\"%s\": %s, checks %u", cases[i].reply, reason_of(&answer), answer.checks);
	}
	assert_string_equal(classify_check_name(CLASSIFY_DKIM | CLASSIFY_ARC), "dkim");
	assert_null(classify_check_name(0));
}

struct basis_case {
	unsigned code;
	const char *enhanced, *text;
	enum classify_stage stage;
	const char *reason;
	enum classify_basis basis;
};

static void test_codes_decide_without_words(void **state)
{
	(void)state;
	static const struct basis_case cases[] = {
		{ 550, "5.4.6", "qwertz", CLASSIFY_STAGE_UNKNOWN, "routing-loop", CLASSIFY_BY_ENHANCED },
		{ 550, "", "qwertz (#5.4.6)", CLASSIFY_STAGE_UNKNOWN, "routing-loop", CLASSIFY_BY_ENHANCED },
		{ 550, "", "qwertz 5.4.6.1 [4.4.6]", CLASSIFY_STAGE_UNKNOWN, "user-unknown", CLASSIFY_BY_CODE },
		{ 550, "", "qwertz", CLASSIFY_STAGE_RCPT, "user-unknown", CLASSIFY_BY_CODE },
		{ 550, "", "qwertz", CLASSIFY_STAGE_END_OF_DATA, "policy", CLASSIFY_BY_CODE },
		{ 552, "", "qwertz", CLASSIFY_STAGE_RCPT, "mailbox-full", CLASSIFY_BY_CODE },
		{ 552, "", "qwertz", CLASSIFY_STAGE_MAIL, "message-too-large", CLASSIFY_BY_CODE },
		{ 0, "5.7.25", "qwertz", CLASSIFY_STAGE_UNKNOWN, "reverse-dns", CLASSIFY_BY_RULE },
		{ 0, "", "qwertz", CLASSIFY_STAGE_UNKNOWN, "unknown", CLASSIFY_BY_NOTHING },
		{ 599, "", "qwertz", CLASSIFY_STAGE_UNKNOWN, "unknown", CLASSIFY_BY_NOTHING },
		{ 354, "", "user unknown", CLASSIFY_STAGE_DATA, "accepted", CLASSIFY_BY_CODE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct classify_input input = { cases[i].code, span_str(cases[i].enhanced), span_str(cases[i].text), cases[i].stage };
		struct classify_answer answer;
		classify_reply(&input, &answer);
		if (strcmp(reason_of(&answer), cases[i].reason) != 0 || answer.basis != cases[i].basis)
			fail_msg("case %zu: %s by basis %d", i, reason_of(&answer), (int)answer.basis);
	}
}

/* Whether a span is empty or lies within another. */
static bool within(struct span part, struct span whole)
{
	return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void assert_sane(struct span text)
{
	uint8_t *copy = malloc(text.len > 0 ? text.len : 1);
	struct classify_input input;
	struct classify_answer answer;
	assert_non_null(copy);
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	struct span exact = span_of(copy, text.len);
	classify_input_parse(exact, &input);
	classify_reply(&input, &answer);
	assert_true(answer.reason < REASON_COUNT && answer.concern < CLASSIFY_CONCERN_COUNT);
	assert_true(within(answer.words, exact) && within(answer.list, exact) && within(answer.delay_words, exact));
	assert_true(answer.delay_s <= CLASSIFY_DELAY_S_MAX);
	free(copy);
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < REASON_CASE_COUNT; i++) {
		struct span whole = span_str(reason_cases[i].reply);
		for (size_t len = 0; len <= whole.len; len++)
			assert_sane(span_to(whole, len));
	}
}

static void test_long_text_is_cut_and_says_so(void **state)
{
	(void)state;
	static char text[CLASSIFY_TEXT_BYTES_MAX + 64];
	memset(text, ' ', sizeof(text));
	memcpy(text, "550 x", 5);
	memcpy(text + CLASSIFY_TEXT_BYTES_MAX - 12, "user unknown", 12);
	struct classify_input input = { 550, { 0 }, span_of(text, CLASSIFY_TEXT_BYTES_MAX), CLASSIFY_STAGE_UNKNOWN };
	struct classify_answer answer;
	classify_reply(&input, &answer);
	assert_false(answer.truncated);
	assert_int_equal(answer.basis, CLASSIFY_BY_RULE);
	memmove(text + 1, text, sizeof(text) - 1);
	input.text.len = sizeof(text);
	classify_reply(&input, &answer);
	assert_true(answer.truncated);
	assert_int_not_equal(answer.basis, CLASSIFY_BY_RULE);
}

/* A text of eight kilobytes made of beginnings of phrases costs no more than its length asks for. */
static void test_worst_text_is_classified(void **state)
{
	(void)state;
	static char text[CLASSIFY_TEXT_BYTES_MAX];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "user mailbox recipient address "[i % 31];
	for (unsigned i = 0; i < 100; i++) {
		struct classify_input input = { 0, { 0 }, span_of(text, sizeof(text)), CLASSIFY_STAGE_UNKNOWN };
		struct classify_answer answer;
		classify_reply(&input, &answer);
		assert_int_equal(answer.reason, REASON_UNKNOWN);
	}
}

static void test_every_reason_speaks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REASON_COUNT; i++) {
		const struct classify_reason_info *info = classify_reason_info((enum classify_reason)i);
		enum classify_reason found;
		assert_true(strlen(info->sentence) > 10 && strlen(info->advice) > 10 && strlen(info->retry) > 10);
		assert_true(classify_reason_find(span_str(info->name), &found));
		assert_int_equal(found, i);
		assert_true((info->passing[0] == 0 && info->lasting[0] == 0) || (info->passing[0] == '4'
			&& info->lasting[0] == '5' && strcmp(info->passing + 1, info->lasting + 1) == 0));
	}
	enum classify_reason none;
	assert_false(classify_reason_find(SPAN("no-such-reason"), &none));
	assert_string_equal(classify_reason_info(REASON_USER_UNKNOWN)->lasting, "5.1.1");
	assert_string_equal(classify_reason_info(REASON_MAILBOX_FULL)->passing, "4.2.2");
	assert_string_equal(classify_reason_info(REASON_UNKNOWN)->lasting, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_form_does_not_count),
		cmocka_unit_test(test_temporary_in_truth),
		cmocka_unit_test(test_blocklist_is_named),
		cmocka_unit_test(test_checks_are_named),
		cmocka_unit_test(test_codes_decide_without_words),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_long_text_is_cut_and_says_so),
		cmocka_unit_test(test_worst_text_is_classified),
		cmocka_unit_test(test_every_reason_speaks),
	};
	return cmocka_run_group_tests_name("classify", tests, NULL, NULL);
}
