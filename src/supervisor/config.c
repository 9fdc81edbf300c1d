/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/config.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "sandbox/feature.h"
#include "supervisor/quantity.h"
#include "supervisor/reach.h"
#include "supervisor/setting.h"

#define GUESTS_DEFAULT 64u
#define CID_MAX UINT64_C(0xfffffffe)

void config_init(struct config *config)
{
	*config = (struct config){ .limits = limits_default,
				   .log_level = -1,
				   .log = { -1, -1 },
				   .allow_local_cid = -1,
				   .may_lack = -1,
				   .only_configured = -1 };
}

void config_done(struct config *config)
{
	free(config->guests);
	*config = (struct config){ 0 };
}

static struct config_guest *find_guest(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_guests; i++) {
		if (strcmp(config->guests[i].name, name) == 0)
			return &config->guests[i];
	}
	return NULL;
}

const struct config_guest *config_guest(const struct config *config, const char *name)
{
	return find_guest(config, name);
}

uint64_t config_longest_keep_ms(const struct config *config)
{
	uint64_t ms = config->limits.value[LIMIT_MODEL_KEEP_MS];

	for (unsigned i = 0; i < config->n_guests; i++) {
		uint64_t own_ms = config->guests[i].limits.value[LIMIT_MODEL_KEEP_MS];

		ms = own_ms > ms ? own_ms : ms;
	}
	return ms;
}

/* The guest of that name, which fits, made where there is none.  Pointers to others end here. */
static int get_guest(struct config *config, const char *name, struct config_guest **ret,
		     struct tensock_error *reterr)
{
	struct config_guest *guests;

	*ret = find_guest(config, name);
	if (*ret)
		return 0;
	if (config->n_guests == CONFIG_GUESTS_MAX)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED, "there are more than %u guests",
				CONFIG_GUESTS_MAX);
	/* There is room up to the next power of two. */
	if ((config->n_guests & (config->n_guests - 1)) == 0) {
		guests = reallocarray(config->guests, config->n_guests ? 2 * config->n_guests : 1,
				      sizeof(*guests));
		if (!guests)
			return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
		config->guests = guests;
	}
	*ret = &config->guests[config->n_guests++];
	**ret = (struct config_guest){ .store.is_on = -1 };
	snprintf((*ret)->name, sizeof((*ret)->name), "%s", name);
	return 0;
}

int config_add_listen(struct config *config, const char *text, struct tensock_error *reterr)
{
	if (config->n_listens == CONFIG_LISTENS_MAX)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED,
				"there are more than %u addresses to listen on",
				CONFIG_LISTENS_MAX);
	if (address_parse(text, &config->listens[config->n_listens], reterr) < 0)
		return -EINVAL;
	config->n_listens++;
	return 0;
}

/* Values of single keys.  All refuse a second value. */

static int set_may_lack(const char *key, const char *value, int *ret, struct tensock_error *reterr)
{
	unsigned features;

	if (*ret >= 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s is given twice", key);
	if (sandbox_features_parse(value, &features) < 0)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"%s cannot be '%.80s'; write yes, no, or some of seccomp, landlock, "
			"namespaces",
			key, value);
	*ret = (int)features;
	return 0;
}

int config_set_may_lack(struct config *config, const char *text, struct tensock_error *reterr)
{
	config->may_lack = -1;
	return set_may_lack("--allow-unsandboxed", text, &config->may_lack, reterr);
}

static int set_socket(const char *key, const char *value, size_t suffix_bytes,
		      char ret[ADDRESS_PATH_SIZE], struct tensock_error *reterr)
{
	if (address_check_path(value, suffix_bytes, reterr) < 0) {
		tsk_error_prefix(reterr, "%s", key);
		return -EINVAL;
	}
	return setting_text(key, value, ret, ADDRESS_PATH_SIZE, reterr);
}

static int set_log_level(struct config *config, const char *value, struct tensock_error *reterr)
{
	if (config->log_level >= 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "log-level is given twice");
	config->log_level = tsk_log_level_from_name(value);
	if (config->log_level < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"log-level cannot be '%.80s'; write error, warning, info or debug",
				value);
	return 0;
}

