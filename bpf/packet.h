// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The little that the programs here share. No library: the uapi headers are enough.
#ifndef PACKET_H
#define PACKET_H

#define SECTION(name) __attribute__((section(name), used))

/* A constant in network byte order, whatever byte order the object is made for. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define net16(x) ((__u16)__builtin_bswap16(x))
#else
#define net16(x) ((__u16)(x))
#endif

/* First byte of the frame: its Ethernet header. */
#define packet_start(skb) ((const void *)(long)(skb)->data)

/* Whether what ends at `end` reaches past the bytes that the program may read directly. The
 * verifier wants this asked before the bytes are read. */
#define past_end(skb, end) ((const void *)(end) > (const void *)(long)(skb)->data_end)

#endif
