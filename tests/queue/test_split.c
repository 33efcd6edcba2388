/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One message becomes several: who is in which, what is on disk after each step, after a crash
 * between any two, and after a failure of any call (docs/durability.md).
 */
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "queue/queue.h"
#include "tests/queue/fixture.h"

#define RCPTS 4
#define NOW_S 1795380473
#define PID   4242
#define SM_TOP                                                                                     \
	"V8\nT1795380369\nK0\nN0\nP30140\nFbs\n$_host [10.1.2.3]\n$rESMTP\n${daemon_flags}\n"      \
	"S<Alice@Sender.test>\n"
#define SM_HEADERS "H?P?Return-Path: <\x81g>\nH??Subject: plain\n.\n"
#define SM_SPLIT   "${sallyport_split}" QF_ID " 4\n"

/* The C line holds for all below it; Q and r for the next one. */
#define SM_RCPTS                                                                                   \
	"rRFC822; a@x\nRPFD:<a@x>\nCuser:1:2:<u>\nQrfc822;B@x\nrRFC822; b@x\nRPFD:<B@x>\n"         \
	"RPFD:<c@x>\nC:\nrRFC822; d@x\nRPFD:<d@x>\n"
#define SM_AD "rRFC822; a@x\nRPFD:<a@x>\nCuser:1:2:<u>\nC:\nrRFC822; d@x\nRPFD:<d@x>\n"
#define SM_B  "Cuser:1:2:<u>\nQrfc822;B@x\nrRFC822; b@x\nRPFD:<B@x>\nC:\n"
#define SM_C  "Cuser:1:2:<u>\nRPFD:<c@x>\nC:\n"

#define EX_TOP    "-H\nDebian-exim 999 995\n<Alice@Sender.test>\n1795380473 0\n-helo_name h\n"
#define EX_OPT    "-host_address [10.1.2.3]:36106\n-body_linecount 2\n"
#define EX_TREE   "NN done@x\n"
#define EX_SPLIT  "-sallyport_split " EX_ID " 4\n"
#define EX_HEADER "\n015  Subject: plain\n"

/* Numbers of other recipients (0,2#1) mean nothing in a part. */
#define EX_RCPTS "5\na@x\nB@x rfc822;B@x 10,4 z@y 3,2#3\ndone@x\nc@x e@y 3,0#1\nd@x 7\n"
#define EX_AD    "2\na@x\nd@x\n"
#define EX_B     "1\nB@x rfc822;B@x 10,4 z@y 3,-1#3\n"
#define EX_C     "1\nc@x e@y 3,-1#1\n"

#define SM_NEW1 "6AMKlr00004242"
#define SM_NEW2 "6AMKlr01004242"
#define EX_NEW1 "1xVETZ-00016Q-00"
#define EX_NEW2 "1xVETZ-00016Q-01"

static const struct format {
	const char *mta, *id, *new1, *new2;
	const char *head, *body, *temp_head, *split_head; /* affixes as printf formats */
	const char *whole, *part0, *part1, *part2, *body_text, *body1;
	bool linked;
} formats[] = {
	{ "sendmail", QF_ID, SM_NEW1, SM_NEW2, "qf%s", "df%s", "sp.q%s", "sp.r%s",
	  SM_TOP SM_RCPTS SM_HEADERS, SM_TOP SM_SPLIT SM_AD SM_HEADERS,
	  SM_TOP SM_SPLIT SM_B SM_HEADERS, SM_TOP SM_SPLIT SM_C SM_HEADERS, DF, DF, true },
	{ "exim", EX_ID, EX_NEW1, EX_NEW2, "%s-H", "%s-D", "%s-T", "%s-R",
	  EX_ID EX_TOP EX_OPT EX_TREE EX_RCPTS EX_HEADER,
	  EX_ID EX_TOP EX_OPT EX_SPLIT EX_TREE EX_AD EX_HEADER,
	  EX_NEW1 EX_TOP EX_OPT EX_SPLIT EX_TREE EX_B EX_HEADER,
	  EX_NEW2 EX_TOP EX_OPT EX_SPLIT EX_TREE EX_C EX_HEADER, EX_D, EX_NEW1 "-D\nhello\nworld\n",
	  false },
};

static const uint32_t part_of[RCPTS] = { 0, 1, 2, 0 };

