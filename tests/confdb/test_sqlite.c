/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/confdb/test_sqlite.c - configurations that take options and rules from an SQLite file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "conf/explain.h"
#include "confdb/confdb.h"
#include "tests/t.h"

static char dir[] = "/tmp/sallyport-confdb-XXXXXX";
static char host[256];

#define MAIN_FILE "main.conf"
#define DB_FILE   "conf.db"

#define LOGIN                                                                                      \
	"DB DSN = DBI:SQLite:dbname=%conf-dir%/conf.db\n"                                          \
	"DB Username = ms\n"                                                                       \
	"DB Password = geheim\n"
#define CONFIG  "SQL Config = SELECT option, value FROM config WHERE host = ? ORDER BY rowid\n"
#define RULESET "SQL Ruleset = SELECT num, rule FROM ruleset WHERE name = ? ORDER BY num\n"
#define SERIAL  "SQL Serial Number = SELECT n FROM serial\n"
#define PEEK    "SQL Quick Peek = SELECT value FROM peek WHERE option = ? AND host = ?\n"
#define SA      "SQL SpamAssassin Config = SELECT line FROM sa WHERE host = ?\n"

static const char *at(const char *name)
{
	static char paths[8][300];
	static unsigned next;
	char *p = paths[next++ % 8];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void put(const char *name, const char *text)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	(void)close(fd);
}

/* The tables, empty, and then @sql, in which HOST is this host. */
static void database(const char *sql)
{
	static const char tables[] = "CREATE TABLE config (host TEXT, option TEXT, value TEXT);"
				     "CREATE TABLE ruleset (name TEXT, num, rule TEXT);"
				     "CREATE TABLE serial (n);"
				     "CREATE TABLE peek (host TEXT, option TEXT, value TEXT);"
				     "CREATE TABLE sa (host TEXT, line TEXT);";
	AUTO(str_fini) struct str text;
	sqlite3 *db = NULL;
	char *why = NULL;

	str_init(&text, MIB);
	str_add(&text, tables);
	for (const char *end; (end = strstr(sql, "HOST")) != NULL; sql = end + 4)
		str_addf(&text, "%.*s'%s'", (int)(end - sql), sql, host);
	str_add(&text, sql);
	(void)unlink(at(DB_FILE));
	if (sqlite3_open(at(DB_FILE), &db) != SQLITE_OK ||
	    sqlite3_exec(db, str_view(&text), NULL, NULL, &why) != SQLITE_OK) {
		printf("# %s\n", why == NULL ? "cannot open" : why);
		abort();
	}
	(void)sqlite3_close(db);
}

struct loaded {
	struct conf_database *db;
	struct conf_source *source;
	struct conf_report *report;
	struct conf *conf; /* NULL: it did not load */
	struct err err;
};

static void unload(struct loaded *l)
{
	conf_unref(&l->conf);
	conf_source_close(&l->source);
	confdb_close(&l->db);
	conf_report_free(&l->report);
}

static void load(struct loaded *l)
{
	*l = (struct loaded){ .report = conf_report_new() };
	if (l->report == NULL || confdb_open(&l->db, NULL) < 0 ||
	    conf_source_disk(&l->source, NULL) < 0)
		abort();
	conf_source_set_database(l->source, l->db);
	(void)!conf_load(&l->conf, l->source, at(MAIN_FILE), l->report, &l->err);
}

static void load_text(struct loaded *l, const char *text)
{
	put(MAIN_FILE, text);
	load(l);
}

/* Whether a problem reads "PLACE: ...TEXT...". */
static bool has_problem(const struct loaded *l, const char *place, const char *text)
{
	for (size_t i = 0; i < conf_report_count(l->report); i++) {
		const struct conf_problem *p = conf_report_at(l->report, i);
		AUTO(str_fini) struct str s;

		str_init(&s, 10000);
		conf_problem_place(p, &s);
		if (strstr(str_view(&s), place) != NULL && strstr(p->text, text) != NULL)
			return true;
	}
	return false;
}

