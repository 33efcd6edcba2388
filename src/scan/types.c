/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/types.c - filetype rules on what libmagic says of each content.
 *
 * libmagic is asked through a descriptor of a memory file, not through magic_buffer(): on a buffer
 * it cannot run its tests that count from the end of a file or look into ELF headers, and answers
 * "data" for a ZIP archive with something before it, "Zip archive data" for some Java archives and
 * "shared object" for a program (measured against file(1): 9 of 3,900 contents, each of them one
 * that rules are about). The memory file has no name, and nothing else is opened: the database is
 * loaded before the fork and MAGIC_COMPRESS is never set.
 *
 * Limits: of a content above CONTENT_MAX only the first LOOK_BYTES are shown, so that a large ELF
 * program may be called a shared object.
 */
#include <errno.h>
#include <magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fault.h"
#include "scan/rule_report.h"

/* What libmagic's patterns see: its own default, as in file(1). With less, the tests at the end of
 * a file do not work on files above it. Costs 2 to 15 ms a MiB, half a second for 7 MiB of LF. */
#define LOOK_BYTES  (7u * 1024 * 1024)
#define CONTENT_MAX (32u * 1024 * 1024)

struct type_engine {
	magic_t magic;
	int fd;    /* memory file, -1 until the first question */
	pid_t pid; /* whose it is: a forked worker makes its own */
};

static const struct rule_words type_words = {
	.kind = FINDING_FILETYPE,
	.log_prefix = "Filetype Checks",
	.list_text = "Files of this type are on the list of types that are not accepted",
	.untold_text = "A file of this type is not accepted",
};

static const struct rule_words mime_words = {
	.kind = FINDING_FILETYPE,
	.log_prefix = "Filetype Mime Checks",
	.list_text = "Files of this MIME type are on the list of types that are not accepted",
	.untold_text = "A file of this MIME type is not accepted",
};

/* --- libmagic --- */

static int set_limits(magic_t m)
{
	static const struct {
		int param;
		size_t max;
	} limits[] = {
		{ MAGIC_PARAM_BYTES_MAX, LOOK_BYTES },
		{ MAGIC_PARAM_INDIR_MAX, 15 },
		{ MAGIC_PARAM_NAME_MAX, 50 },
		/* Fewer program headers would hide the one that tells a program from a library. */
		{ MAGIC_PARAM_ELF_PHNUM_MAX, 2048 },
		{ MAGIC_PARAM_ELF_SHNUM_MAX, 2048 },
		{ MAGIC_PARAM_ELF_NOTES_MAX, 64 },
		{ MAGIC_PARAM_REGEX_MAX, 8192 },
		{ MAGIC_PARAM_ENCODING_MAX, 65536 },
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (magic_setparam(m, limits[i].param, &limits[i].max) < 0)
			return -EINVAL;
	return 0;
}

int type_engine_new(struct type_engine **ret_e, struct err *err)
{
	AUTO(type_engine_free) struct type_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "file types: out of memory");
	e->fd = -1;
	e->magic = magic_open(MAGIC_NONE);
	if (e->magic == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "file types: out of memory");
	if (magic_load(e->magic, NULL) < 0)
		return err_set(err, ERR_CONFIG, -ENOENT,
			       "file types: libmagic's database cannot be loaded: %s",
			       magic_error(e->magic));
	if (set_limits(e->magic) < 0)
		return err_set(err, ERR_CONFIG, -EINVAL, "file types: this libmagic is too old");
	*ret_e = TAKE(e);
	return 0;
}

void type_engine_free(struct type_engine **e)
{
	if (*e == NULL)
		return;
	fd_close(&(*e)->fd);
	if ((*e)->magic != NULL)
		magic_close((*e)->magic);
	free(*e);
	*e = NULL;
}

/* Mode 0600: libmagic calls what may be executed a program. */
int type_engine_prepare(struct type_engine *e, struct err *err)
{
	if (e->fd >= 0 && e->pid == getpid())
		return 0;
	fd_close(&e->fd);
	e->fd = memfd_create("content", MFD_CLOEXEC);
	if (e->fd < 0)
		return err_errno(err, "file types: memory file");
	e->pid = getpid();
	if (fchmod(e->fd, 0600) < 0)
		return err_errno(err, "file types: mode of the memory file");
	return 0;
}

