package import NIOCore
package import P2PCore
package import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Where a peer may be: what speaks against an address, lists of addresses, finders.
extension Swarm {
    /// The addresses with what speaks against them, in the order in which they came.
    ///
    /// - Parameter areNamed: the caller knows them, so those that have failed lately are tried again.
    func candidates(_ addresses: [KnownAddress], of peer: PeerID?, on terms: DialTerms, areNamed: Bool) -> [DialCandidate] {
        let now = self.clock.now()
        let judge = self.judge
        return addresses.map { known in
            let address = known.address
            let bare = address.withoutPeerID
            if let objection = judge.objection(to: known) { return DialCandidate(known, objection: objection) }
            let recent = areNamed ? nil : self.recentFailure(of: Self.blamed(address, of: peer), at: now)
            guard !address.isAddressList else { return DialCandidate(known, objection: recent) }
            guard self.transports.contains(where: { $0.canDial(bare) }) else {
                return DialCandidate(known, objection: TransportError(.unsupportedAddress, "no transport of this host dials it"))
            }
            guard terms.allowsLimited || !address.isRelayed else {
                return DialCandidate(known, objection: Self.onlyRelayed)
            }
            return DialCandidate(known, objection: recent)
        }
    }

    /// What a failure at an address is remembered of: the place, whoever was expected there; of a list the list of that peer.
    private static func blamed(_ address: Multiaddr, of peer: PeerID?) -> Multiaddr {
        guard address.isAddressList else { return address.withoutPeerID }
        return peer.map { address.withoutPeerID.withPeerID($0) } ?? address
    }

    static let onlyRelayed = TransportError(.unsupportedOptions, "it leads through a relay, and a direct connection was asked for")

    /// When the first of a peer's addresses may be dialled again, where all have failed lately; nil where one may be dialled now, and where none is known.
    package func leftAlone(_ known: [KnownAddress], of peer: PeerID) -> NIODeadline? {
        let now = self.clock.now()
        var first: NIODeadline?
        for candidate in self.candidates(known, of: peer, on: DialTerms(), areNamed: true) where candidate.objection == nil {
            let blamed = Self.blamed(candidate.address, of: peer)
            guard let until = self.backOff.withLock({ $0.until(blamed, at: now) }) else { return nil }
            first = min(first ?? until, until)
        }
        return first
    }

    private func recentFailure(of address: Multiaddr, at now: NIODeadline) -> TransportError? {
        guard let until = self.backOff.withLock({ $0.until(address, at: now) }) else { return nil }
        return TransportError(.unreachable, "it failed lately and is left alone for \((until - now).nanoseconds / 1_000_000_000 + 1) s")
    }

    /// Until when resolvers and finders may go on for a dial: whoever joins it may wait longer than who began it, and its end cancels them.
    func patience(of operation: DialOperation) -> NIODeadline {
        max(operation.deadline, self.clock.now().advanced(by: SwarmConfiguration.lookUpTime))
    }

    // MARK: Lists

    /// The addresses that a list has, if the gater lets its name be asked for.
    func lookUp(_ list: Multiaddr, of peer: PeerID?, by deadline: NIODeadline) async -> Result<[Multiaddr], TransportError> {
        guard !self.resolvers.isEmpty else {
            return .failure(TransportError(.unsupportedAddress, "this host has no resolver for /dnsaddr"))
        }
        do throws(TransportError) {
            let decision = min(deadline, self.clock.now().advanced(by: self.configuration.handshakeTimeout))
            try await self.gate(list.withoutPeerID, of: peer, by: decision)
        } catch {
            return .failure(error)
        }
        let found = await self.resolve(list, by: deadline)
        switch found {
        case .success: self.backOff.withLock { $0.succeeded(list) }
        case .failure(let error) where error.code == .notBuiltIn || error.code == .cancelled || Task.isCancelled: break
        case .failure: self.backOff.withLock { $0.failed(list, at: self.clock.now()) }
        }
        return found
    }

    private func resolve(_ list: Multiaddr, by deadline: NIODeadline) async -> Result<[Multiaddr], TransportError> {
        do throws(TransportError) {
            let found = try await self.clock.result(by: deadline) { () async throws(TransportError) -> [Multiaddr] in
                var failures: [TransportError] = []
                for resolver in self.resolvers {
                    do throws(TransportError) {
                        return try await resolver.resolve(list, deadline: deadline)
                    } catch {
                        failures.append(error)
                        if Task.isCancelled { break }
                    }
                }
                throw Self.summary(failures)
            }
            if let found { return .success(found) }
            return .failure(TransportError(.timedOut, "the look-up was not done in time"))
        } catch {
            return .failure(error)
        }
    }

    /// What every resolver said; what one was built without is the reason only if that holds for all.
    private static func summary(_ failures: [TransportError]) -> TransportError {
        let telling = failures.first { $0.code != .notBuiltIn } ?? failures.first
        guard failures.count > 1, let telling else { return telling ?? TransportError(.cancelled, "the look-up was cancelled") }
        return TransportError(telling.code, failures.map(\.message).joined(separator: "; "), cause: telling.cause)
    }

    // MARK: Finders

    /// Asks one finder; what it finds joins the dial at once.
    func ask(_ finder: any PeerFinding, for operation: DialOperation) async -> DialError? {
        guard let peer = operation.peer else { return nil }
        do throws(DialError) {
            try await finder.find(peer, deadline: self.patience(of: operation)) { addresses in
                let some = addresses.prefix(SwarmConfiguration.maximumAddressesPerDial).map { KnownAddress($0, source: .discovery) }
                operation.found(self.candidates(some, of: peer, on: operation.terms, areNamed: false))
            }
            return nil
        } catch {
            return error
        }
    }
}
