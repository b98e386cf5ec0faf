import NIOCore
package import P2PCore

/// Dials several addresses of one host, each a little later than the one before (RFC 8305, section 5): an address
/// that swallows packets costs that little, not a time-out, and where there are many it makes room for the next one.
package struct AddressRace<Address: Sendable, Connection: Sendable>: Sendable {
    private let attempt: @Sendable (Address) async throws(TransportError) -> Connection
    private let discard: @Sendable (Connection) async -> Void

    private enum Event: Sendable {
        case connected(Connection, Int)
        case failed(TransportError, Int)
        /// So many addresses had started when this was set.
        case turn(Int)
    }

    /// What a race has begun.
    private struct Course {
        let addresses: [Address]
        let delays: [TimeAmount]
        var started = 0
        /// Attempts by their number, and what calls them back.
        var open: [Int: Signal] = [:]
        var loans = 0

        init(_ addresses: [Address]) {
            self.addresses = addresses
            self.delays = Stagger.delays(
                addresses.count, from: .zero, by: TimeAmount(AddressRaceLimits.stagger), until: TimeAmount(AddressRaceLimits.latest))
        }

        /// Makes room for one more: with a place that is lent, or with that of the attempt that began first.
        mutating func makeRoom() {
            guard let first = self.open.keys.min() else { return }
            if self.open.count < AddressRaceLimits.openAttempts, AddressRaceLimits.beside.lend() {
                self.loans += 1
            } else {
                self.open.removeValue(forKey: first)?.fire()
            }
        }

        mutating func ended(_ number: Int) {
            self.open[number] = nil
            self.returnLoans(keeping: max(0, self.open.count - 1))
        }

        mutating func returnLoans(keeping count: Int) {
            AddressRaceLimits.beside.giveBack(self.loans - count)
            self.loans = min(self.loans, count)
        }
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
            var course = Course(addresses)
            var winner: Connection?
            var failures: [TransportError] = []
            self.start(&course, in: &group)
            while winner == nil, failures.count < addresses.count, let event = await group.next() {
                switch event {
                case .connected(let connection, let number):
                    winner = connection
                    course.ended(number)
                case .failed(let error, let number):
                    failures.append(error)
                    // Whoever was called back has made room for the next one already.
                    let wasCalledBack = course.open[number] == nil
                    course.ended(number)
                    if !wasCalledBack { self.start(&course, in: &group) }
                case .turn(let count):
                    if count == course.started { self.start(&course, in: &group) }
                }
            }
            group.cancelAll()
            for await event in group {
                if case .connected(let loser, _) = event { await self.discard(loser) }
            }
            course.returnLoans(keeping: 0)
            return winner.map { .success($0) } ?? .failure(Self.summary(failures))
        }
    }

    private func start(_ course: inout Course, in group: inout TaskGroup<Event>) {
        let number = course.started
        guard number < course.addresses.count, !Task.isCancelled else { return }
        course.makeRoom()
        course.started += 1
        let (address, recalled) = (course.addresses[number], Signal())
        course.open[number] = recalled
        group.addTask { await self.attempt(address, number, until: recalled) }
        guard course.started < course.addresses.count else { return }
        let (count, pause) = (course.started, course.delays[number + 1] - course.delays[number])
        group.addTask {
            try? await Task.sleep(for: .nanoseconds(pause.nanoseconds))
            return .turn(count)
        }
    }

    private func attempt(_ address: Address, _ number: Int, until recalled: Signal) async -> Event {
        await withTaskGroup(of: Event?.self) { group in
            group.addTask {
                do throws(TransportError) { return .connected(try await self.attempt(address), number) } catch {
                    return .failed(error, number)
                }
            }
            group.addTask {
                await recalled.wait()
                return nil
            }
            var result: Event?
            for await event in group {
                group.cancelAll()
                result = result ?? event
            }
            if let result, !recalled.isFired { return result }
            if let result, case .connected = result { return result }
            return .failed(TransportError(.timedOut, "\(address) did not answer before others needed its place"), number)
        }
    }

    private static func summary(_ failures: [TransportError]) -> TransportError {
        if failures.count == 1 { return failures[0] }
        let code = failures.first?.code ?? .unreachable
        return TransportError(
            failures.allSatisfy { $0.code == code } ? code : .unreachable, failures.map(\.message).joined(separator: "; "))
    }
}

/// The limits and times of an ``AddressRace``.
package enum AddressRaceLimits {
    /// Addresses of one name that are tried.
    package static let maximumAddresses = 32
    /// Addresses of one name that are tried at a time; then the one that began first makes room.
    package static let openAttempts = 16
    /// How long an address has before the next one starts beside it; a failure starts it at once.
    package static let stagger = Duration.milliseconds(250)
    /// When the last one starts at the latest: the more there are, the closer together they start.
    package static let latest = Duration.milliseconds(1_250)
    /// What all races of the process together have open beyond the first attempt of each: a stranger's names may have many addresses each.
    static let beside = LentPlaces(limit: 128)
}
