/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transformer of bytes between a socket and a session (design section 3): what
 * comes from the wire goes through `inward`, what the session says through
 * `outward`. Plain connections have none (a null pointer), which costs nothing; TLS
 * will be the other implementation. Both buffers of the session are emptied when a
 * handshake begins, so that nothing said before it is taken for something said in it.
 */
#ifndef WAYBILL_TLS_TRANSFORM_H
#define WAYBILL_TLS_TRANSFORM_H

#include "buf.h"

enum transform_result { TRANSFORM_DONE, TRANSFORM_MORE, TRANSFORM_BAD };

struct transform {
	/* Takes bytes of the wire; appends plain text to `plain`, and what must be sent in
	 * reply (a handshake) to `wire`. */
	enum transform_result (*inward)(struct transform *t, struct span bytes, struct buf *plain, struct buf *wire);
	/* Takes plain text; appends bytes for the wire. */
	enum transform_result (*outward)(struct transform *t, struct span plain, struct buf *wire);
	void (*free)(struct transform *t);
};

#endif