struct bed {
	const struct format *fmt;
	struct fixture f;
	struct queue_dir *in;
	struct queue_entry e;
	struct queue_numbers numbers;
	struct queue_split s;
	struct err err;
};

static const char *name_of(const char *format, const char *id)
{
	static char name[4][QUEUE_ID_MAX + 8];
	static unsigned turn;
	struct bytes b = bytes_str(format);
	ptrdiff_t at = bytes_index(b, '%');

	turn = (turn + 1) % 4;
	(void)snprintf(name[turn], sizeof(name[turn]), "%.*s%s%s", (int)at, format, id,
		       format + at + 2);
	return name[turn];
}

static void bed_init(struct bed *b, size_t i)
{
	memset(b, 0, sizeof(*b));
	b->fmt = &formats[i];
	b->numbers = (struct queue_numbers){ .now_s = NOW_S, .pid = PID };
	fixture_init(&b->f);
	b->f.set.sweep = true;
	put(b->f.in, name_of(b->fmt->head, b->fmt->id), b->fmt->whole);
	put(b->f.in, name_of(b->fmt->body, b->fmt->id), b->fmt->body_text);
	b->in = open_queue(&b->f, b->fmt->mta, b->f.in);
}

static void bed_fini(struct bed *b)
{
	queue_dir_close(&b->in);
	fixture_fini(&b->f);
}

static int claim(struct bed *b, const char *id)
{
	return queue_claim(b->in, NULL, id, b->f.a, &b->e, &b->err);
}

static int begin(struct bed *b)
{
	return queue_split_begin(&b->e, part_of, 3, &b->numbers, b->f.a, &b->s, &b->err);
}

static int stage(struct bed *b)
{
	int r;

	while ((r = queue_split_more(&b->s, &b->err)) == 1)
		;
	return r;
}

static void crash(struct bed *b)
{
	arena_reset(b->f.a);
}

static bool has(const struct bed *b, const char *affix, const char *id)
{
	return there(b->f.in, name_of(affix, id));
}

static bool untouched(const struct bed *b)
{
	return count_files(b->f.in) == 2 &&
	       holds(b->f.in, name_of(b->fmt->head, b->fmt->id), b->fmt->whole) &&
	       holds(b->f.in, name_of(b->fmt->body, b->fmt->id), b->fmt->body_text);
}

