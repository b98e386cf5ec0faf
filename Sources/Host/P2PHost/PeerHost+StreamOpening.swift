import NIOCore
public import P2PCore
public import P2PIdentity
import P2PNegotiation
import P2PSwarm

extension PeerHost: StreamOpening {
    /// Opens a stream over a live connection, or over a new one to where the peer is known to be.
    ///
    /// A connection that a relay lends will do when a handler of this host serves one of the protocols on such
    /// (``ProtocolHandler/servesLimitedConnections``); else a direct one is dialled.
    ///
    /// - Throws: ``StreamError/Code/limitedConnection`` when there is none; ``StreamError/Code/connectionLost`` with a ``DialError`` as its cause when the peer is not reached;
    ///   ``StreamError/Code/invalidProtocol`` for a name that can't be negotiated, such as `na` and `ls`.
    public func openStream(to peer: PeerID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        try Self.check(protocols)
        var entry = try await self.connection(to: peer, for: protocols)
        do {
            return try await self.openStream(on: entry, protocols: protocols)
        } catch let error where error.code == .connectionLost && !Task.isCancelled {
            // The connection was ending when it was chosen: one that lives, or a new one, may do.
            self.swarm.retire(entry)
            entry = try await self.connection(to: peer, for: protocols)
            return try await self.openStream(on: entry, protocols: protocols)
        }
    }

    /// Opens a stream on one connection.
    ///
    /// - Throws: ``StreamError/Code/connectionLost`` when it has ended.
    public func openStream(on connection: ConnectionID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        guard let entry = self.swarm.connection(connection) else {
            throw StreamError(.connectionLost, "connection \(connection) has ended")
        }
        return try await self.openStream(on: entry, protocols: protocols)
    }

    /// Refuses names that can't be proposed, before anything is sent or dialled.
    private static func check(_ protocols: [ProtocolID]) throws(StreamError) {
        guard let objection = NegotiationTable.objection(to: protocols) else { return }
        throw StreamError(.invalidProtocol, objection.message, cause: objection)
    }

    private func connection(to peer: PeerID, for protocols: [ProtocolID]) async throws(StreamError) -> ConnectionEntry {
        let entry = self.swarm.connection(to: peer)
        if let entry, !entry.info.isLimited { return entry }
        let served = self.registry.served
        let takesLimited = protocols.contains { served[$0]?.servesLimitedConnections == true }
        if let entry, takesLimited { return entry }
        do throws(DialError) {
            return try await self.swarm.dial(
                peer, DialRequest(allowsLimited: takesLimited),
                deadline: self.swarm.clock.now().advanced(by: self.configuration.dialTimeout))
        } catch {
            if let limited = self.swarm.connection(to: peer)?.info, limited.isLimited, error.code != .cancelled {
                throw StreamError(
                    .limitedConnection,
                    """
                    \(limited) is lent by a relay, with limits on time and bytes, and none of \(protocols.map(\.name).joined(separator: ", ")) \
                    has opted in to that; a direct one did not come about
                    """, cause: error)
            }
            throw StreamError(
                error.code == .cancelled ? .cancelled : .connectionLost, "there is no connection to \(peer)", cause: error)
        }
    }

    private func openStream(on entry: ConnectionEntry, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        guard let traffic = self.traffic else { return try await self.makeStream(on: entry, protocols: protocols) }
        return try await self.openObserved(on: entry, protocols: protocols, traffic)
    }

    /// The same where somebody observes.
    @inline(never)
    private func openObserved(
        on entry: ConnectionEntry, protocols: [ProtocolID], _ traffic: ProtocolTrafficTable
    ) async throws(StreamError) -> PeerStream {
        let observation = self.observers.begin(.opening(protocols, on: entry.info))
        do throws(StreamError) {
            let stream = try await self.makeStream(on: entry, protocols: protocols)
            if let protocolID = stream.protocolID { stream.muxed.count(for: traffic.traffic(of: protocolID), isServed: false) }
            observation.end(.done)
            return stream
        } catch {
            observation.end(.failed(error))
            throw error
        }
    }

    private func makeStream(on entry: ConnectionEntry, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        try Self.check(protocols)
        guard var preferred = protocols.first else { throw StreamError(.protocolNotSupported, "no protocol was proposed") }
        let stream: PeerStream
        do throws(ConnectionError) {
            stream = try await entry.connection.openStream()
        } catch {
            let code: StreamError.Code
            switch error.code {
            case .cancelled: code = .cancelled
            case .resourceLimit: code = .resourceLimit
            default:
                code = .connectionLost
                // It ends, or the peer said goodbye, or its ids are used up: it takes no stream ever again.
                self.swarm.retire(entry)
            }
            throw StreamError(code, "\(entry.info.remotePeer) was not asked for \(preferred)", cause: error)
        }
        var protocols = protocols
        if !self.streamGaters.isEmpty {
            protocols = try await self.granted(protocols, for: stream, on: entry)
            preferred = protocols.first ?? preferred
        }
        if let known = protocols.count == 1 ? preferred : entry.firstSupported(of: protocols) {
            stream.proposeLazily(self.registry.proposal(of: known))
            return stream
        }
        self.negotiations.insert(stream)
        defer { self.negotiations.remove(stream) }
        _ = try await stream.propose(NegotiationTable(protocols))
        return stream
    }
}