static void show(const struct loaded *l)
{
	for (size_t i = 0; i < conf_report_count(l->report); i++) {
		const struct conf_problem *p = conf_report_at(l->report, i);

		printf("# %s:%u: %s\n", p->file, p->line, p->text);
	}
	if (l->conf == NULL)
		printf("# %s\n", l->err.text);
}

static bool is(const struct loaded *l, enum opt_id id, const char *from, const char *value,
	       const char *where)
{
	const char *to[] = { "x@y" };
	struct conf_who who = { .from = from, .to = to, .to_n = 1 };
	const struct conf_who *asked = from == NULL ? NULL : &who;

	if (l->conf != NULL && strcmp(conf_written(l->conf, id, asked), value) == 0 &&
	    strcmp(conf_where(l->conf, id, asked), where) == 0)
		return true;
	show(l);
	if (l->conf != NULL)
		printf("# '%s' from '%s'\n", conf_written(l->conf, id, asked),
		       conf_where(l->conf, id, asked));
	return false;
}

/* ---- options ---- */

static void test_options(void)
{
	struct loaded l;

	database("INSERT INTO config VALUES (HOST, 'children', '7'), ('other', 'children', '8'),"
		 "(HOST, '%org%', 'db'), (HOST, '%mine%', 'db'), (HOST, 'INFOHEADER', "
		 "'X-%org%-%mine%:'),"
		 "(HOST, 'Silent Viruses', 'a, b'), (HOST, 'virusscan', 'maybe'),"
		 "(HOST, 'nosuch', '1'), (HOST, 'dbdsn', 'x'), (HOST, NULL, NULL),"
		 "(HOST, 'maxdepth', NULL);");
	load_text(&l, "%org% = file\nMax Children = 3\nMail Header = X-%org%:\n" LOGIN CONFIG);
	T_OK(is(&l, OPT_MAX_CHILDREN, NULL, "7", "SQL Config row 1"),
	     "a row replaces what a file says, only for this host");
	T_OK(is(&l, OPT_INFORMATION_HEADER, NULL, "X-file-db:", "SQL Config row 4"),
	     "variables: files first, then rows; names in any case");
	T_OK(is(&l, OPT_SILENT_VIRUSES, NULL, "a, b", "SQL Config row 5"), "both names work");
	T_OK(has_problem(&l, "SQL Config row 6", "is not one of"), "a bad value names its row");
	T_OK(has_problem(&l, "SQL Config row 7", "no option 'nosuch'"), "an unknown option, too");
	T_OK(has_problem(&l, "SQL Config row 8", "configuration files only"),
	     "who is asked does not come from the database");
	T_OK(has_problem(&l, "SQL Config row 9", "no option ''"), "NULLs are empty");
	T_OK(conf_serial(l.conf, CONF_SQL).used && conf_serial(l.conf, CONF_SQL).number == -1 &&
		     !conf_serial(l.conf, CONF_LDAP).used,
	     "SQL without a serial number");
	unload(&l);
	database("");
	load_text(&l, LOGIN CONFIG);
	T_OK(l.conf != NULL && has_problem(&l, "main.conf:4", "nothing for this host"),
	     "no row: said, and the files count");
	unload(&l);
}

