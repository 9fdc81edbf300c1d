/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/metrics_family.h"

#include <assert.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/status.h"

static const struct metrics_family families[] = {
	[METRICS_REQUESTS] = { "tensock_requests_total",
			       "Requests of any kind that have ended.",
			       METRICS_COUNTER,
			       false,
			       { METRICS_RESULT } },
	[METRICS_REQUESTS_ACTIVE] = { "tensock_requests_active",
				      "Requests under way.",
				      METRICS_GAUGE,
				      false,
				      { 0 } },
	[METRICS_REQUESTS_WAITING] = { "tensock_requests_waiting",
				       "Inferences that wait for a worker.",
				       METRICS_GAUGE,
				       false,
				       { 0 } },
	[METRICS_INFERENCES] = { "tensock_inferences_total",
				 "Inferences that have ended.",
				 METRICS_COUNTER,
				 false,
				 { METRICS_MODEL, METRICS_VERSION, METRICS_OUTCOME } },
	[METRICS_TRANSFER] = { "tensock_inference_transfer_seconds",
			       "From an inference's header to the last byte of its inputs.",
			       METRICS_HISTOGRAM,
			       false,
			       { METRICS_MODEL, METRICS_VERSION } },
	[METRICS_QUEUE] = { "tensock_inference_queue_seconds",
			    "From then on until a worker could begin with it.",
			    METRICS_HISTOGRAM,
			    false,
			    { METRICS_MODEL, METRICS_VERSION } },
	[METRICS_COMPUTE] = { "tensock_inference_compute_seconds",
			      "From then on until its outputs were there.",
			      METRICS_HISTOGRAM,
			      false,
			      { METRICS_MODEL, METRICS_VERSION } },
	[METRICS_TOTAL] = { "tensock_inference_seconds",
			    "From an inference's header until its outputs were there.",
			    METRICS_HISTOGRAM,
			    false,
			    { METRICS_MODEL, METRICS_VERSION } },
	[METRICS_CONNECTIONS] = { "tensock_connections",
				  "Connections open.",
				  METRICS_GAUGE,
				  false,
				  { 0 } },
	[METRICS_CONNECTIONS_OPENED] = { "tensock_connections_total",
					 "Connections that have begun to speak a protocol.",
					 METRICS_COUNTER,
					 false,
					 { 0 } },
	[METRICS_RECEIVED] = { "tensock_received_bytes_total",
			       "Bytes received on connections.",
			       METRICS_COUNTER,
			       false,
			       { 0 } },
	[METRICS_SENT] = { "tensock_sent_bytes_total",
			   "Bytes sent on connections.",
			   METRICS_COUNTER,
			   false,
			   { 0 } },
	[METRICS_MEMORY] = { "tensock_memory_bytes",
			     "Models and tensors held.",
			     METRICS_GAUGE,
			     false,
			     { 0 } },
	[METRICS_MEMORY_MAX] = { "tensock_memory_limit_bytes",
				 "max-memory.",
				 METRICS_GAUGE,
				 false,
				 { 0 } },
	[METRICS_MODELS] = { "tensock_models", "Models known.", METRICS_GAUGE, false, { 0 } },
	[METRICS_MODELS_KEPT] = { "tensock_models_kept",
				  "Models that were pushed and are kept.",
				  METRICS_GAUGE,
				  false,
				  { 0 } },
	[METRICS_MODELS_LOADED] = { "tensock_models_loaded",
				    "Models that a worker has ready.",
				    METRICS_GAUGE,
				    false,
				    { 0 } },
	[METRICS_WORKERS] = { "tensock_workers", "Worker processes.", METRICS_GAUGE, false, { 0 } },
	[METRICS_UPLOADS] = { "tensock_uploads_total",
			      "Uploads of models.",
			      METRICS_COUNTER,
			      false,
			      { METRICS_UPLOAD } },
	[METRICS_UPLOAD_BYTES] = { "tensock_upload_bytes_total",
				   "Bytes received by uploads.",
				   METRICS_COUNTER,
				   false,
				   { 0 } },
	[METRICS_LIMITS] = { "tensock_limit_hits_total",
			     "What was refused or ended by that key of the configuration.",
			     METRICS_COUNTER,
			     false,
			     { METRICS_LIMIT } },
	[METRICS_LOG_DROPPED] = { "tensock_front_log_lines_dropped_total",
				  "Lines of the front's log that were not written.",
				  METRICS_COUNTER,
				  false,
				  { 0 } },

	[METRICS_BUILD] = { "tensock_build_info",
			    "1, for the version.",
			    METRICS_GAUGE,
			    true,
			    { METRICS_VERSION } },
	[METRICS_MAY_LACK] = { "tensock_sandbox_may_lack",
			       "1 where allow-unsandboxed has it that this may be missing.",
			       METRICS_GAUGE,
			       true,
			       { METRICS_FEATURE } },
	[METRICS_LACKS] = { "tensock_sandbox_lacks",
			    "1 where this is missing, and guests are held by less.",
			    METRICS_GAUGE,
			    true,
			    { METRICS_FEATURE } },
	[METRICS_GUESTS] = { "tensock_guests", "Guests known.", METRICS_GAUGE, true, { 0 } },
	[METRICS_GUESTS_REFUSED] = { "tensock_guests_refused_total",
				     "Connections of guests that max-guests had no room for.",
				     METRICS_COUNTER,
				     true,
				     { 0 } },
	[METRICS_STORE_RESTARTS] = { "tensock_store_restarts_total",
				     "Times that the store had to be started again.",
				     METRICS_COUNTER,
				     true,
				     { 0 } },
	[METRICS_DAEMON_LOG_DROPPED] = { "tensock_daemon_log_lines_dropped_total",
					 "Lines of the daemon's own log that were not written.",
					 METRICS_COUNTER,
					 true,
					 { 0 } },
	[METRICS_FRONT_UP] = { "tensock_front_up",
			       "Whether the guest has a front now.",
			       METRICS_GAUGE,
			       true,
			       { METRICS_GUEST } },
	[METRICS_FRONTS_STARTED] = { "tensock_fronts_started_total",
				     "Fronts started.",
				     METRICS_COUNTER,
				     true,
				     { METRICS_GUEST } },
	[METRICS_FRONTS_LOST] = { "tensock_fronts_lost_total",
				  "Fronts that ended without having been asked to.",
				  METRICS_COUNTER,
				  true,
				  { METRICS_GUEST } },
	[METRICS_FRONT_CRASHES] = { "tensock_front_crashes_total",
				    "Of these, by a crash.",
				    METRICS_COUNTER,
				    true,
				    { METRICS_GUEST } },
	[METRICS_WORKERS_STARTED] = { "tensock_workers_started_total",
				      "Workers started.",
				      METRICS_COUNTER,
				      true,
				      { METRICS_GUEST } },
	[METRICS_WORKER_KILLS] = { "tensock_worker_kills_total",
				   "Workers that their front has had killed.",
				   METRICS_COUNTER,
				   true,
				   { METRICS_GUEST } },
	[METRICS_WORKER_CRASHES] = { "tensock_worker_crashes_total",
				     "Workers that crashed, or broke the rules.",
				     METRICS_COUNTER,
				     true,
				     { METRICS_GUEST } },
	[METRICS_WORKERS_REFUSED] = { "tensock_workers_refused_total",
				      "Workers that could not be started, by max-crashes or else.",
				      METRICS_COUNTER,
				      true,
				      { METRICS_GUEST } },
	[METRICS_ACCEPTED] = { "tensock_connections_accepted_total",
			       "Connections that the supervisor has handed to the front.",
			       METRICS_COUNTER,
			       true,
			       { METRICS_GUEST } },
	[METRICS_REFUSED] = { "tensock_connections_refused_total",
			      "Connections that the supervisor has closed.",
			      METRICS_COUNTER,
			      true,
			      { METRICS_GUEST, METRICS_REASON } },
};
static_assert(ARRAY_SIZE(families) == METRICS_ID_MAX, "a family lacks its row");

