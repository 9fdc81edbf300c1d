/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for MindSpore Lite's library: the C API that src/engines/mindspore_lite/api.h describes, with
 * the traps of the real one (docs of each below), and an end by abort() for whoever falls into them.
 * STANDIN_PREFIX is MS or OH_AI_.
 *
 * It reads .ms files of MSL2 and has no operators: a model with nodes is refused.  Output k of one without
 * is 2 x + 1 + k of input k (of the first, where there are fewer), in float32 and int32; other types are
 * copied.  Words of the model's name ask for what a bad library does: see has_word() below.
 *
 * Its code shares nothing with the plug-in's, so that they do not err together.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define API(type, name) __attribute__((visibility("default"))) type JOIN(STANDIN_PREFIX, name)

#define ERROR(n) (UINT32_C(0xf0000000) | ((uint32_t) - (n)&UINT32_C(0x0fffffff)))

#define TENSORS_MAX 64u
#define CONTEXTS_MAX 4096u

struct handles {
	size_t n;
	void **list;
};

struct shape_info {
	size_t rank;
	int64_t dims[32];
};

struct device {
	bool is_taken, fp16;
};

/* Never freed, so that whoever destroys one twice is found out. */
struct context {
	enum {
		CONTEXT_FREE,
		CONTEXT_MINE,
		CONTEXT_OF_MODEL,
		CONTEXT_DESTROYED
	} state;
	int32_t threads;
	struct device *device;
};

struct tensor {
	char name[256];
	int type;
	size_t rank;
	int64_t dims[32];
	void *data;
	const struct model *model;
};

struct model {
	struct context *context;
	char name[256];
	struct tensor tensors[TENSORS_MAX];
	size_t n_inputs, n_outputs;
	void *inputs[TENSORS_MAX];
	struct tensor *ordered[TENSORS_MAX]; /* outputs as the author has them */
	void *outputs[TENSORS_MAX];          /* as a hash table has them */
	bool busy;
};

static struct context contexts[CONTEXTS_MAX];

API(void *, ContextCreate)(void);
API(void, ContextDestroy)(void **context);
API(void, ContextSetThreadNum)(void *context, int32_t n);
API(void, ContextAddDeviceInfo)(void *context, void *device);
API(void *, DeviceInfoCreate)(int type);
API(void, DeviceInfoSetEnableFP16)(void *device, bool on);
API(void *, ModelCreate)(void);
API(void, ModelDestroy)(void **model);
API(uint32_t, ModelBuild)(void *model, const void *data, size_t size, uint32_t type, void *context);
API(uint32_t, ModelResize)(void *model, struct handles inputs, struct shape_info *shapes, size_t n);
API(uint32_t, ModelPredict)
(void *model, struct handles inputs, struct handles *outputs, void (*before)(void),
 void (*after)(void));
API(struct handles, ModelGetInputs)(void *model);
API(struct handles, ModelGetOutputs)(void *model);
API(const char *, TensorGetName)(void *tensor);
API(int, TensorGetDataType)(void *tensor);
API(const int64_t *, TensorGetShape)(void *tensor, size_t *rank);
API(size_t, TensorGetDataSize)(void *tensor);
API(const void *, TensorGetData)(void *tensor);
API(void *, TensorGetMutableData)(void *tensor);
#ifndef STANDIN_NO_VERSION
API(const char *, Version)(void);

API(const char *, Version)(void)
{
	return "2.0.0-standin";
}
#endif

static void misused(const char *how)
{
	fprintf(stderr, "[CRITICAL] standin: %s\n", how);
	abort();
}

static bool has_word(const struct model *model, const char *word)
{
	return strstr(model->name, word) != NULL;
}

API(void *, ContextCreate)(void)
{
	for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
		if (contexts[i].state == CONTEXT_FREE) {
			contexts[i].state = CONTEXT_MINE;
			return &contexts[i];
		}
	}
	return NULL;
}

static void destroy_context(struct context *context)
{
	context->state = CONTEXT_DESTROYED;
	free(context->device);
	context->device = NULL;
}

API(void, ContextDestroy)(void **context)
{
	struct context *c = *context;

	if (c->state != CONTEXT_MINE)
		misused("double free of a context");
	destroy_context(c);
	*context = NULL;
}