static void test_peek(void)
{
	struct loaded l;

	database("INSERT INTO peek VALUES (HOST, 'Max Children', '4'), (HOST, 'runasuser', 'mail'),"
		 "('other', 'MTA', 'exim'), (HOST, 'Log Level', 'debug');"
		 "INSERT INTO config VALUES (HOST, 'workuser', 'root');");
	load_text(&l, "Max Children = 9\n" LOGIN PEEK);
	T_OK(is(&l, OPT_MAX_CHILDREN, NULL, "4", "SQL Quick Peek row 1"), "by its name");
	T_OK(is(&l, OPT_RUN_AS_USER, NULL, "mail", "SQL Quick Peek row 1"),
	     "by its name in lower case without blanks");
	T_OK(is(&l, OPT_MTA, NULL, "sendmail", "default"), "another host's does not count");
	T_OK(is(&l, OPT_LOG_LEVEL, NULL, "info", "default"), "asked for what counts at start only");
	unload(&l);
	database("INSERT INTO peek VALUES (HOST, 'Max Children', '4');"
		 "INSERT INTO config VALUES (HOST, 'children', '5');");
	load_text(&l, LOGIN PEEK CONFIG);
	T_OK(is(&l, OPT_MAX_CHILDREN, NULL, "5", "SQL Config row 1"), "the full read comes later");
	unload(&l);
}

static void test_serial(void)
{
	struct loaded l;
	struct err err;
	int64_t n = 0;

	database("INSERT INTO serial VALUES (41);");
	load_text(&l, LOGIN SERIAL);
	T_OK(l.conf != NULL && conf_serial(l.conf, CONF_SQL).number == 41, "from the statement");
	unload(&l);
	T_OK(confdb_serial(at(MAIN_FILE), CONF_SQL, &n, NULL) == 0 && n == 41, "asked alone");
	T_OK(confdb_serial(at(MAIN_FILE), CONF_LDAP, &n, &err) == -ENOENT, "no other back end: %s",
	     err.text);
	database("INSERT INTO serial VALUES (41);"
		 "INSERT INTO config VALUES (HOST, 'confserialnumber', '40');");
	load_text(&l, LOGIN SERIAL CONFIG);
	T_OK(l.conf != NULL && conf_serial(l.conf, CONF_SQL).number == 40,
	     "that of the options is the one that was loaded");
	unload(&l);
	database("INSERT INTO serial VALUES ('soon');");
	load_text(&l, LOGIN SERIAL);
	T_OK(l.conf != NULL && conf_serial(l.conf, CONF_SQL).number == -1 &&
		     has_problem(&l, "main.conf:4", "is not a serial number"),
	     "no number: said");
	unload(&l);
	T_OK(confdb_serial(at(MAIN_FILE), CONF_SQL, &n, &err) < 0, "asked alone: %s", err.text);
	database("");
	load_text(&l, LOGIN SERIAL);
	T_OK(l.conf != NULL && has_problem(&l, "main.conf:4", "no row"), "no row: said");
	unload(&l);
	(void)unlink(at(DB_FILE));
	T_OK(confdb_serial(at(MAIN_FILE), CONF_SQL, &n, &err) < 0 && err.kind == ERR_TEMP,
	     "no database: %s", err.text);
}

static void test_spamassassin(void)
{
	struct bytes b = { NULL, 0 };
	struct loaded l;

	database("INSERT INTO sa VALUES (HOST, 'score X 1'), (HOST, 'required_score 6');");
	load_text(&l, LOGIN SA);
	T_OK(l.conf != NULL && conf_file(l.conf, CONF_SPAMASSASSIN_LINES, &b) == 0 &&
		     bytes_eq(b, BYTES("score X 1\nrequired_score 6\n")),
	     "lines are kept");
	unload(&l);
}

/* ---- rulesets ---- */

