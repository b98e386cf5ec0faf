public import P2PCore
public import P2PIdentity
public import P2PMultiaddr
import Synchronization

/// Holds a host to a policy, as far as it is about peers: whom it dials (`peer-dial`) and whose connections it keeps (`peer-accept`).
///
/// The rules may be replaced at any time; connections that are no longer granted, or whose time is up, are closed. Rules of other kinds
/// are answered by ``Policy/decide(_:leadingTo:using:)`` for whoever does such things.
///
/// ```swift
/// let gate = PolicyGate(try Policy("deny peer-accept:*@[2001:db8::/32]:*"))
/// let host = try await PeerHost.standard(modules: .standard.adding(gate))
/// ```
public final class PolicyGate: HostModule, ConnectionGater {
    private struct State {
        var policy: Policy
        /// Fires when the rules are others.
        var change = Signal()
    }

    private let state: Mutex<State>
    private let time: @Sendable () -> WallTime

    /// A gate that holds its host to those rules.
    public convenience init(_ policy: Policy) {
        self.init(policy) { .now }
    }

    package init(_ policy: Policy, time: @escaping @Sendable () -> WallTime) {
        self.state = Mutex(State(policy: policy))
        self.time = time
    }

    /// The rules that hold now.
    public var policy: Policy { self.state.withLock { $0.policy } }

    /// From now on these rules hold. What they no longer grant is closed within a second.
    public func replace(with policy: Policy) {
        let change = self.state.withLock { state in
            state.policy = policy
            defer { state.change = Signal() }
            return state.change
        }
        change.fire()
    }

    /// Decides with the host's gaters, and closes what is no longer granted.
    public func join(_ plan: inout HostPlan) {
        plan.gaters.append(self)
        plan.services.append(HostService("policy") { host in await self.watch(host) })
    }

    // MARK: Gating

    /// Whether the peer may be dialled there; a name is asked for as a name.
    public func mayDial(_ address: Multiaddr, peer: PeerID?) async -> Bool {
        self.decide(.peerDial, peer, at: address)
    }

    /// Whether there is a peer that may come from there.
    public func mayAccept(from address: Multiaddr) async -> Bool {
        guard let (target, port) = address.policyTarget else { return true }
        return self.policy.mightGrant(.peerAccept, at: target, port: port, asker: self.asker(nil, at: address))
    }

    /// Whether the connection of a peer that has proved who it is may be kept.
    public func mayKeep(_ connection: ConnectionInfo) async -> Bool { self.mayLast(connection) }

    private func mayLast(_ connection: ConnectionInfo) -> Bool {
        self.decide(connection.isDialled ? .peerDial : .peerAccept, connection.remotePeer, at: connection.remoteAddress)
    }

    private func decide(_ kind: PolicyKind, _ peer: PeerID?, at address: Multiaddr) -> Bool {
        let subject: PolicyQuestion.Subject =
            if let (target, port) = address.policyTarget { .peerAt(peer, target, port) } else { .peer(peer) }
        return self.policy.decide(PolicyQuestion(kind, subject, asker: self.asker(peer, at: address))).isGranted
    }

    private func asker(_ peer: PeerID?, at address: Multiaddr) -> PolicyAsker {
        PolicyAsker(peer: peer, address: address.ipAddress, time: self.time().secondsSince1970)
    }

    // MARK: What was granted and is no longer

    private func watch(_ host: any HostAccess) async {
        while !Task.isCancelled {
            let (policy, change) = self.state.withLock { ($0.policy, $0.change) }
            for connection in host.connections where !self.mayLast(connection.info) {
                await host.disconnect(connection.id, code: .gated, grace: .zero)
            }
            // A wall clock may be set, so a deadline is looked at rather than waited for.
            guard policy.rules.contains(where: { $0.conditions.deadline != nil }) else {
                await change.wait()
                continue
            }
            await host.clock.sleep(for: Self.interval, orUntil: change)
        }
    }

    /// Between two looks at the time, where rules end by themselves.
    static let interval = Duration.milliseconds(500)
}

extension HostClock {
    /// Returns when so much time has passed, or when that happens.
    fileprivate func sleep(for duration: Duration, orUntil change: Signal) async {
        await change.cancelling { await self.sleep(for: duration) }
    }
}

extension Multiaddr {
    /// The host and port with which it begins, as rules know them.
    fileprivate var policyTarget: (PolicyTarget, UInt16)? {
        guard let endpoint = self.tcpEndpoint ?? self.udpEndpoint else { return nil }
        switch endpoint.host {
        case .ip(let address, _): return (.address(address.unmapped), endpoint.port)
        case .name(let name, _): return PolicyTarget(name).map { ($0, endpoint.port) }
        }
    }
}