const struct metrics_family *metrics_family(enum metrics_id id)
{
	return &families[id];
}

const char *metrics_label_name(enum metrics_label label)
{
	static const char *const names[METRICS_LABEL_MAX] = {
		[METRICS_NO_LABEL] = "",       [METRICS_GUEST] = "guest",
		[METRICS_MODEL] = "model",     [METRICS_VERSION] = "version",
		[METRICS_OUTCOME] = "outcome", [METRICS_RESULT] = "result",
		[METRICS_UPLOAD] = "event",    [METRICS_LIMIT] = "limit",
		[METRICS_REASON] = "reason",   [METRICS_FEATURE] = "feature",
	};

	return names[label];
}

static const char *value_of(const char *const *values, unsigned n, unsigned index)
{
	return index < n ? values[index] : NULL;
}

const char *metrics_label_value(enum metrics_label label, unsigned index)
{
	static const char *const results[METRICS_RESULT_MAX] = { "ok", "error", "cancelled",
								 "reset" };
	static const char *const uploads[METRICS_UPLOAD_MAX] = { "begun", "resumed", "finished",
								 "wrong", "dropped" };
	static const char *const limits[METRICS_LIMIT_MAX] = {
		"max-connections", "max-requests", "max-request-size",    "max-model-size",
		"max-models",      "max-memory",   "max-bytes-in-flight", "max-uploads",
		"load-deadline",   "run-deadline", "idle-timeout",        "quarantine",
	};
	static const char *const reasons[METRICS_REASON_MAX] = { "max-connects", "max-crashes",
								 "busy" };
	static const char *const features[] = { "seccomp", "landlock", "namespaces" };

	switch (label) {
	case METRICS_OUTCOME:
		return index < TENSOCK_STATUS_MAX ? tsk_status(index)->name : NULL;
	case METRICS_RESULT:
		return value_of(results, METRICS_RESULT_MAX, index);
	case METRICS_UPLOAD:
		return value_of(uploads, METRICS_UPLOAD_MAX, index);
	case METRICS_LIMIT:
		return value_of(limits, METRICS_LIMIT_MAX, index);
	case METRICS_REASON:
		return value_of(reasons, METRICS_REASON_MAX, index);
	case METRICS_FEATURE:
		return value_of(features, ARRAY_SIZE(features), index);
	default:
		return NULL;
	}
}
