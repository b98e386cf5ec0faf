import P2PIdentity
import P2PMultiaddr
import Synchronization

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// This node's peer record, signed once for each change of its addresses, and again once the clock is an hour ahead of it.
final class OwnRecord: Sendable {
    /// How far the clock may be ahead of a record, in nanoseconds: a machine that starts in 1970 is soon told the time, and peers who
    /// knew it before take its records for old ones until then.
    static let staleness: UInt64 = 3_600 * 1_000_000_000

    private struct State {
        var sequence: UInt64 = 0
        var addresses: [Multiaddr]?
        var envelope: [UInt8]?
    }

    private let identity: any IdentityKey
    private let now: @Sendable () -> UInt64
    private let state = Mutex(State())

    /// - Parameter now: nanoseconds since 1970.
    init(identity: any IdentityKey, now: @escaping @Sendable () -> UInt64 = OwnRecord.wallTime) {
        self.identity = identity
        self.now = now
    }

    /// The signed envelope for the addresses, as bytes; nil when the key refuses to sign.
    func envelope(for addresses: [Multiaddr]) async -> [UInt8]? {
        let now = self.now()
        let (envelope, sequence) = self.state.withLock { state -> ([UInt8]?, UInt64) in
            let isStale = now > state.sequence && now - state.sequence > Self.staleness
            if state.addresses == addresses, !isStale, let envelope = state.envelope { return (envelope, state.sequence) }
            state.sequence = max(state.sequence &+ 1, now)
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
    @Sendable private static func wallTime() -> UInt64 {
        // A clock beyond the year 2554 has more nanoseconds than there are numbers.
        UInt64(exactly: (max(0, Date().timeIntervalSince1970) * 1_000_000_000).rounded(.down)) ?? UInt64.max - 1_000_000_000
    }
}
