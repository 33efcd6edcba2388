/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage, publish, remove: what is on disk after each step, after a crash between any two of them,
 * and after a failure of any system call (docs/durability.md).
 */
#include <errno.h>
#include <sys/wait.h>

#include "queue/queue.h"
#include "tests/queue/fixture.h"

#define NEW_BODY "new\r\nline\nbody"

static const struct format {
	const char *mta, *id, *head, *body, *temp_head, *temp_body, *proof;
	const char *head_text, *body_text;
	const char *new_body; /* the file with NEW_BODY */
} formats[] = {
	{ "sendmail", QF_ID, "qf" QF_ID, "df" QF_ID, "sp.q" QF_ID, "sp.d" QF_ID, "sp.o" QF_ID, QF,
	  DF, NEW_BODY },
	{ "exim", EX_ID, EX_ID "-H", EX_ID "-D", EX_ID "-T", EX_ID "-B", EX_ID "-O", EX_H, EX_D,
	  EX_ID "-D\n" NEW_BODY "\n" },
};

/* One message in the incoming queue, claimed or not. */
struct bed {
	const struct format *fmt;
	struct fixture f;
	struct queue_dir *in, *out;
	struct queue_entry e;
	struct queue_staged s;
	struct err err;
};

static void bed_init(struct bed *b, size_t i)
{
	memset(b, 0, sizeof(*b));
	b->fmt = &formats[i];
	fixture_init(&b->f);
	put(b->f.in, b->fmt->head, b->fmt->head_text);
	put(b->f.in, b->fmt->body, b->fmt->body_text);
	b->in = open_queue(&b->f, b->fmt->mta, b->f.in);
	b->out = open_queue(&b->f, b->fmt->mta, b->f.out);
}

static void bed_fini(struct bed *b)
{
	queue_dir_close(&b->in);
	queue_dir_close(&b->out);
	fixture_fini(&b->f);
}

static int bed_claim(struct bed *b)
{
	return queue_claim(b->in, b->out, b->fmt->id, b->f.a, &b->e, &b->err);
}

/* What happens to a message after a crash: descriptors and locks are gone, files stay. */
static void bed_crash(struct bed *b)
{
	arena_reset(b->f.a);
}

static int bed_stage(struct bed *b, bool new_body)
{
	struct queue_change change = { .body_fd = -1 };
	AUTO(fd_close) int fd = -1;

	if (new_body) {
		put(b->f.root, "new", NEW_BODY);
		fd = open(fixture_path(b->f.root, "new"), O_RDONLY | O_CLOEXEC);
		change.body_fd = fd;
	}
	return queue_stage(&b->e, b->out, &change, b->f.a, &b->s, &b->err);
}

static bool in_untouched(const struct bed *b)
{
	return count_files(b->f.in) == 2 && holds(b->f.in, b->fmt->head, b->fmt->head_text) &&
	       holds(b->f.in, b->fmt->body, b->fmt->body_text);
}

static bool body_linked(const struct bed *b)
{
	return inode_of(b->f.in, b->fmt->body) == inode_of(b->f.out, b->fmt->body);
}

/* --- the straight way --- */

static void test_straight(size_t i, bool new_body)
{
	struct stat st;
	struct bed b;
	int dir_fd = -1;

	bed_init(&b, i);
	if (chmod(fixture_path(b.f.in, b.fmt->head), 0600) < 0)
		fixture_die("chmod");
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, new_body) == 0, "%s, %s body: staged %s",
	     b.fmt->mta, new_body ? "new" : "old", b.err.text);
	T_OK(in_untouched(&b) && !there(b.f.out, b.fmt->head) && there(b.f.out, b.fmt->temp_head),
	     "  nothing visible yet");
	T_OK(new_body ? !there(b.f.out, b.fmt->body) &&
				inode_of(b.f.out, b.fmt->proof) == b.e.body_inode
		      : body_linked(&b),
	     "  body: %s", new_body ? "its proof is there" : "linked");
	T_OK(b.s.sync_fd[0] >= 0 && (b.s.sync_fd[1] >= 0) == new_body && b.s.dir_fd[0] >= 0,
	     "  what must be synced");
	T_OK(strcmp(b.s.id, b.fmt->id) == 0, "  same id");

	T_OK(queue_publish(&b.s, &b.err) == 0 && queue_publish(&b.s, &b.err) == 0,
	     "  published, twice");
	T_OK(b.s.sync_fd[0] == -1 && b.s.sync_fd[1] == -1, "  files closed");
	queue_unstage(&b.s);
	T_OK(in_untouched(&b) && there(b.f.out, b.fmt->head) && there(b.f.out, b.fmt->body) &&
		     count_files(b.f.out) == (new_body ? 3 : 2),
	     "  visible; unstaging does nothing any more");
	T_OK(stat(fixture_path(b.f.out, b.fmt->head), &st) == 0 && (st.st_mode & 07777) == 0600,
	     "  mode of the incoming file");
	T_OK(holds(b.f.out, b.fmt->body, new_body ? b.fmt->new_body : b.fmt->body_text), "  body");
	if (!new_body)
		T_OK(holds(b.f.out, b.fmt->head, b.fmt->head_text), "  header file as it was");

	T_OK(queue_remove(&b.e, &dir_fd, &b.err) == 0 && dir_fd >= 0 && count_files(b.f.in) == 0 &&
		     count_files(b.f.out) == 2,
	     "  original and proof removed");
	bed_fini(&b);
}

