public import P2PMultiaddr
import Synchronization

/// Where the modules of one host put what they know of its reachability; it stands in the plan (`plan[ReachabilityBoard.self]`), put there by
/// ``ReachabilityWatch``, for those that join after it.
public final class ReachabilityBoard: Sendable {
    /// What modules tell.
    struct Posted: Hashable {
        var router: ReachabilityFacts.Router?
        var verdicts: [ReachabilityFacts.Verdict] = []
        var servers = 0
    }

    private let posted = Mutex(Posted())
    private let onChange: @Sendable () -> Void

    init(onChange: @escaping @Sendable () -> Void) {
        self.onChange = onChange
    }

    var facts: Posted { self.posted.withLock { $0 } }

    /// What became of mapping ports; nil when there is no router to ask.
    public func post(_ router: ReachabilityFacts.Router?) {
        self.change { $0.router = router }
    }

    /// The outer addresses that a router says it has mapped.
    public var mappedAddresses: [Multiaddr] { self.posted.withLock { $0.router?.mapped.map(\.address) ?? [] } }

    /// What is said of addresses, all of them.
    ///
    /// - Parameter servers: how many have been asked.
    public func post(_ verdicts: [ReachabilityFacts.Verdict], servers: Int) {
        self.change {
            $0.verdicts = verdicts
            $0.servers = servers
        }
    }

    private func change(_ body: (inout Posted) -> Void) {
        let isChange = self.posted.withLock { posted in
            let before = posted
            body(&posted)
            return posted != before
        }
        if isChange { self.onChange() }
    }
}
