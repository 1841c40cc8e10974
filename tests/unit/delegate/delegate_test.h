/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the delegate room share. */
#ifndef WAYBILL_TESTS_DELEGATE_TEST_H
#define WAYBILL_TESTS_DELEGATE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "delegate.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