static void test_unstage(size_t i)
{
	struct bed b;

	for (int new_body = 0; new_body < 2; new_body++) {
		bed_init(&b, i);
		T_OK(bed_claim(&b) == 0 && bed_stage(&b, new_body == 1) == 0, "%s: staged",
		     b.fmt->mta);
		queue_unstage(&b.s);
		T_OK(in_untouched(&b) && count_files(b.f.out) == 0, "  and back: nothing left");
		T_OK(bed_stage(&b, new_body == 0) == 0 && queue_publish(&b.s, &b.err) == 0,
		     "  staged the other way");
		bed_fini(&b);
	}
}

static void test_mode_and_changes(size_t i)
{
	static const char *const bad_to[] = { "", "a@b\nRP:<evil@x>", "a<b" };
	static const char *const bad_headers[] = { "",       "no colon",   "A: x\nB: y",
						   "A: x\n", "A: x\n\n y", ": x" };
	struct header_list l = { 0 };
	struct queue_change change = { .body_fd = -1, .headers = &l };
	struct stat st;
	struct bed b;

	bed_init(&b, i);
	queue_dir_close(&b.in);
	b.f.set.file_mode = 0660;
	b.in = open_queue(&b.f, b.fmt->mta, b.f.in);
	T_OK(bed_claim(&b) == 0, "%s: changes", b.fmt->mta);
	for (size_t k = 0; k < ARRAY_LEN(bad_headers); k++) {
		l = (struct header_list){ 0 };
		if (header_list_insert(&l, b.f.a, 0,
				       (struct header){ .text = bytes_str(bad_headers[k]) }) < 0)
			fixture_die("insert");
		T_OK(queue_stage(&b.e, b.out, &change, b.f.a, &b.s, &b.err) == -EINVAL &&
			     b.err.kind == ERR_BUG && count_files(b.f.out) == 0,
		     "  not a header: %s", b.err.text);
	}
	l.v[0].text = bytes_of("A: x\0y", 6);
	T_OK(queue_stage(&b.e, b.out, &change, b.f.a, &b.s, &b.err) == -EINVAL, "  NUL");
	change.headers = NULL;
	for (size_t k = 0; k < ARRAY_LEN(bad_to); k++) {
		change.add_to = &bad_to[k];
		change.add_to_n = 1;
		T_OK(queue_stage(&b.e, b.out, &change, b.f.a, &b.s, &b.err) == -EINVAL &&
			     count_files(b.f.out) == 0,
		     "  not an address: %s", b.err.text);
	}
	change.add_to_n = 0;
	change.drop_to = true;
	T_OK(queue_stage(&b.e, b.out, &change, b.f.a, &b.s, &b.err) == -EINVAL, "  no recipient");
	T_OK(bed_stage(&b, true) == 0 && queue_publish(&b.s, &b.err) == 0, "  a good one");
	T_OK(stat(fixture_path(b.f.out, b.fmt->head), &st) == 0 && (st.st_mode & 07777) == 0660 &&
		     stat(fixture_path(b.f.out, b.fmt->body), &st) == 0 &&
		     (st.st_mode & 07777) == 0660,
	     "  with the mode of the setting");
	bed_fini(&b);
}

