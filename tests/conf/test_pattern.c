/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_pattern.c - one rule: does it match? */
#include <stdio.h>

#include "tests/conf/asked.h"
#include "tests/conf/site.h"

#define RULES "/site/test.rules"

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
	/* traps: what only the other half of a wildcard has */
	{ "From: *@exam*mple.com", "f=u@example.com", false },
	{ "From: *@exam*mple.com", "f=u@exammple.com", true },
	{ "From: *ab*bc@a.example", "f=abc@a.example", false },
	/* traps: an address without its last letter is another one */
	{ "From: joe@a.exampl", "f=joe@a.example", false },
	{ "From: a.exampl", "f=joe@a.example", false },
	{ "From: *.a.exampl", "f=joe@x.a.example", false },
	{ "From: j*@a.exampl", "f=joe@a.example", false },
	{ "From: host:a.example and From: *", "c=a.example f=", false },
	{ "From: host:a.example and From: *", "c=a.example f=joe", false },
	{ "From: host:a.example and From: *", "c=a.example f=@", true },
	{ "FromOrTo: 192.0.2.1", "i=10.0.0.1 t=", false },
	/* traps: the same bytes in an address of the other family; no address at all */
	{ "From: 192.0.2.0/24", "i=c000:200::1", false },
	{ "From: 192.0.2.1", "i=c000:201::", false },
	{ "From: c000:200::/24", "i=192.0.2.1", false },
	{ "From: c000:201::", "i=192.0.2.1", false },
	{ "From: 0.0.0.0/0", "i=garbage", false },
	{ "From: 0.0.0.0", "i=garbage", false },
	{ "From: ::/0", "i=garbage", false },
	/* traps: masks with holes, of the other family, longer than 32 bits */
	{ "From: 10.0.0.0/255.0.255.0", "i=10.0.0.0", false },
	{ "From: 10.0.0.0/ff::", "i=10.0.0.0", false },
	{ "From: a00::/255.0.0.0", "i=a00::", false },
	{ "From: 2001:db8:1::/ffff:ffff:ffff::", "i=2001:db8:1:2::3", true },
	{ "From: 2001:db8:1::/ffff:ffff:ffff::", "i=2001:db8:2::", false },
	{ "From: 2001:db8::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "i=2001:db8::1", true },
	{ "From: 2001:db8::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "i=2001:db8::", false },
	{ "From: 10.0.0.1/255.255.255.255", "i=10.0.0.1", true },
	{ "From: 10.0.0.1/255.255.255.255", "i=10.0.0.0", false },
	{ "From: 10.0.0.0/0.0.0.0", "i=203.0.113.9", true },
	{ "From: 192.0.2.1-c000:2ff::", "i=192.0.2.1", false },
	{ "From: c000:201::-192.0.2.255", "i=c000:201::", false },
	{ "From: 10.a/8", "i=10.0.0.0", false },
	{ "From: 10a/8", "i=10.0.0.0", false },
	{ "From: a/8", "i=0.0.0.0", false },
	{ "From: /8", "i=0.0.0.0", false },
	{ "From: 255/8", "i=255.255.255.255", true },
	{ "From: 10/8/8", "i=10.0.0.1", false },
	/* traps: what only looks like a network, a range or an expression */
	{ "From: joe/x@a.example", "f=joe/x@a.example", true },
	{ "From: joe-x@a.example", "f=joe-x@a.example", true },
	{ "From: 1-2-3.de", "f=joe@1-2-3.de", true },
	{ "From: host:/mx", "c=mx.a.example", false },
	{ "From: host:mx/", "c=mx.a.example", false },
	{ "From: host:/(*UTF)mx/", "c=mx.a.example", false },
	/* traps: two @, two wildcards in a domain */
	{ "From: *@a@b.example", "f=x@a@b.example", true },
	{ "From: *@a@b.example", "f=x@b.example", false },
	{ "From: j*@a@b.example", "f=joe@a@b.example", true },
	{ "From: *@*.x*.example", "f=joe@b.xy.example", true },
	{ "From: *@*.x*.example", "f=joe@b.y.example", false },
	{ "From: j*@*.x*.example", "f=joe@b.xy.example", true },
	{ "From: 256/8", "i=1.0.0.0", false },
};

/* Rules that match something and of which something is said all the same. */
static bool is_odd(const char *rule)
{
	static const char *const odd[] = { "cafe", "face", "\\d+\\.", "\"joe\"" };

	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		if (strstr(rule, odd[i]) != NULL)
			return true;
	return false;
}

static void check_rule(const char *rule, const char *who, bool want)
{
	char text[400];
	struct asked a;
	struct site s;
	bool got;

	(void)snprintf(text, sizeof(text), "%s yes\n", rule);
	site_open(&s);
	site_file(&s, SITE_MAIN, "Is Definitely Not Spam = " RULES "\n");
	site_file(&s, RULES, text);
	site_load(&s);
	ask(&a, who);
	if (want && !is_odd(rule))
		T_OK(conf_report_count(s.report) == 0, "%s: nothing to complain about", rule);
	got = s.conf != NULL && conf_bool(s.conf, OPT_IS_DEFINITELY_NOT_SPAM, &a.who);
	if (!T_OK(s.conf != NULL && got == want, "%s | %s | %s", rule, who, want ? "yes" : "no"))
		site_show(&s);
	site_close(&s);
}

/*
 * Each rule twice: found through its key if it has one, and asked itself, as the second condition
 * behind one that is found. The first condition is of a kind that the rule does not look at.
 */
static void check_pattern(size_t i)
{
	const char *rule = patterns[i].rule, *who = patterns[i].who;
	char both[300], asked[300];

	check_rule(rule, who, patterns[i].want);
	if (strcasestr(rule, " and ") != NULL)
		return;
	if (strcasestr(rule, "host") != NULL) {
		(void)snprintf(both, sizeof(both), "To: first@first.test and %s", rule);
		(void)snprintf(asked, sizeof(asked), "%s t=first@first.test", who);
	} else {
		(void)snprintf(both, sizeof(both), "From: host:first.test and %s", rule);
		(void)snprintf(asked, sizeof(asked), "%s c=first.test", who);
	}
	check_rule(both, asked, patterns[i].want);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		check_pattern(i);
	return t_done();
}
