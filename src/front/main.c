/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensock-front: talks to one guest.  The supervisor starts it with FRONT_CONTROL_FD, on which all
 * that it needs arrives: it opens no path and starts no process, and is sealed against both.
 */
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "front/guest.h"
#include "front/seal.h"

int main(void)
{
	struct guest *guest;
	uv_loop_t loop;
	int r;

	signal(SIGPIPE, SIG_IGN);
	tsk_log_share(TSK_LOG_BUDGET_FD);
	/* Without this libcrypto would look for its configuration file. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	front_seal_begin();
	r = uv_loop_init(&loop);
	if (r == 0)
		r = guest_new(&loop, FRONT_CONTROL_FD, &guest);
	if (r < 0) {
		fprintf(stderr, "tensock-front: not started by tensockd? %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	guest->seal = front_seal;
	while (!guest->has_ended)
		uv_run(&loop, UV_RUN_DEFAULT);
	r = guest->result;
	guest_free(guest);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
