/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/worker/tiny.h - a scanner of a few lines that does what the message says, so that zygote,
 * worker and client can be tested without signatures.
 */
#ifndef TESTS_WORKER_TINY_H
#define TESTS_WORKER_TINY_H

#include "worker/client.h"

/*
 * Messages: "echo TEXT" -> subject TEXT; "size" -> subject is the number of bytes; "crash",
 * "hang", "exit", "abort", "fail"; "stack N", "memory N" (MiB); "file NAME" -> makes it in TMPDIR;
 * "files" -> how many there are; "charset NAME" -> known or not; "many" -> facts that do not fit.
 * Anything else -> subject is the number of bytes and a checksum.
 */
extern const struct worker_ops tiny_ops;

/* Bytes of memory the engine touches; set before client_start(). */
extern size_t tiny_engine_bytes;
/* Called by scan() instead of the commands when it is set; fills @out, the subject. */
extern void (*tiny_scan)(struct bytes message, char *out, size_t size);

/* Bytes -> "SUM bytes, checksum": what scan() says of @message. */
const char *tiny_digest(struct bytes message, char *out, size_t size);

/* A directory of this test's own as TMPDIR, and its removal: a killed zygote leaves things. */
void tiny_begin(void);
void tiny_end(void);

/* A setup that becomes "nobody" when run by root. */
struct client_setup tiny_setup(void);

/* One scan of @text. Returns the state of the checks; *@ret_text is subject or why. */
enum check_state tiny_scan_text(struct client *c, struct bytes text, uint32_t wall_ms,
				char *ret_text, size_t size);
enum check_state tiny_scan_fd(struct client *c, int fd, uint64_t bytes, char *ret_text,
			      size_t size);

#endif
