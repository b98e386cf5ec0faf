import P2PMultiaddr
public import P2PPolicy
public import P2PSockets
import Synchronization

extension PolicyGate {
    /// Holds plain sockets to the same rules as the host, of the kinds `tcp-connect`, `tcp-listen`, `udp-connect` and `udp-listen`; the gate
    /// needs no host for that.
    ///
    /// Refusals are those of the policy, word for word. Sockets count for `max=` while they are there, and those that are no longer
    /// granted, by new rules or since `until=` has come, end within a second.
    ///
    /// ```swift
    /// var options = TCPOptions()
    /// options.gate = gate.sockets(for: "companion")
    /// ```
    ///
    /// - Parameter app: the program that asks, for rules with `app=`.
    public func sockets(for app: String? = nil) -> any SocketGate { PolicySocketGate(self, app: app) }
}

/// Asks a policy what sockets ask.
final class PolicySocketGate: SocketGate {
    private struct State {
        var open: Set<ObjectIdentifier> = []
        var watch: Task<Void, Never>?
    }

    private let gate: PolicyGate
    private let app: String?
    private let state = Mutex(State())

    init(_ gate: PolicyGate, app: String?) {
        self.gate = gate
        self.app = app
    }

    deinit {
        self.state.withLock { $0.watch }?.cancel()
    }

    func decide(_ question: SocketQuestion, for hold: SocketHold?) async -> SocketAnswer {
        var (id, end): (ObjectIdentifier?, (@Sendable (String) -> Void)?) = (nil, nil)
        if let hold {
            id = ObjectIdentifier(hold)
            end = { [weak hold] reason in hold?.revoke(reason) }
        }
        let answer = await self.gate.decide(
            question.capability.kind, host: question.host, port: UInt16(clamping: question.port),
            leadingTo: question.leadsTo.flatMap { IPAddress($0) }, app: self.app, socket: id, end: end)
        guard answer.isGranted else { return .refused("\(answer)") }
        if let id { self.keep(id) }
        return .granted
    }

    func ended(_ hold: SocketHold) {
        let id = ObjectIdentifier(hold)
        let watch = self.state.withLock { state -> Task<Void, Never>? in
            state.open.remove(id)
            return state.open.isEmpty ? state.watch.take() : nil
        }
        watch?.cancel()
        self.gate.release(socket: id)
    }

    /// Rules may end by themselves: while there are sockets, somebody looks.
    private func keep(_ id: ObjectIdentifier) {
        self.state.withLock { state in
            state.open.insert(id)
            guard state.watch == nil else { return }
            let gate = self.gate
            state.watch = Task {
                while !Task.isCancelled {
                    try? await Task.sleep(for: PolicyGate.interval)
                    _ = gate.reviewIfDue()
                }
            }
        }
    }
}

extension SocketQuestion.Capability {
    fileprivate var kind: PolicyKind {
        switch self {
        case .tcpConnect: .tcpConnect
        case .udpConnect: .udpConnect
        case .tcpListen: .tcpListen
        case .udpListen: .udpListen
        }
    }
}
