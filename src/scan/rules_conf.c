/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/rules_conf.c - everything the configuration can ask of a rule engine. */
#include <errno.h>
#include <stdlib.h>

#include "core/arena.h"
#include "scan/rule_engine.h"

/* Options whose values are lists of patterns, and those whose values are lists of files. */
static const struct {
	enum opt_id id;
	const char *name; /* as it stands in errors */
	bool files;
} options[] = {
	{ OPT_ALLOW_FILENAMES, "option Allow Filenames", false },
	{ OPT_DENY_FILENAMES, "option Deny Filenames", false },
	{ OPT_FILENAME_RULES, "option Filename Rules", true },
	{ OPT_ALLOW_FILETYPES, "option Allow Filetypes", false },
	{ OPT_DENY_FILETYPES, "option Deny Filetypes", false },
	{ OPT_FILETYPE_RULES, "option Filetype Rules", true },
	{ OPT_ALLOW_FILE_MIME_TYPES, "option Allow File MIME Types", false },
	{ OPT_DENY_FILE_MIME_TYPES, "option Deny File MIME Types", false },
	{ OPT_ARCHIVES_ALLOW_FILENAMES, "option Archives: Allow Filenames", false },
	{ OPT_ARCHIVES_DENY_FILENAMES, "option Archives: Deny Filenames", false },
	{ OPT_ARCHIVES_FILENAME_RULES, "option Archives: Filename Rules", true },
	{ OPT_ARCHIVES_ALLOW_FILETYPES, "option Archives: Allow Filetypes", false },
	{ OPT_ARCHIVES_DENY_FILETYPES, "option Archives: Deny Filetypes", false },
	{ OPT_ARCHIVES_FILETYPE_RULES, "option Archives: Filetype Rules", true },
	{ OPT_ARCHIVES_ALLOW_FILE_MIME_TYPES, "option Archives: Allow File MIME Types", false },
	{ OPT_ARCHIVES_DENY_FILE_MIME_TYPES, "option Archives: Deny File MIME Types", false },
};

struct sources {
	struct arena *arena;
	struct rule_source_file *files;
	size_t files_n, files_cap;
	struct rule_source_list *lists;
	size_t lists_n, lists_cap;
};

static void sources_fini(struct sources *s)
{
	free(s->files);
	free(s->lists);
	arena_free(&s->arena);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, ERR_TEMP, -ENOMEM, "rules: out of memory");
}

static int add_file(struct sources *s, const struct conf *c, struct bytes word, const char *option,
		    struct err *err)
{
	struct rule_source_file *f;
	int r;

	if (s->files_n == s->files_cap) {
		s->files_cap = s->files_cap * 2 + 16;
		f = reallocarray(s->files, s->files_cap, sizeof(*f));
		if (f == NULL)
			return out_of_memory(err);
		s->files = f;
	}
	f = &s->files[s->files_n];
	f->path = arena_str(s->arena, word);
	if (f->path == NULL)
		return out_of_memory(err);
	r = conf_file(c, f->path, &f->content);
	if (r < 0)
		return err_set(err, ERR_CONFIG, r, "rule file '%s' of %s cannot be read", f->path,
			       option);
	s->files_n++;
	return 0;
}

static int add_list(struct sources *s, const char *text, const char *option, struct err *err)
{
	struct rule_source_list *l;

	if (s->lists_n == s->lists_cap) {
		s->lists_cap = s->lists_cap * 2 + 16;
		l = reallocarray(s->lists, s->lists_cap, sizeof(*l));
		if (l == NULL)
			return out_of_memory(err);
		s->lists = l;
	}
	s->lists[s->lists_n++] = (struct rule_source_list){ text, option };
	return 0;
}

static int add_value(struct sources *s, const struct conf *c, size_t option, const char *value,
		     struct err *err)
{
	struct bytes rest = bytes_str(value), word;
	int r = 0;

	if (!options[option].files)
		return add_list(s, value, options[option].name, err);
	while (r == 0 && bytes_next_word(&rest, &word))
		r = add_file(s, c, word, options[option].name, err);
	return r;
}

static int add_option(struct sources *s, const struct conf *c, size_t option, struct err *err)
{
	const char **values = NULL;
	size_t n = 0;
	int r = conf_values(c, options[option].id, &values, &n);

	if (r < 0)
		return out_of_memory(err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_value(s, c, option, values[i], err);
	free(values);
	return r;
}

int rule_engine_new(struct rule_engine **ret_e, const struct conf *c, struct err *err)
{
	AUTO(sources_fini) struct sources s = { .arena = arena_new(SIZE_MAX) };
	int r = 0;

	if (s.arena == NULL)
		return out_of_memory(err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(options); i++)
		r = add_option(&s, c, i, err);
	return r < 0 ? r
		     : rule_engine_from_files(ret_e, s.files, s.files_n, s.lists, s.lists_n, err);
}
