/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a program that somebody else wrote, of which nothing is left when it is
 * over. A process of its own, the keeper, starts it, counts its time and its output,
 * and then ends whatever it began: the keeper is the one to which orphans below it
 * fall (a child subreaper), so neither a daemon nor a new session gets away. When the
 * caller closes the descriptor that it got, or dies, the keeper ends everything at once.
 *
 * The program gets an argv and an environment, never a shell; a file as its standard
 * input; a pipe for output and errors; the folder "/"; no terminal, no core dumps, no
 * other descriptors, and no way to gain rights (no_new_privs).
 */
#ifndef WAYBILL_SYS_COMMAND_H
#define WAYBILL_SYS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COMMAND_LINE_BYTES 200 /* of its output that is told */

struct command_form {
	char *const *argv; /* NULL-terminated; the first is an absolute path */
	char *const *envp;
	int input_fd;      /* a file; read from its beginning */
	uint32_t timeout_ms;
	uint64_t output_bytes_max;
};

enum command_fate {
	COMMAND_EXITED,      /* number: its exit code */
	COMMAND_SIGNALLED,   /* number: the signal */
	COMMAND_NOT_STARTED, /* number: errno */
	COMMAND_TIMED_OUT,
	COMMAND_TALKED_TOO_MUCH,
	COMMAND_LOST,        /* the keeper ended without a word */
	COMMAND_FATE_COUNT
};

struct command_end {
	enum command_fate fate;
	int number;
	bool left_others;    /* processes were still there when it ended, and were killed */
	char line[COMMAND_LINE_BYTES + 1]; /* the first line of its output, other bytes than printable ASCII as "?" */
};

/*
 * Starts it: the keeper's process id, or a negative errno. *end_fd_out becomes readable
 * when all is over; until then it is to be polled. The calling process must have a
 * single thread. `form` and what it points to are needed no longer.
 */
pid_t command_begin(const struct command_form *form, int *end_fd_out);

/* Nobody wants to know any more: closes end_fd, by which the keeper learns that it has to end everything. */
void command_drop(int end_fd);

/*
 * After a keeper was lost (its own program may have killed it): ends what fell to this
 * process, which must be a subreaper too. Blocks for moments.
 */
void command_end_orphans(void);

/* How it ended, once end_fd is readable; waits for the keeper, closes end_fd. */
struct command_end command_finish(pid_t keeper, int end_fd);

#endif
