import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// The addresses of one dial, as they become known.
struct DialCandidates {
    let peer: PeerID?
    let isExplicit: Bool
    /// What may be dialled, without `/p2p`.
    var addresses: [Multiaddr] = []
    /// What has to be looked up first, with `/p2p` where the peer is known.
    var lists: [Multiaddr] = []

    init(_ operation: DialOperation) {
        self.peer = operation.peer
        self.isExplicit = operation.isExplicit
    }
}

extension Swarm {
    /// Adds the addresses that are worth a try; returns those that are not, with the reason.
    func take(_ addresses: [Multiaddr], into candidates: inout DialCandidates, at now: NIODeadline) -> [DialAttempt] {
        var refused: [DialAttempt] = []
        for address in addresses {
            let bare = address.withoutPeerID
            let list = address.isAddressList ? candidates.peer.map { bare.withPeerID($0) } ?? address : nil
            if candidates.addresses.contains(bare) || list.map({ candidates.lists.contains($0) }) == true { continue }
            let reason =
                if let peer = candidates.peer, let named = address.peerID, named != peer {
                    TransportError(.peerMismatch, "the address names \(named), not \(peer)")
                } else if let list {
                    self.reasonAgainst(list: list, beside: candidates, at: now)
                } else {
                    self.reasonAgainst(bare, beside: candidates, at: now)
                }
            if let reason {
                refused.append(DialAttempt(address: address, error: reason))
            } else if let list {
                candidates.lists.append(list)
            } else {
                candidates.addresses.append(bare)
            }
        }
        return refused
    }

    private func reasonAgainst(_ address: Multiaddr, beside candidates: DialCandidates, at now: NIODeadline) -> TransportError? {
        if !self.transports.contains(where: { $0.canDial(address) }) {
            TransportError(.unsupportedAddress, "no transport of this host dials it")
        } else if candidates.addresses.count >= SwarmConfiguration.maximumAddressesPerDial {
            Self.leftOut("maximumAddressesPerDial", SwarmConfiguration.maximumAddressesPerDial)
        } else {
            self.recentFailure(of: address, beside: candidates, at: now)
        }
    }

    private func reasonAgainst(list: Multiaddr, beside candidates: DialCandidates, at now: NIODeadline) -> TransportError? {
        if candidates.lists.count >= SwarmConfiguration.maximumListsPerDial {
            Self.leftOut("maximumListsPerDial", SwarmConfiguration.maximumListsPerDial)
        } else {
            self.recentFailure(of: list, beside: candidates, at: now)
        }
    }

    private func recentFailure(of address: Multiaddr, beside candidates: DialCandidates, at now: NIODeadline) -> TransportError? {
        guard !candidates.isExplicit, let until = self.backOff.withLock({ $0.until(address, at: now) }) else { return nil }
        return TransportError(.unreachable, "it failed lately and is left alone for \((until - now).nanoseconds / 1_000_000_000 + 1) s")
    }

    private static func leftOut(_ limit: String, _ value: Int) -> TransportError {
        TransportError(.resourceLimit, "it was left out", cause: LimitError(limit: limit, value: value))
    }

    /// The addresses that a list has, if the gater lets its name be asked for.
    func lookUp(_ list: Multiaddr, of peer: PeerID?, by deadline: NIODeadline) async -> Result<[Multiaddr], TransportError> {
        guard let resolver = self.resolver else {
            return .failure(TransportError(.unsupportedAddress, "this host has no resolver for /dnsaddr"))
        }
        do throws(TransportError) {
            let decision = min(deadline, self.clock.now().advanced(by: self.configuration.handshakeTimeout))
            try await self.gate(list.withoutPeerID, of: peer, by: decision)
        } catch {
            return .failure(error)
        }
        let found = await self.resolve(list, with: resolver, by: deadline)
        switch found {
        case .success: self.backOff.withLock { $0.succeeded(list) }
        case .failure(let error) where error.code == .notBuiltIn || error.code == .cancelled || Task.isCancelled: break
        case .failure: self.backOff.withLock { $0.failed(list, at: self.clock.now()) }
        }
        return found
    }

    private func resolve(
        _ list: Multiaddr, with resolver: any AddressResolver, by deadline: NIODeadline
    ) async -> Result<[Multiaddr], TransportError> {
        let found = await self.clock.result(by: deadline) { () async -> Result<[Multiaddr], TransportError> in
            do throws(TransportError) {
                return .success(try await resolver.resolve(list, deadline: deadline))
            } catch {
                return .failure(error)
            }
        }
        return found ?? .failure(TransportError(.timedOut, "the look-up was not done by the deadline of the dial"))
    }
}