static void test_rulesets(void)
{
	struct loaded l;

	database("INSERT INTO ruleset VALUES ('scan.customize', 20, 'From: a@b no'),"
		 "('scan.customize', 10, '# nothing'), ('scan.customize', 30, 'FromOrTo: default "
		 "yes'),"
		 "('scan.customize', 40, 'From: c@d maybe'), ('scan.customize', 50, 'nonsense'),"
		 "('my.RuleSet', 1, 'From: a@b store' || char(10) || 'delete'),"
		 "('my.RuleSet', 'x', 'From: c@d forward' || char(9) || 'x@y'),"
		 "('size customise', 1, 'From: a@b' || char(0) || 'c 5');");
	load_text(&l,
		  "Virus Scanning = scan.customize\nSpam Actions = my.RuleSet\n"
		  "Maximum Message Size = size customise\nSilent Viruses = other.Ruleset\n" LOGIN
			  RULESET);
	T_OK(is(&l, OPT_VIRUS_SCANNING, "a@b", "no", "SQL Ruleset scan.customize row 20"),
	     "a rule decides, and its row is named");
	T_OK(is(&l, OPT_VIRUS_SCANNING, "z@z", "yes", "SQL Ruleset scan.customize row 30"),
	     "the default");
	T_OK(has_problem(&l, "SQL Ruleset scan.customize row 40", "is not one of"), "a bad value");
	T_OK(has_problem(&l, "SQL Ruleset scan.customize row 50", "too few fields"), "a bad rule");
	T_OK(is(&l, OPT_SPAM_ACTIONS, "a@b", "store delete", "SQL Ruleset my.RuleSet row 1"),
	     "a line break in a rule is a blank");
	T_OK(is(&l, OPT_SPAM_ACTIONS, "c@d", "forward\tx@y", "SQL Ruleset my.RuleSet row 2"),
	     "a row without a number counts on; tabs stay");
	T_OK(has_problem(&l, "SQL Ruleset size customise row 1", "NUL"), "NUL bytes are seen");
	T_OK(is(&l, OPT_SILENT_VIRUSES, NULL, "other.Ruleset", at(MAIN_FILE ":4")),
	     "another spelling is a value");
	unload(&l);
}

static void test_no_ruleset(void)
{
	struct loaded l;

	database("");
	load_text(&l, "Virus Scanning = scan.customize\n" LOGIN RULESET);
	T_OK(is(&l, OPT_VIRUS_SCANNING, NULL, "yes", "default") &&
		     has_problem(&l, "main.conf:1", "no ruleset 'scan.customize'"),
	     "a ruleset that is not there: the default, and it is said");
	unload(&l);
	load_text(&l, "Filename Rules = names.customize\n" LOGIN RULESET);
	T_OK(l.conf == NULL && l.err.kind == ERR_CONFIG && strstr(l.err.text, "unchecked") != NULL,
	     "where mail would pass unchecked loading fails: %s", l.err.text);
	unload(&l);
	load_text(&l, "Virus Scanning = scan.customize\n");
	T_OK(l.conf != NULL && has_problem(&l, "main.conf:1", "is not one of"),
	     "without a database it is a bad value");
	unload(&l);
	load_text(&l, "DB DSN = DBI:SQLite:dbname=/nowhere\n");
	T_OK(l.conf != NULL && has_problem(&l, "main.conf:1", "no SQL statement"),
	     "a database that nobody asks");
	unload(&l);
}

/* ---- what goes wrong ---- */

