import NIOCore

/// Tells by the bytes that wait to be sent whether a peer still takes some: a value without I/O.
struct SendProgress {
    private var unsent = 0
    private var since: NIODeadline

    init(at now: NIODeadline) {
        self.since = now
    }

    /// For how long it has taken none.
    mutating func pause(unsent: Int, at now: NIODeadline) -> TimeAmount {
        if unsent != self.unsent {
            self.unsent = unsent
            self.since = now
        }
        return now - self.since
    }
}
