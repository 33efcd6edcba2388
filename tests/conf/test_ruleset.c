/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_ruleset.c - rulesets: lines, patterns, directions, defaults, joined values. */
#include <stdio.h>

#include "core/str.h"
#include "tests/conf/site.h"

#define RULES "/site/test.rules"

/*
 * Whom a case asks for, as words: f=SENDER t=RECIPIENT i=IP h=HOST c=CONFIRMED HOST v=REPORT ("_"
 * stands for a blank in reports). Several t= and v= add up.
 */
struct asked {
	struct conf_who who;
	char words[400];
	const char *to[16], *reports[8];
};

static void ask(struct asked *a, const char *text)
{
	char *save = NULL;

	memset(a, 0, sizeof(*a));
	(void)snprintf(a->words, sizeof(a->words), "%s", text);
	a->who.from = "";
	for (char *w = strtok_r(a->words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		const char *v = w + 2;

		if (w[0] == 'f')
			a->who.from = v;
		else if (w[0] == 't')
			a->to[a->who.to_n++] = v;
		else if (w[0] == 'i')
			a->who.client_ip = v;
		else if (w[0] == 'h')
			a->who.client_host = v;
		else if (w[0] == 'c')
			a->who.client_host_checked = v;
		else
			a->reports[a->who.reports_n++] = v;
		for (char *p = w; w[0] == 'v' && *p != '\0'; p++)
			*p = *p == '_' ? ' ' : *p;
	}
	a->who.to = a->to;
	a->who.reports = a->reports;
}

/* ---- one rule: does it match? ---- */

static const struct {
	const char *rule, *who;
	bool want;
} patterns[] = {
	/* exact addresses */
	{ "From: joe@a.example", "f=joe@a.example", true },
	{ "From: JOE@A.Example", "f=joe@a.example", true },
	{ "From: joe@a.example", "f=joe@a.example.", true },
	{ "From: joe@a.example.", "f=joe@a.example", false },
	{ "From: joe@a.example.", "f=joe@a.example.", true },
	{ "From: joe@a.example", "f=joe@a.example..", false },
	{ "From: joe@a.example", "f=xjoe@a.example", false },
	{ "From: joe@a.example", "f=joe@a.examplex", false },
	{ "From: joe@a.example", "f=joe@axexample", false },
	{ "From: joe@a.example", "f=joe@b.a.example", false },
	{ "From: joe@a.example", "t=joe@a.example", false },
	{ "From: joe+tag@a.example", "f=joe+tag@a.example", true },
	{ "From: joe+tag@a.example", "f=joeetag@a.example", false },
	{ "From: a@b@c.example", "f=a@b@c.example", true },
	/* domains */
	{ "From: a.example", "f=joe@a.example", true },
	{ "From: @a.example", "f=joe@a.example", true },
	{ "From: *@a.example", "f=joe@a.example", true },
	{ "From: a.example", "f=joe@a.example.", true },
	{ "From: a.example", "f=joe@sub.a.example", false },
	{ "From: a.example", "f=joe@xa.example", false },
	{ "From: a.example", "f=@a.example", true },
	{ "From: a.example", "f=a.example", false },
	{ "From: a.example", "f=x@y@a.example", true },
	{ "From: a.example", "f=a.example@b.example", false },
	{ "From: a.example.", "f=joe@a.example", false },
	{ "From: localhost", "f=root@localhost", true },
	{ "From: localhost", "f=root@localhost.localdomain", false },
	/* sub-domains */
	{ "From: *.a.example", "f=joe@sub.a.example", true },
	{ "From: *.a.example", "f=joe@x.sub.a.example", true },
	{ "From: *.a.example", "f=joe@a.example", false },
	{ "From: *@*.a.example", "f=joe@sub.a.example", true },
	{ "From: *@*.a.example", "f=joe@sub.a.example.", true },
	{ "From: *.a.example", "f=joe@suba.example", false },
	{ "From: *.a.example", "f=joe@.a.example", true },
	{ "From: *.a.example", "f=joe.a.example", false },
	{ "From: *.a.example", "f=joe.a.example@b", false },
	{ "From: *.example", "f=joe@a.b.example", true },
	{ "From: *a.example", "f=joe@a.example", true },
	{ "From: *a.example", "f=joe@xa.example", true },
	{ "From: *a.example", "f=joe@x.a.example", true },
	{ "From: .a.example", "f=joe@.a.example", true },
	{ "From: .a.example", "f=joe@x.a.example", false },
	/* users */
	{ "From: joe@", "f=joe@a.example", true },
	{ "From: joe@*", "f=joe@a.example", true },
	{ "From: joe@", "f=joey@a.example", false },
	{ "From: joe@", "f=xjoe@a.example", false },
	{ "From: joe@", "f=joe@", true },
	{ "From: joe@", "f=joe", false },
	{ "From: joe@", "f=a@joe@b", false },
	{ "From: joe@", "f=joe@b@c", true },
	/* other wildcards */
	{ "From: j*e@a.example", "f=joe@a.example", true },
	{ "From: j*e@a.example", "f=je@a.example", true },
	{ "From: j*e@a.example", "f=joey@a.example", false },
	{ "From: j*@*.example", "f=jim@b.example", true },
	{ "From: j*@*.example", "f=tim@b.example", false },
	{ "From: joe@*.example", "f=joe@b.example", true },
	{ "From: joe@*.example", "f=joe@example", false },
	{ "From: joe@mail*.example", "f=joe@mail7.example", true },
	{ "From: joe@mail*.example", "f=joe@nail7.example", false },
	{ "From: *@mail*", "f=joe@mail7.example", true },
	{ "From: mail*", "f=joe@mail7.example", true },
	{ "From: mail*", "f=mail@b.example", false },
	{ "From: *news*@*", "f=the-newsletter@a.example", true },
	{ "From: *news*@*", "f=the@news.example", false },
	{ "From: *-bounce@a.example", "f=list-bounce@a.example", true },
	{ "From: *-bounce@a.example", "f=list-bounce@a.example.", true },
	{ "From: *-bounce@a.example", "f=list-bounce@b.example", false },
	{ "From: *a*b*c*@*", "f=xxaxxbxxcxx@z", true },
	{ "From: *a*b*c*@*", "f=xxaxxcxxbxx@z", false },
	{ "From: **@a.example", "f=joe@a.example", true },
	/* regular expression characters in wildcards count */
	{ "From: jo[eh]@a.example", "f=joe@a.example", true },
	{ "From: jo[eh]@a.example", "f=joh@a.example", true },
	{ "From: jo[eh]@a.example", "f=jox@a.example", false },
	{ "From: joe?@a.example", "f=jo@a.example", true },
	{ "From: joe?@a.example", "f=xjo@a.example", false },
	{ "From: (joe|jim)@a.example", "f=jim@a.example", true },
	{ "From: (joe|jim)@a.example", "f=jimx@a.example", false },
	{ "From: (joe|jim)@a.example", "f=jim@a.example.", true },
	{ "From: (joe|jim)@*.example", "f=jim@b.example", true },
	{ "From: (joe@a.example", "f=(joe@a.example", false },
	{ "From: \\*@a.example", "f=joe@a.example", false },
	/* regular expressions on addresses */
	{ "From: /^joe@/", "f=joe@a.example", true },
	{ "From: /^joe@/", "f=xjoe@a.example", false },
	{ "From: /oe@/", "f=joe@a.example", true },
	{ "From: /^JOe@/", "f=joe@a.example", true },
	{ "From: /^joe@.*\\.example$/", "f=joe@a.example", true },
	{ "From: /^\\S+@a.example$/", "f=joe@a.example", true }, /* not lower-cased */
	{ "From: /^\\D+@b$/", "f=joe@b", true },
	{ "From: /^\\D+@b$/", "f=joe1@b", false },
	{ "From: /^\\d+@b$/", "f=123@b", true },
	{ "From: /^$/", "f=", true },
	{ "From: /^$/", "f=joe@a.example", false },
	{ "From: /^$/", "f= i=192.0.2.1", true },
	{ "From: /a|b/", "f=xxbxx@z", true },
	{ "From: /(joe/", "f=(joe@a.example", false },
	{ "From: /./", "f=joe@a.example i=192.0.2.1", true }, /* no lower case: on the IP */
	{ "From: /./", "f=joe@a.example", false },
	{ "From: /@EXAMPLE/", "f=joe@example i=192.0.2.1", false },
	{ "To: /^joe@/", "t=joe@a.example", true },
	{ "To: /^joe@/", "t=jim@b t=joe@a.example", true },
	/* null sender */
	{ "From: *@a.example", "f=", false },
	{ "From: /^.*$/", "f=", false }, /* on the IP */
	{ "From: /^[a-z]*$/", "f=", true },
	{ "To: joe@a.example", "f= t=joe@a.example", true },
	/* IP text */
	{ "From: 192.0.2.1", "i=192.0.2.1", true },
	{ "From: 192.0.2.1", "i=192.0.2.10", false },
	{ "From: 192.0.2.1", "i=192.0.2.2", false },
	{ "From: 192.0.2.1", "f=192.0.2.1", false },
	{ "From: 192.0.2.1", "f=joe@192.0.2.1", false },
	{ "From: 192.0.2.", "i=192.0.2.77", true },
	{ "From: 192.0.2", "i=192.0.2.77", true },
	{ "From: 192.0.2", "i=192.0.21.7", true }, /* only the beginning of the text */
	{ "From: 192.0.2.", "i=192.0.21.7", false },
	{ "From: 10.1", "i=10.1.1.1", true },
	{ "From: 10.1", "i=10.10.1.1", true },
	{ "From: 10.1", "i=10.199.1.1", true },
	{ "From: 10.1", "i=10.2.1.1", false },
	{ "From: 10.1", "i=110.1.1.1", false },
	{ "From: 1", "i=192.0.2.1", true },
	{ "From: 192.0.2.1", "f=joe@a.example", false },
	{ "From: 192.0.2.1", "i=::ffff:192.0.2.1", true },
	{ "From: 192.0.2.", "i=::ffff:192.0.2.1", true },
	{ "From: 127.0.0.1", "i=127.0.0.1", true },
	{ "From: 999.1.1.1", "i=99.1.1.1", false },
	{ "From: bad.de", "f=joe@bad.de", false },
	{ "From: bad.de", "f=joe@bad.de i=192.0.2.1", false },
	{ "From: cafe", "f=joe@cafe", false },
	{ "From: cafe", "i=cafe::1", true },
	{ "From: *@bad.de", "f=joe@bad.de", true },
	{ "From: @bad.de", "f=joe@bad.de", true },
	{ "From: Bad.de", "f=joe@bad.de", true }, /* a capital letter is not a hex digit here */
	{ "From: 2001:db8:", "i=2001:db8:1::5", true },
	{ "From: 2001:db8:", "i=2001:db9:1::5", false },
	{ "From: 2001:db8::1", "i=2001:db8::1", true },
	{ "From: 2001:db8::1", "i=2001:db8:0:0::1", true },
	{ "From: 2001:DB8::1", "i=2001:db8::1", true },
	{ "From: 2001:db8:0:0:0:0:0:1", "i=2001:db8::1", true },
	{ "From: 2001:db8::1", "i=2001:db8::10", false },
	{ "From: ::1", "i=::1", true },
	{ "From: ::1", "i=::12", false },
	{ "From: ::ffff:192.0.2.1", "i=192.0.2.1", true },
	{ "From: fe80:", "i=fe80::1", true },
	/* regular expressions on the IP */
	{ "From: /^192\\.0\\./", "i=192.0.2.1", true },
	{ "From: /^192\\.0\\./", "i=1192.0.2.1", false },
	{ "From: /^192\\.0\\.2\\.[0-9]$/", "i=192.0.2.7", true },
	{ "From: /^192\\.0\\.2\\.[0-9]$/", "i=192.0.2.77", false },
	{ "From: /^192\\.0\\./", "f=192.0.@b", false },
	{ "From: /^10\\.\\d+\\./", "i=10.2.3.4", false }, /* the d makes it one on addresses */
	{ "From: /^10\\.\\d+\\./", "f=10.22.x@b", true },
	/* networks */
	{ "From: 192.0.2.0/24", "i=192.0.2.1", true },
	{ "From: 192.0.2.0/24", "i=192.0.3.1", false },
	{ "From: 192.0.2/24", "i=192.0.2.1", true },
	{ "From: 192.0.2./24", "i=192.0.2.1", true },
	{ "From: 10/8", "i=10.200.1.1", true },
	{ "From: 10/8", "i=11.0.0.1", false },
	{ "From: 10.0.0.0/255.0.0.0", "i=10.9.9.9", true },
	{ "From: 10.0.0.0/255.0.0.0", "i=11.9.9.9", false },
	{ "From: 192.0.2.128/255.255.255.128", "i=192.0.2.129", true },
	{ "From: 192.0.2.128/255.255.255.128", "i=192.0.2.127", false },
	{ "From: 10.0.0.0/255.0.255.0", "i=10.0.0.1", false },
	{ "From: 192.0.2.77/24", "i=192.0.2.1", true },
	{ "From: 192.0.2.1/32", "i=192.0.2.1", true },
	{ "From: 192.0.2.1/32", "i=192.0.2.2", false },
	{ "From: 192.0.2.0/31", "i=192.0.2.1", true },
	{ "From: 192.0.2.0/31", "i=192.0.2.2", false },
	{ "From: 0.0.0.0/0", "i=203.0.113.9", true },
	{ "From: 0/0", "i=203.0.113.9", true },
	{ "From: 0.0.0.0/0", "i=2001:db8::1", false },
	{ "From: 10.0.0.0/33", "i=10.0.0.1", false },
	{ "From: 10.0.0.0/x", "i=10.0.0.1", false },
	{ "From: 10.0.0.0/", "i=10.0.0.1", false },
	{ "From: 300.0.0.0/8", "i=44.0.0.1", false },
	{ "From: 10.0.0.0.0/8", "i=10.0.0.1", false },
	{ "From: 10.0.0.0/8", "f=10@b", false },
	{ "From: 2001:db8::/32", "i=2001:db8:ffff::1", true },
	{ "From: 2001:db8::/32", "i=2001:db9::1", false },
	{ "From: 2001:DB8::/32", "i=2001:db8:ffff::1", true },
	{ "From: 2001:db8::/33", "i=2001:db8:8000::1", false },
	{ "From: 2001:db8::/33", "i=2001:db8:7fff::1", true },
	{ "From: 2001:db8::1/128", "i=2001:db8::1", true },
	{ "From: 2001:db8::/ffff:ffff::", "i=2001:db8:1::1", true },
	{ "From: 2001:db8::/129", "i=2001:db8::1", false },
	{ "From: ::/0", "i=2001:db8::1", true },
	{ "From: ::/0", "i=192.0.2.1", false },
	{ "From: 192.0.2.0/24", "i=2001:db8::1", false },
	{ "From: 192.0.2.0/24", "i=::ffff:192.0.2.9", true },
	{ "From: 192.0.2.0/24", "i=garbage", false },
	{ "From: 192.0.2.0/24", "f=a@b", false },
	/* ranges */
	{ "From: 192.0.2.1-192.0.2.9", "i=192.0.2.1", true },
	{ "From: 192.0.2.1-192.0.2.9", "i=192.0.2.9", true },
	{ "From: 192.0.2.1-192.0.2.9", "i=192.0.2.5", true },
	{ "From: 192.0.2.1-192.0.2.9", "i=192.0.2.0", false },
	{ "From: 192.0.2.1-192.0.2.9", "i=192.0.2.10", false },
	{ "From: 192.0.2.7-192.0.2.7", "i=192.0.2.7", true },
	{ "From: 192.0.2.7-192.0.2.7", "i=192.0.2.8", false },
	{ "From: 192.0.2.255-192.0.3.0", "i=192.0.3.0", true },
	{ "From: 0.0.0.0-255.255.255.255", "i=203.0.113.9", true },
	{ "From: 192.0.2.9-192.0.2.1", "i=192.0.2.5", false },
	{ "From: 192.0.2.1-192.0.2", "i=192.0.2.1", false },
	{ "From: 2001:db8::1-2001:db8::ff", "i=2001:db8::80", true },
	{ "From: 2001:db8::1-2001:db8::ff", "i=2001:db8::100", false },
	{ "From: ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "i=2001:db8::1", true },
	{ "From: 192.0.2.1-2001:db8::1", "i=192.0.2.1", false },
	{ "From: dead-beef.de", "f=joe@dead-beef.de", true },
	/* hosts */
	{ "From: host:a.example", "c=a.example", true },
	{ "From: host:a.example", "c=mx.a.example", true },
	{ "From: host:a.example", "c=mxa.example", false },
	{ "From: HOST:A.Example", "c=MX.a.EXAMPLE", true },
	{ "From: host:.a.example", "c=mx.a.example", true },
	{ "From: host:.a.example", "c=a.example", true },
	{ "From: host:a.example", "h=mx.a.example", false },
	{ "From: host:a.example", "h=mx.a.example c=_SPOOFED_", false },
	{ "From: host-nocheck:a.example", "h=mx.a.example c=_SPOOFED_", true },
	{ "From: host-nocheck:a.example", "c=mx.a.example", false },
	{ "From: host:_SPOOFED_", "h=mx.a.example c=_SPOOFED_", true },
	{ "From: host:", "c=", true },
	{ "From: host:", "c=mx.a.example", false },
	{ "From: host:", "i=192.0.2.1", false },
	{ "From: host-nocheck:", "h=", true },
	{ "From: host:*.dyn.example", "c=h1.dyn.example", true },
	{ "From: host:*.dyn.example", "c=x.h1.dyn.example", true },
	{ "From: host:*.dyn.example", "c=dyn.example", false },
	{ "From: host:dyn*.example", "c=h.dyn7.example", true },
	{ "From: host:dyn*.example", "c=h.ldyn7.example", false },
	{ "From: host:/^\\.?adsl/", "c=adsl-1.example", true },
	{ "From: host:/^\\.?adsl/", "c=xadsl-1.example", false },
	{ "From: host:/^\\.pool\\./", "c=x.y.pool.example", true },
	{ "From: host:/^$/", "c=", true },
	{ "From: host:/SPOOF/", "c=_SPOOFED_", true },
	{ "From: host:mail", "f=host:mail c=x", false },
	{ "To: host:a.example", "t=joe@b c=a.example", false },
	/* what a client may be called: nobody knows (no h=, c=), nothing, false, a name */
	{ "From: host:/./", "i=192.0.2.1", false }, /* not looked up: nothing matches */
	{ "From: host-nocheck:/^/", "i=192.0.2.1", false },
	{ "From: host:*", "c=mx.a.example", true },
	{ "From: host:*", "c=localhost", true },
	{ "From: host:*", "c=", false },
	{ "From: host:*", "c=_SPOOFED_", true }, /* is a name here: put its rule first */
	{ "From: host-nocheck:*", "h=mx.a.example c=_SPOOFED_", true },
	{ "From: host-nocheck:*", "h= c=", false },
	{ "From: host:", "c=_SPOOFED_", false },
	{ "From: host-nocheck:", "h=mx.a.example c=", false },
	{ "From: host:", "h=mx.a.example c=", true }, /* a name without an address */
	{ "From: host-nocheck:_SPOOFED_", "h=mx.a.example c=_SPOOFED_", false },
	{ "From: host:_spoofed_", "h=mx.a.example c=_SPOOFED_", true },
	{ "From: host:SPOOFED_", "h=mx.a.example c=_SPOOFED_", false },
	{ "From: host:/^_SPOOFED_$/", "c=_SPOOFED_", true },
	{ "From: host:/^$/", "c=mx.a.example", false },
	{ "From: host-nocheck:/^$/", "h= c=", true },
	{ "From: host:/^$/", "i=192.0.2.1", false },
	/* whole labels only, from the right */
	{ "From: host:example", "c=mx.a.example", true },
	{ "From: host:a.example", "c=a.example.com", false },
	{ "From: host:a.example", "c=a.example.", false },
	{ "From: host:mx.a.example", "c=a.example", false },
	{ "From: host:..a.example", "c=mx.a.example", false },
	{ "From: host:a.example", "c=mx.aXexample", false },
	{ "From: host:localhost", "c=localhost", true },
	{ "From: host:localhost", "c=localhost.a.example", false },
	{ "From: Host-NoCheck:A.Example", "h=MX.A.EXAMPLE", true },
	/* wildcards begin at any label and end at the end */
	{ "From: host:a.*", "c=mx.a.example", true },
	{ "From: host:a.*", "c=mx.ba.example", false },
	{ "From: host:*dsl*.example", "c=x7.adsl9.example", true },
	{ "From: host:*dsl*.example", "c=x7.adsl9.example.com", false },
	{ "From: host:.*.example", "c=example", false },
	/* other characters of regular expressions count as such */
	{ "From: host:mx[0-9].a.example", "c=mx7.a.example", true },
	{ "From: host:mx[0-9].a.example", "c=mxx.a.example", false },
	{ "From: host:mx[0-9].a.example", "c=q.mx7.a.example", true },
	{ "From: host:mx[0-9].a.example", "c=mx7.a.example.com", false },
	{ "From: host:mx?.a.example", "c=m.a.example", true },
	{ "From: host:(a|b).example", "c=mx.b.example", true },
	{ "From: host:(a.example", "c=(a.example", false },
	/* expressions see the name, then .NAME, then what is left behind each label */
	{ "From: host:/^mx\\./", "c=mx.a.example", true },
	{ "From: host:/^mx\\./", "c=q.mx.a.example", false },
	{ "From: host:/^\\.mx\\./", "c=q.mx.a.example", true },
	{ "From: host:/^\\.example$/", "c=q.mx.a.example", true },
	{ "From: host:/[0-9]{1,3}-[0-9]{1,3}/", "c=ip-10-20.a.example", true },
	{ "From: host:/A\\.EXAMPLE$/", "c=mx.a.example", true },
	{ "From: host:/(/", "c=(", false },
	/* with others */
	{ "From: host:a.example and From: 192.0.2.", "c=mx.a.example i=192.0.2.7", true },
	{ "From: host:a.example and From: 192.0.2.", "c=mx.a.example i=192.0.3.7", false },
	{ "From: host: and To: b.example", "c= t=x@b.example", true },
	{ "From: host:_SPOOFED_ and From: host-nocheck:a.example", "h=mx.a.example c=_SPOOFED_",
	  true },
	{ "FromOrTo: host:", "c= t=joe@b", true },
	{ "FromAndTo: host:a.example", "c=a.example t=joe@b", false },
	/* IP and host in other directions than From */
	{ "To: 192.0.2.1", "i=192.0.2.1 t=joe@b", false },
	{ "FromOrTo: 192.0.2.1", "i=192.0.2.1 t=joe@b", true },
	{ "FromOrTo: 192.0.2.", "i=192.0.2.9 t=joe@b", true },
	{ "FromOrTo: 192.0.2.0/24", "i=192.0.2.9 t=joe@b", true },
	{ "FromOrTo: host:a.example", "c=a.example t=joe@b", true },
	{ "FromAndTo: 192.0.2.1", "i=192.0.2.1 t=joe@b", false },
	{ "FromAndTo: 192.0.2.0/24", "i=192.0.2.1 t=joe@b", false },
	/* directions */
	{ "To: b.example", "f=joe@b.example t=x@c", false },
	{ "To: b.example", "t=x@c t=joe@b.example", true },
	{ "To: b.example", "t=x@c", false },
	{ "To: b.example", "f=a@b.example", false },
	{ "FromOrTo: b.example", "f=joe@b.example t=x@c", true },
	{ "FromOrTo: b.example", "f=x@c t=y@c t=joe@b.example", true },
	{ "FromOrTo: b.example", "f=x@c t=y@c", false },
	{ "FromAndTo: b.example", "f=joe@b.example t=x@c", false },
	{ "FromAndTo: b.example", "f=joe@b.example t=x@b.example", true },
	{ "FromAndTo: b.example", "f=joe@b.example t=x@b.example t=y@c", false },
	{ "FromAndTo: b.example", "f=x@c t=x@b.example", false },
	{ "FromAndTo: b.example", "f=joe@b.example", false },
	{ "FromAndTo: joe@b.example", "f=joe@b.example t=joe@b.example", true },
	{ "FromAndTo: /b/", "f=joe@b.example t=x@b", true },
	{ "FromAndTo: /b/", "f=joe@b.example t=x@c", false },
	{ "from b.example", "f=joe@b.example", true },
	{ "FROM b.example", "f=joe@b.example", true },
	{ "From-Or-To: b.example", "t=joe@b.example", true },
	{ "From/To b.example", "t=joe@b.example", true },
	{ "ToFrom: b.example", "f=joe@b.example", true },
	{ "And: b.example", "f=joe@b.example t=x@b.example", true },
	{ "ToAndFrom: b.example", "f=joe@b.example t=x@c", false },
	{ "Custom: b.example", "t=joe@b.example", true }, /* "to" is in the word */
	{ "From:\tb.example\t", "f=joe@b.example", true },
	{ "   From:    b.example   ", "f=joe@b.example", true },
	/* two conditions */
	{ "From: a.example and To: b.example", "f=x@a.example t=y@b.example", true },
	{ "From: a.example and To: b.example", "f=x@a.example t=y@c", false },
	{ "From: a.example and To: b.example", "f=x@c t=y@b.example", false },
	{ "From: a.example AND To: b.example", "f=x@a.example t=y@b.example", true },
	{ "To: b.example and From: a.example", "f=x@a.example t=y@b.example", true },
	{ "To: b.example and To: c.example", "t=x@b.example t=y@c.example", true },
	{ "To: b.example and To: c.example", "t=x@b.example", false },
	{ "From: 192.0.2.0/24 and From: a.example", "i=192.0.2.1 f=x@a.example", true },
	{ "From: 192.0.2.0/24 and From: a.example", "i=192.0.3.1 f=x@a.example", false },
	{ "From: 192.0.2.0/24 and To: b.example", "i=2001:db8::1 t=x@b.example", false },
	{ "From: 2001:db8::/32 and To: b.example", "i=2001:db8::1 t=x@b.example", true },
	{ "From: 192.0.2. and To: b.example", "i=192.0.2.7 t=x@b.example", true },
	{ "From: * and To: b.example", "f=x@c t=x@b.example", true },
	{ "From: * and To: b.example", "f= t=x@b.example", false },
	{ "From: /^$/ and To: b.example", "f= t=x@b.example", true },
	{ "From: /x/ and To: /y/", "f=x@c t=y@c", true },
	{ "From: /x/ and To: /y/", "f=x@c t=z@c", false },
	{ "From: a.example and Virus: eicar", "f=x@a.example v=Eicar-Test", true },
	{ "From: a.example and Virus: eicar", "f=x@a.example v=other", false },
	{ "Virus: eicar and From: a.example", "f=x@a.example v=Eicar-Test", true },
	{ "FromOrTo: a.example and FromOrTo: b.example", "f=x@b.example t=x@a.example", true },
	{ "FromAndTo: a.example and From: 192.0.2.1", "f=x@a.example t=y@a.example i=192.0.2.1",
	  true },
	{ "From: host:a.example and To: b.example", "c=mx.a.example t=x@b.example", true },
	{ "To: 192.0.2.1 and From: a.example", "i=192.0.2.1 f=x@a.example t=y@b", false },
	/* reports */
	{ "Virus: eicar", "v=Eicar-Test-Signature", true },
	{ "Virus: eicar", "v=nothing", false },
	{ "Virus: eicar", "f=eicar@b", false },
	{ "Virus: eicar", "v=one v=two_was_infected:_Win.Test.EICAR_HDB-1", true },
	{ "Virus: W32/*", "v=found_W32/Klez", true },
	{ "Virus: w32/k*z", "v=found_W32/Klez", true },
	{ "Virus: w32/k*z", "v=found_W32/Kle", false },
	{ "Virus: default", "v=any", true },
	{ "Virus: default", "f=x@b t=y@c", false },
	{ "Virus: *", "v=any", true },
	{ "Virus: a.b", "v=axb", false },
	{ "Virus: a.b", "v=xa.bx", true },
	{ "Virus: a-b", "v=a-b", true },
	{ "Virus: (klez|bagle)", "v=W32.Bagle", true },
	{ "Virus: (klez", "v=W32.(klez", false },
	{ "FromVirus: x", "v=x", true },
	/* traps: words of hex letters, in every spelling */
	{ "From: fed.ba", "f=joe@fed.ba", false },
	{ "From: abc.de", "f=joe@abc.de i=10.0.0.1", false },
	{ "From: abc.de.", "f=joe@abc.de", false },
	{ "From: ABC.DE", "f=joe@abc.de", true },
	{ "From: abc.der", "f=joe@abc.der", true },
	{ "From: *.bad.de", "f=joe@mx.bad.de", true },
	{ "To: bad.de", "t=joe@bad.de", false },
	{ "To: @bad.de", "t=joe@bad.de", true },
	{ "From: 1", "f=joe@1", false },
	{ "From: face", "i=face::1", true },
	/* traps: a domain is not its sub-domains, and the other way round */
	{ "To: *.a.example", "t=joe@a.example", false },
	{ "To: a.example", "t=joe@mx.a.example", false },
	{ "FromAndTo: *.a.example", "f=x@a.a.example t=y@b.a.example", true },
	{ "FromAndTo: *.a.example", "f=x@a.a.example t=y@a.example", false },
	/* traps: FromAndTo is all recipients, and no recipients are not all */
	{ "FromAndTo: /@b/", "f=x@b t=y@b t=z@b", true },
	{ "FromAndTo: /@b/", "f=x@b t=y@b t=z@c", false },
	{ "FromAndTo: j*@b", "f=joe@b t=jim@b t=tim@b", false },
	/* traps: the null sender */
	{ "FromOrTo: /^$/", "f= t=x@y", true },
	{ "FromAndTo: /^$/", "f= t=x@y", false },
	{ "From: default and From: /^$/", "f=", false },
	{ "From: @a.example", "f=", false },
	/* traps: the address alone decides, not what stands around it */
	{ "From: joe@a.example", "f=joe@a.example@b", false },
	{ "From: <joe@a.example>", "f=joe@a.example", false },
	{ "From: \"joe\"@a.example", "f=\"joe\"@a.example", true },
	/* traps: ranges and networks written in odd ways */
	{ "From: 192.0.2.0/24", "i=192.0.2.255", true },
	{ "From: 192.0.2/255.255.255.0", "i=192.0.2.1", true },
	{ "From: 192/8", "i=192.168.0.1", true },
	{ "From: 0.0.0.0/0", "f=a@b", false },
	{ "From: 192.0.2.1-192.0.2.1", "i=192.0.2.1", true },
	{ "From: 10.0.0.250-10.0.1.5", "i=10.0.1.0", true },
	{ "From: 10.0.0.250-10.0.1.5", "i=10.0.1.6", false },
	{ "From: 2001:db8::/64", "i=2001:db8:0:0:ffff::1", true },
	{ "From: 2001:db8::/64", "i=2001:db8:0:1::1", false },
	/* traps: and between directions that look at the same side */
	{ "To: a@b and To: c@d", "t=a@b t=c@d", true },
	{ "From: a@b and From: /^a/", "f=a@b", true },
	{ "From: a@b and From: /^x/", "f=a@b", false },
	{ "Virus: eicar and To: c@d", "v=Eicar t=c@d", true },
	{ "Virus: eicar and To: c@d", "v=Eicar t=e@f", false },
	/* traps: host rules look at names, not at addresses */
	{ "From: host:10.0.0.1", "i=10.0.0.1 c=mx.example", false },
	{ "From: host:example", "c=mx.example", true },
	{ "From: host:ample", "c=mx.example", false },
	{ "From: host-nocheck:*.example", "h=a.b.example", true },
	{ "From: host:_SPOOFED_", "c=", false },
	{ "From: host:", "h=mx.example c=_SPOOFED_", false },
};

static void check_pattern(size_t i)
{
	char text[300];
	struct asked a;
	struct site s;
	bool got;

	(void)snprintf(text, sizeof(text), "%s yes\n", patterns[i].rule);
	site_open(&s);
	site_file(&s, SITE_MAIN, "Is Definitely Not Spam = " RULES "\n");
	site_file(&s, RULES, text);
	site_load(&s);
	ask(&a, patterns[i].who);
	got = s.conf != NULL && conf_bool(s.conf, OPT_IS_DEFINITELY_NOT_SPAM, &a.who);
	if (!T_OK(s.conf != NULL && got == patterns[i].want, "%s | %s | %s", patterns[i].rule,
		  patterns[i].who, patterns[i].want ? "yes" : "no"))
		site_show(&s);
	site_close(&s);
}

/* ---- whole rulesets ---- */

static const struct {
	enum opt_id id;
	const char *rules, *who;
	const char *want; /* internal value; who NULL: asked without a message */
} sets[] = {
	/* first match, in file order */
	{ OPT_SPAM_ACTIONS, "From: a.example one\nFrom: joe@a.example two\n", "f=joe@a.example",
	  "one" },
	{ OPT_SPAM_ACTIONS, "From: joe@a.example two\nFrom: a.example one\n", "f=joe@a.example",
	  "two" },
	{ OPT_SPAM_ACTIONS, "From: /joe/ re\nFrom: joe@a.example two\n", "f=joe@a.example", "re" },
	{ OPT_SPAM_ACTIONS, "From: joe@a.example two\nFrom: /joe/ re\n", "f=joe@a.example", "two" },
	{ OPT_SPAM_ACTIONS, "From: 192.0.2. ip\nFrom: joe@a.example two\n",
	  "f=joe@a.example i=192.0.2.3", "ip" },
	{ OPT_SPAM_ACTIONS, "From: 192.0.2.0/24 net\nFrom: 192.0.2.3 one\n", "i=192.0.2.3", "net" },
	{ OPT_SPAM_ACTIONS, "From: 192.0.2.3 one\nFrom: 192.0.2.0/24 net\n", "i=192.0.2.3", "one" },
	{ OPT_SPAM_ACTIONS, "From: 192.0.2.3 one\nFrom: 192.0.2.0/24 net\n", "i=192.0.2.4", "net" },
	{ OPT_SPAM_ACTIONS, "To: @b one\nTo: @c two\n", "t=x@c t=x@b", "one" },
	{ OPT_SPAM_ACTIONS, "To: @c two\nTo: @b one\n", "t=x@c t=x@b", "two" },
	{ OPT_SPAM_ACTIONS, "From: a@b and To: c@d both\nFrom: a@b one\n", "f=a@b t=c@d", "both" },
	{ OPT_SPAM_ACTIONS, "From: a@b and To: c@d both\nFrom: a@b one\n", "f=a@b t=e@f", "one" },
	{ OPT_SPAM_ACTIONS, "From: a@b one\nFrom: a@b two\n", "f=a@b", "one" },
	{ OPT_SPAM_ACTIONS, "To: a@b one\nFrom: a@b two\n", "f=a@b t=c@d", "two" },

	/* defaults */
	{ OPT_SPAM_ACTIONS, "FromOrTo: default dflt\nFrom: a@b one\n", "f=a@b", "one" },
	{ OPT_SPAM_ACTIONS, "FromOrTo: default dflt\nFrom: a@b one\n", "f=c@d", "dflt" },
	{ OPT_SPAM_ACTIONS, "FromOrTo: default dflt\nFrom: a@b one\n", "f=", "dflt" },
	{ OPT_SPAM_ACTIONS, "FromOrTo: default dflt\nFrom: a@b one\n", NULL, "dflt" },
	{ OPT_SPAM_ACTIONS, "From: a@b one\nTo: * first\nFrom: *@* last\n", "f=c@d", "last" },
	{ OPT_SPAM_ACTIONS, "From: * last\n", "t=c@d", "last" },
	{ OPT_SPAM_ACTIONS, "FromAndTo: Default dflt\n", "f=a@b t=c@d", "dflt" },
	{ OPT_SPAM_ACTIONS, "From: @ dflt\n", "f=a@b", "dflt" },
	{ OPT_SPAM_ACTIONS, "From: default and To: default dflt\n", "f=a@b", "dflt" },
	{ OPT_SPAM_ACTIONS, "From: default and To: c@d one\nTo: default dflt\n", "f=a@b t=c@d",
	  "one" },
	{ OPT_SPAM_ACTIONS, "From: a@b one\n", "f=c@d", "deliver header \"X-Spam-Status: Yes\"" },
	{ OPT_SPAM_ACTIONS, "", "f=c@d", "deliver header \"X-Spam-Status: Yes\"" },
	{ OPT_SPAM_ACTIONS, "# nothing\n\n", NULL, "deliver header \"X-Spam-Status: Yes\"" },
	{ OPT_SPAM_ACTIONS, "Virus: default store\n", "f=a@b v=x", "store" },
	{ OPT_SPAM_ACTIONS, "Virus: default store\nFrom: default one\n", "f=a@b", "one" },
	{ OPT_MAXIMUM_MESSAGE_SIZE, "From: a@b 10m\nFromOrTo: default 50k\n", "f=a@b", "10000000" },
	{ OPT_MAXIMUM_MESSAGE_SIZE, "From: a@b 10m\nFromOrTo: default 50k\n", "f=c@d", "50000" },

	/* values */
	{ OPT_SPAM_ACTIONS, "From: a@b  store   forward x@y  \n", "f=a@b", "store   forward x@y" },
	{ OPT_SPAM_ACTIONS, "From: a@b store # no\n", "f=a@b", "store" },
	{ OPT_SPAM_ACTIONS, "From: a@b\n", "f=a@b", "" },
	{ OPT_SPAM_ACTIONS, "From: a@b x\\ny\n", "f=a@b", "x\ny" },
	{ OPT_SPAM_ACTIONS, "From: a@b at %name%\n", "f=a@b", "at acme" },
	{ OPT_SPAM_ACTIONS, "From: a@b at $HOST\n", "f=a@b", "at mx1" },
	{ OPT_SPAM_ACTIONS, "From: a@b one,\n", "f=a@b", "one" },
	{ OPT_SPAM_ACTIONS, "From: a@b and To: c@d\n", "f=a@b t=c@d", "" },
	{ OPT_SPAM_ACTIONS, "From: a@b band\n", "f=a@b", "band" },
	{ OPT_MAIL_HEADER, "From: a@b X my header:\n", "f=a@b", "X-my-header:" },
	{ OPT_ALLOW_IFRAME_TAGS, "From: a@b disarm\n", "f=a@b", "convert" },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b Yes\nFrom: c@d YES,\n", "f=c@d", "1" },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b maybe\nFrom: @b yes\n", "f=a@b", "1" },
	{ OPT_SPAM_ACTIONS, "\xef\xbb\xbf# mark\nFrom: a@b one\r\n", "f=a@b", "one" },
	{ OPT_OUTGOING_QUEUE_DIR, "From: a@b /q1/\nFromOrTo: default /q2\n", "f=a@b", "/q1" },
	{ OPT_OUTGOING_QUEUE_DIR, "From: a@b /q9\nFromOrTo: default /q2\n", "f=a@b", "/q2" },
	{ OPT_INLINE_HTML_SIGNATURE, "From: a@b /f1\nFromOrTo: default /f2\n", "f=a@b", "/f1" },
	{ OPT_SENDMAIL, "From: a@b /bin/sm -t\n", "f=a@b", "/bin/sm -t" },

	/* all matches */
	{ OPT_VIRUS_SCANNING, "From: a@b yes\nFrom: @b no\n", "f=a@b", "1 0" },
	{ OPT_VIRUS_SCANNING, "From: @b no\nFrom: a@b yes\n", "f=a@b", "0 1" },
	{ OPT_VIRUS_SCANNING, "To: @b no\nTo: @c yes\n", "t=x@b t=y@b t=z@c", "0 0 1" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: @b no\n", "f=a@b t=x@b t=y@c", "0 0" },
	{ OPT_VIRUS_SCANNING, "FromAndTo: @b no\n", "f=a@b t=x@b t=y@b", "0" },
	{ OPT_VIRUS_SCANNING, "From: @b and To: @b no\n", "f=a@b t=x@b t=y@b", "0" },
	{ OPT_VIRUS_SCANNING, "To: @b and From: @b no\n", "f=a@b t=x@b t=y@b", "0" },
	{ OPT_VIRUS_SCANNING, "From: /b/ no\nTo: /b/ yes\n", "f=a@b t=x@b t=y@b", "0 1 1" },
	{ OPT_VIRUS_SCANNING, "From: a@b yes no\n", "f=a@b", "1 0" },
	{ OPT_VIRUS_SCANNING, "From: a@b no\nFromOrTo: default yes\n", "f=a@b", "0" },
	{ OPT_VIRUS_SCANNING, "From: a@b no\nFromOrTo: default no\n", "f=c@d", "0" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: 192.0.2.1 no\n", "i=192.0.2.1", "1" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: 192.0.2. no\n", "i=192.0.2.1", "1" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: /^192/ no\n", "i=192.0.2.1", "1" },
	{ OPT_VIRUS_SCANNING, "FromOrTo: 192.0.2.0/24 no\n", "i=192.0.2.1", "0" },
	{ OPT_VIRUS_SCANNING, "From: 192.0.2.1 no\n", "i=192.0.2.1", "0" },
	{ OPT_SILENT_VIRUSES, "From: a@b one  two\nFrom: @b three\n", "f=a@b", "one two three" },
	{ OPT_SILENT_VIRUSES, "From: a@b one  two\n", "f=a@b", "one two" },
	{ OPT_SILENT_VIRUSES, "From: a@b\nFrom: @b three\n", "f=a@b", "three" },
	{ OPT_SPAMASSASSIN_RULE_ACTIONS, "From: a@b A=>store\nFrom: @b B=>delete\n", "f=a@b",
	  "A=>store,B=>delete" },
	{ OPT_FILENAME_RULES, "From: a@b /f1\nTo: @c /f2\n", "f=a@b t=d@c", "/f1 /f2" },
	{ OPT_ARCHIVE_MAIL, "To: @b /a/_TOUSER_\n", "t=x@b t=y@b", "/a/_TOUSER_ /a/_TOUSER_" },
	{ OPT_VIRUS_SCANNING, "From: *@*.b no\nFrom: x*@*.b yes\nFrom: *x@*.b no\n", "f=x@a.b",
	  "0 1 0" },
	{ OPT_VIRUS_SCANNING, "Virus: x no\n", "v=x v=xx", "0" },

	/* options that should have no ruleset: all matches */
	{ OPT_LOG_SPAM, "From: a@b yes\nFrom: @b no\n", "f=a@b", "1 0" },
	{ OPT_LOG_SPAM, "From: a@b yes\nFromOrTo: default no\n", NULL, "0" },

	/* files of patterns */
	{ OPT_SPAM_ACTIONS, "From: /p1 one\nFrom: c@d two\n", "f=joe@l1.example", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p1 one\nFrom: c@d two\n", "f=joe@l2.example", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p1 one\nFrom: c@d two\n", "f=c@d", "two" },
	{ OPT_SPAM_ACTIONS, "From: /p1 one\n", "i=192.0.2.200", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p2 one\n", "f=joe@l2.example", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p6 one\nFrom: default two\n", "f=joe@l2.example", "two" },
	{ OPT_SPAM_ACTIONS, "From: /p4 one\nFrom: default two\n", "f=joe@l2.example", "one" },
	{ OPT_SPAM_ACTIONS, "From: /nowhere one\nFrom: default two\n", "f=joe@l1.example", "two" },
	{ OPT_SPAM_ACTIONS, "From: /p1 and To: /p7 one\n", "f=joe@l1.example t=a@r2", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p1 and To: /p7 one\n", "f=joe@l2.example t=a@r1", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p1 and To: /p7 one\nTo: default two\n",
	  "f=joe@l2.example t=a@r3", "two" },
	{ OPT_SPAM_ACTIONS, "From: /p1 and To: a@r1 one\nTo: default two\n",
	  "f=joe@l2.example t=a@r1", "one" },
	{ OPT_SPAM_ACTIONS, "From: /p8 dflt\n", "f=x@y", "dflt" },
	{ OPT_SILENT_VIRUSES, "From: /p1 one\n", "f=joe@l1.example i=192.0.2.200", "one one" },
	{ OPT_SPAM_ACTIONS, "Virus: /p9 one\n", "v=W32/Klez", "one" },
};

static void pattern_files(struct site *s)
{
	char name[8], text[8];

	site_file(s, "/p1", "# senders\nl1.example\n  l2.example # two\n192.0.2.128/25\n");
	for (unsigned i = 2; i <= 6; i++) { /* each names the one before */
		(void)snprintf(name, sizeof(name), "/p%u", i);
		(void)snprintf(text, sizeof(text), "/p%u\n", i - 1);
		site_file(s, name, i == 5 ? "/p4\nl1.example\n" : text);
	}
	site_file(s, "/p7", "r1\nr2\n");
	site_file(s, "/p8", "a@b\ndefault\n");
	site_file(s, "/p9", "bagle\nklez\n");
}

static void common_files(struct site *s)
{
	site_file(s, "/f1", "one");
	site_file(s, "/f2", "two");
	site_dir(s, "/q1");
	site_dir(s, "/q2");
	site_command(s, "/bin/sm");
	pattern_files(s);
	if (conf_source_add_env(s->source, "HOST", "mx1") < 0)
		abort();
}

static void load_rules(struct site *s, enum opt_id id, const char *rules, const char *more)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "%%name%% = acme\n%s = %s\n%s", opt_rows[id].name, RULES,
		       more);
	site_open(s);
	site_file(s, SITE_MAIN, text);
	site_file(s, RULES, rules);
	common_files(s);
	site_load(s);
}

static void show(const struct conf *c, enum opt_id id, const struct conf_who *who, char *out,
		 size_t size)
{
	enum opt_type type = opt_rows[id].type;

	if (type == OPT_NUMBER)
		(void)snprintf(out, size, "%lld", (long long)conf_num(c, id, who));
	else if (type == OPT_YESNO || type == OPT_ENUM)
		(void)snprintf(out, size, "%s", conf_words(c, id, who));
	else
		(void)snprintf(out, size, "%s", conf_str(c, id, who));
}

static void check_set(size_t i)
{
	char got[200] = "(not loaded)";
	struct asked a;
	struct site s;

	load_rules(&s, sets[i].id, sets[i].rules, "");
	ask(&a, sets[i].who == NULL ? "" : sets[i].who);
	if (s.conf != NULL)
		show(s.conf, sets[i].id, sets[i].who == NULL ? NULL : &a.who, got, sizeof(got));
	if (!T_OK(strcmp(got, sets[i].want) == 0, "%s %.40s | %s -> '%s'",
		  opt_rows[sets[i].id].name, sets[i].rules, sets[i].who, got))
		site_show(&s);
	site_close(&s);
}

/* ---- yes/no of recipients that disagree ---- */

static const struct {
	enum opt_id id;
	bool both, only_no; /* "1 0" and "0 0" */
} votes[] = {
	{ OPT_VIRUS_SCANNING, true, false },
	{ OPT_DANGEROUS_CONTENT_SCANNING, true, false },
	{ OPT_QUARANTINE_INFECTIONS, true, false },
	{ OPT_DELIVER_CLEANED_MESSAGES, true, false },
	{ OPT_BLOCK_ENCRYPTED_MESSAGES, true, false },
	{ OPT_OVERRIDE_FILETYPES, true, false },
	{ OPT_ADD_ENVELOPE_TO_HEADER, false, false },
	{ OPT_ADD_ENVELOPE_FROM_HEADER, false, false },
	{ OPT_ALLOW_PASSWORD_PROTECTED_ARCHIVES, false, false },
	{ OPT_ARCHIVES_MUST_BE_PASSWORD_PROTECTED, false, false },
	{ OPT_IGNORE_DENIAL_OF_SERVICE, false, false },
	{ OPT_USE_SPAMASSASSIN, true, false },
	{ OPT_MCP_USE_SPAMASSASSIN, true, false },
};

static void check_votes(size_t i)
{
	enum opt_id id = votes[i].id;
	struct asked a;
	struct site s;

	load_rules(&s, id, "To: @b yes\nTo: @c no\nTo: @d no\n", "");
	ask(&a, "t=x@b t=x@c");
	T_OK(conf_bool(s.conf, id, &a.who) == votes[i].both, "%s: yes and no", opt_rows[id].name);
	ask(&a, "t=x@d t=x@c");
	T_OK(conf_bool(s.conf, id, &a.who) == votes[i].only_no, "%s: no and no", opt_rows[id].name);
	ask(&a, "t=x@b t=y@b");
	T_OK(conf_bool(s.conf, id, &a.who), "%s: yes and yes", opt_rows[id].name);
	site_close(&s);
}

/* ---- one recipient for many ---- */

static const struct {
	const char *who, *want;
} many[] = {
	{ "t=x@b", "one" },        { "t=x@b t=y@b", "dom" },
	{ "t=x@b t=y@c", "dflt" }, { "t=x@b t=y@c t=z@d", "dflt" },
	{ "t=x t=y", "dflt" },     { "f=a@b t=x@b t=y@b", "dom" },
};

static void check_many(void)
{
	struct asked a;
	struct site s;

	load_rules(&s, OPT_SPAM_ACTIONS,
		   "To: x@b one\nTo: @b dom\nTo: @c other\nFromOrTo: default dflt\n",
		   "Use Default Rules With Multiple Recipients = yes\n");
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		ask(&a, many[i].who);
		T_OK(strcmp(conf_str(s.conf, OPT_SPAM_ACTIONS, &a.who), many[i].want) == 0,
		     "one for many: %s", many[i].who);
	}
	site_close(&s);
}

