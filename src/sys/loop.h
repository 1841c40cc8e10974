/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of a role: descriptors that we read and write ourselves, timers,
 * signals, work on other threads, and hooks that run once before each wait, where
 * batches are sent. A thin layer over libuv, so that roles name no library.
 *
 * All calls belong to the loop's own thread. A handle that was closed calls back
 * no more.
 */
#ifndef WAYBILL_SYS_LOOP_H
#define WAYBILL_SYS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct loop;

/* NULL when the kernel or memory refuses. */
struct loop *loop_new(void);

/* Runs until loop_stop; then returns and loop_free may follow. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_free(struct loop *loop);

/* Monotonic milliseconds as of this turn of the loop: cheap, for time-outs. */
uint64_t loop_now_ms(const struct loop *loop);

/* --- descriptors --- */

#define POLLER_READ 1u
#define POLLER_WRITE 2u

struct poller;
typedef void poller_fn(void *arg, unsigned ready);

/* Watches `fd`, which stays the caller's; nothing is wanted at first. NULL on failure. */
struct poller *poller_open(struct loop *loop, int fd, poller_fn *fn, void *arg);
void poller_want(struct poller *p, unsigned wanted);
/* Stops watching; the caller closes the descriptor afterwards. NULL is allowed. */
void poller_close(struct poller *p);

/* --- timers --- */

struct timer;
typedef void timer_fn(void *arg);

struct timer *timer_open(struct loop *loop, timer_fn *fn, void *arg);
/* Once, `delay_ms` from now; setting it again moves it. */
void timer_set(struct timer *t, uint64_t delay_ms);
void timer_cancel(struct timer *t);
void timer_close(struct timer *t);

/* --- before each wait --- */

/* Members live in the caller's memory; a hook may add and remove any, itself too. One that is added
 * by a hook runs from the next turn on. */
struct loop_hook {
	struct list link;
	void (*fn)(void *arg);
	void *arg;
};

/* Runs `fn` before every wait from now on, until removed. */
void loop_hook_add(struct loop *loop, struct loop_hook *hook);
void loop_hook_remove(struct loop_hook *hook);

/* --- signals --- */

typedef void signal_fn(void *arg, int number);

/* Calls `fn` in the loop when the signal came; lasts as long as the loop. */
int loop_on_signal(struct loop *loop, int number, signal_fn *fn, void *arg);

/* --- work that may block --- */

typedef void work_fn(void *arg);

/* Calls run(arg) on a thread of the pool, then done(arg) in the loop. -ENOMEM on failure.
 * The pool's size is fixed by work_threads before the first use (default 4). */
int work_submit(struct loop *loop, work_fn *run, work_fn *done, void *arg);
void work_threads(unsigned count);

#endif