static int put(int fd, struct bytes b, struct err *err)
{
	size_t offset = 0;

	while (b.n > 0) {
		int n = (int)pwrite(fd, b.p, b.n, (off_t)offset); /* at most CONTENT_MAX */

		n = fault_at("types.write", n < 0 ? -errno : n);
		if (n < 0)
			return err_code(err, n, "file types: memory file");
		b = bytes_from(b, (size_t)n);
		offset += (size_t)n;
	}
	return 0;
}

static int resize(int fd, size_t size, struct err *err)
{
	if (ftruncate(fd, (off_t)size) < 0)
		return err_errno(err, "file types: size of the memory file");
	return 0;
}

static int fill_file(struct type_engine *e, struct bytes content, struct err *err)
{
	int r = type_engine_prepare(e, err);

	/* Empty first: what was there before must not show through the hole of a large one. */
	if (r == 0)
		r = resize(e->fd, 0, err);
	if (r == 0)
		r = resize(e->fd, content.n, err);
	if (r < 0)
		return r;
	return put(e->fd, content.n <= CONTENT_MAX ? content : bytes_head(content, LOOK_BYTES),
		   err);
}

/* What libmagic says of the memory file, up to the first @end. */
static int ask(struct type_engine *e, int flags, char end, struct arena *a, const char **ret,
	       struct err *err)
{
	struct bytes answer;
	const char *text = NULL;
	ptrdiff_t n;

	if (magic_setflags(e->magic, flags) == 0 && lseek(e->fd, 0, SEEK_SET) == 0 &&
	    fault_at("types.magic", 0) == 0)
		text = magic_descriptor(e->magic, e->fd);
	if (text == NULL)
		return err_set(err, ERR_INPUT, -EIO, "file types: libmagic cannot tell: %.120s",
			       magic_error(e->magic) == NULL ? "no reason given"
							     : magic_error(e->magic));
	answer = bytes_str(text);
	n = bytes_index(answer, (uint8_t)end);
	if (n >= 0)
		answer.n = (size_t)n;
	*ret = arena_str(a, answer);
	if (*ret == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory for a file type");
	return 0;
}

static int ask_both(struct scan_state *s, struct leaf *leaf, bool text, bool mime, struct err *err)
{
	struct type_engine *e = s->scanner->types;
	int r = fill_file(e, leaf->content, err);

	if (r == 0 && text)
		r = ask(e, MAGIC_NONE, ',', s->arena, &leaf->file_type, err);
	if (r == 0 && mime)
		r = ask(e, MAGIC_MIME_TYPE, ';', s->arena, &leaf->file_mime, err);
	if (r == 0 && leaf->content.n > LOOK_BYTES) /* do not keep its memory */
		r = resize(e->fd, 0, err);
	return r;
}

/* --- what is known of a leaf --- */

/* From the cache, whose fields may have been cut: a text that fills its field does not count. */
static const char *cached_text(const char *text, size_t size)
{
	size_t n = strnlen(text, size);

	return n == 0 || n >= size - 1 ? NULL : text;
}

static void take_cached(struct leaf *leaf)
{
	const struct fact_verdict *v = leaf->cached;

	if (v == NULL)
		return;
	if (leaf->file_type == NULL)
		leaf->file_type = cached_text(v->file_type, sizeof(v->file_type));
	if (leaf->file_mime == NULL)
		leaf->file_mime = cached_text(v->mime_type, sizeof(v->mime_type));
}

static int find_out(struct scan_state *s, struct leaf *leaf, bool text, bool mime, struct err *err)
{
	int r = 0;

	take_cached(leaf);
	text = text && leaf->file_type == NULL;
	mime = mime && leaf->file_mime == NULL;
	if (leaf->content.n == 0) { /* what file(1) says of an empty file, not of an empty pipe */
		if (text)
			leaf->file_type = "empty";
		if (mime)
			leaf->file_mime = "inode/x-empty";
	} else if (text || mime) {
		r = ask_both(s, leaf, text, mime, err);
	}
	if (r == 0 && leaf->depth == 0 && leaf->fact != NULL && leaf->file_type != NULL)
		leaf->fact->file_type = leaf->file_type;
	return r;
}

/* --- the check --- */

struct wanted {
	bool text, mime;
};

/* Option "Archives: Ignore DAT File Executable". All readings: one that is no .dat could run. */
static bool is_ignored_dat(const struct scan_state *s, const struct leaf *leaf)
{
	if (!s->request->ignore_dat || leaf->depth == 0 || leaf->names_n == 0)
		return false;
	for (size_t i = 0; i < leaf->names_n; i++)
		if (!bytes_ends_nocase(bytes_str(leaf->names[i]), BYTES(".dat")))
			return false;
	return true;
}

static int first_match(struct scan_state *s, const struct leaf *leaf, enum rule_field field,
		       const char *answer, struct rule_match *m, struct err *err)
{
	struct bytes subject = bytes_str(answer);

	return rule_first_match(s->scanner->rules, rule_report_set(s, leaf), field, &subject, 1, m,
				err);
}

static int judge(struct scan_state *s, struct leaf *leaf, struct wanted w, const char *name,
		 size_t *renames, struct err *err)
{
	struct rule_match type = { .action = RULE_NONE }, mime = { .action = RULE_NONE };
	int r = find_out(s, leaf, w.text, w.mime, err);

	if (r == 0 && w.text)
		r = first_match(s, leaf, RULE_TYPE, leaf->file_type, &type, err);
	if (r == 0 && w.mime)
		r = first_match(s, leaf, RULE_MIME, leaf->file_mime, &mime, err);
	if (r < 0)
		return r;
	/* The MIME allow list, but not a rule, takes a hit by type back. */
	if (mime.action == RULE_ALLOW && mime.from_list)
		type.action = RULE_NONE;
	*renames += type.action == RULE_RENAME;
	r = rule_report(s, leaf, &type_words, &type, name, err);
	return r < 0 ? r : rule_report(s, leaf, &mime_words, &mime, name, err);
}

static const char *why_skipped(const struct scan_request *r)
{
	if (!r->dangerous_content)
		return "Dangerous Content Scanning is no";
	return r->check_types ? NULL : "File Command is empty";
}

static int check_leaves(struct scan_state *s, const struct wanted *wanted,
			struct check_result *result, struct err *err)
{
	size_t number = 0, renames = 0;