/* ---- what is said about mistakes ---- */

static const struct {
	enum opt_id id;
	const char *rules, *says, *file;
	unsigned line, column;
} mistakes[] = {
	{ OPT_SPAM_ACTIONS, "\n  Form: a@b x\n", "'Form:' is not a direction", RULES, 2, 3 },
	{ OPT_SPAM_ACTIONS, "From: a@b and Form: c@d x\n", "'Form:' is not a direction", RULES, 1,
	  15 },
	{ OPT_SPAM_ACTIONS, "From:\n", "too few fields", RULES, 1, 1 },
	{ OPT_SPAM_ACTIONS, "From: a@b and From:\n", "too few fields", RULES, 1, 1 },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b\n", "too few fields", RULES, 1, 1 },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b # yes\n", "too few fields", RULES, 1, 1 },
	{ OPT_IS_DEFINITELY_SPAM, "From: a@b and To: c@d\n", "too few fields", RULES, 1, 1 },
	{ OPT_IS_DEFINITELY_SPAM, "From: @c yes\nFrom: a@b sure\n", "'sure' is not one of: no, yes",
	  RULES, 2, 11 },
	{ OPT_MAXIMUM_MESSAGE_SIZE, "From: a@b large\n", "'large' is not a number", RULES, 1, 11 },
	{ OPT_OUTGOING_QUEUE_DIR, "From: a@b /q9\n", "'/q9' is not an existing directory", RULES, 1,
	  11 },
	{ OPT_INLINE_HTML_SIGNATURE, "From: a@b /f9\n", "is not a file", RULES, 1, 11 },
	{ OPT_SPAM_ACTIONS, "From: (joe@b x\n", "'(joe@b' is not a regular expression", RULES, 1,
	  7 },
	{ OPT_SPAM_ACTIONS, "From: /[/ x\n", "is not a regular expression", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: 10.0.0.0/99 x\n", "is not a network", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: 10.0.0.0/255.0.255.0 x\n", "is not a network", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: 10.0.0.9-10.0.0.1 x\n", "is not a range", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: bad.de x\n", "is taken for the beginning of an IP", RULES, 1,
	  7 },
	{ OPT_SPAM_ACTIONS, "From: /@EXAMPLE/ x\n", "holds no lower-case letter", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: /^10\\.\\d+\\./ x\n", "if only in an escape", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "To: 192.0.2.1 x\n", "is no recipient", RULES, 1, 1 },
	{ OPT_SPAM_ACTIONS, "FromAndTo: 192.0.2.1 x\n", "is no recipient", RULES, 1, 1 },
	{ OPT_SPAM_ACTIONS, "To: host:b x\n", "is no recipient", RULES, 1, 1 },
	{ OPT_VIRUS_SCANNING, "FromOrTo: 192.0.2.1 no\n", "never match", RULES, 1, 1 },
	{ OPT_LOG_SPAM, "From: a@b yes\n", "should be a simple value", SITE_MAIN, 2, 12 },
	{ OPT_SPAM_ACTIONS, "From: /nowhere x\n", "cannot be read", RULES, 1, 7 },
	{ OPT_SPAM_ACTIONS, "From: /p6 x\n", "nest deeper than 4", "/p3", 1, 1 },
	{ OPT_SPAM_ACTIONS, "From: /f1 x\nFrom: /pbad x\n", "is not a network", "/pbad", 2, 3 },
	{ OPT_SPAM_ACTIONS, "From: /pbad x\n", "the rest of this one is ignored", "/pbad", 1, 1 },
	{ OPT_SPAM_ACTIONS, "From: a@b %nobody%\n", "%nobody% is not defined", RULES, 1, 11 },
};

