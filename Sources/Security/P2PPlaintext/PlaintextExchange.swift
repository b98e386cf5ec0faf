package import NIOCore
import P2PCore
package import P2PIdentity
import P2PMultiformats
import P2PProtobuf

/// The exchange of ids and keys at the beginning of a plaintext connection as a value (libp2p plaintext spec, "Exchange").
///
/// Both sides speak at once, each one message with its length in front; what follows belongs to others.
package struct PlaintextExchange: Sendable {
    package enum Progress: Equatable, Sendable {
        /// More bytes are needed.
        case more
        /// Who the peer claims to be; what is left of the input is not the exchange's.
        case claimed(PeerID, PublicKey)
    }

    private let key: PublicKey
    private let expected: PeerID?
    /// What has arrived of the peer's message and its length.
    private var input = ByteBuffer()

    /// - Parameter expected: who it must be; nil lets anybody.
    package init(key: PublicKey, expecting expected: PeerID?) {
        self.key = key
        self.expected = expected
    }

    /// This side's message with its length.
    package func message() -> ByteBuffer {
        var exchange = ProtobufWriter()
        exchange.write(1, bytes: PeerID(self.key).bytes)
        exchange.write(2, bytes: self.key.protobufEncoded)
        var message = ByteBuffer()
        message.writeUnsignedVarint(UInt64(exchange.count))
        message.writeImmutableBuffer(exchange.buffer)
        return message
    }

    /// Takes bytes of the peer's message from `bytes`, and no byte beyond it.
    package mutating func received(_ bytes: inout ByteBuffer) throws(PlaintextError) -> Progress {
        while bytes.readableBytes > 0 {
            let awaited = try self.awaited()
            guard awaited > 0, var piece = bytes.readSlice(length: min(awaited, bytes.readableBytes)) else { break }
            self.input.writeBuffer(&piece)
        }
        guard try self.awaited() == 0 else { return .more }
        var message = self.input
        self.input = ByteBuffer()
        _ = try Self.length(&message)
        return try self.verify(message)
    }

    /// How many bytes to take next: of the length one at a time, of the message all.
    private func awaited() throws(PlaintextError) -> Int {
        var input = self.input
        guard let length = try Self.length(&input) else { return 1 }
        return length - input.readableBytes
    }

    private static func length(_ input: inout ByteBuffer) throws(PlaintextError) -> Int? {
        let length: UInt64?
        do {
            length = try input.readUnsignedVarint()
        } catch {
            throw PlaintextError(.malformed, "the exchange message has no sound length prefix", cause: error)
        }
        guard let length else { return nil }
        guard length <= UInt64(PlaintextLimits.maximumMessage) else {
            throw PlaintextError(
                .messageTooLong, "an exchange message of \(length) bytes was announced; at most \(PlaintextLimits.maximumMessage)")
        }
        return Int(length)
    }

    private func verify(_ message: ByteBuffer) throws(PlaintextError) -> Progress {
        var (id, publicKey): ([UInt8]?, [UInt8]?)
        var reader = ProtobufReader(message)
        do throws(ProtobufError) {
            while let field = try reader.next() {
                switch (field.number, field.value) {
                case (1, .bytes): id = field.array
                // The message PublicKey of the peer-ids spec, which is read as a whole.
                case (2, .bytes): publicKey = field.array
                default: break
                }
            }
        } catch {
            let size = message.readableBytes
            throw PlaintextError(.malformed, "the exchange message of \(size) bytes isn't its protobuf message", cause: error)
        }
        guard let id, let publicKey else {
            throw PlaintextError(.malformed, "the exchange message lacks its \(id == nil ? "peer id" : "public key")")
        }
        let key: PublicKey
        do throws(IdentityError) {
            key = try PublicKey(protobufEncoded: publicKey)
        } catch {
            throw PlaintextError(.invalidIdentityKey, "the public key in the exchange message is refused", cause: error)
        }
        let peer = PeerID(key)
        guard id == peer.bytes else {
            throw PlaintextError(.inconsistentIdentity, "the exchange message has the key of \(peer) beside another peer's id")
        }
        if let expected, peer != expected {
            throw PlaintextError(.peerMismatch, "expected the peer \(expected), but \(peer) answered")
        }
        return .claimed(peer, key)
    }
}
