package import NIOCore
import P2PCore
import P2PNegotiation
package import P2PPipeline

/// One side of a connection of a private network: what becomes of the bytes, both ways (pnet spec, "Algorithm").
///
/// Takes bytes in pieces of any size. The nonce travels with the first bytes that are written, so a peer that has shown nothing is shown
/// nothing. After an error the session is closed for good.
package struct PrivateNetworkSession: ~Copyable {
    private enum Inbound {
        /// So much of the peer's nonce is here.
        case nonce([UInt8])
        /// So many bytes are as they must be: everything above begins with multistream-select's header.
        case beginning(KeyStream, matched: Int)
        case flowing(KeyStream)
        case closed
    }

    private enum Outbound {
        case fresh(KeyStream)
        case flowing(KeyStream)
    }

    /// What every connection begins with once it is decrypted; another key turns it into noise.
    private static let header = Array(NegotiationTable.header.readableBytesView)

    private let key: PreSharedKey
    private let nonce: [UInt8]
    private let pool: RecordPool
    private var inbound: Inbound = .nonce([])
    private var outbound: Outbound

    /// A session about to begin. `nonce` is given by tests alone.
    ///
    /// - Throws: `.notBuiltIn`.
    package init(
        key: PreSharedKey, nonce: [UInt8] = Self.makeNonce(), pool: RecordPool = RecordPool()
    ) throws(PrivateNetworkError) {
        self.key = key
        self.nonce = nonce
        self.pool = pool
        self.outbound = .fresh(try KeyStream(key: key, nonce: nonce))
    }

    /// 24 random bytes.
    package static func makeNonce() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<XSalsa20.nonce).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// Whether nothing has come yet that proves the peer's key.
    package var isPeerUnproved: Bool {
        switch self.inbound {
        case .nonce, .beginning(_, matched: 0): true
        case .beginning, .flowing, .closed: false
        }
    }

    /// Takes all bytes that have arrived; returns what they say, or nil when it is nothing yet.
    package mutating func received(_ input: ByteBuffer) throws(PrivateNetworkError) -> ByteBuffer? {
        var input = input
        switch self.inbound {
        case .closed:
            return nil
        case .flowing(var stream):
            let text = try self.apply(&stream, to: input, after: [])
            self.inbound = .flowing(stream)
            return text
        case .beginning(let stream, let matched):
            return try self.begin(with: stream, matched: matched, input)
        case .nonce(var nonce):
            nonce += input.readBytes(length: min(XSalsa20.nonce - nonce.count, input.readableBytes)) ?? []
            guard nonce.count == XSalsa20.nonce else {
                self.inbound = .nonce(nonce)
                return nil
            }
            self.inbound = .closed
            guard nonce != self.nonce else {
                throw PrivateNetworkError(.nonceReflected, "the peer sent our own nonce back")
            }
            return try self.begin(with: try KeyStream(key: self.key, nonce: nonce), matched: 0, input)
        }
    }

    /// Decrypts the first bytes, which show whether the peer has our key.
    private mutating func begin(with stream: KeyStream, matched: Int, _ input: ByteBuffer) throws(PrivateNetworkError) -> ByteBuffer? {
        self.inbound = .closed
        var stream = stream
        let text = input.readableBytes > 0 ? try self.apply(&stream, to: input, after: []) : nil
        let expected = Self.header[matched...].prefix(text?.readableBytes ?? 0)
        guard text?.readableBytesView.starts(with: expected) ?? true else {
            throw PrivateNetworkError(
                .keyMismatch, "what the peer sent makes no sense under this network's key: it has another one, or none")
        }
        let reached = matched + expected.count
        self.inbound = reached == Self.header.count ? .flowing(stream) : .beginning(stream, matched: reached)
        return text
    }

    /// Encrypts bytes for the peer; in front of the first ones goes the nonce.
    package mutating func seal(_ plaintext: ByteBuffer) throws(PrivateNetworkError) -> ByteBuffer {
        switch self.outbound {
        case .fresh(var stream):
            let sealed = try self.apply(&stream, to: plaintext, after: self.nonce)
            self.outbound = .flowing(stream)
            return sealed
        case .flowing(var stream):
            let sealed = try self.apply(&stream, to: plaintext, after: [])
            self.outbound = .flowing(stream)
            return sealed
        }
    }

    /// The bytes under the key stream, in pooled memory: one pass from buffer to buffer.
    ///
    /// What travels through a pipeline is shared, so writing to the buffer itself would copy it first.
    private func apply(_ stream: inout KeyStream, to source: ByteBuffer, after prefix: [UInt8]) throws(PrivateNetworkError) -> ByteBuffer {
        let count = source.readableBytes
        var target = self.pool.take(capacity: prefix.count + count)
        target.writeBytes(prefix)
        var result = Result<Void, PrivateNetworkError>.success(())
        source.withUnsafeReadableBytes { source in
            _ = target.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
                do throws(PrivateNetworkError) {
                    try stream.apply(to: source, into: target)
                } catch {
                    result = .failure(error)
                }
                return count
            }
        }
        try result.get()
        return target
    }

    /// Nothing more will arrive: an error, unless the peer has shown by then that it has our key.
    package mutating func inputClosed() throws(PrivateNetworkError) {
        guard self.isPeerUnproved else { return }
        let place: String
        if case .nonce(let nonce) = self.inbound {
            place = nonce.isEmpty ? "before its nonce" : "after \(nonce.count) of the \(XSalsa20.nonce) bytes of its nonce"
        } else {
            place = "right behind its nonce"
        }
        self.inbound = .closed
        throw PrivateNetworkError(.nonceMissing, "the peer left \(place), as one with another key, or none, would")
    }

    /// Ends the session; whatever arrives from now on is dropped.
    package mutating func close() {
        self.inbound = .closed
    }
}
