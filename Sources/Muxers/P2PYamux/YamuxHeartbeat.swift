package import NIOCore

/// Our own pings: they measure the round trip and notice a dead peer.
package struct YamuxHeartbeat: Sendable {
    /// What to do when the time has come.
    package enum OnTick: Equatable, Sendable {
        /// Look again then; nil when there is nothing to look for.
        case wait(until: NIODeadline?)
        /// Send this ping, and look again then.
        case ping(UInt32, until: NIODeadline)
        /// The peer is gone.
        case dead
    }

    private struct Ping: Sendable {
        var value: UInt32
        /// When it was due.
        var asked: NIODeadline
        /// When it left; later than `asked` while the channel was not writable.
        var sent: NIODeadline
    }

    /// A measurement older than this is repeated when somebody needs it.
    static let measurementAge: TimeAmount = .seconds(10)
    /// A peer that sends, but never answers a ping, is given up after this many time-outs.
    static let patience = 4

    /// The smoothed round-trip time, once measured.
    private(set) var roundTrip: TimeAmount?
    private let interval: TimeAmount?
    private let timeout: TimeAmount
    private var measured: NIODeadline
    private var outstanding: Ping?
    private var lastHeard: NIODeadline
    private var nextValue: UInt32 = 0

    init(interval: TimeAmount?, timeout: TimeAmount, now: NIODeadline) {
        self.interval = interval
        self.timeout = timeout
        self.measured = now
        self.lastHeard = now
    }

    /// Bytes of any kind have arrived.
    mutating func heard(at now: NIODeadline) { self.lastHeard = now }

    /// Asks for a measurement: the value to ping with, unless the last one is fresh or a ping is under way.
    mutating func measure(at now: NIODeadline) -> UInt32? {
        guard self.outstanding == nil else { return nil }
        if self.roundTrip != nil, now - self.measured < Self.measurementAge { return nil }
        return self.ask(at: now)
    }

    /// Asks for a sign of life: the value to ping with, unless a ping is under way.
    mutating func probe(at now: NIODeadline) -> UInt32? {
        self.outstanding == nil ? self.ask(at: now) : nil
    }

    /// The ping of this value goes out now.
    mutating func left(_ value: UInt32, at now: NIODeadline) {
        guard self.outstanding?.value == value else { return }
        self.outstanding?.sent = now
    }

    /// A pong came; false when nobody asked for it.
    mutating func answered(_ value: UInt32, at now: NIODeadline) -> Bool {
        guard let ping = self.outstanding, ping.value == value else { return false }
        self.outstanding = nil
        let sample = now - ping.sent
        if let known = self.roundTrip {
            self.roundTrip = .nanoseconds((known.nanoseconds &* 3 &+ sample.nanoseconds) / 4)
        } else {
            self.roundTrip = sample
        }
        self.measured = now
        return true
    }

    /// Time has passed.
    mutating func tick(at now: NIODeadline) -> OnTick {
        guard let interval = self.interval else { return .wait(until: nil) }
        if let ping = self.outstanding {
            let silentSince = max(ping.asked, self.lastHeard)
            let end = min(silentSince + self.timeout, ping.asked + self.timeout * Self.patience)
            return now >= end ? .dead : .wait(until: end)
        }
        let due = self.lastHeard + interval
        guard now >= due else { return .wait(until: due) }
        return .ping(self.ask(at: now), until: now + self.timeout)
    }

    private mutating func ask(at now: NIODeadline) -> UInt32 {
        let value = self.nextValue
        self.nextValue &+= 1
        self.outstanding = Ping(value: value, asked: now, sent: now)
        return value
    }
}
