import P2PIdentity
import P2PMultiaddr
import Synchronization

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// This node's peer record, signed once for each change of its addresses and each part of them that somebody is told, and again once the
/// clock is an hour ahead of it.
///
/// The parts share a sequence number: a peer that is told one part here and another there takes neither for an old one.
final class OwnRecord: Sendable {
    /// How far the clock may be ahead of a record, in nanoseconds: a machine that starts in 1970 is soon told the time, and peers who
    /// knew it before take its records for old ones until then.
    static let staleness: UInt64 = 3_600 * 1_000_000_000
    /// Parts whose envelopes are kept: few, since a machine is in few networks.
    private static let envelopeLimit = 16

    private struct State {
        var sequence: UInt64 = 0
        /// All of this node's.
        var addresses: [Multiaddr]?
        /// By what is told.
        var envelopes: [[Multiaddr]: [UInt8]] = [:]
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
    ///
    /// - Parameters:
    ///   - told: those in it.
    ///   - addresses: all of this node's; whenever they change, its records are new ones.
    func envelope(for told: [Multiaddr], of addresses: [Multiaddr]) async -> [UInt8]? {
        let now = self.now()
        let (envelope, sequence) = self.state.withLock { state -> ([UInt8]?, UInt64) in
            let isStale = now > state.sequence && now - state.sequence > Self.staleness
            if isStale || state.addresses != addresses {
                state.sequence = max(state.sequence &+ 1, now)
                state.addresses = addresses
                state.envelopes = [:]
            }
            return (state.envelopes[told], state.sequence)
        }
        if let envelope { return envelope }
        let record = PeerRecord(
            peer: PeerID(self.identity.publicKey), sequence: sequence,
            addresses: told.prefix(PeerRecord.maximumAddresses).map(\.bytes))
        guard let signed = try? await record.sealed(with: self.identity).protobufEncoded() else { return nil }
        self.state.withLock { state in
            guard state.sequence == sequence else { return }
            if state.envelopes.count >= Self.envelopeLimit { state.envelopes = [:] }
            state.envelopes[told] = signed
        }
        return signed
    }

    /// Nanoseconds since 1970, so that a restarted node's records are newer.
    @Sendable private static func wallTime() -> UInt64 {
        // A clock beyond the year 2554 has more nanoseconds than there are numbers.
        UInt64(exactly: (max(0, Date().timeIntervalSince1970) * 1_000_000_000).rounded(.down)) ?? UInt64.max - 1_000_000_000
    }
}
