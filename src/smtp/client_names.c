/* SPDX-License-Identifier: Apache-2.0 */
/* Stages and causes by name, for logs. */
#include "smtp_client.h"

const char *smtp_client_stage_name(enum smtp_client_stage stage)
{
	static const char *const names[] = {
		[SMTP_STAGE_CONNECT] = "connect", [SMTP_STAGE_GREETING] = "greeting", [SMTP_STAGE_HELO] = "helo",
		[SMTP_STAGE_TLS] = "tls", [SMTP_STAGE_IDLE] = "idle", [SMTP_STAGE_MAIL] = "mail",
		[SMTP_STAGE_RCPT] = "rcpt", [SMTP_STAGE_DATA] = "data", [SMTP_STAGE_CONTENT] = "content",
		[SMTP_STAGE_END] = "end-of-data", [SMTP_STAGE_QUIT] = "quit",
	};
	return names[stage];
}

const char *smtp_client_cause_name(enum smtp_client_cause cause)
{
	static const char *const names[] = {
		[SMTP_CAUSE_REPLY] = "reply", [SMTP_CAUSE_QUIT] = "quit",
		[SMTP_CAUSE_CONNECTION_LOST] = "connection-lost", [SMTP_CAUSE_TIMEOUT] = "timeout",
		[SMTP_CAUSE_PROTOCOL_ERROR] = "protocol-error", [SMTP_CAUSE_TLS] = "tls",
		[SMTP_CAUSE_CONNECTION_LIMIT] = "connection-limit", [SMTP_CAUSE_LOCAL] = "local",
		[SMTP_CAUSE_TOO_LARGE] = "too-large", [SMTP_CAUSE_ADDRESS_UTF8] = "address-utf8",
		[SMTP_CAUSE_ADDRESS_SYNTAX] = "address-syntax", [SMTP_CAUSE_HEADER_UTF8] = "header-utf8",
		[SMTP_CAUSE_HEADER_8BIT] = "header-8bit", [SMTP_CAUSE_SIGNED] = "signed",
		[SMTP_CAUSE_STRUCTURE] = "structure", [SMTP_CAUSE_BARE_NEWLINE] = "bare-newline",
	};
	return names[cause];
}

const char *smtp_client_cause_words(enum smtp_client_cause cause)
{
	static const char *const words[] = {
		[SMTP_CAUSE_CONNECTION_LOST] = "4.4.2 the connection broke",
		[SMTP_CAUSE_TIMEOUT] = "4.4.2 no answer came in time",
		[SMTP_CAUSE_PROTOCOL_ERROR] = "4.5.0 the answer was no SMTP reply",
		[SMTP_CAUSE_TLS] = "4.7.0 TLS is required and was not to be had",
		[SMTP_CAUSE_CONNECTION_LIMIT] = "4.4.5 the server takes no more in one connection",
		[SMTP_CAUSE_LOCAL] = "4.3.0 the message could not be read here",
		[SMTP_CAUSE_TOO_LARGE] = "5.3.4 the message is larger than the other server takes",
		[SMTP_CAUSE_ADDRESS_UTF8] = "5.6.7 the other server takes no addresses beyond ASCII",
		[SMTP_CAUSE_ADDRESS_SYNTAX] = "5.1.3 the address cannot be said to another server",
		[SMTP_CAUSE_HEADER_UTF8] = "5.6.9 the other server takes no header fields beyond ASCII",
		[SMTP_CAUSE_HEADER_8BIT] = "5.6.3 the header holds bytes that cannot be encoded for the other server",
		[SMTP_CAUSE_SIGNED] = "5.6.3 encoding the message for the other server would break its signature",
		[SMTP_CAUSE_STRUCTURE] = "5.6.3 the message's MIME structure is broken, so it cannot be encoded",
		[SMTP_CAUSE_BARE_NEWLINE] = "5.6.0 the message holds a bare CR or LF",
	};
	const char *said = (size_t)cause < sizeof(words) / sizeof(words[0]) ? words[cause] : NULL;
	return said != NULL ? said : "4.0.0 the attempt ended";
}
