/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "sandbox/feature.h"
#include "supervisor/options.h"

static struct config read_text(const char *text)
{
	struct tensock_error error;
	struct config config;

	config_init(&config);
	if (config_parse(&config, "file", text, strlen(text), &error) < 0)
		fail_msg("%s", error.message);
	if (config_finish(&config, &error) < 0)
		fail_msg("%s", error.message);
	return config;
}

static void refused(const char *text, size_t size, const char *why)
{
	struct tensock_error error = { 0 };
	struct config config;
	int r;

	config_init(&config);
	r = config_parse(&config, "file", text, size, &error);
	if (r == 0)
		r = config_finish(&config, &error);
	config_done(&config);
	if (r >= 0)
		fail_msg("taken: %s", text);
	if (!strstr(error.message, why))
		fail_msg("\"%s\" does not say \"%s\"", error.message, why);
}

static void test_empty(void **state)
{
	struct config config = read_text("");

	(void)state;
	assert_int_equal(config.n_listens, 0);
	assert_int_equal(config.n_guests, 0);
	assert_int_equal(config.log_level, TSK_LOG_INFO);
	assert_int_equal(config.allow_local_cid, 0);
	assert_int_equal(config.guests_max, 64);
	assert_int_equal(config.engines.n, 2);
	assert_string_equal(config.engines.list[0].name, "onnxruntime");
	assert_int_equal(config.engines.list[0].threads, 1);
	assert_true(config.limits.value[LIMIT_MODEL_BYTES] == UINT64_C(2) << 30);
	config_done(&config);
}

static void test_full(void **state)
{
	struct config config = read_text("# comment\n"
					 "[guest web]\n"
					 "\tvhost-socket = /run/web.vhost \r\n"
					 "uds=/run/web.vsock\n"
					 "max-workers = 2\n"
					 "[ daemon ]\n"
					 "listen = unix:/run/a.sock\n"
					 "listen = tcp:127.0.0.1:9999\n"
					 "max-workers = 5\n"
					 "log-level = debug\n"
					 "allow-local-cid = yes\n"
					 "allow-unsandboxed = landlock, namespaces\n"
					 "[guest cid-7]\n"
					 "run-deadline = 10ms\n"
					 "[guest fc]\n"
					 "hybrid = /run/fc=1.vsock\n"
					 "[engine echo]\n"
					 "plugin = /lib/echo.so\n"
					 "threads = 4"); /* no newline at the end */
	const struct config_guest *web = config_guest(&config, "web");

	(void)state;
	assert_int_equal(config.n_listens, 2);
	assert_string_equal(config.listens[0].path, "/run/a.sock");
	assert_int_equal(config.log_level, TSK_LOG_DEBUG);
	assert_int_equal(config.allow_local_cid, 1);
	assert_int_equal(config.may_lack, SANDBOX_LANDLOCK | SANDBOX_NAMESPACES);
	assert_string_equal(web->vhost_socket, "/run/web.vhost");
	assert_string_equal(web->uds, "/run/web.vsock");
	assert_int_equal(web->cid, 3);
	/* A guest's own limit wins, also over a [daemon] that comes later; others are the daemon's. */
	assert_int_equal(web->limits.value[LIMIT_WORKERS], 2);
	assert_int_equal(web->limits.value[LIMIT_RUN_DEADLINE_MS], 30000);
	assert_int_equal(config_guest(&config, "cid-7")->limits.value[LIMIT_RUN_DEADLINE_MS], 10);
	assert_int_equal(config_guest(&config, "cid-7")->limits.value[LIMIT_WORKERS], 5);
	assert_string_equal(config_guest(&config, "fc")->hybrid, "/run/fc=1.vsock");
	assert_null(config_guest(&config, "nobody"));
	assert_int_equal(config.engines.n, 1);
	assert_string_equal(config.engines.list[0].plugin, "/lib/echo.so");
	assert_int_equal(config.engines.list[0].threads, 4);
	config_done(&config);
}