API(void, ContextSetThreadNum)(void *context, int32_t n)
{
	((struct context *)context)->threads = n;
}

API(void *, DeviceInfoCreate)(int type)
{
	return type == 0 ? calloc(1, sizeof(struct device)) : NULL;
}

API(void, DeviceInfoSetEnableFP16)(void *device, bool on)
{
	if (on)
		printf("[WARNING] standin: no float16 on this processor\n");
	((struct device *)device)->fp16 = on;
}

/* The context has the device from now on. */
API(void, ContextAddDeviceInfo)(void *context, void *device)
{
	struct device *d = device;

	if (d->is_taken)
		misused("a device is added twice");
	d->is_taken = true;
	((struct context *)context)->device = d;
}

API(void *, ModelCreate)(void)
{
	return calloc(1, sizeof(struct model));
}

API(void, ModelDestroy)(void **model)
{
	struct model *m = *model;

	if (!m)
		misused("a model is destroyed twice");
	for (size_t i = 0; i < TENSORS_MAX; i++)
		free(m->tensors[i].data);
	if (m->context)
		destroy_context(m->context);
	free(m);
	*model = NULL;
}

/* A file, read as far as it goes: what is behind its end is 0, and found out afterwards. */
struct file {
	const unsigned char *bytes;
	size_t n;
	bool bad;
};

static uint32_t number(struct file *f, size_t at, unsigned width)
{
	uint32_t v = 0;

	if (at >= f->n || width > f->n - at) {
		f->bad = true;
		return 0;
	}
	memcpy(&v, f->bytes + at, width);
	return v;
}

/* Where a table's field points; 0: absent. */
static size_t field(struct file *f, size_t table, unsigned id)
{
	size_t vtable = (size_t)((int64_t)table - (int32_t)number(f, table, 4));
	uint32_t offset = 0;

	if (number(f, vtable, 2) >= 6 + 2 * id)
		offset = number(f, vtable + 4 + 2 * (size_t)id, 2);
	return offset ? table + offset : 0;
}

static size_t target(struct file *f, size_t at)
{
	return at ? at + number(f, at, 4) : 0;
}

static void read_text(struct file *f, size_t at, char *ret, size_t size)
{
	uint32_t n = at ? number(f, at, 4) : 0;

	ret[0] = '\0';
	if (n >= size || at + 4 + n > f->n)
		return;
	memcpy(ret, f->bytes + at + 4, n);
	ret[n] = '\0';
}

static void read_tensor(struct file *f, size_t table, uint32_t index, struct tensor *ret)
{
	size_t type = field(f, table, 1), dims = target(f, field(f, table, 2));

	ret->type = type ? (int)number(f, type, 4) : 0;
	ret->rank = dims ? number(f, dims, 4) : 0;
	if (ret->rank > 32) {
		f->bad = true;
		ret->rank = 0;
	}
	for (size_t i = 0; i < ret->rank; i++)
		ret->dims[i] = (int32_t)number(f, dims + 4 + 4 * i, 4);
	read_text(f, target(f, field(f, table, 9)), ret->name, sizeof(ret->name));
	if (!ret->name[0])
		snprintf(ret->name, sizeof(ret->name), "%u", index);
}

/* Reads the tensors that a vector of numbers names into the model's, from `first` on. */
static size_t read_side(struct file *f, size_t root, unsigned id, struct model *model, size_t first)
{
	size_t numbers = target(f, field(f, root, id)), all = target(f, field(f, root, 7));
	uint32_t n = numbers ? number(f, numbers, 4) : 0;

	if (!all || n > TENSORS_MAX - first) {
		f->bad = true;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = number(f, numbers + 4 + 4 * (size_t)i, 4);
		size_t table = target(f, all + 4 + 4 * (size_t)index);

		if (index >= number(f, all, 4))
			f->bad = true;
		read_tensor(f, table, index, &model->tensors[first + i]);
		model->tensors[first + i].model = model;
	}
	return n;
}

static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261U;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619U;
	return h;
}

/* Outputs stand in a hash table: they come out in its order, which is nobody's. */
static void hash_outputs(struct model *model)
{
	for (size_t i = 0; i < model->n_outputs; i++) {
		size_t at = i;

		for (; at > 0 && hash(((struct tensor *)model->outputs[at - 1])->name) >
					 hash(model->ordered[i]->name);
		     at--)
			model->outputs[at] = model->outputs[at - 1];
		model->outputs[at] = model->ordered[i];
	}
}

