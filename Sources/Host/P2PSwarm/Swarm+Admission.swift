import NIOCore
package import P2PCore
import P2PMultiaddr
import Synchronization

/// From a connection whose peer has proved who it is to one that is served: it is counted, the gater is asked, it is listed.
extension Swarm {
    /// Reserves a place for a connection whose peer has proved who it is, and closes it if there is none by `deadline`.
    func count(_ connection: any MuxedConnection, by deadline: NIODeadline) async throws(TransportError) -> ConnectionEntry {
        let info = connection.info
        guard info.remotePeer != self.localPeer else {
            await connection.close(.normal, grace: .zero)
            throw TransportError(.peerMismatch, "\(info.remoteAddress) is this node itself")
        }
        do throws(LimitError) {
            return ConnectionEntry(connection, reservation: try await self.reserve(for: connection, by: deadline), at: self.clock.now())
        } catch {
            await connection.close(.resourceLimitExceeded, grace: .zero)
            throw TransportError(.resourceLimit, "\(info.remotePeer) at \(info.remoteAddress) was refused", cause: error)
        }
    }

    /// Asks the gater about a connection that is counted; closes it unless the gater agrees by `deadline`.
    ///
    /// - Parameters:
    ///   - address: what was dialled; nil for an arrival.
    ///   - code: what the peer is told when the task is cancelled.
    func vet(
        _ entry: ConnectionEntry, dialledAt address: Multiaddr? = nil, by deadline: NIODeadline, whenCancelled code: ConnectionErrorCode
    ) async throws(TransportError) -> ConnectionEntry {
        let info = entry.info
        guard self.asksGater || Task.isCancelled else { return entry }
        // Its peer may make it hold something meanwhile.
        self.undecided.withLock { $0[info.id] = entry }
        defer { self.undecided.withLock { $0[info.id] = nil } }
        let decision = await self.clock.result(
            by: deadline, late: { _ in }, of: { await self.gater.mayKeep(info, dialledAt: address) })
        guard let answer = decision else {
            await self.discard(entry, Task.isCancelled ? code : .gated)
            throw TransportError(
                Task.isCancelled ? .cancelled : .timedOut, "the gater did not decide on \(info.remotePeer) at \(info.remoteAddress) in time"
            )
        }
        if let refusal = answer.refusal("the gater refused \(info.remotePeer) at \(info.remoteAddress)") {
            await self.discard(entry, .gated)
            throw TransportError(.gated, refusal)
        }
        return entry
    }

    /// Closes a connection that nobody is served by any more; it counts until it is closed, at the latest.
    package func discard(_ entry: ConnectionEntry, _ code: ConnectionErrorCode) async {
        await entry.close(code, grace: .zero)
        entry.release()
        self.gater.ended(entry.info)
    }

    /// Lists a connection and has it served; closes it when the host is shutting down.
    func admit(_ entry: ConnectionEntry) async throws(TransportError) {
        let isListed = self.table.withLock { table in
            guard table.phase == .running else { return false }
            table.insert(entry)
            return true
        }
        guard isListed else {
            await self.discard(entry, .shutdown)
            throw Self.shuttingDown
        }
        self.watchConnections()
        self.observers.connected(entry.info)
        self.events.post(.connected(entry.info))
        self.jobQueue.yield(.connection(entry))
    }
}
