/* SPDX-License-Identifier: Apache-2.0 */
/* Locks that other processes hold, stale ones, and who waits for whom. */
#include "mbox_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"

#define SLACK_MS 900 /* more than the time that is given; this machine does other things too */
#define NOBODY_UID 65534

static const struct mbox_rules one_of_each[MBOX_LOCK_KIND_COUNT] = {
	[MBOX_LOCK_DOT] = { .locks = { MBOX_LOCK_DOT }, .lock_count = 1 },
	[MBOX_LOCK_FCNTL] = { .locks = { MBOX_LOCK_FCNTL }, .lock_count = 1 },
	[MBOX_LOCK_FLOCK] = { .locks = { MBOX_LOCK_FLOCK }, .lock_count = 1 },
};

static void use_kind(struct mbox_scene *s, enum mbox_lock_kind kind)
{
	memcpy(s->rules.locks, one_of_each[kind].locks, sizeof(s->rules.locks));
	s->rules.lock_count = 1;
}

/* A process that holds a lock until its pipe is closed. */
struct holder {
	pid_t pid;
	int end;
};

static void hold(const char *path, enum mbox_lock_kind kind)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || (kind == MBOX_LOCK_FCNTL ? fcntl(fd, F_SETLK, &whole) : flock(fd, LOCK_EX | LOCK_NB)) != 0)
		_exit(1);
}

