/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of the wording are left out: those of one reply may have the name of a mailbox among them. */
#include "classify_own.h"

#define WORDS_BYTES_MAX 1024

void classify_own(enum reply_key key, struct classify_answer *answer_out)
{
	const struct reply_entry *entry = reply_entry(key);
	struct buf words;
	buf_init(&words, WORDS_BYTES_MAX);
	reply_write_text(&words, key, NULL);
	struct classify_input input = { .code = entry->code, .enhanced = span_str(entry->enhanced),
		.text = buf_span(&words) };
	classify_reply(&input, answer_out);
	buf_fini(&words);
	struct span empty = { NULL, 0 };
	answer_out->words = answer_out->delay_words = answer_out->list = answer_out->enhanced = empty;
}