static void test_small_arena(size_t i)
{
	bool ok = true, staged = false;
	struct bed b;

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0, "%s: staging with little memory", b.fmt->mta);
	for (size_t max = 0; max < 16384 && !staged; max += 16) {
		struct queue_change change = { .body_fd = -1, .headers = &b.e.headers };
		struct arena *a = arena_new(max);
		int r = queue_stage(&b.e, b.out, &change, a, &b.s, &b.err);

		staged = r == 0;
		ok &= r == 0 ||
		      (r == -ENOMEM && b.err.kind == ERR_LIMIT && count_files(b.f.out) == 0);
		arena_free(&a);
	}
	T_OK(ok && staged && in_untouched(&b), "  each failing allocation leaves nothing");
	bed_fini(&b);
}

/* --- crashes between the steps --- */

static void test_crash_staged(size_t i, bool first_new, bool second_new)
{
	struct bed b;
	int dir_fd;

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, first_new) == 0, "%s: crash after staging %s body",
	     b.fmt->mta, first_new ? "a new" : "the old");
	bed_crash(&b);
	/* Without a look at the outgoing queue, staging meets what was left. */
	T_OK(queue_claim(b.in, NULL, b.fmt->id, b.f.a, &b.e, &b.err) == 0 &&
		     bed_stage(&b, second_new) == 0,
	     "  staged again: %s", b.err.text);
	T_OK(in_untouched(&b) && !there(b.f.out, b.fmt->head), "  still invisible");
	T_OK(queue_publish(&b.s, &b.err) == 0 &&
		     holds(b.f.out, b.fmt->body, second_new ? b.fmt->new_body : b.fmt->body_text),
	     "  published with %s body: %s", second_new ? "the new" : "the old", b.err.text);
	T_OK(queue_remove(&b.e, &dir_fd, &b.err) == 0 && count_files(b.f.in) == 0 &&
		     !there(b.f.out, b.fmt->proof) && !there(b.f.out, b.fmt->temp_head),
	     "  and removed");
	bed_fini(&b);

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, first_new) == 0, "  staged, crashed");
	bed_crash(&b);
	T_OK(bed_claim(&b) == 0 && count_files(b.f.out) == 0 && in_untouched(&b),
	     "  the next claim clears the outgoing queue");
	bed_fini(&b);
}

/* The body under its name, no header file: between the two renames of a new body. */
static void test_crash_between_renames(size_t i)
{
	struct bed b;

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, true) == 0 &&
		     rename(fixture_path(b.f.out, b.fmt->temp_body),
			    fixture_path(b.f.out, b.fmt->body)) == 0,
	     "%s: crash between the renames", b.fmt->mta);
	bed_crash(&b);
	T_OK(queue_claim(b.in, NULL, b.fmt->id, b.f.a, &b.e, &b.err) == 0 &&
		     bed_stage(&b, false) == 0 && !there(b.f.out, b.fmt->head),
	     "  staged again, now with the old body");
	T_OK(queue_publish(&b.s, &b.err) == 0 && body_linked(&b), "  published: %s", b.err.text);
	bed_fini(&b);
}

static void test_crash_published(size_t i, bool new_body)
{
	struct bed b;
	int dir_fd;

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, new_body) == 0 && queue_publish(&b.s, &b.err) == 0,
	     "%s: crash after publishing %s body", b.fmt->mta, new_body ? "a new" : "the old");
	bed_crash(&b);
	T_OK(bed_claim(&b) == -EALREADY && count_files(b.f.in) == 0 && count_files(b.f.out) == 2,
	     "  the claim finds the proof and removes the original: %s", b.err.text);
	bed_fini(&b);

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, new_body) == 0 && queue_publish(&b.s, &b.err) == 0,
	     "  published, directory not synced");
	bed_crash(&b);
	T_OK(queue_claim(b.in, NULL, b.fmt->id, b.f.a, &b.e, &b.err) == 0 &&
		     bed_stage(&b, new_body) == 0,
	     "  whoever does not trust it stages again");
	queue_unstage(&b.s);
	T_OK(there(b.f.out, b.fmt->head) && there(b.f.out, b.fmt->body),
	     "  taking that back leaves the visible message");
	T_OK(bed_stage(&b, !new_body) == 0 && queue_publish(&b.s, &b.err) == 0 &&
		     queue_remove(&b.e, &dir_fd, &b.err) == 0 && count_files(b.f.in) == 0 &&
		     count_files(b.f.out) == 2,
	     "  publishing replaces it");
	T_OK(holds(b.f.out, b.fmt->body, new_body ? b.fmt->body_text : b.fmt->new_body),
	     "  the later one counts");
	bed_fini(&b);
}

