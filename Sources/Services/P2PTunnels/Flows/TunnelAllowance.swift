import NIOCore

/// How many bytes of a program may wait in its stream before it is read no more: few, so that nothing waits long behind them, and more where they are gone
/// soon, so that a fast connection has something to send at any time. No socket, no clock.
struct TunnelAllowance: Sendable {
    static let least = 64 * 1_024
    /// No more than a stream takes without holding a writer back.
    static let most = 256 * 1_024
    /// What waits is to be gone within that time.
    static let soon = TimeAmount.milliseconds(5)
    /// What takes longer than that is too much.
    static let late = TimeAmount.milliseconds(20)

    private(set) var bytes = Self.least
    private var heldSince: NIODeadline?

    /// So much waits that the program is read no more.
    mutating func held(at now: NIODeadline) { self.heldSince = self.heldSince ?? now }

    /// The program is read again.
    ///
    /// - Returns: whether the allowance is another one now.
    mutating func released(at now: NIODeadline) -> Bool {
        guard let since = self.heldSince.take() else { return false }
        let before = self.bytes
        if now - since <= Self.soon {
            self.bytes = min(Self.most, self.bytes * 2)
        } else if now - since > Self.late {
            self.bytes = max(Self.least, self.bytes / 2)
        }
        return self.bytes != before
    }
}
