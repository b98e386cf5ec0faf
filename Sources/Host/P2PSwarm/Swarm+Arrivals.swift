import Logging
import NIOCore
import P2PCore
import P2PMultiaddr

extension Swarm {
    /// Decides on an arrival: limits first, then the gater, then the handshakes, then limits and gater again.
    func arrived(_ pending: any PendingConnection) async {
        do throws(TransportError) {
            try await self.admit(try await self.accept(pending))
        } catch {
            pending.refuse()
            self.logger.debug("an arrival was not accepted", metadata: ["address": "\(pending.remoteAddress)", "error": "\(error)"])
            self.events.post(.arrivalFailed(address: pending.remoteAddress, error: error))
        }
    }

    /// At every moment the arrival has a place, first among those that are pending, then among the connections.
    private func accept(_ pending: any PendingConnection) async throws(TransportError) -> ConnectionEntry {
        let address = pending.remoteAddress
        let reservation = try self.reserve(address)
        let deadline = self.clock.now().advanced(by: self.configuration.handshakeTimeout)
        let decision = await self.clock.result(by: deadline, late: { _ in }, of: { await self.gater.mayAccept(from: address) })
        guard let mayAccept = decision else {
            throw TransportError(
                Task.isCancelled ? .cancelled : .timedOut, "the gater did not decide on the arrival from \(address) in time")
        }
        guard mayAccept else { throw TransportError(.gated, "the gater refused the arrival from \(address)") }
        let entry = try await self.count(try await self.handshake(pending, deadline: deadline), by: deadline)
        _ = consume reservation
        return try await self.vet(entry, by: deadline, whenCancelled: .shutdown)
    }

    private func reserve(_ address: Multiaddr) throws(TransportError) -> Reservation {
        do throws(LimitError) {
            return try self.limits.reservePending(from: address)
        } catch {
            throw TransportError(.resourceLimit, "the arrival from \(address) was refused", cause: error)
        }
    }

    private func handshake(
        _ pending: any PendingConnection, deadline: NIODeadline
    ) async throws(TransportError) -> any MuxedConnection {
        let connection = try await self.clock.result(by: deadline, late: { await $0.close(.normal, grace: .zero) }) {
            () throws(TransportError) in try await pending.accept()
        }
        if let connection { return connection }
        throw TransportError(
            Task.isCancelled ? .cancelled : .timedOut, "the handshakes with \(pending.remoteAddress) were not done by their deadline")
    }
}