	for (struct leaf *leaf = s->leaves; leaf != NULL; leaf = leaf->next) {
		const struct scan_rules *set = rule_report_set(s, leaf);
		struct wanted w = wanted[set - s->request->rules];
		const char *name;
		int r;

		number++;
		/* Unread content has no type; who could not read it has said so. */
		if (leaf->unread || leaf->type_exempt || is_ignored_dat(s, leaf) ||
		    (!w.text && !w.mime))
			continue;
		if (!rule_report_go_on(s, leaf, result))
			break;
		name = rule_report_name(s, leaf, number);
		if (name == NULL)
			return err_set(err, ERR_LIMIT, -ENOMEM, "no memory to check a file type");
		r = judge(s, leaf, w, name, &renames, err);
		if (r < 0)
			return r;
	}
	if (result->why == NULL)
		result->why = rule_report_renames(s, renames);
	return 0;
}

int check_filetypes(struct scan_state *s, struct check_result *ret_result, struct err *err)
{
	struct check_result result = { .state = CHECK_RAN, .why = why_skipped(s->request) };
	struct wanted wanted[SCAN_RULES_SETS];
	int r;

	if (result.why != NULL) {
		result.state = CHECK_SKIPPED;
		*ret_result = result;
		return 0;
	}
	for (size_t i = 0; i < SCAN_RULES_SETS; i++) {
		const struct scan_rules *rules = &s->request->rules[i];

		wanted[i].text = rule_wanted(s->scanner->rules, rules, RULE_TYPE);
		wanted[i].mime = rule_wanted(s->scanner->rules, rules, RULE_MIME);
	}
	r = check_leaves(s, wanted, &result, err);
	if (r == 0)
		*ret_result = result;
	return r;
}
