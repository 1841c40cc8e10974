/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's inside, shared by the files of this room. Who does what:
 * smtp_server.c feeds and hands out events; verbs.c finds the verb and enforces
 * its flags; verb_*.c are the verbs; content.c moves content; results.c is LMTP's end
 * of a message; stages.c keeps account of what was asked about the client; session.c
 * replies, asks, ends. Invariants (checked by session_check): a question is pending only
 * in the command phase or, for SPILL, END and COMMIT, in a content phase; content
 * phases but a swallowed chunk have a transaction; nothing is taken after close.
 */
#ifndef WAYBILL_SMTP_SMTP_SERVER_PRIVATE_H
#define WAYBILL_SMTP_SMTP_SERVER_PRIVATE_H

#include "smtp_command.h"
#include "smtp_server.h"
#include "transaction.h"

#define SESSION_MAGIC 0x534d5450u

enum phase {
	PHASE_COMMAND,
	PHASE_DATA,
	PHASE_CHUNK, /* octets of a BDAT chunk; without a transaction they are dropped */
	PHASE_RESULTS, /* LMTP: each recipient's reply, as the output has room */
	PHASE_CLOSED
};

enum greeting { GREETING_NONE, GREETING_HELO, GREETING_EHLO /* or LHLO */ };

/* What becomes of the rest of a line that will not be executed. */
enum line_skip {
	LINE_KEEP,
	LINE_TOO_LONG, /* answered when its CRLF comes */
	LINE_POISONED  /* a bare LF was answered; all up to the next CRLF is dropped */
};

struct chunk {
	uint64_t size;
	uint64_t left;
	bool last;
	bool refused;           /* dropped, then answered with `key` */
	enum reply_key key;
};

/* What is still to be said of a message's recipients. */
struct results {
	const enum reply_key *keys; /* in the transaction's arena; NULL: `key` for all */
	enum reply_key key;
	uint32_t seconds;
	size_t next;
};

struct pending {
	enum smtp_question_kind kind;
	bool pulled;            /* the caller has seen it */
};

struct smtp_server {
	uint32_t magic;
	uint8_t phase;          /* enum phase */
	uint8_t greeting;       /* enum greeting */
	uint8_t line_skip;      /* enum line_skip */
	bool line_cr;           /* the last byte of a skipped line was CR */
	bool trusted;
	bool turned_away;       /* greeted with 554 */
	uint8_t ask_stages;     /* to be asked about at once */
	uint8_t unasked;        /* stages that came, and were not asked about, not passed or not for good */
	uint8_t counted;        /* those of them that rates have counted */
	bool shutting_down;
	bool note_ready;
	bool content_ready;     /* transaction->stored waits to be given out */
	bool content_given;     /* it was; forget it at the next call */
	bool discard_ready;
	char session_id[ID_SHORT_LEN];
	const struct smtp_server_options *options;
	struct netaddr peer;
	uint64_t now_ms;
	uint64_t since_ms;      /* last command, last content or last answer */
	uint64_t window_start_ms;
	uint64_t window_bytes;
	uint64_t content_read;  /* octets read since DATA, or since BDAT */
	uint32_t bad_commands;
	uint32_t transactions;
	const char *verb;       /* of the current or last command, for notes */
	struct buf line;        /* a partial command line */
	struct buf output;
	struct buf helo;
	struct buf scratch;     /* address of the note or of the question */
	struct transaction *transaction;
	struct chunk chunk;
	struct results results;
	struct pending ask;
	struct smtp_server_note note;
};

/* session.c */

/* What a reply's wording and its note may need besides the key. */
struct reply_about {
	struct span address;  /* for the note; copied */
	struct span mailbox;
	uint64_t seconds, octets;
	struct reply_said said;
	bool unnoted;         /* the same refusal was noted already */
};

void session_check(const struct smtp_server *s);
void session_reply(struct smtp_server *s, enum reply_key key);
void session_reply_about(struct smtp_server *s, enum reply_key key, const struct reply_about *about);
void session_reply_params(const struct smtp_server *s, struct reply_params *params_out);

/* A reply to a command that broke the protocol; too many of them end the session. */
void session_reply_bad(struct smtp_server *s, enum reply_key key);

/* Which greeting is missing. */
enum reply_key session_greet_first(const struct smtp_server *s);

/* Replies, then takes nothing any more. */
void session_close_with(struct smtp_server *s, enum reply_key key);
void session_close(struct smtp_server *s);
void session_ask(struct smtp_server *s, enum smtp_question_kind kind);

