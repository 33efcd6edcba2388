/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns/dns.c - the resolver: c-ares on the loop, with the table of questions in front of it.
 *
 * c-ares opens and closes sockets within its own calls, and one for TCP must be watched for
 * writing. Its sockets are therefore in an epoll set, and the ring polls that set's descriptor:
 * one operation that lives as long as the resolver, and none that could outlive a socket.
 *
 * c-ares only ever makes a question "answered"; those who wait are told by a task of the loop, so
 * that they may ask again at once and are never called from within c-ares.
 */
#include "dns/dns.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <ares.h>

#include "conf/servers.h"
#include "core/fault.h"
#include "dns/hosts.h"
#include "dns/internal.h"

#define EVENTS_MAX    32
#define ROUNDS_MAX    16           /* of epoll_wait() a turn */
#define RECEIVE_BYTES (512 * 1024) /* answers of a burst */
#define EDNS_BYTES    1232         /* is not fragmented anywhere */
#define TRY_MIN_MS    200
#define NS_PER_MS     UINT64_C(1000000)
#define AGAIN_NS      (5000 * NS_PER_MS) /* after a question that was given up, or not asked */
#define CLASS_IN      1

struct dns {
	struct loop *loop;
	ares_channel channel;
	struct dns_settings set; /* servers, hosts: not kept */
	struct hosts hosts;
	int epoll_fd;
	struct op op;
	struct timer timer; /* retries and time-outs of c-ares */
	struct task task;
	struct table table;
	struct question_list queued, answered;
	unsigned in_flight;
	bool closing;
	struct dns_stats stats;
	struct dns_answer given_up; /* lent: DNS_TIMEOUT, DNS_LIMIT */
};

static const int wire_types[] = { [DNS_A] = 1, [DNS_AAAA] = 28, [DNS_PTR] = 12 };

/* --- who waits --- */

static const struct dns_answer *give_up(struct dns *d, enum dns_status status)
{
	d->given_up = (struct dns_answer){ .status = status,
					   .until_ns = loop_now_ns(d->loop) + AGAIN_NS };
	return &d->given_up;
}

static void leave(struct dns_query *q)
{
	*q->prev = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	q->question = NULL;
	loop_timer_clear(q->dns->loop, &q->timer);
}

/* The question itself goes on: its answer is still worth knowing. */
static void query_due(struct timer *t)
{
	struct dns_query *q = CONTAINER_OF(t, struct dns_query, timer);

	leave(q);
	q->dns->stats.timeouts++;
	q->done(q, give_up(q->dns, DNS_TIMEOUT));
}

static bool wait_for(struct dns *d, struct question *x, struct dns_query *q)
{
	uint64_t due = q->due_ns;

	if (due == 0)
		due = loop_now_ns(d->loop) + d->set.timeout_ms * NS_PER_MS;
	q->timer = (struct timer){ .fire = query_due };
	if (loop_timer_set(d->loop, &q->timer, due) < 0)
		return false;
	q->dns = d;
	q->question = x;
	q->next = x->waiting;
	q->prev = &x->waiting;
	if (q->next != NULL)
		q->next->prev = &q->next;
	x->waiting = q;
	return true;
}

void dns_cancel(struct dns_query *q)
{
	if (q->question != NULL)
		leave(q);
}

/* --- questions --- */

static void enqueue(struct dns *d, struct question *x)
{
	x->state = QUESTION_QUEUED;
	question_append(&d->queued, x);
	loop_make_ready(d->loop, &d->task);
}

static void count_end(struct dns *d, enum dns_status s)
{
	switch (s) {
	case DNS_FOUND:
		d->stats.found++;
		break;
	case DNS_NONE:
		d->stats.none++;
		break;
	case DNS_TIMEOUT:
		d->stats.timeouts++;
		break;
	default:
		d->stats.temp++;
	}
}

