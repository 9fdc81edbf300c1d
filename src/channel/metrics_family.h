/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured: one family a row, as Prometheus calls it, with its name, kind and labels.  Fronts and
 * the supervisor write samples of them into pages (metrics_page.h); tensock-metrics reads those.
 * docs/metrics.md says the same in words (a test compares).
 */
#ifndef CHANNEL_METRICS_FAMILY_H
#define CHANNEL_METRICS_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

/* In the order in which their samples stand in a page. */
enum metrics_id {
	/* a front's, about its guest */
	METRICS_REQUESTS,
	METRICS_REQUESTS_ACTIVE,
	METRICS_REQUESTS_WAITING,
	METRICS_INFERENCES,
	METRICS_TRANSFER,
	METRICS_QUEUE,
	METRICS_COMPUTE,
	METRICS_TOTAL,
	METRICS_CONNECTIONS,
	METRICS_CONNECTIONS_OPENED,
	METRICS_RECEIVED,
	METRICS_SENT,
	METRICS_MEMORY,
	METRICS_MEMORY_MAX,
	METRICS_MODELS,
	METRICS_MODELS_KEPT,
	METRICS_MODELS_LOADED,
	METRICS_WORKERS,
	METRICS_UPLOADS,
	METRICS_UPLOAD_BYTES,
	METRICS_LIMITS,
	METRICS_LOG_DROPPED,

	/* the supervisor's */
	METRICS_BUILD,
	METRICS_MAY_LACK,
	METRICS_LACKS,
	METRICS_GUESTS,
	METRICS_GUESTS_REFUSED,
	METRICS_STORE_RESTARTS,
	METRICS_DAEMON_LOG_DROPPED,
	METRICS_FRONT_UP,
	METRICS_FRONTS_STARTED,
	METRICS_FRONTS_LOST,
	METRICS_FRONT_CRASHES,
	METRICS_WORKERS_STARTED,
	METRICS_WORKER_KILLS,
	METRICS_WORKER_CRASHES,
	METRICS_WORKERS_REFUSED,
	METRICS_ACCEPTED,
	METRICS_REFUSED,
	METRICS_ID_MAX
};

enum metrics_kind {
	METRICS_COUNTER,
	METRICS_GAUGE,
	METRICS_HISTOGRAM, /* of nanoseconds, shown as seconds */
};

/* GUEST, MODEL and VERSION are texts; the others have the values that metrics_label_value() knows. */
enum metrics_label {
	METRICS_NO_LABEL,
	METRICS_GUEST,
	METRICS_MODEL,
	METRICS_VERSION,
	METRICS_OUTCOME, /* enum tensock_status */
	METRICS_RESULT,  /* enum metrics_result */
	METRICS_UPLOAD,  /* enum metrics_upload */
	METRICS_LIMIT,   /* enum metrics_limit */
	METRICS_REASON,  /* enum metrics_reason */
	METRICS_FEATURE, /* a bit's number, of enum sandbox_feature */
	METRICS_LABEL_MAX
};

#define METRICS_LABELS_MAX 3u

enum metrics_result {
	METRICS_OK,
	METRICS_ERROR,
	METRICS_CANCELLED,
	METRICS_RESET,
	METRICS_RESULT_MAX
};

enum metrics_upload {
	METRICS_UPLOAD_BEGUN,
	METRICS_UPLOAD_RESUMED,
	METRICS_UPLOAD_FINISHED,
	METRICS_UPLOAD_WRONG,
	METRICS_UPLOAD_DROPPED,
	METRICS_UPLOAD_MAX
};

/* Keys of the configuration by which a front refuses or ends something. */
enum metrics_limit {
	METRICS_LIMIT_CONNECTIONS,
	METRICS_LIMIT_REQUESTS,
	METRICS_LIMIT_REQUEST_SIZE,
	METRICS_LIMIT_MODEL_SIZE,
	METRICS_LIMIT_MODELS,
	METRICS_LIMIT_MEMORY,
	METRICS_LIMIT_IN_FLIGHT,
	METRICS_LIMIT_UPLOADS,
	METRICS_LIMIT_LOAD_DEADLINE,
	METRICS_LIMIT_RUN_DEADLINE,
	METRICS_LIMIT_IDLE_TIMEOUT,
	METRICS_LIMIT_QUARANTINE,
	METRICS_LIMIT_MAX
};

/* Why the supervisor has closed a connection before a front had it. */
enum metrics_reason {
	METRICS_REASON_CONNECTS, /* max-connects */
	METRICS_REASON_CRASHES,  /* max-crashes */
	METRICS_REASON_BUSY,     /* the front does not keep up, or is not there */
	METRICS_REASON_MAX
};

struct metrics_family {
	const char *name, *help;
	enum metrics_kind kind;
	bool is_daemons; /* the supervisor writes it; else each front, and it has the label "guest" beside */
	enum metrics_label labels[METRICS_LABELS_MAX];
};

const struct metrics_family *metrics_family(enum metrics_id id);

static inline bool metrics_label_is_text(enum metrics_label label)
{
	return label == METRICS_GUEST || label == METRICS_MODEL || label == METRICS_VERSION;
}

/* As it is written: "guest"; never METRICS_NO_LABEL's. */
const char *metrics_label_name(enum metrics_label label);
/* Of a label that is no text; NULL: it has no such value. */
const char *metrics_label_value(enum metrics_label label, unsigned index);

#endif
