import NIOCore

/// How long a gateway says that it has remembered mappings, and when it said so.
struct GatewayEpoch {
    let seconds: UInt32
    let at: NIODeadline

    /// Whether a gateway that now says `seconds` has forgotten what it knew: its clock has gone back, a difference of clocks and an answer
    /// that was under way for a while aside (RFC 6886, section 3.6).
    func isOver(by seconds: UInt32, at now: NIODeadline) -> Bool {
        let elapsed = max(0, (now - self.at).nanoseconds / 1_000_000_000)
        return Int64(seconds) < Int64(self.seconds) + elapsed * 7 / 8 - 2
    }
}