static void test_crash_removing(size_t i)
{
	struct bed b;

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, true) == 0 && queue_publish(&b.s, &b.err) == 0 &&
		     unlink(fixture_path(b.f.in, b.fmt->head)) == 0,
	     "%s: crash after the header file went", b.fmt->mta);
	bed_crash(&b);
	T_OK(bed_claim(&b) == -ENOENT && there(b.f.out, b.fmt->head), "  nothing left to do");
	bed_fini(&b);
}

/* The MTA may have renamed the header file to a name of its own. */
static void test_sendmail_quarantined(void)
{
	struct bed b;

	bed_init(&b, 0);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, false) == 0 && queue_publish(&b.s, &b.err) == 0 &&
		     rename(fixture_path(b.f.out, "qf" QF_ID), fixture_path(b.f.out, "hf" QF_ID)) ==
			     0,
	     "sendmail: quarantined after it was published");
	bed_crash(&b);
	T_OK(bed_claim(&b) == -EALREADY && there(b.f.out, "hf" QF_ID), "  proof enough");
	bed_fini(&b);
}

/* --- what is not ours --- */

static void test_foreign(size_t i)
{
	struct bed b;

	bed_init(&b, i);
	put(b.f.out, b.fmt->body, "another body");
	T_OK(bed_claim(&b) == 0, "%s: a body of another message has the id", b.fmt->mta);
	T_OK(bed_stage(&b, false) == -EEXIST && bed_stage(&b, true) == -EEXIST &&
		     b.err.kind == ERR_TEMP,
	     "  refused: %s", b.err.text);
	put(b.f.out, b.fmt->head, "another header");
	T_OK(bed_stage(&b, true) == -EEXIST, "  also when it is visible");
	T_OK(in_untouched(&b) && count_files(b.f.out) == 2 &&
		     holds(b.f.out, b.fmt->body, "another body") &&
		     holds(b.f.out, b.fmt->head, "another header"),
	     "  it stays as it is");
	(void)!unlink(fixture_path(b.f.out, b.fmt->body));
	T_OK(bed_stage(&b, false) == 0 && queue_publish(&b.s, &b.err) == -EEXIST,
	     "  only its header file: found when publishing: %s", b.err.text);
	queue_unstage(&b.s);
	T_OK(in_untouched(&b) && count_files(b.f.out) == 1 &&
		     holds(b.f.out, b.fmt->head, "another header"),
	     "  and taken back");
	bed_crash(&b);
	T_OK(bed_claim(&b) == 0, "  it is no proof");
	bed_fini(&b);
}

/* Without this check every message would be its own proof of delivery, and be removed. */
static void test_same_directory(size_t i)
{
	struct bed b;

	bed_init(&b, i);
	T_OK(queue_claim(b.in, b.in, b.fmt->id, b.f.a, &b.e, &b.err) == -EINVAL &&
		     b.err.kind == ERR_CONFIG && in_untouched(&b),
	     "%s: incoming is outgoing: %s", b.fmt->mta, b.err.text);
	T_OK(queue_claim(b.in, NULL, b.fmt->id, b.f.a, &b.e, &b.err) == 0 &&
		     queue_stage(&b.e, b.in, &(struct queue_change){ .body_fd = -1 }, b.f.a, &b.s,
				 &b.err) == -EINVAL &&
		     in_untouched(&b),
	     "  also when staging");
	bed_fini(&b);
}

static void test_exim_split(void)
{
	struct bed b;

	bed_init(&b, 1);
	queue_dir_close(&b.out);
	b.f.set.split_spool = true;
	b.out = open_queue(&b.f, "exim", b.f.out);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, false) == 0 && b.s.dir_fd[1] >= 0,
	     "exim: split directory made, its parent to be synced");
	T_OK(queue_publish(&b.s, &b.err) == 0 && there(b.f.out, "Z/" EX_ID "-H") &&
		     there(b.f.out, "Z/" EX_ID "-D"),
	     "  published in it");
	bed_crash(&b);
	queue_dir_close(&b.out);
	b.f.set.split_spool = false;
	b.out = open_queue(&b.f, "exim", b.f.out);
	T_OK(bed_claim(&b) == -EALREADY, "  found there when the setting has changed");
	bed_fini(&b);
}