static void test_store(void **state)
{
	struct config config = read_text("[guest web]\nstore = no\nmodel-keep = 48h\n"
					 "[guest cid-5]\nstore-size = 1MiB\n"
					 "[daemon]\nstore = /var/lib/x\nmodel-keep = 30h\n");
	const struct config_guest *web = config_guest(&config, "web"),
				  *cid = config_guest(&config, "cid-5");

	(void)state;
	assert_string_equal(config.store.path, "/var/lib/x");
	assert_true(config.store.bytes == UINT64_C(10) << 30);
	assert_false(store_setting_allows(&config.store, "web", &web->store));
	assert_true(store_setting_allows(&config.store, "cid-5", &cid->store));
	assert_int_equal(cid->store.bytes, 1 << 20);
	assert_int_equal(config_longest_keep_ms(&config), 48 * 3600 * 1000);
	config_done(&config);
	config = read_text("[daemon]\nmodel-keep = 30h\n");
	assert_int_equal(config_longest_keep_ms(&config), 30 * 3600 * 1000);
	config_done(&config);
}

/* Who is known at all, and what each may use. */
static void test_rights(void **state)
{
	struct config config = read_text(
		"[guest web]\nengines = onnxruntime\n"
		"[daemon]\nguests = configured\nengines = mindspore_lite onnxruntime\n"
		"models = 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
		"listen = hybrid:fc=/run/fc\n"
		"[guest cid-7]\nmodels = any\n");
	const struct config_guest attached = { .name = "late", .hybrid = "/run/late" };
	struct tensock_error error;

	(void)state;
	assert_int_equal(config.only_configured, 1);
	assert_true(config_knows(&config, "web"));
	assert_true(config_knows(&config, "cid-7"));
	assert_true(config_knows(&config, "fc"));
	assert_false(config_knows(&config, "cid-8"));
	assert_false(config_knows(&config, "late"));
	assert_false(rights_has_engine(config_rights(&config, "web"), "mindspore_lite"));
	assert_true(rights_has_engine(config_rights(&config, "cid-7"), "mindspore_lite"));
	assert_int_equal(config_rights(&config, "web")->n_models, 1);
	assert_int_equal(config_rights(&config, "cid-7")->n_models, 0);
	assert_int_equal(config_rights(&config, "nobody")->n_models, 1);
	assert_int_equal(config_attach(&config, &attached, &error), 0);
	assert_true(config_knows(&config, "late"));
	assert_int_equal(config_rights(&config, "late")->n_models, 1);
	config_detach(&config, "late");
	assert_false(config_knows(&config, "late"));
	config_done(&config);
	config = read_text("[daemon]\nguests = any");
	assert_int_equal(config.only_configured, 0);
	config_done(&config);
}

static void expect_ports(const struct ports *ports, unsigned n, uint32_t first)
{
	assert_int_equal(ports->n, n);
	assert_int_equal(ports->list[0], first);
}

static void test_ports(void **state)
{
	struct config config =
		read_text("[guest web]\nports = 8000, 8001\nvhost-socket = /w\nuds = /u\n"
			  "[guest db]\nhybrid = /db\n"
			  "[daemon]\nports = 7, 9999, 8\n"
			  "listen = hybrid:web=/u\nlisten = hybrid:fc=/fc\n");
	const struct config_guest late = { .name = "late", .hybrid = "/late" },
				  other = { .name = "other", .hybrid = "/u" };
	struct tensock_error error;

	(void)state;
	expect_ports(&config.ports, 3, 7);
	expect_ports(config_ports(&config, "web"), 2, 8000);
	expect_ports(config_ports(&config, "db"), 3, 7);
	expect_ports(config_ports(&config, "fc"), 3, 7);
	assert_int_equal(config_attach(&config, &late, &error), 0);
	expect_ports(config_ports(&config, "late"), 3, 7);
	assert_true(config_attach(&config, &other, &error) < 0);
	assert_non_null(strstr(error.message, "/u_7 is what guest web reaches at port 7"));
	/* A section's ports stay when its sockets go. */
	config_detach(&config, "web");
	expect_ports(config_ports(&config, "web"), 2, 8000);
	config_done(&config);
	config = read_text("[guest web]\nports = 8000\n");
	expect_ports(&config.ports, 1, 9999);
	expect_ports(config_ports(&config, "web"), 1, 8000);
	config_done(&config);
}

