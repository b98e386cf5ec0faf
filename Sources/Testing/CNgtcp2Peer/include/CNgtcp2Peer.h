// A QUIC peer for tests: it does an honest handshake, and then hands out the secret that its packets are sealed with.
//
// Without ngtcp2's headers (a build without the trait QUIC) the source of this target is empty.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUIC_PEER_SECRET_LENGTH 32
#define QUIC_PEER_MAXIMUM_ID 20

/// As CNgtcp2Shim makes them.
struct quic_credentials;

/// The peer, with a UDP socket of its own on the loopback interface. It hears through the socket; whoever calls carries what it says.
typedef struct quic_peer quic_peer;

/// A client, or a server that waits for the first Initial. `credentials` must outlive it. NULL when it can't be.
quic_peer *quic_peer_new(const struct quic_credentials *credentials, bool is_server, uint64_t now);
void quic_peer_free(quic_peer *peer);
uint16_t quic_peer_port(const quic_peer *peer);

/// Takes in what has come to the socket; false when the handshake has failed.
bool quic_peer_hear(quic_peer *peer, uint64_t now);
/// The next packet that it has to say, or 0.
size_t quic_peer_say(quic_peer *peer, uint8_t *packet, size_t size, uint64_t now);

/// The secret behind its 1-RTT packets, and the length of the connection id that these are sent to; 0 before there is one, and for
/// cipher suites with another hash than SHA-256.
size_t quic_peer_secret(const quic_peer *peer, uint8_t secret[QUIC_PEER_SECRET_LENGTH], uint8_t destination[QUIC_PEER_MAXIMUM_ID]);
