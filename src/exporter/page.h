/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exporter/page.h - inside this folder: the newest page and the question for the next. */
#ifndef EXPORTER_PAGE_H
#define EXPORTER_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

#define PAGE_ANSWER_NS UINT64_C(2000000000) /* longer than the gateway's longest turn */
#define PAGE_FRESH_NS  UINT64_C(100000000)

struct page {
	int fd;
	uint64_t serial;   /* of the newest question */
	uint64_t asked_ns; /* 0: no question is open */
	uint64_t got_ns;   /* 0: never */
	struct str text;
	char *buf; /* where records arrive */
};

/* @fd is the page's afterwards. */
int page_init(struct page *p, int fd) MUST_CHECK;
void page_fini(struct page *p);
/* A page so young that nobody needs to ask. */
bool page_is_fresh(const struct page *p, uint64_t now_ns);
/* Ask, unless a question is open. */
void page_ask(struct page *p, uint64_t now_ns);
/* Something came: 1 when it is the answer to the open question, 0 if not, -EPIPE at the end. */
int page_receive(struct page *p, uint64_t now_ns);
/* The open question was not answered in time; it is open no longer. */
bool page_gave_up(struct page *p, uint64_t now_ns);

#endif
