/* SPDX-License-Identifier: Apache-2.0 */
/* A doubly linked ring whose links are inside the members; nothing is allocated. */
#ifndef WAYBILL_BASE_LIST_H
#define WAYBILL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

/* A ring of one: an empty head, or a member that is in no list. */
static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_append(struct list *head, struct list *member)
{
	member->prev = head->prev;
	member->next = head;
	head->prev->next = member;
	head->prev = member;
}

/* Takes a member out; taking it out twice does no harm. */
static inline void list_remove(struct list *member)
{
	member->prev->next = member->next;
	member->next->prev = member->prev;
	list_init(member);
}

#endif
