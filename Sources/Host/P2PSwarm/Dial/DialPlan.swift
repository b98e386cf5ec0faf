import NIOCore
import P2PMultiaddr

/// When which address of a dial has its turn, as a value: no clock, no sockets.
struct DialPlan: Sendable {
    enum Step: Equatable {
        /// Dial this one now.
        case dial(Multiaddr)
        /// Nothing to do before then, or before an attempt or a look-up ends if that is nil.
        case wait(until: NIODeadline?)
        /// Every address has had its turn, none is being dialled, and no look-up may bring others.
        case exhausted
    }

    /// How long an address that answers, and is in its handshakes, holds the next one back.
    static let handshakeHold = TimeAmount.seconds(1)

    private struct Turn {
        let address: Multiaddr
        let due: NIODeadline
    }

    /// By time.
    private var waiting: [Turn] = []
    private var inFlight: Set<Multiaddr> = []
    /// Addresses that have answered, and until when they hold others back.
    private var held: [Multiaddr: NIODeadline] = [:]
    /// Look-ups that may still bring addresses.
    private var lookups = 0
    /// A failure lets the next address start before its time.
    private var isHurried = false
    private let maximumInFlight: Int

    init(maximumInFlight: Int) {
        self.maximumInFlight = maximumInFlight
    }

    /// Addresses that have not had their turn.
    var untried: [Multiaddr] { self.waiting.map(\.address) }

    // MARK: What to do

    /// What to do now; ask again after every `.dial`.
    mutating func next(at now: NIODeadline) -> Step {
        guard let first = self.waiting.first else {
            return self.inFlight.isEmpty && self.lookups == 0 ? .exhausted : .wait(until: nil)
        }
        guard self.inFlight.count < self.maximumInFlight else { return .wait(until: nil) }
        let due = self.inFlight.isEmpty || self.isHurried ? now : first.due
        let turn = self.held.values.max().map { max($0, due) } ?? due
        guard turn <= now else { return .wait(until: turn) }
        self.waiting.removeFirst()
        self.inFlight.insert(first.address)
        self.isHurried = false
        return .dial(first.address)
    }

    // MARK: What has happened

    /// Addresses became known. Their delays count from now.
    mutating func add(_ addresses: [RankedAddress], at now: NIODeadline) {
        guard !addresses.isEmpty else { return }
        let turns = self.waiting + addresses.map { Turn(address: $0.address, due: now + $0.delay) }
        self.waiting = turns.enumerated().sorted { ($0.element.due, $0.offset) < ($1.element.due, $1.offset) }.map(\.element)
    }

    /// So many look-ups have begun that may bring addresses.
    mutating func lookupsBegan(_ count: Int) {
        self.lookups += count
    }

    /// A look-up has ended.
    mutating func lookupEnded() {
        self.lookups -= 1
    }

    /// Somebody answers at the address, and the handshakes have begun.
    mutating func progressed(_ address: Multiaddr, at now: NIODeadline) {
        guard self.inFlight.contains(address), self.held[address] == nil else { return }
        self.held[address] = now + Self.handshakeHold
    }

    /// An attempt ended without a connection.
    mutating func failed(_ address: Multiaddr) {
        guard self.inFlight.remove(address) != nil else { return }
        self.held[address] = nil
        self.isHurried = true
    }

    /// An attempt ended with a connection, and the plan goes on for a better one: those for which that does not hold lose their turns.
    mutating func succeeded(_ address: Multiaddr, goingOnWith isBetter: (Multiaddr) -> Bool) {
        self.inFlight.remove(address)
        self.held[address] = nil
        self.waiting.removeAll { !isBetter($0.address) }
    }
}
