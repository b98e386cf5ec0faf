import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// A dial from its first packet to its verdict.
final class WorldDial: Sendable {
    let from: Multiaddr
    let to: Multiaddr
    /// Fires with the verdict.
    let decided = Signal()
    private let dialer: WorldTransport
    private let target: Int
    private let expected: PeerID?
    private let verdict = Mutex<Result<WorldConnection, TransportError>?>(nil)

    init(by dialer: WorldTransport, from: Multiaddr, to: Multiaddr, of target: Int, expecting peer: PeerID?) {
        self.dialer = dialer
        self.from = from
        self.to = to
        self.target = target
        self.expected = peer
    }

    private var network: WorldNetwork { self.dialer.network }
    private var clock: VirtualClock { self.network.clock }
    private var isCut: Bool { self.network.isCut(self.dialer.host, self.target) }

    /// The first verdict counts.
    ///
    /// - Returns: whether this was it.
    @discardableResult
    func decide(_ result: Result<WorldConnection, TransportError>) -> Bool {
        let isFirst = self.verdict.withLock { verdict in
            guard verdict == nil else { return false }
            verdict = result
            return true
        }
        if isFirst { self.decided.fire() }
        return isFirst
    }

    /// The verdict, once there is one.
    func result() throws(TransportError) -> WorldConnection {
        guard let verdict = self.verdict.withLock({ $0 }) else { throw TransportError(.cancelled, "the dial was cancelled") }
        return try verdict.get()
    }

    /// The first packet has come to where it was sent.
    func arrive() {
        // A first packet that is lost to a partition is not sent again: the dial fails at its deadline, as the next one may not.
        guard !self.isCut else { return }
        guard let listener = self.network.listener(at: self.to) else {
            return self.answer(TransportError(.unreachable, "nobody listens at \(self.to)"))
        }
        if !listener.offer(WorldArrival(self, at: listener)) { self.refuse() }
    }

    func refuse() {
        self.answer(TransportError(.closed, "the listener refused the connection"))
    }

    private func answer(_ error: TransportError) {
        let arrival = self.clock.deadline.advanced(by: self.network.flight(from: self.target, to: self.dialer.host))
        _ = self.clock.schedule(at: arrival) { if !self.isCut { self.decide(.failure(error)) } }
    }

    /// The listener accepts: what is left of the handshakes takes its time, then both ends have the connection, the dialer first.
    func shakeHands(with listener: WorldListener, _ onEnd: @escaping @Sendable (Result<WorldConnection, TransportError>) -> Void) {
        let link = self.network.link(self.dialer.host, self.target) ?? Link()
        var ready = self.clock.deadline
        for leg in 0..<max(1, 2 * link.handshakeRoundTrips - 1) {
            let isAnswer = leg.isMultiple(of: 2)
            ready = ready.advanced(
                by: self.network.flight(from: isAnswer ? self.target : self.dialer.host, to: isAnswer ? self.dialer.host : self.target))
        }
        _ = self.clock.schedule(at: ready) { self.finishHandshakes(with: listener, onEnd) }
    }

    private func finishHandshakes(
        with listener: WorldListener, _ onEnd: @escaping @Sendable (Result<WorldConnection, TransportError>) -> Void
    ) {
        guard !self.isCut else { return }
        let listening = listener.transport
        let outcome: Result<WorldConnection, TransportError>
        if let expected = self.expected, expected != listening.peer {
            self.decide(.failure(TransportError(.peerMismatch, "\(listening.peer) answered instead of \(expected)")))
            outcome = .failure(TransportError(.securityFailed, "the dialer expected another peer"))
        } else if self.verdict.withLock({ $0 }) != nil {
            outcome = .failure(TransportError(.closed, "the dialer gave up"))
        } else {
            let ends = WorldConnection.pair(
                dialer: (self.info(.dialer, self.dialer, listening, self.from, self.to), self.dialer.host),
                listener: (self.info(.listener, listening, self.dialer, self.to, self.from), self.target), network: self.network)
            self.decide(.success(ends.dialer))
            outcome = .success(ends.listener)
        }
        let arrival = self.clock.deadline.advanced(by: self.network.flight(from: self.dialer.host, to: self.target))
        _ = self.clock.schedule(at: arrival) { onEnd(outcome) }
    }

    private func info(
        _ role: ConnectionRole, _ local: WorldTransport, _ remote: WorldTransport, _ near: Multiaddr, _ far: Multiaddr
    ) -> ConnectionInfo {
        ConnectionInfo(
            role: role, localPeer: local.peer, remotePeer: remote.peer, remoteKey: remote.key, localAddress: near, remoteAddress: far,
            security: "/world", muxer: "/world")
    }
}
