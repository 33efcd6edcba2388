/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/facts_json.h - facts as the JSON members that docs/json.md promises. */
#ifndef SCAN_FACTS_JSON_H
#define SCAN_FACTS_JSON_H

#include "core/jout.h"
#include "scan/facts.h"

/* One finding as an object: an element of the open array. */
void facts_put_finding(struct jout *j, const struct finding *f);
/* Members findings, parts, checks, cpu_us, expanded_bytes, limit of the open object. */
void facts_put(struct jout *j, const struct facts *f);

#endif
