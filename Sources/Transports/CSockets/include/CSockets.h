// What Swift's modules of the C libraries don't show of sockets.
#pragma once

#include <stddef.h>
#include <sys/socket.h>

/// Accepts a connection, which does not block and is closed when another program is executed; `peer` gets the address of the other side.
///
/// Returns a descriptor, or an errno below zero.
int sockets_accept(int descriptor, struct sockaddr_storage *peer);

/// How many bytes wait to be read, up to `enough` of them (at most 64); they stay where they are.
///
/// Returns an errno below zero when there are none yet, or none will come; 0 at the end.
int sockets_peek(int descriptor, size_t enough);

/// A pipe whose ends don't block; the end to read from comes first. Returns an errno below zero, or 0.
int sockets_pipe(int ends[2]);
