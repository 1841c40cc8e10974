/* SPDX-License-Identifier: Apache-2.0 */
/* What cannot be asked now, directories and policy services, as policy says it and `waybill status` shows it. */
#ifndef WAYBILL_ROLES_TROUBLES_H
#define WAYBILL_ROLES_TROUBLES_H

#include "ipc.h"

#define TROUBLES_MAX 32
#define TROUBLE_NAME_BYTES_MAX 64

/* Empty when it is all zeros. */
struct troubles {
	struct trouble {
		bool service, passed;  /* not a directory; clients go on without it */
		char name[TROUBLE_NAME_BYTES_MAX];
		char why[256];
		uint64_t since_ms;     /* 1970 */
	} items[TROUBLES_MAX];
	size_t count;
};

/* One is there, another than before, or is over. */
void troubles_take(struct troubles *t, const struct ipc_trouble *said);

/* Appends the directories, or the services, each as a JSON object. */
void troubles_write(const struct troubles *t, bool services, struct buf *list);

#endif
