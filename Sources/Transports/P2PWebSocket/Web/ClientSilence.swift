import NIOCore

/// Decides when a client that neither sends nor reads is pinged, and when it is given up: a value without I/O.
struct ClientSilence {
    enum Verdict: Equatable {
        case wait
        case ask
        case giveUp
    }

    private let limit: TimeAmount
    private var lastSign: NIODeadline
    private var unsent = 0
    private var isListening = true
    private var wasAsked = false

    /// The client is listened to from the beginning.
    init(limit: TimeAmount, at now: NIODeadline) {
        self.limit = limit
        self.lastSign = now
    }

    /// When to look next.
    var deadline: NIODeadline { self.lastSign + self.limit }

    /// The client is listened to again. While it is not, and nothing waits to be sent, its silence means nothing.
    mutating func listens(at now: NIODeadline) {
        guard !self.isListening else { return }
        self.isListening = true
        self.heard(at: now)
    }

    /// Something came, and the client is not listened to until the next ``listens(at:)``.
    mutating func heardEnough() { self.isListening = false }

    /// Something came.
    mutating func heard(at now: NIODeadline) {
        self.lastSign = now
        self.wasAsked = false
    }

    /// A ping was queued: its bytes don't count as read by the client.
    mutating func asked(unsent: Int) { self.unsent = unsent }

    /// - Parameter unsent: bytes that wait to be sent. As long as they change, the client takes some.
    mutating func look(at now: NIODeadline, unsent: Int) -> Verdict {
        // Who is not listened to may still be waited for, to take what is sent.
        if unsent != self.unsent || (!self.isListening && unsent == 0) {
            self.unsent = unsent
            self.heard(at: now)
            return .wait
        }
        guard now >= self.deadline else { return .wait }
        guard !self.wasAsked else { return .giveUp }
        self.wasAsked = true
        self.lastSign = now
        return .ask
    }
}
