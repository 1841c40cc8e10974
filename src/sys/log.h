/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line for each event on standard error, key=value or JSON. Lines
 * gather in memory and leave with one write before the loop waits (log_flush is a
 * loop hook) or when the buffer is full; what does not fit is counted and said.
 * Writing never blocks: a reader that stalls (a pipe, Ctrl-S) costs lines, not mail.
 *
 *	struct log_line line;
 *	log_begin(&line, LOG_INFO, "accepted");
 *	log_span(&line, "from", sender);
 *	log_end(&line);
 */
#ifndef WAYBILL_SYS_LOG_H
#define WAYBILL_SYS_LOG_H

#include "buf.h"
#include "id128.h"

/* Named for the reader: what the operator must fix, what we must fix, what passes, what happened. */
enum log_severity { LOG_INFO, LOG_TRANSIENT, LOG_OPERATOR, LOG_BUG };

#define LOG_VALUE_BYTES_MAX 256 /* of a text value, before escaping; longer ones are cut */
#define LOG_LINE_BYTES_MAX 8192 /* five such values fit, whatever their bytes become */

struct log_line {
	struct buf text;
};

/* Once, before the first line. `role` must outlive the log. */
void log_open(const char *role, bool json);
void log_set_json(bool json);

void log_begin(struct log_line *line, enum log_severity severity, const char *event);
void log_span(struct log_line *line, const char *key, struct span value);
void log_str(struct log_line *line, const char *key, const char *value);
void log_u64(struct log_line *line, const char *key, uint64_t value);
void log_id(struct log_line *line, const char *key, const struct id128 *id);
void log_end(struct log_line *line);

/* An event with one text. */
void log_text(enum log_severity severity, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Writes what standard error takes at once; the rest stays for the next time. */
void log_flush(void *unused);
bool log_pending(void);

/* For a process that ends: as log_flush, waiting for at most `patience_ms`. */
void log_drain(int patience_ms);

/* Several processes that share a pipe or a terminal can each find room and then block, since it has room
 * for one. So the first of them opens it anew, for itself and those it starts (log_descriptor), without
 * making the descriptor of others non-blocking; they say log_adopt. */
void log_open_anew(void);
int log_descriptor(void);
void log_adopt(int fd);

#endif