/* All names that a listing gives, "," after each; it also sweeps. */
static const char *listing(struct bed *b)
{
	static char text[1024];
	char id[QUEUE_ID_MAX];
	int r;

	text[0] = '\0';
	if (queue_list_begin(b->in, &b->err) < 0)
		fixture_die("list");
	while ((r = queue_list_next(b->in, 100, id, &b->err)) != 0)
		if (r == 1)
			(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s,", id);
	return text;
}

/* --- the straight way --- */

static void test_straight(size_t i)
{
	const struct format *f = &formats[i];
	struct bed b;

	bed_init(&b, i);
	T_OK(claim(&b, f->id) == 0 && b.e.env.to_n == RCPTS, "%s: claimed, %zu recipients %s",
	     f->mta, b.e.env.to_n, b.err.text);
	T_OK(begin(&b) == 0 && untouched(&b), "  begun: nothing is written");
	T_OK(stage(&b) == 0, "  staged %s", b.err.text);
	T_OK(holds(b.f.in, name_of(f->head, f->id), f->whole) && !has(&b, f->head, f->new1) &&
		     !has(&b, f->head, f->new2),
	     "  nothing visible has changed");
	T_OK(has(&b, f->temp_head, f->new1) && has(&b, f->temp_head, f->new2) &&
		     has(&b, f->split_head, f->id) && count_files(b.f.in) == 7,
	     "  hidden files are there");
	T_OK(b.s.sync_n == (f->linked ? 3u : 5u) && b.s.dir_fd[0] >= 0 && b.s.dir_fd[1] == -1,
	     "  %zu files to sync", b.s.sync_n);
	T_OK(strncmp(listing(&b), f->id, strlen(f->id)) == 0 && count_files(b.f.in) == 7,
	     "  a listing sweeps nothing that is in work");
	T_OK(queue_split_publish(&b.s, &b.err) == 0 && b.s.published == 2, "  published %s",
	     b.err.text);
	T_OK(holds(b.f.in, name_of(f->head, f->id), f->whole) &&
		     holds(b.f.in, name_of(f->head, f->new1), f->part1) &&
		     holds(b.f.in, name_of(f->head, f->new2), f->part2),
	     "  the derived ones are there, the original has all recipients");
	T_OK(holds(b.f.in, name_of(f->body, f->new1), f->body1) &&
		     (inode_of(b.f.in, name_of(f->body, f->new1)) ==
		      inode_of(b.f.in, name_of(f->body, f->id))) == f->linked,
	     "  their bodies: %s", f->linked ? "linked" : "copies");
	T_OK(queue_split_reduce(&b.s, &b.err) == 0 &&
		     holds(b.f.in, name_of(f->head, f->id), f->part0) && count_files(b.f.in) == 6,
	     "  reduced %s", b.err.text);
	queue_split_undo(&b.s);
	T_OK(count_files(b.f.in) == 6, "  undoing does nothing any more");
	crash(&b);
	T_OK(claim(&b, f->id) == 0 && b.e.env.to_n == 2 && strcmp(b.e.env.to[1], "d@x") == 0 &&
		     b.e.env.split_from == NULL && b.e.env.to_all == RCPTS,
	     "  claimed again: the original %s", b.err.text);
	crash(&b);
	T_OK(claim(&b, f->new1) == 0 && b.e.env.to_n == 1 && strcmp(b.e.env.to[0], "b@x") == 0 &&
		     strcmp(b.e.env.to_verbatim[0], "B@x") == 0 && b.e.env.split_from != NULL &&
		     strcmp(b.e.env.split_from, f->id) == 0 && b.e.env.to_all == RCPTS,
	     "  a derived one, which knows where it comes from %s", b.err.text);
	bed_fini(&b);
}

/* A derived message is split again: it goes on naming the first one. */
static void test_twice(size_t i)
{
	static const uint32_t first[RCPTS] = { 0, 1, 1, 0 }, again[2] = { 0, 1 };
	const struct format *f = &formats[i];
	struct bed b;

	bed_init(&b, i);
	T_OK(claim(&b, f->id) == 0 &&
		     queue_split_begin(&b.e, first, 2, &b.numbers, b.f.a, &b.s, &b.err) == 0 &&
		     stage(&b) == 0 && queue_split_publish(&b.s, &b.err) == 0 &&
		     queue_split_reduce(&b.s, &b.err) == 0,
	     "%s: split in two", f->mta);
	crash(&b);
	T_OK(claim(&b, f->new1) == 0 && b.e.env.to_n == 2 &&
		     queue_split_begin(&b.e, again, 2, &b.numbers, b.f.a, &b.s, &b.err) == 0 &&
		     stage(&b) == 0 && queue_split_publish(&b.s, &b.err) == 0 &&
		     queue_split_reduce(&b.s, &b.err) == 0,
	     "  and one of these again %s", b.err.text);
	crash(&b);
	T_OK(claim(&b, f->new2) == 0 && b.e.env.to_n == 1 && strcmp(b.e.env.to[0], "c@x") == 0 &&
		     strcmp(b.e.env.split_from, f->id) == 0 && b.e.env.to_all == RCPTS,
	     "  it comes from the first");
	crash(&b);
	T_OK(claim(&b, f->id) == 0 && b.e.env.to_n == 2 && b.e.env.to_all == RCPTS &&
		     queue_split_begin(&b.e, again, 2, &b.numbers, b.f.a, &b.s, &b.err) == 0 &&
		     stage(&b) == 0 && queue_split_publish(&b.s, &b.err) == 0 &&
		     queue_split_reduce(&b.s, &b.err) == 0,
	     "  the original is split a second time %s", b.err.text);
	crash(&b);
	T_OK(claim(&b, f->id) == 0 && b.e.env.to_n == 1 && b.e.env.split_from == NULL &&
		     b.e.env.to_all == RCPTS,
	     "  and knows how many recipients it had");
	bed_fini(&b);
}

/* --- ids --- */

static void test_ids(size_t i)
{
	const struct format *f = &formats[i];
	struct bed b;

	bed_init(&b, i);
	put(b.f.in, name_of(f->head, f->new1), "somebody's");
	put(b.f.in, name_of(f->body, f->new2), "arriving");
	T_OK(claim(&b, f->id) == 0 && begin(&b) == 0 && stage(&b) == 0,
	     "%s: ids that are in use: %s", f->mta, b.err.text);
	T_OK(strcmp(b.s.ids[1], f->new1) != 0 && strcmp(b.s.ids[1], f->new2) != 0 &&
		     b.numbers.next == 4,
	     "  the next numbers: %s, %s", b.s.ids[1], b.s.ids[2]);
	T_OK(queue_split_publish(&b.s, &b.err) == 0 && queue_split_reduce(&b.s, &b.err) == 0 &&
		     holds(b.f.in, name_of(f->head, f->new1), "somebody's") &&
		     holds(b.f.in, name_of(f->body, f->new2), "arriving") &&
		     count_files(b.f.in) == 8,
	     "  the others' files are as they were");
	bed_fini(&b);
}

/* The MTA makes a message with this id between our look and our rename. */
static void test_id_taken(size_t i)
{
	const struct format *f = &formats[i];
	struct bed b;

	bed_init(&b, i);
	T_OK(claim(&b, f->id) == 0 && begin(&b) == 0 && stage(&b) == 0, "%s: id taken meanwhile",
	     f->mta);
	put(b.f.in, name_of(f->head, f->new2), "somebody's");
	T_OK(queue_split_publish(&b.s, &b.err) == -EEXIST && b.s.published == 1 &&
		     holds(b.f.in, name_of(f->head, f->new2), "somebody's"),
	     "  not replaced: %s", b.err.text);
	queue_split_undo(&b.s);
	T_OK(holds(b.f.in, name_of(f->head, f->id), f->whole) && !has(&b, f->split_head, f->id) &&
		     !has(&b, f->temp_head, f->new2) && has(&b, f->head, f->new1),
	     "  the original keeps all recipients");
	bed_fini(&b);
}

static void test_long_exim_ids(void)
{
	struct fixture f;
	struct queue_dir *in;
	struct queue_numbers n = { .now_s = NOW_S, .pid = PID, .next = 7 };
	const char *id = "1xVES3-00000000XYZ-0042";
	struct queue_split s;
	struct queue_entry e;
	char head[800];
	struct err err;
	int r;

	fixture_init(&f);
	f.set.split_spool = true;
	(void)snprintf(head, sizeof(head),
		       "%s-H\nu 1 1\n<a@b>\n1 0\n-x\nXX\n4\na@x\nb@x\nc@x\nd@x\n" EX_HEADER, id);
	if (mkdir(fixture_path(f.in, "3"), 0700) < 0)
		fixture_die("mkdir");
	put(fixture_path(f.in, "3"), "1xVES3-00000000XYZ-0042-H", head);
	put(fixture_path(f.in, "3"), "1xVES3-00000000XYZ-0042-D", "1xVES3-00000000XYZ-0042-D\nx\n");
	in = open_queue(&f, "exim", f.in);
	T_OK(queue_claim(in, NULL, id, f.a, &e, &err) == 0 &&
		     queue_split_begin(&e, part_of, 3, &n, f.a, &s, &err) == 0,
	     "long ids in a split spool");
	while ((r = queue_split_more(&s, &err)) == 1)
		;
	T_OK(r == 0 && queue_split_publish(&s, &err) == 0 && queue_split_reduce(&s, &err) == 0,
	     "  split");
	T_OK(strlen(s.ids[1]) == 23 && s.ids[1][5] == '3' &&
		     strcmp(s.ids[1] + 6, "-0000000016Q-0007") == 0 &&
		     count_files(fixture_path(f.in, "3")) == 6 && count_files(f.in) == 1,
	     "  the same directory: %s", s.ids[1]);
	arena_reset(f.a);
	T_OK(queue_claim(in, NULL, s.ids[1], f.a, &e, &err) != -ENOENT, "  where it is found");
	queue_dir_close(&in);
	fixture_fini(&f);
}

/* qf/ and df/ apart, and a body in another directory of the queue. */
static void test_sendmail_dirs(void)
{
	struct fixture f;
	struct queue_dir *in;
	struct queue_numbers n = { .now_s = NOW_S, .pid = PID };
	struct queue_split s;
	struct queue_entry e;
	struct err err;
	int r;

	fixture_init(&f);
	if (mkdir(fixture_path(f.in, "q1"), 0700) < 0 ||
	    mkdir(fixture_path(f.in, "q2"), 0700) < 0 ||
	    mkdir(fixture_path(f.in, "q1/qf"), 0700) < 0 ||
	    mkdir(fixture_path(f.in, "q2/df"), 0700) < 0)
		fixture_die("mkdir");
	put(fixture_path(f.in, "q1/qf"), "qf" QF_ID, SM_TOP "dq2\n" SM_RCPTS SM_HEADERS);
	put(fixture_path(f.in, "q2/df"), "df" QF_ID, DF);
	in = open_queue(&f, "sendmail", f.in);
	T_OK(queue_claim(in, NULL, QF_ID, f.a, &e, &err) == 0 &&
		     queue_split_begin(&e, part_of, 3, &n, f.a, &s, &err) == 0 && s.dir_fd[1] >= 0,
	     "sendmail: body in another directory");
	while ((r = queue_split_more(&s, &err)) == 1)
		;
	T_OK(r == 0 && queue_split_publish(&s, &err) == 0 && queue_split_reduce(&s, &err) == 0,
	     "  split");
	T_OK(count_files(fixture_path(f.in, "q1/qf")) == 3 &&
		     count_files(fixture_path(f.in, "q2/df")) == 3 &&
		     holds(fixture_path(f.in, "q1/qf"), "qf" SM_NEW1,
			   SM_TOP "dq2\n" SM_SPLIT SM_B SM_HEADERS),
	     "  it says where its body is");
	arena_reset(f.a);
	T_OK(queue_claim(in, NULL, SM_NEW1, f.a, &e, &err) == 0 && e.body_bytes == strlen(DF),
	     "  and is found");
	queue_dir_close(&in);
	fixture_fini(&f);
}

/* --- what is asked for wrongly, and little memory --- */

static void test_refused(size_t i)
{
	static const uint32_t one[RCPTS] = { 0, 0, 0, 0 }, gap[RCPTS] = { 0, 2, 2, 0 };
	bool done = false;
	struct bed b;

	bed_init(&b, i);
	T_OK(claim(&b, b.fmt->id) == 0, "%s: refused", b.fmt->mta);
	T_OK(queue_split_begin(&b.e, one, 1, &b.numbers, b.f.a, &b.s, &b.err) == -EINVAL, "  one");
	T_OK(queue_split_begin(&b.e, gap, 3, &b.numbers, b.f.a, &b.s, &b.err) == -EINVAL,
	     "  an empty part: %s", b.err.text);
	for (size_t max = 0; max < 16384 && !done; max += 64) {
		struct arena *a = arena_new(max);
		int r = queue_split_begin(&b.e, part_of, 3, &b.numbers, a, &b.s, &b.err);

		if (r == 0) {
			r = stage(&b);
			queue_split_undo(&b.s);
		}
		done = r == 0;
		if (r != 0 && r != -ENOMEM)
			break;
		arena_free(&a);
	}
	T_OK(done && untouched(&b), "  with ever more memory: fails or works, nothing is left");
	bed_fini(&b);
}

/* --- failures of every call --- */

#ifdef SALLYPORT_FAULTS
static const char *const points[] = {
	"queue.stage.create", "queue.stage.mode",    "queue.split.write",
	"queue.split.link",   "queue.split.name",    "queue.split.copy",
	"queue.look.stat",    "queue.split.publish", "queue.split.reduce",
};

static int whole_way(struct bed *b)
{
	int r = begin(b);

	if (r == 0)
		r = stage(b);
	if (r == 0)
		r = queue_split_publish(&b->s, &b->err);
	if (r == 0)
		r = queue_split_reduce(&b->s, &b->err);
	return r;
}

/* The original or the derived one, visible, must have each recipient. */
static bool nobody_lost(struct bed *b)
{
	static const char *const want[RCPTS] = { "a@x", "b@x", "c@x", "d@x" };
	bool seen[RCPTS] = { false };
	char ids[1024];
	char *save = NULL;

	(void)snprintf(ids, sizeof(ids), "%s", listing(b));
	for (char *id = strtok_r(ids, ",", &save); id != NULL; id = strtok_r(NULL, ",", &save)) {
		arena_reset(b->f.a);
		if (claim(b, id) < 0)
			return false;
		for (size_t i = 0; i < b->e.env.to_n; i++)
			for (size_t k = 0; k < RCPTS; k++)
				seen[k] |= strcmp(b->e.env.to[i], want[k]) == 0;
	}
	return seen[0] && seen[1] && seen[2] && seen[3];
}

static void test_faults(size_t i)
{
	static const char *const errors[] = { "EIO", "ENOSPC", "SHORT" };

	for (size_t p = 0; p < ARRAY_LEN(points); p++)
		for (unsigned k = 0; k < ARRAY_LEN(errors); k++)
			for (unsigned nth = 1; nth <= 4; nth++) {
				struct bed b;
				char fault[128];
				int r;

				bed_init(&b, i);
				if (claim(&b, b.fmt->id) < 0)
					fixture_die("claim");
				(void)snprintf(fault, sizeof(fault), "%s=%s@%u", points[p],
					       errors[k], nth);
				if (setenv("SALLYPORT_FAULT", fault, 1) < 0)
					fixture_die("setenv");
				r = whole_way(&b);
				(void)unsetenv("SALLYPORT_FAULT");
				if (r < 0) {
					bool hidden = b.s.published == 0;

					queue_split_undo(&b.s);
					T_OK((!hidden || untouched(&b)) &&
						     holds(b.f.in, name_of(b.fmt->head, b.fmt->id),
							   b.fmt->whole) &&
						     !has(&b, b.fmt->split_head, b.fmt->id),
					     "%s %s: %s", b.fmt->mta, fault, b.err.text);
				}
				arena_reset(b.f.a);
				T_OK(nobody_lost(&b), "%s %s: every recipient is there", b.fmt->mta,
				     fault);
				bed_fini(&b);
			}
}

/* --- large bodies --- */

#define LARGE_BYTES (5u * 1024 * 1024 / 2 + 17)

/* Several turns, in the kernel or, where the file system cannot, by bytes. */
static void test_large(const char *fault)
{
	static char body[LARGE_BYTES];
	char name[QUEUE_ID_MAX + 8];
	struct bed b;
	FILE *f;
	bool same;

	bed_init(&b, 1);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 7 >> 3);
	memcpy(body, EX_ID "-D\n", strlen(EX_ID "-D\n"));
	put_bytes(b.f.in, EX_ID "-D", bytes_of(body, sizeof(body)));
	if (setenv("SALLYPORT_FAULT", fault, 1) < 0)
		fixture_die("setenv");
	T_OK(claim(&b, EX_ID) == 0 && whole_way(&b) == 0, "a large body, '%s': %s", fault,
	     b.err.text);
	(void)unsetenv("SALLYPORT_FAULT");
	for (size_t i = 1; i < 3; i++) {
		static char got[LARGE_BYTES + 1];
		size_t n = 0;

		(void)snprintf(name, sizeof(name), "%s-D", b.s.ids[i]);
		f = fopen(fixture_path(b.f.in, name), "re");
		if (f != NULL) {
			n = fread(got, 1, sizeof(got), f);
			(void)fclose(f);
		}
		memcpy(body, name, strlen(name));
		same = n == sizeof(body) && memcmp(got, body, n) == 0;
		T_OK(same, "  copied under its own name");
	}
	bed_fini(&b);
}

