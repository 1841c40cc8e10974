/* SPDX-License-Identifier: Apache-2.0 */
/* The one global of a process: its log buffer. A process has one thread that logs. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "sock.h"
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
	int fd;
} self = { .role = "waybill", .fd = STDERR_FILENO, .out = { .max = LOG_BUFFER_BYTES_MAX } };

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

/* Whole lines of at most PIPE_BUF bytes, which a pipe takes in one piece or not at all; a line that is
 * longer goes in several. */
static size_t piece_len(struct span rest)
{
	size_t len = rest.len < PIPE_BUF ? rest.len : PIPE_BUF;
	for (size_t i = len; i > 0; i--)
		if (rest.ptr[i - 1] == '\n')
			return i;
	return len;
}

/* Writes something without ever waiting; <= 0: not now. */
static ssize_t write_some(struct span rest, mode_t kind)
{
	struct pollfd ready = { .fd = self.fd, .events = POLLOUT };
	if (S_ISREG(kind))
		return write(self.fd, rest.ptr, rest.len);
	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
		return 0;
	if (S_ISSOCK(kind))
		return sock_send_now(self.fd, span_to(rest, piece_len(rest)));
	return write(self.fd, rest.ptr, piece_len(rest));
}

void log_flush(void *unused)
{
	struct stat state;
	size_t done = 0;
	(void)unused;
	if (self.out.len == 0 && self.dropped == 0)
		return;
	mode_t kind = fstat(self.fd, &state) == 0 ? state.st_mode : S_IFIFO;
	while (done < self.out.len) {
		ssize_t wrote = write_some(span_from(buf_span(&self.out), done), kind);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			break;
		done += (size_t)wrote;
	}
	buf_consume(&self.out, done);
	if (self.dropped > 0 && self.out.len == 0)
		say_dropped();
}

bool log_pending(void)
{
	return self.out.len > 0;
}

void log_drain(int patience_ms)
{
	uint64_t until_us = clock_mono_us() + (uint64_t)patience_ms * 1000u;
	log_flush(NULL);
	while (log_pending() && clock_mono_us() < until_us) {
		struct pollfd ready = { .fd = self.fd, .events = POLLOUT };
		if (poll(&ready, 1, patience_ms) != 1 || (ready.revents & POLLOUT) == 0)
			return;
		size_t before = self.out.len;
		log_flush(NULL);
		if (self.out.len == before)
			return;
	}
}

void log_open_anew(void)
{
	struct stat state;
	if (fstat(STDERR_FILENO, &state) != 0 || (!S_ISFIFO(state.st_mode) && !S_ISCHR(state.st_mode)))
		return;
	/* Where it may not be opened (it belongs to another user), asking before each write must do. */
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		self.fd = fd;
}

int log_descriptor(void)
{
	return self.fd;
}

void log_adopt(int fd)
{
	if (fcntl(fd, F_GETFD) >= 0)
		self.fd = fd;
}
