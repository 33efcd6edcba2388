/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/host_report.c - the estimate, and both ways to print all of it. */
#include "tools/host_report.h"

#include <inttypes.h>
#include <unistd.h>

#define BUSY_SHARE 0.9 /* of a core: less means that others used it meanwhile */

/*
 * Processor time of the gateway for one message, measured with perf/growth.py (82 to 129 us on the
 * machine this was built on): the loop is one thread, so this is its bound whatever the cores.
 */
#define LOOP_US 130.0

static const char *const assumptions[] = {
	"mail as the sample: no body seen before (the verdict cache is not counted), no spam "
	"checks "
	"by other programs",
	"clean mail: one file made durable for each message, in groups of 64",
	"the gateway's loop needs 130 us of processor time a message (docs/performance.md)",
	"nothing else uses the host",
};

static double per_s(uint64_t n, uint64_t ns)
{
	return ns == 0 ? 0 : (double)n * 1e9 / (double)ns;
}

/* What the processes did in processor time, times their number: as if they had the cores alone. */
static double alone_per_s(const struct bench_rate *r, uint64_t units)
{
	return r->cpu_ns == 0 ? 0 : (double)units * 1e9 / (double)r->cpu_ns * r->processes_n;
}

static double busy_share(const struct bench_rate *r)
{
	return r->wall_ns == 0 || r->processes_n == 0
		       ? 1
		       : (double)r->cpu_ns / (double)r->wall_ns / r->processes_n;
}

/* Scan threads of the plan, or as many as the control group's time is for, of those measured. */
static double planned_share(const struct host_report *h)
{
	double all = h->scan.all.processes_n, planned = h->plan.workers_n * h->plan.threads_n;

	if (h->group.cpu_percent > 0)
		planned = MIN_OF(planned, h->group.cpu_percent / 100.0);
	return all <= 0 ? 1 : planned / all;
}

void host_estimate(const struct host_report *h, struct host_estimate *ret_e)
{
	struct host_estimate e = { .loop = 1e6 / LOOP_US, .limited_by = "the gateway's loop" };

	e.scan = alone_per_s(&h->scan.all, h->scan.all.more) * planned_share(h);
	e.commit = per_s(h->sync.group_n, h->sync.group_ns);
	e.all = e.loop;
	if (e.commit > 0 && e.commit < e.all) {
		e.all = e.commit;
		e.limited_by = "the disk's syncs";
	}
	if (e.scan > 0 && e.scan < e.all) {
		e.all = e.scan;
		e.limited_by = "the scan (processor time)";
	}
	if (e.scan <= 0 || e.commit <= 0)
		e = (struct host_estimate){ e.scan, e.commit, e.loop, 0, "not measured" };
	*ret_e = e;
}

/* --- text --- */

static void head(const struct cli *cli, const char *text)
{
	(void)printf("\n%s%s%s\n", cli_green(cli), text, cli_plain(cli));
}

