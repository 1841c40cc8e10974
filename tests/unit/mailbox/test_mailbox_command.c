/* SPDX-License-Identifier: Apache-2.0 */
/* Words and environment of a command, with names that want to be more, and what its end means. */
#include "mailbox_test.h"

#include "mailbox_command.h"

static void test_commands_are_checked(void **state)
{
	static const struct { const char *words; bool good; } list[] = {
		{ "/usr/bin/filter", true }, { "/usr/bin/filter -u {user} x{domain}y  z", true }, { " /bin/x", true },
		{ "", false }, { " ", false }, { "filter", false }, { "-x", false }, { "/bin/{user}", false },
		{ "/bin/x {home}", false }, { "/bin/x {user", false },
		{ "/x 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1", true },
		{ "/x 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2", false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(list); i++)
		if ((mailbox_command_check(span_str(list[i].words)) == NULL) != list[i].good)
			fail_msg("\"%s\" should be %s", list[i].words, list[i].good ? "good" : "bad");
}

struct fill_case {
	const char *words, *user, *recipient;
	const char *wanted; /* argv, each with "|" behind; NULL: refused */
	const char *extension;
};

static const struct fill_case fills[] = {
	{ "/bin/x -u {user} -d{domain}", "alice", "alice@example.org", "/bin/x|-u|alice|-dexample.org|", "" },
	{ "/bin/x {user}+{user}@{domain}", "al ice", "a@b", "/bin/x|al ice+al ice@example.org|", "" },
	{ "/bin/x a{user}", "-rf", "-rf@example.org", "/bin/x|a-rf|", "" },
	{ "/bin/x {user}", "-rf", "-rf@example.org", NULL, "" },
	{ "/bin/x {user}", "$(id);\n`x`", "a@b", "/bin/x|$(id);?`x`|", "" },
	{ "/bin/x", "alice", "Alice+news@example.org", "/bin/x|", "news" },
	{ "/bin/x", "alice", "alice+a@b+c@example.org", "/bin/x|", "a@b+c" },
	{ "/bin/x", "alice", "alice+@example.org", "/bin/x|", "" },
	{ "/bin/x", "alice", "bob@example.org", "/bin/x|", "" },
	{ "/bin/x", "postmaster", "postmaster", "/bin/x|", "" },
};

static void test_words_and_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(fills); i++) {
		const struct fill_case *c = &fills[i];
		struct mailbox_command command;
		struct mailbox_command_for about = { .user = span_str(c->user), .domain = SPAN("example.org"),
			.recipient = span_str(c->recipient), .sender = SPAN("x\r\ny@example.net") };
		char argv[1000] = "", variable[300];
		size_t len = 0;
		mailbox_command_init(&command);
		bool good = mailbox_command_fill(&command, span_str(c->words), &about);
		for (size_t at = 0; good && command.argv[at] != NULL; at++)
			len += (size_t)snprintf(argv + len, sizeof(argv) - len, "%s|", command.argv[at]);
		if (good != (c->wanted != NULL) || (good && strcmp(argv, c->wanted) != 0))
			fail_msg("case %zu: %d, \"%s\"", i, good, argv);
		snprintf(variable, sizeof(variable), "EXTENSION=%s", c->extension);
		if (good) {
			assert_string_equal(command.envp[0], "PATH=/usr/local/bin:/usr/bin:/bin");
			assert_string_equal(command.envp[1], "SENDER=x??y@example.net");
			assert_string_equal(command.envp[4], variable);
			assert_string_equal(command.envp[6], "MESSAGE_ID=00000000000000000000000000");
			assert_null(command.envp[7]);
		}
		mailbox_command_fini(&command);
	}
}

static void test_what_an_end_means(void **state)
{
	static const struct { struct command_end end; const char *key, *reason; } list[] = {
		{ { COMMAND_EXITED, 0, false, "" }, "delivered", "exited with 0" },
		{ { COMMAND_EXITED, 67, false, "who?" }, "mailbox-unknown", "knows no such user: who?" },
		{ { COMMAND_EXITED, 77, false, "no" }, "command-refused", "refused the message: no" },
		{ { COMMAND_EXITED, 69, false, "" }, "command-refused", "refused the message" },
		{ { COMMAND_EXITED, 65, false, "" }, "command-refused", "refused the message" },
		{ { COMMAND_EXITED, 78, false, "" }, "mailbox-misconfigured", "exited with 78" },
		{ { COMMAND_EXITED, 75, false, "" }, "command-failed", "exited with 75" },
		{ { COMMAND_EXITED, 200, false, "" }, "command-failed", "exited with 200" },
		{ { COMMAND_SIGNALLED, 9, false, "" }, "command-failed", "was ended by signal 9" },
		{ { COMMAND_NOT_STARTED, ENOENT, false, "" }, "mailbox-misconfigured",
			"cannot be started: No such file or directory" },
		{ { COMMAND_TIMED_OUT, 0, false, "on my way" }, "command-failed",
			"took too long, and was ended: on my way" },
		{ { COMMAND_LOST, 0, false, "" }, "command-failed", "was lost: what became of it is not known" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(list); i++) {
		struct mailbox_command_verdict v = mailbox_command_judge(&list[i].end);
		assert_string_equal(v.key, list[i].key);
		assert_memory_equal(v.reason, "The program that takes this mail ", 33);
		assert_string_equal(v.reason + 33, list[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_are_checked),
		cmocka_unit_test(test_words_and_environment),
		cmocka_unit_test(test_what_an_end_means),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
