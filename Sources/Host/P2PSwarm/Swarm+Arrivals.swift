import Logging
import NIOCore
import P2PCore
import P2PMultiaddr

extension Swarm {
    private enum Outcome: Sendable {
        case connection(any MuxedConnection)
        case failed(TransportError)
        case expired
    }

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
        guard let mayAccept = await self.clock.result(by: deadline, of: { await self.gater.mayAccept(from: address) }) else {
            throw TransportError(
                Task.isCancelled ? .cancelled : .timedOut, "the gater did not decide on the arrival from \(address) in time")
        }
        guard mayAccept else { throw TransportError(.gated, "the gater refused the arrival from \(address)") }
        let entry = try await self.count(try await self.handshake(pending, deadline: deadline))
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
        let result = await withTaskGroup(of: Outcome.self) { group in
            group.addTask {
                do throws(TransportError) { return .connection(try await pending.accept()) } catch { return .failed(error) }
            }
            group.addTask {
                await self.clock.sleep(deadline)
                return .expired
            }
            var result: Result<any MuxedConnection, TransportError>?
            for await outcome in group {
                switch outcome {
                case .connection(let connection):
                    if result == nil { result = .success(connection) } else { await connection.close(.normal, grace: .zero) }
                case .failed(let error):
                    if result == nil { result = .failure(error) }
                case .expired:
                    let error = TransportError(.timedOut, "the handshakes with \(pending.remoteAddress) were not done by their deadline")
                    if result == nil { result = .failure(error) }
                }
                group.cancelAll()
            }
            return result
        }
        guard let result else { throw TransportError(.cancelled, "the arrival was not decided on") }
        return try result.get()
    }
}