/* All of it; what the nodes say may be less, where memory was added later. */
static uint64_t memory_bytes(void)
{
	return (uint64_t)MAX_OF(sysconf(_SC_PHYS_PAGES), 0) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void text_host(const struct cli *cli, const struct host *h)
{
	head(cli, "Host");
	(void)printf("  %u packages, %u cores, %u logical processors, %u memory nodes, %" PRIu64
		     " MB of memory\n",
		     h->packages_n, h->cores_n, h->cpus_n, h->nodes_n, memory_bytes() / MIB);
	for (unsigned i = 0; i < h->nodes_n; i++)
		(void)printf("  node %u: %u processors, %" PRIu64 " MB of memory, %" PRIu64
			     " MB of it free\n",
			     h->nodes[i].node, h->nodes[i].cpus_n, h->nodes[i].memory_bytes / MIB,
			     h->nodes[i].free_bytes / MIB);
	for (unsigned i = 0; i < h->caches_n; i++)
		(void)printf("  L%u%s cache: %" PRIu64 " KB, %u of them\n", h->caches[i].level,
			     h->caches[i].type == 'u'   ? ""
			     : h->caches[i].type == 'd' ? " data"
							: " instruction",
			     h->caches[i].bytes / KIB, h->caches[i].instances);
}

static void text_limits(const struct cli *cli, const struct host_report *h)
{
	head(cli, "Limits");
	for (size_t i = 0; i < h->limits_n; i++) {
		const struct host_limit *l = &h->limits[i];

		(void)printf("  %-18s %s%s%s\n", l->name, l->ok ? "" : cli_yellow(cli), l->value,
			     cli_plain(cli));
		if (!l->ok)
			(void)printf("  %-18s %s%s%s\n", "", cli_dim(cli), l->advice,
				     cli_plain(cli));
	}
}

static void text_plan(const struct cli *cli, const struct host_report *h)
{
	const struct plan *p = &h->plan;
	char cores[200];

	head(cli, "Plan");
	(void)printf("  %u worker%s of %u scan thread%s on cores %s\n", p->workers_n,
		     p->workers_n == 1 ? "" : "s", p->threads_n, p->threads_n == 1 ? "" : "s",
		     cpus_text(&p->scan_cpus, cores, sizeof(cores)));
	if (p->loop_cpu >= 0)
		(void)printf("  the gateway's loop on core %d\n", p->loop_cpu);
	else
		(void)printf("  the gateway's loop on any core\n");
	(void)printf("  %s%s%s\n", cli_dim(cli), p->why, cli_plain(cli));
	for (unsigned i = 0; i < p->notes_n; i++)
		(void)printf("  %s%s%s\n", cli_yellow(cli), p->notes[i], cli_plain(cli));
	if (p->workers_n * p->threads_n < h->all.workers_n * h->all.threads_n)
		(void)printf("  %sMax Children = auto would use %u cores for scanning%s\n",
			     cli_yellow(cli), h->all.workers_n * h->all.threads_n, cli_plain(cli));
}

static void text_pair(const char *name, const struct report_pair *p, double unit, const char *what)
{
	double one = alone_per_s(&p->one, p->one.units), all = alone_per_s(&p->all, p->all.units);

	if (p->all.processes_n == 0)
		return;
	(void)printf("  %-18s %.3g %s on one core, %.3g on %u: %.2f times", name, one / unit, what,
		     all / unit, p->all.processes_n, one > 0 ? all / one : 0);
	if (busy_share(&p->one) < BUSY_SHARE || busy_share(&p->all) < BUSY_SHARE)
		(void)printf("; wall %.3g and %.3g, others had %.0f and %.0f %% of the time",
			     bench_per_s(&p->one) / unit, bench_per_s(&p->all) / unit,
			     (1 - busy_share(&p->one)) * 100, (1 - busy_share(&p->all)) * 100);
	(void)printf("\n");
}

static void text_measured(const struct cli *cli, const struct host_report *h)
{
	double alone = per_s(h->sync.alone_n, h->sync.alone_ns);
	double group = per_s(h->sync.group_n, h->sync.group_ns);

	head(cli, "Measured");
	if (h->sync.alone_ns > 0)
		(void)printf(
			"  %-18s %.0f messages/s durable one by one, %.0f in groups of %u: %.1f "
			"times (%s)\n",
			"disk", alone, group, BENCH_GROUP, alone > 0 ? group / alone : 0, h->dir);
	text_pair("memory copied", &h->copy, 1e9, "GB/s");
	text_pair("patterns matched", &h->match, 1e9, "GB/s");
	text_pair("mail scanned", &h->scan, 1e6, "MB/s");
	if (h->scan.all.processes_n > 0)
		(void)printf(
			"  %-18s %.0f messages/s on one core, %.0f on %u; %u made-up messages, "
			"%" PRIu64 " bytes each in the mean; %s\n",
			"", alone_per_s(&h->scan.one, h->scan.one.more),
			alone_per_s(&h->scan.all, h->scan.all.more), h->scan.all.processes_n,
			h->mail_n, h->mail_bytes, h->engine);
	for (unsigned i = 0; i < h->problems_n; i++)
		(void)printf("  %s%s%s\n", cli_red(cli), h->problems[i], cli_plain(cli));
}

static void text_estimate(const struct cli *cli, const struct host_report *h)
{
	struct host_estimate e;

	host_estimate(h, &e);
	head(cli, "Estimate");
	if (e.all <= 0) {
		(void)printf("  none: scan or disk was not measured\n");
		return;
	}
	(void)printf("  %s%.0f messages/s%s (%.1f million a day), limited by %s\n", cli_green(cli),
		     e.all, cli_plain(cli), e.all * 86400 / 1e6, e.limited_by);
	(void)printf("  scan %.0f/s, disk %.0f/s, loop %.0f/s\n", e.scan, e.commit, e.loop);
	for (size_t i = 0; i < ARRAY_LEN(assumptions); i++)
		(void)printf("  %sassumed: %s%s\n", cli_dim(cli), assumptions[i], cli_plain(cli));
}

void host_report_text(const struct cli *cli, const struct host_report *h)
{
	text_host(cli, h->host);
	text_limits(cli, h);
	text_plan(cli, h);
	if (!h->measured)
		return;
	text_measured(cli, h);
	text_estimate(cli, h);
}

/* --- JSON --- */

static void json_host(struct jout *j, const struct host *h)
{
	jout_object(j, "host");
	jout_member_num(j, "packages", h->packages_n);
	jout_member_num(j, "cores", h->cores_n);
	jout_member_num(j, "processors", h->cpus_n);
	jout_member_num(j, "memory_bytes", memory_bytes());
	jout_array(j, "nodes");
	for (unsigned i = 0; i < h->nodes_n; i++) {
		jout_object(j, NULL);
		jout_member_num(j, "node", h->nodes[i].node);
		jout_member_num(j, "processors", h->nodes[i].cpus_n);
		jout_member_num(j, "memory_bytes", h->nodes[i].memory_bytes);
		jout_member_num(j, "free_bytes", h->nodes[i].free_bytes);
		jout_end(j);
	}
	jout_end(j);
	jout_array(j, "caches");
	for (unsigned i = 0; i < h->caches_n; i++) {
		jout_object(j, NULL);
		jout_member_num(j, "level", h->caches[i].level);
		jout_member_str(j, "type", bytes_of(&h->caches[i].type, 1));
		jout_member_num(j, "bytes", h->caches[i].bytes);
		jout_member_num(j, "instances", h->caches[i].instances);
		jout_end(j);
	}
	jout_end(j);
	jout_end(j);
}

static void json_limits(struct jout *j, const struct host_report *h)
{
	jout_array(j, "limits");
	for (size_t i = 0; i < h->limits_n; i++) {
		jout_object(j, NULL);
		jout_member_str(j, "name", bytes_str(h->limits[i].name));
		jout_member_str(j, "value", bytes_str(h->limits[i].value));
		jout_member_bool(j, "ok", h->limits[i].ok);
		jout_member_str(j, "advice", bytes_str(h->limits[i].advice));
		jout_end(j);
	}
	jout_end(j);
}

static void json_plan(struct jout *j, const struct plan *p)
{
	char cores[2000];

	jout_object(j, "plan");
	jout_member_num(j, "workers", p->workers_n);
	jout_member_num(j, "threads", p->threads_n);
	jout_member_str(j, "scan_cores", bytes_str(cpus_text(&p->scan_cpus, cores, sizeof(cores))));
	if (p->loop_cpu >= 0)
		jout_member_int(j, "loop_core", p->loop_cpu);
	jout_member_str(j, "why", bytes_str(p->why));
	jout_array(j, "notes");
	for (unsigned i = 0; i < p->notes_n; i++)
		jout_str(j, bytes_str(p->notes[i]));
	jout_end(j);
	jout_end(j);
}

static void json_rate(struct jout *j, const char *name, const struct bench_rate *r)
{
	jout_object(j, name);
	jout_member_num(j, "processes", r->processes_n);
	jout_member_real(j, "bytes_per_s", bench_per_s(r));
	jout_member_real(j, "bytes_per_cpu_s", bench_per_cpu_s(r));
	if (r->more > 0)
		jout_member_real(j, "messages_per_cpu_s", per_s(r->more, r->cpu_ns));
	jout_member_real(j, "busy_share", busy_share(r));
	jout_end(j);
}

static void json_pair(struct jout *j, const char *name, const struct report_pair *p)
{
	double one = alone_per_s(&p->one, p->one.units);

	if (p->all.processes_n == 0)
		return;
	jout_object(j, name);
	json_rate(j, "one", &p->one);
	json_rate(j, "all", &p->all);
	jout_member_real(j, "ratio", one > 0 ? alone_per_s(&p->all, p->all.units) / one : 0);
	jout_end(j);
}

static void json_measured(struct jout *j, const struct host_report *h)
{
	jout_object(j, "measured");
	if (h->sync.alone_ns > 0) {
		jout_object(j, "disk");
		jout_member_str(j, "dir", bytes_str(h->dir));
		jout_member_real(j, "alone_per_s", per_s(h->sync.alone_n, h->sync.alone_ns));
		jout_member_real(j, "group_per_s", per_s(h->sync.group_n, h->sync.group_ns));
		jout_member_num(j, "group", BENCH_GROUP);
		jout_end(j);
	}
	json_pair(j, "copy", &h->copy);
	json_pair(j, "match", &h->match);
	json_pair(j, "scan", &h->scan);
	jout_member_str(j, "engine", bytes_str(h->engine));
	jout_member_num(j, "sample_messages", h->mail_n);
	jout_member_num(j, "sample_mean_bytes", h->mail_bytes);
	jout_array(j, "problems");
	for (unsigned i = 0; i < h->problems_n; i++)
		jout_str(j, bytes_str(h->problems[i]));
	jout_end(j);
	jout_end(j);
}

static void json_estimate(struct jout *j, const struct host_report *h)
{
	struct host_estimate e;

	host_estimate(h, &e);
	jout_object(j, "estimate");
	jout_member_real(j, "messages_per_s", e.all);
	jout_member_str(j, "limited_by", bytes_str(e.limited_by));
	jout_member_real(j, "scan_per_s", e.scan);
	jout_member_real(j, "disk_per_s", e.commit);
	jout_member_real(j, "loop_per_s", e.loop);
	jout_array(j, "assumptions");
	for (size_t i = 0; i < ARRAY_LEN(assumptions); i++)
		jout_str(j, bytes_str(assumptions[i]));
	jout_end(j);
	jout_end(j);
}

void host_report_json(const struct host_report *h)
{
	AUTO(str_fini) struct str text;
	struct jout j;

	str_init(&text, MIB);
	jout_begin(&j, &text);
	jout_object(&j, NULL);
	json_host(&j, h->host);
	json_limits(&j, h);
	json_plan(&j, &h->plan);
	if (h->measured) {
		json_measured(&j, h);
		json_estimate(&j, h);
	}
	jout_end(&j);
	(void)printf("%s\n", str_view(&text));
}
