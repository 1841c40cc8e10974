/* SPDX-License-Identifier: Apache-2.0 */
/* The table of segments, and the names of the spool's files. No I/O here. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool_private.h"

void segment_name(char name_out[static DISK_NAME_MAX], uint32_t slot)
{
	snprintf(name_out, DISK_NAME_MAX, SEGMENT_NAME_FORMAT, slot);
}

void journal_name(char name_out[static DISK_NAME_MAX], uint64_t number)
{
	snprintf(name_out, DISK_NAME_MAX, JOURNAL_NAME_FORMAT, (unsigned long long)number);
}

void large_name(char name_out[static DISK_NAME_MAX], const struct id128 *id)
{
	char text[ID128_TEXT_LEN];
	id128_write(id, text);
	snprintf(name_out, DISK_NAME_MAX, LARGE_NAME_PREFIX "%.*s", ID128_TEXT_LEN, text);
}

uint64_t spool_chance(struct spool *s)
{
	uint64_t chance = id_source_u64(&s->ids);
	return chance != 0 ? chance : 1;
}

struct segment *segments_add(struct spool *s, const struct segment_head *head)
{
	if (head->slot >= SEGMENTS_MAX || s->segments[head->slot] != NULL)
		return NULL;
	struct segment *g = calloc(1, sizeof(*g));
	uint8_t *dead = calloc(1, head->units / 8 + 1);
	if (g == NULL || dead == NULL) {
		free(g);
		free(dead);
		return NULL;
	}
	*g = (struct segment){ .head = *head, .file = -1, .end_unit = SEGMENT_FIRST_UNIT, .limit = SEGMENT_NO_LIMIT };
	g->dead = dead;
	buf_init(&g->index, SEGMENT_INDEX_BYTES_MAX);
	s->segments[head->slot] = g;
	if (head->slot >= s->slot_count)
		s->slot_count = head->slot + 1;
	return g;
}

void segments_free(struct spool *s, struct segment *g)
{
	s->segments[g->head.slot] = NULL;
	if (g->file >= 0)
		s->disk->ops->close(s->disk->ctx, g->file);
	buf_fini(&g->index);
	free(g->dead);
	free(g);
}

void segment_mark_dead(struct segment *g, uint32_t unit)
{
	assert(unit < g->head.units);
	unit_mark(g->dead, unit);
}

void segment_snapshot(const struct segment *g, struct buf *body)
{
	struct journal_entry entry = { .type = JOURNAL_SEGMENT, .slot = g->head.slot, .generation = g->head.generation };
	bool retired = g->phase == SEGMENT_EMPTY || g->phase == SEGMENT_REMOVED;
	entry.limit = retired ? 0 : g->limit;
	size_t len = retired ? 0 : g->head.units / 8 + 1;
	while (len > 0 && g->dead[len - 1] == 0)
		len--;
	entry.text = span_of(g->dead, len);
	if (len > 0 || entry.limit != SEGMENT_NO_LIMIT)
		journal_entry_put(body, &entry);
	if (g->generation_before != 0) {
		entry.generation = g->generation_before;
		entry.limit = 0;
		entry.text = SPAN("");
		journal_entry_put(body, &entry);
	}
}

/* The journal's word about a segment: only ever more is dead or void. */
void segment_apply(struct spool *s, const struct journal_entry *entry)
{
	struct segment *g = entry->slot < SEGMENTS_MAX ? s->segments[entry->slot] : NULL;
	if (g == NULL)
		return;
	/* An earlier use that was retired. Was the head of this use only read from memory, a crash
	 * may still bring that one back. */
	if (g->head.generation != entry->generation) {
		if (entry->limit == 0)
			g->generation_before = entry->generation;
		return;
	}
	if (entry->limit < g->limit)
		g->limit = entry->limit;
	for (size_t i = 0; i < entry->text.len && i < g->head.units / 8 + 1; i++)
		g->dead[i] |= entry->text.ptr[i];
}
