import P2PCore

/// Sizes of XSalsa20, in bytes.
enum XSalsa20 {
    static let nonce = 24
    static let block = 64
    /// The part of the nonce that makes the subkey; the rest goes with the block counter.
    static let subkeyNonce = 16
}

#if Sodium
    import CLibsodium

    /// The XSalsa20 key stream of one direction, wherever it has got to.
    ///
    /// Pieces of any size follow on each other: whole blocks are left to libsodium, and what a piece before left of a block is made again.
    struct KeyStream {
        /// Picks the fastest code for this processor; harmless to call again.
        private static let isReady = sodium_init() >= 0

        private let subkey: [UInt8]
        private let nonce: [UInt8]
        /// Bytes that were used so far.
        private var position: UInt64

        /// The stream of a key and a nonce.
        ///
        /// - Parameters:
        ///   - nonce: ``XSalsa20/nonce`` bytes.
        ///   - position: bytes that are used already; given by tests alone.
        init(key: PreSharedKey, nonce: [UInt8], position: UInt64 = 0) throws(PrivateNetworkError) {
            precondition(nonce.count == XSalsa20.nonce, "an XSalsa20 nonce has \(XSalsa20.nonce) bytes")
            // The first step of XSalsa20 depends on key and nonce alone, so it is done once and not for every piece.
            var subkey = [UInt8](repeating: 0, count: PreSharedKey.size)
            guard Self.isReady, crypto_core_hsalsa20(&subkey, nonce, key.bytes, nil) == 0 else { throw Self.libraryFailure }
            self.subkey = subkey
            self.nonce = Array(nonce[XSalsa20.subkeyNonce...])
            self.position = position
        }

        /// Writes the next bytes of `source`, encrypted or decrypted, to the front of `target`, which may be the same memory.
        mutating func apply(to source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) throws(PrivateNetworkError) {
            precondition(target.count >= source.count)
            let (end, overflows) = self.position.addingReportingOverflow(UInt64(source.count))
            guard !overflows else {
                throw PrivateNetworkError(.keyStreamExhausted, "one direction of a connection has carried \(self.position) bytes")
            }
            let done = try self.applyRestOfBlock(to: source, into: target)
            if done < source.count {
                let block = (self.position + UInt64(done)) / UInt64(XSalsa20.block)
                try self.apply(
                    block, to: UnsafeRawBufferPointer(rebasing: source[done...]),
                    into: UnsafeMutableRawBufferPointer(rebasing: target[done...]))
            }
            self.position = end
        }

        /// The bytes up to the end of a block that was begun; returns how many.
        private func applyRestOfBlock(
            to source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
        ) throws(PrivateNetworkError) -> Int {
            let offset = Int(self.position % UInt64(XSalsa20.block))
            guard offset > 0 else { return 0 }
            let count = min(XSalsa20.block - offset, source.count)
            var block = [UInt8](repeating: 0, count: XSalsa20.block)
            let zeros = block
            let (subkey, nonce, counter) = (self.subkey, self.nonce, self.position / UInt64(XSalsa20.block))
            guard crypto_stream_salsa20_xor_ic(&block, zeros, UInt64(XSalsa20.block), nonce, counter, subkey) == 0 else {
                throw Self.libraryFailure
            }
            for at in 0..<count { target[at] = source[at] ^ block[offset + at] }
            return count
        }

        private func apply(
            _ counter: UInt64, to source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
        ) throws(PrivateNetworkError) {
            guard let input = source.bindMemory(to: UInt8.self).baseAddress, let output = target.bindMemory(to: UInt8.self).baseAddress
            else { return }
            guard crypto_stream_salsa20_xor_ic(output, input, UInt64(source.count), self.nonce, counter, self.subkey) == 0 else {
                throw Self.libraryFailure
            }
        }

        /// The first bytes of a plain Salsa20 stream, whose nonce has 8 bytes.
        static func salsa20(key: PreSharedKey, nonce: [UInt8], count: Int) throws(PrivateNetworkError) -> [UInt8] {
            precondition(nonce.count == XSalsa20.nonce - XSalsa20.subkeyNonce)
            var stream = [UInt8](repeating: 0, count: count)
            guard Self.isReady, crypto_stream_salsa20(&stream, UInt64(count), nonce, key.bytes) == 0 else { throw Self.libraryFailure }
            return stream
        }

        private static let libraryFailure = PrivateNetworkError(.libraryFailure, "libsodium could not make the key stream")
    }
#else
    /// There is none in this build, and no value of this type.
    struct KeyStream {
        private let none: Never

        init(key: PreSharedKey, nonce: [UInt8]) throws(PrivateNetworkError) {
            throw Self.notBuiltIn
        }

        mutating func apply(to source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) throws(PrivateNetworkError) {}

        static func salsa20(key: PreSharedKey, nonce: [UInt8], count: Int) throws(PrivateNetworkError) -> [UInt8] {
            throw self.notBuiltIn
        }

        private static let notBuiltIn = PrivateNetworkError(
            .notBuiltIn, "a private network needs libsodium: build with the package trait Sodium")
    }
#endif