/* --- a kill at every point --- */

static const char *const kills[] = {
	"queue.stage.create", "queue.stage.mode",    "queue.split.write",   "queue.split.link",
	"queue.split.copy",   "queue.split.name",    "queue.split.publish", "queue.split.published",
	"queue.split.reduce", "queue.split.reduced",
};

static void killed_child(struct bed *b, const char *fault)
{
	if (setenv("SALLYPORT_FAULT", fault, 1) < 0 || claim(b, b->fmt->id) < 0)
		_exit(3);
	_exit(whole_way(b) < 0 ? 2 : 0);
}

static void test_kills(size_t i)
{
	for (size_t p = 0; p < ARRAY_LEN(kills); p++)
		for (unsigned nth = 1; nth <= 4; nth++) {
			struct bed b;
			char fault[128];
			int status = 0;
			pid_t pid;

			bed_init(&b, i);
			(void)snprintf(fault, sizeof(fault), "%s=KILL@%u", kills[p], nth);
			(void)fflush(stdout);
			pid = fork();
			if (pid == 0)
				killed_child(&b, fault);
			if (pid < 0 || waitpid(pid, &status, 0) != pid)
				fixture_die("child");
			T_OK(nobody_lost(&b), "%s %s: every recipient is there", b.fmt->mta, fault);
			(void)listing(&b);
			T_OK(count_files(b.f.in) % 2 == 0 &&
				     !has(&b, b.fmt->temp_head, b.fmt->new1) &&
				     !has(&b, b.fmt->temp_head, b.fmt->new2) &&
				     !has(&b, b.fmt->split_head, b.fmt->id),
			     "  and nothing hidden after a listing");
			arena_reset(b.f.a);
			b.numbers.pid++;
			T_OK(claim(&b, b.fmt->id) == 0 &&
				     (b.e.env.to_n == 2 || (whole_way(&b) == 0 && nobody_lost(&b))),
			     "  and it can be split again: %s", b.err.text);
			bed_fini(&b);
		}
}
#endif

