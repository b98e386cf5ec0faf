import Logging
import NIOCore
import P2PCore
import P2PMultiaddr

extension Swarm {
    /// Decides on an arrival: limits first, then the gater, then the handshakes, then limits and gater again.
    func arrived(_ pending: any PendingConnection) async {
        let observation = self.observers.begin(.arrival(from: pending.remoteAddress, at: pending.localAddress))
        await observation.whileCurrent { await self.take(pending, observation) }
    }

    private func take(_ pending: any PendingConnection, _ observation: Observation?) async {
        do throws(TransportError) {
            let entry = try await self.accept(pending)
            try await self.admit(entry)
            observation.end(.connected(entry.info))
        } catch {
            observation.end(.failed(error))
            pending.refuse()
            self.logger.debug("an arrival was not accepted", metadata: ["address": "\(pending.remoteAddress)", "error": "\(error)"])
            self.events.post(.arrivalFailed(address: pending.remoteAddress, error: error))
        }
    }

    /// At every moment the arrival has a place, first among those that are pending, then among the connections. The first it may lose to
    /// others that show more.
    private func accept(_ pending: any PendingConnection) async throws(TransportError) -> ConnectionEntry {
        let address = pending.remoteAddress
        let place = try self.reserve(pending)
        let loss = place.loss
        self.memory.arrivalBegan()
        defer { self.memory.arrivalEnded() }
        let deadline = self.clock.now().advanced(by: self.configuration.handshakeTimeout)
        if self.asksGater, !pending.isLetIn { try await self.askGater(about: address, by: deadline, loss) }
        let entry = try await self.count(try await self.handshake(pending, deadline: deadline, loss), by: deadline)
        _ = consume place
        return try await self.vet(entry, by: deadline, whenCancelled: .shutdown)
    }

    private func askGater(about address: Multiaddr, by deadline: NIODeadline, _ loss: PlaceLoss) async throws(TransportError) {
        let decision = await self.clock.result(
            by: deadline, unless: loss.signal, late: { _ in }, of: { await self.gater.mayAccept(from: address) })
        guard let answer = decision else {
            throw Self.lateness(of: address, loss, "the gater did not decide on the arrival from \(address) in time")
        }
        if let refusal = answer.refusal("the gater refused the arrival from \(address)") { throw TransportError(.gated, refusal) }
    }

    private func reserve(_ pending: any PendingConnection) throws(TransportError) -> PendingPlace {
        do throws(LimitError) {
            return try self.limits.reservePending(from: pending.remoteAddress, progress: pending.progress, at: self.clock.now())
        } catch {
            throw TransportError(.resourceLimit, "the arrival from \(pending.remoteAddress) was refused", cause: error)
        }
    }

    private func handshake(
        _ pending: any PendingConnection, deadline: NIODeadline, _ loss: PlaceLoss
    ) async throws(TransportError) -> any MuxedConnection {
        let connection = try await self.clock.result(
            by: deadline, unless: loss.signal, late: { await $0.close(.normal, grace: .zero) }
        ) { () throws(TransportError) in try await pending.accept() }
        if let connection { return connection }
        let address = pending.remoteAddress
        throw Self.lateness(of: address, loss, "the handshakes with \(address) were not done by their deadline")
    }

    /// Why something was not waited for any longer.
    private static func lateness(of address: Multiaddr, _ loss: PlaceLoss, _ message: String) -> TransportError {
        if let limit = loss.reason {
            return TransportError(
                .resourceLimit, "the arrival from \(address) had shown least for longest and made room for another", cause: limit)
        }
        return TransportError(Task.isCancelled ? .cancelled : .timedOut, message)
    }
}