static void learn(struct dns *d, struct question *x, struct dns_answer *a, uint32_t ttl_s)
{
	d->in_flight--;
	x->state = QUESTION_ANSWERED;
	question_append(&d->answered, x);
	loop_make_ready(d->loop, &d->task);
	if (a == NULL && x->answer == NULL)
		return; /* no memory: tell() says so */
	if (a == NULL) {
		a = TAKE(x->answer);
		*a = (struct dns_answer){ .status = DNS_TEMP };
	}
	count_end(d, a->status);
	question_learn(x, a, ttl_s, loop_now_ns(d->loop));
}

/* Called by c-ares, perhaps from within ares_query(). */
static void answered(void *arg, int status, int timeouts UNUSED, unsigned char *wire, int wire_n)
{
	struct question *x = arg;
	struct dns *d = x->dns;
	struct bytes b = bytes_of(wire, wire_n < 0 || wire == NULL ? 0 : (size_t)wire_n);
	uint32_t ttl_s = 0;
	struct dns_answer *a;

	if (d->closing)
		return;
	switch (fault_at("dns.answer", status)) {
	case ARES_EDESTRUCTION: /* dns_configure(): ask the new servers */
	case ARES_ECANCELLED:
		d->in_flight--;
		enqueue(d, x);
		return;
	case ARES_SUCCESS:
		a = answer_read(x->type, x->name, b, &ttl_s); /* before ttl_s is read */
		learn(d, x, a, ttl_s);
		return;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		learn(d, x, answer_empty(DNS_NONE), answer_none_ttl_s(b));
		return;
	case ARES_ETIMEOUT:
		learn(d, x, answer_empty(DNS_TIMEOUT), 0);
		return;
	default:
		learn(d, x, answer_empty(DNS_TEMP), 0);
	}
}

/* The places of the queue and of the table are taken by questions under way. */
static struct question *new_question(struct dns *d, const struct dns_query *q)
{
	struct question *x;

	if (d->queued.n >= d->set.queued_max)
		return NULL;
	x = table_add(&d->table, q->type, q->name);
	if (x != NULL) {
		x->dns = d;
		enqueue(d, x);
	}
	return x;
}

const struct dns_answer *dns_ask(struct dns *d, struct dns_query *q)
{
	struct question *x = table_find(&d->table, q->type, q->name);

	assert(q->question == NULL);
	d->stats.questions++;
	if (x != NULL && x->state == QUESTION_KNOWN) {
		question_remove(&d->table.known, x);
		if (x->answer != NULL && loop_now_ns(d->loop) < x->answer->until_ns) {
			question_append(&d->table.known, x);
			d->stats.hits++;
			return x->answer;
		}
		enqueue(d, x);
	} else if (x != NULL) {
		d->stats.joined++;
	} else {
		x = new_question(d, q);
	}
	if (x != NULL && wait_for(d, x, q))
		return NULL;
	d->stats.limits++;
	return give_up(d, DNS_LIMIT);
}

/* Also what nobody waits for any more: whoever asked will come again. */
static void ask_servers(struct dns *d)
{
	/* Without a network each ends at once: the loop has other work, too. */
	for (unsigned i = 0; i < d->set.in_flight_max && d->queued.first != NULL; i++) {
		struct question *x = d->queued.first;

		if (d->in_flight >= d->set.in_flight_max)
			return;
		question_remove(&d->queued, x);
		x->state = QUESTION_ASKED;
		d->in_flight++;
		d->stats.asked++;
		ares_query(d->channel, x->name, CLASS_IN, wire_types[x->type], answered, x);
	}
	if (d->queued.first != NULL && d->in_flight < d->set.in_flight_max)
		loop_make_ready(d->loop, &d->task);
}

/* Whoever is told may ask the same again: then the answer comes in this loop. */
static void tell(struct dns *d)
{
	while (d->answered.first != NULL) {
		struct question *x = d->answered.first;

		while (x->waiting != NULL) {
			struct dns_query *q = x->waiting;

			leave(q);
			q->done(q, x->answer == NULL ? give_up(d, DNS_TEMP) : x->answer);
		}
		question_remove(&d->answered, x);
		x->state = QUESTION_KNOWN;
		question_append(&d->table.known, x);
	}
}

