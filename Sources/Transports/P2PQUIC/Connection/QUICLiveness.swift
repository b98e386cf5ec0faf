import NIOCore
import P2PCore

/// How often a connection asks whether its peer is there, and when it takes it for dead: often while somebody waits for the peer, seldom while
/// nobody does. A value; whoever has it sends the questions and looks at it when ``deadline`` has come.
struct QUICLiveness {
    /// What it goes by.
    struct Settings: Hashable {
        /// After so long a silence a connection without streams asks; nil never.
        var quiet: TimeAmount?
        /// One with streams; nil as one without.
        var busy: TimeAmount?
        /// With streams: how long the peer may take to answer. Nil leaves that to the idle time.
        var patience: TimeAmount?
        /// A silence that ends any connection.
        var idle: TimeAmount
    }

    /// The dialer asks so much earlier than the listener, so that one question serves both ends.
    static let headStart = TimeAmount.seconds(1)

    private(set) var settings: Settings
    /// Whether streams are there.
    private(set) var isBusy = false
    private var heardAt: NIODeadline
    /// Since when somebody waits.
    private var waitingSince: NIODeadline

    init(_ settings: Settings, at now: NIODeadline) {
        self.settings = settings
        self.heardAt = now
        self.waitingSince = now
    }

    /// The handshake has told after which silence the peer forgets the connection: it is asked twice in that time.
    ///
    /// - Parameter idle: nil for never.
    mutating func agreed(peerIdle idle: TimeAmount?, as role: ConnectionRole) {
        self.settings.idle = min(self.settings.idle, idle ?? self.settings.idle)
        let longest = TimeAmount.nanoseconds(self.settings.idle.nanoseconds / 2)
        self.settings.quiet = self.settings.quiet.map { quiet in
            let interval = min(quiet, longest)
            return role == .dialer ? max(interval - Self.headStart, interval / 2) : interval
        }
        self.settings.busy = self.settings.busy.map { min($0, longest) }
    }

    /// Something has come from the peer.
    mutating func heard(at now: NIODeadline) { self.heardAt = now }

    /// There are streams, or there are none any more; true when that is news, and ``interval`` another.
    mutating func set(isBusy: Bool, at now: NIODeadline) -> Bool {
        guard isBusy != self.isBusy else { return false }
        self.isBusy = isBusy
        self.waitingSince = now
        return true
    }

    /// After so long a silence the peer is asked; nil for never.
    var interval: TimeAmount? { self.isBusy ? self.settings.busy ?? self.settings.quiet : self.settings.quiet }

    /// When the peer is dead unless something comes; nil when nobody asks.
    var deadline: NIODeadline? {
        guard let interval = self.interval else { return nil }
        if self.isBusy, let patience = self.settings.patience { return max(self.heardAt + interval, self.waitingSince) + patience }
        return self.heardAt + self.settings.idle
    }

    /// Whether the peer is dead. When somebody looks much too late, it was this side that was away: the peer gets its time anew.
    mutating func isDead(at now: NIODeadline) -> Bool {
        guard let deadline = self.deadline, now >= deadline else { return false }
        guard now - deadline > self.settings.patience ?? self.settings.idle else { return true }
        self.heardAt = now
        self.waitingSince = now
        return false
    }
}

extension TimeAmount {
    fileprivate static func / (amount: TimeAmount, divisor: Int64) -> TimeAmount { .nanoseconds(amount.nanoseconds / divisor) }
}

extension QUICLiveness.Settings {
    init(_ configuration: QUICConfiguration) {
        self.init(
            quiet: configuration.keepAliveInterval.map { TimeAmount($0) }, busy: configuration.busyKeepAliveInterval.map { TimeAmount($0) },
            patience: configuration.busyPatience.map { TimeAmount($0) }, idle: TimeAmount(configuration.idleTimeout))
    }
}
