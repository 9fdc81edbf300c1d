/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_packet.h"

#include "base/bytes.h"
#include "base/cleanup.h"

static const char *const op_names[VSOCK_OP_MAX] = {
	[VSOCK_OP_REQUEST] = "REQUEST",
	[VSOCK_OP_RESPONSE] = "RESPONSE",
	[VSOCK_OP_RST] = "RST",
	[VSOCK_OP_SHUTDOWN] = "SHUTDOWN",
	[VSOCK_OP_RW] = "RW",
	[VSOCK_OP_CREDIT_UPDATE] = "CREDIT_UPDATE",
	[VSOCK_OP_CREDIT_REQUEST] = "CREDIT_REQUEST",
};

void vsock_header_decode(const unsigned char bytes[VSOCK_HEADER_BYTES], struct vsock_header *ret)
{
	struct tsk_reader r = tsk_reader(bytes, VSOCK_HEADER_BYTES);

	ret->src_cid = tsk_read_u64(&r);
	ret->dst_cid = tsk_read_u64(&r);
	ret->src_port = tsk_read_u32(&r);
	ret->dst_port = tsk_read_u32(&r);
	ret->len = tsk_read_u32(&r);
	ret->type = tsk_read_u16(&r);
	ret->op = tsk_read_u16(&r);
	ret->flags = tsk_read_u32(&r);
	ret->buf_alloc = tsk_read_u32(&r);
	ret->fwd_cnt = tsk_read_u32(&r);
}

void vsock_header_encode(const struct vsock_header *header, unsigned char ret[VSOCK_HEADER_BYTES])
{
	struct tsk_writer w = tsk_writer(ret, VSOCK_HEADER_BYTES);

	tsk_write_u64(&w, header->src_cid);
	tsk_write_u64(&w, header->dst_cid);
	tsk_write_u32(&w, header->src_port);
	tsk_write_u32(&w, header->dst_port);
	tsk_write_u32(&w, header->len);
	tsk_write_u16(&w, header->type);
	tsk_write_u16(&w, header->op);
	tsk_write_u32(&w, header->flags);
	tsk_write_u32(&w, header->buf_alloc);
	tsk_write_u32(&w, header->fwd_cnt);
}

const char *vsock_op_name(unsigned op)
{
	return op < ARRAY_SIZE(op_names) && op_names[op] ? op_names[op] : "unknown";
}
