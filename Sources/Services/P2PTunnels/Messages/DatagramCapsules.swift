import NIOCore

/// Datagrams as capsules on a stream (RFC 9297, section 3.2; the context id 0 of RFC 9298 before each).
enum DatagramCapsule {
    /// The largest payload of a datagram, in bytes (RFC 9298, section 5).
    static let maximumPayload = 65_527
    /// What stands before a payload at most: the type, the length, and the context id.
    static let maximumHeader = 6

    /// A capsule with a copy of the payload.
    static func encode(_ payload: ByteBuffer) -> ByteBuffer {
        var capsule = ByteBufferAllocator().buffer(capacity: payload.readableBytes + Self.maximumHeader)
        capsule.writeInteger(UInt8(0))
        capsule.writeQUICVarint(UInt64(payload.readableBytes + 1))
        capsule.writeInteger(UInt8(0))
        capsule.writeImmutableBuffer(payload)
        return capsule
    }
}

/// Reads capsules as they come, in any pieces. What is no datagram is skipped without being kept.
struct DatagramCapsuleReader: Sendable {
    /// What is wrong with what the peer sends.
    enum Failure: Error, Equatable {
        /// A datagram is larger than any can be.
        case tooLarge(UInt64)
        /// A datagram has no context id.
        case malformed
    }

    private var input = ByteBuffer()
    /// Bytes of a capsule that is of no interest, which are still to come.
    private var skipping: UInt64 = 0

    /// Bytes that wait for the rest of a capsule.
    var waitingBytes: Int { self.input.readableBytes }
    /// For tests: bytes that are held for that.
    var heldBytes: Int { self.input.storageCapacity }

    /// Takes what has arrived.
    mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        if self.skipping > 0 {
            let size = Int(min(self.skipping, UInt64(bytes.readableBytes)))
            bytes.moveReaderIndex(forwardBy: size)
            self.skipping -= UInt64(size)
        }
        guard bytes.readableBytes > 0 else { return }
        guard self.input.readableBytes > 0 else {
            self.input = bytes
            return
        }
        // Pieces that end within a capsule would be kept, one behind the other, for as long as the flow lives.
        self.input.discardReadBytes()
        self.input.writeImmutableBuffer(bytes)
    }

    /// The payload of the next datagram; nil until more has arrived.
    mutating func next() throws(Failure) -> ByteBuffer? {
        while true {
            var rest = self.input
            guard let type = rest.readQUICVarint(), let length = rest.readQUICVarint() else { return nil }
            guard type == 0 else {
                self.skip(length, after: rest)
                continue
            }
            // The context id is one byte where it is known, and at most eight.
            guard length <= UInt64(DatagramCapsule.maximumPayload) + 8 else { throw .tooLarge(length) }
            guard var datagram = rest.readSlice(length: Int(length)) else { return nil }
            self.input = rest
            guard let context = datagram.readQUICVarint() else { throw .malformed }
            guard context == 0 else { continue }
            guard datagram.readableBytes <= DatagramCapsule.maximumPayload else { throw .tooLarge(length) }
            return datagram
        }
    }

    private mutating func skip(_ length: UInt64, after rest: ByteBuffer) {
        self.input = rest
        let size = Int(min(length, UInt64(rest.readableBytes)))
        self.input.moveReaderIndex(forwardBy: size)
        self.skipping = length - UInt64(size)
    }
}

extension ByteBuffer {
    /// Reads a QUIC varint (RFC 9000, section 16); nil, and nothing taken, when it is not whole.
    mutating func readQUICVarint() -> UInt64? { self.readEncodedInteger(as: UInt64.self, strategy: .quic) }

    /// Writes a QUIC varint in its shortest form; at most 2^62 - 1.
    mutating func writeQUICVarint(_ value: UInt64) { self.writeEncodedInteger(value, strategy: .quic) }
}
