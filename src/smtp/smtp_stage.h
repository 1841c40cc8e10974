/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The points of a session at which a client may be refused, in their order. What is
 * known then: its address; its name; the sender; a recipient; the content.
 */
#ifndef WAYBILL_SMTP_SMTP_STAGE_H
#define WAYBILL_SMTP_SMTP_STAGE_H

enum smtp_stage { SMTP_AT_CONNECT, SMTP_AT_HELO, SMTP_AT_MAIL, SMTP_AT_RCPT, SMTP_AT_END, SMTP_STAGE_COUNT };

/* Sets of stages are bits. */
#define SMTP_STAGE(stage) (1u << (stage))

#endif
