/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libuv handles close asynchronously: each wrapper here is freed by the close
 * callback, and its `fn` is cleared at once, so that a closed handle is silent.
 */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	struct list hooks;
};

struct poller {
	uv_poll_t uv;
	poller_fn *fn;
	void *arg;
	unsigned wanted;
};

struct timer {
	uv_timer_t uv;
	timer_fn *fn;
	void *arg;
};

struct signal_watch {
	uv_signal_t uv;
	signal_fn *fn;
	void *arg;
};

struct work {
	uv_work_t uv;
	work_fn *run;
	work_fn *done;
	void *arg;
};

static void hook_move(struct list *to, struct list *member)
{
	list_remove(member);
	list_append(to, member);
}

static void on_prepare(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;
	struct list turn;
	/* A hook may remove any hook, itself too: those of this turn wait in a list of their own,
	 * so that no place in a list is remembered while one runs. */
	list_init(&turn);
	while (!list_empty(&loop->hooks))
		hook_move(&turn, loop->hooks.next);
	while (!list_empty(&turn)) {
		struct loop_hook *hook = LIST_ENTRY(turn.next, struct loop_hook, link);
		hook_move(&loop->hooks, &hook->link);
		hook->fn(hook->arg);
	}
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return NULL;
	if (uv_loop_init(&loop->uv) != 0) {
		free(loop);
		return NULL;
	}
	list_init(&loop->hooks);
	uv_prepare_init(&loop->uv, &loop->prepare);
	loop->prepare.data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_unref((uv_handle_t *)&loop->prepare);
	return loop;
}

void loop_run(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

static void on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

/* The prepare handle is part of the loop; all others are freed through `data`. */
static void close_left(uv_handle_t *handle, void *arg)
{
	struct loop *loop = arg;
	if (uv_is_closing(handle))
		return;
	uv_close(handle, handle == (uv_handle_t *)&loop->prepare ? NULL : on_freed);
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	uv_walk(&loop->uv, close_left, loop);
	/* Again when a stop was still pending: the first run only takes notice of it. */
	if (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	int left = uv_loop_close(&loop->uv);
	assert(left == 0);
	free(loop);
}

uint64_t loop_now_ms(const struct loop *loop)
{
	return uv_now(&loop->uv);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct poller *p = handle->data;
	unsigned ready = (events & UV_READABLE ? POLLER_READ : 0) | (events & UV_WRITABLE ? POLLER_WRITE : 0);
	/* An error shows itself at the next read or write. */
	if (status != 0)
		ready = POLLER_READ | POLLER_WRITE;
	if (p->fn != NULL)
		p->fn(p->arg, ready);
}

struct poller *poller_open(struct loop *loop, int fd, poller_fn *fn, void *arg)
{
	struct poller *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	if (uv_poll_init(&loop->uv, &p->uv, fd) != 0) {
		free(p);
		return NULL;
	}
	p->uv.data = p;
	p->fn = fn;
	p->arg = arg;
	return p;
}

void poller_want(struct poller *p, unsigned wanted)
{
	if (p->wanted == wanted)
		return;
	p->wanted = wanted;
	int events = (wanted & POLLER_READ ? UV_READABLE : 0) | (wanted & POLLER_WRITE ? UV_WRITABLE : 0);
	if (events == 0)
		uv_poll_stop(&p->uv);
	else
		uv_poll_start(&p->uv, events, on_poll);
}

void poller_close(struct poller *p)
{
	if (p == NULL)
		return;
	p->fn = NULL;
	uv_close((uv_handle_t *)&p->uv, on_freed);
}

static void on_timer(uv_timer_t *handle)
{
	struct timer *t = handle->data;
	if (t->fn != NULL)
		t->fn(t->arg);
}

struct timer *timer_open(struct loop *loop, timer_fn *fn, void *arg)
{
	struct timer *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	uv_timer_init(&loop->uv, &t->uv);
	t->uv.data = t;
	t->fn = fn;
	t->arg = arg;
	return t;
}

void timer_set(struct timer *t, uint64_t delay_ms)
{
	uv_timer_start(&t->uv, on_timer, delay_ms, 0);
}

void timer_cancel(struct timer *t)
{
	uv_timer_stop(&t->uv);
}

void timer_close(struct timer *t)
{
	if (t == NULL)
		return;
	t->fn = NULL;
	uv_close((uv_handle_t *)&t->uv, on_freed);
}

void loop_hook_add(struct loop *loop, struct loop_hook *hook)
{
	list_append(&loop->hooks, &hook->link);
}

void loop_hook_remove(struct loop_hook *hook)
{
	list_remove(&hook->link);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct signal_watch *watch = handle->data;
	watch->fn(watch->arg, number);
}

int loop_on_signal(struct loop *loop, int number, signal_fn *fn, void *arg)
{
	struct signal_watch *watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	int error = uv_signal_init(&loop->uv, &watch->uv);
	if (error != 0) {
		free(watch);
		return error;
	}
	watch->uv.data = watch;
	watch->fn = fn;
	watch->arg = arg;
	return uv_signal_start(&watch->uv, on_signal, number);
}

static void on_work(uv_work_t *request)
{
	struct work *work = request->data;
	work->run(work->arg);
}

static void on_worked(uv_work_t *request, int status)
{
	struct work *work = request->data;
	(void)status;
	work->done(work->arg);
	free(work);
}

int work_submit(struct loop *loop, work_fn *run, work_fn *done, void *arg)
{
	struct work *work = calloc(1, sizeof(*work));
	if (work == NULL)
		return -ENOMEM;
	*work = (struct work){ .run = run, .done = done, .arg = arg };
	work->uv.data = work;
	int error = uv_queue_work(&loop->uv, &work->uv, on_work, on_worked);
	if (error != 0)
		free(work);
	return error;
}

void work_threads(unsigned count)
{
	char text[12];
	snprintf(text, sizeof(text), "%u", count);
	setenv("UV_THREADPOOL_SIZE", text, 1);
}
