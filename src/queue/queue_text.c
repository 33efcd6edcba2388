/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/queue_text.c - envelopes, addresses and output text, the same for all queue formats. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "core/num.h"
#include "queue/queue_internal.h"

void sink_add(struct sink *s, struct bytes b)
{
	if (s->p != NULL && b.n > 0)
		memcpy(s->p + s->n, b.p, b.n);
	s->n += b.n;
}

void sink_text(struct sink *s, const char *text)
{
	sink_add(s, bytes_str(text));
}

void text_digits(char *out, size_t digits, unsigned base, uint64_t v)
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz";

	for (; digits > 0; v /= base)
		out[--digits] = alphabet[v % base];
}

bool text_protocol_authenticated(struct bytes protocol)
{
	static const char *const ends[] = { "MTPA", "MTPSA" };

	protocol = bytes_trim(protocol);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct bytes end = bytes_str(ends[i]);

		if (protocol.n > end.n &&
		    bytes_eq_nocase(bytes_from(protocol, protocol.n - end.n), end))
			return true;
	}
	return false;
}

int envelope_begin(struct envelope_builder *b, struct envelope *env, size_t to_n, size_t text_bytes,
		   struct arena *a)
{
	/* Each string twice, as it is and in lower case, each with its NUL. */
	size_t room = 2 * (text_bytes + to_n + 1);

	env->to = arena_array(a, to_n, sizeof(*env->to));
	env->to_verbatim = arena_array(a, to_n, sizeof(*env->to_verbatim));
	*b = (struct envelope_builder){ .env = env, .room = arena_alloc(a, room), .left = room };
	if (env->to == NULL || env->to_verbatim == NULL || b->room == NULL)
		return -ENOMEM;
	return 0;
}

static const char *put(struct envelope_builder *b, struct bytes text)
{
	char *at = b->room;

	if (text.n > 0)
		memcpy(at, text.p, text.n);
	at[text.n] = '\0';
	b->room += text.n + 1;
	b->left -= text.n + 1;
	return at;
}

/* @verbatim itself when it has no upper case. */
static const char *put_lower(struct envelope_builder *b, const char *verbatim, size_t n)
{
	char *at = b->room;
	bool same = true;

	for (size_t i = 0; i <= n; i++) {
		at[i] = (char)ascii_lower((uint8_t)verbatim[i]);
		same &= at[i] == verbatim[i];
	}
	if (same)
		return verbatim;
	b->room += n + 1;
	b->left -= n + 1;
	return at;
}

void envelope_sender(struct envelope_builder *b, struct bytes address)
{
	b->env->sender_verbatim = put(b, address);
	b->env->sender = put_lower(b, b->env->sender_verbatim, address.n);
}

void envelope_recipient(struct envelope_builder *b, struct bytes address)
{
	size_t i = b->env->to_n++;

	b->env->to_verbatim[i] = put(b, address);
	b->env->to[i] = put_lower(b, b->env->to_verbatim[i], address.n);
}

int envelope_split(struct envelope *env, const char *id, struct bytes mark, struct arena *a)
{
	struct bytes word = { 0 }, count = { 0 };
	uint64_t n = 0;

	if (!bytes_next_word(&mark, &word))
		return 0;
	env->split_mark = true;
	if (bytes_next_word(&mark, &count) && num_parse(count, 10, SIZE_MAX, &n) == 0)
		env->to_all = (size_t)n;
	if (bytes_eq(word, bytes_str(id)))
		return 0;
	env->split_from = arena_str(a, word);
	return env->split_from == NULL ? -ENOMEM : 0;
}

const char *envelope_split_mark(const struct queue_entry *e, char out[SPLIT_MARK_MAX])
{
	(void)snprintf(out, SPLIT_MARK_MAX, "%s %zu", e->id, e->env.to_n);
	return out;
}

/* @text is what stands in brackets; the address goes to @ret. */
static bool ip_of(struct bytes text, char ret[INET6_ADDRSTRLEN])
{
	uint8_t addr[sizeof(struct in6_addr)];

	if (bytes_starts_nocase(text, BYTES("IPv6:")))
		text = bytes_from(text, 5);
	if (text.n == 0 || text.n >= INET6_ADDRSTRLEN || bytes_index(text, '\0') >= 0)
		return false;
	for (size_t i = 0; i < text.n; i++)
		ret[i] = (char)ascii_lower(text.p[i]);
	ret[text.n] = '\0';
	return inet_pton(AF_INET, ret, addr) == 1 || inet_pton(AF_INET6, ret, addr) == 1;
}

const char *text_bracketed_ip(struct bytes text, bool last, struct arena *a)
{
	char ip[INET6_ADDRSTRLEN], found[INET6_ADDRSTRLEN] = "";
	ptrdiff_t open, close;

	while ((open = bytes_index(text, '[')) >= 0 && (last || found[0] == '\0')) {
		text = bytes_from(text, (size_t)open + 1);
		/* No address is longer: this keeps a line of brackets linear. */
		close = bytes_index(bytes_head(text, INET6_ADDRSTRLEN + 5), ']');
		if (close > 0 && ip_of(bytes_head(text, (size_t)close), ip))
			memcpy(found, ip, sizeof(found));
	}
	return found[0] == '\0' ? NULL : arena_str(a, bytes_str(found));
}

void envelope_received_ip(struct envelope *env, const struct header_list *l, int nth,
			  bool after_paren, struct arena *a)
{
	const struct header *h = NULL;
	ptrdiff_t i = -1, paren;
	const char *ip = NULL;

	for (int k = 0; k < nth; k++) {
		i = header_find(l, BYTES("Received"), (size_t)(i + 1));
		if (i < 0)
			break;
		h = &l->v[i];
	}
	if (h == NULL)
		return;
	paren = after_paren ? bytes_index(h->text, '(') : -1;
	if (paren >= 0)
		ip = text_bracketed_ip(bytes_from(h->text, (size_t)paren), false, a);
	if (ip == NULL)
		ip = text_bracketed_ip(h->text, false, a);
	env->client_ip = ip == NULL ? "127.0.0.1" : ip;
}

bool text_is_address(const char *address)
{
	if (address == NULL || address[0] == '\0')
		return false;
	for (const char *p = address; *p != '\0'; p++)
		if ((uint8_t)*p < ' ' || *p == 0x7f || *p == '<' || *p == '>')
			return false;
	return true;
}

bool text_is_header(struct bytes text)
{
	if (header_name(text).n == 0 || bytes_index(text, '\0') >= 0)
		return false;
	for (ptrdiff_t lf; (lf = bytes_index(text, '\n')) >= 0;) {
		text = bytes_from(text, (size_t)lf + 1);
		if (text.n == 0 || (text.p[0] != ' ' && text.p[0] != '\t'))
			return false;
	}
	return true;
}