static int set_guests(struct config *config, const char *value, struct tensock_error *reterr)
{
	bool is_any = strcmp(value, "any") == 0;

	if (config->only_configured >= 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "guests is given twice");
	if (!is_any && strcmp(value, "configured") != 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"guests cannot be '%.80s'; write any or configured", value);
	config->only_configured = !is_any;
	return 0;
}

/* What both [daemon] and [guest] may say.  0, or 1 where the key is none of it, or -errno. */
static int set_for_guests(struct limits *limits, struct rights *rights, struct ports *ports,
			  const char *key, const char *value, struct tensock_error *reterr)
{
	int r;

	if (strcmp(key, "ports") == 0)
		return ports_set(ports, value, reterr);
	r = rights_set(rights, key, value, reterr);
	if (r <= 0)
		return r;
	r = limits_set(limits, key, value, reterr);
	return r < 0 ? r : !r;
}

/* One key of each kind of section.  0, or 1 where the key is none of it, or -errno. */

static int set_daemon(struct config *config, const char *key, const char *value,
		      struct tensock_error *reterr)
{
	int r;

	if (strcmp(key, "listen") == 0)
		return config_add_listen(config, value, reterr);
	if (strcmp(key, "control") == 0)
		return set_socket(key, value, 0, config->control, reterr);
	if (strcmp(key, "log-level") == 0)
		return set_log_level(config, value, reterr);
	if (strcmp(key, "allow-local-cid") == 0)
		return setting_bool(key, value, &config->allow_local_cid, reterr);
	if (strcmp(key, "allow-unsandboxed") == 0)
		return set_may_lack(key, value, &config->may_lack, reterr);
	if (strcmp(key, "max-guests") == 0)
		return setting_number(key, value, 1, CONFIG_GUESTS_MAX, &config->guests_max,
				      reterr);
	if (strcmp(key, "guests") == 0)
		return set_guests(config, value, reterr);
	r = store_setting_set(&config->store, key, value, reterr);
	if (r == 0)
		r = metrics_setting_set(&config->metrics, key, value, reterr);
	if (r == 0)
		r = log_setting_set(&config->log, key, value, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	return set_for_guests(&config->limits, &config->rights, &config->ports, key, value, reterr);
}

static int set_guest(struct config_guest *guest, const char *key, const char *value,
		     struct tensock_error *reterr)
{
	int r;

