import NIOCore
import P2PCore

/// Which changes are told: a few at once, and then the newest every five seconds, however often peers change their minds. Details do not use up
/// what state and diagnosis may take.
struct ReachabilityNews {
    /// Changes that may be told one after the other.
    static let burst = 4
    /// What one more costs in time.
    static let interval = TimeAmount.seconds(5)

    private(set) var told = Reachability(ReachabilityFacts())
    private var conclusions = TokenBucket(capacity: Self.burst, interval: Self.interval, at: .uptimeNanoseconds(0))
    private var details = TokenBucket(capacity: Self.burst, interval: Self.interval, at: .uptimeNanoseconds(0))

    /// What was told before, if what is known now is told in its place; nil where that is no news, or comes too soon. Then it is to be asked again later.
    mutating func replaced(by now: Reachability, at time: NIODeadline) -> Reachability? {
        guard now != self.told else { return nil }
        let isConclusion = now.state != self.told.state || now.diagnosis.kind != self.told.diagnosis.kind
        guard isConclusion ? self.conclusions.take(at: time) : self.details.take(at: time) else { return nil }
        defer { self.told = now }
        return self.told
    }
}
