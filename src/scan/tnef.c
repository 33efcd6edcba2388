/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/tnef.c - winmail.dat: a list of attributes, some of which hold lists of MAPI properties
 * (MS-OXTNEF). Attachments and the bodies of the message become members.
 *
 * Limits: property names and checksums are not looked at; what a reader cannot use, nobody sees.
 */
#include "scan/rtf.h"
#include "scan/unpack.h"

enum { HEAD_BYTES = 6, ATTRIBUTE_HEAD_BYTES = 9, CHECKSUM_BYTES = 2, GUID_BYTES = 16 };

enum attribute {
	ATT_ATTACH_TITLE = 0x00018010,
	ATT_BODY = 0x0002800c,
	ATT_ATTACH_DATA = 0x0006800f,
	ATT_MSG_PROPS = 0x00069003,
	ATT_ATTACHMENT = 0x00069005,
	ATT_ATTACH_REND_DATA = 0x00069002,
};

enum property {
	PR_BODY = 0x1000,
	PR_RTF_COMPRESSED = 0x1009,
	PR_BODY_HTML = 0x1013,
	PR_DISPLAY_NAME = 0x3001,
	PR_ATTACH_DATA = 0x3701,
	PR_ATTACH_FILENAME = 0x3704,
	PR_ATTACH_LONG_FILENAME = 0x3707,
};

enum property_type { PT_OBJECT = 0x0d, PT_UNICODE = 0x1f, PT_MULTIPLE = 0x1000 };

/* The attachment whose attributes are being read. */
struct attachment {
	bool there;
	struct member m;
	struct bytes data, object; /* attribute and property may both bring content */
};

struct tnef {
	struct unpack *u;
	struct bytes in;
	struct attachment now;
};

static bool take(struct bytes *in, size_t n, struct bytes *ret)
{
	if (n > in->n)
		return false;
	*ret = bytes_head(*in, n);
	*in = bytes_from(*in, n);
	return true;
}

static bool take_u32(struct bytes *in, uint32_t *ret)
{
	struct bytes b;

	if (!take(in, 4, &b))
		return false;
	*ret = (uint32_t)b.p[0] | (uint32_t)b.p[1] << 8 | (uint32_t)b.p[2] << 16 |
	       (uint32_t)b.p[3] << 24;
	return true;
}

/* A value and what pads it to four bytes; the padding of the last one may be missing. */
static bool take_padded(struct bytes *in, size_t n, struct bytes *ret)
{
	if (!take(in, n, ret))
		return false;
	*in = bytes_from(*in, (4 - n % 4) % 4);
	return true;
}

static bool end_member(struct unpack *u, struct member *m, struct bytes content)
{
	m->content = content;
	return unpack_begin(u, m->names_n > 0 ? m->names[0] : BYTES("")) && unpack_end(u, m);
}

/* The attachment is complete. */
static bool flush(struct tnef *t)
{
	struct attachment a = t->now;

	t->now = (struct attachment){ .there = false };
	if (!a.there)
		return true;
	if ((a.data.n > 0 || a.object.n == 0) && !end_member(t->u, &a.m, a.data))
		return false;
	return a.object.n == 0 || end_member(t->u, &a.m, a.object);
}

static void add_name(struct attachment *a, struct bytes name)
{
	while (name.n > 0 && name.p[name.n - 1] == 0)
		name.n--;
	if (name.n > 0 && a->m.names_n < MEMBER_NAMES_MAX)
		a->m.names[a->m.names_n++] = name;
}

/* The long name is what programs show. */
static void add_first_name(struct attachment *a, struct bytes name)
{
	size_t n = a->m.names_n;

	add_name(a, name);
	if (n == 0 || a->m.names_n == n)
		return;
	name = a->m.names[n];
	a->m.names[n] = a->m.names[0];
	a->m.names[0] = name;
}

static bool take_body(struct tnef *t, const char *name, struct bytes content)
{
	struct member m = { .names = { bytes_str(name) }, .names_n = 1 };

	return content.n == 0 || end_member(t->u, &m, content);
}

static bool take_rtf(struct tnef *t, struct bytes packed)
{
	struct member m = { .names = { BYTES("body.rtf") }, .names_n = 1 };

	if (packed.n == 0)
		return true;
	if (!unpack_begin(t->u, m.names[0]))
		return false;
	if (!rtf_unpack(t->u, packed)) {
		m.unread = true;
		unpack_broken(t->u, "compressed text is damaged");
	}
	return unpack_end(t->u, &m);
}

