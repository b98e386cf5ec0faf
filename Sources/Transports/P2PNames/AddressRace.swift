package import P2PCore

/// Dials several addresses of one host, each a little later than the one before (RFC 8305, section 5): an address
/// that swallows packets costs that little, not a time-out.
package struct AddressRace<Address: Sendable, Connection: Sendable>: Sendable {
    private let attempt: @Sendable (Address) async throws(TransportError) -> Connection
    private let discard: @Sendable (Connection) async -> Void

    private enum Event: Sendable {
        case connected(Connection)
        case failed(TransportError)
        /// So many addresses had started when this was set.
        case turn(Int)
    }

    /// - Parameters:
    ///   - attempt: dials one address.
    ///   - discard: closes a connection that came second.
    package init(
        attempt: @escaping @Sendable (Address) async throws(TransportError) -> Connection,
        discard: @escaping @Sendable (Connection) async -> Void
    ) {
        self.attempt = attempt
        self.discard = discard
    }

    /// The first connection that is made. The others are called off and closed.
    package func run(_ addresses: [Address]) async -> Result<Connection, TransportError> {
        await withTaskGroup(of: Event.self) { group in
            var started = 0
            var winner: Connection?
            var failures: [TransportError] = []
            self.start(addresses, &started, in: &group)
            while winner == nil, failures.count < addresses.count, let event = await group.next() {
                switch event {
                case .connected(let connection): winner = connection
                case .failed(let error):
                    failures.append(error)
                    self.start(addresses, &started, in: &group)
                case .turn(let count):
                    if count == started { self.start(addresses, &started, in: &group) }
                }
            }
            group.cancelAll()
            for await case .connected(let loser) in group { await self.discard(loser) }
            return winner.map { .success($0) } ?? .failure(Self.summary(failures))
        }
    }

    private func start(_ addresses: [Address], _ started: inout Int, in group: inout TaskGroup<Event>) {
        guard started < addresses.count, !Task.isCancelled else { return }
        let address = addresses[started]
        started += 1
        group.addTask {
            do throws(TransportError) { return .connected(try await self.attempt(address)) } catch { return .failed(error) }
        }
        guard started < addresses.count else { return }
        let count = started
        group.addTask {
            try? await Task.sleep(for: AddressRaceLimits.stagger)
            return .turn(count)
        }
    }

    private static func summary(_ failures: [TransportError]) -> TransportError {
        if failures.count == 1 { return failures[0] }
        let isLate = failures.allSatisfy { $0.code == .timedOut }
        return TransportError(isLate ? .timedOut : .unreachable, failures.map(\.message).joined(separator: "; "))
    }
}

/// The limits and times of an ``AddressRace``.
package enum AddressRaceLimits {
    /// Addresses of one name that are tried.
    package static let maximumAddresses = 8
    /// How long an address has before the next one starts beside it; a failure starts it at once.
    package static let stagger = Duration.milliseconds(250)
}
