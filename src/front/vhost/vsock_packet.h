/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a virtio-vsock packet (VIRTIO 1.2 §5.10.6), in and out of its 44 bytes. */
#ifndef VHOST_VSOCK_PACKET_H
#define VHOST_VSOCK_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define VSOCK_HEADER_BYTES 44u
#define VSOCK_PAYLOAD_MAX 65536u /* bytes in one packet, either way */
#define VSOCK_CID_HOST 2u

enum vsock_type {
	VSOCK_TYPE_STREAM = 1,
	VSOCK_TYPE_SEQPACKET = 2,
};

enum vsock_op {
	VSOCK_OP_REQUEST = 1,
	VSOCK_OP_RESPONSE = 2,
	VSOCK_OP_RST = 3,
	VSOCK_OP_SHUTDOWN = 4,
	VSOCK_OP_RW = 5,
	VSOCK_OP_CREDIT_UPDATE = 6,
	VSOCK_OP_CREDIT_REQUEST = 7,
	VSOCK_OP_MAX
};

/* In flags of SHUTDOWN: what its sender will not do any more. */
#define VSOCK_SHUTDOWN_RECEIVE 1u
#define VSOCK_SHUTDOWN_SEND 2u
#define VSOCK_SHUTDOWN_BOTH (VSOCK_SHUTDOWN_RECEIVE | VSOCK_SHUTDOWN_SEND)

/* In flags of RW, of a seqpacket connection: this packet ends a message. */
#define VSOCK_SEQ_EOM 1u

struct vsock_header {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len; /* bytes of payload */
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt; /* the sender's, for its receiving side */
};

/* Any 44 bytes are a header: whether its values make sense is the caller's to say. */
void vsock_header_decode(const unsigned char bytes[VSOCK_HEADER_BYTES], struct vsock_header *ret);
void vsock_header_encode(const struct vsock_header *header, unsigned char ret[VSOCK_HEADER_BYTES]);

/* "REQUEST" ...; "unknown" for a number that is no op. */
const char *vsock_op_name(unsigned op);

#endif