static const struct {
	const char *text; /* behind LOGIN */
	enum err_kind kind;
	const char *place, *says;
} failures[] = {
	{ "SQL Config = SELEC 1\n", ERR_CONFIG, "main.conf:4", "syntax error" },
	{ "SQL Config = SELECT option, value FROM nowhere WHERE host = ?\n", ERR_CONFIG,
	  "main.conf:4", "no such table" },
	{ "SQL Config = SELECT value FROM config WHERE host = ?\n", ERR_CONFIG, "main.conf:4",
	  "gives 1 columns; expected 2 (option, value)" },
	{ "SQL Config = SELECT 1, 2, 3\n", ERR_CONFIG, "main.conf:4", "gives 3 columns" },
	{ "SQL Config = SELECT option, value FROM config WHERE host = ? OR host = ?\n", ERR_CONFIG,
	  "main.conf:4", "has 2 placeholders ('?'); SQL Config fills 1" },
	{ "SQL Config = SELECT 1, 2; SELECT 3, 4\n", ERR_CONFIG, "main.conf:4", "one SELECT" },
	{ "SQL Config = DELETE FROM config\n", ERR_CONFIG, "main.conf:4", "one SELECT" },
	{ "SQL Config = -- nothing\n", ERR_CONFIG, "main.conf:4", "one SELECT" },
	{ "SQL Config = ATTACH '/etc/passwd' AS x\n", ERR_CONFIG, "main.conf:4", "0 columns" },
	{ "SQL Config = SELECT 'a', hex(zeroblob(3000000))\n", ERR_CONFIG, "main.conf:4",
	  "too big" },
	{ "SQL Config = SELECT 'a', hex(zeroblob(600000))\n", ERR_CONFIG, "main.conf:4",
	  "row 1 is longer" },
	{ "SQL Config = SELECT 'chil' || char(0) || 'dren', '1'\n", ERR_CONFIG, "SQL Config row 1",
	  "NUL byte" },
	{ "SQL Serial Number = SELECT load_extension('/x')\n", ERR_CONFIG, "main.conf:4",
	  "not authorized" },
	{ "DB DSN = DBI:mysql:database=x\n" CONFIG, ERR_CONFIG, "main.conf:4",
	  "'mysql' databases are not supported" },
	{ "DB DSN = DBI:SQLite:dbname=/nonexistent/x.db\n" CONFIG, ERR_TEMP, "main.conf:4",
	  "No such file" },
	{ "DB DSN = DBI:SQLite:dbname=%conf-dir%/pipe\n" CONFIG, ERR_CONFIG, "main.conf:4",
	  "not a file" },
	{ "DB DSN = DBI:SQLite:dbname=%conf-dir%/main.conf\n" CONFIG, ERR_CONFIG, "main.conf:4",
	  "not a database" },
	{ "DB DSN = DBI:SQLite:dbname=%conf-dir%\n" CONFIG, ERR_CONFIG, "main.conf:4",
	  "not a file" },
};

static void test_failures(void)
{
	database("INSERT INTO config VALUES (HOST, 'children', '1');");
	if (mkfifo(at("pipe"), 0600) < 0)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		AUTO(str_fini) struct str text;
		struct loaded l;

		str_init(&text, MIB);
		str_addf(&text, "%s%s", LOGIN, failures[i].text);
		load_text(&l, str_view(&text));
		if (!T_OK(l.conf == NULL && l.err.kind == failures[i].kind &&
				  has_problem(&l, failures[i].place, failures[i].says) &&
				  strstr(l.err.text, "geheim") == NULL,
			  "%s: %s", failures[i].says, l.err.text))
			show(&l);
		unload(&l);
	}
	(void)unlink(at("pipe"));
}

/* One line for a failure, however many options wait for the database. */
static void test_one_line(void)
{
	struct loaded l;
	size_t errors = 0;

	load_text(&l, "Virus Scanning = a.customize\nSpam Checks = b.customize\n"
		      "DB DSN = DBI:SQLite:dbname=/nonexistent/x.db\n" CONFIG RULESET SERIAL PEEK);
	for (size_t i = 0; i < conf_report_count(l.report); i++)
		errors += conf_report_at(l.report, i)->severity == CONF_ERROR;
	T_OK(l.conf == NULL && errors == 1, "%zu error lines", errors);
	unload(&l);
}

static void test_locked(void)
{
	struct loaded l;
	sqlite3 *db = NULL;

	database("INSERT INTO config VALUES (HOST, 'children', '6');");
	if (sqlite3_open(at(DB_FILE), &db) != SQLITE_OK ||
	    sqlite3_exec(db,
			 "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; UPDATE config SET value = 9",
			 NULL, NULL, NULL) != SQLITE_OK)
		abort();
	load_text(&l, LOGIN CONFIG);
	T_OK(is(&l, OPT_MAX_CHILDREN, NULL, "6", "SQL Config row 1"),
	     "somebody writes (WAL): what was committed");
	unload(&l);
	(void)sqlite3_close(db);
}

