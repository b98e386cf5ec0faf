#include "CNgtcp2Shim.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static struct sockaddr *generic(const quic_address *address) { return (struct sockaddr *)(uintptr_t)address->storage; }
static struct sockaddr_in *v4(const quic_address *address) { return (struct sockaddr_in *)(uintptr_t)address->storage; }
static struct sockaddr_in6 *v6(const quic_address *address) { return (struct sockaddr_in6 *)(uintptr_t)address->storage; }

bool quic_address_set(quic_address *address, const uint8_t *ip, size_t ip_length, uint16_t port, uint32_t scope) {
    memset(address, 0, sizeof *address);
    switch (ip_length) {
    case 4:
        address->length = sizeof(struct sockaddr_in);
        generic(address)->sa_family = AF_INET;
        v4(address)->sin_port = htons(port);
        memcpy(&v4(address)->sin_addr, ip, 4);
        break;
    case 16:
        address->length = sizeof(struct sockaddr_in6);
        generic(address)->sa_family = AF_INET6;
        v6(address)->sin6_port = htons(port);
        memcpy(&v6(address)->sin6_addr, ip, 16);
        v6(address)->sin6_scope_id = scope;
        break;
    default: return false;
    }
#if defined(__APPLE__)
    generic(address)->sa_len = (uint8_t)address->length;
#endif
    return true;
}

bool quic_address_copy(quic_address *address, const void *sockaddr, size_t length) {
    const struct sockaddr *source = sockaddr;
    memset(address, 0, sizeof *address);
    if (length >= sizeof(struct sockaddr_in) && source->sa_family == AF_INET) {
        // Field by field: what pads the structure must not make equal addresses differ.
        const struct sockaddr_in *in = sockaddr;
        return quic_address_set(address, (const uint8_t *)&in->sin_addr, 4, ntohs(in->sin_port), 0);
    }
    if (length >= sizeof(struct sockaddr_in6) && source->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = sockaddr;
        return quic_address_set(address, (const uint8_t *)&in->sin6_addr, 16, ntohs(in->sin6_port), in->sin6_scope_id);
    }
    return false;
}

bool quic_address_equal(const quic_address *left, const quic_address *right) {
    return left->length == right->length && memcmp(left->storage, right->storage, left->length) == 0;
}

uint16_t quic_address_port(const quic_address *address) {
    // Both families keep the port in the same place.
    return address->length == 0 ? 0 : ntohs(v4(address)->sin_port);
}

void quic_address_set_port(quic_address *address, uint16_t port) { v4(address)->sin_port = htons(port); }

uint32_t quic_address_scope(const quic_address *address) {
    return address->length == sizeof(struct sockaddr_in6) ? v6(address)->sin6_scope_id : 0;
}

size_t quic_address_ip(const quic_address *address, uint8_t bytes[16]) {
    if (address->length == sizeof(struct sockaddr_in)) {
        memcpy(bytes, &v4(address)->sin_addr, 4);
        return 4;
    }
    if (address->length == sizeof(struct sockaddr_in6)) {
        memcpy(bytes, &v6(address)->sin6_addr, 16);
        return 16;
    }
    return 0;
}
