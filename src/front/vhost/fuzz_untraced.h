/* SPDX-License-Identifier: Apache-2.0 */
/* For fuzz targets: a function whose branches say nothing of what is tested, and are not to be traced. */
#ifndef VHOST_FUZZ_UNTRACED_H
#define VHOST_FUZZ_UNTRACED_H

#ifdef __clang__
#define UNTRACED __attribute__((no_sanitize("coverage")))
#else
#define UNTRACED
#endif

#endif