/* ---- other processes ---- */

static bool fd_contains(int fd, const char *text)
{
	struct stat st;
	void *p;
	bool found;

	if (fstat(fd, &st) < 0)
		abort();
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		abort();
	found = memmem(p, (size_t)st.st_size, text, strlen(text)) != NULL;
	(void)munmap(p, (size_t)st.st_size);
	return found;
}

#define SECRETS                                                                                    \
	"%pw% = gehe%rest%\nDB DSN = DBI:SQLite:dbname=%conf-dir%/conf.db\n"                       \
	"db_password = %pw%$SALLYPORT_TEST_SECRET# geheim\n"                                       \
	"# DB Password = geheim\n#DBPassword=geheim\nDB Passwort = geheim\nInclude "               \
	"%conf-dir%/more.conf\n"

static void test_bundle(void)
{
	AUTO(conf_source_close) struct conf_source *bundle = NULL;
	AUTO(conf_unref) struct conf *c = NULL;
	AUTO(fd_close) int fd = -1;
	struct loaded l;
	bool same = true;

	database("INSERT INTO config VALUES (HOST, 'virusscan', 'scan.customize');"
		 "INSERT INTO ruleset VALUES ('scan.customize', 5, 'From: a@b no');"
		 "INSERT INTO serial VALUES (3);");
	put("more.conf", "DB Password = geheim\n");
	if (setenv("SALLYPORT_TEST_SECRET", "geheim", 1) < 0)
		abort();
	load_text(&l, "%rest% = geheim\n" SECRETS CONFIG RULESET SERIAL);
	T_OK(is(&l, OPT_DB_PASSWORD, NULL, "(hidden)", at("more.conf:1")),
	     "the password is not shown");
	T_OK(strcmp(conf_str(l.conf, OPT_DB_PASSWORD, NULL), "(hidden)") == 0, "to nobody");
	fd = conf_source_write_bundle(l.source, NULL);
	T_OK(fd >= 0 && fd_contains(fd, "scan.customize") && !fd_contains(fd, "geheim") &&
		     !fd_contains(fd, "gehe%"),
	     "the bundle holds the rows and no password, nor what it was made of");
	(void)unlink(at(DB_FILE));
	if (conf_source_bundle(&bundle, fd, NULL) < 0 ||
	    conf_load(&c, bundle, at(MAIN_FILE), NULL, NULL) < 0)
		abort();
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		const struct conf_who who = { .from = "a@b" };

		same &= strcmp(conf_written(l.conf, id, &who), conf_written(c, id, &who)) == 0 &&
			strcmp(conf_where(l.conf, id, &who), conf_where(c, id, &who)) == 0;
	}
	T_OK(same && conf_serial(c, CONF_SQL).number == 3,
	     "another process has the same configuration without the database");
	unload(&l);
}

/* Whatever a password looks like, no message repeats it. */
static void test_messages(void)
{
	static const char *const lines[] = {
		"DB Password = &geheim(1)\n",    "DB Password = %geheim%\n",
		"DB Password = /geheim.rules\n", "DB Password = geheim.customize\n",
		"DB Password geheim\n",          "DB Passwort = geheim\n"
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct loaded l;
		bool told = false;

		load_text(&l, lines[i]);
		if (l.conf != NULL)
			conf_explain(l.conf, l.report);
		for (size_t k = 0; k < conf_report_count(l.report); k++)
			told |= strstr(conf_report_at(l.report, k)->text, "geheim") != NULL;
		if (!T_OK(!told && strstr(l.err.text, "geheim") == NULL &&
				  (l.conf == NULL || i > 4 ||
				   is(&l, OPT_DB_PASSWORD, NULL, i == 1 ? "" : "(hidden)",
				      at(MAIN_FILE ":1"))),
			  "%s", lines[i]))
			show(&l);
		unload(&l);
	}
}

