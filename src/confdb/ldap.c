/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confdb/ldap.c - configuration from LDAP, asked anonymously.
 *
 * One entry of class mailscannerconfmain for the site has options as attributes, entries of class
 * mailscannerRuleSetObject are one rule each. Names of attributes count with and without
 * "mailScanner" and "RuleSet" in front, since schemas in use differ.
 *
 * Limits: entries of class mailscannerfileruleObject (rules for file names) are not read; those
 * rules are files here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <ldap.h>

#include "confdb/internal.h"
#include "core/num.h"

#define SECONDS 30
#define WAIT_S  120

struct directory {
	LDAP *handle;
};

static void close_directory(void **self)
{
	struct directory *d = *self;

	if (d == NULL)
		return;
	if (d->handle != NULL)
		(void)ldap_unbind_ext_s(d->handle, NULL, NULL);
	free(d);
	*self = NULL;
}

/* "host", "host:port" or what has a scheme already. */
static int connect_to(struct directory *d, const char *server)
{
	const struct timeval connect = { .tv_sec = SECONDS }, answer = { .tv_sec = WAIT_S };
	const int version = LDAP_VERSION3;
	struct berval none = { 0, NULL };
	char uri[1000];
	int rc;

	(void)snprintf(uri, sizeof(uri), "%s%s", strstr(server, "://") == NULL ? "ldap://" : "",
		       server);
	rc = ldap_initialize(&d->handle, uri);
	if (rc != LDAP_SUCCESS)
		return rc;
	(void)ldap_set_option(d->handle, LDAP_OPT_PROTOCOL_VERSION, &version);
	(void)ldap_set_option(d->handle, LDAP_OPT_NETWORK_TIMEOUT, &connect);
	(void)ldap_set_option(d->handle, LDAP_OPT_TIMEOUT, &answer);
	(void)ldap_set_option(d->handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	return ldap_sasl_bind_s(d->handle, NULL, LDAP_SASL_SIMPLE, &none, NULL, NULL, NULL);
}

static int open_directory(void **ret_self, const struct conf_query *q, struct err *err)
{
	AUTO(close_directory) void *self = NULL;
	struct directory *d = self = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "out of memory");
	rc = connect_to(d, q->server);
	if (rc != LDAP_SUCCESS)
		return no_connection(err, rc == LDAP_PARAM_ERROR ? ERR_CONFIG : ERR_TEMP, q->server,
				     ldap_err2string(rc));
	*ret_self = TAKE(self);
	return 0;
}

/* ---- asking ---- */

static void add_escaped(struct str *s, const char *value)
{
	struct berval in = { strlen(value), (char *)(uintptr_t)value }, out = { 0, NULL };

	if (ldap_bv2escaped_filter_value(&in, &out) != 0) {
		s->failed = true;
		return;
	}
	str_add_bytes(s, bytes_of(out.bv_val, out.bv_len));
	ldap_memfree(out.bv_val);
}

static void make_filter(struct str *s, const struct conf_query *q)
{
	static const char *const names[] = { "mailScannerRuleSetName", "mailScannerName",
					     "ruleSetName", "name" };

	if (q->what != CONF_QUERY_RULESET) {
		str_add(s, "(&(objectClass=mailscannerconfmain)(mailScannerConfBranch=main)");
		str_add(s, "(mailScannerSite=");
		add_escaped(s, q->site);
		str_add(s, "))");
		return;
	}
	str_add(s, "(&(objectClass=mailscannerRuleSetObject)(|");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		str_addf(s, "(%s=", names[i]);
		add_escaped(s, q->argument);
		str_add_char(s, ')');
	}
	str_add(s, "))");
}

static enum err_kind kind_of(int rc)
{
	switch (rc) {
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_INVALID_DN_SYNTAX:
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_FILTER_ERROR:
	case LDAP_SIZELIMIT_EXCEEDED:
		return ERR_CONFIG;
	default:
		return ERR_TEMP;
	}
}

/* The attribute's name in lower case, without what schemas put in front. */
static void plain_name(const char *name, bool rule, char *out, size_t size)
{
	struct bytes b = bytes_str(name);
	size_t n = 0;

	if (bytes_starts_nocase(b, BYTES("mailscanner")) && b.n > 11)
		b = bytes_from(b, 11);
	if (rule && bytes_starts_nocase(b, BYTES("ruleset")) && b.n > 7)
		b = bytes_from(b, 7);
	for (; n < b.n && n + 1 < size; n++)
		out[n] = (char)ascii_lower(b.p[n]);
	out[n] = '\0';
}

static bool is_serial(const char *name)
{
	return strcmp(name, "confserialnumber") == 0 || strcmp(name, "confserial") == 0 ||
	       strcmp(name, "serialnumber") == 0;
}

static bool is_option(const char *name)
{
	static const char *const others[] = { "objectclass", "site", "confbranch", "cn",
					      "ou",          "o",    "dc",         "description" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (strcmp(others[i], name) == 0)
			return false;
	}
	return true;
}

static void free_values(struct berval ***v)
{
	ldap_value_free_len(*v);
	*v = NULL;
}

static struct bytes value_at(struct berval **v, size_t i)
{
	return v == NULL || v[i] == NULL ? bytes_of(NULL, 0) : bytes_of(v[i]->bv_val, v[i]->bv_len);
}

/* Each value of an attribute is a row of its own; a serial number is the whole answer to its
 * question. */
static int take_attribute(struct rows *rows, const char *attribute, struct berval **v,
			  struct err *err)
{
	bool serial_only = rows->q->what == CONF_QUERY_SERIAL;
	char name[100];
	int r = 0;