static void check_mistake(size_t i)
{
	const struct conf_problem *p;
	char text[200];
	struct site s;

	site_open(&s);
	(void)snprintf(text, sizeof(text), "\n%s = %s\n", opt_rows[mistakes[i].id].name, RULES);
	site_file(&s, SITE_MAIN, text);
	site_file(&s, RULES, mistakes[i].rules);
	common_files(&s);
	site_file(&s, "/pbad", "a@b c@d\n  10/99\n");
	site_load(&s);
	p = site_problem(&s, mistakes[i].says);
	if (!T_OK(s.r == 0 && p != NULL && p->line == mistakes[i].line &&
			  p->column == mistakes[i].column && strcmp(p->file, mistakes[i].file) == 0,
		  "%.40s: %s", mistakes[i].rules, mistakes[i].says))
		site_show(&s);
	site_close(&s);
}

/* ---- when a value is a ruleset at all ---- */

static const struct {
	const char *line;
	enum opt_id id;
	bool want;
} meant[] = {
	{ "Virus Scanning = /r/any.name", OPT_VIRUS_SCANNING, true },
	{ "Virus Scanning = /r/report.txt", OPT_VIRUS_SCANNING, false },
	{ "Virus Scanning = /r/report.html", OPT_VIRUS_SCANNING, false },
	{ "Scan Messages = /r/any.name", OPT_SCAN_MESSAGES, true },
	{ "Maximum Message Size = /r/any.name", OPT_MAXIMUM_MESSAGE_SIZE, true },
	{ "Maximum Message Size = 5", OPT_MAXIMUM_MESSAGE_SIZE, false },
	{ "Outgoing Queue Dir = /r/any.name", OPT_OUTGOING_QUEUE_DIR, true },
	{ "Outgoing Queue Dir = /q", OPT_OUTGOING_QUEUE_DIR, false },
	{ "Inline HTML Signature = /r/x.rules", OPT_INLINE_HTML_SIGNATURE, true },
	{ "Inline HTML Signature = /r/x.rule", OPT_INLINE_HTML_SIGNATURE, true },
	{ "Inline HTML Signature = /r/x.Rules", OPT_INLINE_HTML_SIGNATURE, true },
	{ "Inline HTML Signature = /r/myrules", OPT_INLINE_HTML_SIGNATURE, true },
	{ "Inline HTML Signature = /r/any.name", OPT_INLINE_HTML_SIGNATURE, false },
	{ "Sendmail = /r/x.rules", OPT_SENDMAIL, true },
	{ "Spam Actions = /r/x.rules", OPT_SPAM_ACTIONS, true },
	{ "Spam Actions = /r/none.rules", OPT_SPAM_ACTIONS, false },
	{ "Spam Actions = /r/any.name", OPT_SPAM_ACTIONS, false },
	{ "Spam Actions = r/x.rules", OPT_SPAM_ACTIONS, false },
	{ "Silent Viruses = /r/x.rules", OPT_SILENT_VIRUSES, true },
};