static void test_bad_lines(void **state)
{
	static const char *const bad[][2] = {
		{ "\n\nlisten = vsock:1", "file:3: a setting before" },
		{ "[daemon]\nlisten", "file:2: 'listen' is neither" },
		{ "[daemon]\nlisten =", "is no address" },
		{ "[daemon]\nport = 1", "[daemon] has no setting 'port'" },
		{ "[daemon]\nguests = some", "write any or configured" },
		{ "[daemon]\nguests = any\nguests = any", "guests is given twice" },
		{ "[guest a]\nguests = any", "[guest] has no setting 'guests'" },
		{ "[guest a]\nmodels = 0123", "file:2: models: '0123' is no SHA-256" },
		{ "[guest a]\nengines = typo", "[guest a]: engines: there is no engine typo" },
		{ "[daemon]\nengines = typo", "[daemon]: engines: there is no engine typo" },
		{ "[daemon]\n= 1", "[daemon] has no setting ''" },
		{ "[daemon", "']' is missing" },
		{ "[]", "[] is no section" },
		{ "[guest]", "[guest] is no section" },
		{ "[guests a]", "is no section" },
		{ "[guest a b]", "no guest's name" },
		{ "[guest a/b]", "no guest's name" },
		{ "[guest shared]", "kept for" },
		{ "[guest uid-x]", "kept for" },
		{ "[guest a]\n[guest a]", "file:2: [guest a] is there twice" },
		{ "[guest a]\nlisten = vsock:1", "[guest] has no setting" },
		{ "[guest a]\ncid = 2", "a number from 3" },
		{ "[guest a]\nstore = /x", "write yes or no" },
		{ "[daemon]\nstore = x", "file:2: store: 'x' is not absolute" },
		{ "[daemon]\nstore-size = 1GiB", "but no store" },
		{ "[guest a]\nuds = /a\ncid = 3", "no vhost-socket" },
		{ "[guest a]\nvhost-socket = /a\nvhost-socket = /b", "given twice" },
		{ "[guest uid-0]\nhybrid = /a", "kept for" },
		{ "[guest uid-01]\nmax-workers = 1", "kept for" },
		{ "[guest uid-0000000000000000000000000000000000000000000000000000000000000001]\n"
		  "max-workers = 1",
		  "" },
		{ "[guest a]\nvhost-socket=/a\ncid=5\n[guest b]\nvhost-socket=/b\ncid=5",
		  "cid 5 of another" },
		{ "[guest a]\nvhost-socket=/a\nuds=/u\n[guest b]\nvhost-socket=/b\nuds=/u_22",
		  "/u_22 is what guest a reaches at port 22" },
		{ "[guest a]\nvhost-socket=/u_9\nuds=/u", "guest a reaches at port 9;" },
		{ "[daemon]\nports = 8000, 8001, 8000", "file:2: ports: 8000 is there twice" },
		{ "[guest a]\nports = 8000\nports = 8001", "file:3: ports is given twice" },
		{ "[guest cid-7]\nports = 8000", "file:2: guest cid-7 has no socket of its own" },
		{ "[guest tcp]\nports = 8000", "file:2: guest tcp has no socket of its own" },
		{ "[guest a]\nvhost-socket=/a\nuds=/u\n[guest b]\nports=9999 8000\nhybrid=/u",
		  "/u_8000 is what guest a reaches at port 8000; choose" },
		{ "[guest a]\nvhost-socket=/a\nuds=/u\nports=8000\n[guest b]\nhybrid=/u",
		  "/u_9999 is what guest a reaches at port 9999; choose" },
		{ "[daemon]\nlisten=hybrid:b=/u\n[guest b]\nports=1\n[guest a]\nvhost-socket=/a\n"
		  "uds=/u",
		  "/u_1 is what guest a reaches at port 1; choose" },
		{ "[daemon]\nmetrics=unix:/u_7\n[guest a]\nvhost-socket=/a\nuds=/u", "port 7;" },
		{ "[daemon]\nlisten=unix:/u_1\n[guest a]\nvhost-socket=/a\nuds=/u", "port 1;" },
		{ "[guest a]\nvhost-socket=/a\nuds=/2345678901234567890123456789012345678901234567"
		  "89012345678901234567890123456789012345678901234567",
		  "uds: the path has 97 bytes, a Unix socket's can have 96 here, as _PORT is put" },
		{ "[engine a]\nthreads = 1", "has no plugin" },
		{ "[engine a]\nplugin = /a\n[engine a]", "file:3: [engine a] is there twice" },
		{ "[engine ]", "[engine] is no section" },
		{ "[engine onnxruntime]\nfp16 = 1", "yes or no" },
		{ "[engine onnxruntime]\ncolour = red", "[engine] has no setting 'colour'" },
		{ "[engine onnxruntime]\nthreads = 0", "a number from 1" },
		{ "[engine onnxruntime]\nthreads = 257", "to 256" },
		{ "[engine onnxruntime]\nparallel = 0", "a number from 1" },
		{ "[engine onnxruntime]\nparallel = 65", "to 64" },
		{ "[daemon]\nmax-model-size = big", "file:2: max-model-size cannot be 'big'" },
		{ "[daemon]\nallow-local-cid = 1", "yes or no" },
		{ "[daemon]\nallow-unsandboxed = maybe", "write yes, no, or some of seccomp" },
		{ "[daemon]\nallow-unsandboxed = no\nallow-unsandboxed = no", "twice" },
		{ "[daemon]\nlog-level = loud", "write error" },
		{ "[daemon]\nmax-guests = 0", "a number from 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refused(bad[i][0], strlen(bad[i][0]), bad[i][1]);
}

static void test_hostile_bytes(void **state)
{
	char text[4096];

	(void)state;
	memset(text, 'a', sizeof(text));
	refused(text, sizeof(text), "file:1: the line has more than");
	memcpy(text, "[daemon]\n\0", 10);
	refused(text, 10, "file:2: the line has a NUL byte");
	memset(text, '\n', sizeof(text));
	text[sizeof(text) - 1] = 'x';
	refused(text, sizeof(text), "file:4096:");
	memcpy(text, "[guest \x1b[31m]", 13);
	refused(text, 13, "no guest's name: use"); /* and the escape comes out as '?' */
}

static void test_too_many(void **state)
{
	char text[CONFIG_LISTENS_MAX * 20 + 64];
	size_t len = (size_t)snprintf(text, sizeof(text), "[daemon]\n");

	(void)state;
	for (unsigned i = 0; i <= CONFIG_LISTENS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "listen = vsock:1\n");
	refused(text, len, "more than 64 addresses");
}

static void test_cids(void **state)
{
	struct config config = read_text("[guest a]\nvhost-socket = /a\n"
					 "[guest b]\nvhost-socket = /b\ncid = 3\n"
					 "[guest c]\nvhost-socket = /c\n"
					 "[guest d]\nhybrid = /d\n");

	(void)state;
	assert_int_equal(config_guest(&config, "a")->cid, 4);
	assert_int_equal(config_guest(&config, "b")->cid, 3);
	assert_int_equal(config_guest(&config, "c")->cid, 5);
	assert_int_equal(config_guest(&config, "d")->cid, 0);
	config_done(&config);
}

static void test_vm(void **state)
{
	static const char *const bad[] = { "",
					   "web",
					   "=",
					   "web=",
					   "web=/a,",
					   "web=/a,cid=2",
					   "web=/a,cid=3,cid=4",
					   "web=/a,port=1",
					   "w b=/a",
					   "web=/a,uds=",
					   "uid-3=/a" };
	struct config config =
		read_text("[guest web]\nvhost-socket = /old\ncid = 9\nuds = /old.uds\n"
			  "max-workers = 3\n");
	struct tensock_error error;

	(void)state;
	assert_int_equal(config_set_vm(&config, "web=/new,cid=5", &error), 0);
	assert_int_equal(config.n_guests, 1);
	assert_string_equal(config.guests[0].vhost_socket, "/new");
	assert_string_equal(config.guests[0].uds, "");
	assert_int_equal(config.guests[0].cid, 5);
	assert_int_equal(config.guests[0].limits.value[LIMIT_WORKERS], 3);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (config_set_vm(&config, bad[i], &error) >= 0)
			fail_msg("taken: %s", bad[i]);
	}
	config_done(&config);
}

/* The file may have it too, but two VMs of one name would be one, and one socket missing. */
static void test_vm_twice(void **state)
{
	struct config config = read_text("[guest web]\nvhost-socket = /old\n");
	struct tensock_error error;

	(void)state;
	assert_int_equal(config_set_vm(&config, "web=/new", &error), 0);
	assert_int_equal(config_set_vm(&config, "db=/db", &error), 0);
	assert_true(config_set_vm(&config, "web=/other", &error) < 0);
	assert_non_null(strstr(error.message, "two of the name web"));
	config_done(&config);
}

/* The command line */

static int options(struct config *config, struct tensock_error *error, char *one, char *two)
{
	char *argv[] = { "tensockd", one, two, NULL };

	config_init(config);
	return options_read(two ? 3 : one ? 2 : 1, argv, config, NULL, error);
}

static void test_options_win(void **state)
{
	char path[] = "/tmp/tensock-config-XXXXXX";
	static const char text[] = "[daemon]\nlisten = vsock:1\nlog-level = error\n";
	int fd = mkstemp(path);
	char *argv[] = { "tensockd", "--config",        path, "--listen=unix:/b", "--log-level",
			 "debug",    "--vm=v=/v,cid=8", NULL };
	struct tensock_error error;
	struct config config;
	int r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	config_init(&config);
	r = options_read(ARRAY_SIZE(argv) - 1, argv, &config, NULL, &error);
	unlink(path);
	if (r != OPTIONS_RUN)
		fail_msg("%s", error.message);
	assert_int_equal(config.n_listens, 1);
	assert_string_equal(config.listens[0].path, "/b");
	assert_int_equal(config.log_level, TSK_LOG_DEBUG);
	assert_int_equal(config.guests[0].cid, 8);
	config_done(&config);
}

static void test_bad_options(void **state)
{
	static char *const bad[][3] = {
		{ "--port", "1", "'--port' is no option" },
		{ "-x", NULL, "'-x' is no option" },
		{ "--listen", NULL, "lacks its value" },
		{ "--listen", "nowhere", "--listen: 'nowhere' is no address" },
		{ "--vm", "x", "--vm: 'x' has no socket" },
		{ "--log-level", "loud", "no level" },
		{ "--engine", "x", "no engine x; there are onnxruntime, mindspore_lite" },
		{ "--engine", "", "--engine: the engine's name has no value" },
		{ "--config", "/nonexistent/file", "/nonexistent/file cannot be opened" },
		{ "--config", "/", "cannot be read" },
		{ "serve", NULL, "'serve' is too much" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tensock_error error = { 0 };
		struct config config;

		if (options(&config, &error, bad[i][0], bad[i][1]) >= 0)
			fail_msg("taken: %s", bad[i][0]);
		if (!strstr(error.message, bad[i][2]))
			fail_msg("\"%s\" does not say \"%s\"", error.message, bad[i][2]);
		config_done(&config);
	}
}

static int attach(struct config *config, struct tensock_error *error, const char *name,
		  const char *vhost, const char *uds, const char *hybrid, uint64_t cid)
{
	struct config_guest guest = { .cid = cid };

	snprintf(guest.name, sizeof(guest.name), "%s", name);
	snprintf(guest.vhost_socket, sizeof(guest.vhost_socket), "%s", vhost);
	snprintf(guest.uds, sizeof(guest.uds), "%s", uds);
	snprintf(guest.hybrid, sizeof(guest.hybrid), "%s", hybrid);
	return config_attach(config, &guest, error);
}

static const char running[] = "[daemon]\nlisten = hybrid:fc=/fc\nmax-workers = 5\n"
			      "[guest limited]\nmax-workers = 2\n"
			      "[guest vm]\nvhost-socket = /vm.vhost\nuds = /vm\ncid = 4\n";

static void test_attach(void **state)
{
	struct tensock_error error = { 0 };
	struct config config;

	(void)state;
	config_init(&config);
	assert_int_equal(config_parse(&config, "f", running, sizeof(running) - 1, &error), 0);
	assert_int_equal(config_finish(&config, &error), 0);
	assert_int_equal(attach(&config, &error, "a", "/a.vhost", "", "", 0), 0);
	assert_int_equal(attach(&config, &error, "b", "/b.vhost", "/b", "", 0), 0);
	assert_int_equal(attach(&config, &error, "limited", "", "", "/l", 0), 0);
	assert_int_equal(config.n_guests, 4);
	assert_int_equal(config_guest(&config, "a")->cid, 3);
	assert_int_equal(config_guest(&config, "b")->cid, 5);
	assert_int_equal(config_guest(&config, "limited")->cid, 0);
	assert_int_equal(config_guest(&config, "a")->limits.value[LIMIT_WORKERS], 5);
	assert_int_equal(config_guest(&config, "limited")->limits.value[LIMIT_WORKERS], 2);
	assert_true(config_guest(&config, "a")->is_attached);
	assert_false(config_guest(&config, "vm")->is_attached);

	/* What had a section keeps it, others go; the rest stays where it was. */
	config_detach(&config, "a");
	config_detach(&config, "limited");
	config_detach(&config, "vm");
	config_detach(&config, "nobody");
	assert_null(config_guest(&config, "a"));
	assert_int_equal(config_guest(&config, "b")->cid, 5);
	assert_string_equal(config_guest(&config, "vm")->vhost_socket, "");
	assert_false(config_has_sockets(&config, "vm"));
	assert_true(config_has_sockets(&config, "b"));
	assert_int_equal(attach(&config, &error, "limited", "/l.vhost", "", "", 4), 0);
	assert_int_equal(config_guest(&config, "limited")->limits.value[LIMIT_WORKERS], 2);
	/* The address goes, too. */
	assert_true(attach(&config, &error, "fc", "", "", "/x", 0) < 0);
	config_detach(&config, "fc");
	assert_int_equal(config.n_listens, 0);
	assert_int_equal(attach(&config, &error, "fc", "", "", "/x", 0), 0);
	config_done(&config);
}

static void test_bad_attach(void **state)
{
	static const struct {
		const char *name, *vhost, *uds, *hybrid;
		uint64_t cid;
		const char *words;
	} bad[] = {
		{ "vm", "/x", "", "", 0, "a guest vm already" },
		{ "fc", "/x", "", "", 0, "a guest fc already" },
		{ "tcp", "/x", "", "", 0, "choose another" },
		{ "", "/x", "", "", 0, "no guest's name" },
		{ "new", "", "", "", 0, "no socket" },
		{ "new", "x", "", "", 0, "vhost-socket: 'x' is not absolute" },
		{ "new", "/x", "y", "", 0, "uds: 'y' is not absolute" },
		{ "new", "", "", "z", 0, "hybrid: 'z' is not absolute" },
		{ "new", "", "/y", "/z", 0, "no vhost-socket" },
		{ "new", "", "", "/z", 9, "no vhost-socket" },
		{ "new", "/x", "", "", 4, "the cid 4 of another" },
		{ "new", "/x", "", "", 2, "from 3" },
		{ "new", "/x", "", "", UINT64_C(0xffffffff), "from 3" },
		{ "new", "/vm_7", "", "", 0, "guest vm reaches at port 7" },
		{ "new", "/x", "/vm_8", "", 0, "guest vm reaches at port 8" },
		{ "new", "/x_9", "/x", "", 0, "guest new reaches at port 9" },
		{ "limited", "/vm_7", "", "", 0, "guest vm reaches at port 7" },
	};
	struct tensock_error error = { 0 };
	struct config config;

	(void)state;
	config_init(&config);
	assert_int_equal(config_parse(&config, "f", running, sizeof(running) - 1, &error), 0);
	assert_int_equal(config_finish(&config, &error), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct config_guest before[2];

		memcpy(before, config.guests, sizeof(before));
		if (attach(&config, &error, bad[i].name, bad[i].vhost, bad[i].uds, bad[i].hybrid,
			   bad[i].cid) >= 0)
			fail_msg("taken: %s", bad[i].words);
		if (!strstr(error.message, bad[i].words))
			fail_msg("\"%s\" does not say \"%s\"", error.message, bad[i].words);
		assert_int_equal(config.n_guests, 2);
		assert_int_equal(config.n_listens, 1);
		assert_string_equal(config.guests[0].vhost_socket, before[0].vhost_socket);
		assert_int_equal(config.guests[0].cid, before[0].cid);
		assert_false(config.guests[0].is_attached);
		assert_memory_equal(&config.guests[1], &before[1], sizeof(before[1]));
	}
	config_done(&config);
}

/* text as the configuration that takes the place of *old; 0 or what config_carry() and _finish() say. */
static int replace(struct config *config, const struct config *old, const char *text,
		   struct tensock_error *error)
{
	int r;

	config_init(config);
	r = config_parse(config, "f", text, strlen(text), error);
	if (r == 0)
		r = config_carry(config, old, error);
	return r < 0 ? r : config_finish(config, error);
}

static void test_carry(void **state)
{
	static const char before[] = "[guest a]\nvhost-socket = /a\n[guest b]\nvhost-socket = /b\n"
				     "[guest c]\nmax-models = 7\n";
	struct tensock_error error = { 0 };
	struct config old, config;

	(void)state;
	config_init(&old);
	assert_int_equal(config_parse(&old, "f", before, sizeof(before) - 1, &error), 0);
	assert_int_equal(config_finish(&old, &error), 0);
	assert_int_equal(attach(&old, &error, "c", "/c", "/uc", "", 0), 0);
	assert_int_equal(attach(&old, &error, "d", "", "", "/d", 0), 0);
	assert_int_equal(config_guest(&old, "c")->cid, 5);
	/* In another order, with one gone, one new and one that has moved. */
	assert_int_equal(replace(&config, &old,
				 "[daemon]\nmax-workers = 9\n[guest new]\nvhost-socket = /n\n"
				 "[guest b]\nvhost-socket = /b\n[guest c]\nmax-models = 8\n",
				 &error),
			 0);
	assert_null(config_guest(&config, "a"));
	assert_int_equal(config_guest(&config, "b")->cid, 4);
	assert_int_equal(config_guest(&config, "new")->cid, 3);
	assert_false(config_guest(&config, "b")->is_attached);
	assert_true(config_guest(&config, "c")->is_attached);
	assert_int_equal(config_guest(&config, "c")->cid, 5);
	assert_string_equal(config_guest(&config, "c")->uds, "/uc");
	assert_int_equal(config_guest(&config, "c")->limits.value[LIMIT_MODELS], 8);
	assert_string_equal(config_guest(&config, "d")->hybrid, "/d");
	assert_int_equal(config_guest(&config, "d")->limits.value[LIMIT_WORKERS], 9);
	config_done(&config);
	/* Another one is given the CID by name: it has it. */
	assert_int_equal(replace(&config, &old,
				 "[guest a]\nvhost-socket = /a\n"
				 "[guest n]\nvhost-socket = /n\ncid = 3\n",
				 &error),
			 0);
	assert_int_equal(config_guest(&config, "n")->cid, 3);
	assert_int_equal(config_guest(&config, "a")->cid, 4);
	config_done(&config);
	/* It is the guest's, wherever its socket is; none of one that has no device any more. */
	assert_int_equal(replace(&config, &old,
				 "[guest b]\nvhost-socket = /b2\n[guest a]\nhybrid = /a\n", &error),
			 0);
	assert_int_equal(config_guest(&config, "b")->cid, 4);
	assert_int_equal(config_guest(&config, "a")->cid, 0);
	config_done(&config);
	/* Not beside what is attached: by name, CID, or a port. */
	assert_true(replace(&config, &old, "[guest d]\nhybrid = /e\n", &error) < 0);
	assert_non_null(strstr(error.message, "attached"));
	config_done(&config);
	assert_true(replace(&config, &old, "[daemon]\nlisten = hybrid:d=/e\n", &error) < 0);
	config_done(&config);
	assert_true(replace(&config, &old, "[guest n]\nvhost-socket = /n\ncid = 5\n", &error) < 0);
	config_done(&config);
	assert_true(replace(&config, &old, "[guest n]\nvhost-socket = /uc_80\n", &error) < 0);
	assert_non_null(strstr(error.message, "at port 80"));
	config_done(&config);
	config_done(&old);
}

static void test_attach_too_many(void **state)
{
	struct tensock_error error = { 0 };
	struct config config;
	char name[16], path[16];

	(void)state;
	config_init(&config);
	assert_int_equal(config_finish(&config, &error), 0);
	for (unsigned i = 0; i < CONFIG_GUESTS_MAX; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		snprintf(path, sizeof(path), "/g%u", i);
		assert_int_equal(attach(&config, &error, name, "", "", path, 0), 0);
	}
	assert_true(attach(&config, &error, "more", "", "", "/more", 0) < 0);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	config_detach(&config, "g7");
	assert_int_equal(attach(&config, &error, "more", "", "", "/more", 0), 0);
	config_done(&config);
}

static void test_control(void **state)
{
	static const char text[] = "[daemon]\ncontrol = /c\n[guest a]\nvhost-socket = /a\n";
	struct tensock_error error = { 0 };
	struct config config;

	(void)state;
	config_init(&config);
	assert_int_equal(config_parse(&config, "f", text, sizeof(text) - 1, &error), 0);
	assert_string_equal(config.control, "/c");
	assert_int_equal(config_set_control(&config, "none", &error), 0);
	assert_string_equal(config.control, CONFIG_NO_CONTROL);
	assert_true(config_set_control(&config, "", &error) < 0);
	/* A guest must not reach it. */
	assert_int_equal(config_set_control(&config, "/u_80", &error), 0);
	assert_int_equal(config_finish(&config, &error), 0);
	assert_true(attach(&config, &error, "b", "/b", "/u", "", 0) < 0);
	assert_non_null(strstr(error.message, "at port 80"));
	config_done(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carry),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_bad_attach),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_attach_too_many),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_cids),
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_options_win),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_vm_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