/* The way out of a transaction, whatever the reason. */
void session_transaction_end(struct smtp_server *s);

/* Back to commands after content. */
void session_command_phase(struct smtp_server *s);

/* A bounded copy that lives until the next event is pulled or the question is answered. */
struct span session_scratch(struct smtp_server *s, struct span text);

/* verbs.c */
void verb_run(struct smtp_server *s, struct span line);

/* verb_*.c: each parses its arguments, checks the state and replies or asks. */
void verb_helo(struct smtp_server *s, struct span argument);
void verb_ehlo(struct smtp_server *s, struct span argument);
void verb_lhlo(struct smtp_server *s, struct span argument);
void verb_helo_answer(struct smtp_server *s, const struct smtp_server_answer *answer);
void verb_mail(struct smtp_server *s, struct span argument);
void verb_mail_answer(struct smtp_server *s, const struct smtp_server_answer *answer);
void verb_rcpt(struct smtp_server *s, struct span argument);
void verb_rcpt_answer(struct smtp_server *s, const struct smtp_server_answer *answer);
void verb_data(struct smtp_server *s, struct span argument);
void verb_bdat(struct smtp_server *s, struct span argument);
void verb_vrfy(struct smtp_server *s, struct span argument);
void verb_expn(struct smtp_server *s, struct span argument);
void verb_vrfy_answer(struct smtp_server *s, const struct smtp_server_answer *answer);
void verb_expn_answer(struct smtp_server *s, const struct smtp_server_answer *answer);
void verb_rset(struct smtp_server *s, struct span argument);
void verb_noop(struct smtp_server *s, struct span argument);
void verb_help(struct smtp_server *s, struct span argument);
void verb_quit(struct smtp_server *s, struct span argument);
void verb_not_implemented(struct smtp_server *s, struct span argument);
void verb_foreign(struct smtp_server *s, struct span argument);

/* The end of a chunk: reply or COMMIT. */
void verb_bdat_chunk_end(struct smtp_server *s);

/* stages.c */

bool stage_is_asked_by(enum smtp_question_kind kind);

/* This stage has come. False: nobody is asked now, go on. */
bool stage_ask(struct smtp_server *s, enum smtp_question_kind kind);

/* What became of these is of no interest any more. */
void stage_forget(struct smtp_server *s, unsigned stages);
void stage_question(const struct smtp_server *s, struct smtp_server_question *question);

/* Keeps account of an answer, before it is acted on. */
void stage_answered(struct smtp_server *s, enum smtp_question_kind kind, const struct smtp_server_answer *answer);
void stage_connect_answer(struct smtp_server *s, const struct smtp_server_answer *answer);

/* content.c */

/* The smallest inline_bytes_max that the session works with. */
#define CONTENT_INLINE_BYTES_MIN 8192

/* Writes the trace field and prepares the decoder; false: no memory. */
bool content_begin(struct smtp_server *s, bool dots);
size_t content_take_data(struct smtp_server *s, struct span in);
size_t content_take_chunk(struct smtp_server *s, struct span in);

/* The content goes on: when there is no room for it, says so at once, so that a feed
 * that takes nothing never leaves an event behind. */
void content_room_check(struct smtp_server *s);

/* Why the message is refused, whatever was found last: the same for all ways of cutting it. */
enum reply_key content_refusal(const struct transaction *t);

/* All content is here: refuses it or asks COMMIT. */
void content_end(struct smtp_server *s);
void content_spill_answer(struct smtp_server *s, const struct smtp_server_answer *answer);
void content_end_answer(struct smtp_server *s, const struct smtp_server_answer *answer);
void content_commit_answer(struct smtp_server *s, const struct smtp_server_answer *answer);

/* Forgets the content that a CONTENT event gave out. */
void content_settle(struct smtp_server *s);

/* Why DATA and BDAT are refused when no recipient was accepted. */
enum reply_key content_without_recipients(const struct smtp_server *s);

/* results.c */

/* The message's end is answered: once, or with LMTP once for each recipient. Ends the transaction
 * with the last reply. */
void results_begin(struct smtp_server *s, const struct smtp_server_answer *answer);

/* Says as much as there is room for. */
void results_go_on(struct smtp_server *s);

/* timers.c */

/* Restarts the clock of the minimum rate. */
void timers_window_start(struct smtp_server *s);

#endif
