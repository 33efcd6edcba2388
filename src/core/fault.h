/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core/fault.h - named places where a test makes the world fail. Compiled out unless the build has
 * -Dfaults=true (the test builds have); a release build holds none of it.
 *
 * The environment says what happens: SALLYPORT_FAULT="POINT=WHAT[@N][,POINT=WHAT[@N]...]", where
 * WHAT is an errno name (EIO, ENOSPC, ENOMEM ...), SHORT (half of a positive result), KILL (SIGKILL
 * of this process), CRASH (SIGSEGV) or HANG, and N means only the Nth time this process comes by
 * (from 1). SALLYPORT_FAULT_FILE names a file whose content is used instead, read each time, so
 * that a test can change its mind while the program runs; SALLYPORT_FAULT_ROLE limits all of it
 * to the process with that role (fault_set_role()).
 */
#ifndef CORE_FAULT_H
#define CORE_FAULT_H

#include "core/base.h"

#ifdef SALLYPORT_FAULTS
/* @result as it is, or what the environment wants for @point: a negative errno or less bytes. */
int fault_at(const char *point, int result);
void fault_set_role(const char *role);
#else
static inline int fault_at(const char *point UNUSED, int result)
{
	return result;
}

static inline void fault_set_role(const char *role UNUSED)
{
}
#endif

#endif
