package import NIOCore
package import P2PMultiaddr

/// When which address of a dial has its turn, as a value: no clock, no sockets.
package struct DialPlan {
    package enum Step: Equatable {
        /// Dial this one now.
        case dial(Multiaddr)
        /// Nothing to do before then, unless an attempt ends.
        case wait(until: NIODeadline)
        /// Every address has had its turn, and none is being dialled.
        case exhausted
        /// The deadline has passed.
        case expired
    }

    private var waiting: ArraySlice<RankedAddress>
    private var inFlight = 0
    /// Look-ups that may still bring addresses.
    private var lookups: Int
    /// A failure lets the next address start before its time.
    private var isHurried = false
    private let startedAt: NIODeadline
    private let deadline: NIODeadline
    private let maximumInFlight: Int

    /// - Parameter lookups: say ``found(_:at:)`` for each of them.
    package init(
        _ addresses: [RankedAddress], lookups: Int = 0, startedAt: NIODeadline, deadline: NIODeadline, maximumInFlight: Int
    ) {
        self.lookups = lookups
        self.waiting = addresses[...]
        self.startedAt = startedAt
        self.deadline = deadline
        self.maximumInFlight = maximumInFlight
    }

    /// Addresses that have not had their turn.
    package var untried: [Multiaddr] { self.waiting.map(\.address) }

    /// What to do now; ask again after every `.dial`.
    package mutating func next(at now: NIODeadline) -> Step {
        guard now < self.deadline else { return .expired }
        guard let first = self.waiting.first else {
            return self.inFlight == 0 && self.lookups == 0 ? .exhausted : .wait(until: self.deadline)
        }
        guard self.inFlight < self.maximumInFlight else { return .wait(until: self.deadline) }
        let turn = self.startedAt + first.delay
        guard turn <= now || self.inFlight == 0 || self.isHurried else { return .wait(until: min(turn, self.deadline)) }
        self.waiting.removeFirst()
        self.inFlight += 1
        self.isHurried = false
        return .dial(first.address)
    }

    /// A look-up has ended. The delays of what it found count from now.
    package mutating func found(_ addresses: [RankedAddress], at now: NIODeadline) {
        self.lookups -= 1
        let late = now - self.startedAt
        let found = addresses.map { RankedAddress(address: $0.address, delay: $0.delay + late) }
        self.waiting =
            (self.waiting + found).enumerated()
            .sorted { ($0.element.delay, $0.offset) < ($1.element.delay, $1.offset) }.map(\.element)[...]
    }

    /// An attempt ended without a connection.
    package mutating func failed() {
        self.inFlight -= 1
        self.isHurried = true
    }
}