	plain_name(attribute, false, name, sizeof(name));
	if (is_serial(name))
		return v == NULL || (serial_only && rows->n > 0)
			       ? 0
			       : rows_add(rows, BYTES("confserialnumber"), value_at(v, 0), err);
	for (size_t i = 0; v != NULL && v[i] != NULL && r == 0 && !serial_only && is_option(name);
	     i++)
		r = rows_add(rows, bytes_str(name), value_at(v, i), err);
	return r;
}

static int take_settings(LDAP *h, LDAPMessage *entry, struct rows *rows, struct err *err)
{
	BerElement *ber = NULL;
	char *name;
	int r = 0;

	for (name = ldap_first_attribute(h, entry, &ber); name != NULL;
	     name = ldap_next_attribute(h, entry, ber)) {
		AUTO(free_values) struct berval **v = ldap_get_values_len(h, entry, name);

		if (r == 0)
			r = take_attribute(rows, name, v, err);
		ldap_memfree(name);
	}
	ber_free(ber, 0);
	return r;
}

/* ---- rules ---- */

enum rule_part { PART_NUM, PART_DIRECTION, PART_MATCH, PART_RESULT, PARTS };

struct ldap_rule {
	uint64_t num;
	char *text; /* "From: pattern value" */
};

static void take_part(const char *attribute, struct berval **v, struct bytes parts[PARTS])
{
	static const char *const names[PARTS] = { "num", "direction", "match", "result" };
	char name[100];

	plain_name(attribute, true, name, sizeof(name));
	for (enum rule_part p = 0; p < PARTS; p++) {
		if (strcmp(name, names[p]) == 0)
			parts[p] = value_at(v, 0);
	}
}

static int make_rule(struct ldap_rule *rule, const struct bytes parts[PARTS], struct err *err)
{
	struct str s;

	str_init(&s, COLUMN_MAX);
	for (enum rule_part p = PART_DIRECTION; p < PARTS; p++) {
		str_add_bytes(&s, parts[p]);
		str_add_char(&s, ' ');
	}
	if (num_parse(bytes_trim(parts[PART_NUM]), 10, UINT32_MAX, &rule->num) < 0)
		rule->num = UINT32_MAX;
	rule->text = str_take(&s);
	return rule->text == NULL ? err_set(err, ERR_TEMP, -ENOMEM, "out of memory") : 0;
}

static int read_rule(LDAP *h, LDAPMessage *entry, struct ldap_rule *rule, struct err *err)
{
	struct berval **values[PARTS * 4] = { NULL };
	struct bytes parts[PARTS] = { { NULL, 0 } };
	BerElement *ber = NULL;
	size_t n = 0;
	char *name;
	int r;

	for (name = ldap_first_attribute(h, entry, &ber); name != NULL;
	     name = ldap_next_attribute(h, entry, ber)) {
		if (n < ARRAY_LEN(values)) {
			values[n] = ldap_get_values_len(h, entry, name);
			take_part(name, values[n], parts);
			n++;
		}
		ldap_memfree(name);
	}
	ber_free(ber, 0);
	r = make_rule(rule, parts, err);
	while (n > 0)
		ldap_value_free_len(values[--n]);
	return r;
}

static int by_number(const void *a, const void *b)
{
	const struct ldap_rule *x = a, *y = b;

	return x->num == y->num ? 0 : x->num < y->num ? -1 : 1;
}

/* The directory has no order: the number has. */
static int take_rules(LDAP *h, LDAPMessage *answer, struct rows *rows, struct err *err)
{
	int count = ldap_count_entries(h, answer), n = 0, r = 0;
	struct ldap_rule *list = calloc((size_t)MAX_OF(count, 1), sizeof(*list));

	if (list == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "out of memory");
	for (LDAPMessage *e = ldap_first_entry(h, answer); e != NULL && n < count && r == 0;
	     e = ldap_next_entry(h, e))
		r = read_rule(h, e, &list[n++], err);
	if (r == 0)
		qsort(list, (size_t)n, sizeof(*list), by_number);
	for (int i = 0; i < n; i++) {
		char number[24];

		(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)list[i].num);
		if (r == 0)
			r = rows_add(rows, bytes_str(number), bytes_str(list[i].text), err);
		free(list[i].text);
	}
	free(list);
	return r;
}

static int ask_directory(void *self, const struct conf_query *q, struct rows *rows, struct err *err)
{
	struct timeval limit = { .tv_sec = WAIT_S };
	struct directory *d = self;
	LDAPMessage *answer = NULL;
	AUTO(str_fini) struct str filter;
	int rc, r = 0;

	str_init(&filter, 64 * KIB);
	make_filter(&filter, q);
	if (filter.failed)
		return err_set(err, ERR_CONFIG, -EINVAL, "name too long");
	rc = ldap_search_ext_s(d->handle, q->base, LDAP_SCOPE_SUBTREE, str_view(&filter), NULL, 0,
			       NULL, NULL, &limit, (int)ROWS_MAX, &answer);
	if (rc != LDAP_SUCCESS)
		r = err_set(err, kind_of(rc), kind_of(rc) == ERR_TEMP ? -EIO : -EINVAL,
			    "search below '%s': %s", q->base, ldap_err2string(rc));
	else if (q->what == CONF_QUERY_RULESET)
		r = take_rules(d->handle, answer, rows, err);
	for (LDAPMessage *e = ldap_first_entry(d->handle, answer);
	     e != NULL && r == 0 && q->what != CONF_QUERY_RULESET;
	     e = ldap_next_entry(d->handle, e))
		r = take_settings(d->handle, e, rows, err);
	(void)ldap_msgfree(answer);
	return r;
}

const struct back_end back_end_ldap = { "LDAP", open_directory, ask_directory, close_directory };
