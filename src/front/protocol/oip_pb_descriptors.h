/* SPDX-License-Identifier: Apache-2.0 */
/* What protoc made of the .proto files: a FileDescriptorSet. */
#ifndef PROTOCOL_OIP_PB_DESCRIPTORS_H
#define PROTOCOL_OIP_PB_DESCRIPTORS_H

#include <stddef.h>

extern const unsigned char oip_pb_descriptors[];
extern const size_t oip_pb_descriptors_bytes;

#endif
