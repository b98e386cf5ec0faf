import NIOCore
public import P2PCore
public import P2PIdentity
import P2PNegotiation
import P2PSwarm

extension PeerHost: StreamOpening {
    /// Opens a stream over a live connection, or over a new one to where the peer is known to be.
    ///
    /// - Throws: ``StreamError/Code/connectionLost`` with a ``DialError`` as its cause when the peer is not reached;
    ///   ``StreamError/Code/invalidProtocol`` for a name that can't be negotiated, such as `na` and `ls`.
    public func openStream(to peer: PeerID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        try Self.check(protocols)
        var entry = try await self.connection(to: peer)
        do {
            return try await self.openStream(on: entry, protocols: protocols)
        } catch let error where error.code == .connectionLost && !Task.isCancelled {
            // The connection was ending when it was chosen: one that lives, or a new one, may do.
            self.swarm.retire(entry)
            entry = try await self.connection(to: peer)
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

    private func connection(to peer: PeerID) async throws(StreamError) -> ConnectionEntry {
        if let entry = self.swarm.connection(to: peer) { return entry }
        do throws(DialError) {
            return try await self.swarm.dial(
                peer, DialRequest(), deadline: self.swarm.clock.now().advanced(by: self.configuration.dialTimeout))
        } catch {
            throw StreamError(
                error.code == .cancelled ? .cancelled : .connectionLost, "there is no connection to \(peer)", cause: error)
        }
    }

    private func openStream(on entry: ConnectionEntry, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
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
