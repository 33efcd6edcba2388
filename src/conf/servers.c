/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/servers.c - addresses of servers, each perhaps with a port. */
#include "conf/servers.h"

#include <errno.h>
#include <string.h>

#include "conf/ip.h"
#include "core/num.h"

#define PORT_DEFAULT 53

/* Cut "ADDRESS", "IPV4:PORT" or "[ADDRESS]:PORT" in two; *@ret_port is empty without a port. */
static bool split(struct bytes word, struct bytes *ret_addr, struct bytes *ret_port)
{
	ptrdiff_t colon = bytes_index(word, ':'), end = bytes_index(word, ']');

	*ret_addr = word;
	*ret_port = bytes_from(word, word.n);
	if (word.n > 0 && word.p[0] == '[') {
		if (end < 0)
			return false;
		*ret_addr = bytes_from(bytes_head(word, (size_t)end), 1);
		*ret_port = bytes_from(word, (size_t)end + 1);
		if (ret_port->n == 0)
			return true;
		if (ret_port->p[0] != ':' || ret_port->n == 1)
			return false;
		*ret_port = bytes_from(*ret_port, 1);
		return true;
	}
	/* One colon is a port; several are an IPv6 address. */
	if (colon >= 0 && bytes_index(bytes_from(word, (size_t)colon + 1), ':') < 0) {
		*ret_addr = bytes_head(word, (size_t)colon);
		*ret_port = bytes_from(word, (size_t)colon + 1);
		return ret_port->n > 0;
	}
	return true;
}

static bool server_parse(struct bytes word, struct server *ret_s)
{
	struct bytes addr, port;
	uint64_t n = PORT_DEFAULT;

	if (!split(word, &addr, &port) || !ip_parse(addr, ret_s->addr, &ret_s->v6))
		return false;
	if (port.n > 0 && num_parse(port, 10, 65535, &n) < 0)
		return false;
	ret_s->port = (uint16_t)n;
	return n > 0;
}

bool listener_parse(struct bytes word, struct server *ret_s)
{
	struct bytes addr, port;

	return split(word, &addr, &port) && port.n > 0 && server_parse(word, ret_s) &&
	       ret_s->v6 == (word.p[0] == '[');
}

static bool next_server(struct bytes *rest, struct bytes *ret_word)
{
	size_t from = 0, n = 0;

	while (from < rest->n && (ascii_is_space(rest->p[from]) || rest->p[from] == ','))
		from++;
	*rest = bytes_from(*rest, from);
	while (n < rest->n && !ascii_is_space(rest->p[n]) && rest->p[n] != ',')
		n++;
	*ret_word = bytes_head(*rest, n);
	*rest = bytes_from(*rest, n);
	return n > 0;
}

int servers_parse(const char *text, struct server ret[SERVERS_MAX], struct err *err)
{
	struct bytes rest = bytes_str(text), word;
	int n = 0;

	while (next_server(&rest, &word)) {
		if (n == SERVERS_MAX)
			return err_set(err, ERR_CONFIG, -E2BIG, "%d servers at most", SERVERS_MAX);
		if (!server_parse(word, &ret[n]))
			return err_set(err, ERR_CONFIG, -EINVAL,
				       "'%.*s' is no address such as 192.0.2.53, "
				       "127.0.0.1:5353 or [2001:db8::1]:53",
				       (int)MIN_OF(word.n, 80u), (const char *)word.p);
		n++;
	}
	return n;
}