/* False: a limit. */
static bool use_property(struct tnef *t, unsigned id, unsigned type, struct bytes value)
{
	struct bytes text = type == PT_UNICODE ? unpack_utf16(t->u, value) : value;

	switch (id) {
	case PR_ATTACH_LONG_FILENAME:
		add_first_name(&t->now, text);
		return true;
	case PR_ATTACH_FILENAME:
	case PR_DISPLAY_NAME:
		add_name(&t->now, text);
		return true;
	case PR_ATTACH_DATA:
		/* An object begins with the identifier of its interface. */
		t->now.object = type == PT_OBJECT ? bytes_from(value, GUID_BYTES) : value;
		return true;
	case PR_BODY:
		return take_body(t, "body.txt", text);
	case PR_BODY_HTML:
		return take_body(t, "body.html", text);
	case PR_RTF_COMPRESSED:
		return take_rtf(t, value);
	default:
		return true;
	}
}

/* Named properties: identifier of the set, then a number or a name. */
static bool skip_property_name(struct bytes *in)
{
	struct bytes b;
	uint32_t kind, n;

	if (!take(in, GUID_BYTES, &b) || !take_u32(in, &kind) || !take_u32(in, &n))
		return false;
	return kind == 0 || take_padded(in, n, &b);
}

static size_t fixed_bytes(unsigned type)
{
	switch (type) {
	case 0x02:
	case 0x03:
	case 0x04:
	case 0x0a:
	case 0x0b:
		return 4;
	case 0x05:
	case 0x06:
	case 0x07:
	case 0x14:
	case 0x40:
		return 8;
	case 0x48:
		return GUID_BYTES;
	default:
		return 0;
	}
}

static bool is_counted(unsigned type)
{
	return type == PT_OBJECT || type == 0x1e || type == PT_UNICODE || type == 0x102;
}

/* -1: malformed; 0: a limit; 1: go on. */
static int take_property(struct tnef *t, struct bytes *in)
{
	uint32_t tag, count = 1;
	struct bytes value;
	unsigned type, id;

	if (!take_u32(in, &tag))
		return -1;
	type = tag & 0xffff & ~(uint32_t)PT_MULTIPLE;
	id = tag >> 16;
	if (id >= 0x8000 && !skip_property_name(in))
		return -1;
	if (((tag & PT_MULTIPLE) != 0 || is_counted(type)) && !take_u32(in, &count))
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = (uint32_t)fixed_bytes(type);

		if (is_counted(type) ? !take_u32(in, &n) : n == 0)
			return -1;
		if (!take_padded(in, n, &value))
			return -1;
		if (is_counted(type) && !use_property(t, id, type, value))
			return 0;
	}
	return 1;
}

static bool take_properties(struct tnef *t, struct bytes in)
{
	uint32_t count;

	if (!take_u32(&in, &count))
		return true;
	for (uint32_t i = 0; i < count && in.n > 0; i++) {
		int r = take_property(t, &in);

		if (r == 0)
			return false;
		if (r < 0) {
			unpack_broken(t->u, "a list of properties is damaged");
			return true;
		}
	}
	return true;
}

static bool take_attribute(struct tnef *t, uint32_t id, struct bytes value)
{
	switch (id) {
	case ATT_ATTACH_REND_DATA:
		if (!flush(t))
			return false;
		t->now.there = true;
		return true;
	case ATT_ATTACH_TITLE:
		t->now.there = true;
		add_name(&t->now, value);
		return true;
	case ATT_ATTACH_DATA:
		t->now.there = true;
		t->now.data = value;
		return true;
	case ATT_BODY:
		return take_body(t, "body.txt", value);
	case ATT_ATTACHMENT:
		t->now.there = true;
		return take_properties(t, value);
	case ATT_MSG_PROPS:
		return take_properties(t, value);
	default:
		return true;
	}
}

void unpack_tnef(struct unpack *u)
{
	struct tnef t = { .u = u, .in = bytes_from(u->content, HEAD_BYTES) };

	u->document = true; /* an encoding: it cannot have a password */
	while (t.in.n >= ATTRIBUTE_HEAD_BYTES && !u->stop) {
		struct bytes level, value;
		uint32_t id = 0, n = 0;

		(void)(take(&t.in, 1, &level) && take_u32(&t.in, &id) && take_u32(&t.in, &n));
		if (!take(&t.in, n, &value)) {
			unpack_broken(u, "it ends inside an attribute");
			value = t.in;
			t.in = bytes_of(NULL, 0);
		}
		t.in = bytes_from(t.in, CHECKSUM_BYTES);
		if (!take_attribute(&t, id, value))
			return;
	}
	(void)flush(&t);
}