/* --- c-ares and the loop --- */

static void arm_timer(struct dns *d)
{
	struct timeval tv, *wait = ares_timeout(d->channel, NULL, &tv);
	uint64_t ns;

	if (wait == NULL) {
		loop_timer_clear(d->loop, &d->timer);
		return;
	}
	/* c-ares counts in milliseconds: one more, or the last one is spent asking. */
	ns = (uint64_t)wait->tv_sec * 1000000000 + (uint64_t)wait->tv_usec * 1000 + NS_PER_MS;
	(void)!loop_timer_set(d->loop, &d->timer, loop_now_ns(d->loop) + ns);
}

static void run(struct task *t)
{
	struct dns *d = CONTAINER_OF(t, struct dns, task);

	tell(d);
	ask_servers(d);
	arm_timer(d);
}

static void timed_out(struct timer *t)
{
	struct dns *d = CONTAINER_OF(t, struct dns, timer);

	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	loop_make_ready(d->loop, &d->task);
}

static void sockets_event(struct op *op, int result UNUSED, bool more)
{
	struct dns *d = CONTAINER_OF(op, struct dns, op);
	struct epoll_event events[EVENTS_MAX];
	int n = EVENTS_MAX;

	for (unsigned round = 0; n > 0 && round < ROUNDS_MAX; round++) {
		n = epoll_wait(d->epoll_fd, events, EVENTS_MAX, 0);
		for (int i = 0; i < n; i++) {
			bool out = (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
			bool in = (events[i].events & ~(uint32_t)EPOLLOUT) != 0;

			ares_process_fd(d->channel, in ? events[i].data.fd : ARES_SOCKET_BAD,
					out ? events[i].data.fd : ARES_SOCKET_BAD);
		}
	}
	if (!more)
		loop_poll(d->loop, &d->op, d->epoll_fd);
	loop_make_ready(d->loop, &d->task);
}

static void socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns *d = arg;
	struct epoll_event e = { .data.fd = fd };

	e.events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);
	if (e.events == 0)
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(d->epoll_fd, EPOLL_CTL_MOD, fd, &e) < 0)
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &e); /* or it times out */
}

/* --- settings --- */

static int ares_failed(struct err *err, int status)
{
	return err_set(err, ERR_TEMP, status == ARES_ENOMEM ? -ENOMEM : -EIO, "resolver: %s",
		       ares_strerror(status));
}

static int set_servers(ares_channel c, const struct server *list, int n)
{
	struct ares_addr_port_node nodes[SERVERS_MAX];

	memset(nodes, 0, sizeof(nodes));
	for (int i = 0; i < n; i++) {
		nodes[i].next = i + 1 < n ? &nodes[i + 1] : NULL;
		nodes[i].family = list[i].v6 ? AF_INET6 : AF_INET;
		memcpy(&nodes[i].addr, list[i].addr, list[i].v6 ? 16 : 4);
		nodes[i].udp_port = nodes[i].tcp_port = list[i].port;
	}
	return n == 0 ? ARES_SUCCESS : ares_set_servers_ports(c, nodes);
}

static unsigned count_servers(ares_channel c)
{
	struct ares_addr_port_node *list = NULL;
	unsigned n = 0;

	if (ares_get_servers_ports(c, &list) != ARES_SUCCESS)
		return 1;
	for (struct ares_addr_port_node *s = list; s != NULL; s = s->next)
		n++;
	ares_free_data(list);
	return MAX_OF(n, 1u);
}

/* c-ares asks one server after the other and doubles the time with each round: how long the first
 * try may take, so that all of them fit into the whole time. */
static int try_ms(const struct dns_settings *set, unsigned servers)
{
	uint64_t parts = servers * ((UINT64_C(1) << MIN_OF(set->tries, 16u)) - 1);

	return (int)MAX_OF(set->timeout_ms / MAX_OF(parts, 1u), (uint64_t)TRY_MIN_MS);
}