	if (strcmp(key, "vhost-socket") == 0)
		return set_socket(key, value, 0, guest->vhost_socket, reterr);
	if (strcmp(key, "uds") == 0)
		return set_socket(key, value, ADDRESS_SUFFIX_MAX, guest->uds, reterr);
	if (strcmp(key, "hybrid") == 0)
		return set_socket(key, value, ADDRESS_SUFFIX_MAX, guest->hybrid, reterr);
	if (strcmp(key, "cid") == 0)
		return setting_number(key, value, CONFIG_CID_FIRST, CID_MAX, &guest->cid, reterr);
	r = store_of_guest_set(&guest->store, key, value, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	/* It comes by a socket that is everybody's. */
	if (strcmp(key, "ports") == 0 && address_check_name(guest->name, NULL) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"guest %s has no socket of its own, and so no ports; use listen",
				guest->name);
	return set_for_guests(&guest->limits, &guest->rights, &guest->ports, key, value, reterr);
}

/* The file */

enum section_kind {
	SECTION_NONE,
	SECTION_DAEMON,
	SECTION_GUEST,
	SECTION_ENGINE
};

struct section {
	enum section_kind kind;
	char name[CONFIG_LINE_MAX]; /* SECTION_GUEST */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* text without the space around it; writes into text. */
static char *trimmed(char *text)
{
	size_t len;

	while (is_space(*text))
		text++;
	len = strlen(text);
	while (len > 0 && is_space(text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

/* A guest's section may be named after a connection, to give it limits: "uid-1000", "cid-5", "tcp". */
static int begin_guest(struct config *config, const char *name, struct section *section,
		       struct tensock_error *reterr)
{
	struct config_guest *guest;
	uint64_t number;
	bool by_connection = strcmp(name, "tcp") == 0;

	if (strncmp(name, "uid-", 4) == 0 || strncmp(name, "cid-", 4) == 0)
		/* Written as the connection's name is: without zeros before it, which could be many. */
		by_connection = quantity_number(name + 4, 0, UINT32_MAX, &number) == 0 &&
				(name[4] != '0' || !name[5]);
	if (!by_connection && address_check_name(name, reterr) < 0)
		return -EINVAL;
	if (find_guest(config, name))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "[guest %s] is there twice",
				name);
	section->kind = SECTION_GUEST;
	snprintf(section->name, sizeof(section->name), "%s", name);
	if (get_guest(config, name, &guest, reterr) < 0)
		return -EINVAL;
	guest->has_section = true;
	return 0;
}

/* line: "[...", trimmed, and ours to write into. */
static int begin_section(struct config *config, char *line, struct section *section,
			 struct tensock_error *reterr)
{
	size_t len = strlen(line);
	char *word;

	if (line[len - 1] != ']')
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "the section's ']' is missing");
	line[len - 1] = '\0';
	word = trimmed(line + 1);
	if (strcmp(word, "daemon") == 0) {
		section->kind = SECTION_DAEMON;
		return 0;
	}
	if (strncmp(word, "guest", 5) == 0 && is_space(word[5]))
		return begin_guest(config, trimmed(word + 5), section, reterr);
	if (strncmp(word, "engine", 6) == 0 && is_space(word[6])) {
		section->kind = SECTION_ENGINE;
		return engines_begin(&config->engines, trimmed(word + 6), reterr);
	}
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"[%.80s] is no section; there are [daemon], [guest NAME] and [engine NAME]",
			word);
}

static int set_key(struct config *config, const struct section *section, const char *key,
		   const char *value, struct tensock_error *reterr)
{
	static const char *const names[] = { "", "[daemon]", "[guest]", "[engine]" };
	int r = 1;

	switch (section->kind) {
	case SECTION_NONE:
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"a setting before the first section; begin with [daemon]");
	case SECTION_DAEMON:
		r = set_daemon(config, key, value, reterr);
		break;
	case SECTION_GUEST:
		r = set_guest(find_guest(config, section->name), key, value, reterr);
		break;
	case SECTION_ENGINE:
		r = engines_set(&config->engines, key, value, reterr);
		break;
	}
	if (r <= 0)
		return r;
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"%s has no setting '%.80s'; see tensockd.conf(5)", names[section->kind],
			key);
}

/* line: ours to write into. */
static int parse_line(struct config *config, struct section *section, char *line,
		      struct tensock_error *reterr)
{
	char *equals;

	line = trimmed(line);
	if (!line[0] || line[0] == '#')
		return 0;
	if (line[0] == '[')
		return begin_section(config, line, section, reterr);
	equals = strchr(line, '=');
	if (!equals)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' is neither '[section]' nor 'key = value'", line);
	*equals = '\0';
	return set_key(config, section, trimmed(line), trimmed(equals + 1), reterr);
}

int config_parse(struct config *config, const char *file, const char *text, size_t size,
		 struct tensock_error *reterr)
{
	struct section section = { .kind = SECTION_NONE };
	char line[CONFIG_LINE_MAX];
	unsigned number = 0;

	while (size) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;
		int r;

		number++;
		if (len >= sizeof(line) || memchr(text, '\0', len)) {
			r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "the line has %s",
				     len >= sizeof(line) ? "more than 1023 bytes" : "a NUL byte");
		} else {
			memcpy(line, text, len);
			line[len] = '\0';
			r = parse_line(config, &section, line, reterr);
		}
		if (r < 0) {
			tsk_error_prefix(reterr, "%s:%u", file, number);
			return r;
		}
		text += end ? len + 1 : len;
		size -= end ? len + 1 : len;
	}
	return 0;
}

