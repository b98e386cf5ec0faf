import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline
import Synchronization

/// Where `/memory` addresses mean something: peers reach each other when they share one.
public final class MemoryNetwork: Sendable {
    private struct State {
        var listeners: [String: Inbox<ByteChannel, Never>] = [:]
        var lastName: UInt64 = 0
    }

    private let state = Mutex(State())

    /// A network on which nobody listens.
    public init() {}

    /// The name in an address such as `/memory/7`; nil for others. A `/p2p` behind it is allowed.
    static func name(in address: Multiaddr) -> String? {
        let components = address.withoutPeerID.components
        guard components.count == 1, let component = components.first, component.protocol == .memory else { return nil }
        return component.text
    }

    /// A name that was not in use; for listeners on `/memory/0`, and for the near ends of connections.
    func unusedName() -> String {
        self.state.withLock { state in
            repeat { state.lastName += 1 } while state.listeners["\(state.lastName)"] != nil
            return "\(state.lastName)"
        }
    }

    /// Adds a listener; false when the name is taken.
    func add(_ arrivals: Inbox<ByteChannel, Never>, named name: String) -> Bool {
        self.state.withLock { state in
            guard state.listeners[name] == nil else { return false }
            state.listeners[name] = arrivals
            return true
        }
    }

    func remove(_ arrivals: Inbox<ByteChannel, Never>, named name: String) {
        self.state.withLock { state in
            if state.listeners[name] === arrivals { state.listeners[name] = nil }
        }
    }

    func listener(named name: String) -> Inbox<ByteChannel, Never>? {
        self.state.withLock { $0.listeners[name] }
    }
}
