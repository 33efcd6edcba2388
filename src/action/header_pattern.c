/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * action/header_pattern.c - PCRE2 for `Remove These Headers = /re/`. The second place that uses
 * PCRE2 beside scan/, on purpose: the rule engine there compiles whole rule files into Hyperscan
 * databases in the zygote, while this is one small pattern, in the gateway, for sites that use it.
 */
#include "action/header_pattern.h"

#include <errno.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_STEPS_MAX 100000

struct header_pattern {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

void header_pattern_free(struct header_pattern **p)
{
	if (*p == NULL)
		return;
	pcre2_match_context_free((*p)->limits);
	pcre2_match_data_free((*p)->match);
	pcre2_code_free((*p)->code);
	free(*p);
	*p = NULL;
}

static int refuse(struct bytes text, int code, size_t at, struct err *err)
{
	PCRE2_UCHAR why[120] = "";

	(void)pcre2_get_error_message(code, why, sizeof(why));
	return err_set(err, ERR_CONFIG, -EINVAL, "/%.*s/: %s at character %zu",
		       (int)MIN_OF(text.n, (size_t)80), (const char *)text.p, (const char *)why,
		       at + 1);
}

int header_pattern_new(struct header_pattern **ret_p, struct bytes text, struct err *err)
{
	AUTO(header_pattern_free) struct header_pattern *p = calloc(1, sizeof(*p));
	PCRE2_SIZE at = 0;
	int code = 0;

	if (p == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "header pattern: out of memory");
	p->code = pcre2_compile(text.p, text.n, PCRE2_CASELESS, &code, &at, NULL);
	if (p->code == NULL)
		return refuse(text, code, at, err);
	p->match = pcre2_match_data_create(1, NULL);
	p->limits = pcre2_match_context_create(NULL);
	if (p->match == NULL || p->limits == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "header pattern: out of memory");
	(void)pcre2_set_match_limit(p->limits, MATCH_STEPS_MAX);
	*ret_p = TAKE(p);
	return 0;
}

bool header_pattern_matches(const struct header_pattern *p, struct bytes line)
{
	return pcre2_match(p->code, line.p, line.n, 0, 0, p->match, p->limits) >= 0;
}