int config_load(struct config *config, const char *path, struct tensock_error *reterr)
{
	_cleanup_free_ char *text = malloc(CONFIG_FILE_MAX + 1);
	size_t size;
	FILE *file;

	if (!text)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	file = fopen(path, "re");
	if (!file)
		return tsk_fail(reterr, TENSOCK_NOT_FOUND,
				"the configuration %s cannot be opened: %s", path, strerror(errno));
	size = fread(text, 1, CONFIG_FILE_MAX + 1, file);
	if (ferror(file)) {
		fclose(file);
		return tsk_fail(reterr, TENSOCK_NOT_FOUND, "the configuration %s cannot be read",
				path);
	}
	fclose(file);
	if (size > CONFIG_FILE_MAX)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"the configuration %s has more than 1 MiB", path);
	return config_parse(config, path, text, size, reterr);
}

/* --vm */

static int set_vm_options(struct config_guest *guest, char *options, struct tensock_error *reterr)
{
	char *option;

	while ((option = strsep(&options, ","))) {
		int r;

		if (strncmp(option, "cid=", 4) == 0)
			r = set_guest(guest, "cid", option + 4, reterr);
		else if (strncmp(option, "uds=", 4) == 0)
			r = set_guest(guest, "uds", option + 4, reterr);
		else
			r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				     "'%.80s' is neither cid=N nor uds=PATH", option);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_set_vm(struct config *config, const char *text, struct tensock_error *reterr)
{
	_cleanup_free_ char *copy = strdup(text);
	struct config_guest *guest;
	char *rest = copy, *name, *path;
	int r;

	if (!copy)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	name = strsep(&rest, "=");
	path = strsep(&rest, ",");
	if (!path)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' has no socket; write NAME=VHOST_SOCKET[,cid=N][,uds=PATH]",
				text);
	r = address_check_name(name, reterr);
	if (r == 0)
		r = get_guest(config, name, &guest, reterr);
	if (r < 0)
		return r;
	if (guest->is_vm)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"there are two of the name %s; give each VM its own", name);
	guest->is_vm = true;
	guest->vhost_socket[0] = guest->uds[0] = '\0';
	guest->cid = 0;
	r = set_guest(guest, "vhost-socket", path, reterr);
	return r < 0 || !rest ? r : set_vm_options(guest, rest, reterr);
}

int config_set_control(struct config *config, const char *text, struct tensock_error *reterr)
{
	config->control[0] = '\0';
	return set_socket("control", text, 0, config->control, reterr);
}

int config_add_engine(struct config *config, const char *name, struct tensock_error *reterr)
{
	return engines_add_only(&config->engines, name, reterr);
}

/* What must go together */

static int check_guest(const struct config_guest *guest, struct tensock_error *reterr)
{
	if (!guest->vhost_socket[0] && (guest->uds[0] || guest->cid))
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"guest %s has %s, but no vhost-socket: they belong to the built-in device",
			guest->name, guest->cid ? "a cid" : "a uds");
	if ((guest->vhost_socket[0] || guest->hybrid[0]) &&
	    address_check_name(guest->name, reterr) < 0)
		return -EINVAL;
	return 0;
}

static bool cid_is_taken(const struct config *config, uint64_t cid, const struct config_guest *but)
{
	for (unsigned i = 0; i < config->n_guests; i++) {
		if (&config->guests[i] != but && config->guests[i].cid == cid)
			return true;
	}
	return false;
}

/* Each built-in device has a CID of its own: those that were given none get the lowest free ones. */
static int assign_cids(struct config *config, struct tensock_error *reterr)
{
	uint64_t next = CONFIG_CID_FIRST;

	for (unsigned i = 0; i < config->n_guests; i++) {
		const struct config_guest *guest = &config->guests[i];

		if (guest->cid && cid_is_taken(config, guest->cid, guest))
			return tsk_fail(
				reterr, TENSOCK_INVALID_ARGUMENT,
				"guest %s has the cid %llu of another guest; give each its own",
				guest->name, (unsigned long long)guest->cid);
	}
	for (unsigned i = 0; i < config->n_guests; i++) {
		if (!config->guests[i].vhost_socket[0] || config->guests[i].cid)
			continue;
		while (cid_is_taken(config, next, NULL))
			next++;
		config->guests[i].cid = next;
	}
	return 0;
}