/* A ruleset says itself where its default comes from. */
static void check_meant(size_t i)
{
	static const char *const names[] = { "/r/any.name", "/r/report.txt", "/r/report.html",
					     "/r/x.rules",  "/r/x.rule",     "/r/x.Rules",
					     "/r/myrules" };
	struct site s;
	bool is;

	site_open(&s);
	site_file(&s, SITE_MAIN, meant[i].line);
	for (size_t k = 0; k < ARRAY_LEN(names); k++)
		site_file(&s, names[k],
			  "From: default yes\nFrom: default 7\nFrom: default /q\n"
			  "From: default /r/any.name\nFrom: default /bin/sm\n");
	site_dir(&s, "/q");
	site_command(&s, "/bin/sm");
	site_load(&s);
	is = s.conf != NULL && strncmp(conf_where(s.conf, meant[i].id, NULL), "/r/", 3) == 0;
	if (!T_OK(is == meant[i].want, "%s", meant[i].line))
		site_show(&s);
	site_close(&s);
}

static void check_unreadable(void)
{
	struct site s;

	site_text(&s, "Virus Scanning = /r/none.rules\n");
	T_OK(s.r == 0 && conf_bool(s.conf, OPT_VIRUS_SCANNING, NULL) &&
		     site_problem(&s, "the ruleset '/r/none.rules' cannot be read") != NULL,
	     "a ruleset that is not there: the default");
	site_close(&s);

	load_rules(&s, OPT_FILENAME_RULES, "From: a@b /nowhere\n", "");
	T_OK(s.r < 0 && site_problem(&s, "mail would pass unchecked") != NULL,
	     "a rule file that is not there, in a ruleset: refused");
	site_close(&s);
}

