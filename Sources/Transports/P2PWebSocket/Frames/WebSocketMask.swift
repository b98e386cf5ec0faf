import NIOCore

/// The key that a frame's payload is masked with, and how far into the payload it is (RFC 6455, section 5.3).
struct WebSocketMask: Equatable, Sendable {
    /// The four bytes of the key in wire order, the next to be used lowest.
    private var rotated: UInt32

    /// - Parameter key: as it stands in the frame's header, read as a big-endian number.
    init(key: UInt32) {
        self.rotated = key.byteSwapped
    }

    /// Writes `source` to `destination`, masked or unmasked, and moves on.
    ///
    /// - Precondition: `destination` has as much room.
    mutating func apply(from source: UnsafeRawBufferPointer, to destination: UnsafeMutableRawBufferPointer) {
        precondition(destination.count >= source.count, "a masked copy needs as much room as its source")
        let wide = UInt64(self.rotated) << 32 | UInt64(self.rotated)
        let pattern = SIMD8<UInt64>(repeating: wide.littleEndian)
        let vector = MemoryLayout<SIMD8<UInt64>>.size
        var offset = 0
        while source.count - offset >= vector {
            let block = source.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)
            destination.storeBytes(of: block ^ pattern, toByteOffset: offset, as: SIMD8<UInt64>.self)
            offset += vector
        }
        while offset < source.count {
            destination[offset] = source[offset] ^ UInt8(truncatingIfNeeded: self.rotated)
            self.rotated = self.rotated >> 8 | self.rotated << 24
            offset += 1
        }
    }

    /// Appends the first `length` readable bytes of `source`, masked or unmasked, to `destination` and moves on.
    ///
    /// - Precondition: `source` has as many.
    mutating func move(_ length: Int, from source: inout ByteBuffer, to destination: inout ByteBuffer) {
        source.readWithUnsafeReadableBytes { input in
            destination.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { output in
                self.apply(from: UnsafeRawBufferPointer(rebasing: input[..<length]), to: output)
                return length
            }
            return length
        }
    }
}
