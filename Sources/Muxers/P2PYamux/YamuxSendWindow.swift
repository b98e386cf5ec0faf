/// Credit that the peer gave us on one stream, in bytes.
struct YamuxSendWindow: Sendable {
    /// Updates that answer nothing sent (a window that grows) which are normal on one stream; more are frames without effect.
    static let growthUpdates: UInt8 = 16

    /// What may be sent now.
    private(set) var available: UInt32 = YamuxConfiguration.initialWindow
    /// Sent and not yet credited again.
    private var uncredited: UInt64 = 0
    private var grown: UInt8 = 0

    /// `count` bytes go out; at most ``available``.
    mutating func spend(_ count: UInt32) {
        assert(count <= self.available, "a frame larger than the send window")
        self.available -= min(count, self.available)
        self.uncredited += UInt64(count)
    }

    /// What a window update does.
    enum OnCredit: Equatable, Sendable {
        case credited
        /// It gives nothing, or answers nothing that was sent.
        case useless
        case overflow
    }

    /// The peer gives `delta` more.
    mutating func credit(_ delta: UInt32) -> OnCredit {
        let (sum, overflow) = self.available.addingReportingOverflow(delta)
        guard !overflow else { return .overflow }
        self.available = sum
        guard delta > 0 else { return .useless }
        if self.uncredited > 0 {
            self.uncredited -= min(UInt64(delta), self.uncredited)
            return .credited
        }
        guard self.grown < Self.growthUpdates else { return .useless }
        self.grown += 1
        return .credited
    }
}