static struct holder holder_begin(const char *path, enum mbox_lock_kind kind)
{
	int ready[2], end[2];
	char byte = 'r';
	assert_int_equal(pipe(ready) | pipe(end), 0);
	struct holder h = { fork(), end[1] };
	if (h.pid == 0) {
		close(end[1]);
		hold(path, kind);
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		(void)!read(end[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return h;
}

static void holder_end(const struct holder *h)
{
	close(h->end);
	waitpid(h->pid, NULL, 0);
}

static uint64_t expect_ms(struct mbox_scene *s, enum mailbox_outcome outcome)
{
	uint64_t begin_us = clock_mono_us();
	mbox_deliver(&s->delivery, &s->context, &s->result);
	if (s->result.outcome != outcome)
		fail_msg("outcome %d, not %d, error %d: %s", s->result.outcome, outcome, s->result.error, s->result.reason);
	return (clock_mono_us() - begin_us) / 1000;
}

static void expect_locked(struct mbox_scene *s, const char *who)
{
	uint64_t ms = expect_ms(s, MAILBOX_LOCKED);
	assert_int_equal(s->result.error, EAGAIN);
	if (strstr(s->result.reason, who) == NULL)
		fail_msg("%s: does not say %s", s->result.reason, who);
	if (ms < s->rules.timeout_ms || ms > s->rules.timeout_ms + SLACK_MS)
		fail_msg("it took %u ms", (unsigned)ms);
}

static void new_turns(struct mbox_scene *s)
{
	static const uint64_t key[2] = { 3, 4 };
	mbox_turns_free(s->context.turns);
	s->context.turns = mbox_turns_new(key);
}

static void test_a_lock_that_another_process_holds_is_waited_for_and_then_reported(void **state)
{
	struct mbox_scene *s = *state;
	char who[64];
	for (unsigned kind = MBOX_LOCK_FCNTL; kind < MBOX_LOCK_KIND_COUNT; kind++) {
		use_kind(s, (enum mbox_lock_kind)kind);
		new_turns(s);
		mbox_number(s, kind);
		struct holder h = holder_begin(s->path, (enum mbox_lock_kind)kind);
		snprintf(who, sizeof(who), kind == MBOX_LOCK_FCNTL ? "it has an fcntl lock of pid %d" : "it has a flock lock",
			h.pid);
		expect_locked(s, who);
		mbox_holds(s, SPAN(""));
		holder_end(&h);
		unlink(s->path);
		mbox_expect(s, MAILBOX_DELIVERED, 0);
		unlink(s->path);
	}
}

static void make_lock(const struct mbox_scene *s, const char *content, time_t age_s)
{
	struct timespec now, times[2];
	clock_gettime(CLOCK_REALTIME, &now);
	write_whole(beside(s, "alice.lock"), span_str(content));
	times[0] = times[1] = (struct timespec){ .tv_sec = now.tv_sec - age_s };
	assert_int_equal(utimensat(AT_FDCWD, beside(s, "alice.lock"), times, 0), 0);
}

static void test_a_dot_lock_is_waited_for_and_left_where_it_is(void **state)
{
	struct mbox_scene *s = *state;
	struct buf text;
	make_lock(s, "0", 100);
	expect_locked(s, "alice.lock is 10");
	buf_init(&text, 100);
	read_whole(beside(s, "alice.lock"), &text);
	assert_string_equal(buf_cstr(&text), "0");
	buf_fini(&text);
	assert_int_equal(unlink(beside(s, "alice.lock")), 0);
	new_turns(s);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	assert_int_equal(file_count(s->base, NULL), 1);
}

static pid_t dead_process(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static const struct stale_case {
	const char *content; /* D: a dead process, P: the parent, S: ourselves, H: this host */
	time_t age_s;
	bool stale, pids_unwanted, turns_missing;
} stale_cases[] = {
	{ "", 599, false },
	{ "", 602, true },
	{ "P", 602, true },
	{ "P:H", 602, true },
	{ "", -1000, false }, /* somebody's clock is ahead */
	{ "D", 0, true },
	{ "D\n", 0, true },
	{ " D \n", 0, true },
	{ "D:H", 0, true },
	{ "D:H\n", 0, true },
	{ "D:H", 0, false, .pids_unwanted = true },
	{ "D", 0, false, .pids_unwanted = true },
	{ "D:H", 602, true, .pids_unwanted = true },
	{ "D:elsewhere", 0, false },
	{ "D:", 0, false },
	{ "D:Hx", 0, false },
	{ "D elsewhere", 0, false },
	{ "P", 0, false },
	{ "P:H", 0, false },
	{ "S:H", 0, true },      /* no thread of ours has it: an earlier process of this number */
	{ "S", 0, false },
	{ "S:H", 0, false, .turns_missing = true },
	{ "0", 0, false },
	{ "x", 0, false },
	{ "-1", 0, false },
	{ "99999999999999999999", 0, false },
	{ "4194305", 0, false }, /* no such number can be */
};

static void expand(const char *text, char out[256])
{
	struct utsname host;
	size_t len = 0;
	assert_int_equal(uname(&host), 0);
	out[0] = '\0';
	for (; *text != '\0'; text++) {
		int pid = *text == 'D' ? dead_process() : *text == 'P' ? getppid() : *text == 'S' ? getpid() : 0;
		if (pid > 0)
			len += (size_t)snprintf(out + len, 256 - len, "%d", pid);
		else if (*text == 'H')
			len += (size_t)snprintf(out + len, 256 - len, "%s", host.nodename);
		else
			len += (size_t)snprintf(out + len, 256 - len, "%c", *text);
	}
}

static void test_stale_dot_locks_are_taken_away_and_others_are_not(void **state)
{
	struct mbox_scene *s = *state;
	s->rules.timeout_ms = 1;
	for (size_t i = 0; i < COUNT(stale_cases); i++) {
		const struct stale_case *c = &stale_cases[i];
		char content[256];
		new_turns(s);
		struct mbox_context context = { &s->rules, c->turns_missing ? NULL : s->context.turns };
		s->rules.pids = !c->pids_unwanted;
		mbox_number(s, (unsigned)i);
		expand(c->content, content);
		make_lock(s, content, c->age_s);
		mbox_deliver(&s->delivery, &context, &s->result);
		enum mailbox_outcome wanted = c->stale ? MAILBOX_DELIVERED : MAILBOX_LOCKED;
		if (s->result.outcome != wanted || (access(beside(s, "alice.lock"), F_OK) == 0) == c->stale)
			fail_msg("\"%s\", %ld s: outcome %d: %s", c->content, (long)c->age_s, s->result.outcome, s->result.reason);
		if (c->stale != (strstr(s->result.note, "a stale lock was taken away: alice.lock is ") != NULL))
			fail_msg("\"%s\": note %s", c->content, s->result.note);
		unlink(beside(s, "alice.lock"));
	}
	assert_int_equal(file_count(s->base, NULL), 1);
}

/* What is no regular file names nobody, and only age counts. */
static void test_odd_things_in_the_place_of_the_lock(void **state)
{
	struct mbox_scene *s = *state;
	s->rules.timeout_ms = 1;
	assert_int_equal(symlink("4194304:nowhere", beside(s, "alice.lock")), 0);
	mbox_expect(s, MAILBOX_LOCKED, EAGAIN);
	assert_int_equal(unlink(beside(s, "alice.lock")), 0);
	assert_int_equal(mkfifo(beside(s, "alice.lock"), 0600), 0);
	new_turns(s);
	mbox_expect(s, MAILBOX_LOCKED, EAGAIN);
	assert_int_equal(unlink(beside(s, "alice.lock")), 0);
	assert_int_equal(mkdir(beside(s, "alice.lock"), 0700), 0);
	new_turns(s);
	mbox_expect(s, MAILBOX_LOCKED, EAGAIN);
	assert_int_equal(rmdir(beside(s, "alice.lock")), 0);
	new_turns(s);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
}

static void test_a_lock_that_cannot_be_made_is_misconfigured(void **state)
{
	struct mbox_scene *s = *state;
	int status;
	write_whole(s->path, SPAN(""));
	assert_int_equal(chmod(s->path, 0666), 0);
	assert_int_equal(chmod(s->base, 0555), 0);
	pid_t child = fork();
	if (child == 0) {
		/* Root is refused nothing. */
		if (geteuid() == 0 && setuid(NOBODY_UID) != 0)
			_exit(2);
		mbox_deliver(&s->delivery, &s->context, &s->result);
		bool said = strstr(s->result.reason, "cannot make the dot-lock beside it: Permission denied") != NULL;
		_exit(s->result.outcome == MAILBOX_MISCONFIGURED && s->result.error == EACCES && said ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(chmod(s->base, 0755), 0);
	assert_int_equal(status, 0);
}

static void test_without_any_lock_nothing_is_delivered(void **state)
{
	struct mbox_scene *s = *state;
	s->rules.lock_count = 0;
	mbox_expect(s, MAILBOX_MISCONFIGURED, EINVAL);
	assert_int_equal(access(s->path, F_OK), -1);
}

struct worker {
	pthread_t thread;
	struct mbox_scene scene;
	unsigned number, count;
	unsigned delivered, locked;
	uint64_t longest_ms;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	for (unsigned i = 0; i < w->count; i++) {
		uint64_t begin_us = clock_mono_us();
		mbox_number(&w->scene, w->number * 1000 + i);
		mbox_deliver(&w->scene.delivery, &w->scene.context, &w->scene.result);
		uint64_t ms = (clock_mono_us() - begin_us) / 1000;
		w->longest_ms = ms > w->longest_ms ? ms : w->longest_ms;
		w->delivered += w->scene.result.outcome == MAILBOX_DELIVERED;
		w->locked += w->scene.result.outcome == MAILBOX_LOCKED;
	}
	return NULL;
}

/* Begins a thread that delivers into the scene's mbox by its rules. */
static void worker_begin(struct worker *w, const struct mbox_scene *s, unsigned number, unsigned count)
{
	*w = (struct worker){ .scene = *s, .number = number, .count = count };
	w->scene.context.rules = &s->rules;
	w->scene.delivery.place.path = span_str(s->path);
	assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
}

/* How many whole messages there are, and nothing else. */
static unsigned count_whole(const struct mbox_scene *s)
{
	struct span one = SPAN(FROM_BOB FIELDS "Subject: Lunch\n\nHello\n\n");
	struct buf text = mbox_text(s);
	struct span rest = buf_span(&text);
	unsigned count = 0;
	for (; rest.len > 0; rest = span_from(rest, one.len), count++)
		if (!span_eq(span_to(rest, one.len), one))
			fail_msg("message %u is torn: %.*s", count, SPAN_FMT(span_to(rest, 300)));
	buf_fini(&text);
	return count;
}

static void test_threads_take_turns(void **state)
{
	struct mbox_scene *s = *state;
	struct worker workers[8];
	s->rules.timeout_ms = 60000;
	for (unsigned i = 0; i < COUNT(workers); i++)
		worker_begin(&workers[i], s, i, 30);
	for (unsigned i = 0; i < COUNT(workers); i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].delivered, 30);
	}
	assert_int_equal(count_whole(s), COUNT(workers) * 30);
}

#define FIGHTERS 4
#define ROUNDS 40

/* A process of its own; its threads, if it had more, would take turns. Gives whether all was delivered. */
static void fight(struct mbox_scene *s, unsigned number)
{
	static const struct mbox_rules orders[FIGHTERS] = {
		{ { MBOX_LOCK_DOT, MBOX_LOCK_FCNTL, MBOX_LOCK_FLOCK }, 3, 60000, 600000, true },
		{ { MBOX_LOCK_FLOCK, MBOX_LOCK_FCNTL, MBOX_LOCK_DOT }, 3, 60000, 600000, true },
		{ { MBOX_LOCK_FCNTL, MBOX_LOCK_DOT }, 2, 60000, 600000, true },
		{ { MBOX_LOCK_DOT }, 1, 60000, 600000, true },
	};
	unsigned delivered = 0;
	s->rules = orders[number % FIGHTERS];
	for (unsigned i = 0; i < ROUNDS; i++) {
		mbox_number(s, number * 1000 + i);
		mbox_deliver(&s->delivery, &s->context, &s->result);
		delivered += s->result.outcome == MAILBOX_DELIVERED;
		if (s->result.outcome != MAILBOX_DELIVERED)
			fprintf(stderr, "%s\n", s->result.reason);
	}
	_exit(delivered == ROUNDS ? 0 : 1);
}

/* Orders that would deadlock if somebody waited with a lock in hand. All share the dot-lock. */
static void test_processes_with_other_orders_of_locks_share_one_mbox(void **state)
{
	struct mbox_scene *s = *state;
	pid_t pids[FIGHTERS];
	for (unsigned i = 0; i < FIGHTERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			fight(s, i);
	}
	for (unsigned i = 0; i < FIGHTERS; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_whole(s), FIGHTERS * ROUNDS);
	assert_int_equal(file_count(s->base, NULL), 1);
}

struct rewriter {
	pthread_t thread;
	const struct mbox_scene *scene;
	_Atomic bool stop;
	_Atomic unsigned rounds;
};

#define REWRITES 10
#define BATCH 80
#define BATCHES_MAX 100 /* on a busy machine the rewriter may seldom have its turn */

/* Under a dot-lock alone, writes the mbox anew under another name and renames that, as some programs do. */
static void *rewrite(void *arg)
{
	struct rewriter *r = arg;
	char lock[256], new[256];
	snprintf(lock, sizeof(lock), "%s", beside(r->scene, "alice.lock"));
	snprintf(new, sizeof(new), "%s", beside(r->scene, "alice.new"));
	while (!r->stop) {
		int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			continue;
		close(fd);
		struct buf text = mbox_text(r->scene);
		write_whole(new, buf_span(&text));
		buf_fini(&text);
		assert_int_equal(rename(new, r->scene->path), 0);
		assert_int_equal(unlink(lock), 0);
		r->rounds++;
	}
	return NULL;
}

/* With the fcntl lock first, the file that is locked may not be the mbox any more when the dot-lock is had. */
static void test_a_file_that_is_replaced_under_lock_is_opened_anew(void **state)
{
	struct mbox_scene *s = *state;
	struct rewriter r = { .scene = s };
	unsigned batches = 0;
	s->rules = (struct mbox_rules){ .locks = { MBOX_LOCK_FCNTL, MBOX_LOCK_DOT }, .lock_count = 2, .timeout_ms = 60000,
		.stale_ms = 600000 };
	write_whole(s->path, SPAN(""));
	assert_int_equal(pthread_create(&r.thread, NULL, rewrite, &r), 0);
	while (r.rounds <= REWRITES && batches < BATCHES_MAX) {
		struct worker w;
		worker_begin(&w, s, batches++, BATCH);
		pthread_join(w.thread, NULL);
		assert_int_equal(w.delivered, BATCH);
	}
	r.stop = true;
	pthread_join(r.thread, NULL);
	assert_int_equal(count_whole(s), batches * BATCH);
	assert_true(r.rounds > REWRITES);
}

/* One thread waits as long as it may; those behind it give up early, and when it has given up, nobody waits. */
static void test_a_locked_mbox_holds_up_one_thread_at_most(void **state)
{
	struct mbox_scene *s = *state;
	struct worker workers[4];
	s->rules.timeout_ms = 3000;
	write_whole(s->path, SPAN(""));
	struct holder h = holder_begin(s->path, MBOX_LOCK_FCNTL);
	for (unsigned i = 0; i < COUNT(workers); i++)
		worker_begin(&workers[i], s, i, 1);
	unsigned patient = 0;
	for (unsigned i = 0; i < COUNT(workers); i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].locked, 1);
		assert_true(workers[i].longest_ms < 3000 + SLACK_MS);
		patient += workers[i].longest_ms > 1000 + SLACK_MS;
	}
	assert_int_equal(patient, 1);
	assert_true(expect_ms(s, MAILBOX_LOCKED) < SLACK_MS);

	holder_end(&h);
	mbox_expect(s, MAILBOX_DELIVERED, 0);
	/* It was had: it is waited for again. */
	s->rules.timeout_ms = TIMEOUT_MS;
	mbox_number(s, 5000);
	h = holder_begin(s->path, MBOX_LOCK_FCNTL);
	expect_locked(s, "it has an fcntl lock");
	holder_end(&h);
}

static void test_another_mbox_is_delivered_to_meanwhile(void **state)
{
	struct mbox_scene *s = *state;
	struct worker w;
	s->rules.timeout_ms = 2000;
	write_whole(s->path, SPAN(""));
	struct holder h = holder_begin(s->path, MBOX_LOCK_FCNTL);
	worker_begin(&w, s, 1, 1);
	struct mbox_scene other = *s;
	other.delivery.place.path = span_str(beside(s, "bob"));
	assert_true(expect_ms(&other, MAILBOX_DELIVERED) < 1000);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.locked, 1);
	holder_end(&h);
}

#define MBOX_TEST(f) cmocka_unit_test_setup_teardown(f, mbox_setup, mbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MBOX_TEST(test_a_lock_that_another_process_holds_is_waited_for_and_then_reported),
		MBOX_TEST(test_a_dot_lock_is_waited_for_and_left_where_it_is),
		MBOX_TEST(test_stale_dot_locks_are_taken_away_and_others_are_not),
		MBOX_TEST(test_odd_things_in_the_place_of_the_lock),
		MBOX_TEST(test_a_lock_that_cannot_be_made_is_misconfigured),
		MBOX_TEST(test_without_any_lock_nothing_is_delivered),
		MBOX_TEST(test_threads_take_turns),
		MBOX_TEST(test_processes_with_other_orders_of_locks_share_one_mbox),
		MBOX_TEST(test_a_file_that_is_replaced_under_lock_is_opened_anew),
		MBOX_TEST(test_a_locked_mbox_holds_up_one_thread_at_most),
		MBOX_TEST(test_another_mbox_is_delivered_to_meanwhile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
