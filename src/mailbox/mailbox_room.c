/* SPDX-License-Identifier: Apache-2.0 */
/* The mark of a full mailbox, and the try for room; see the header. */
#include "mailbox_room.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "mailbox_private.h"

#define SMALL_SHARE 8 /* of a tiny quota so much is enough room not to count as full */

/* Since when, in milliseconds since 1970; 0: not marked. */
static uint64_t marked_since_ms(int folder, const char *mark)
{
	struct stat st;
	if (fstatat(folder, mark, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return 0;
	uint64_t ms = st.st_mtim.tv_sec > 0 ? (uint64_t)st.st_mtim.tv_sec * 1000 : 0;
	return ms > 0 ? ms : 1;
}

void mailbox_room_note_full(int folder, const char *mark)
{
	int fd = openat(folder, mark, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MAILBOX_FILE_MODE);
	if (fd >= 0)
		close(fd);
}

/* Whether the file system refuses its owner that many bytes more. What cannot be tried is no refusal. */
static bool system_refuses(int folder, uint64_t bytes)
{
	int fd = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, MAILBOX_FILE_MODE);
	if (fd < 0)
		return errno == EDQUOT;
	bool refused = bytes <= INT64_MAX && fallocate(fd, 0, 0, (off_t)bytes) != 0 && errno == EDQUOT;
	close(fd);
	return refused;
}

uint64_t mailbox_room_small(uint64_t limit_bytes)
{
	uint64_t share = limit_bytes / SMALL_SHARE;
	return limit_bytes > 0 && share < MAILBOX_SMALL_BYTES ? share : MAILBOX_SMALL_BYTES;
}

enum mailbox_room mailbox_room_judge(const struct mailbox_room_question *q)
{
	bool fits = q->fits, small_fits = q->small_fits;
	if (q->limit_bytes > 0 && q->bytes > q->limit_bytes)
		return MAILBOX_ROOM_NEVER;
	uint64_t since_ms = marked_since_ms(q->folder, q->mark);
	if (since_ms > 0 && small_fits) {
		small_fits = !system_refuses(q->folder, MAILBOX_SMALL_BYTES);
		fits = fits && small_fits && (q->bytes <= MAILBOX_SMALL_BYTES || !system_refuses(q->folder, q->bytes));
	}
	if (since_ms > 0 && small_fits && !q->only_look)
		unlinkat(q->folder, q->mark, 0);
	if (since_ms == 0 && !small_fits && !q->only_look)
		mailbox_room_note_full(q->folder, q->mark);
	if (fits && (small_fits || !q->to_come))
		return MAILBOX_ROOM_YES;
	uint64_t now_ms = clock_unix_ms();
	bool too_long = !small_fits && since_ms > 0 && now_ms > since_ms && now_ms - since_ms >= q->full_max_ms;
	return q->full_max_ms > 0 && too_long ? MAILBOX_ROOM_NO_LONG : MAILBOX_ROOM_NO;
}
