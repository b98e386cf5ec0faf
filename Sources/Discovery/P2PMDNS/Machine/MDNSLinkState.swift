import NIOCore
import P2PCore
import P2PMultiaddr

/// What is under way on one link, as a value.
struct MDNSLinkState: Sendable {
    /// Answers that wait a moment, so that several questions get one packet (RFC 6762, section 6).
    struct Pending {
        var answers: MDNSService.Answers
        var due: NIODeadline
        let asker: IPAddress
    }

    /// Instances that were named without details, of which we ask for more; those beyond wait for the next query.
    static let unresolvedLimit = 16
    /// How often details are asked for.
    static let attempts = 3
    /// Packets that arrive at once, and a second after that; beyond, they are not looked at.
    static let inbound = (capacity: 1_000, interval: TimeAmount.milliseconds(2))
    /// Packets that we send at once, and a second after that, whatever we are asked.
    static let outbound = (capacity: 15, interval: TimeAmount.seconds(1))
    /// The times between queries: doubled from the first to the last (RFC 6762, section 5.2).
    static let pauses = (first: TimeAmount.seconds(1), last: TimeAmount.seconds(60))
    /// An announcement is sent so many times, a second apart (RFC 6762, section 8.3).
    static let announcements = 2

    let link: MDNSLink
    /// What is announced here.
    var addresses: [Multiaddr] = []
    /// What was, when nothing is any more and nobody has been told yet.
    var withdrawn: [Multiaddr] = []
    var announcementsLeft = 0
    var announceAt: NIODeadline?
    var queryAt: NIODeadline
    var queryPause = Self.pauses.first
    var lastQuery: NIODeadline?
    var lastAnswer: NIODeadline?
    var pending: Pending?
    var unresolved: [DNSName: Int] = [:]
    var arrivals: TokenBucket
    var departures: TokenBucket

    init(_ link: MDNSLink, queryAt: NIODeadline, now: NIODeadline) {
        self.link = link
        self.queryAt = queryAt
        self.arrivals = TokenBucket(capacity: Self.inbound.capacity, interval: Self.inbound.interval, at: now)
        self.departures = TokenBucket(capacity: Self.outbound.capacity, interval: Self.outbound.interval, at: now)
    }

    /// When something is due.
    var deadline: NIODeadline {
        [self.announceAt, self.pending?.due].reduce(self.queryAt) { min($0, $1 ?? $0) }
    }

    /// Announces other addresses from now on.
    mutating func announce(_ addresses: [Multiaddr], at due: NIODeadline) {
        guard addresses != self.addresses else { return }
        self.withdrawn = addresses.isEmpty ? self.addresses : []
        self.addresses = addresses
        self.announcementsLeft = addresses.isEmpty ? 1 : Self.announcements
        self.announceAt = due
    }

    /// Asks before it would be its turn, but not sooner than `distance` after the last time.
    mutating func askSoon(at due: NIODeadline, distance: TimeAmount) {
        self.queryAt = min(self.queryAt, max(due, self.lastQuery.map { $0 + distance } ?? due))
    }

    /// Has an answer sent a moment later.
    mutating func answer(_ answers: MDNSService.Answers, to asker: IPAddress, at due: NIODeadline) {
        let due = max(due, self.lastAnswer.map { $0 + .seconds(1) } ?? due)
        guard let pending = self.pending else {
            self.pending = Pending(answers: answers, due: due, asker: asker)
            return
        }
        self.pending?.answers.formUnion(answers)
        self.pending?.due = min(pending.due, due)
    }

    /// A truncated query goes on: what it knows needs no answer.
    mutating func suppress(_ known: MDNSService.Answers, from asker: IPAddress) {
        guard let pending = self.pending, pending.asker == asker else { return }
        self.pending?.answers.subtract(known)
        if self.pending?.answers.isEmpty == true { self.pending = nil }
    }
}
