/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <sched.h>
#include <stdlib.h>

#define ARENAS_MAX 8u

/* Before each piece stands the arena that it is of.  As long as what ONNX Runtime aligns to. */
#define HEAD 64u

/* An allocator for ONNX Runtime, over its own. */
struct ort_arenas {
	OrtAllocator allocator; /* first: the functions below are handed this */
	const struct ort *ort;
	unsigned n;
	OrtAllocator *arenas[ARENAS_MAX];
};

/*
 * In the threads' memory from their start on (initial-exec): else a library that is loaded late gets it by an allocation in
 * each thread, and LeakSanitizer crashed over that at every third worker's end.
 */
static _Thread_local __attribute__((tls_model("initial-exec"))) unsigned current;

void ort_arenas_use(unsigned run)
{
	current = run;
}

/*
 * NULL where the arena has no more, like the functions that end in it.  It may also throw, as ONNX
 * Runtime's do: this file is built so that an exception passes through it.
 */
static void *with_head(OrtAllocator *arena, void *(*take)(OrtAllocator *, size_t), size_t bytes)
{
	char *piece = bytes == 0 || bytes > SIZE_MAX - HEAD ? NULL : take(arena, bytes + HEAD);

	if (!piece)
		return NULL;
	*(OrtAllocator **)(void *)piece = arena;
	return piece + HEAD;
}

static void *ORT_API_CALL take(OrtAllocator *allocator, size_t bytes)
{
	struct ort_arenas *a = (struct ort_arenas *)allocator;
	OrtAllocator *arena = a->arenas[current % a->n];

	return with_head(arena, arena->Alloc, bytes);
}

/* What stays as long as its session: weights. */
static void *ORT_API_CALL reserve(OrtAllocator *allocator, size_t bytes)
{
	struct ort_arenas *a = (struct ort_arenas *)allocator;

	return with_head(a->arenas[0], a->arenas[0]->Reserve, bytes);
}

static void ORT_API_CALL give_back(OrtAllocator *allocator, void *memory)
{
	char *piece = memory;

	(void)allocator;
	if (!memory)
		return;
	piece -= HEAD;
	OrtAllocator *arena = *(OrtAllocator **)(void *)piece;
	arena->Free(arena, piece);
}

static const OrtMemoryInfo *ORT_API_CALL info(const OrtAllocator *allocator)
{
	return ((const struct ort_arenas *)allocator)->ort->cpu;
}

/*
 * All sessions use it that are made until it is unregistered.  It grows by what is asked for, not to the
 * next power of two: the default remembers the largest size that it ever failed to get, and then asks
 * for that even when sixteen bytes are wanted, so that one run that wanted too much would be the last.
 */
static uint32_t register_arena(const struct ort *ort, struct tensock_error *reterr)
{
	static const char *const keys[] = { "arena_extend_strategy" };
	const size_t values[] = { 1 /* as requested */ };
	OrtArenaCfg *config = NULL;
	OrtMemoryInfo *memory = NULL;
	uint32_t s = ort_check(ort, ort->api->CreateArenaCfgV2(keys, values, 1, &config), reterr);

	if (s == TENSOCK_OK)
		s = ort_check(ort,
			      ort->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault,
							    &memory),
			      reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->CreateAndRegisterAllocator(ort->env, memory, config),
			      reterr);
	if (memory)
		ort->api->ReleaseMemoryInfo(memory);
	if (config)
		ort->api->ReleaseArenaCfg(config);
	return s;
}

static uint32_t unregister(const struct ort *ort, struct tensock_error *reterr)
{
	return ort_check(ort, ort->api->UnregisterAllocator(ort->env, ort->cpu), reterr);
}

/* The library hands out an arena only by a session that uses it; *ret keeps it beyond that one. */
static uint32_t take_arena(struct ort *ort, OrtAllocator **ret, struct tensock_error *reterr)
{
	void *model;
	uint32_t s = ort_load_tiny(ort, &model, reterr);

	if (s != TENSOCK_OK)
		return s;
	s = ort_check(ort,
		      ort->api->CreateAllocator(((struct ort_model *)model)->session, ort->cpu,
						ret),
		      reterr);
	ort_unload(model);
	return s;
}

static unsigned n_wanted(void)
{
	cpu_set_t cpus;
	unsigned n =
		sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;

	return n < ARENAS_MAX ? n : ARENAS_MAX;
}

static struct ort_arenas *new_arenas(const struct ort *ort)
{
	struct ort_arenas *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->allocator = (OrtAllocator){ .version = ORT_API_VERSION,
				       .Alloc = take,
				       .Free = give_back,
				       .Info = info,
				       .Reserve = reserve };
	a->ort = ort;
	return a;
}

/* *ret_one: the library cannot make even a tiny session, but may do others: they share one arena. */
static uint32_t fill(struct ort_arenas *a, struct ort *ort, bool *ret_one,
		     struct tensock_error *reterr)
{
	struct tensock_error error = { 0 };
	uint32_t s = TENSOCK_OK;

	*ret_one = false;
	for (unsigned n = n_wanted(); s == TENSOCK_OK && a->n < n; a->n++) {
		s = register_arena(ort, reterr);
		if (s != TENSOCK_OK)
			break;
		if (take_arena(ort, &a->arenas[a->n], &error) != TENSOCK_OK) {
			ort->host->log(ort->host->context, TENSOCK_LOG_WARNING, error.message);
			*ret_one = true;
			break;
		}
		s = unregister(ort, reterr);
	}
	return s;
}

uint32_t ort_arenas_start(struct ort *ort, struct tensock_error *reterr)
{
	struct ort_arenas *a = new_arenas(ort);
	bool one;
	uint32_t s;

	if (!a)
		return ort_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	s = fill(a, ort, &one, reterr);
	if (s == TENSOCK_OK && !one)
		s = ort_check(ort, ort->api->RegisterAllocator(ort->env, &a->allocator), reterr);
	if (s == TENSOCK_OK && !one)
		ort->arenas = a;
	else
		ort_arenas_free(ort, a);
	return s;
}

void ort_arenas_free(const struct ort *ort, struct ort_arenas *a)
{
	if (!a)
		return;
	if (a == ort->arenas)
		unregister(ort, NULL);
	for (unsigned i = 0; i < a->n; i++)
		ort->api->ReleaseAllocator(a->arenas[i]);
	free(a);
}
