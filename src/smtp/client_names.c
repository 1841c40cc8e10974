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
