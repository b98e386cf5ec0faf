#if defined(__linux__)
#define _GNU_SOURCE
#elif defined(__APPLE__)
#define __APPLE_USE_RFC_3542
#endif

#include "CNgtcp2Shim.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/filter.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#endif

#if defined(__linux__) && !defined(UDP_SEGMENT)
#define UDP_SEGMENT 103
#endif
#if defined(__linux__) && !defined(SOL_UDP)
#define SOL_UDP 17
#endif

/// What the kernel may hold for one socket: two bursts of a fast peer. It may grant less.
static const int socket_buffer = 4 << 20;

static void set(int descriptor, int level, int option, int value) {
    // Each of these makes things better, and none is needed.
    (void)setsockopt(descriptor, level, option, &value, sizeof value);
}

/// Has the kernel look at checksums before it says that there is something to read.
///
/// Linux leaves them for the read, which then comes back with nothing, and that is more than NIO's event loop believes
/// possible. A socket with a filter, even one that lets everything pass, gets none but good datagrams.
static void check_early(int descriptor) {
#if defined(__linux__)
    struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    struct sock_fprog program = {1, &pass};
    (void)setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
#else
    (void)descriptor;
#endif
}

static int open_socket(int family, int *descriptor) {
    int fd = socket(family, SOCK_DGRAM, 0);
    if (fd < 0) return errno;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        int error = errno;
        close(fd);
        return error;
    }
    *descriptor = fd;
    return 0;
}

int quic_socket_open(const quic_address *local, int *descriptor, quic_address *bound) {
    const struct sockaddr *address = (const struct sockaddr *)local->storage;
    bool is_v6 = address->sa_family == AF_INET6;
    int fd = -1;
    int error = open_socket(address->sa_family, &fd);
    if (error != 0) return error;
    set(fd, SOL_SOCKET, SO_RCVBUF, socket_buffer);
    set(fd, SOL_SOCKET, SO_SNDBUF, socket_buffer);
    check_early(fd);
    if (is_v6) {
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
#if defined(IPV6_MTU_DISCOVER)
        set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
#elif defined(IPV6_DONTFRAG)
        set(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
#endif
    } else {
#if defined(IP_PKTINFO)
        set(fd, IPPROTO_IP, IP_PKTINFO, 1);
#endif
        set(fd, IPPROTO_IP, IP_RECVTOS, 1);
#if defined(IP_MTU_DISCOVER)
        set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
#elif defined(IP_DONTFRAG)
        set(fd, IPPROTO_IP, IP_DONTFRAG, 1);
#endif
    }
    struct sockaddr_storage real;
    socklen_t length = sizeof real;
    if (bind(fd, address, (socklen_t)local->length) < 0 || getsockname(fd, (struct sockaddr *)&real, &length) < 0) {
        error = errno;
        close(fd);
        return error;
    }
    if (!quic_address_copy(bound, &real, length)) {
        close(fd);
        return EAFNOSUPPORT;
    }
    *descriptor = fd;
    return 0;
}

int quic_socket_route(const quic_address *remote, quic_address *local) {
    const struct sockaddr *address = (const struct sockaddr *)remote->storage;
    int fd = -1;
    int error = open_socket(address->sa_family, &fd);
    if (error != 0) return error;
    struct sockaddr_storage real;
    socklen_t length = sizeof real;
    if (connect(fd, address, (socklen_t)remote->length) < 0 || getsockname(fd, (struct sockaddr *)&real, &length) < 0) {
        error = errno;
    } else if (!quic_address_copy(local, &real, length)) {
        error = EAFNOSUPPORT;
    }
    close(fd);
    return error;
}

/// Appends a control message with one value.
static void append(struct msghdr *message, size_t *used, int level, int type, const void *value, size_t length) {
    struct cmsghdr *header = (struct cmsghdr *)(void *)((uint8_t *)message->msg_control + *used);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(header), value, length);
    *used += CMSG_SPACE(length);
}

int quic_socket_send(
    int descriptor, const uint8_t *bytes, size_t length, size_t segment, const quic_address *remote, const quic_address *source,
    uint8_t ecn) {
    struct iovec vector = {(void *)(uintptr_t)bytes, length};
    union {
        struct cmsghdr alignment;
        uint8_t bytes[256];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_name = (void *)(uintptr_t)remote->storage;
    message.msg_namelen = (socklen_t)remote->length;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    size_t used = 0;
    bool is_v6 = remote->length == sizeof(struct sockaddr_in6);
    if (source != NULL && source->length == remote->length) {
        if (is_v6) {
            struct in6_pktinfo info;
            memset(&info, 0, sizeof info);
            memcpy(&info.ipi6_addr, &((const struct sockaddr_in6 *)(const void *)source->storage)->sin6_addr, 16);
            append(&message, &used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
        } else {
#if defined(IP_PKTINFO)
            struct in_pktinfo info;
            memset(&info, 0, sizeof info);
            info.ipi_spec_dst = ((const struct sockaddr_in *)(const void *)source->storage)->sin_addr;
            append(&message, &used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
#endif
        }
    }
    if (ecn != 0) {
        int value = ecn;
        if (is_v6) {
            append(&message, &used, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof value);
        } else {
            append(&message, &used, IPPROTO_IP, IP_TOS, &value, sizeof value);
        }
    }
#if defined(UDP_SEGMENT)
    if (segment > 0 && segment < length) {
        uint16_t value = (uint16_t)segment;
        append(&message, &used, SOL_UDP, UDP_SEGMENT, &value, sizeof value);
    }
#else
    if (segment > 0 && segment < length) return EIO;
#endif
    message.msg_controllen = used;
    if (used == 0) message.msg_control = NULL;
    ssize_t sent;
    do {
        sent = sendmsg(descriptor, &message, 0);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

void quic_socket_close(int descriptor) { close(descriptor); }

int quic_socket_duplicate(int descriptor, int *copy) {
    *copy = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return *copy < 0 ? errno : 0;
}

int quic_socket_try_poll(int descriptor) {
#if defined(__linux__)
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) return 0;
    struct epoll_event event = {.events = EPOLLIN};
    int code = epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : errno;
    (void)close(poller);
    return code;
#else
    (void)descriptor;
    return 0;
#endif
}

bool quic_socket_segments(int descriptor) {
#if defined(UDP_SEGMENT)
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_UDP, UDP_SEGMENT, &value, &length) == 0;
#else
    (void)descriptor;
    return false;
#endif
}
