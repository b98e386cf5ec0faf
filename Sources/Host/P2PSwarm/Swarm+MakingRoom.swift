import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Room for a peer that comes from another network while its old connections are not known to be dead yet.
///
/// It has proved its key again, so it may push out what belongs to that key and does not answer, never what is alive or another's.
extension Swarm {
    /// Connections of one peer that are asked, the oldest ones.
    package static let maximumProbes = 16
    /// Connections that make room for the same one, when others are quicker to take it.
    private static let maximumTries = 8

    /// Reserves a place for a connection. Where the limit is reached, the peer's own connections are asked whether they live, and those that
    /// do not answer make room.
    func reserve(for connection: any MuxedConnection, by deadline: NIODeadline) async throws(LimitError) -> Reservation {
        let info = connection.info
        let role: ConnectionRole = info.isDialled ? .dialer : .listener
        if role == .listener, self.memory.pressure == .exhausted, (connection as? any AccountedConnection)?.account.isAllowed != true {
            self.memory.refusedConnection()
            throw LimitError(limit: "memory", value: self.memory.limits.total, use: self.memory.use)
        }
        do throws(LimitError) {
            return try self.limits.reserveConnection(to: info.remotePeer, at: info.remoteAddress, role: role)
        } catch {
            if let place = self.reserveTrimming(for: info, beyond: error, role) { return place }
            guard await self.makeRoom(for: connection, beyond: error, by: deadline) else { throw error }
        }
        return try self.limits.reserveConnection(to: info.remotePeer, at: info.remoteAddress, role: role)
    }

    /// A place that another connection gives up, being worth less; nil where the limit is not everybody's.
    private func reserveTrimming(for info: ConnectionInfo, beyond limit: LimitError, _ role: ConnectionRole) -> Reservation? {
        guard limit.limit == "connections" else { return nil }
        // Others may be quicker, and take the place.
        for _ in 0..<Self.maximumTries {
            guard self.trim(for: info) else { return nil }
            do throws(LimitError) {
                return try self.limits.reserveConnection(to: info.remotePeer, at: info.remoteAddress, role: role)
            } catch {
                guard error.limit == "connections" else { return nil }
            }
        }
        return nil
    }

    private func makeRoom(for connection: any MuxedConnection, beyond limit: LimitError, by deadline: NIODeadline) async -> Bool {
        let peer = connection.info.remotePeer
        let now = self.clock.now()
        let answerBy = now.advanced(by: LivenessProbe.patience)
        // With less time than that, a live one could pass for dead.
        guard answerBy <= deadline, self.probes.withLock({ $0.begin(peer, at: now) }) else { return false }
        let suspects = self.suspects(beside: connection.info, beyond: limit)
        let dead = suspects.isEmpty ? [] : await self.silent(among: suspects, beside: connection, answerBy)
        for entry in dead {
            self.logger.info(
                "a connection that does not answer makes room for a new one of the same peer",
                metadata: entry.info.logMetadata.merging(["limit": "\(limit.limit)"]) { $1 })
            self.retire(entry)
            // Its end may take a moment, and the peer has waited long enough.
            entry.release()
            self.jobQueue.yield(.discard(entry, .supplanted))
        }
        self.probes.withLock { $0.ended(peer, foundDead: !dead.isEmpty, at: self.clock.now()) }
        return !dead.isEmpty
    }

    /// The peer's own connections whose end would make room, the oldest first.
    private func suspects(beside info: ConnectionInfo, beyond limit: LimitError) -> [ConnectionEntry] {
        let own = self.connections.filter { $0.info.remotePeer == info.remotePeer }
        guard limit.limit == "connectionsPerAddress" else { return Array(own.prefix(Self.maximumProbes)) }
        let address = AddressKey(info.remoteAddress)
        return Array(own.filter { AddressKey($0.info.remoteAddress) == address }.prefix(Self.maximumProbes))
    }

    /// Those on which the peer does not answer, though it was heard on the new one: else it may be this side that is slow.
    private func silent(
        among suspects: [ConnectionEntry], beside connection: any MuxedConnection, _ deadline: NIODeadline
    ) async -> [ConnectionEntry] {
        let probe = LivenessProbe(clock: self.clock)
        let alive = await withTaskGroup(of: ConnectionID?.self) { group in
            for asked in suspects.map(\.connection) + [connection] {
                group.addTask { await probe.answers(asked, by: deadline) ? asked.info.id : nil }
            }
            var alive: Set<ConnectionID> = []
            for await id in group { if let id { alive.insert(id) } }
            return alive
        }
        let isHeard = alive.contains(connection.info.id) || connection.traffic.bytesIn > 0
        guard isHeard, !Task.isCancelled else { return [] }
        return suspects.filter { !alive.contains($0.info.id) }
    }
}
