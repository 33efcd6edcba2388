/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/networks.c - words that are networks, or files of such. */
#include "conf/networks.h"

#include "conf/conf_internal.h"
#include "conf/ip.h"
#include "core/num.h"

bool conf_network_parse(struct bytes text, struct conf_network *ret_n)
{
	ptrdiff_t slash = bytes_index(text, '/');
	struct bytes host = slash < 0 ? text : bytes_head(text, (size_t)slash);
	uint8_t addr[16];
	uint64_t bits;
	bool v6;

	if (!ip_parse(host, addr, &v6))
		return false;
	bits = v6 ? 128 : 32;
	if (slash >= 0 && num_parse(bytes_from(text, (size_t)slash + 1), 10, bits, &bits) < 0)
		return false;
	if (!v6) {
		memcpy(addr + 12, addr, 4);
		memset(addr, 0, 10);
		addr[10] = addr[11] = 0xff;
		bits += 96;
	}
	ip_mask(addr, (unsigned)bits);
	memcpy(ret_n->addr, addr, 16);
	ret_n->bits = (uint8_t)bits;
	return true;
}

/* Words are separated by blanks or commas; '#' begins a comment in files. */
static bool next_network_word(struct bytes *rest, struct bytes *ret_word)
{
	size_t n = 0;

	while (rest->n > 0 && (ascii_is_space(rest->p[0]) || rest->p[0] == ','))
		*rest = bytes_from(*rest, 1);
	while (n < rest->n && !ascii_is_space(rest->p[n]) && rest->p[n] != ',')
		n++;
	*ret_word = bytes_head(*rest, n);
	*rest = bytes_from(*rest, n);
	return n > 0;
}

static struct bytes without_remark(struct bytes line)
{
	ptrdiff_t hash = bytes_index(line, '#');

	return hash < 0 ? line : bytes_head(line, (size_t)hash);
}

struct walk {
	void (*each)(void *arg, const struct conf_network *n);
	void *arg;
	struct conf_loader *l; /* NULL: mistakes have been told */
	const char *option;
};

static void take_word(const struct walk *w, struct bytes word, struct conf_place at)
{
	struct conf_network n;

	if (conf_network_parse(word, &n)) {
		if (w->each != NULL)
			w->each(w->arg, &n);
	} else if (w->l != NULL) {
		conf_problem_add(w->l->report, CONF_ERROR, at,
				 "%s: '%s' is not an address or a network such as 192.0.2.0/24 or "
				 "2001:db8::/32; it is left out",
				 w->option, SHOWN(word));
	}
}

static void walk_file(const struct walk *w, const char *path, struct bytes content)
{
	struct conf_place at = { .file = path };
	struct bytes line, rest, word;

	while (bytes_next_line(&content, &line)) {
		at.line++;
		rest = without_remark(line);
		while (next_network_word(&rest, &word)) {
			at.column = (unsigned)(word.p - line.p) + 1;
			take_word(w, word, at);
		}
	}
}

static void walk_value(const struct walk *w, const struct conf *c, struct bytes text,
		       struct conf_place at)
{
	struct bytes rest = text, word, content;
	struct conf_place here = at;

	while (next_network_word(&rest, &word)) {
		char path[4096];

		here.column = at.column + (unsigned)(word.p - text.p);
		if (word.p[0] != '/') {
			take_word(w, word, here);
			continue;
		}
		if (word.n < sizeof(path)) {
			memcpy(path, word.p, word.n);
			path[word.n] = '\0';
			if (conf_file(c, path, &content) == 0) {
				walk_file(w, path, content);
				continue;
			}
		}
		if (w->l != NULL)
			conf_problem_add(w->l->report, CONF_ERROR, here,
					 "%s: '%s' is not a file that exists and can be read; it "
					 "is left out",
					 w->option, SHOWN(word));
	}
}

void conf_each_network(const struct conf *c, enum opt_id id,
		       void (*each)(void *arg, const struct conf_network *n), void *arg)
{
	const struct walk w = { .each = each, .arg = arg };

	walk_value(&w, c, bytes_str(conf_str(c, id, NULL)), (struct conf_place){ 0 });
}

void conf_networks_check(struct conf_loader *l, const char *option, struct bytes text,
			 struct conf_place at)
{
	const struct walk w = { .l = l, .option = option };

	walk_value(&w, l->c, text, at);
}

int conf_ports_parse(struct bytes text, uint16_t ret_ports[CONF_PORTS_MAX])
{
	struct bytes word;
	uint64_t v;
	int n = 0;

	while (next_network_word(&text, &word)) {
		if (n == CONF_PORTS_MAX || num_parse(word, 10, UINT16_MAX, &v) < 0 || v == 0)
			return -1;
		ret_ports[n++] = (uint16_t)v;
	}
	return n;
}
