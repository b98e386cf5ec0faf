import NIOCore
import P2PCore

/// When the address of a listener that has failed is bound again. A value: time is an argument.
struct ListenerRevival {
    /// After the first failure, doubled with each further one.
    static let shortest = Duration.milliseconds(100)
    /// How long at most; interfaces come back, and ports become free.
    static let longest = Duration.seconds(30)
    /// A listener that has served for so long begins anew.
    static let memory = Duration.seconds(60)

    private var failures = 0
    private var last: NIODeadline?

    /// Whether it has failed once only.
    var isFirst: Bool { self.failures <= 1 }

    /// It failed, or could not be bound. Says how long to wait.
    mutating func failed(at now: NIODeadline) -> Duration {
        if let last = self.last, now > last.advanced(by: Self.memory) { self.failures = 0 }
        self.last = now
        self.failures += 1
        return min(Self.shortest * (1 << min(self.failures - 1, 16)), Self.longest)
    }
}