/* An engine that is not on is a mistake of the file's, wherever it stands. */
static int check_rights(const struct config *config, struct tensock_error *reterr)
{
	int r = rights_check(&config->rights, &config->engines, reterr);

	if (r < 0) {
		tsk_error_prefix(reterr, "[daemon]");
		return r;
	}
	for (unsigned i = 0; i < config->n_guests; i++) {
		r = rights_check(&config->guests[i].rights, &config->engines, reterr);
		if (r < 0) {
			tsk_error_prefix(reterr, "[guest %s]", config->guests[i].name);
			return r;
		}
	}
	return 0;
}

/* What its section does not say holds as for all. */
static void finish_guest(const struct config *config, struct config_guest *guest)
{
	struct limits limits = config->limits;

	limits_merge(&limits, &guest->limits);
	guest->limits = limits;
	rights_default(&guest->rights, &config->rights);
	if (!guest->ports.n)
		guest->ports = config->ports;
}

int config_finish(struct config *config, struct tensock_error *reterr)
{
	int r;

	if (config->log_level < 0)
		config->log_level = TSK_LOG_INFO;
	if (config->allow_local_cid < 0)
		config->allow_local_cid = 0;
	if (config->may_lack < 0)
		config->may_lack = 0;
	if (config->only_configured < 0)
		config->only_configured = 0;
	if (!config->guests_max)
		config->guests_max = GUESTS_DEFAULT;
	if (!config->ports.n)
		config->ports = ports_default;
	for (unsigned i = 0; i < config->n_guests; i++)
		finish_guest(config, &config->guests[i]);
	for (unsigned i = 0; i < config->n_guests; i++) {
		r = check_guest(&config->guests[i], reterr);
		if (r == 0)
			r = reach_check(config, &config->guests[i], reterr);
		if (r < 0)
			return r;
	}
	r = store_setting_finish(&config->store, reterr);
	if (r == 0)
		r = assign_cids(config, reterr);
	if (r == 0)
		r = engines_finish(&config->engines, reterr);
	return r < 0 ? r : check_rights(config, reterr);
}

/* While the daemon runs */

static bool listens_for(const struct address *address, const char *name)
{
	return address->kind == ADDRESS_HYBRID && strcmp(address->name, name) == 0;
}

bool config_has_sockets(const struct config *config, const char *name)
{
	const struct config_guest *guest = find_guest(config, name);

	for (unsigned i = 0; i < config->n_listens; i++) {
		if (listens_for(&config->listens[i], name))
			return true;
	}
	return guest && (guest->vhost_socket[0] || guest->hybrid[0]);
}

bool config_knows(const struct config *config, const char *name)
{
	return find_guest(config, name) || config_has_sockets(config, name);
}

const struct rights *config_rights(const struct config *config, const char *name)
{
	const struct config_guest *guest = find_guest(config, name);

	return guest ? &guest->rights : &config->rights;
}

const struct ports *config_ports(const struct config *config, const char *name)
{
	const struct config_guest *guest = find_guest(config, name);

	return guest ? &guest->ports : &config->ports;
}

const struct limits *config_limits(const struct config *config, const char *name)
{
	const struct config_guest *guest = find_guest(config, name);

	return guest ? &guest->limits : &config->limits;
}

/* The daemon's working directory is not the operator's. */
static int set_absolute(const char *key, const char *value, size_t suffix_bytes,
			char ret[ADDRESS_PATH_SIZE], struct tensock_error *reterr)
{
	if (!value[0])
		return 0;
	if (value[0] != '/')
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s: '%.80s' is not absolute; begin with '/'", key, value);
	return set_socket(key, value, suffix_bytes, ret, reterr);
}