static void check_details(void)
{
	const char *values[8];
	struct bytes content;
	struct asked a;
	struct site s;
	size_t n;

	load_rules(&s, OPT_FILENAME_RULES, "From: a@b /f1\nFrom: default /f2\nTo: @c /f1\n", "");
	n = conf_every_value(s.conf, OPT_FILENAME_RULES, values, ARRAY_LEN(values));
	T_OK(n == 2 && strcmp(values[0], "/f2") == 0 && strcmp(values[1], "/f1") == 0,
	     "every value, once");
	T_OK(conf_every_value(s.conf, OPT_FILENAME_RULES, values, 1) == 2,
	     "and how many there are");
	T_OK(conf_file(s.conf, "/f1", &content) == 0 && conf_file(s.conf, "/f2", &content) == 0,
	     "files that rules name are kept");
	ask(&a, "f=a@b");
	T_OK(strcmp(conf_where(s.conf, OPT_FILENAME_RULES, &a.who), RULES ":1") == 0,
	     "where: the rule");
	ask(&a, "f=x@y");
	T_OK(strcmp(conf_where(s.conf, OPT_FILENAME_RULES, &a.who), RULES ":2") == 0,
	     "where: the default rule");
	T_OK(!conf_wants_host(s.conf), "no host: rule");
	site_close(&s);

	load_rules(&s, OPT_VIRUS_SCANNING, "From: host:a no\nFrom: @b no\nTo: @c yes\n", "");
	ask(&a, "f=a@b t=x@c");
	T_OK(strcmp(conf_written(s.conf, OPT_VIRUS_SCANNING, &a.who), "no yes") == 0, "as written");
	T_OK(strcmp(conf_where(s.conf, OPT_VIRUS_SCANNING, NULL), "default") == 0,
	     "no default rule: the built-in default");
	T_OK(conf_wants_host(s.conf), "a host: rule");
	site_close(&s);
}