static uint32_t read_model(struct model *model, const void *data, size_t size)
{
	struct file f = { .bytes = data, .n = size };
	size_t root, nodes;

	if (size < 8 || memcmp(f.bytes + 4, "MSL2", 4) != 0) {
		printf("[ERROR] standin: the version of the model file is not supported\n");
		return ERROR(200);
	}
	root = target(&f, 0) + number(&f, 0, 4);
	read_text(&f, target(&f, field(&f, root, 0)), model->name, sizeof(model->name));
	nodes = target(&f, field(&f, root, 6));
	if (nodes && number(&f, nodes, 4)) {
		printf("[ERROR] standin: there is no kernel for the first of %u nodes\n",
		       number(&f, nodes, 4));
		return ERROR(300);
	}
	model->n_inputs = read_side(&f, root, 3, model, 0);
	model->n_outputs = read_side(&f, root, 4, model, model->n_inputs);
	return f.bad || !model->n_inputs || !model->n_outputs ? ERROR(200) : 0;
}

/* Where an input leaves a dimension open, nobody knows yet what comes out. */
static void forget_shapes(struct model *model)
{
	bool is_open = false;

	for (size_t i = 0; i < model->n_inputs; i++) {
		const struct tensor *t = model->inputs[i];

		for (size_t d = 0; d < t->rank; d++)
			is_open = is_open || t->dims[d] < 0;
	}
	for (size_t i = 0; is_open && i < model->n_outputs; i++) {
		model->ordered[i]->rank = 1;
		model->ordered[i]->dims[0] = -1;
	}
}

static void break_tensors(struct model *model)
{
	struct tensor *last = model->ordered[model->n_outputs - 1];

	if (has_word(model, "bad-rank"))
		last->rank = 17;
	if (has_word(model, "bad-type"))
		last->type = 9999;
	if (has_word(model, "no-name"))
		last->name[0] = '\0';
}

/* The context is the model's from the first line on, also when it fails. */
API(uint32_t, ModelBuild)(void *model, const void *data, size_t size, uint32_t type, void *context)
{
	struct context *c = context;
	struct model *m = model;
	uint32_t r;

	if (c->state != CONTEXT_MINE)
		misused("a context of another model");
	c->state = CONTEXT_OF_MODEL;
	m->context = c;
	printf("[INFO] standin: builds %zu bytes with %d threads, fp16 %s\n", size, c->threads,
	       c->device && c->device->fp16 ? "on" : "off");
	r = type == 0 && c->device ? read_model(m, data, size) : ERROR(3);
	if (r)
		return r;
	for (size_t i = 0; i < m->n_inputs; i++)
		m->inputs[i] = &m->tensors[i];
	for (size_t i = 0; i < m->n_outputs; i++)
		m->ordered[i] = &m->tensors[m->n_inputs + i];
	hash_outputs(m);
	forget_shapes(m);
	break_tensors(m);
	if (has_word(m, "crash-build"))
		misused("asked to crash in build");
	return 0;
}

API(struct handles, ModelGetInputs)(void *model)
{
	struct model *m = model;

	return (struct handles){ m->n_inputs, m->inputs };
}

API(struct handles, ModelGetOutputs)(void *model)
{
	struct model *m = model;

	return (struct handles){ m->n_outputs, m->outputs };
}

API(const char *, TensorGetName)(void *tensor)
{
	const struct tensor *t = tensor;

	return t->name[0] ? t->name : NULL;
}

API(int, TensorGetDataType)(void *tensor)
{
	return ((struct tensor *)tensor)->type;
}

API(const int64_t *, TensorGetShape)(void *tensor, size_t *rank)
{
	*rank = ((struct tensor *)tensor)->rank;
	return ((struct tensor *)tensor)->dims;
}

static size_t element_bytes(int type)
{
	return type == 35 || type == 40 || type == 44   ? 8
	       : type == 34 || type == 39 || type == 43 ? 4
	       : type == 33 || type == 38 || type == 42 ? 2
							: 1;
}