static void test_exim_msglog(void)
{
	struct bed b;
	int dir_fd;

	bed_init(&b, 1);
	if (mkdir(fixture_path(b.f.root, "msglog"), 0700) < 0)
		fixture_die("mkdir");
	put(b.f.root, "msglog/" EX_ID, "log");
	put(b.f.root, "msglog/other", "log");
	T_OK(bed_claim(&b) == 0 && queue_remove(&b.e, &dir_fd, &b.err) == 0 &&
		     !there(b.f.root, "msglog/" EX_ID) && there(b.f.root, "msglog/other"),
	     "exim: the message log goes with the message");
	bed_fini(&b);
}

static void test_sendmail_sub_directories(void)
{
	struct bed b;
	int dir_fd;

	bed_init(&b, 0);
	queue_dir_close(&b.out);
	(void)!mkdir(fixture_path(b.f.out, "qf"), 0700);
	(void)!mkdir(fixture_path(b.f.out, "df"), 0700);
	b.out = open_queue(&b.f, "sendmail", b.f.out);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, true) == 0 && b.s.dir_fd[1] >= 0 &&
		     queue_publish(&b.s, &b.err) == 0,
	     "sendmail: outgoing with qf/ and df/");
	T_OK(queue_remove(&b.e, &dir_fd, &b.err) == 0 && there(b.f.out, "qf/qf" QF_ID) &&
		     there(b.f.out, "df/df" QF_ID) && count_files(b.f.out) == 2,
	     "  each file in its own");
	bed_fini(&b);
}

/* --- copies for the quarantine --- */

static void test_copy(size_t i)
{
	int fd, own_mode = 0640;
	struct stat st;
	struct bed b;

	bed_init(&b, i);
	fd = open(b.f.out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	T_OK(bed_claim(&b) == 0 && queue_copy_files(&b.e, fd, 0440, &b.err) == 0, "%s: copied: %s",
	     b.fmt->mta, b.err.text);
	T_OK(in_untouched(&b) && count_files(b.f.out) == 2 &&
		     holds(b.f.out, b.fmt->head, b.fmt->head_text) &&
		     holds(b.f.out, b.fmt->body, b.fmt->body_text) && !body_linked(&b),
	     "  both files, as they are, no links");
	T_OK(stat(fixture_path(b.f.out, b.fmt->body), &st) == 0 && (st.st_mode & 07777) == 0440 &&
		     stat(fixture_path(b.f.in, b.fmt->body), &st) == 0 &&
		     (int)(st.st_mode & 07777) == own_mode,
	     "  with their own mode");
	T_OK(queue_copy_files(&b.e, fd, 0440, &b.err) == -EEXIST && count_files(b.f.out) == 2,
	     "  never over others");
	(void)!unlink(fixture_path(b.f.out, b.fmt->body));
	T_OK(queue_copy_files(&b.e, fd, 0440, &b.err) == -EEXIST && count_files(b.f.out) == 1,
	     "  both or none");
	(void)close(fd);
	bed_fini(&b);
}

/* --- every system call fails --- */

#ifdef SALLYPORT_FAULTS

static void set_fault(const char *point, const char *what)
{
	char spec[128];

	(void)snprintf(spec, sizeof(spec), "%s=%s", point, what);
	if (setenv("SALLYPORT_FAULT", spec, 1) < 0)
		fixture_die("setenv");
}

static void no_fault(void)
{
	(void)unsetenv("SALLYPORT_FAULT");
}

static const char *const errors[] = { "EIO", "ENOSPC", "EMFILE", "EACCES" };

static const struct {
	const char *point;
	bool new_body, split;
} stage_points[] = {
	{ "queue.look.stat", false, false },    { "queue.stage.link", false, false },
	{ "queue.stage.create", false, false }, { "queue.stage.mode", false, false },
	{ "queue.stage.write", false, false },  { "queue.stage.proof", true, false },
	{ "queue.stage.create", true, false },  { "queue.look.stat", true, false },
	{ "queue.stage.mode", true, false },    { "queue.copy.read", true, false },
	{ "queue.copy.write", true, false },    { "queue.stage.mkdir", false, true },
};

static void test_stage_fault(size_t i, size_t k, const char *what)
{
	struct bed b;
	int r;

	bed_init(&b, i);
	if (stage_points[k].split) {
		queue_dir_close(&b.out);
		b.f.set.split_spool = true;
		b.out = open_queue(&b.f, b.fmt->mta, b.f.out);
	}
	T_OK(bed_claim(&b) == 0, "%s: %s = %s", b.fmt->mta, stage_points[k].point, what);
	set_fault(stage_points[k].point, what);
	r = bed_stage(&b, stage_points[k].new_body);
	no_fault();
	T_OK(r < 0 && b.err.code == r && strstr(b.err.text, ": ") != NULL, "  %s", b.err.text);
	T_OK(in_untouched(&b) && count_files(b.f.out) == 0, "  original untouched, nothing left");
	T_OK(bed_stage(&b, stage_points[k].new_body) == 0 && queue_publish(&b.s, &b.err) == 0,
	     "  and later it works");
	bed_fini(&b);
}

static void test_stage_faults(size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(stage_points); k++) {
		if (stage_points[k].split && i == 0)
			continue; /* Exim's */
		for (size_t e = 0; e < ARRAY_LEN(errors); e++)
			test_stage_fault(i, k, errors[e]);
	}
}

