/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the operator decides, from the configuration file (tensockd.conf(5)) and the command
 * line.  A line of the file is "[SECTION]", "key = value", a comment that begins with '#', or empty.
 */
#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/address.h"
#include "supervisor/engines.h"
#include "supervisor/limits.h"
#include "supervisor/log_setting.h"
#include "supervisor/metrics_setting.h"
#include "supervisor/ports.h"
#include "supervisor/rights.h"
#include "supervisor/store_setting.h"

#define CONFIG_FILE_MAX (1u << 20)
#define CONFIG_LINE_MAX 1024u
#define CONFIG_LISTENS_MAX 64u
#define CONFIG_GUESTS_MAX 4096u
#define CONFIG_CID_FIRST 3u
#define CONFIG_NO_CONTROL "none"

/* [guest NAME]; paths are empty where there is none. */
struct config_guest {
	char name[FRONT_NAME_SIZE];
	char vhost_socket[ADDRESS_PATH_SIZE];
	char uds[ADDRESS_PATH_SIZE];
	char hybrid[ADDRESS_PATH_SIZE];
	bool is_vm;           /* the command line has it as --vm */
	bool has_section;     /* the file has it */
	bool is_attached;     /* its sockets came by config_attach() */
	uint64_t cid;         /* of the built-in device; 0: not given, until config_finish() */
	struct limits limits; /* only what is set, until config_finish() */
	struct store_of_guest store;
	struct rights rights; /* only what is set, until config_finish() */
	struct ports ports;   /* the same */
};

struct config {
	struct address listens[CONFIG_LISTENS_MAX];
	unsigned n_listens; /* 0: the default listeners */
	char control
		[ADDRESS_PATH_SIZE]; /* operators' socket, CONFIG_NO_CONTROL; empty: not given */
	struct config_guest *guests;
	unsigned n_guests;
	struct engines engines; /* what is on, after config_finish() */
	struct limits limits;
	struct store_setting store;
	struct metrics_setting metrics;
	struct log_setting log;
	struct rights rights;
	struct ports ports;  /* of guests without their own; not said, until config_finish() */
	int only_configured; /* guests = configured; -1: not given, until config_finish() */
	uint64_t guests_max; /* 0: not given, until config_finish() */
	int log_level;       /* enum tsk_log_level; -1: not given, until config_finish() */
	int allow_local_cid; /* -1: not given, until config_finish() */
	int may_lack; /* enum sandbox_feature that the kernel may lack; -1: as allow_local_cid */
};

void config_init(struct config *config);
void config_done(struct config *config);

/*
 * Takes in a configuration file's text; file stands for it in errors, which name the line.  After
 * a failure *config is good for config_done() only.
 */
int config_parse(struct config *config, const char *file, const char *text, size_t size,
		 struct tensock_error *reterr) _nodiscard_;
int config_load(struct config *config, const char *path, struct tensock_error *reterr) _nodiscard_;

/* "NAME=VHOST_SOCKET[,cid=N][,uds=PATH]", as --vm has it: takes the place of the file's settings. */
int config_set_vm(struct config *config, const char *text, struct tensock_error *reterr)
	_nodiscard_;

int config_add_listen(struct config *config, const char *text, struct tensock_error *reterr)
	_nodiscard_;

/* The operators' socket, in the place of the file's. */
int config_set_control(struct config *config, const char *text, struct tensock_error *reterr)
	_nodiscard_;

/* What the kernel may lack, in the place of the file's. */
int config_set_may_lack(struct config *config, const char *text, struct tensock_error *reterr)
	_nodiscard_;

/* --engine NAME: see engines_add_only(). */
int config_add_engine(struct config *config, const char *name, struct tensock_error *reterr)
	_nodiscard_;

/*
 * Before config_finish() of a configuration that takes the place of a running one: takes along what
 * config_attach() has added to that, and the CIDs that were chosen for guests that are still there.
 */
int config_carry(struct config *config, const struct config *running, struct tensock_error *reterr)
	_nodiscard_;

/* Fills in what was not given, and checks what must go together. */
int config_finish(struct config *config, struct tensock_error *reterr) _nodiscard_;

/*
 * Gives a guest sockets while the daemon runs: name, paths and cid (0: the lowest free one) of *guest, by
 * the rules of the file, the paths absolute.  Its limits are its section's, or those of all.  After a
 * failure *config is as it was.  Pointers to guests end here.
 */
int config_attach(struct config *config, const struct config_guest *guest,
		  struct tensock_error *reterr) _nodiscard_;

/* Takes away the sockets of that guest, however it came by them.  Pointers to guests end here. */
void config_detach(struct config *config, const char *name);

/* Whether a guest of that name has sockets of its own. */
bool config_has_sockets(const struct config *config, const char *name);

/* The longest time that a model of any guest is kept. */
uint64_t config_longest_keep_ms(const struct config *config);
/* Whether the operator has said a word of that guest: a section, sockets, --vm or attach. */
bool config_knows(const struct config *config, const char *name);

/* What that guest may use: its section's, or what holds for all.  Good until *config changes. */
const struct rights *config_rights(const struct config *config, const char *name);
const struct ports *config_ports(const struct config *config, const char *name);
const struct limits *config_limits(const struct config *config, const char *name);

/* NULL when there is none of that name. */
const struct config_guest *config_guest(const struct config *config, const char *name);

#endif