/* 0 as long as a dimension is open. */
static size_t count(const struct tensor *tensor)
{
	size_t n = 1;

	for (size_t i = 0; i < tensor->rank; i++)
		n *= tensor->dims[i] > 0 ? (size_t)tensor->dims[i] : 0;
	return n;
}

API(size_t, TensorGetDataSize)(void *tensor)
{
	struct tensor *t = tensor;
	size_t bytes = count(t) * element_bytes(t->type);

	return has_word(t->model, "wrong-size") && t->data && t != t->model->inputs[0] ? bytes * 2
										       : bytes;
}

API(const void *, TensorGetData)(void *tensor)
{
	return ((struct tensor *)tensor)->data;
}

API(void *, TensorGetMutableData)(void *tensor)
{
	struct tensor *t = tensor;

	if (!t->data)
		t->data = calloc(1, count(t) * element_bytes(t->type) + 1);
	return t->data;
}

/* Inputs keep their shape until it fails: then they may have the new one, as the real one's do. */
API(uint32_t, ModelResize)(void *model, struct handles inputs, struct shape_info *shapes, size_t n)
{
	struct model *m = model;

	if (inputs.n != m->n_inputs || n != m->n_inputs)
		return ERROR(3);
	for (size_t i = 0; i < n; i++) {
		struct tensor *t = inputs.list[i];

		t->rank = shapes[i].rank;
		memcpy(t->dims, shapes[i].dims, sizeof(t->dims));
		free(t->data);
		t->data = NULL;
	}
	printf("[INFO] standin: resized\n");
	return has_word(m, "no-resize-to-3") && shapes[0].dims[0] == 3 ? ERROR(500) : 0;
}

static void compute(const struct tensor *in, struct tensor *out, size_t k)
{
	size_t n = count(in);

	out->rank = in->rank;
	memcpy(out->dims, in->dims, sizeof(out->dims));
	free(out->data);
	out->data = calloc(1, n * element_bytes(in->type) + 1);
	if (!out->data)
		return;
	for (size_t i = 0; i < n && in->type == 43; i++)
		((float *)out->data)[i] = 2 * ((const float *)in->data)[i] + 1 + (float)k;
	for (size_t i = 0; i < n && in->type == 34; i++)
		((int32_t *)out->data)[i] = 2 * ((const int32_t *)in->data)[i] + 1 + (int32_t)k;
	if (in->type != 43 && in->type != 34 && n)
		memcpy(out->data, in->data, n * element_bytes(in->type));
}

static uint32_t run(struct model *m)
{
	int *volatile nowhere = (int *)64;

	if (has_word(m, "crash-run"))
		misused("asked to crash in a run");
	if (has_word(m, "segv-run"))
		*nowhere = 1;
	if (has_word(m, "fail-run"))
		return ERROR(303);
	for (unsigned i = 0; i < 100000 && has_word(m, "flood"); i++)
		printf("[ERROR] standin: line %u of a flood\n", i);
	for (size_t i = 0; i < m->n_inputs; i++) {
		const struct tensor *t = m->inputs[i];

		if (!count(t) && t->rank)
			return ERROR(500); /* nobody has said what its open dimensions are */
		if (!t->data)
			return ERROR(101);
	}
	for (size_t k = 0; k < m->n_outputs; k++)
		compute(m->inputs[k < m->n_inputs ? k : 0], m->ordered[k], k);
	if (has_word(m, "shrink"))
		m->ordered[0]->dims[0]--;
	if (has_word(m, "rename"))
		m->ordered[0]->name[0] = '#';
	break_tensors(m);
	return 0;
}

/* One at a time: a second caller is told off. */
API(uint32_t, ModelPredict)
(void *model, struct handles inputs, struct handles *outputs, void (*before)(void),
 void (*after)(void))
{
	struct model *m = model;
	uint32_t r;

	if (before || after || inputs.n != m->n_inputs)
		return ERROR(3);
	if (__atomic_exchange_n(&m->busy, true, __ATOMIC_ACQUIRE)) {
		printf("[ERROR] standin: not support multi-threading\n");
		return ERROR(1);
	}
	fprintf(stderr, "[INFO] standin: predicts\n");
	r = run(m);
	__atomic_store_n(&m->busy, false, __ATOMIC_RELEASE);
	if (!r)
		*outputs = (struct handles){ m->n_outputs, m->outputs };
	return r;
}