static void test_publish_fault(size_t i, bool new_body, const char *point, const char *error)
{
	struct bed b;
	int r;

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, new_body) == 0, "%s: %s = %s", b.fmt->mta, point,
	     error);
	set_fault(point, error);
	r = queue_publish(&b.s, &b.err);
	no_fault();
	T_OK(r < 0, "  %s", b.err.text);
	T_OK(in_untouched(&b) && !there(b.f.out, b.fmt->head), "  nothing visible");
	queue_unstage(&b.s);
	T_OK(in_untouched(&b) && count_files(b.f.out) == 0, "  and nothing left");
	T_OK(bed_stage(&b, new_body) == 0 && queue_publish(&b.s, &b.err) == 0,
	     "  and later it works");
	bed_fini(&b);
}

static void test_remove_fault(size_t i, const char *point, bool still_there)
{
	struct bed b;
	int r, dir_fd = -1;

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, true) == 0 && queue_publish(&b.s, &b.err) == 0,
	     "%s: %s = EIO", b.fmt->mta, point);
	set_fault(point, "EIO");
	r = queue_remove(&b.e, &dir_fd, &b.err);
	no_fault();
	T_OK(r == -EIO && there(b.f.in, b.fmt->head) == still_there &&
		     (dir_fd >= 0) == !still_there,
	     "  %s", b.err.text);
	T_OK(there(b.f.out, b.fmt->head) && there(b.f.out, b.fmt->body),
	     "  it is out all the same");
	T_OK(queue_remove(&b.e, &dir_fd, &b.err) == 0 && count_files(b.f.in) == 0 &&
		     count_files(b.f.out) == 2,
	     "  and can be removed later");
	bed_fini(&b);
}

static void test_claim_fault(size_t i, const char *point, const char *error)
{
	struct bed b;
	int r;

	bed_init(&b, i);
	set_fault(point, error);
	r = bed_claim(&b);
	no_fault();
	T_OK(r < 0 && r != -EALREADY && r != -EBADMSG && in_untouched(&b), "%s: %s = %s: %s",
	     b.fmt->mta, point, error, b.err.text);
	T_OK(bed_claim(&b) == 0, "  and later it works");
	bed_fini(&b);
}

/* A failing sync of the outgoing directory: the original must stay. */
static void test_already_fault(size_t i)
{
	struct bed b;
	int r;

	bed_init(&b, i);
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, false) == 0 && queue_publish(&b.s, &b.err) == 0,
	     "%s: proof, but the disk fails", b.fmt->mta);
	bed_crash(&b);
	set_fault("queue.already.sync", "EIO");
	r = bed_claim(&b);
	no_fault();
	T_OK(r == -EIO && in_untouched(&b), "  the original stays: %s", b.err.text);
	bed_fini(&b);
}

static void test_short_io(size_t i)
{
	struct bed b;

	bed_init(&b, i);
	if (setenv("SALLYPORT_FAULT",
		   "queue.stage.write=SHORT,queue.copy.write=SHORT,queue.copy.read=SHORT,"
		   "queue.claim.read=SHORT",
		   1) < 0)
		fixture_die("setenv");
	T_OK(bed_claim(&b) == 0 && bed_stage(&b, true) == 0 && queue_publish(&b.s, &b.err) == 0,
	     "%s: short reads and writes", b.fmt->mta);
	no_fault();
	T_OK(holds(b.f.out, b.fmt->body, b.fmt->new_body), "  nothing is missing");
	bed_fini(&b);
}