static void test_cache(void)
{
	const char *why = NULL;
	struct loaded l;
	struct err err = { .kind = ERR_NONE };
	int fd;

	database("INSERT INTO config VALUES (HOST, 'children', '6');");
	load_text(&l, LOGIN CONFIG "SQL Cache File = %conf-dir%/cache\n");
	fd = conf_source_write_bundle(l.source, NULL);
	T_OK(l.conf != NULL && !confdb_used_cache(l.db, &why) &&
		     confdb_write_cache(at("cache"), fd, &err) == 0 &&
		     access(at("cache.new"), F_OK) < 0,
	     "kept %s", err.text);
	(void)close(fd);
	unload(&l);
	(void)unlink(at(DB_FILE));
	load(&l);
	T_OK(is(&l, OPT_MAX_CHILDREN, NULL, "6", "SQL Config row 1") &&
		     confdb_used_cache(l.db, &why),
	     "the database is away: what was kept counts (%s)", why);
	unload(&l);
	load_text(&l,
		  "Max Children = 2\n" LOGIN CONFIG SERIAL "SQL Cache File = %conf-dir%/cache\n");
	T_OK(l.conf == NULL && l.err.kind == ERR_TEMP, "a question it does not know: %s",
	     l.err.text);
	unload(&l);
	put(MAIN_FILE, LOGIN CONFIG "SQL Cache File = %conf-dir%/cache\n");
	(void)chmod(at("cache"), 0666);
	load(&l);
	T_OK(l.conf == NULL && l.err.kind == ERR_TEMP, "others may write it: not used");
	unload(&l);
	(void)chmod(at("cache"), 0600);
	if (chown(at("cache"), 65534, (gid_t)-1) == 0) {
		load(&l);
		T_OK(l.conf == NULL && l.err.kind == ERR_TEMP, "another user's: not used");
		unload(&l);
		(void)!chown(at("cache"), geteuid(), (gid_t)-1);
	}
	load(&l);
	T_OK(is(&l, OPT_MAX_CHILDREN, NULL, "6", "SQL Config row 1"),
	     "ours, and nobody else's: used");
	unload(&l);
	put("cache", "rubbish");
	load(&l);
	T_OK(l.conf == NULL && l.err.kind == ERR_TEMP, "rubbish: not used");
	unload(&l);
	database("");
	load_text(&l, LOGIN "SQL Config = SELEC\nSQL Cache File = %conf-dir%/cache\n");
	T_OK(l.conf == NULL && l.err.kind == ERR_CONFIG, "a mistake is no reason to use it");
	unload(&l);
	T_OK(confdb_write_cache("/nonexistent/cache", 0, &err) < 0, "cannot be kept: %s", err.text);
}

static void test_many(void)
{
	struct loaded l;

	database("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
		 "INSERT INTO ruleset SELECT 'scan.customize', i, 'From: u' || i || '@example.com "
		 "no' "
		 "FROM n;");
	load_text(&l, "Virus Scanning = scan.customize\n" LOGIN RULESET);
	T_OK(is(&l, OPT_VIRUS_SCANNING, "u49999@example.com", "no",
		"SQL Ruleset scan.customize row 49999"),
	     "50,000 rules");
	unload(&l);
}

int main(void)
{
	if (mkdtemp(dir) == NULL || gethostname(host, sizeof(host) - 1) < 0)
		abort();
	test_options();
	test_peek();
	test_serial();
	test_spamassassin();
	test_rulesets();
	test_no_ruleset();
	test_failures();
	test_one_line();
	test_locked();
	test_bundle();
	test_messages();
	test_cache();
	test_many();
	for (size_t i = 0; i < 6; i++)
		(void)unlink(at((const char *[]){ MAIN_FILE, DB_FILE, "more.conf", "cache",
						  DB_FILE "-wal", DB_FILE "-shm" }[i]));
	(void)rmdir(dir);
	return t_done();
}
