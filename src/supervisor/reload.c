/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/reload.h"

#include <string.h>

#include "base/status.h"
#include "supervisor/listen.h"
#include "supervisor/options.h"

/* QEMU cannot connect its device again: what a VM has is taken away by "tensock detach --force" only. */
static int check_devices(const struct daemon *d, const struct config *config,
			 struct tensock_error *reterr)
{
	const struct guest *guest = NULL;

	while ((guest = guest_table_next(&d->guests, guest))) {
		struct guest_info info = guest_info(guest);
		const struct config_guest *given = config_guest(config, info.name);

		if (info.has_vmm && info.cid != (given ? given->cid : 0))
			return tsk_fail(
				reterr, TENSOCK_UNAVAILABLE,
				"guest %s is running, and would lose its vsock device; end the "
				"VM first, or use tensock detach --force",
				info.name);
	}
	return 0;
}

/* Everything that may fail.  What it has changed by then is changed for good. */
static int prepare(struct daemon *d, struct config *config, struct launcher *found,
		   struct tensock_error *reterr)
{
	int r = options_read(d->argc, d->argv, config, d->config, reterr);

	if (r != OPTIONS_RUN)
		return r < 0 ? r : -EINVAL;
	r = check_devices(d, config, reterr);
	if (r == 0)
		r = launcher_find_programs(found, &config->engines, reterr);
	return r < 0 ? r : listen_change(d, config, reterr);
}

/* The store's process and the sealing of all children are as the start has made them. */
static void keep_what_needs_a_start(struct config *config, const struct config *running)
{
	bool same_store = strcmp(config->store.path, running->store.path) == 0 &&
			  config->store.bytes == running->store.bytes;
	bool same_metrics = metrics_setting_equals(&config->metrics, &running->metrics);

	if (!same_store || !same_metrics || config->may_lack != running->may_lack)
		tsk_warning("%s of the configuration holds with the next start of tensockd only",
			    !same_store     ? "the store"
			    : !same_metrics ? "the address of metrics"
					    : "allow-unsandboxed");
	config->store = running->store;
	config->metrics = running->metrics;
	config->may_lack = running->may_lack;
}

static void start_devices(struct daemon *d)
{
	for (unsigned i = 0; i < d->config->n_guests; i++) {
		const struct config_guest *guest = &d->config->guests[i];
		struct tensock_error error = { 0 };

		/* One that is being detached has its turn when it is gone. */
		if (guest->vhost_socket[0] && !guest_table_find(&d->guests, guest->name) &&
		    listen_device(d, guest->name, &error) < 0)
			tsk_error("%s", error.message);
	}
}

/* *config has become the configuration. */
static void apply(struct daemon *d, struct config *config, const struct launcher *found)
{
	struct config before = *d->config;
	enum tsk_log_level level = (enum tsk_log_level)config->log_level;
	unsigned bits = log_setting_bits(&config->log);

	*d->config = *config;
	launcher_take_programs(&d->launcher, found);
	d->launcher.log_level = level;
	d->launcher.log_bits = bits;
	daemon_set_log(level, bits);
	guest_table_changed(&d->guests, &before);
	config_done(&before);
	start_devices(d);
}

void reload(struct daemon *d)
{
	static struct config config;
	static struct launcher found;
	struct tensock_error error = { 0 };

	notify_reloading(&d->notify, "Reading the configuration again");
	config_init(&config);
	if (prepare(d, &config, &found, &error) < 0) {
		config_done(&config);
		tsk_error("the configuration stays as it was: %s", error.message);
		notify_ready(&d->notify, error.message);
		return;
	}
	keep_what_needs_a_start(&config, d->config);
	daemon_fit_fd_limit(&config);
	apply(d, &config, &found);
	tsk_info("SIGHUP: the configuration has been read again");
	listen_tell(d);
	notify_ready(&d->notify, "Serving guests");
}