static int init_channel(struct dns *d, const struct dns_settings *set, int ms, ares_channel *ret_c)
{
	struct ares_options o = { .flags =
					  ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
				  .timeout = ms,
				  .tries = (int)set->tries,
				  .ednspsz = EDNS_BYTES,
				  .lookups = (char[]){ "b" },
				  .socket_receive_buffer_size = RECEIVE_BYTES,
				  .sock_state_cb = socket_state,
				  .sock_state_cb_data = d };

	return ares_init_options(ret_c, &o,
				 ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
					 ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS |
					 ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB |
					 ARES_OPT_NOROTATE);
}

static int open_channel(struct dns *d, const struct dns_settings *set, ares_channel *ret_c,
			struct err *err)
{
	struct server list[SERVERS_MAX];
	ares_channel c = NULL;
	int n = servers_parse(set->servers, list, err), status;
	unsigned servers = (unsigned)n;

	if (n < 0)
		return n;
	if (n == 0) { /* only c-ares knows how many resolv.conf names */
		status = init_channel(d, set, TRY_MIN_MS, &c);
		if (status != ARES_SUCCESS)
			return ares_failed(err, status);
		servers = count_servers(c);
		ares_destroy(TAKE(c));
	}
	status = init_channel(d, set, try_ms(set, servers), &c);
	if (status != ARES_SUCCESS)
		return ares_failed(err, status);
	status = set_servers(c, list, n);
	if (status != ARES_SUCCESS) {
		ares_destroy(c);
		return ares_failed(err, status);
	}
	*ret_c = c;
	return 0;
}

int dns_configure(struct dns *d, const struct dns_settings *set, struct err *err)
{
	ares_channel old = d->channel, c = NULL;
	struct hosts hosts = { 0 };
	int r;

	if (hosts_read(&hosts, set->hosts) < 0)
		return err_set(err, ERR_TEMP, -ENOMEM, "hosts file: out of memory");
	r = open_channel(d, set, &c, err);
	if (r < 0) {
		hosts_fini(&hosts);
		return r;
	}
	hosts_fini(&d->hosts);
	d->hosts = hosts;
	d->channel = c;
	d->set = *set;
	d->set.servers = NULL;
	d->set.hosts = (struct bytes){ 0 };
	d->set.in_flight_max = MAX_OF(set->in_flight_max, 1u);
	if (old != NULL)
		ares_destroy(old); /* gives every question back */
	return 0;
}

int dns_new(struct dns **ret_d, struct loop *l, const struct dns_settings *set, struct err *err)
{
	AUTO(dns_free) struct dns *d = calloc(1, sizeof(*d));
	uint32_t seed = 0;
	int r;

	if (d == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "resolver: out of memory");
	d->loop = l;
	d->op.done = sockets_event;
	d->timer.fire = timed_out;
	d->task.run = run;
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (d->epoll_fd < 0)
		return err_errno(err, "resolver: epoll");
	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	if (table_init(&d->table, set->cache_max, seed) < 0)
		return err_set(err, ERR_TEMP, -ENOMEM, "resolver: out of memory");
	r = dns_configure(d, set, err);
	if (r < 0)
		return r;
	loop_poll(l, &d->op, d->epoll_fd);
	*ret_d = TAKE(d);
	return 0;
}

void dns_free(struct dns **d)
{
	if (*d == NULL)
		return;
	(*d)->closing = true;
	if ((*d)->channel != NULL)
		ares_destroy((*d)->channel);
	loop_timer_clear((*d)->loop, &(*d)->timer);
	table_fini(&(*d)->table);
	hosts_fini(&(*d)->hosts);
	fd_close(&(*d)->epoll_fd);
	free(*d);
	*d = NULL;
}

const char *dns_hosts_name(const struct dns *d, const uint8_t *addr, bool v6)
{
	return hosts_name(&d->hosts, addr, v6);
}

void dns_stats(const struct dns *d, struct dns_stats *ret_s)
{
	*ret_s = d->stats;
	ret_s->in_flight = d->in_flight;
	ret_s->queued = d->queued.n;
	ret_s->known = d->table.known.n;
}
