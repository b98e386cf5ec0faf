import NIOCore
public import P2PCore
import P2PMultiformats

/// Circuit relay v2 (libp2p specs, "circuit-v2"): a peer that both sides reach passes their bytes on, and sees nothing of what they say.
///
/// ``RelayClient`` dials and listens through relays; ``RelayService`` is one.
public enum Relay {
    /// What is asked of a relay: a place at it, or a circuit to somebody who has one.
    public static let hopID: ProtocolID = "/libp2p/circuit/relay/0.2.0/hop"
    /// By what a relay tells whoever has a place at it that somebody wants to connect.
    public static let stopID: ProtocolID = "/libp2p/circuit/relay/0.2.0/stop"

    /// The longest message of either protocol, in bytes.
    public static let maximumMessage = 4_096
}

/// Why a relay was of no use, or what it said broke the rules.
public typealias RelayError = CodedFailure<Relay>

extension RelayError.Code {
    /// Bytes that are no message of the protocol, or one that lacks what it needs.
    public static var malformed: Self { Self("malformed") }
    /// The relay said no; the message has its status.
    public static var refused: Self { Self("refused") }
    /// The relay answered with something else than an answer.
    public static var unexpected: Self { Self("unexpected") }
    /// The voucher that came with a reservation is not the relay's, or not for this node.
    public static var wrongVoucher: Self { Self("wrongVoucher") }
    /// The reservation is over before it has begun.
    public static var expired: Self { Self("expired") }
}

extension TransportError.Code {
    /// A relay did not make the circuit; the message says which, and why.
    public static var relayRefused: Self { Self("relayRefused") }
}

extension [UInt8] {
    /// The bytes of one message with their length before them.
    var framed: ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: self.count + 2)
        buffer.writeUnsignedVarint(UInt64(self.count))
        buffer.writeBytes(self)
        return buffer
    }
}
