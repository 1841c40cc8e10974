/* SPDX-License-Identifier: Apache-2.0 */
/* The two walls of the sandbox, for sandbox.c alone: Landlock and seccomp. */
#ifndef WAYBILL_SYS_SANDBOX_PARTS_H
#define WAYBILL_SYS_SANDBOX_PARTS_H

#include "sandbox.h"

/* Whether this program was built with the address sanitizer, whose reports and
 * leak check read /proc and program files and trace the process itself. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED true
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED false
#endif

/* Whether a path of the box has the right. */
static inline bool sandbox_has_right(const struct sandbox *box, unsigned right)
{
	for (size_t i = 0; i < box->path_count; i++)
		if ((box->paths[i].rights & right) != 0)
			return true;
	return false;
}

/* Landlock. 0, a negative errno, or -EOPNOTSUPP when the kernel has none that serves;
 * then `why_out` points to a constant text that says what is not enforced. */
int sandbox_confine_files(const struct sandbox *box, const char **why_out);

/* Seccomp; last, since it forbids what the others need. 0 or a negative errno. */
int sandbox_confine_calls(const struct sandbox *box);

#endif
