/* SPDX-License-Identifier: Apache-2.0 */
/* The one global of a process: its log buffer. A process has one thread that logs. */
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "timetext.h"

#define LOG_BUFFER_BYTES_MAX 262144

static struct {
	const char *role;
	bool json;
	struct buf out;
	struct buf spare;  /* the memory of the last line, for the next */
	struct buf stamp;  /* the time as text, made once for each millisecond */
	uint64_t stamp_ms;
	uint64_t dropped;
} self = { .role = "waybill", .out = { .max = LOG_BUFFER_BYTES_MAX } };

static const char *const severity_names[] = { "info", "transient", "operator", "bug" };

void log_open(const char *role, bool json)
{
	self.role = role;
	self.json = json;
}

void log_set_json(bool json)
{
	self.json = json;
}

/* Text values: bare in key=value when nothing in them could be misread, else quoted. */
static bool plain(struct span s)
{
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] == '"' || s.ptr[i] == '=' || s.ptr[i] == '\\' || s.ptr[i] >= 0x7f)
			return false;
	return true;
}

static void add_quoted(struct buf *out, struct span value)
{
	struct buf safe;
	buf_init(&safe, LOG_LINE_BYTES_MAX);
	/* Escaped first, so that a peer's bytes can neither end a line nor paint a terminal. */
	buf_add_escaped(&safe, value);
	buf_add_byte(out, '"');
	for (size_t i = 0; i < safe.len; i++) {
		if (safe.ptr[i] == '"' || (safe.ptr[i] == '\\' && self.json))
			buf_add_byte(out, '\\');
		buf_add_byte(out, safe.ptr[i]);
	}
	buf_add_byte(out, '"');
	buf_fini(&safe);
}

static void add_key(struct log_line *line, const char *key)
{
	buf_add_str(&line->text, self.json ? ",\"" : " ");
	buf_add_str(&line->text, key);
	buf_add_str(&line->text, self.json ? "\":" : "=");
}

void log_span(struct log_line *line, const char *key, struct span value)
{
	add_key(line, key);
	value = span_to(value, LOG_VALUE_BYTES_MAX);
	if (!self.json && plain(value))
		buf_add(&line->text, value);
	else
		add_quoted(&line->text, value);
}

void log_str(struct log_line *line, const char *key, const char *value)
{
	log_span(line, key, span_str(value));
}

void log_u64(struct log_line *line, const char *key, uint64_t value)
{
	add_key(line, key);
	buf_add_u64(&line->text, value);
}

void log_id(struct log_line *line, const char *key, const struct id128 *id)
{
	char text[ID128_TEXT_LEN];
	id128_write(id, text);
	log_span(line, key, span_of(text, sizeof(text)));
}

void log_begin(struct log_line *line, enum log_severity severity, const char *event)
{
	uint64_t now_ms = clock_unix_ms();
	if (self.stamp_ms != now_ms || self.stamp.max == 0) {
		self.stamp.max = LOG_LINE_BYTES_MAX;
		buf_clear(&self.stamp);
		timetext_log(&self.stamp, now_ms);
		self.stamp_ms = now_ms;
	}
	line->text = self.spare;
	line->text.max = LOG_LINE_BYTES_MAX;
	buf_clear(&line->text);
	self.spare = (struct buf){ 0 };
	buf_add_str(&line->text, self.json ? "{\"t\":\"" : "t=");
	buf_add(&line->text, buf_span(&self.stamp));
	if (self.json)
		buf_addf(&line->text, "\",\"role\":\"%s\",\"ev\":\"%s\"", self.role, event);
	else
		buf_addf(&line->text, " role=%s ev=%s", self.role, event);
	if (severity != LOG_INFO)
		log_str(line, "severity", severity_names[severity]);
}

void log_end(struct log_line *line)
{
	buf_add_str(&line->text, self.json ? "}\n" : "\n");
	if (self.out.len + line->text.len > LOG_BUFFER_BYTES_MAX)
		log_flush(NULL);
	if (line->text.failed || self.out.len + line->text.len > LOG_BUFFER_BYTES_MAX)
		self.dropped++;
	else
		buf_add(&self.out, buf_span(&line->text));
	buf_fini(&self.spare);
	self.spare = line->text;
}

void log_text(enum log_severity severity, const char *event, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	struct log_line line;
	log_begin(&line, severity, event);
	log_str(&line, "text", text);
	log_end(&line);
}

static void say_dropped(void)
{
	uint64_t dropped = self.dropped;
	struct log_line line;
	self.dropped = 0;
	log_begin(&line, LOG_OPERATOR, "log-dropped");
	log_u64(&line, "lines", dropped);
	log_end(&line);
}

void log_flush(void *unused)
{
	(void)unused;
	if (self.out.len == 0 && self.dropped == 0)
		return;
	size_t done = 0;
	while (done < self.out.len) {
		ssize_t wrote = write(STDERR_FILENO, self.out.ptr + done, self.out.len - done);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			break;
		done += (size_t)wrote;
	}
	buf_consume(&self.out, done);
	if (self.dropped > 0 && self.out.len == 0)
		say_dropped();
}