/* Killed at each point, the next run always ends with one whole message in one queue. */
static void test_kill(size_t i, bool new_body, const char *point)
{
	struct bed b;
	int status = 0, dir_fd, r;
	pid_t pid;

	bed_init(&b, i);
	pid = fork();
	if (pid == 0) {
		set_fault(point, "KILL");
		r = bed_claim(&b);
		if (r == 0)
			r = bed_stage(&b, new_body);
		if (r == 0)
			r = queue_publish(&b.s, &b.err);
		if (r == 0)
			r = queue_remove(&b.e, &dir_fd, &b.err);
		_exit(r == 0 ? 0 : 1);
	}
	(void)waitpid(pid, &status, 0);
	T_OK(WIFSIGNALED(status), "%s, %s body: killed at %s", b.fmt->mta, new_body ? "new" : "old",
	     point);
	r = bed_claim(&b);
	if (r == 0)
		r = bed_stage(&b, new_body) < 0 || queue_publish(&b.s, &b.err) < 0 ||
				    queue_remove(&b.e, &dir_fd, &b.err) < 0
			    ? -EIO
			    : 0;
	T_OK(r == 0 || r == -EALREADY || r == -ENOENT, "  the next run: %d %s", r, b.err.text);
	T_OK(!there(b.f.in, b.fmt->head) && there(b.f.out, b.fmt->head) &&
		     holds(b.f.out, b.fmt->body, new_body ? b.fmt->new_body : b.fmt->body_text),
	     "  one whole message, outgoing");
	bed_fini(&b);
}

static void test_faults(size_t i)
{
	static const char *const claim_points[] = { "queue.claim.open", "queue.claim.stat",
						    "queue.claim.lock", "queue.claim.read",
						    "queue.look.stat" };
	static const char *const kill_points[] = {
		"queue.claim.open",  "queue.claim.lock",     "queue.claim.read",
		"queue.look.stat",   "queue.stage.create",   "queue.stage.mode",
		"queue.stage.write", "queue.publish.rename", "queue.remove.head",
		"queue.remove.body",
	};
	static const char *const kill_new[] = { "queue.stage.proof", "queue.copy.read",
						"queue.copy.write", "queue.publish.body",
						"queue.remove.proof" };

	test_stage_faults(i);
	for (size_t e = 0; e < ARRAY_LEN(errors); e++) {
		for (int new_body = 0; new_body < 2; new_body++)
			test_publish_fault(i, new_body == 1, "queue.publish.rename", errors[e]);
		test_publish_fault(i, true, "queue.publish.body", errors[e]);
		for (size_t k = 0; k < ARRAY_LEN(claim_points); k++)
			test_claim_fault(i, claim_points[k], errors[e]);
	}
	test_remove_fault(i, "queue.remove.head", true);
	test_remove_fault(i, "queue.remove.proof", false);
	test_remove_fault(i, "queue.remove.body", false);
	test_already_fault(i);
	test_short_io(i);
	for (int new_body = 0; new_body < 2; new_body++)
		for (size_t k = 0; k < ARRAY_LEN(kill_points); k++)
			test_kill(i, new_body == 1, kill_points[k]);
	for (size_t k = 0; k < ARRAY_LEN(kill_new); k++)
		test_kill(i, true, kill_new[k]);
	test_kill(i, false, "queue.stage.link");
}

#else

static void test_faults(size_t i)
{
	T_OK(true, "%s: fault points # SKIP build without -Dfaults=true", formats[i].mta);
}

#endif

int main(void)
{
	umask(022);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		test_straight(i, false);
		test_straight(i, true);
		test_unstage(i);
		test_mode_and_changes(i);
		test_small_arena(i);
		for (int k = 0; k < 4; k++)
			test_crash_staged(i, (k & 1) != 0, (k & 2) != 0);
		test_crash_between_renames(i);
		test_crash_published(i, false);
		test_crash_published(i, true);
		test_crash_removing(i);
		test_foreign(i);
		test_same_directory(i);
		test_copy(i);
		test_faults(i);
	}
	test_sendmail_quarantined();
	test_exim_split();
	test_exim_msglog();
	test_sendmail_sub_directories();
	return t_done();
}
