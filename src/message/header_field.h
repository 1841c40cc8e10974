/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message's header field by field, and the addresses in a field (RFC 5322
 * sections 2.2, 3.4 and 4.4), as a program that hands in mail needs them. Text has
 * CRLF line ends. Nothing is decoded; comments, display names, groups' names and
 * source routes are passed over.
 */
#ifndef WAYBILL_MESSAGE_HEADER_FIELD_H
#define WAYBILL_MESSAGE_HEADER_FIELD_H

#include "buf.h"

struct header_field {
	struct span name;  /* without white space and colon */
	struct span body;  /* after the colon, folded as it stands, without the last CRLF */
	struct span whole; /* with its line ends */
};

/*
 * Takes the field that *rest_io begins with. False when there is none: then the rest
 * is the empty line and the body, or begins with something that is no field.
 */
bool header_field_next(struct span *rest_io, struct header_field *field_out);

enum address_list_step {
	ADDRESS_LIST_END,
	ADDRESS_LIST_MAILBOX,
	ADDRESS_LIST_BAD /* not an address list from here on */
};

struct address_list {
	struct span rest;
	bool group;
};

/*
 * The next mailbox of a list such as "Bob <bob@b.test>, friends: a@b.test, (x) c@d.test;".
 * It may lack a domain and is not checked further; the buffer is overwritten.
 * After BAD only END follows.
 */
enum address_list_step address_list_next(struct address_list *list, struct buf *mailbox_out);

#endif
