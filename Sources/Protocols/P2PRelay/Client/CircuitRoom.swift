import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PPipeline
import Synchronization

/// What the parts of one host's relay client share: who listens where, and how circuits become connections.
final class CircuitRoom: Sendable {
    /// Circuits that were offered and are no connections yet; those beyond are refused.
    static let pendingLimit = 64

    let host: any HostAccess
    let upgrader: Upgrader
    private let group: any EventLoopGroup
    private let pending: LentPlaces
    private let listeners = Mutex<[CircuitListener]>([])
    private let tell: @Sendable (RelayClient.Event) -> Void

    /// - Parameter pending: the places of circuits on their way to a connection.
    init(_ plan: HostPlan, upgrader: Upgrader, pending: LentPlaces, tell: @escaping @Sendable (RelayClient.Event) -> Void) {
        self.host = plan.host
        self.upgrader = upgrader
        self.pending = pending
        self.group = plan.group
        self.tell = tell
    }

    func post(_ event: RelayClient.Event) { self.tell(event) }

    // MARK: Listeners

    func add(_ listener: CircuitListener) {
        self.listeners.withLock { $0.append(listener) }
    }

    func remove(_ listener: CircuitListener) {
        self.listeners.withLock { $0.removeAll { $0 === listener } }
    }

    /// Who takes circuits that come from this relay over this connection; nil when there is no place at it.
    func listener(for connection: ConnectionInfo) -> CircuitListener? {
        self.listeners.withLock { $0 }.first { $0.holdsPlace(over: connection) }
    }

    /// Tells the listeners of connections that end, until the task is cancelled.
    func follow(_ events: HostEvents) async {
        for await event in events {
            switch event {
            case .disconnected(let connection, _): self.ended { $0 == connection.id }
            case .lost:
                let living = Set(self.host.connections.map(\.info.id))
                self.ended { !living.contains($0) }
            default: break
            }
        }
    }

    private func ended(_ isOver: (ConnectionID) -> Bool) {
        for listener in self.listeners.withLock({ $0 }) { listener.connectionsEnded(isOver) }
    }

    // MARK: Circuits

    /// Whether one more circuit may be on its way to a connection.
    func lendPlace() -> Bool { self.pending.lend() }
    func takeBackPlace() { self.pending.giveBack() }

    /// Makes a channel of a stream whose ends have agreed to be a circuit.
    func mount(_ stream: PeerStream, limit: CircuitLimit?, of relay: ConnectionInfo, progress: ArrivalProgress? = nil) async -> ByteChannel
    {
        let eventLoop = stream.muxed.home ?? self.group.next()
        let channel = StreamChannel(stream, on: eventLoop, autoRead: false)
        let peer = relay.remotePeer
        await withCheckedContinuation { continuation in
            eventLoop.execute {
                let gauge = CircuitGauge(CircuitUse(limit, of: peer, at: eventLoop.now))
                try? channel.pipeline.syncOperations.addHandler(gauge)
                channel.activate()
                continuation.resume()
            }
        }
        let remote = CircuitAddress.place(at: relay.remoteAddress, of: peer) ?? relay.remoteAddress
        return ByteChannel(
            channel: channel, localAddress: relay.localAddress, remoteAddress: remote, progress: progress, isLimited: limit != nil)
    }
}
