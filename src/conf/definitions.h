/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/definitions.h - the files of definitions that options name: what stands wrong in them. */
#ifndef CONF_DEFINITIONS_H
#define CONF_DEFINITIONS_H

#include "conf/conf.h"

/*
 * Add to @r the mistakes in the files that Spam List Definitions, Virus Scanner Definitions,
 * Phishing Safe and Bad Sites File, Country Sub-Domains List and Language Strings name, and the
 * names in Spam List and Spam Domain List that no file defines. Tools only: it reads them all.
 */
void conf_check_definitions(const struct conf *c, struct conf_report *r);

#endif
