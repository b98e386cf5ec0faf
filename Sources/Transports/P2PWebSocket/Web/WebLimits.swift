import NIOCore
import Synchronization

/// What those may take who have not proved to be peers.
enum WebLimits {
    /// Connections that have not said yet what they are, on one port.
    static let waiting = 256
    /// Connections that the application serves, on one port.
    static let serving = 256
    /// How long a connection has to say what it is, to send its request, and to take the answer to it.
    static let patience = TimeAmount.seconds(10)
    /// Content of a request, in bytes.
    static let content = 1_024 * 1_024
}

/// A number of places.
final class Places: Sendable {
    private let limit: Int
    private let taken = Mutex(0)

    init(_ limit: Int) {
        self.limit = limit
    }

    /// Takes one, if one is free.
    func enter() -> Bool {
        self.taken.withLock { taken in
            guard taken < self.limit else { return false }
            taken += 1
            return true
        }
    }

    /// Gives one back.
    func leave() {
        self.taken.withLock { $0 -= 1 }
    }
}