static int set_attached(struct config_guest *place, const struct config_guest *given,
			struct tensock_error *reterr)
{
	int r = set_absolute("vhost-socket", given->vhost_socket, 0, place->vhost_socket, reterr);

	if (r == 0)
		r = set_absolute("uds", given->uds, ADDRESS_SUFFIX_MAX, place->uds, reterr);
	if (r == 0)
		r = set_absolute("hybrid", given->hybrid, ADDRESS_SUFFIX_MAX, place->hybrid,
				 reterr);
	if (r < 0)
		return r;
	if (given->cid && (given->cid < CONFIG_CID_FIRST || given->cid > CID_MAX))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"a guest's cid is a number from %u to %llu", CONFIG_CID_FIRST,
				(unsigned long long)CID_MAX);
	place->cid = given->cid;
	place->is_attached = true;
	if (!place->vhost_socket[0] && !place->hybrid[0])
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "guest %s has no socket",
				place->name);
	return check_guest(place, reterr);
}

/* Takes the guest's sockets away, and the guest, where it has nothing else. */
static void clear(struct config *config, struct config_guest *guest)
{
	if (!guest->has_section) {
		*guest = config->guests[--config->n_guests];
		return;
	}
	guest->vhost_socket[0] = guest->uds[0] = guest->hybrid[0] = '\0';
	guest->cid = 0;
	guest->is_vm = guest->is_attached = false;
}

int config_attach(struct config *config, const struct config_guest *guest,
		  struct tensock_error *reterr)
{
	struct config_guest *place;
	int r = address_check_name(guest->name, reterr);

	if (r < 0)
		return r;
	if (config_has_sockets(config, guest->name))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"there is a guest %s already; detach it, or choose another name",
				guest->name);
	r = get_guest(config, guest->name, &place, reterr);
	if (r < 0)
		return r;
	if (!place->has_section) {
		place->limits = config->limits;
		place->rights = config->rights;
		place->ports = config->ports;
	}
	r = set_attached(place, guest, reterr);
	if (r == 0)
		r = reach_check_both(config, place, reterr);
	if (r == 0 && place->cid && cid_is_taken(config, place->cid, place))
		r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			     "guest %s cannot have the cid %llu of another guest; "
			     "give another one, or none",
			     guest->name, (unsigned long long)place->cid);
	if (r == 0)
		r = assign_cids(config, reterr);
	if (r < 0)
		clear(config, place);
	return r;
}

static int carry_attached(struct config *config, const struct config_guest *running,
			  struct tensock_error *reterr)
{
	struct config_guest *guest;
	int r;

	if (config_has_sockets(config, running->name))
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"guest %s has been attached, and cannot be configured as well; detach "
			"it first",
			running->name);
	r = get_guest(config, running->name, &guest, reterr);
	if (r < 0)
		return r;
	memcpy(guest->vhost_socket, running->vhost_socket, sizeof(guest->vhost_socket));
	memcpy(guest->uds, running->uds, sizeof(guest->uds));
	memcpy(guest->hybrid, running->hybrid, sizeof(guest->hybrid));
	guest->cid = running->cid;
	guest->is_attached = true;
	return 0;
}

int config_carry(struct config *config, const struct config *running, struct tensock_error *reterr)
{
	int r = 0;

	for (unsigned i = 0; i < running->n_guests && r == 0; i++) {
		const struct config_guest *before = &running->guests[i];
		struct config_guest *guest = find_guest(config, before->name);

		if (before->is_attached)
			r = carry_attached(config, before, reterr);
		else if (guest && guest->vhost_socket[0] && !guest->cid &&
			 !cid_is_taken(config, before->cid, guest))
			guest->cid = before->cid;
	}
	return r;
}

void config_detach(struct config *config, const char *name)
{
	struct config_guest *guest = find_guest(config, name);
	unsigned n = 0;

	if (guest)
		clear(config, guest);
	for (unsigned i = 0; i < config->n_listens; i++) {
		if (!listens_for(&config->listens[i], name))
			config->listens[n++] = config->listens[i];
	}
	config->n_listens = n;
}