/* Joined values are lent for 16 more questions. */
static void check_ring(void)
{
	const char *got[20];
	struct asked a;
	struct site s;

	load_rules(&s, OPT_SILENT_VIRUSES, "To: @b one\nTo: @c two\n", "");
	ask(&a, "t=x@b t=x@c");
	for (size_t i = 0; i < ARRAY_LEN(got); i++)
		got[i] = conf_str(s.conf, OPT_SILENT_VIRUSES, &a.who);
	T_OK(strcmp(got[4], "one two") == 0 && strcmp(got[19], "one two") == 0, "ring");
	site_close(&s);
}

/* More text than one value may have: repeats are dropped, nothing is cut. */
static void check_long_join(void)
{
	static const char *to[3000];
	AUTO(str_fini) struct str rules;
	struct conf_who who = { .from = "", .to = to, .to_n = ARRAY_LEN(to) };
	struct site s;

	str_init(&rules, MIB);
	str_add(&rules, "To: @b ");
	for (unsigned i = 0; i < 100; i++)
		str_add(&rules, "ten-bytes ");
	str_add(&rules, "\n");
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		to[i] = "x@b";
	load_rules(&s, OPT_SILENT_VIRUSES, str_view(&rules), "");
	T_OK(strlen(conf_str(s.conf, OPT_SILENT_VIRUSES, &who)) == 999, "joined once");
	site_close(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		check_pattern(i);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		check_set(i);
	for (size_t i = 0; i < ARRAY_LEN(votes); i++)
		check_votes(i);
	check_many();
	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++)
		check_mistake(i);
	for (size_t i = 0; i < ARRAY_LEN(meant); i++)
		check_meant(i);
	check_unreadable();
	check_details();
	check_ring();
	check_long_join();
	return t_done();
}
