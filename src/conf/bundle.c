/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/bundle.c - every answer of a disk source as one sealed memory file, for processes that may
 * not read the disk. Layout: a header, then records, numbers in the byte order of the host:
 *
 *   u64 magic, u64 records;  each: u32 what, u32 exec, i32 code, u32 name bytes, u64 content bytes,
 *   name, NUL, content
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf_internal.h"
#include "conf/source_internal.h"

#define BUNDLE_MAGIC UINT64_C(0x31666e6f43796c53)
#define BUNDLE_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define RECORDS_MAX  1000000u

struct bundle_head {
	uint64_t magic, records;
};

struct record_head {
	uint32_t what, exec;
	int32_t code;
	uint32_t name_bytes;
	uint64_t content_bytes;
};

static int write_all(int fd, const void *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p = (const uint8_t *)p + r;
		n -= (size_t)r;
	}
	return 0;
}

static int write_record(int fd, const struct conf_answer *a)
{
	struct record_head h = { .what = (uint32_t)a->what, .exec = a->exec, .code = a->code };
	int r;

	h.name_bytes = (uint32_t)strlen(a->name);
	h.content_bytes = a->content.n;
	r = write_all(fd, &h, sizeof(h));
	if (r == 0)
		r = write_all(fd, a->name, h.name_bytes + 1u);
	if (r == 0)
		r = write_all(fd, a->content.p, a->content.n);
	return r;
}

static int write_records(int fd, const struct conf_store *st)
{
	struct bundle_head h = { BUNDLE_MAGIC, st->answers_n };
	int r = write_all(fd, &h, sizeof(h));

	for (unsigned i = 0; i < SOURCE_BUCKETS && r == 0; i++) {
		for (const struct conf_answer *a = st->buckets[i]; a != NULL && r == 0; a = a->next)
			r = write_record(fd, a);
	}
	return r;
}

int conf_source_write_bundle(struct conf_source *disk, struct err *err)
{
	AUTO(fd_close) int fd = memfd_create("sallyport-conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return err_errno(err, "configuration bundle");
	r = write_records(fd, (const struct conf_store *)(const void *)disk);
	if (r < 0)
		return err_code(err, r, "write the configuration bundle");
	if (fcntl(fd, F_ADD_SEALS, BUNDLE_SEALS | F_SEAL_SEAL) < 0)
		return err_errno(err, "seal the configuration bundle");
	r = fd;
	fd = -1;
	return r;
}

static bool take(struct bytes *rest, size_t n, struct bytes *ret)
{
	if (n > rest->n)
		return false;
	*ret = bytes_head(*rest, n);
	*rest = bytes_from(*rest, n);
	return true;
}

static bool record_is_sane(const struct record_head *h)
{
	if (h->what >= CONF_QUESTIONS || h->exec > 1)
		return false;
	if (h->what == CONF_ASK_KIND)
		return h->code >= CONF_NONE && h->code <= CONF_OTHER && h->content_bytes == 0;
	return h->code <= 0 && h->code > -4096;
}

/* Returns 0, -EBADMSG or -ENOMEM. */
static int read_record(struct conf_store *st, struct bytes *rest)
{
	struct record_head h;
	struct conf_answer *a;
	struct bytes part, name, content;

	if (!take(rest, sizeof(h), &part))
		return -EBADMSG;
	memcpy(&h, part.p, sizeof(h));
	if (!record_is_sane(&h) || !take(rest, (size_t)h.name_bytes + 1, &name) ||
	    h.content_bytes > rest->n || !take(rest, (size_t)h.content_bytes, &content))
		return -EBADMSG;
	if (memchr(name.p, 0, name.n) != name.p + h.name_bytes)
		return -EBADMSG;
	if (conf_store_find(st, (enum conf_question)h.what, (const char *)name.p) != NULL)
		return -EBADMSG;
	a = conf_store_add(st, (enum conf_question)h.what, (const char *)name.p);
	if (a == NULL)
		return -ENOMEM;
	a->exec = h.exec != 0;
	a->code = h.code;
	a->content = content;
	return 0;
}

static int read_records(struct conf_store *st)
{
	struct bytes rest = bytes_of(st->map, st->map_bytes), part;
	struct bundle_head h;
	int r = 0;

	if (!take(&rest, sizeof(h), &part))
		return -EBADMSG;
	memcpy(&h, part.p, sizeof(h));
	if (h.magic != BUNDLE_MAGIC || h.records > RECORDS_MAX)
		return -EBADMSG;
	for (uint64_t i = 0; i < h.records && r == 0; i++)
		r = read_record(st, &rest);
	return r < 0 ? r : rest.n > 0 ? -EBADMSG : 0;
}

/* Unsealed memory could change or shrink under the parser. */
static int map_bundle(struct conf_store *st, int fd, struct err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat sb;

	if (seals < 0 || (seals & BUNDLE_SEALS) != BUNDLE_SEALS)
		return err_set(err, ERR_CONFIG, -EPERM, "configuration bundle is not sealed");
	if (fstat(fd, &sb) < 0)
		return err_errno(err, "configuration bundle");
	if (sb.st_size <= 0)
		return err_set(err, ERR_CONFIG, -EBADMSG, "configuration bundle is empty");
	st->map_bytes = (size_t)sb.st_size;
	st->map = mmap(NULL, st->map_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (st->map == MAP_FAILED) {
		st->map = NULL;
		return err_errno(err, "map the configuration bundle");
	}
	return 0;
}

int conf_source_bundle(struct conf_source **ret_s, int fd, struct err *err)
{
	struct conf_store *st = conf_store_new();
	AUTO(conf_source_close) struct conf_source *s = NULL;
	int r;

	if (st == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	conf_store_answer_only(st);
	s = &st->ops;
	r = map_bundle(st, fd, err);
	if (r < 0)
		return r;
	r = read_records(st);
	if (r == -EBADMSG)
		return err_set(err, ERR_CONFIG, r, "configuration bundle is malformed");
	if (r < 0)
		return err_code(err, r, "configuration bundle");
	*ret_s = TAKE(s);
	return 0;
}
