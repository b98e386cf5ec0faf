import NIOCore
import P2PCore
import P2PIdentity

/// The flows of a local socket of datagrams, one for each source or target, opened when the first datagram comes. On the socket's event loop.
final class DatagramFlows<Key: Hashable & Sendable>: @unchecked Sendable {
    /// What waits until the flow is open, and the flow.
    private final class Entry {
        var waiting = DatagramQueue()
        var flow: DatagramFlow?
    }

    /// What the flows of one socket share.
    struct Ends: Sendable {
        /// Opens the stream of a new flow.
        let open: @Sendable (Key) async throws(TunnelError) -> PeerStream
        /// Gives the socket what came for a key.
        let deliver: @Sendable (Key, ByteBuffer) -> Void
        let flush: @Sendable () -> Void
    }

    private let tunnels: Tunnels
    private let running: RunningTunnel
    private let peer: PeerID
    private let eventLoop: any EventLoop
    private let ends: Ends
    /// Confined to the event loop.
    private var entries: [Key: Entry] = [:]
    private var isOver = false

    init(of running: RunningTunnel, to peer: PeerID, tunnels: Tunnels, on eventLoop: any EventLoop, _ ends: Ends) {
        self.running = running
        self.peer = peer
        self.tunnels = tunnels
        self.eventLoop = eventLoop
        self.ends = ends
    }

    /// Sends a datagram through the flow of a key.
    func send(_ payload: ByteBuffer, through key: Key) {
        guard !self.isOver else { return }
        if let entry = self.entries[key] {
            if let flow = entry.flow { flow.send(payload) } else { self.keep(payload, for: entry) }
            return
        }
        guard self.entries.count < self.tunnels.configuration.flows else { return self.running.traffic.countLostDatagram() }
        let entry = Entry()
        self.entries[key] = entry
        self.keep(payload, for: entry)
        guard !self.tunnels.start({ await self.serve(key) }) else { return }
        self.entries[key] = nil
        self.running.traffic.countLostDatagram()
    }

    /// The socket is gone.
    func finish() {
        self.isOver = true
        for entry in self.entries.values { entry.flow?.finish() }
    }

    private func keep(_ payload: ByteBuffer, for entry: Entry) {
        // Its own copy: what it came in has room for the largest.
        for _ in 0..<entry.waiting.append(ByteBuffer(bytes: payload.readableBytesView)) { self.running.traffic.countLostDatagram() }
    }

    /// Opens a flow, and carries it to its end.
    private func serve(_ key: Key) async {
        do {
            let place = try await self.tunnels.ledger.admit(self.peer, to: self.running.traffic)
            let stream: PeerStream
            do throws(TunnelError) {
                stream = try await self.ends.open(key)
            } catch {
                self.running.traffic.countRefusal()
                throw error
            }
            place.opened()
            let ends = self.ends
            let flow = DatagramFlow(
                stream, idle: TimeAmount(self.tunnels.configuration.datagramIdle), place: place, on: self.eventLoop,
                deliver: { ends.deliver(key, $0) }, flush: ends.flush)
            try await self.running.whileOpen(cancel: { flow.cancel() }) {
                let ended = flow.ended
                self.eventLoop.execute { self.attach(flow, to: key) }
                try await withTaskCancellationHandler {
                    try await ended.get()
                } onCancel: {
                    flow.cancel()
                }
            }
        } catch {
            self.tunnels.tell(self.running, self.peer, error)
        }
        self.eventLoop.execute { self.entries[key] = nil }
    }

    private func attach(_ flow: DatagramFlow, to key: Key) {
        guard let entry = self.entries[key], !self.isOver else { return flow.cancel() }
        entry.flow = flow
        flow.begin()
        while let payload = entry.waiting.popFirst() { flow.send(payload) }
    }
}