/* --- what a dead process left --- */

static void test_sweep(size_t i)
{
	const struct format *f = &formats[i];
	struct bed b;
	int fd;

	bed_init(&b, i);
	T_OK(claim(&b, f->id) == 0 && begin(&b) == 0 && stage(&b) == 0, "%s: left over", f->mta);
	crash(&b);
	T_OK(count_files(b.f.in) == 7, "  hidden files");
	b.f.set.sweep = false;
	queue_dir_close(&b.in);
	b.in = open_queue(&b.f, f->mta, b.f.in);
	(void)listing(&b);
	T_OK(count_files(b.f.in) == 7, "  a tool that lists does not touch them");
	b.f.set.sweep = true;
	queue_dir_close(&b.in);
	b.in = open_queue(&b.f, f->mta, b.f.in);
	fd = open(fixture_path(b.f.in, name_of(f->temp_head, f->new1)), O_RDONLY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		fixture_die("flock");
	(void)listing(&b);
	T_OK(count_files(b.f.in) == 4 && has(&b, f->temp_head, f->new1) &&
		     has(&b, f->body, f->new1),
	     "  swept, but not what somebody is writing");
	fd_close(&fd);
	put(b.f.in, name_of(f->head, f->new1), "visible");
	(void)listing(&b);
	T_OK(!has(&b, f->temp_head, f->new1) && has(&b, f->body, f->new1),
	     "  nor the body of a visible message");
	if (unlink(fixture_path(b.f.in, name_of(f->head, f->new1))) < 0)
		fixture_die("unlink");
	put(b.f.in, name_of(f->temp_head, f->new1), "x");
	(void)listing(&b);
	T_OK(untouched(&b), "  then the rest");
	bed_fini(&b);
}

/* Another gateway lists the same queue all the time: it must not take for a left-over what was
 * created a moment ago and is not locked yet. */
static void test_swept_meanwhile(size_t i)
{
	enum { TIMES = 400 };
	unsigned failed = 0;
	struct bed b;
	pid_t pid;

	bed_init(&b, i);
	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		fixture_die("fork");
	while (pid == 0)
		(void)listing(&b);
	for (unsigned n = 0; n < TIMES; n++) {
		if (claim(&b, b.fmt->id) < 0 || begin(&b) < 0 || stage(&b) < 0 ||
		    queue_split_publish(&b.s, &b.err) < 0)
			failed++;
		for (size_t k = 1; k <= b.s.published; k++) {
			(void)unlink(fixture_path(b.f.in, name_of(b.fmt->head, b.s.ids[k])));
			(void)unlink(fixture_path(b.f.in, name_of(b.fmt->body, b.s.ids[k])));
		}
		queue_split_undo(&b.s);
		crash(&b);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	T_OK(failed == 0, "%s: %u of %u failed beside a gateway that sweeps: %s", b.fmt->mta,
	     failed, TIMES, b.err.text);
	(void)listing(&b);
	T_OK(untouched(&b), "  and nothing is left");
	bed_fini(&b);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		test_straight(i);
		test_twice(i);
		test_ids(i);
		test_id_taken(i);
		test_refused(i);
		test_sweep(i);
		test_swept_meanwhile(i);
#ifdef SALLYPORT_FAULTS
		test_faults(i);
		test_kills(i);
#endif
	}
#ifdef SALLYPORT_FAULTS
	test_large("");
	test_large("queue.split.copy=SHORT");
	test_large("queue.split.copy=EOPNOTSUPP@1");
	test_large("queue.split.copy=EOPNOTSUPP@2");
#endif
	test_long_exim_ids();
	test_sendmail_dirs();
	return t_done();
}
