import P2PIdentity
import P2PMultiaddr
import Synchronization

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// This node's peer record, signed once for each change of its addresses.
final class OwnRecord: Sendable {
    private struct State {
        var sequence: UInt64 = 0
        var addresses: [Multiaddr]?
        var envelope: [UInt8]?
    }

    private let identity: any IdentityKey
    private let state = Mutex(State())

    init(identity: any IdentityKey) {
        self.identity = identity
    }

    /// The signed envelope for the addresses, as bytes; nil when the key refuses to sign.
    func envelope(for addresses: [Multiaddr]) async -> [UInt8]? {
        let (envelope, sequence) = self.state.withLock { state -> ([UInt8]?, UInt64) in
            if state.addresses == addresses, let envelope = state.envelope { return (envelope, state.sequence) }
            state.sequence = max(state.sequence &+ 1, Self.now)
            return (nil, state.sequence)
        }
        if let envelope { return envelope }
        let record = PeerRecord(
            peer: PeerID(self.identity.publicKey), sequence: sequence,
            addresses: addresses.prefix(PeerRecord.maximumAddresses).map(\.bytes))
        guard let signed = try? await record.sealed(with: self.identity).protobufEncoded() else { return nil }
        self.state.withLock { state in
            if state.sequence == sequence {
                state.addresses = addresses
                state.envelope = signed
            }
        }
        return signed
    }

    /// Nanoseconds since 1970, so that a restarted node's records are newer.
    private static var now: UInt64 {
        UInt64(max(0, Date().timeIntervalSince1970) * 1_000_000_000)
    }
}
