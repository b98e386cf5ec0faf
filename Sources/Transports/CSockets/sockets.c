#define _GNU_SOURCE

#include "CSockets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#define LONGEST_PEEK 64

/// Sets both flags of a descriptor that has been made without them; closes it when that can't be done.
static int prepared(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0) return descriptor;
    int error = errno;
    close(descriptor);
    return -error;
}

int sockets_accept(int descriptor, struct sockaddr_storage *peer) {
    socklen_t length = sizeof(*peer);
#ifdef __linux__
    int accepted = accept4(descriptor, (struct sockaddr *)peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return accepted < 0 ? -errno : accepted;
#else
    int accepted = accept(descriptor, (struct sockaddr *)peer, &length);
    return accepted < 0 ? -errno : prepared(accepted);
#endif
}

int sockets_peek(int descriptor, size_t enough) {
    char bytes[LONGEST_PEEK];
    ssize_t count = recv(descriptor, bytes, enough < LONGEST_PEEK ? enough : LONGEST_PEEK, MSG_PEEK | MSG_DONTWAIT);
    return count < 0 ? -errno : (int)count;
}

int sockets_pipe(int ends[2]) {
    if (pipe(ends) != 0) return -errno;
    for (int end = 0; end < 2; end++) {
        int result = prepared(ends[end]);
        if (result >= 0) continue;
        close(ends[1 - end]);
        return result;
    }
    return 0;
}
