#include "internal.h"

#if __has_include(<ngtcp2/ngtcp2.h>)

/// Ranges of one frame that are reported; what lies further back is old.
static const uint64_t maximum_ranges = 32;

typedef struct reader {
    const uint8_t *next;
    const uint8_t *end;
} reader;

/// Takes a variable-length integer (RFC 9000, section 16).
static bool take(reader *input, uint64_t *value) {
    if (input->next >= input->end) return false;
    size_t length = (size_t)1 << (*input->next >> 6);
    if ((size_t)(input->end - input->next) < length) return false;
    uint64_t result = *input->next++ & 0x3f;
    for (size_t i = 1; i < length; i++) result = result << 8 | *input->next++;
    *value = result;
    return true;
}

static bool skip(reader *input, uint64_t count) {
    if ((uint64_t)(input->end - input->next) < count) return false;
    input->next += count;
    return true;
}

static bool skip_integers(reader *input, int count) {
    uint64_t ignored;
    while (count-- > 0) {
        if (!take(input, &ignored)) return false;
    }
    return true;
}

static bool skip_counted(reader *input) {
    uint64_t count;
    return take(input, &count) && skip(input, count);
}

/// Skips the rest of a frame; false where nothing can follow it, or it makes no sense, which is the library's to say.
static bool skip_frame(reader *input, uint64_t type) {
    if (type >= 0x08 && type <= 0x0f) { // STREAM
        if (!skip_integers(input, (type & 0x04) != 0 ? 2 : 1)) return false;
        return (type & 0x02) != 0 && skip_counted(input);
    }
    switch (type) {
    case 0x00: // PADDING
    case 0x01: // PING
    case 0x1e: return true; // HANDSHAKE_DONE
    case 0x04: return skip_integers(input, 3); // RESET_STREAM
    case 0x05: // STOP_SENDING
    case 0x11: // MAX_STREAM_DATA
    case 0x15: return skip_integers(input, 2); // STREAM_DATA_BLOCKED
    case 0x06: return skip_integers(input, 1) && skip_counted(input); // CRYPTO
    case 0x07: // NEW_TOKEN
    case 0x31: return skip_counted(input); // DATAGRAM
    case 0x10: // MAX_DATA
    case 0x12: // MAX_STREAMS
    case 0x13:
    case 0x14: // DATA_BLOCKED
    case 0x16: // STREAMS_BLOCKED
    case 0x17:
    case 0x19: return skip_integers(input, 1); // RETIRE_CONNECTION_ID
    case 0x18: // NEW_CONNECTION_ID
        if (!skip_integers(input, 2) || input->next >= input->end) return false;
        return skip(input, (uint64_t)*input->next + 1 + QUIC_RESET_TOKEN_LENGTH);
    case 0x1a: // PATH_CHALLENGE
    case 0x1b: return skip(input, 8); // PATH_RESPONSE
    default: return false;
    }
}

/// An ACK frame behind its type (RFC 9000, section 19.3).
static void report(quic_connection *connection, reader *input) {
    uint64_t largest, delay, count, length;
    if (!take(input, &largest) || !take(input, &delay) || !take(input, &count) || !take(input, &length)) return;
    for (uint64_t range = 0;; range++) {
        if (length > largest) return;
        uint64_t smallest = largest - length;
        connection->handlers.acknowledged(connection->owner, smallest, largest);
        uint64_t gap;
        if (range == count || range == maximum_ranges || !take(input, &gap) || !take(input, &length)) return;
        if (gap > smallest || smallest - gap < 2) return;
        largest = smallest - gap - 2;
    }
}

void quic_report_acknowledgements(quic_connection *connection, const uint8_t *frames, size_t length) {
    reader input = {frames, frames + length};
    uint64_t type;
    while (take(&input, &type)) {
        if (type == 0x02 || type == 0x03) return report(connection, &input);
        if (!skip_frame(&input, type)) return;
    }
}

uint64_t quic_packet_number(const uint8_t *header, size_t length, uint64_t last) {
    size_t bytes = (size_t)(header[0] & 0x03) + 1;
    if (length <= bytes) return last;
    uint64_t tail = 0;
    for (size_t i = length - bytes; i < length; i++) tail = tail << 8 | header[i];
    // Numbers only grow.
    uint64_t window = (uint64_t)1 << (8 * bytes);
    uint64_t number = (last & ~(window - 1)) | tail;
    return number < last ? number + window : number;
}

#endif
